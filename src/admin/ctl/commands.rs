//! The one table of commands. Adding one is adding a row.

use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::path;
use super::listings::{LISTINGS, Listing, value};
use super::output::plain;
use super::rules::RULES;
use super::{Ctl, DATA, Failure, USAGE};
use super::{files, people, rules, tracing};

/// Runs a command with what stands behind it; what it says goes to the vector.
type Run = fn(&Ctl, &[String], &mut Vec<u8>) -> Result<(), Failure>;

/// A command that is no listing.
struct Command {
    name: &'static str,
    /// What has to stand behind it, and in brackets what may.
    arguments: &'static str,
    about: &'static str,
    run: Run,
}

const fn row(
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: Run,
) -> Command {
    Command { name, arguments, about, run }
}

#[rustfmt::skip]
const COMMANDS: &[Command] = &[
    row("status", "", "Says how the broker is", status),
    row("ping", "", "Asks whether the broker lives", ping),
    row("version", "", "Says the broker's version", version),
    row("alarms", "", "Lists what is wrong", alarms),
    row("check_running", "", "Fails unless the broker lives", ping),
    row("await_startup", "", "Waits until the broker lives", wait),
    row("wait", "[PID_FILE]", "Waits until the broker lives", wait),
    row("stop", "", "Stops the broker in order", stop),
    row("purge_queue", "QUEUE", "Throws the ready messages of a queue away", purge_queue),
    row("delete_queue", "QUEUE", "Deletes a queue", delete_queue),
    row("close_connection", "NAME REASON", "Closes a connection", close_connection),
    row("close_all_connections", "REASON", "Closes the connections to the vhost", close_all_connections),
    row("list_unresponsive_queues", "", "Lists queues that do not answer: none can", list_unresponsive),
    row("add_user", "NAME [PASSWORD]", "Makes a user", people::add_user),
    row("change_password", "USER [PASSWORD]", "Gives a user another password", people::change_password),
    row("clear_password", "USER", "Takes a user's password away", people::clear_password),
    row("authenticate_user", "USER [PASSWORD]", "Says whether that is the password", people::authenticate_user),
    row("set_user_tags", "USER [TAG]...", "Gives a user these tags and no others", people::set_user_tags),
    row("hash_password", "[PASSWORD]", "Hashes a password as definitions have it", people::hash_password),
    row("set_vhost_limits", "LIMITS", "Sets limits of the vhost, a JSON object", people::set_vhost_limits),
    row("clear_vhost_limits", "", "Takes the limits of the vhost away", people::clear_vhost_limits),
    row("set_user_limits", "USER LIMITS", "Sets limits of a user, a JSON object", people::set_user_limits),
    row("clear_user_limits", "USER LIMIT", "Takes a limit of a user away, or all", people::clear_user_limits),
    row("export_definitions", "FILE", "Writes everything but messages to a file", files::export),
    row("import_definitions", "[FILE]", "Reads such a file, all of it or nothing", files::import),
    row("trace_on", "", "Turns the firehose of the vhost on, until the next start", tracing::on),
    row("trace_off", "", "Turns it off", tracing::off),
    row("peek", "QUEUE [COUNT]", "Shows the first messages of a queue and leaves them there", peek),
    row("explain", "EXCHANGE ROUTING_KEY [HEADERS]", "Shows where a message would go, and by which bindings", explain),
    row("drops", "", "Counts messages that were let go, by cause", drops),
];

/// The list of commands, behind the help.
pub(super) fn help() -> String {
    let mut text = String::from("Commands:\n");
    for listing in LISTINGS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {} [COLUMN]...", listing.name);
    }
    for rule in RULES {
        let _ = writeln!(text, "  {} {}", rule.name, rule.arguments);
    }
    for Command { name, arguments, about, .. } in COMMANDS {
        let _ = writeln!(text, "  {:<45} {about}", format!("{name} {arguments}"));
    }
    text
}

/// Runs the command that a command line names.
pub(super) fn run(ctl: &Ctl, out: &mut Vec<u8>) -> Result<(), Failure> {
    let (name, arguments) =
        ctl.command.split_first().ok_or_else(|| Failure::usage("no command"))?;
    if let Some(listing) = LISTINGS.iter().find(|listing| listing.name == name) {
        return list(ctl, listing, arguments, out);
    }
    if let Some(rule) = RULES.iter().find(|rule| rule.name == name) {
        check(name, rule.arguments, arguments)?;
        return rules::run(ctl, rule, arguments, out);
    }
    let command = COMMANDS.iter().find(|command| command.name == name);
    let command = command.ok_or_else(|| {
        Failure::usage(format!("command '{name}' not found; see leveret ctl --help"))
    })?;
    check(name, command.arguments, arguments)?;
    (command.run)(ctl, arguments, out)
}

/// Whether a command has as many arguments as it needs; the last may come any number of times.
fn check(name: &str, expected: &str, given: &[String]) -> Result<(), Failure> {
    let endless = expected.ends_with("...");
    let most = if endless { usize::MAX } else { expected.split_whitespace().count() };
    let least = expected.split_whitespace().filter(|it| !it.starts_with('[')).count();
    if (least..=most).contains(&given.len()) {
        return Ok(());
    }
    let usage = format!("usage: leveret ctl {name} {expected}");
    Err(Failure::usage(usage.trim_end()))
}

fn list(ctl: &Ctl, listing: &Listing, asked: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let asked: Vec<&str> = if asked.is_empty() {
        listing.default.to_vec()
    } else {
        asked.iter().flat_map(|names| names.split([',', ' '])).filter(|it| !it.is_empty()).collect()
    };
    let columns: Result<Vec<_>, _> = asked
        .iter()
        .map(|name| {
            let column = listing.columns.iter().find(|(column, _)| column == name);
            column.ok_or_else(|| {
                let known: Vec<_> = listing.columns.iter().map(|(name, _)| *name).collect();
                let known = known.join(", ");
                Failure::new(USAGE, format!("info key {name} not supported; there are {known}"))
            })
        })
        .collect();
    let columns = columns?;
    let mut segments = listing.path.to_vec();
    if listing.of_vhost {
        segments.push(&ctl.vhost);
    }
    let rows = ctl.get(&path(&segments))?;
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<Vec<Value>> = rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .map(|column| value(row, column, ctl.formatter.is_for_machines()))
                .collect()
        })
        .collect();
    if ctl.talks() {
        let of = if listing.of_vhost { format!(" {}", ctl.vhost) } else { String::new() };
        say(out, &format!("{}{of}...\n", listing.banner));
    }
    say(out, &ctl.formatter.write(&asked, &rows, ctl.has_headers()));
    Ok(())
}

fn say(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Writes one row, or several.
fn show(ctl: &Ctl, columns: &[&str], rows: &[Vec<Value>], out: &mut Vec<u8>) {
    say(out, &ctl.formatter.write(columns, rows, ctl.has_headers()));
}

fn status(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let overview = ctl.get(&path(&["overview"]))?;
    let nodes = ctl.get(&path(&["nodes"]))?;
    let node = nodes.get(0).cloned().unwrap_or(Value::Null);
    if ctl.formatter.is_for_machines() {
        say(out, &format!("{}\n", json!({ "overview": overview, "node": node })));
        return Ok(());
    }
    let rows = [
        ("Product", &overview["product_name"]),
        ("Version", &overview["product_version"]),
        ("Compatible with RabbitMQ", &overview["rabbitmq_version"]),
        ("Process", &node["os_pid"]),
        ("Uptime, milliseconds", &node["uptime"]),
        ("Data directory", &node["db_dir"]),
        ("Memory, octets", &node["mem_used"]),
        ("Memory limit, octets", &node["mem_limit"]),
        ("Memory alarm", &node["mem_alarm"]),
        ("Free disk, octets", &node["disk_free"]),
        ("Free disk limit, octets", &node["disk_free_limit"]),
        ("Disk alarm", &node["disk_free_alarm"]),
        ("File descriptors", &node["fd_used"]),
        ("File descriptors limit", &node["fd_total"]),
        ("Connections", &overview["object_totals"]["connections"]),
        ("Channels", &overview["object_totals"]["channels"]),
        ("Queues", &overview["object_totals"]["queues"]),
        ("Messages ready", &overview["queue_totals"]["messages_ready"]),
        ("Messages unacknowledged", &overview["queue_totals"]["messages_unacknowledged"]),
    ];
    for (name, value) in rows {
        say(out, &format!("{name}: {}\n", plain(value)));
    }
    for listener in overview["listeners"].as_array().into_iter().flatten() {
        let (protocol, address) = (plain(&listener["protocol"]), plain(&listener["ip_address"]));
        say(out, &format!("Listener: {protocol} on {address}:{}\n", plain(&listener["port"])));
    }
    Ok(())
}

fn ping(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    ctl.get(&path(&["healthchecks", "node"]))?;
    if ctl.talks() {
        say(out, "Ping succeeded\n");
    }
    Ok(())
}

fn version(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let overview = ctl.get(&path(&["overview"]))?;
    say(out, &format!("{}\n", plain(&overview["product_version"])));
    Ok(())
}

fn alarms(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let nodes = ctl.get(&path(&["nodes"]))?;
    let mut rows = Vec::new();
    for (alarm, name) in
        [("mem_alarm", "memory"), ("disk_free_alarm", "disk"), ("fd_alarm", "file_descriptors")]
    {
        if nodes[0][alarm] == json!(true) {
            rows.push(vec![json!(name)]);
        }
    }
    if rows.is_empty() && ctl.talks() {
        say(out, "Node reported no alarms, local or clusterwide\n");
        return Ok(());
    }
    show(ctl, &["alarm"], &rows, out);
    Ok(())
}

fn wait(ctl: &Ctl, _: &[String], _: &mut Vec<u8>) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(ctl.timeout);
    loop {
        match ctl.get(&path(&["healthchecks", "node"])) {
            Ok(_) => return Ok(()),
            Err(failure) if Instant::now() >= deadline => return Err(failure),
            Err(_) => thread::sleep(Duration::from_millis(200)),
        }
    }
}

fn stop(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    if ctl.talks() {
        say(out, "Stopping the broker...\n");
    }
    ctl.request("POST", &path(&["stop"]), &[], None).map(drop)
}

fn purge_queue(ctl: &Ctl, names: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    if ctl.talks() {
        say(out, &format!("Purging queue '{}' in vhost '{}' ...\n", names[0], ctl.vhost));
    }
    let path = path(&["queues", &ctl.vhost, &names[0], "contents"]);
    ctl.request("DELETE", &path, &[], None).map(drop)
}

fn delete_queue(ctl: &Ctl, names: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    if ctl.talks() {
        say(out, &format!("Deleting queue '{}' on vhost '{}' ...\n", names[0], ctl.vhost));
    }
    let path = path(&["queues", &ctl.vhost, &names[0]]);
    let (empty, unused) = (ctl.if_empty, ctl.if_unused);
    let path = format!("{path}?if-empty={empty}&if-unused={unused}");
    ctl.request("DELETE", &path, &[], None).map(drop)
}

fn close_connection(ctl: &Ctl, names: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    if ctl.talks() {
        say(out, &format!("Closing connection {}, reason: {}...\n", names[0], names[1]));
    }
    close(ctl, &names[0], &names[1])
}

fn close(ctl: &Ctl, name: &str, reason: &str) -> Result<(), Failure> {
    let path = path(&["connections", name]);
    ctl.request("DELETE", &path, &[("X-Reason", reason)], None).map(drop)
}

fn close_all_connections(ctl: &Ctl, names: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let rows = ctl.get(&path(&["vhosts", &ctl.vhost, "connections"]))?;
    let mut closed = 0;
    for name in rows.as_array().into_iter().flatten().filter_map(|row| row["name"].as_str()) {
        match close(ctl, name, &names[0]) {
            Ok(()) => closed += 1,
            // It has gone by itself.
            Err(failure) if failure.code == DATA => {}
            Err(failure) => return Err(failure),
        }
    }
    if ctl.talks() {
        say(out, &format!("Closed {closed} connections\n"));
    }
    Ok(())
}

fn list_unresponsive(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    // All queues are the router's: either it answers, or nothing does.
    ctl.get(&path(&["healthchecks", "node"]))?;
    show(ctl, &["name"], &[], out);
    Ok(())
}

fn peek(ctl: &Ctl, names: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let count = names.get(1).map_or("1", String::as_str);
    let count: usize = count.parse().map_err(|_| Failure::usage("COUNT is to be a number"))?;
    let path = path(&["queues", &ctl.vhost, &names[0], "peek"]);
    let messages = ctl.get(&format!("{path}?count={count}"))?;
    let columns =
        ["exchange", "routing_key", "redelivered", "properties", "payload_bytes", "payload"];
    let rows = messages.as_array().into_iter().flatten();
    let rows: Vec<_> =
        rows.map(|row| columns.iter().map(|name| row[*name].clone()).collect()).collect();
    show(ctl, &columns, &rows, out);
    Ok(())
}

fn explain(ctl: &Ctl, names: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let headers = names.get(2).map_or("{}", String::as_str);
    let headers: Value = serde_json::from_str(headers)
        .map_err(|_| Failure::usage("HEADERS is to be a JSON object"))?;
    let exchange = if names[0].is_empty() { "amq.default" } else { &names[0] };
    let path = path(&["exchanges", &ctl.vhost, exchange, "explain"]);
    let body = json!({ "routing_key": names[1], "headers": headers });
    let found = ctl.request("POST", &path, &[], Some(&body))?;
    if ctl.formatter.is_for_machines() {
        say(out, &format!("{found}\n"));
        return Ok(());
    }
    for hop in found["hops"].as_array().into_iter().flatten() {
        let name = hop["exchange"].as_str().filter(|name| !name.is_empty());
        let name = name.unwrap_or("(default)");
        say(out, &format!("exchange '{name}' ({})\n", plain(&hop["type"])));
        for binding in hop["bindings"].as_array().into_iter().flatten() {
            let (key, arguments) = (plain(&binding["routing_key"]), plain(&binding["arguments"]));
            let (kind, to) = (plain(&binding["destination_type"]), plain(&binding["destination"]));
            say(out, &format!("  binding '{key}' {arguments} -> {kind} '{to}'\n"));
        }
        if let Some(alternate) = hop["alternate_exchange"].as_str() {
            say(out, &format!("  nothing matches -> alternate exchange '{alternate}'\n"));
        }
    }
    let queues = found["queues"].as_array().into_iter().flatten().map(plain);
    let queues: Vec<_> = queues.map(|name| format!("'{name}'")).collect();
    let result = if queues.is_empty() {
        "no queue: the message is dropped, or returned if it is mandatory".to_owned()
    } else {
        format!("queues: {}", queues.join(", "))
    };
    say(out, &format!("{result}\n"));
    Ok(())
}

fn drops(ctl: &Ctl, _: &[String], out: &mut Vec<u8>) -> Result<(), Failure> {
    let drops = ctl.get(&path(&["drops"]))?;
    let entries = drops.as_object().into_iter().flatten();
    let rows: Vec<_> = entries.map(|(cause, count)| vec![json!(cause), count.clone()]).collect();
    show(ctl, &["cause", "messages"], &rows, out);
    Ok(())
}
