//! The exchanges that choose one destination by a number: how even, and how much moves.

use proptest::prelude::*;

use super::super::*;
use super::{bind, queue};
use crate::broker::hash::hash;

/// The destination of each of a thousand keys times `thousands`.
fn chosen(bindings: &Bindings, thousands: u32) -> Vec<Destination> {
    (0..thousands * 1000)
        .filter_map(|key| {
            let mut found = Vec::new();
            bindings.choose(hash(format!("key-{key}").into_bytes()), &mut found);
            assert!(found.len() <= 1);
            found.pop()
        })
        .collect()
}

fn share(chosen: &[Destination], of: Destination) -> f64 {
    let count = chosen.iter().filter(|one| **one == of).count();
    f64::from(u32::try_from(count).unwrap()) / f64::from(u32::try_from(chosen.len()).unwrap())
}

fn weighted(weights: &[u32]) -> Bindings {
    let mut bindings = Bindings::new(ExchangeKind::ConsistentHash);
    for (number, weight) in (1..).zip(weights) {
        bind(&mut bindings, queue(number), &weight.to_string(), &Table::default());
    }
    bindings
}

#[test]
fn each_destination_gets_its_weight() {
    let bindings = weighted(&[1, 2, 1, 4]);
    let chosen = chosen(&bindings, 40);
    for (number, expected) in [(1, 0.125), (2, 0.25), (3, 0.125), (4, 0.5)] {
        let share = share(&chosen, queue(number));
        assert!((share - expected).abs() < 0.01, "queue {number} gets {share}");
    }
}

#[test]
fn a_destination_that_comes_takes_from_all_and_nothing_else_moves() {
    let mut bindings = weighted(&[1, 1, 1]);
    let before = chosen(&bindings, 10);
    bind(&mut bindings, queue(4), "1", &Table::default());
    let after = chosen(&bindings, 10);
    let moved: Vec<_> = before.iter().zip(&after).filter(|(old, new)| old != new).collect();
    assert!(moved.iter().all(|(_, new)| **new == queue(4)));
    assert!((share(&after, queue(4)) - 0.25).abs() < 0.02);
    bindings.remove_destination(queue(4), usize::MAX);
    assert_eq!(chosen(&bindings, 10), before);
}

#[test]
fn several_bindings_of_a_destination_count_as_the_heaviest() {
    let mut bindings = weighted(&[1, 3]);
    let once = chosen(&bindings, 1);
    bind(&mut bindings, queue(2), "2", &Table::default());
    assert_eq!(chosen(&bindings, 1), once);
    assert!(bindings.unbind(queue(2), "2", &Table::default()));
    assert_eq!(chosen(&bindings, 1), once);
}

#[test]
fn weights_are_integers_from_1_to_10000() {
    let refused = |key: &str| {
        let mut bindings = Bindings::new(ExchangeKind::ConsistentHash);
        let binding = super::binding(queue(1), key, &Table::default());
        let refused = bindings.bind(binding).expect_err("no weight").to_string();
        assert!(bindings.is_empty() && chosen(&bindings, 1).is_empty());
        refused
    };
    assert_eq!(refused("00"), "The binding key must be greater than 0");
    assert_eq!(refused("-1"), "The binding key must be greater than 0");
    assert_eq!(refused("1.5"), "The binding key must be an integer: <<\"1.5\">>");
    assert_eq!(refused("-"), "The binding key must be an integer: <<\"-\">>");
    assert_eq!(refused("10001"), "The binding key must not exceed 10000");
    assert_eq!(refused(&"9".repeat(200)), "The binding key must not exceed 10000");
}

#[test]
fn a_pool_is_even_over_its_bindings() {
    let mut bindings = Bindings::new(ExchangeKind::ModulusHash);
    for (number, key) in [(1, "a"), (2, ""), (2, "b")] {
        bind(&mut bindings, queue(number), key, &Table::default());
    }
    let chosen = chosen(&bindings, 10);
    assert!((share(&chosen, queue(2)) - 2.0 / 3.0).abs() < 0.02);
}

proptest! {
    #[test]
    fn what_is_chosen_is_bound_and_does_not_depend_on_the_order_of_binding(
        mut bound in proptest::collection::vec((1..6_u64, 1..20_u32), 1..12),
        gone in proptest::collection::vec(1..6_u64, 0..3),
        numbers in proptest::collection::vec(any::<u64>(), 20),
    ) {
        use ExchangeKind::{ConsistentHash, ModulusHash, Random};
        for kind in [ConsistentHash, ModulusHash, Random] {
            let mut make = || {
                let mut bindings = Bindings::new(kind);
                for (number, key) in &bound {
                    bind(&mut bindings, queue(*number), &key.to_string(), &Table::default());
                }
                for number in &gone {
                    bindings.remove_destination(queue(*number), usize::MAX);
                }
                bound.reverse();
                bindings
            };
            let (one, other) = (make(), make());
            for number in &numbers {
                let (mut found, mut same) = (Vec::new(), Vec::new());
                one.choose(*number, &mut found);
                other.choose(*number, &mut same);
                prop_assert_eq!(&found, &same);
                prop_assert_eq!(found.is_empty(), one.is_empty());
                let is_bound = |to: &Destination| one.iter().any(|b| b.destination == *to);
                prop_assert!(found.iter().all(is_bound));
            }
        }
    }
}
