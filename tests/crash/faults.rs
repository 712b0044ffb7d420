//! Faults at a system call, put there by strace: the process is killed at the nth call of a kind,
//! or the nth sync fails. Random kills seldom meet the moments around the change of a segment, of a
//! journal and of a snapshot; these do, with files so small that they change all the time.
//!
//! Only with `LEVERET_FULL=1`; then a missing strace is a failure. strace counts the calls of each
//! thread on their own. `FAULT_ROUNDS` repeats it all with other choices.

use std::sync::Arc;
use std::time::Duration;

use leveret::client::{Client, ClientError};
use leveret::wire::{Method, basic, confirm};

use crate::clients::{Load, declare, drain, send};
use crate::ledger::{Ledger, Totals};
use crate::process::{Broker, Home};
use crate::random::Random;
use crate::topology::Known;
use crate::{full, number};

/// System calls, how often they are struck, and the highest n.
const CALLS: [(&str, u64, u64); 9] = [
    ("fdatasync", 30, 90),
    ("fsync", 16, 16),
    ("pwrite64", 24, 24),
    ("pwritev,pwritev2", 40, 160),
    ("rename,renameat,renameat2", 16, 16),
    ("unlink,unlinkat", 20, 20),
    ("fallocate", 12, 12),
    ("ftruncate", 12, 2),
    ("openat", 30, 300),
];

/// So long a broker works before it is killed without having come to the call.
const LOAD: Duration = Duration::from_millis(900);

#[test]
fn killed_at_a_system_call_nothing_promised_is_lost() {
    if !full() {
        return;
    }
    for round in 0..number("FAULT_ROUNDS").unwrap_or(1) {
        for (place, (calls, times, most)) in CALLS.into_iter().enumerate() {
            let mut scene = Scene::new(round * CALLS.len() as u64 + place as u64);
            for time in 0..times {
                let n = 1 + (time * most / times + round) % most;
                scene.strike(&format!("{calls}:signal=KILL:when={n}"));
            }
            let totals = scene.check();
            let (starting, working) = (scene.struck_starting, scene.struck_working);
            println!("{calls}: {starting} + {working} of {times} at the call, {totals:?}");
            assert!(starting + working > 1, "{calls}: as good as never called");
        }
    }
}

#[test]
fn a_sync_that_fails_under_load_ends_the_broker() {
    if !full() {
        return;
    }
    let mut scene = Scene::new(1000);
    for n in [1, 2, 3, 5, 10, 20, 40, 80] {
        let status = scene.strike(&format!("fdatasync:error=EIO:when={n}"));
        let said = scene.home.last_words();
        assert_eq!(status, Some(1), "n = {n}: {said}");
        assert_final_words(&said);
    }
    println!("{:?}", scene.check());
}

/// With one message under way at a time each confirm needs a sync of its own.
#[test]
fn nothing_is_confirmed_by_a_sync_that_failed() {
    if !full() {
        return;
    }
    for n in [8, 30] {
        let home = Home::new();
        let mut broker = home.start(false);
        declare(home.address);
        broker.kill();
        let mut broker = home.spawn(false, Some(&format!("fdatasync:error=EIO:when={n}+")));
        assert!(broker.listens());
        let ledger = Ledger::default();
        // It ends with the connection.
        publish_one_by_one(&home, &ledger).unwrap_err();
        assert_eq!(broker.ends().code(), Some(1));
        assert_final_words(&home.last_words());
        let calls = home.calls();
        let failed = calls.lines().filter(|line| line.contains("EIO")).count();
        assert_eq!(failed, 1, "not tried again: {calls}");
        let mut broker = home.start(false);
        drain(home.address, &ledger);
        broker.kill();
        let totals = ledger.check();
        println!("n = {n}: {totals:?}");
        assert!(totals.confirmed > 0 && totals.confirmed < n, "{calls}");
    }
}

fn publish_one_by_one(home: &Home, ledger: &Ledger) -> Result<(), ClientError> {
    let mut client = Client::connect(home.address, "guest", "guest")?;
    let channel = client.open_channel(1)?;
    client.call(channel, confirm::Select { no_wait: false })?;
    for number in 0.. {
        let name = (0, 0, number);
        ledger.sent(name);
        send(&mut client, channel, name, 100);
        client.flush()?;
        let incoming = client.receive(Duration::from_secs(30))?.expect("a confirm");
        assert!(matches!(incoming.method, Method::Basic(basic::Method::Ack(_))));
        ledger.confirmed([name]);
    }
    Ok(())
}

/// One line says what failed, and it is the last.
fn assert_final_words(said: &str) {
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("leveret: ")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].contains("sync") && lines[0].contains("os error 5"), "{said}");
    assert_eq!(said.lines().last(), Some(lines[0]));
}

/// A broker under load that meets one fault after the other.
struct Scene {
    home: Home,
    random: Random,
    ledger: Arc<Ledger>,
    known: Known,
    cycle: u64,
    /// How many faults came about before the broker listened, and after.
    struck_starting: u64,
    struck_working: u64,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let home = Home::new();
        let mut broker = home.start(true);
        declare(home.address);
        broker.kill();
        Self {
            home,
            random: Random(seed),
            ledger: Arc::default(),
            known: Known::default(),
            cycle: 0,
            struck_starting: 0,
            struck_working: 0,
        }
    }

    /// Runs the broker, which recovers from the fault before, under load until this one ends it or
    /// the time is up. Gives its exit code if it ended with one.
    fn strike(&mut self, fault: &str) -> Option<i32> {
        let mut broker = self.home.spawn(true, Some(fault));
        if broker.listens() {
            let ended = self.work(&mut broker);
            self.struck_working += u64::from(ended);
        } else {
            self.struck_starting += 1;
        }
        broker.ends().code()
    }

    /// Compares the topology, and loads the broker. Says whether it ended by itself.
    fn work(&mut self, broker: &mut Broker) -> bool {
        let address = self.home.address;
        if self.known.check(address).is_err() {
            broker.ends();
            return true;
        }
        self.cycle += 1;
        let load = Load::start(address, self.cycle, &self.ledger, &mut self.random);
        let known = std::mem::take(&mut self.known);
        let changing = known.keep_changing(address, self.random.next());
        let ended = broker.ends_within(LOAD).is_some();
        broker.kill();
        load.end();
        self.known = changing.end();
        ended
    }

    fn check(&mut self) -> Totals {
        let _broker = self.home.start(true);
        self.known.check(self.home.address).unwrap();
        drain(self.home.address, &self.ledger);
        self.ledger.check()
    }
}
