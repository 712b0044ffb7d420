//! What routing through a headers exchange costs, and that it does not grow with the bindings.
//!
//! Three in four bindings need two headers of which one is common, the others need one of two. A
//! message meets one or two of them, whatever their number.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};
use leveret::broker::exchange::{Binding, Bindings, Destination, ExchangeKind};
use leveret::ids::QueueId;
use leveret::wire::{Field, ShortString, Table};

const SIZES: [u64; 2] = [1_000, 100_000];

fn text(text: &str) -> Field {
    Field::LongString(text.as_bytes().to_vec())
}

fn table(fields: impl IntoIterator<Item = (&'static str, Field)>) -> Table {
    let short = |name| ShortString::new(name).expect("a short name");
    fields.into_iter().map(|(name, field)| (short(name), field)).collect()
}

fn binding(number: u64) -> Binding {
    let report = ("report", Field::I64(number.cast_signed()));
    let arguments = if number.is_multiple_of(4) {
        table([("x-match", text("any")), report, ("owner", text(&format!("owner {number}")))])
    } else {
        table([("x-match", text("all")), ("format", text("pdf")), report])
    };
    let key = ShortString::default();
    Binding { destination: Destination::Queue(QueueId(number)), key, arguments: arguments.into() }
}

fn routing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("headers_routing");
    for size in SIZES {
        let mut bindings = Bindings::new(ExchangeKind::Headers);
        for number in 0..size {
            bindings.bind(binding(number)).expect("valid arguments");
        }
        let mut found = Vec::new();
        let mut number = 0;
        group.bench_function(BenchmarkId::new("spread_values", size), |bencher| {
            bencher.iter(|| {
                number = (number + 7919) % size;
                let report = Field::I32(i32::try_from(number).unwrap_or_default());
                let headers = table([("format", text("pdf")), ("report", report)]);
                found.clear();
                bindings.route(b"", &|| Some(headers.clone()), &mut found);
                assert_eq!(black_box(&found).len(), 1);
            });
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    routing(&mut criterion);
    criterion.final_summary();
}
