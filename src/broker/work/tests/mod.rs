//! No command takes a long turn: for every kind of long work, what a turn does is counted.

mod rows;
mod stage;

use super::super::Command;
use crate::ids::{ChannelNumber, ConnectionId};
use crate::wire::{basic, channel, queue, tx};
use rows::{KINDS, ROWS, kind};
use stage::{Stage, name};

/// Units of a turn in these tests, and messages of the long work.
const PER_TURN: u64 = 256;
const MANY: u64 = 2_000;
const FEW: u64 = 20;
/// What a turn may spend: its commands all of it, work and what happens by itself half of it each,
/// and one step beyond each. What work brings into queues may go out again, and what follows from a
/// command is never put off.
const SPENT_MAX: u64 = 4 * PER_TURN;

const LONG: ConnectionId = ConnectionId(1);
const OTHER: ConnectionId = ConnectionId(2);
const NUMBER: ChannelNumber = ChannelNumber(1);

#[test]
fn others_are_served_while_any_long_work_is_under_way_and_no_turn_is_long() {
    let mut kinds = [false; KINDS];
    for row in ROWS {
        let what = row.what;
        let mut stage = Stage::new();
        (row.prepare)(&mut stage);
        stage.settle();
        stage.broker.work.most = 0;

        (row.begin)(&mut stage);
        let (mut turns, mut heard, mut seen) = (0, row.answer.is_empty(), false);
        let before = stage.left();
        while !heard || stage.is_busy() {
            for (job, _) in &stage.broker.work.jobs {
                seen |= Some(kind(job)) == row.kind;
            }
            stage.declare();
            let outputs = stage.turn();
            let answers =
                |of, text| outputs.iter().any(|(id, one)| *id == of && one.contains(text));
            assert!(answers(OTHER, "DeclareOk"), "{what}, turn {turns}: nobody else is answered");
            heard |= answers(LONG, row.answer);
            turns += 1;
            assert!(turns < 2_000, "{what} does not end");
        }
        assert!(stage.broker.work.most <= SPENT_MAX, "{what}: {} units", stage.broker.work.most);
        assert!(turns > 5, "{what} was no long work: {turns} turns, {before:?}");
        assert!(seen || row.kind.is_none(), "{what} is work of another kind");
        assert!(row.kind.is_none_or(|kind| kind < KINDS), "{what}: more kinds than are counted");
        assert_eq!(stage.left(), row.left, "{what}");
        row.kind.inspect(|kind| kinds[*kind] = true);
    }
    assert_eq!(kinds, [true; KINDS], "a kind of work has no row");
}

#[test]
fn what_a_client_says_behind_long_work_is_done_in_its_order() {
    let mut stage = Stage::new();
    stage.publish_in_transaction();
    stage.method(tx::Commit::default());
    stage.method(basic::Get { queue: name("q"), no_ack: true });
    stage.method(queue::Purge { queue: name("q"), no_wait: false });
    let mut heard = Vec::new();
    while stage.broker.work.is_behind() {
        heard.extend(stage.turn().into_iter().filter(|(id, _)| *id == LONG).map(|(_, text)| text));
    }
    let purged = format!("message_count: {}", MANY - 1);
    let [.., commit, get, purge] = heard.as_slice() else { panic!("{heard:?}") };
    assert!(commit.contains("CommitOk") && get.contains("GetOk"), "{heard:?}");
    assert!(purge.contains(&purged), "{purge}");
}

#[test]
fn a_queue_hands_nothing_out_while_deliveries_come_back_to_it() {
    let mut stage = Stage::new();
    stage.get_all();
    stage.publish();
    let consume = basic::Consume { queue: name("q"), no_ack: true, ..Default::default() };
    stage.method(channel::Close::default());
    stage.apply(OTHER, Command::Method(NUMBER, consume.into()));
    let get = basic::Get { queue: name("q"), no_ack: true };
    let third = ConnectionId(3);
    stage.open(third, "guest");
    stage.apply(third, Command::Method(NUMBER, get.into()));
    stage.turn();
    assert!(stage.broker.work.is_behind());
    while stage.broker.work.is_behind() {
        let outputs = stage.turn();
        let handed =
            outputs.iter().any(|(_, text)| text.contains("Deliver") || text.contains("GetOk"));
        let all_back = stage.left()[1] == 0;
        assert!(all_back || !handed, "{outputs:?}");
    }
}

#[test]
fn a_connection_that_an_operator_closes_ends_its_work_first() {
    let mut stage = Stage::new();
    stage.publish_in_transaction();
    stage.method(tx::Commit::default());
    stage.broker.disconnect(LONG, "enough", &mut stage.effects);
    let mut heard = Vec::new();
    while stage.broker.work.is_behind() {
        heard.extend(stage.turn().into_iter().filter(|(id, _)| *id == LONG).map(|(_, text)| text));
    }
    heard.extend(stage.turn().into_iter().map(|(_, text)| text));
    let text = heard.join("\n");
    assert!(text.contains("enough"), "{text}");
    assert_eq!(stage.left(), [MANY, 0, 1, 0, 0]);
}

#[test]
fn a_stop_ends_all_work_first() {
    let mut stage = Stage::new();
    stage.publish_in_transaction();
    stage.method(tx::Commit::default());
    assert!(stage.broker.work.is_behind());
    stage.broker.shut_down(&mut stage.effects);
    assert!(!stage.broker.work.is_behind());
    assert_eq!(stage.left(), [MANY, 0, 1, 0, 0]);
}
