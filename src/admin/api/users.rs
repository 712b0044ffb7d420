//! Users and their limits.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::rules;
use crate::admin::answer::{Answer, Refusal, created};
use crate::admin::listing;
use crate::admin::routes::Ask;
use crate::admin::site::Site;
use crate::broker::access::{Change, Hashing, NewPassword, PasswordHash, User, UserLimit};

/// The limits in the order of listings.
const LIMITS: [UserLimit; 2] = [UserLimit::MaxConnections, UserLimit::MaxChannels];

/// GET /api/users
pub(in super::super) fn list(site: &Site, ask: &Ask) -> Answer {
    let users = site.door.logins().users();
    listing::answer(ask, users.iter().map(|(name, user)| value(name, user)).collect())
}

/// GET /api/users/:user
pub(in super::super) fn show(site: &Site, ask: &Ask) -> Answer {
    listing::one(ask, &value(ask.path("user"), &found(site, ask)?))
}

fn found(site: &Site, ask: &Ask) -> Result<User, Refusal> {
    site.door.logins().user(ask.path("user")).ok_or_else(Refusal::not_found)
}

/// PUT /api/users/:user: `tags`, and one of `password`, `password_hash` or neither, for a user who
/// cannot log in by password.
pub(in super::super) fn put(site: &Site, ask: &Ask) -> Answer {
    let mut body = ask.json()?;
    // RabbitMQ 2 had this; some scripts still do.
    if body.get("tags").is_none() && body.get("administrator").is_some() {
        let is = ask.fields()?.flag("administrator", false)?;
        body["tags"] = json!(if is { "administrator" } else { "" });
    }
    if body.get("tags").is_none() {
        return Err(Refusal::bad_request("tags_not_present"));
    }
    if body.get("password").is_some() && body.get("password_hash").is_some() {
        return Err(Refusal::bad_request("both_password_and_password_hash_are_provided"));
    }
    if body.get("hashing_algorithm").is_none() {
        body["hashing_algorithm"] = json!(Hashing::Sha256.name());
    }
    let hashed = body["password_hash"].as_str().is_some_and(|hash| !hash.is_empty());
    let new = site.door.logins().user(ask.path("user")).is_none();
    let changes = rules::read(site, "users", body, &[("name", ask.path("user"))])?;
    // A file may have such users: they cannot log in by password.
    let unusable = |change: &Change| {
        matches!(change, Change::PutUser { password: NewPassword::None, .. }) && hashed
    };
    if changes.iter().any(unusable) {
        return Err(Refusal::bad_request("password_hash is not of its algorithm's length"));
    }
    site.change(changes)?;
    created(new)
}

/// DELETE /api/users/:user
pub(in super::super) fn delete(site: &Site, ask: &Ask) -> Answer {
    site.change(vec![Change::DeleteUser { name: ask.name("user")? }])?;
    created(false)
}

/// POST /api/users/bulk-delete: those that are not there are passed over.
pub(in super::super) fn bulk_delete(site: &Site, ask: &Ask) -> Answer {
    let fields = ask.fields()?;
    let names = fields.texts("users")?;
    let users = site.door.logins().users();
    let known = names.into_iter().filter_map(|name| users.get_key_value(name));
    let changes: Vec<_> =
        known.map(|(name, _)| Change::DeleteUser { name: name.clone() }).collect();
    site.change(changes)?;
    created(false)
}

/// POST /api/users/:user/authenticate {password}: whether that is the password.
pub(in super::super) fn authenticate(site: &Site, ask: &Ask) -> Answer {
    let fields = ask.fields()?;
    let password = fields.needed("password")?;
    // By name, as if they came from the machine itself: it is the caller who asks.
    let peer = Ipv4Addr::LOCALHOST.into();
    let user = site.door.logins().verify(ask.path("user"), password.as_bytes(), peer)?;
    user.ok_or_else(|| Refusal::not_authorised("invalid credentials"))?;
    created(false)
}

/// GET /api/user-limits
pub(in super::super) fn list_limits(site: &Site, ask: &Ask) -> Answer {
    let users = site.door.logins().users();
    let caller = &ask.caller;
    let seen = users.iter().filter(|(name, _)| caller.sees_all() || **name == caller.user);
    let limited = seen.map(|(name, user)| limits_row(name, user));
    listing::answer(ask, limited.filter(has_limits).collect())
}

/// GET /api/user-limits/:user
pub(in super::super) fn show_limits(site: &Site, ask: &Ask) -> Answer {
    let row = limits_row(ask.path("user"), &found(site, ask)?);
    listing::answer(ask, Some(row).into_iter().filter(has_limits).collect())
}

/// PUT /api/user-limits/:user/:limit {value}
pub(in super::super) fn put_limit(site: &Site, ask: &Ask) -> Answer {
    let (limit, user) = (limit(ask)?, found(site, ask)?);
    let value = super::vhosts::limit_value(&ask.fields()?)?;
    let new = of(&user, limit).is_none();
    site.change(vec![Change::SetUserLimit { user: ask.name("user")?, limit, value: Some(value) }])?;
    created(new)
}

/// DELETE /api/user-limits/:user/:limit
pub(in super::super) fn delete_limit(site: &Site, ask: &Ask) -> Answer {
    let (limit, _) = (limit(ask)?, found(site, ask)?);
    site.change(vec![Change::SetUserLimit { user: ask.name("user")?, limit, value: None }])?;
    created(false)
}

fn limit(ask: &Ask) -> Result<UserLimit, Refusal> {
    UserLimit::named(ask.path("limit"))
        .ok_or_else(|| Refusal::bad_request(format!("Unrecognised limit: {}", ask.path("limit"))))
}

fn of(user: &User, limit: UserLimit) -> Option<u64> {
    match limit {
        UserLimit::MaxConnections => user.max_connections,
        UserLimit::MaxChannels => user.max_channels,
    }
}

fn limits(user: &User) -> Value {
    let set = LIMITS.iter().filter_map(|limit| Some((limit.name(), of(user, *limit)?)));
    Value::Object(set.map(|(name, value)| (name.to_owned(), json!(value))).collect::<Map<_, _>>())
}

fn limits_row(name: &str, user: &User) -> Value {
    json!({ "user": name, "value": limits(user) })
}

fn has_limits(row: &Value) -> bool {
    row["value"].as_object().is_some_and(|value| !value.is_empty())
}

/// A user as RabbitMQ shows them: with the hash of the password, to administrators only.
pub(super) fn value(name: &str, user: &User) -> Value {
    let hash = user.password.as_ref();
    json!({
        "name": name,
        "password_hash": hash.map(PasswordHash::base64).unwrap_or_default(),
        "hashing_algorithm": hash.map_or(Hashing::Sha256, PasswordHash::hashing).name(),
        "tags": user.tags.iter().map(|tag| &**tag).collect::<Vec<&str>>(),
        "limits": limits(user),
    })
}
