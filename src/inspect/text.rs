//! What was found, for people.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use super::entries;
use super::recovered::{Queue, Recovered};
use crate::ids::QueueId;
use crate::store::{Inspection, JournalFile, PlainFile, Problem, SegmentFile, SnapshotFile};

pub(super) fn print(
    found: &Inspection,
    recovered: Option<&Recovered>,
    path: &Path,
    out: &mut dyn Write,
) -> io::Result<()> {
    let format = found.format.map_or_else(|| "unknown".to_owned(), |format| format.to_string());
    let stopped = if found.clean { "stopped in order" } else { "in use, killed or cut off" };
    writeln!(out, "data directory {}: format {format}, {stopped}", path.display())?;
    section(out, "snapshots", &found.snapshots, snapshot)?;
    section(out, "journals", &found.journals, journal)?;
    section(out, "spare journals", &found.spares, plain)?;
    if let Some(recovered) = recovered {
        section(out, "definitions", &recovered.definitions, |definition| {
            format!("{}: {}", definition.virtual_host, entries::shown(&definition.method))
        })?;
        section(out, "users, vhosts, policies", &recovered.changes, Clone::clone)?;
    }
    queues(found, recovered, out)?;
    section(out, "shared bodies", &found.bodies, segment)?;
    section(out, "set aside", &found.bad, plain)?;
    section(out, "problems", &found.problems, problem)?;
    if let Some(refusal) = &found.refusal {
        writeln!(out, "a broker would refuse to start: {refusal}")?;
    }
    match (found.is_damaged(), found.problems.iter().any(|problem| problem.needed)) {
        (false, _) => writeln!(out, "nothing is damaged"),
        (true, false) if found.refusal.is_none() => {
            writeln!(out, "damaged, but not where anything is needed")
        }
        (true, _) => writeln!(out, "damaged"),
    }
}

/// A title and a line for each item, unless there are none.
fn section<T>(
    out: &mut dyn Write,
    title: &str,
    items: &[T],
    line: impl Fn(&T) -> String,
) -> io::Result<()> {
    if !items.is_empty() {
        writeln!(out, "{title}")?;
    }
    items.iter().try_for_each(|item| writeln!(out, "  {}", line(item)))
}

fn queues(
    found: &Inspection,
    recovered: Option<&Recovered>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let known = recovered.map(|recovered| &recovered.queues);
    let ids = known.into_iter().flat_map(|queues| queues.keys()).chain(found.logs.keys());
    let mut ids: Vec<_> = ids.copied().collect();
    ids.sort_unstable();
    ids.dedup();
    section(out, "queues", &ids, |id| {
        let head = known.and_then(|queues| head(*id, queues));
        let head = head.unwrap_or_else(|| format!("{id}: no queue that is known"));
        let segments = found.logs.get(id).map_or(&[][..], Vec::as_slice);
        let segments = segments.iter().map(|file| format!("\n    {}", segment(file)));
        format!("{head}{}", segments.collect::<String>())
    })
}

/// What a number stands for: a queue, or a priority of one.
fn head(id: QueueId, queues: &BTreeMap<QueueId, Queue>) -> Option<String> {
    if let Some(Queue { virtual_host, name, ready, unsettled, .. }) = queues.get(&id) {
        let of = format!("{id} {name:?} in {virtual_host}");
        return Some(format!("{of}: {ready} ready, {unsettled} unsettled"));
    }
    let (queue, level) =
        queues.iter().find_map(|(queue, known)| Some((queue, known.levels.get(&id)?)))?;
    Some(format!("{id}: priority {} of {queue}", level.priority))
}

fn snapshot(snapshot: &SnapshotFile) -> String {
    let SnapshotFile { file, generation, entries, used } = snapshot;
    let entries = entries.map_or_else(|| "damaged".to_owned(), |count| format!("{count} entries"));
    let used = if *used { "recovery begins here" } else { "not used" };
    format!("{}: generation {generation}, {entries}, {used}", plain(file))
}

fn journal(journal: &JournalFile) -> String {
    let JournalFile { file, generation, previous, entries, end, torn, damaged, used, .. } = journal;
    let ending = if *torn { "torn" } else { "clean end" };
    let damaged = places(damaged.len());
    let used = if *used { "replayed" } else { "not used" };
    format!(
        "{}: generation {generation} after {previous}, {entries} entries{damaged}, \
         {ending} at octet {end}, {used}",
        plain(file)
    )
}

fn segment(segment: &SegmentFile) -> String {
    let SegmentFile { file, records, persistent, ordinals, damaged, .. } = segment;
    let ordinals =
        ordinals.map_or_else(String::new, |(first, last)| format!(", {first} to {last}"));
    let damaged = places(damaged.len());
    format!("{}: {records} records ({persistent} persistent){ordinals}{damaged}", plain(file))
}

fn places(damaged: usize) -> String {
    if damaged == 0 { String::new() } else { format!(", {damaged} damaged places") }
}

fn plain(file: &PlainFile) -> String {
    format!("{} ({} octets)", file.path, file.octets)
}

fn problem(problem: &Problem) -> String {
    let Problem { path, octet, text, needed } = problem;
    let octet = octet.map_or_else(String::new, |octet| format!(" at octet {octet}"));
    format!("{path}{octet}: {text}{}", if *needed { "" } else { " (nothing needs it)" })
}
