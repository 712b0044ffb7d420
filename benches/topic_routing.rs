//! What routing through a topic exchange costs, and that it does not grow with the bindings.
//!
//! Each group runs with 1,000 and with 100,000 bindings: four in five name a device in full, the
//! others have wildcards. A key matches three of them, whatever their number.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use leveret::broker::exchange::{Binding, Bindings, Destination, ExchangeKind};
use leveret::ids::QueueId;
use leveret::wire::{PackedTable, ShortString};

const SIZES: [u64; 2] = [1_000, 100_000];

fn binding(number: u64, pattern: &str) -> Binding {
    let key = ShortString::new(pattern).expect("a short pattern");
    Binding {
        destination: Destination::Queue(QueueId(number)),
        key,
        arguments: PackedTable::default(),
    }
}

fn pattern(number: u64) -> String {
    let site = number % 100;
    match number % 5 {
        0 => format!("plant.{number}.*.alarm"),
        1 => format!("plant.site{site}.device{number}.#"),
        _ => format!("plant.site{site}.device{number}.temperature"),
    }
}

/// So many bindings, and two that match everything.
fn exchange(size: u64) -> Bindings {
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    let shared = [binding(size, "#"), binding(size + 1, "plant.#.temperature")];
    for binding in (0..size).map(|number| binding(number, &pattern(number))).chain(shared) {
        bindings.bind(binding).expect("topic exchanges take any arguments");
    }
    bindings
}

fn route(bindings: &Bindings, key: &str, found: &mut Vec<Destination>) {
    found.clear();
    bindings.route(black_box(key.as_bytes()), &|| None, found);
    black_box(&*found);
}

fn routing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topic_routing");
    for size in SIZES {
        let bindings = exchange(size);
        let keys: Vec<String> = (0..size)
            .filter(|number| number % 5 > 1)
            .map(|number| pattern(number * 7919 % size))
            .filter(|key| key.ends_with("temperature"))
            .collect();
        let mut found = Vec::new();
        let mut next = keys.iter().cycle();
        group.bench_function(BenchmarkId::new("spread_keys", size), |bencher| {
            bencher.iter(|| next.next().map(|key| route(&bindings, key, &mut found)));
        });
        group.bench_function(BenchmarkId::new("one_key", size), |bencher| {
            bencher.iter(|| route(&bindings, &keys[0], &mut found));
        });
        group.bench_function(BenchmarkId::new("unknown_key", size), |bencher| {
            bencher.iter(|| route(&bindings, "office.light.on", &mut found));
        });
    }
    group.finish();
}

fn hostile(criterion: &mut Criterion) {
    let mut bindings = Bindings::new(ExchangeKind::Topic);
    bindings.bind(binding(1, &("#.a.".repeat(62) + "#.b"))).expect("a valid binding");
    let key = "a.".repeat(127) + "a";
    let mut found = Vec::new();
    criterion.bench_function("topic_routing/63_hashes_128_words", |bencher| {
        bencher.iter(|| route(&bindings, &key, &mut found));
    });
}

fn binding_and_unbinding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("topic_binding");
    for size in SIZES {
        let mut bindings = exchange(size);
        let extra = binding(size + 2, "plant.site1.device1.pressure");
        group.bench_function(BenchmarkId::new("bind_and_remove_destination", size), |bencher| {
            bencher.iter(|| {
                bindings.bind(extra.clone()).expect("a valid binding");
                bindings.remove_destination(extra.destination, usize::MAX)
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    routing(&mut criterion);
    hostile(&mut criterion);
    binding_and_unbinding(&mut criterion);
    criterion.final_summary();
}
