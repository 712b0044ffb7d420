//! kill -9 at random moments, under load and while the broker recovers.
//!
//! `CRASH_CYCLES` says how often, `CRASH_SEED` with which choices; the seed is printed.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::clients::{Load, declare, drain};
use crate::ledger::{Ledger, Totals};
use crate::process::{Broker, Home};
use crate::random::Random;
use crate::topology::Known;
use crate::{full, number};

/// After so many cycles the queues are drained and the ledger is checked.
const ROUND: u64 = 20;

#[test]
fn nothing_confirmed_is_lost_by_kill_9() {
    let cycles = number("CRASH_CYCLES").unwrap_or_else(|| if full() { 200 } else { 4 });
    let seed = number("CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    println!("{cycles} cycles with CRASH_SEED={seed}");
    let mut random = Random(seed);
    let home = Home::new();
    let ledger = Arc::new(Ledger::default());
    let mut known = Known::default();
    let mut totals = Totals::default();

    let mut broker = home.start(false);
    declare(home.address);
    for cycle in 0..cycles {
        let load = Load::start(home.address, cycle, &ledger, &mut random);
        let changing = known.keep_changing(home.address, random.next());
        thread::sleep(Duration::from_millis(10 + random.below(290)));
        broker.kill();
        load.end();
        known = changing.end();
        broker = recover(&home, &mut random);
        known.check(home.address).unwrap();
        if cycle % ROUND == ROUND - 1 {
            drain(home.address, &ledger);
            totals += ledger.check();
        }
    }
    drain(home.address, &ledger);
    totals += ledger.check();
    println!("{totals:?}");
    assert!(totals.confirmed > 100, "too little happened to prove anything");
}

/// Starts the broker, with large files or tiny ones; at times it dies again before it is ready.
fn recover(home: &Home, random: &mut Random) -> Broker {
    while random.below(3) == 0 {
        let mut broker = home.spawn(random.below(2) == 0, None);
        thread::sleep(Duration::from_millis(random.below(40)));
        broker.kill();
    }
    home.start(random.below(2) == 0)
}
