//! The second reading: each queue gets its messages back, in order.
//!
//! ```text
//!   log, as at the snapshot ──▶ what was taken since: settled ones go, others to their place
//!   publish entries ─▶ batch ─▶ queue by queue: memory while there is room, else ─▶ its log
//! ```
//!
//! A message that went to a thousand queues lies in memory once. Messages of many entries are
//! gathered and then given to one queue after the other, so that a queue's log is written with one
//! call for each batch, and what a batch takes in memory is bounded.
//!
//! What is written to the logs lies behind what the snapshot knows of them: after a crash it is cut
//! off and written once more.

use crate::ids::{Ordinal, QueueId, Timestamp};
use crate::message::Message;
use crate::store::{Gap, Place, StoreError, Stored};

use super::Broker;
use super::queue::{Budget, Held, Queue};
use super::replay::{Replay, Replays};

/// The most places that messages of one batch go to.
const BATCH_PLACES_MAX: usize = 256 * 1024;
/// Octets of messages that make a batch full.
const BATCH_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A message that is to go to its place in a queue.
pub(super) struct Arrived {
    ordinal: Ordinal,
    /// Its place in the batch.
    index: usize,
}

/// Messages of consecutive entries, and the queues that they are for.
#[derive(Default)]
pub(super) struct Batch {
    messages: Vec<(Message, Timestamp)>,
    octets: u64,
    places: usize,
    queues: Vec<QueueId>,
}

impl Batch {
    /// Adds a message for those of its queues that still have it.
    pub(super) fn add(
        &mut self,
        places: &[Place],
        (message, published): (Message, Timestamp),
        replays: &mut Replays,
        shares: impl Fn(&Message) -> bool,
    ) {
        let (index, before) = (self.messages.len(), self.places);
        for Place { queue, ordinal, .. } in places {
            // A queue that is gone by now has no replay: its messages went with it.
            let Some(replay) = replays.get_mut(queue) else { continue };
            if replay.is_gone(*ordinal) {
                continue;
            }
            if replay.arrived.is_empty() {
                self.queues.push(*queue);
            }
            replay.arrived.push(Arrived { ordinal: *ordinal, index });
            self.places += 1;
        }
        if self.places > before {
            self.octets += message.size();
            let several = self.places > before + 1 && shares(&message);
            self.messages.push((if several { message.for_several() } else { message }, published));
        }
    }

    /// Whether it is to be given to its queues before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.places >= BATCH_PLACES_MAX || self.octets >= BATCH_BYTES_MAX
    }
}

impl Broker {
    /// Gives a queue, or a level of it, its log as it was at the snapshot and what was taken out of
    /// it since.
    pub(super) fn restore_log(
        &mut self,
        id: QueueId,
        replay: &mut Replay,
    ) -> Result<(), StoreError> {
        let Some((owner, priority)) = self.restored_queue(id, replay) else { return Ok(()) };
        // One that is younger than the snapshot has an empty log: what it had is in the journal.
        let state = replay.log.take().unwrap_or_default();
        let outstanding = replay.outstanding.values().copied();
        let mut log = self.store.restore_log(id, &state, outstanding)?;
        let gaps = log.take_gaps();
        let Some(queue) = self.queues.get_mut(&owner) else { return Ok(()) };
        gaps.iter().for_each(|gap| report_gap(id, queue, replay, gap));
        let Some(level) = queue.level_mut(priority) else { return Ok(()) };
        level.set_next_ordinal(replay.next_ordinal);
        level.restore_log(log, replay.snapshot_next, replay.redelivered_before);
        if queue.is_stream() {
            self.begin_restored_stream(owner);
            return Ok(());
        }
        replay.in_order_from = replay.snapshot_next;
        restore_outstanding(queue, priority, replay, &mut self.budget)?;
        take_again(queue, priority, replay, &mut self.budget)
    }

    /// Gives the messages of a batch to their queues.
    pub(super) fn restore_batch(
        &mut self,
        batch: Batch,
        replays: &mut Replays,
    ) -> Result<(), StoreError> {
        let Batch { messages, mut queues, .. } = batch;
        queues.sort_unstable();
        for id in queues {
            let Some(replay) = replays.get_mut(&id) else { continue };
            let arrived = std::mem::take(&mut replay.arrived);
            let Some((owner, priority)) = self.restored_queue(id, replay) else { continue };
            let Some(queue) = self.queues.get_mut(&owner) else { continue };
            for Arrived { ordinal, index } in arrived {
                if let Some((message, published)) = messages.get(index) {
                    let budget = &mut self.budget;
                    restore_message(queue, priority, replay, ordinal, message, *published, budget);
                }
            }
            if let Err(error) = queue.flush_restored(&mut self.budget) {
                // A full disk does not keep the broker from starting.
                self.store_failed(Some(owner), error);
            }
        }
        self.failure.check()
    }

    /// The queue that a number stands for, and the priority of its level there.
    fn restored_queue(&self, id: QueueId, replay: &Replay) -> Option<(QueueId, u8)> {
        let (owner, priority) = replay.level_of.map_or((id, None), |(id, own)| (id, Some(own)));
        let queue = self.queues.get(&owner)?;
        Some((owner, priority.unwrap_or_else(|| queue.own_priority())))
    }
}

/// Says which messages are lost with segments that are missing. Most are missing because all that
/// was in them is settled. A power cut may have taken the last 200 ms of acknowledgements and left
/// their segments removed: their messages are reported too.
fn report_gap(id: QueueId, queue: &Queue, replay: &Replay, gap: &Gap) {
    let lost = replay.lost_in(gap);
    if lost > 0 {
        let (first, last, name) = (gap.segments.start(), gap.segments.end(), queue.name());
        log::error!(
            "queue {id} ('{name}'): {lost} messages are lost that nobody is known to have \
             acknowledged: segments {first} to {last} are missing",
        );
    }
}

fn restore_message(
    queue: &mut Queue,
    priority: u8,
    replay: &mut Replay,
    ordinal: Ordinal,
    message: &Message,
    published: Timestamp,
    budget: &mut Budget,
) {
    if queue.restore_to_stream(ordinal, message, published) {
        return;
    }
    let held = Held::Resident(message.clone());
    let Some(mut item) = queue.known_item(priority, ordinal, held, message, published) else {
        return;
    };
    let (deliveries, returns) = replay.deliveries(ordinal);
    item.deliveries = item.deliveries.max(deliveries);
    item.returns = returns;
    // What was in memory when the snapshot was made stood before all that was in the log. So does
    // what was delivered since, and with it what stood before that: the last turn may have been
    // written in part, and not say that it is settled.
    if ordinal < replay.in_order_from || ordinal <= replay.last_delivered() {
        queue.restore(item, budget);
    } else {
        replay.in_order_from = ordinal.next();
        queue.push_restored(item, budget);
    }
}

/// The records that were taken from the log when the snapshot was made and are not settled since.
fn restore_outstanding(
    queue: &mut Queue,
    priority: u8,
    replay: &mut Replay,
    budget: &mut Budget,
) -> Result<(), StoreError> {
    // As long as a message lies in a segment's mapping, the next one is read through the same.
    let mut before: Option<Message> = None;
    let mut lost = 0;
    for (ordinal, location) in std::mem::take(&mut replay.outstanding) {
        let Some(level) = queue.level_mut(priority) else { return Ok(()) };
        let Some(stored) = level.log().read(location)? else {
            lost += u64::from(level.log_mut().take_damaged() == 0);
            level.log_mut().release(location);
            continue;
        };
        let message = stored.message.clone();
        restore_logged(queue, priority, replay, Stored { ordinal, ..stored }, budget);
        drop(before.replace(message));
    }
    if lost > 0 {
        let name = queue.name();
        log::error!(
            "queue '{name}': {lost} messages that were delivered and that nobody is known to have \
             acknowledged are lost: their segments are missing",
        );
    }
    Ok(())
}

/// Takes from the log what had been taken from it after the snapshot: the settled go, the delivered
/// go back to their place.
fn take_again(
    queue: &mut Queue,
    priority: u8,
    replay: &Replay,
    budget: &mut Budget,
) -> Result<(), StoreError> {
    let Some(last) = replay.last_touched() else { return Ok(()) };
    while let Some(level) = queue.level_mut(priority)
        && let Some(stored) = level.log_mut().take_unless(|ordinal| replay.is_gone(ordinal))?
    {
        let untouched = stored.ordinal > last;
        restore_logged(queue, priority, replay, stored, budget);
        if untouched {
            break; // the first that had not been taken: it is first again, as a returned one
        }
    }
    Ok(())
}

/// Puts a message that is in the log to its place.
fn restore_logged(
    queue: &mut Queue,
    priority: u8,
    replay: &Replay,
    stored: Stored,
    budget: &mut Budget,
) {
    let Stored { ordinal, location, message, published } = stored;
    let held = Held::Logged(location);
    let Some(mut item) = queue.known_item(priority, ordinal, held, &message, published) else {
        return;
    };
    let (deliveries, returns) = replay.deliveries(ordinal);
    item.deliveries = item.deliveries.max(deliveries);
    item.returns = returns;
    queue.restore(item, budget);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::broker::{BrokerOptions, Command, Effects, OpenConnection, Publish};
    use crate::ids::{ChannelNumber, ConnectionId};
    use crate::store::{MemoryDisk, Store, StoreOptions};
    use crate::wire::{Method, ShortString};

    const RESIDENT_BYTES_MAX: u64 = 200_000;
    const BODY_OCTETS: usize = 20_000;

    struct Stage(Arc<MemoryDisk>, Option<Broker>, Effects);

    impl Stage {
        fn new() -> Self {
            let disk = Arc::new(MemoryDisk::default());
            let broker = open(&disk);
            let mut stage = Self(disk, Some(broker), Effects::default());
            stage.connect();
            stage
        }

        /// What a kill leaves is begun with.
        fn crash(&mut self) {
            self.1 = None;
            self.1 = Some(open(&self.0));
            self.connect();
        }

        fn broker(&mut self) -> &mut Broker {
            self.1.as_mut().unwrap()
        }

        fn connect(&mut self) {
            self.apply(Command::Open(Box::new(OpenConnection {
                peer: "test".to_owned(),
                user: ShortString::clipped("guest"),
                virtual_host: ShortString::clipped("/"),
                client_properties: Default::default(),
                channel_max: 0,
                facts: Default::default(),
            })));
            self.call("channel.open");
        }

        fn apply(&mut self, command: Command) {
            let broker = self.1.as_mut().unwrap();
            broker.apply(Timestamp(1), ConnectionId(1), command, &mut self.2);
            broker.end_turn(Timestamp(1), &mut self.2).unwrap();
            self.2.take().for_each(drop);
        }

        fn call(&mut self, line: &str) {
            let method: Method = line.parse().unwrap();
            self.apply(Command::Method(ChannelNumber(1), method));
        }

        /// The first octets of a body are its number.
        fn publish(&mut self, exchange: &str, key: &str, number: usize) {
            let mut body = format!("{number} ").into_bytes();
            body.resize(BODY_OCTETS, b'.');
            let properties = [0x10, 0, 2];
            let message = Message::from_parts(exchange, key.as_bytes(), &properties, &body, true);
            let publish = Publish { mandatory: false, immediate: false, repeats: false, message };
            self.apply(Command::Publish(ChannelNumber(1), publish));
        }

        /// Takes all that is ready out of a queue: the numbers, and whether each is redelivered.
        fn drain(&mut self, name: &str) -> Vec<(usize, bool)> {
            let queue =
                self.broker().queues.values_mut().find(|queue| **queue.name() == *name).unwrap();
            let mut taken = Vec::new();
            while let Some((item, message)) = queue.take().unwrap() {
                let digits = message.body().split(|octet| *octet == b' ').next().unwrap();
                let number = std::str::from_utf8(digits).unwrap().parse().unwrap();
                taken.push((number, item.deliveries > 0));
            }
            taken
        }

        fn resident(&mut self) -> u64 {
            RESIDENT_BYTES_MAX - self.broker().budget.left()
        }
    }

    fn open(disk: &Arc<MemoryDisk>) -> Broker {
        let (store, recovery) = Store::open(disk.clone(), StoreOptions::default()).unwrap();
        let options =
            BrokerOptions { resident_bytes_max: RESIDENT_BYTES_MAX, ..BrokerOptions::default() };
        Broker::open(store, recovery, options).unwrap()
    }

    fn declared(queues: &[&str]) -> Stage {
        let mut stage = Stage::new();
        for queue in queues {
            stage.call(&format!("queue.declare queue=\"{queue}\" durable=true"));
            stage.call(&format!("queue.bind queue=\"{queue}\" exchange=\"amq.fanout\""));
        }
        stage
    }

    fn numbers(taken: &[(usize, bool)]) -> Vec<usize> {
        taken.iter().map(|(number, _)| *number).collect()
    }

    #[test]
    fn what_exceeds_memory_goes_to_the_logs_in_order_however_often() {
        // More than a batch takes.
        const COUNT: usize = 430;
        let mut stage = declared(&["a", "b"]);
        for number in 0..COUNT {
            stage.publish("amq.fanout", "", number);
        }
        for _ in 0..2 {
            stage.crash();
            assert!(stage.resident() <= RESIDENT_BYTES_MAX, "{}", stage.resident());
        }
        for queue in ["a", "b"] {
            let taken = stage.drain(queue);
            assert_eq!(numbers(&taken), (0..COUNT).collect::<Vec<_>>());
            assert!(taken.iter().all(|(_, redelivered)| !redelivered));
        }
    }

    #[test]
    fn each_queue_keeps_what_it_has_not_settled() {
        let mut stage = declared(&["a", "b"]);
        for number in 0..60 {
            stage.publish("amq.fanout", "", number);
        }
        for _ in 0..20 {
            stage.call("basic.get queue=\"a\"");
        }
        // Of 0 to 19 every other one is settled; those that are not were delivered.
        for tag in (1..=20).step_by(2) {
            stage.call(&format!("basic.ack delivery_tag={tag}"));
        }
        stage.call("queue.purge queue=\"b\"");
        stage.publish("amq.fanout", "", 60);
        for _ in 0..2 {
            stage.crash();
        }
        let taken = stage.drain("a");
        let expected: Vec<_> = (1..20).step_by(2).chain(20..=60).collect();
        assert_eq!(numbers(&taken), expected);
        for (number, redelivered) in taken {
            assert_eq!(redelivered, number < 20, "{number}");
        }
        assert_eq!(stage.drain("b"), [(60, false)]);
    }

    #[test]
    fn what_a_checkpoint_knows_stays_before_what_came_since() {
        let mut stage = declared(&["a"]);
        for number in 0..60 {
            stage.publish("", "a", number);
        }
        // The crash made one due.
        stage.crash();
        stage.broker().checkpoint(Timestamp(1)).unwrap().unwrap().run().unwrap();
        stage.broker().checkpoint_done().unwrap();
        for number in 60..120 {
            stage.publish("", "a", number);
        }
        for tag in 1..=30 {
            stage.call("basic.get queue=\"a\"");
            stage.call(&format!("basic.ack delivery_tag={tag}"));
        }
        stage.call("basic.get queue=\"a\"");
        for _ in 0..2 {
            stage.crash();
        }
        let taken = stage.drain("a");
        assert_eq!(numbers(&taken), (30..120).collect::<Vec<_>>());
        let redelivered: Vec<_> = taken.iter().filter(|(_, again)| *again).collect();
        assert_eq!(redelivered, [&(30, true)]);
    }
}
