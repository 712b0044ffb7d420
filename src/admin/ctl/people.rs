//! Commands about users that are more than one request: passwords, tags, limits.

use std::io;

use serde_json::{Value, json};

use super::client::path;
use super::rules::{known_user, parsed};
use super::{Ctl, DATA, Failure, NO_USER, PERMISSION, SOFTWARE};

/// Tells people what is being done.
fn tell(ctl: &Ctl, out: &mut Vec<u8>, text: &str) {
    if ctl.talks() {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }
}

/// The password behind a name, or the first line of the input.
fn password(words: &[String], place: usize) -> Result<String, Failure> {
    if let Some(word) = words.get(place) {
        return Ok(word.clone());
    }
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::new(DATA, format!("no password could be read: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn put(ctl: &Ctl, name: &str, body: &Value) -> Result<(), Failure> {
    ctl.request("PUT", &path(&["users", name]), &[], Some(body)).map(drop)
}

pub(super) fn add_user(ctl: &Ctl, words: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let name = &words[0];
    tell(ctl, out, &format!("Adding user \"{name}\" ..."));
    match known_user(ctl, name) {
        Ok(_) => {
            return Err(Failure::new(SOFTWARE, format!("User \"{name}\" already exists")));
        }
        Err(failure) if failure.code == NO_USER => {}
        Err(failure) => return Err(failure),
    }
    let password = password(words, 1)?;
    let key = if ctl.pre_hashed_password { "password_hash" } else { "password" };
    put(ctl, name, &json!({ key: password, "tags": "" }))?;
    let text = "Done. Don't forget to grant the user permissions to some virtual hosts! \
        See 'leveret ctl set_permissions'.";
    tell(ctl, out, text);
    Ok(())
}

pub(super) fn change_password(
    ctl: &Ctl,
    words: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    tell(ctl, out, &format!("Changing password for user \"{}\" ...", words[0]));
    let user = known_user(ctl, &words[0])?;
    let password = password(words, 1)?;
    put(ctl, &words[0], &json!({ "password": password, "tags": user["tags"] }))
}

pub(super) fn clear_password(
    ctl: &Ctl,
    words: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    tell(ctl, out, &format!("Clearing password for user \"{}\" ...", words[0]));
    let user = known_user(ctl, &words[0])?;
    put(ctl, &words[0], &json!({ "tags": user["tags"] }))
}

pub(super) fn authenticate_user(
    ctl: &Ctl,
    words: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let name = &words[0];
    tell(ctl, out, &format!("Authenticating user \"{name}\" ..."));
    let body = json!({ "password": password(words, 1)? });
    let path = path(&["users", name, "authenticate"]);
    ctl.request("POST", &path, &[], Some(&body)).map_err(|failure| match failure.code {
        PERMISSION => {
            let text = format!("failed to authenticate user \"{name}\"");
            Failure::new(DATA, text)
        }
        _ => failure,
    })?;
    tell(ctl, out, "Success");
    Ok(())
}

pub(super) fn set_user_tags(ctl: &Ctl, words: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let (name, tags) = (&words[0], &words[1..]);
    let shown = tags.join(", ");
    tell(ctl, out, &format!("Setting tags for user \"{name}\" to [{shown}] ..."));
    let mut user = known_user(ctl, name)?;
    // The rest stays as it is.
    user["tags"] = json!(tags);
    put(ctl, name, &user)
}

pub(super) fn hash_password(ctl: &Ctl, words: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let password = password(words, 0)?;
    let hash = ctl.get(&path(&["auth", "hash_password", &password]))?;
    out.extend_from_slice(format!("{}\n", hash["ok"].as_str().unwrap_or_default()).as_bytes());
    Ok(())
}

pub(super) fn set_vhost_limits(
    ctl: &Ctl,
    words: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let text = format!("Setting vhost limits to \"{}\" for vhost \"{}\" ...", words[0], ctl.vhost);
    tell(ctl, out, &text);
    set_limits(ctl, ["vhost-limits", &ctl.vhost], &words[0])
}

pub(super) fn clear_vhost_limits(
    ctl: &Ctl,
    _: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    tell(ctl, out, &format!("Clearing vhost \"{}\" limits ...", ctl.vhost));
    ["max-connections", "max-queues"].into_iter().try_for_each(|limit| {
        ctl.request("DELETE", &path(&["vhost-limits", &ctl.vhost, limit]), &[], None).map(drop)
    })
}

pub(super) fn set_user_limits(
    ctl: &Ctl,
    words: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let text = format!("Setting user limits to \"{}\" for user \"{}\" ...", words[1], words[0]);
    tell(ctl, out, &text);
    known_user(ctl, &words[0])?;
    set_limits(ctl, ["user-limits", &words[0]], &words[1])
}

pub(super) fn clear_user_limits(
    ctl: &Ctl,
    words: &[String],
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let (user, limit) = (&words[0], &words[1]);
    tell(ctl, out, &format!("Clearing \"{limit}\" limit for user \"{user}\" ..."));
    known_user(ctl, user)?;
    let all = ["max-connections", "max-channels"];
    let limits = if limit == "all" { all.to_vec() } else { vec![limit.as_str()] };
    limits.into_iter().try_for_each(|limit| {
        ctl.request("DELETE", &path(&["user-limits", user, limit]), &[], None).map(drop)
    })
}

/// Sets each limit of a JSON object.
fn set_limits(ctl: &Ctl, of: [&str; 2], definition: &str) -> Result<(), Failure> {
    let definition = parsed(definition)?;
    let limits = definition.as_object();
    let limits = limits.ok_or_else(|| Failure::new(DATA, "limits are to be a JSON object"))?;
    limits.iter().try_for_each(|(limit, value)| {
        let body = json!({ "value": value });
        ctl.request("PUT", &path(&[of[0], of[1], limit]), &[], Some(&body)).map(drop)
    })
}
