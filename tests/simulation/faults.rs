//! The first, the second, .. call of the disk fails, until none is left that could: each time the
//! broker stops without a promise that it cannot keep, and the next one serves what was promised.

use leveret::store::{Fault, MemoryDisk};

use super::check::check;
use super::model::Model;
use super::random::Random;
use super::world::{End, Setup, World};

#[test]
fn whichever_call_fails_and_however_nothing_promised_is_lost() {
    let full = std::env::var_os("LEVERET_FULL").is_some();
    let seeds = if full { 1..=8 } else { 1..=1 };
    for seed in seeds {
        for fault in [Fault::Failed, Fault::Full, Fault::Interrupted, Fault::Short] {
            fail_each_call(seed, fault, false);
        }
    }
}

/// Neither does it end a broker that has begun: what could not be done is done later.
#[test]
fn whatever_runs_out_at_whichever_call_ends_nothing() {
    let full = std::env::var_os("LEVERET_FULL").is_some();
    let seeds = if full { 1..=8 } else { 1..=1 };
    for seed in seeds {
        for fault in [Fault::NoRoom, Fault::NoDescriptors, Fault::NoMemory] {
            fail_each_call(seed, fault, true);
        }
    }
}

fn fail_each_call(seed: u64, fault: Fault, passes: bool) {
    let mut number = 1;
    while run(seed, number, fault, passes)
        .unwrap_or_else(|broken| panic!("seed {seed}, call {number}, {fault:?}: {broken}"))
    {
        number += 1;
    }
    assert!(number > 50, "only {number} calls: too little happened");
}

/// Works with one call that fails, which need not end it. Returns whether the run was long enough
/// for it.
fn run(seed: u64, number: u64, fault: Fault, passes: bool) -> Result<bool, String> {
    let mut random = Random::new(seed);
    let setup = Setup::new(&mut random);
    let mut model = Model::new();
    let disk = MemoryDisk::new();
    disk.fail_call(number, fault);
    if let Ok((broker, _)) = setup.open(&disk, &model.clock) {
        let mut world = World::new(broker, &setup, &mut model, &mut random);
        let full = std::env::var_os("LEVERET_FULL").is_some();
        let ended = world.run(if full { 60 } else { 25 });
        world.end();
        match ended {
            Err(End::Broken(what)) => return Err(what),
            Err(End::Disk) if passes => return Err("the broker ends".to_owned()),
            Err(End::Disk | End::NoRoom) => world.fail_turn(),
            Ok(()) => {}
        }
    }
    let reached = disk.calls() >= number;
    for power in [false, true] {
        let mut known = model.clone();
        known.clock.interrupt(power, model.durable, &mut Random::new(seed ^ number));
        let (left, sure) = if power {
            (disk.torn(seed ^ number), model.durable)
        } else {
            (disk.killed(), model.written)
        };
        let (broker, damaged) = setup
            .open(&left, &known.clock)
            .map_err(|error| format!("it does not recover: {error}"))?;
        check(broker, &mut known, sure, damaged)?;
    }
    Ok(reached)
}
