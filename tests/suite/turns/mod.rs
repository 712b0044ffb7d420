//! No client can tell where a turn ends: whatever clients do, each channel gets the same frames in
//! the same order whether each command has a turn of its own or all share one.
//!
//! ```text
//!   steps ──▶ one command a turn, each chosen by what the clients have seen ──▶ commands, frames
//!             the same commands, cut into turns at random, synced late ───────▶ the same frames
//! ```
//!
//! What is compared: the frames of each channel, in order; confirms apart, by what they confirm;
//! what management is told of the queues. Not the order between channels where replies wait for
//! the disk, nor streams, which show what is synced.
//!
//! A few dozen cases run by default, 2,000 with `LEVERET_FULL=1`.

mod clients;
mod stage;

use proptest::prelude::*;

use clients::{Step, steps};
use stage::{Command, Outcome, Stage};

/// How commands are put into turns.
#[derive(Clone, Debug)]
struct Turns {
    /// A turn ends behind the command where this says so; in turn.
    ends: Vec<bool>,
    /// Whether what was written is synced when the turn ends, or later; in turn.
    syncs: Vec<bool>,
}

fn turns() -> impl Strategy<Value = Turns> {
    let ends = prop_oneof![
        Just(vec![false]),
        prop::collection::vec(prop::bool::weighted(0.2), 1..40),
        prop::collection::vec(any::<bool>(), 1..40),
    ];
    let syncs = prop::collection::vec(prop::bool::weighted(0.7), 1..20);
    (ends, syncs).prop_map(|(ends, syncs)| Turns { ends, syncs })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 1_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_client_can_tell_where_a_turn_ends(
        durable in any::<bool>(),
        steps in steps(),
        turns in turns(),
    ) {
        let (commands, expected) = one_by_one(durable, &steps);
        let together = in_turns(durable, &commands, &turns);
        let difference = together.difference(&expected, durable);
        prop_assert!(difference.is_none(), "{}\n{}", difference.unwrap(), text(&commands));
    }
}

fn cases() -> u32 {
    let asked = std::env::var("TURNS_CASES").ok().and_then(|cases| cases.parse().ok());
    let full = std::env::var_os("LEVERET_FULL").is_some();
    asked.unwrap_or(if full { 2_000 } else { 64 })
}

/// Does the steps, each command in a turn of its own. Returns the commands, and what came of them.
fn one_by_one(durable: bool, steps: &[Step]) -> (Vec<Command>, Outcome) {
    let mut stage = Stage::new(durable);
    let mut commands = clients::prepare(durable);
    for command in &commands {
        stage.turn(command);
    }
    for step in steps {
        for command in clients::commands(step, &stage) {
            stage.turn(&command);
            commands.push(command);
        }
    }
    (commands, stage.end())
}

fn in_turns(durable: bool, commands: &[Command], turns: &Turns) -> Outcome {
    let mut stage = Stage::new(durable);
    let mut ends = turns.ends.iter().cycle();
    let mut syncs = turns.syncs.iter().cycle();
    for command in commands {
        stage.command(command);
        if ends.next() == Some(&true) {
            stage.end_turn();
            if syncs.next() == Some(&true) {
                stage.sync();
            }
        }
    }
    stage.end()
}

/// Commands as the lines of a script.
fn text(commands: &[Command]) -> String {
    commands.iter().map(|command| format!("{command:?}\n")).collect()
}
