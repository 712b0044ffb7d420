//! Golden scripts: what clients say to the broker, and what it answers, as text.
//!
//! A script is a file of `tests/scripts/`: blocks of commands, a line `---`, the outputs of that
//! block. The broker runs without sockets, threads or clock, on a disk in memory. When behaviour
//! changes on purpose, `UPDATE_GOLDEN=1 cargo test --test suite` writes the outputs anew, and the
//! difference is reviewed like code.
//!
//! ```text
//!   c1.1 > queue.declare queue="q" durable=true     a method from connection c1 on channel 1
//!   c1.1 > basic.publish routing_key="q" properties={delivery_mode: 2} body="hello"
//!   c1.1 > basic.publish routing_key="q" body=*20   a body of 20 octets
//!   c2 capability consumer_cancel_notify            before c2's first method: what it announces
//!   c2 user alice                                   before c2's first method: who it is, else guest
//!   change {change: "delete-user", name: "alice"}   an operator changes something
//!   c2 gone                                         the client's socket closed
//!   c2 drained 4096                                 so many octets have left its outbox
//!   c2 move 10 q other                              up to 10 messages of q go to other, by channel 1
//!   c2 oversized 1 20000000                         a body that was too long to keep
//!   together                                        the commands until the blank line are one turn
//!   hold / sync                                     from now syncs wait; the waiting ones happen
//!   full / room                                     the disk is full; it no longer is
//!   alarm 12 50 7 0                                 MB: free disk, its limit, memory, its limit
//!   wait 1500                                       so many milliseconds later
//!   shutdown                                        everyone is told that the broker stops
//!   wait 1500                                       so many milliseconds pass, and what they bring
//!   drops                                           how many messages left unacknowledged, and why
//!   crash / restart                                 the broker is killed, or stopped, and begun again
//!   wall +3600000                               the wall clock is set forward by so many ms
//!   at 1500ms                                       the clock stands so long after the script's begin
//!   tracing on / off                                the firehose of vhost /
//!   strict                                          the broker is begun again, as strict as RabbitMQ
//!   20 times c1.1 > queue.declare                   the command so often, each a turn of its own
//! ```
//!
//! A connection opens by itself with its first command, and its channels too, except where a
//! script says `channel.open` itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leveret::broker::access::Change;
use leveret::broker::drops::Cause;
use leveret::broker::{
    Broker, BrokerOptions, Command, Effects, Measures, Move, OpenConnection, Publish,
};
use leveret::clock::Reading;
use leveret::ids::{ChannelNumber, ConnectionId, SyncPoint, Timestamp};
use leveret::message::Message;
use leveret::store::{MemoryDisk, Store, StoreOptions};
use leveret::wire::{Field, Method, Properties, ShortString, Table, queue};

use crate::print::print_output;

#[test]
fn golden_scripts_answer_as_written() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let usual = BrokerOptions::default().work_per_turn;
    let mut wrong = Vec::new();
    for (file, text) in scripts() {
        let actual =
            run(&text, usual).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if actual == text {
            continue;
        }
        if update {
            // What is written down must not be a matter of chance; all later runs compare with it.
            assert_eq!(
                run(&text, usual).as_ref(),
                Ok(&actual),
                "{} is not repeatable",
                file.display()
            );
            std::fs::write(&file, actual).unwrap();
        } else {
            wrong.push(format!("{}:\n{}", file.display(), difference(&text, &actual)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn scripts_answer_the_same_when_all_that_can_be_long_is_done_in_the_least_slices() {
    let mut wrong = Vec::new();
    for (file, text) in scripts() {
        // What repeats a command thousands of times would take thousands of turns for each.
        if text.contains("0000") {
            continue;
        }
        let actual = run(&text, 1).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let (text, actual) = (by_client(&text), by_client(&actual));
        if actual != text {
            wrong.push(format!("{}:\n{}", file.display(), difference(&text, &actual)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A script with the outputs of each block in the order of their clients, who do not see each
/// other's.
fn by_client(text: &str) -> String {
    let client = |line: &str| line.split_once('.').map(|(client, _)| client.to_owned());
    let block = |block: &str| {
        let Some((commands, outputs)) = block.split_once("---\n") else { return block.to_owned() };
        let mut outputs: Vec<_> = outputs.lines().collect();
        outputs.sort_by_key(|line| client(line));
        format!("{commands}---\n{}", outputs.join("\n"))
    };
    text.trim_end().split("\n\n").map(block).collect::<Vec<_>>().join("\n\n")
}

/// All scripts, by path.
pub(crate) fn scripts() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the scripts are missing");
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file).unwrap();
            (file, text)
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The first lines that differ.
fn difference(expected: &str, actual: &str) -> String {
    let (mut left, mut right) = (expected.lines(), actual.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (left.next(), right.next()) {
            (None, None) => return "only line ends differ".to_owned(),
            (a, b) if a == b => {}
            (a, b) => {
                return format!(
                    "  line {number}\n  expected: {}\n  actual:   {}",
                    a.unwrap_or("(end)"),
                    b.unwrap_or("(end)")
                );
            }
        }
    }
}

/// Runs a script and returns it with the outputs that it really has.
fn run(text: &str, work_per_turn: u64) -> Result<String, String> {
    let mut stage = Stage::new(work_per_turn);
    let mut result = String::new();
    for block in text.trim_end().split("\n\n") {
        if !result.is_empty() {
            result.push('\n');
        }
        let mut together = false;
        for line in block.lines().take_while(|line| *line != "---") {
            writeln!(result, "{line}").unwrap();
            if line == "together" {
                together = true;
            } else if !line.starts_with('#') {
                let (times, command) = repeated(line);
                for _ in 0..times {
                    stage.command(command).map_err(|error| format!("{line}: {error}"))?;
                    if !together {
                        stage.end_turn();
                    }
                }
            }
        }
        stage.end_turn();
        let outputs = std::mem::take(&mut stage.outputs);
        if block.lines().any(|line| line == "---") || !outputs.is_empty() {
            writeln!(result, "---").unwrap();
            result.push_str(&outputs);
        }
    }
    Ok(result)
}

/// How often a line is to be done, and what: `20 times …` or once.
fn repeated(line: &str) -> (usize, &str) {
    let counted = line.split_once(" times ");
    let counted = counted.and_then(|(count, command)| Some((count.parse().ok()?, command)));
    counted.unwrap_or((1, line))
}

/// No command takes so many turns: a timer would be due for ever.
const TURNS_MAX: usize = 10_000;

/// When a script begins.
const BEGIN: Timestamp = Timestamp(1_000_000);

/// A broker, its disk, and the clients of a script.
struct Stage {
    disk: Arc<MemoryDisk>,
    broker: Option<Broker>,
    effects: Effects,
    clients: BTreeSet<ConnectionId>,
    channels: BTreeSet<(ConnectionId, ChannelNumber)>,
    capabilities: Vec<(ConnectionId, String)>,
    users: BTreeMap<ConnectionId, String>,
    hold: bool,
    strict: bool,
    work_per_turn: u64,
    pending: Option<SyncPoint>,
    now: Timestamp,
    /// The wall clock is ahead of the broker's time by so much, if a script has set it.
    ahead: Option<i64>,
    /// The turns of the command that is being done.
    turns: usize,
    outputs: String,
}

impl Stage {
    fn new(work_per_turn: u64) -> Self {
        let mut stage = Self {
            disk: Arc::new(MemoryDisk::default()),
            broker: None,
            effects: Effects::default(),
            clients: BTreeSet::new(),
            channels: BTreeSet::new(),
            capabilities: Vec::new(),
            users: BTreeMap::new(),
            hold: false,
            strict: false,
            work_per_turn,
            pending: None,
            now: BEGIN,
            ahead: None,
            turns: 0,
            outputs: String::new(),
        };
        stage.open();
        stage
    }

    fn open(&mut self) {
        let (store, recovery) =
            Store::examine(self.disk.clone(), StoreOptions::default()).expect("the store opens");
        let options = BrokerOptions {
            outbox_bytes_max: 10_000,
            transactions_bytes_max: 300 << 20,
            strict: self.strict,
            work_per_turn: self.work_per_turn,
            reading: self.reading(),
            ..BrokerOptions::default()
        };
        self.broker = Some(Broker::open(store, recovery, options).expect("it recovers"));
        self.clients.clear();
        self.channels.clear();
        self.pending = None;
        self.effects = Effects::default();
    }

    /// What the clocks show, if a script has set the wall clock.
    fn reading(&self) -> Option<Reading> {
        let wall = self.now.0.saturating_add_signed(self.ahead?);
        Some(Reading { wall, uptime: self.now.0 })
    }

    /// Sets the wall clock.
    fn wall(&mut self, step: &str) -> Result<(), String> {
        let step: i64 = step.parse().map_err(|_| "by how much?")?;
        let before = self.ahead.unwrap_or_default();
        if let (None, Some(broker)) = (self.ahead.replace(before), &mut self.broker) {
            broker.read_clocks(self.now, Reading { wall: self.now.0, uptime: self.now.0 });
        }
        self.ahead = Some(before + step);
        Ok(())
    }

    fn command(&mut self, line: &str) -> Result<(), String> {
        self.turns = 0;
        match line.split_once(' ') {
            Some(("alarm", figures)) => self.alarm(figures),
            None => self.verb(line),
            Some(("change", change)) => self.change(change),
            Some(("at", time)) => self.at(time),
            Some(("wall", step)) => self.wall(step),
            Some(("tracing", on)) => {
                let broker = self.broker.as_mut().ok_or("no broker")?;
                broker
                    .set_tracing("/", on == "on")
                    .then_some(())
                    .ok_or_else(|| "no vhost".to_owned())
            }
            Some(("wait", milliseconds)) => {
                self.wait(milliseconds.parse().map_err(|_| "how long?")?);
                Ok(())
            }
            Some((who, rest)) => match rest.strip_prefix("> ") {
                Some(method) => self.method(who, method),
                None => self.client(parse_connection(who)?, rest),
            },
        }
    }

    fn verb(&mut self, verb: &str) -> Result<(), String> {
        match verb {
            "hold" => self.hold = true,
            "sync" => {
                self.hold = false;
                self.sync();
            }
            "full" => self.disk.fill(true),
            "room" => self.disk.fill(false),
            "shutdown" => {
                self.broker.as_mut().ok_or("no broker")?.shut_down(&mut self.effects);
            }
            "drops" => {
                let counts = *self.broker.as_ref().ok_or("no broker")?.drops().counts();
                for cause in Cause::ALL.into_iter().filter(|cause| counts.of(*cause) > 0) {
                    let (name, count) = (cause.name(), counts.of(cause));
                    writeln!(self.outputs, "{name} {count}").map_err(|error| error.to_string())?;
                }
            }
            "crash" | "strict" => {
                self.strict |= verb == "strict";
                self.broker = None;
                self.open();
            }
            "restart" => {
                let broker = self.broker.take().ok_or("no broker")?;
                broker.close_store().map_err(|error| error.to_string())?;
                self.open();
            }
            other => return Err(format!("what is '{other}'?")),
        }
        Ok(())
    }

    /// Lets an operator change something; what is refused is an output.
    fn change(&mut self, text: &str) -> Result<(), String> {
        // A table by itself has no text form, but as an argument it has.
        let method = format!("queue.declare arguments={text}").parse::<Method>();
        let Ok(Method::Queue(queue::Method::Declare(queue::Declare { arguments, .. }))) = method
        else {
            return Err("no table".to_owned());
        };
        let change = Change::from_table(&arguments).map_err(|error| error.to_string())?;
        let broker = self.broker.as_mut().ok_or("no broker")?;
        if let Err(refused) = broker.change(vec![change], &mut self.effects) {
            writeln!(self.outputs, "refused: {refused}").expect("a text takes it");
        }
        Ok(())
    }

    /// What the watchdog has measured, in MB.
    fn alarm(&mut self, figures: &str) -> Result<(), String> {
        let figures: Vec<u64> = figures.split(' ').map_while(|word| word.parse().ok()).collect();
        let [disk_free, disk_limit, memory_used, memory_limit] =
            *figures.iter().map(|number| number * 1_000_000).collect::<Vec<_>>()
        else {
            return Err("four numbers".to_owned());
        };
        let measures =
            Measures { disk_free, disk_limit, memory_used, memory_limit, disk_unreachable: false };
        self.broker.as_mut().ok_or("no broker")?.measured(&measures);
        Ok(())
    }

    /// Moves the clock.
    fn at(&mut self, time: &str) -> Result<(), String> {
        let time = time.strip_suffix("ms").and_then(|number| number.parse::<u64>().ok());
        self.now = Timestamp(BEGIN.0 + time.ok_or("at so many ms")?);
        Ok(())
    }

    /// Lets time pass: turns happen when the broker asks for them.
    fn wait(&mut self, milliseconds: u64) {
        let end = Timestamp(self.now.0 + milliseconds);
        while let Some(next) = self.broker.as_ref().and_then(Broker::next_deadline)
            && next <= end
        {
            self.now = self.now.max(next);
            self.end_turn();
        }
        self.now = end;
        self.end_turn();
    }

    fn client(&mut self, id: ConnectionId, rest: &str) -> Result<(), String> {
        let words: Vec<_> = rest.split(' ').collect();
        let number = |text: &str| text.parse::<u64>().map_err(|error| error.to_string());
        match words.as_slice() {
            ["capability", name] => self.capabilities.push((id, (*name).to_owned())),
            ["user", name] => {
                self.users.insert(id, (*name).to_owned());
            }
            ["gone"] => {
                self.apply(id, Command::Gone);
                self.clients.remove(&id);
                self.channels.retain(|(client, _)| *client != id);
            }
            ["drained", bytes] => self.apply(id, Command::Drained(number(bytes)?)),
            ["oversized", channel, bytes] => {
                let channel = channel.parse().map(ChannelNumber).map_err(|_| "no channel")?;
                self.ensure(id, channel, "basic.publish");
                self.apply(id, Command::Oversized(channel, number(bytes)?));
            }
            ["vhost", name] => self.open_client(id, name),
            ["move", most, from, to] => {
                self.ensure(id, ChannelNumber(1), "move");
                let (from, to) = (ShortString::clipped(from), ShortString::clipped(to));
                let most = number(most)?.try_into().map_err(|_| "too many")?;
                self.apply(id, Command::Move(ChannelNumber(1), Move { from, to, most }));
            }
            _ => return Err("what?".to_owned()),
        }
        Ok(())
    }

    fn method(&mut self, who: &str, text: &str) -> Result<(), String> {
        let (client, channel) = who.split_once('.').unwrap_or((who, "0"));
        let id = parse_connection(client)?;
        let channel = ChannelNumber(channel.parse().map_err(|_| "no channel")?);
        self.ensure(id, channel, text);
        let command = if text.starts_with("basic.publish") {
            Command::Publish(channel, parse_publish(text)?)
        } else {
            Command::Method(channel, text.parse::<Method>().map_err(|error| error.to_string())?)
        };
        self.apply(id, command);
        Ok(())
    }

    /// Opens the connection and the channel of a command if the script has not.
    fn ensure(&mut self, id: ConnectionId, channel: ChannelNumber, text: &str) {
        if !self.clients.contains(&id) {
            self.open_client(id, "/");
            self.end_turn();
        }
        let own = text.starts_with("channel.open") || channel == ChannelNumber(0);
        if self.channels.insert((id, channel)) && !own && !text.starts_with("raw ") {
            let open = "channel.open".parse().expect("a method");
            self.apply(id, Command::Method(channel, open));
            self.end_turn();
            self.outputs = self.outputs.replace(&format!("{id}.{channel} < channel.open-ok\n"), "");
        }
    }

    fn open_client(&mut self, id: ConnectionId, vhost: &str) {
        self.clients.insert(id);
        let capabilities: Table = self
            .capabilities
            .iter()
            .filter(|(client, _)| *client == id)
            .map(|(_, name)| (ShortString::clipped(name), Field::Boolean(true)))
            .collect();
        let properties =
            [(ShortString::clipped("capabilities"), Field::Table(capabilities))].into_iter();
        let open = OpenConnection {
            peer: "script".to_owned(),
            user: ShortString::clipped(self.users.get(&id).map_or("guest", String::as_str)),
            virtual_host: ShortString::clipped(vhost),
            client_properties: properties.collect(),
            channel_max: 8,
            facts: Default::default(),
        };
        self.apply(id, Command::Open(Box::new(open)));
        self.end_turn();
        self.outputs = self.outputs.replace(&format!("{id}.0 < connection.open-ok\n"), "");
    }

    fn apply(&mut self, id: ConnectionId, command: Command) {
        let reading = self.reading();
        if let Some(broker) = &mut self.broker {
            if let Some(reading) = reading {
                broker.read_clocks(self.now, reading);
            }
            broker.apply(self.now, id, command, &mut self.effects);
        }
    }

    /// A turn, and those that long work needs after it.
    fn end_turn(&mut self) {
        self.turns += 1;
        assert!(self.turns < TURNS_MAX, "one command takes {TURNS_MAX} turns");
        self.turn();
        let mut turns = 0;
        while self.broker.as_ref().is_some_and(Broker::is_working) {
            self.turn();
            turns += 1;
            assert!(turns < 1_000_000, "the work does not end");
        }
    }

    fn turn(&mut self) {
        let reading = self.reading();
        let Some(broker) = &mut self.broker else { return };
        if let Some(reading) = reading {
            broker.read_clocks(self.now, reading);
        }
        let request = broker.end_turn(self.now, &mut self.effects).expect("the disk works");
        if let Some(request) = request {
            request.run().expect("the disk works");
            self.pending = Some(request.point);
        }
        self.print();
        if !self.hold {
            self.sync();
        }
    }

    fn sync(&mut self) {
        if let (Some(point), Some(broker)) = (self.pending.take(), &mut self.broker) {
            broker.synced(point, &mut self.effects);
            self.print();
            self.turn();
        }
    }

    fn print(&mut self) {
        for (id, output) in self.effects.take_urgent() {
            print_output(&mut self.outputs, id, &output);
        }
        if self.broker.as_ref().is_some_and(Broker::holds_outputs) {
            return;
        }
        for (id, outputs) in self.effects.take() {
            for output in outputs {
                print_output(&mut self.outputs, id, &output);
            }
        }
    }
}

fn parse_connection(text: &str) -> Result<ConnectionId, String> {
    let number = text.strip_prefix('c').and_then(|number| number.parse().ok());
    number.map(ConnectionId).ok_or_else(|| format!("'{text}' is no connection"))
}

/// Splits `body="…"` or `body=*N` and `properties={…}` off a basic.publish.
pub(crate) fn parse_publish(text: &str) -> Result<Publish, String> {
    let (text, body) = match text.split_once(" body=") {
        None => (text, Vec::new()),
        Some((rest, body)) => (rest, parse_body(body)?),
    };
    let (text, properties) = match text.split_once(" properties={") {
        None => (text, Properties::default()),
        Some((rest, properties)) => {
            let properties = properties.strip_suffix('}').ok_or("properties end with }")?;
            let parsed = properties.parse::<Properties>();
            (rest, parsed.map_err(|error| error.to_string())?)
        }
    };
    let method = text.parse::<Method>().map_err(|error| error.to_string())?;
    let Method::Basic(leveret::wire::basic::Method::Publish(publish)) = method else {
        return Err("not a publish".to_owned());
    };
    let mut bytes = Vec::new();
    properties.encode(&mut bytes);
    let persistent = properties.delivery_mode == Some(2);
    let key = &publish.routing_key;
    Ok(Publish {
        mandatory: publish.mandatory,
        immediate: publish.immediate,
        repeats: false,
        message: Message::from_parts(&publish.exchange, key, &bytes, &body, persistent),
    })
}

fn parse_body(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_prefix('*') {
        Some(count) => Ok(vec![b'*'; count.parse().map_err(|_| "no count")?]),
        None => Ok(text.trim_matches('"').as_bytes().to_vec()),
    }
}
