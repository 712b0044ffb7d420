//! The one table of commands that set, clear and list rules: permissions, vhosts, policies,
//! parameters. A row is a request; `{1}` in it is the first argument, `{vhost}` the vhost.

use serde_json::{Value, json};

use super::client::path;
use super::listings::{Column, Source, value};
use super::{Ctl, DATA, Failure, NO_USER};

/// A command that is one request.
pub(super) struct Rule {
    pub(super) name: &'static str,
    /// What has to stand behind it, and in brackets what may. A `USER` has to exist.
    pub(super) arguments: &'static str,
    /// What people are told while it is done, in rabbitmqctl's words.
    banner: &'static str,
    method: &'static str,
    path: &'static [&'static str],
    what: What,
}

/// What a request carries, or what is shown of its answer.
enum What {
    /// Nothing.
    Nothing,
    /// A body made of the arguments.
    Body(fn(&Ctl, &[String]) -> Result<Value, Failure>),
    /// A listing with these columns.
    Rows(&'static [Column]),
}

use Source::{Json, Same, Words};
use What::{Body, Nothing, Rows};

const fn set(
    name: &'static str,
    arguments: &'static str,
    banner: &'static str,
    path: &'static [&'static str],
    body: fn(&Ctl, &[String]) -> Result<Value, Failure>,
) -> Rule {
    Rule { name, arguments, banner, method: "PUT", path, what: Body(body) }
}

const fn clear(
    name: &'static str,
    arguments: &'static str,
    banner: &'static str,
    path: &'static [&'static str],
) -> Rule {
    Rule { name, arguments, banner, method: "DELETE", path, what: Nothing }
}

const fn list(
    name: &'static str,
    arguments: &'static str,
    banner: &'static str,
    path: &'static [&'static str],
    columns: &'static [Column],
) -> Rule {
    Rule { name, arguments, banner, method: "GET", path, what: Rows(columns) }
}

#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    list("list_users", "", "Listing users ...", &["users"], &[("user", Source::At("name")), ("tags", Words("tags"))]),
    clear("delete_user", "USER", "Deleting user \"{1}\" ...", &["users", "{1}"]),
    set("set_permissions", "USER CONFIGURE WRITE READ", "Setting permissions for user \"{1}\" in vhost \"{vhost}\" ...", &["permissions", "{vhost}", "{1}"],
        |_, words| Ok(json!({ "configure": words[1], "write": words[2], "read": words[3] }))),
    clear("clear_permissions", "USER", "Clearing permissions for user \"{1}\" in vhost \"{vhost}\" ...", &["permissions", "{vhost}", "{1}"]),
    list("list_permissions", "", "Listing permissions for vhost \"{vhost}\" ...", &["vhosts", "{vhost}", "permissions"],
        &[("user", Same), ("configure", Same), ("write", Same), ("read", Same)]),
    list("list_user_permissions", "USER", "Listing permissions for user \"{1}\" ...", &["users", "{1}", "permissions"],
        &[("vhost", Same), ("configure", Same), ("write", Same), ("read", Same)]),
    set("set_topic_permissions", "USER EXCHANGE WRITE READ", "Setting topic permissions on \"{2}\" for user \"{1}\" in vhost \"{vhost}\" ...", &["topic-permissions", "{vhost}", "{1}"],
        |_, words| Ok(json!({ "exchange": words[1], "write": words[2], "read": words[3] }))),
    clear("clear_topic_permissions", "USER [EXCHANGE]", "Clearing topic permissions for user \"{1}\" in vhost \"{vhost}\" ...", &["topic-permissions", "{vhost}", "{1}", "{2}"]),
    list("list_topic_permissions", "", "Listing topic permissions for vhost \"{vhost}\" ...", &["vhosts", "{vhost}", "topic-permissions"],
        &[("user", Same), ("exchange", Same), ("write", Same), ("read", Same)]),
    list("list_user_topic_permissions", "USER", "Listing topic permissions for user \"{1}\" ...", &["users", "{1}", "topic-permissions"],
        &[("vhost", Same), ("exchange", Same), ("write", Same), ("read", Same)]),
    set("add_vhost", "VHOST", "Adding vhost \"{1}\" ...", &["vhosts", "{1}"], vhost_body),
    clear("delete_vhost", "VHOST", "Deleting vhost \"{1}\" ...", &["vhosts", "{1}"]),
    set("set_policy", "NAME PATTERN DEFINITION", "Setting policy \"{1}\" for pattern \"{2}\" to \"{3}\" with priority \"{priority}\" for vhost \"{vhost}\" ...", &["policies", "{vhost}", "{1}"], policy_body),
    clear("clear_policy", "NAME", "Clearing policy \"{1}\" on vhost \"{vhost}\" ...", &["policies", "{vhost}", "{1}"]),
    list("list_policies", "", "Listing policies for vhost \"{vhost}\" ...", &["policies", "{vhost}"], POLICY),
    set("set_operator_policy", "NAME PATTERN DEFINITION", "Setting operator policy override \"{1}\" for pattern \"{2}\" to \"{3}\" with priority \"{priority}\" for vhost \"{vhost}\" ...", &["operator-policies", "{vhost}", "{1}"], policy_body),
    clear("clear_operator_policy", "NAME", "Clearing operator policy \"{1}\" on vhost \"{vhost}\" ...", &["operator-policies", "{vhost}", "{1}"]),
    list("list_operator_policies", "", "Listing operator policy overrides for vhost \"{vhost}\" ...", &["operator-policies", "{vhost}"], POLICY),
    set("set_parameter", "COMPONENT NAME VALUE", "Setting runtime parameter \"{2}\" for component \"{1}\" to \"{3}\" in vhost \"{vhost}\" ...", &["parameters", "{1}", "{vhost}", "{2}"],
        |_, words| Ok(json!({ "value": parsed(&words[2])? }))),
    clear("clear_parameter", "COMPONENT NAME", "Clearing runtime parameter \"{2}\" for component \"{1}\" on vhost \"{vhost}\" ...", &["parameters", "{1}", "{vhost}", "{2}"]),
    list("list_parameters", "", "Listing runtime parameters for vhost \"{vhost}\" ...", &["parameters"],
        &[("component", Same), ("name", Same), ("value", Json("value"))]),
    set("set_global_parameter", "NAME VALUE", "Setting global runtime parameter \"{1}\" to \"{2}\" ...", &["global-parameters", "{1}"],
        |_, words| Ok(json!({ "value": parsed(&words[1])? }))),
    clear("clear_global_parameter", "NAME", "Clearing global runtime parameter \"{1}\" ...", &["global-parameters", "{1}"]),
    list("list_global_parameters", "", "Listing global runtime parameters ...", &["global-parameters"], &[("name", Same), ("value", Json("value"))]),
    list("list_vhost_limits", "", "Listing limits for vhost \"{vhost}\" ...", &["vhost-limits", "{vhost}"], &[("vhost", Same), ("limits", Json("value"))]),
    list("list_user_limits", "USER", "Listing limits for user \"{1}\" ...", &["user-limits", "{1}"], &[("user", Same), ("limits", Json("value"))]),
];

const POLICY: &[Column] = &[
    ("vhost", Same),
    ("name", Same),
    ("pattern", Same),
    ("apply-to", Same),
    ("definition", Json("definition")),
    ("priority", Same),
];

fn vhost_body(ctl: &Ctl, _: &[String]) -> Result<Value, Failure> {
    let mut body = json!({});
    for (name, value) in [
        ("description", &ctl.description),
        ("tags", &ctl.tags),
        ("default_queue_type", &ctl.default_queue_type),
    ] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
    Ok(body)
}

fn policy_body(ctl: &Ctl, words: &[String]) -> Result<Value, Failure> {
    let definition = parsed(&words[2])?;
    Ok(json!({ "pattern": words[1], "definition": definition, "priority": ctl.priority,
        "apply-to": ctl.apply_to }))
}

/// An argument that is JSON.
pub(super) fn parsed(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::new(DATA, format!("'{text}' is not JSON: {error}")))
}

/// Runs a row; what it says goes to the vector.
pub(super) fn run(
    ctl: &Ctl,
    rule: &Rule,
    words: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    if ctl.talks() {
        out.extend_from_slice(filled(rule.banner, ctl, words).as_bytes());
        out.push(b'\n');
    }
    if let Some(place) = rule.arguments.split(' ').position(|argument| argument == "USER") {
        known_user(ctl, &words[place])?;
    }
    let segments = rule.path.iter().map(|segment| filled(segment, ctl, words));
    let segments: Vec<_> = segments.filter(|segment| !segment.is_empty()).collect();
    let path = path(&segments.iter().map(String::as_str).collect::<Vec<_>>());
    let body = match rule.what {
        Body(body) => Some(body(ctl, words)?),
        Nothing | Rows(_) => None,
    };
    let answer = ctl.request(rule.method, &path, &[], body.as_ref());
    let answer = answer.map_err(|failure| told(ctl, rule, failure))?;
    if let Rows(columns) = rule.what {
        show(ctl, columns, &answer, out);
    }
    Ok(())
}

fn show(ctl: &Ctl, columns: &[Column], answer: &Value, out: &mut Vec<u8>) {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    // Parameters are listed of all vhosts at once.
    let own = |row: &&Value| {
        names.contains(&"vhost") || row["vhost"].as_str().is_none_or(|vhost| *vhost == ctl.vhost)
    };
    let machines = ctl.formatter.is_for_machines();
    let rows = answer.as_array().into_iter().flatten().filter(own);
    let rows: Vec<Vec<Value>> = rows
        .map(|row| columns.iter().map(|column| value(row, column, machines)).collect())
        .collect();
    out.extend_from_slice(ctl.formatter.write(&names, &rows, ctl.has_headers()).as_bytes());
}

/// A failure in rabbitmqctl's words, where the API has fewer.
fn told(ctl: &Ctl, rule: &Rule, failure: Failure) -> Failure {
    let of_vhost = rule.path.contains(&"{vhost}");
    if failure.code == DATA
        && of_vhost
        && ctl.get(&path(&["vhosts", &ctl.vhost])).is_err_and(|failure| failure.code == DATA)
    {
        return Failure::new(DATA, format!("Virtual host '{}' does not exist", ctl.vhost));
    }
    failure
}

/// Fails as rabbitmqctl does if there is no such user.
pub(super) fn known_user(ctl: &Ctl, name: &str) -> Result<Value, Failure> {
    ctl.get(&path(&["users", name])).map_err(|failure| match failure.code {
        DATA => Failure::new(NO_USER, format!("User \"{name}\" does not exist")),
        _ => failure,
    })
}

/// A text with what its braces mean; an argument that was not given is nothing.
fn filled(text: &str, ctl: &Ctl, words: &[String]) -> String {
    // One pass: what is filled in may have braces of its own.
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        filled.push_str(before);
        match name {
            "vhost" => filled.push_str(&ctl.vhost),
            "priority" => filled.push_str(&ctl.priority.to_string()),
            number => {
                let place = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                filled.push_str(place.and_then(|at| words.get(at)).map_or("", String::as_str));
            }
        }
        rest = after;
    }
    filled + rest
}
