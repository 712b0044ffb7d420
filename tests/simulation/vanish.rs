//! A file of a data directory vanishes, is emptied, zeroed or becomes a folder while nothing runs:
//! the start is refused, and again, with nothing changed; or it costs messages of one queue, or
//! those with the bodies in it, and nothing else. Which of them holds for which file is in
//! `docs/reference/durability.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use leveret::store::{Disk, MemoryDisk};

use super::check::check;
use super::model::Model;
use super::random::Random;
use super::world::{End, Setup, World};

#[test]
fn a_file_that_vanishes_stops_the_start_or_costs_one_queue() {
    let full = std::env::var_os("LEVERET_FULL").is_some();
    let (mut refused, mut begun) = (0, 0);
    for seed in 1..=if full { 400 } else { 12 } {
        let (no, yes) = run(seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        refused += no;
        begun += yes;
    }
    assert!(refused > 5 && begun > 5, "{refused} refused, {begun} begun: too little happened");
}

/// Works for a while, and then lets one file after the other vanish, each from a copy. Returns how
/// many starts were refused and how many were not.
fn run(seed: u64) -> Result<(u64, u64), String> {
    let mut random = Random::new(seed);
    let setup = Setup::new(&mut random);
    let mut model = Model::new();
    let disk = MemoryDisk::new();
    let (broker, _) = setup.open(&disk, &model.clock).map_err(|error| error.to_string())?;
    let steps = 20 + random.below(150);
    let close = random.percent(50);
    let mut world = World::new(broker, &setup, &mut model, &mut random);
    let ended = world.run(steps);
    world.end();
    let ended = ended.and_then(|()| if close { world.close() } else { Ok(()) });
    match ended {
        Err(End::Broken(what)) => return Err(what),
        Err(End::Disk | End::NoRoom) => return Err("the disk failed".to_owned()),
        Ok(()) => {}
    }
    model.clock.interrupt(false, model.durable, &mut random);
    let (mut refused, mut begun) = (0, 0);
    for path in disk.files() {
        if path.starts_with("bad") || path.starts_with("transient") {
            continue;
        }
        let left = disk.killed();
        let how = random.pick(&[How::Removed, How::Emptied, How::Zeroed, How::Folder]);
        vanish(&left, &path, how).map_err(|error| error.to_string())?;
        let told = |broken: String| format!("{} {how:?}: {broken}", path.display());
        let mut known = model.clone();
        if start(&setup, &left, &mut known, &path).map_err(told)? {
            begun += 1;
        } else {
            refused += 1;
        }
    }
    Ok((refused, begun))
}

#[derive(Clone, Copy, Debug)]
enum How {
    Removed,
    Emptied,
    Zeroed,
    Folder,
}

fn vanish(disk: &MemoryDisk, path: &Path, how: How) -> std::io::Result<()> {
    match how {
        How::Removed => disk.remove(path),
        How::Folder => disk.remove(path).and_then(|()| disk.create_directory(path)),
        How::Emptied => {
            disk.damage(path, Vec::clear);
            Ok(())
        }
        How::Zeroed => {
            disk.damage(path, |octets| octets.fill(0));
            Ok(())
        }
    }
}

/// Starts. Returns whether that is not refused.
fn start(setup: &Setup, disk: &MemoryDisk, model: &mut Model, path: &Path) -> Result<bool, String> {
    let before = contents(disk);
    let refusal = match setup.open(disk, &model.clock) {
        Ok((broker, damaged)) => {
            // Bodies are shared: any queue may have a message with one of them.
            let shared = path.starts_with("bodies");
            model.may_lose = shared || path.starts_with("queues");
            model.may_forget = path.starts_with("journal");
            // Nothing tells that there was a journal of which nothing is synced.
            let sure = if path.starts_with("journal") { model.durable } else { model.written };
            check(broker, model, sure, damaged)?;
            return match model.lost.len() {
                0 | 1 => Ok(true),
                _ if shared => Ok(true),
                _ => Err(format!("it costs several queues: {:?}", model.lost)),
            };
        }
        Err(error) => error.to_string(),
    };
    let needed = ["journal", "snapshots", "version"];
    if !needed.iter().any(|folder| path.starts_with(folder)) {
        return Err(format!("the start is refused: {refusal}"));
    }
    if contents(disk) != before {
        return Err(format!("it is refused and has changed something: {refusal}"));
    }
    match setup.open(&disk.killed(), &model.clock) {
        Err(error) if error.to_string() == refusal => Ok(false),
        Err(error) => Err(format!("refused with '{refusal}', and then with '{error}'")),
        Ok(_) => Err(format!("refused with '{refusal}', and begun at the second start")),
    }
}

/// All files with their octets.
fn contents(disk: &MemoryDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| {
        let file = disk.open(&path).expect("it is there");
        let length = usize::try_from(file.len().expect("it has a length")).expect("it is short");
        let mut octets = vec![0; length];
        file.read_exact_at(&mut octets, 0).expect("it can be read");
        (path, octets)
    };
    disk.files().into_iter().map(read).collect()
}
