//! Every route, asked by every kind of user, about what is theirs and what is not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::Stage;
use crate::admin::routes::ROUTES;
use crate::client::Client;

/// Who may what, a row for each route; see the file.
const TABLE: &str = include_str!("authorization.txt");

/// The users: a letter of the table, the name, the tag.
const USERS: [(char, &str, &str); 5] = [
    ('a', "ada", "administrator"),
    ('p', "pam", "policymaker"),
    ('o', "moe", "monitoring"),
    ('m', "meg", "management"),
    ('-', "nan", ""),
];

/// Who has what is not the askers'.
const OTHER: &str = "rob";

/// Asks whether one of the rows lets a user through.
#[derive(Clone, Copy)]
struct Row {
    method: &'static str,
    path: &'static str,
    /// The letters of those who may with what is theirs, and with what is not.
    letters: [&'static str; 2],
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let row = |line: &'static str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [method, path, own, foreign] = words[..] else { panic!("'{line}' is no row") };
        Row { method, path, letters: [own, foreign] }
    };
    lines.map(row).collect()
}

#[test]
fn every_route_has_a_row_that_says_who_may() {
    let written: BTreeSet<_> = rows().iter().map(|row| (row.method, row.path)).collect();
    let there: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(written, there);
}

/// Makes what the rows are about, and gives the users back what a row took from them.
fn prepare(stage: &Stage) {
    for vhost in ["%2F", "theirs"] {
        stage.done("PUT", &format!("/api/vhosts/{vhost}"), "{}");
        let all = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
        stage.done("PUT", &format!("/api/permissions/{vhost}/guest"), all);
        stage.done("PUT", &format!("/api/queues/{vhost}/q"), "{}");
        stage.done("PUT", &format!("/api/exchanges/{vhost}/x"), r#"{"type": "topic"}"#);
        let policy = r#"{"pattern": "^none$", "definition": {"max-length": 5}}"#;
        stage.done("PUT", &format!("/api/policies/{vhost}/p"), policy);
        stage.done("PUT", &format!("/api/operator-policies/{vhost}/p"), policy);
        stage.done("POST", &format!("/api/bindings/{vhost}/e/x/q/q"), r#"{"routing_key": "k"}"#);
        for (_, name, tag) in USERS.into_iter().chain([(' ', OTHER, "")]) {
            if vhost == "%2F" {
                let user = format!(r#"{{"password": "{name}", "tags": "{tag}"}}"#);
                stage.done("PUT", &format!("/api/users/{name}"), &user);
                stage.done("PUT", &format!("/api/permissions/%2F/{name}"), all);
            }
        }
    }
}

/// A client's connection of a user, with the names of it and of its channel.
fn connected(stage: &Stage, user: &str) -> (Client, String) {
    let mut client = stage.client(user);
    client.open_channel(1).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (_, found) = stage.ask("guest", "GET", "/api/channels?columns=name,user", "");
        let found = found.as_array().into_iter().flatten().rev();
        let name = |row: &Value| row["name"].as_str().map(str::to_owned);
        if let Some(name) = found.filter(|row| row["user"] == user).find_map(name) {
            let name = name.trim_end_matches(" (1)").replace(' ', "%20").replace('>', "%3E");
            return (client, name);
        }
        assert!(Instant::now() < deadline, "the connection is not listed");
    }
}

/// The path of a row about a user's own or another's things.
fn path(row: &Row, user: &str, own: bool, connection: &str) -> String {
    let segments = row.path.split('/').map(|segment| match segment {
        ":vhost" if own => "%2F".to_owned(),
        ":vhost" => "theirs".to_owned(),
        ":user" if own => user.to_owned(),
        ":user" => OTHER.to_owned(),
        ":connection" => connection.to_owned(),
        ":channel" => format!("{connection}%20(1)"),
        ":queue" | ":kind" => "q".to_owned(),
        ":destination" => "q".to_owned(),
        ":exchange" | ":source" => "x".to_owned(),
        ":props" => "k".to_owned(),
        ":name" => "p".to_owned(),
        ":node" => "leveret@localhost".to_owned(),
        ":limit" if row.path.contains("vhost") => "max-queues".to_owned(),
        ":limit" => "max-channels".to_owned(),
        other => other.trim_start_matches(':').to_owned(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A body that most rows understand and none suffers from.
fn body(row: &Row, user: &str) -> String {
    let text = match row.path {
        path if path.ends_with("authenticate") => {
            return format!(r#"{{"password": "{user}"}}"#);
        }
        "/api/exchanges/:vhost/:exchange" => r#"{"type": "topic"}"#,
        path if path.contains("policies") => r#"{"pattern": "^none$", "definition": {}}"#,
        path if path.contains("/definitions") || path.contains("configuration") => "{}",
        _ if row.method == "GET" => "",
        _ => {
            r#"{"routing_key": "k", "payload": "", "payload_encoding": "string", "value": 100,
            "destination": "none"}"#
        }
    };
    text.to_owned()
}

/// Asks each of the rows that `wanted` picks, as each user, about both; says what is wrong.
fn walk(stage: &Stage, wanted: impl Fn(&Row, bool) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows() {
        for (letter, user, _) in USERS {
            for (own, letters) in [true, false].into_iter().zip(row.letters) {
                let may = letter != '-' && letters.contains(letter);
                if !wanted(&row, may) {
                    continue;
                }
                if may && row.method == "DELETE" {
                    prepare(stage);
                }
                let about = if own { user } else { OTHER };
                let named = row.path.contains(":connection") || row.path.contains(":channel");
                let client = named.then(|| connected(stage, about));
                let connection = client.as_ref().map_or("", |(_, name)| name.as_str());
                let path = path(&row, user, own, connection);
                let (status, answer) = stage.ask(user, row.method, &path, &body(&row, about));
                let right = match may {
                    true => ![401, 403, 405, 500].contains(&status),
                    false => status == 401,
                };
                if !right {
                    wrong.push(format!("{user} {} {path}: {status} {answer}", row.method));
                }
            }
        }
    }
    wrong
}

#[test]
fn a_route_lets_through_whom_it_should_and_no_others() {
    let stage = Stage::new();
    prepare(&stage);
    // What is refused changes nothing, so all of it can be asked in one world.
    let wrong = walk(&stage, |_, may| !may);
    assert!(wrong.is_empty(), "let in:\n{}", wrong.join("\n"));
    // It would end the process that this test runs in.
    let ends = |row: &Row| row.path == "/api/stop";
    for method in ["GET", "POST", "PUT", "DELETE"] {
        let wrong = walk(&stage, |row, may| may && row.method == method && !ends(row));
        assert!(wrong.is_empty(), "kept out:\n{}", wrong.join("\n"));
    }
    for row in rows() {
        let path = path(&row, "guest", true, "c");
        assert_eq!(stage.ask("", row.method, &path, "").0, 401, "{} {path}", row.method);
    }
}
