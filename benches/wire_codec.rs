//! The codec: what a frame costs, one way and the other.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leveret::ids::ChannelNumber;
use leveret::wire::{
    Method, Properties, PropertiesView, PublishView, Table, basic, parse_frame,
    write_content_header, write_method_frame,
};

fn frames(criterion: &mut Criterion) {
    let publish: Method =
        "basic.publish exchange=\"logs\" routing_key=\"app.error\"".parse().expect("a method");
    let mut frame = Vec::new();
    write_method_frame(&mut frame, ChannelNumber(1), &publish);
    let mut group = criterion.benchmark_group("wire_codec");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse_frame", |bencher| {
        bencher.iter(|| parse_frame(black_box(&frame), 131_064).expect("a frame"));
    });
    group.bench_function("publish_view", |bencher| {
        bencher.iter(|| PublishView::parse(black_box(&frame[7..frame.len() - 1])));
    });
    group.bench_function("method_decode", |bencher| {
        bencher.iter(|| Method::decode(black_box(&frame[7..frame.len() - 1])));
    });
    let deliver = Method::from(basic::Deliver { delivery_tag: 7, ..Default::default() });
    let mut out = Vec::with_capacity(4096);
    group.bench_function("write_deliver", |bencher| {
        bencher.iter(|| {
            out.clear();
            write_method_frame(&mut out, ChannelNumber(1), black_box(&deliver));
            write_content_header(&mut out, ChannelNumber(1), &[0, 0], 16);
        });
    });
    group.finish();
}

fn properties(criterion: &mut Criterion) {
    let all: Properties = "content_type: \"text/plain\", headers: {a: 1, b: {c: \"d\"}}, \
                           delivery_mode: 2, correlation_id: \"1\", timestamp: 1700000000"
        .parse()
        .expect("properties");
    let mut bytes = Vec::new();
    all.encode(&mut bytes);
    let mut group = criterion.benchmark_group("properties");
    group.throughput(Throughput::Elements(1));
    group.bench_function("view_delivery_mode", |bencher| {
        bencher.iter(|| PropertiesView::parse(black_box(&[0x10, 0, 2])));
    });
    group.bench_function("view_with_headers", |bencher| {
        bencher.iter(|| PropertiesView::parse(black_box(&bytes)));
    });
    let mut table = Vec::new();
    all.headers.unwrap_or_default().encode(&mut table);
    group.bench_function("table_decode", |bencher| {
        bencher.iter(|| Table::decode(black_box(&table[4..])));
    });
    group.finish();
}

criterion_group!(benches, frames, properties);
criterion_main!(benches);
