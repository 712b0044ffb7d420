//! Rules that are listed, made and deleted alike: permissions, policies, parameters.
//!
//! A rule looks over HTTP as it does in a definitions file, so that code is used both ways: what is
//! put is read as a file with one item.

use serde_json::{Value, json};

use crate::admin::answer::{Answer, Refusal, created};
use crate::admin::listing;
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::access::{Change, PolicyKind, RuleKind};
use crate::definitions::{self, DefinitionsError};
use crate::wire::ShortString;

/// Names and what they have to be for a rule to be meant: `("user", "alice")`.
pub(super) type Names<'a> = [(&'static str, &'a str)];

/// Answers with the rules of a kind that the caller sees, of a vhost or of all, and that have
/// these names.
pub(super) fn list(
    site: &Site,
    ask: &Ask,
    kind: RuleKind,
    vhost: Option<&ShortString>,
    names: &Names<'_>,
) -> Answer {
    listing::answer(ask, found(site, ask, kind, vhost, names)?)
}

/// Answers with the one rule that has these names.
pub(super) fn show(
    site: &Site,
    ask: &Ask,
    kind: RuleKind,
    vhost: Option<&ShortString>,
    names: &Names<'_>,
) -> Answer {
    let rule = found(site, ask, kind, vhost, names)?.into_iter().next();
    listing::one(ask, &rule.ok_or_else(Refusal::not_found)?)
}

/// The rules as [`list`] has them.
pub(super) fn found(
    site: &Site,
    ask: &Ask,
    kind: RuleKind,
    vhost: Option<&ShortString>,
    names: &Names<'_>,
) -> Result<Vec<Value>, Refusal> {
    let rules = site.questions.rules(kind, vhost)?;
    let seen = |item: &Value| {
        let Some(own) = item["vhost"].as_str() else { return true };
        let permitted = match kind {
            RuleKind::Parameters => ask.caller.makes_policies_in(own),
            _ => ask.caller.sees(own),
        };
        permitted && vhost.is_none_or(|vhost| **vhost == *own)
    };
    let meant = |item: &Value| names.iter().all(|(name, value)| item[*name] == **value);
    let items = rules.iter().filter_map(value).filter(seen).filter(meant);
    Ok(items.collect())
}

/// A rule as RabbitMQ shows it.
fn value(change: &Change) -> Option<Value> {
    let (_, mut item) = definitions::item(change)?;
    if let Change::PutPolicy { kind: PolicyKind::Operator, vhost, name, .. } = change {
        item = item["value"].take();
        item["vhost"] = json!(**vhost);
        item["name"] = json!(**name);
    }
    Some(item)
}

/// The changes that an item of a definitions file asks for: the body of a request, with the names
/// that are in the path.
pub(super) fn read(
    site: &Site,
    section: &str,
    mut item: Value,
    names: &Names<'_>,
) -> Result<Vec<Change>, Refusal> {
    for (name, value) in names {
        item[*name] = json!(value);
    }
    let file = json!({ section: [item] }).to_string();
    let logins = site.door.logins();
    let hash = |password: &[u8]| logins.hash(password).map_err(|error| error.to_string());
    let read = definitions::read(file.as_bytes(), None, &hash).map_err(|error| match error {
        DefinitionsError::Wrong { place, problem, .. } => {
            let key = place.split_once('.').map_or(&*place, |(_, key)| key);
            Refusal::bad_request(format!("{key} {problem}"))
        }
        other => other.into(),
    })?;
    Ok(read.changes)
}

/// Makes a rule, or replaces the one that is there.
pub(super) fn put(
    site: &Site,
    ask: &Ask,
    kind: RuleKind,
    names: &Names<'_>,
    changes: Vec<Change>,
) -> Answer {
    let vhost = names.iter().find(|(name, _)| *name == "vhost");
    let vhost = vhost.map(|_| ask.name("vhost")).transpose()?;
    let new = found(site, ask, kind, vhost.as_ref(), names)?.is_empty();
    site.change(changes)?;
    created(new)
}

/// Deletes a rule that has to be there.
pub(super) fn delete(
    site: &Site,
    ask: &Ask,
    kind: RuleKind,
    names: &Names<'_>,
    change: Change,
) -> Answer {
    let vhost = names.iter().find(|(name, _)| *name == "vhost");
    let vhost = vhost.map(|_| ask.name("vhost")).transpose()?;
    if found(site, ask, kind, vhost.as_ref(), names)?.is_empty() {
        return Err(Refusal::not_found());
    }
    site.change(vec![change])?;
    created(false)
}
