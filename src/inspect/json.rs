//! What was found, for programs. `docs/reference/inspect.md` lists the keys.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::entries;
use super::recovered::{Definition, Level, Queue, Recovered};
use crate::ids::QueueId;
use crate::store::{
    Damage, Inspection, JournalFile, PlainFile, Problem, SegmentFile, SnapshotFile,
};

pub(super) fn print(
    found: &Inspection,
    recovered: Option<&Recovered>,
    path: &Path,
    out: &mut dyn Write,
) -> io::Result<()> {
    let recovered_queues = recovered.map(|recovered| {
        recovered.queues.iter().map(|(id, queue)| recovered_queue(*id, queue)).collect::<Vec<_>>()
    });
    let definitions =
        recovered.map(|recovered| recovered.definitions.iter().map(definition).collect::<Vec<_>>());
    let changes = recovered.map(|recovered| &recovered.changes);
    let logs: Vec<_> = found.logs.iter().map(|(id, segments)| log(*id, segments)).collect();
    let object = json!({
        "directory": path.to_string_lossy(),
        "format": found.format,
        "stopped_in_order": found.clean,
        "damaged": found.is_damaged(),
        "refusal": found.refusal,
        "snapshots": found.snapshots.iter().map(snapshot).collect::<Vec<_>>(),
        "journals": found.journals.iter().map(journal).collect::<Vec<_>>(),
        "spare_journals": found.spares.iter().map(plain).collect::<Vec<_>>(),
        "definitions": definitions,
        "changes": changes,
        "queues": recovered_queues,
        "logs": logs,
        "shared_bodies": found.bodies.iter().map(segment).collect::<Vec<_>>(),
        "set_aside": found.bad.iter().map(plain).collect::<Vec<_>>(),
        "problems": found.problems.iter().map(problem).collect::<Vec<_>>(),
    });
    writeln!(out, "{object}")
}

fn plain(file: &PlainFile) -> Value {
    json!({"file": file.path, "octets": file.octets})
}

fn snapshot(snapshot: &SnapshotFile) -> Value {
    let SnapshotFile { file, generation, entries, used } = snapshot;
    json!({
        "file": file.path, "octets": file.octets, "generation": generation, "entries": entries,
        "whole": entries.is_some(), "used": used,
    })
}

fn journal(journal: &JournalFile) -> Value {
    let JournalFile { file, slot, generation, previous, entries, end, torn, damaged, used } =
        journal;
    json!({
        "file": file.path, "octets": file.octets, "slot": slot, "generation": generation,
        "previous": previous, "entries": entries, "end": end, "torn": torn,
        "damaged": damages(damaged), "used": used,
    })
}

fn definition(definition: &Definition) -> Value {
    let Definition { virtual_host, queue, method } = definition;
    json!({"virtual_host": virtual_host, "queue_id": queue.0, "method": entries::shown(method)})
}

fn recovered_queue(id: QueueId, queue: &Queue) -> Value {
    let Queue { virtual_host, name, ready, unsettled, levels } = queue;
    let level = |(level_id, level): (&QueueId, &Level)| json!({"id": level_id.0, "priority": level.priority});
    json!({
        "id": id.0, "virtual_host": virtual_host, "name": name, "ready": ready,
        "unsettled": unsettled, "levels": levels.iter().map(level).collect::<Vec<_>>(),
    })
}

fn log(id: QueueId, segments: &[SegmentFile]) -> Value {
    json!({"queue_id": id.0, "segments": segments.iter().map(segment).collect::<Vec<_>>()})
}

fn segment(segment: &SegmentFile) -> Value {
    let SegmentFile { file, number, records, persistent, ordinals, damaged } = segment;
    json!({
        "file": file.path, "octets": file.octets, "number": number, "records": records,
        "persistent": persistent, "first_ordinal": ordinals.map(|(first, _)| first.0),
        "last_ordinal": ordinals.map(|(_, last)| last.0), "damaged": damages(damaged),
    })
}

fn damages(damaged: &[Damage]) -> Vec<Value> {
    let damage = |one: &Damage| json!({"octet": one.octet, "octets": one.octets});
    damaged.iter().map(damage).collect()
}

fn problem(problem: &Problem) -> Value {
    let Problem { path, octet, text, needed } = problem;
    json!({"file": path, "octet": octet, "text": text, "needed": needed})
}
