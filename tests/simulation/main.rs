//! Simulated power cuts: a broker without sockets and threads on a disk in memory that keeps, loses
//! or tears what was not synced, cut off at any call, again while it recovers, and looked through.
//!
//! ```text
//!   clients at random ──▶ broker ──▶ store ──▶ disk in memory ── cut ──▶ image ──▶ checker
//!         └──────── what was sent, promised, delivered, settled ──▶ model ──────────▲
//! ```
//!
//! By default some hundred images are made, with `LEVERET_FULL=1` some thousand.
//! `SIMULATION_IMAGES` says how many instead, and `SIMULATION_SEED` runs one seed, as it is printed
//! when a promise is broken.

#![allow(
    clippy::cast_possible_truncation,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod check;
mod client;
mod clock;
mod commands;
mod extras;
mod faults;
mod model;
mod random;
mod vanish;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use leveret::store::MemoryDisk;

use clock::Clock;
use model::{Counts, Model};
use random::Random;
use world::{End, Setup, World};

/// How often the power goes, or the process, in one run.
const EPOCHS: u64 = 12;

#[test]
fn power_cuts_break_no_promise() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SIMULATION_SEED") {
        let counts = run(seed).unwrap_or_else(|broken| panic!("SIMULATION_SEED={seed}: {broken}"));
        println!("{}", told(&counts));
        return;
    }
    let full = std::env::var_os("LEVERET_FULL").is_some();
    let images = number("SIMULATION_IMAGES").unwrap_or(if full { 5_000 } else { 300 });
    let first = number("SIMULATION_FIRST").unwrap_or(1);
    let next = AtomicU64::new(first);
    let broken = AtomicBool::new(false);
    let mut total = Counts::default();
    thread::scope(|scope| {
        let runs: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut sum = Counts::default();
                    while sum.images < images.div_ceil(2) && !broken.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        add(&mut sum, &guarded(seed, &broken));
                    }
                    sum
                })
            })
            .collect();
        for run in runs {
            add(&mut total, &run.join().expect("no promise is broken"));
        }
    });
    println!("{}", told(&total));
    assert!(
        total.confirmed > total.images && total.delivered > total.images,
        "too little happened"
    );
}

/// Runs a seed; when a promise is broken, the other thread ends too.
fn guarded(seed: u64, broken: &AtomicBool) -> Counts {
    let ended = catch_unwind(AssertUnwindSafe(|| run(seed)));
    broken.fetch_or(!matches!(ended, Ok(Ok(_))), Ordering::Relaxed);
    match ended {
        Ok(Ok(counts)) => counts,
        Ok(Err(what)) => panic!("SIMULATION_SEED={seed}: {what}"),
        Err(_) => panic!("SIMULATION_SEED={seed}: a panic"),
    }
}

fn told(counts: &Counts) -> String {
    let Counts { images, confirmed, delivered, restored, flagged } = counts;
    format!(
        "{images} images: {confirmed} confirmed, {delivered} delivered, \
         {restored} there after a crash, {flagged} of them flagged"
    )
}

fn add(sum: &mut Counts, more: &Counts) {
    sum.images += more.images;
    sum.confirmed += more.confirmed;
    sum.delivered += more.delivered;
    sum.restored += more.restored;
    sum.flagged += more.flagged;
}

/// One life of a data directory: work, crash, recovery, again and again.
fn run(seed: u64) -> Result<Counts, String> {
    let mut random = Random::new(seed);
    let setup = Setup::new(&mut random);
    let mut model = Model::new();
    let mut disk = MemoryDisk::new();
    for _ in 0..EPOCHS {
        disk = work(&setup, &disk, &mut model, &mut random)?;
    }
    Ok(model.counts)
}

/// Works until the disk goes; what it leaves, after crashes while recovering, is checked.
fn work(
    setup: &Setup,
    disk: &MemoryDisk,
    model: &mut Model,
    random: &mut Random,
) -> Result<MemoryDisk, String> {
    let (broker, _) =
        setup.open(disk, &model.clock).map_err(|error| format!("it does not open: {error}"))?;
    // What was recovered is sure when it is acted upon.
    (model.written, model.durable) = (model.turn, model.turn);
    disk.fail_after(1 + random.below(400));
    let steps = random.below(120);
    let close = random.percent(10);
    let mut world = World::new(broker, setup, model, random);
    let ended = world.run(steps);
    world.end();
    if let Err(End::Broken(what)) = ended {
        return Err(what);
    }
    if ended.is_err() {
        world.fail_turn();
    } else if close {
        // It may not come to that.
        if let Err(End::Broken(what)) = world.close() {
            return Err(what);
        }
    }
    let mut power = random.percent(70);
    model.clock.interrupt(power, model.durable, random);
    let mut left = leave(disk, power, random);
    while random.percent(35) {
        recover_in_part(setup, &left, &mut model.clock, random)?;
        let cut = random.percent(70);
        model.clock.interrupt(cut, model.durable, random);
        left = leave(&left, cut, random);
        power |= cut;
    }
    let (broker, damaged) = setup
        .open(&left.killed(), &model.clock)
        .map_err(|error| format!("it does not recover: {error}"))?;
    let sure = if power { model.durable } else { model.written };
    check::check(broker, model, sure, damaged)?;
    model.disconnected();
    Ok(left)
}

/// What a kill or a power cut leaves.
fn leave(disk: &MemoryDisk, power: bool, random: &mut Random) -> MemoryDisk {
    if power { disk.torn(random.next()) } else { disk.killed() }
}

/// Recovers until the disk goes once more.
fn recover_in_part(
    setup: &Setup,
    disk: &MemoryDisk,
    clock: &mut Clock,
    random: &mut Random,
) -> Result<(), String> {
    disk.fail_after(1 + random.below(60));
    let Ok((broker, _)) = setup.open(disk, clock) else { return Ok(()) };
    let mut nobody = Model { clock: clock.clone(), ..Model::new() };
    let ended = World::new(broker, setup, &mut nobody, random).idle();
    clock.adopt(&nobody.clock);
    match ended {
        Err(End::Broken(what)) => Err(what),
        Err(End::Disk | End::NoRoom) | Ok(()) => Ok(()),
    }
}
