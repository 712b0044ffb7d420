//! What is made of frames.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::connection::assembler::Assembler;
use crate::connection::{Allowance, Wanted};
use crate::wire::HEARTBEAT;

use super::*;

#[test]
fn a_conversation_reads_the_same_wherever_it_is_split() {
    let mut octets = PROTOCOL_HEADER.to_vec();
    for part in [
        method(0, START_OK),
        method(0, TUNE_OK),
        method(0, OPEN),
        method(1, "channel.open"),
        HEARTBEAT.to_vec(),
        [method(1, PUBLISH), header(1, 5), body(1, "hello")].concat(),
        [method(1, PUBLISH), header(1, 0)].concat(),
        [method(1, PUBLISH), header(1, 7), body(1, "in"), body(1, ""), body(1, " four")].concat(),
        [method(1, PUBLISH), header(1, 1001), body(1, &"x".repeat(1001))].concat(),
        method(1, "basic.ack delivery_tag=7 multiple=true"),
        method(0, "connection.close reply_code=200 reply_text=\"bye\""),
    ] {
        octets.extend(part);
    }
    let expected = [
        "open guest / 2047".to_owned(),
        "1 channel.open".to_owned(),
        published(1, "hello"),
        published(1, ""),
        published(1, "in four"),
        "1 oversized 1001".to_owned(),
        "1 basic.ack delivery_tag=7 multiple=true".to_owned(),
        "0 connection.close reply_code=200 reply_text=\"bye\"".to_owned(),
    ];
    for at in 0..=octets.len() {
        let mut peer = Peer::from("127.0.0.1:4711");
        peer.write(&octets[..at]);
        peer.write(&octets[at..]);
        assert_eq!(peer.asked(), expected, "split at {at}");
    }
    let mut peer = Peer::from("127.0.0.1:4711");
    octets.iter().for_each(|octet| peer.write(&[*octet]));
    assert_eq!(peer.asked(), expected);
}

#[test]
fn contents_of_several_channels_may_interleave() {
    let mut peer = Peer::open();
    peer.write(&[method(1, PUBLISH), method(2, PUBLISH), header(2, 2), header(1, 2)].concat());
    peer.write(&[body(1, "a"), body(2, "x"), body(2, "y"), body(1, "b")].concat());
    assert_eq!(peer.asked(), [published(2, "xy"), published(1, "ab")]);
}

#[test]
fn messages_of_one_read_share_its_octets() {
    let mut peer = Peer::open();
    let publish = [method(1, PUBLISH), header(1, 5), body(1, "hello")].concat();
    peer.write(&publish.repeat(3));
    let places: Vec<_> = peer
        .commands
        .iter()
        .map(|command| match command {
            Command::Publish(_, publish) => publish.message.body().as_ptr().addr(),
            other => unreachable!("{other:?}"),
        })
        .collect();
    assert_eq!([places[1] - places[0], places[2] - places[1]], [publish.len(); 2]);
}

#[test]
fn incomplete_contents_are_bounded_per_connection() {
    let mut peer = Peer::open();
    let allowance = Arc::new(Allowance::new(1 << 20));
    peer.connection.assembler = Assembler::new(1000, 1000, allowance);
    for channel in 1..=2 {
        peer.write(&[method(channel, PUBLISH), header(channel, 900)].concat());
    }
    peer.write(&body(1, &"x".repeat(899)));
    assert!(peer.asked().is_empty());
    peer.write(&body(2, &"x".repeat(899)));
    assert!(peer.written()[0].contains("reply_code=506"));
    assert_eq!(peer.asked(), ["gone"]);
}

#[test]
fn incomplete_contents_of_all_connections_are_bounded() {
    let allowance = Arc::new(Allowance::new(1000));
    let mut peers = [Peer::open(), Peer::open()];
    for peer in &mut peers {
        peer.connection.assembler = Assembler::new(1000, 1000, Arc::clone(&allowance));
        peer.write(&[method(1, PUBLISH), header(1, 900)].concat());
    }
    let [first, second] = &mut peers;
    first.write(&body(1, &"x".repeat(800)));
    second.write(&body(1, &"x".repeat(300)));
    assert!(second.written()[0].contains("reply_code=506"));
    assert_eq!(second.asked(), ["gone"]);
    // The other one goes on, and gives back what it kept.
    first.write(&body(1, &"x".repeat(100)));
    assert_eq!(first.asked(), [published(1, &"x".repeat(900))]);
    // What is broken off is given back with its connection.
    first.write(&[method(1, PUBLISH), header(1, 900), body(1, "xx")].concat());
    assert!(allowance.taken() > 2);
    drop(peers);
    assert_eq!(allowance.taken(), 0);
}

#[test]
fn a_content_on_a_channel_that_the_broker_has_closed_is_dropped() {
    let mut peer = Peer::open();
    peer.write(&[method(1, PUBLISH), header(1, 5), body(1, "he")].concat());
    let close = "channel.close reply_code=404 reply_text=\"NOT_FOUND\"";
    peer.send(Output::Method(ChannelNumber(1), close.parse().unwrap()));
    assert_eq!(peer.written(), [format!("1 {close}")]);
    peer.write(&[body(1, "llo"), method(1, PUBLISH), header(1, 1)].concat());
    assert!(peer.asked().is_empty());
    peer.write(&method(1, "channel.close-ok"));
    peer.write(&[method(1, "channel.open"), method(1, PUBLISH), header(1, 0)].concat());
    let expected = ["1 channel.close-ok".to_owned(), "1 channel.open".into(), published(1, "")];
    assert_eq!(peer.asked(), expected);
}

#[test]
fn mangled_octets_end_in_an_error_and_never_in_a_panic() {
    let good = [
        method(1, "channel.open"),
        [method(1, PUBLISH), header(1, 5), body(1, "hello")].concat(),
        [method(1, PUBLISH), header(1, 9), body(1, "part"), body(1, "whole")].concat(),
        method(1, "queue.declare queue=\"q\" arguments={x-max-length: 10, a: {b: [1, 2]}}"),
        HEARTBEAT.to_vec(),
    ]
    .concat();
    let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    let mut ends = BTreeMap::<String, u32>::new();
    for _ in 0..2000 {
        let mut octets = good.clone();
        for _ in 0..=next(3) {
            let at = next(octets.len());
            octets[at] = u8::try_from(next(256)).unwrap();
        }
        let mut peer = Peer::open();
        for part in octets.chunks(1 + next(octets.len())) {
            peer.write(part);
        }
        assert!(peer.read.len() < 131_072);
        let end = peer.written().last().map_or("open", |line| &line[..35]).to_owned();
        *ends.entry(end).or_default() += 1;
    }
    assert!(ends.len() > 3, "{ends:?}");
}

#[test]
fn a_publish_repeats_only_the_one_right_before_it() {
    let mut peer = Peer::open();
    let publish = |channel: u16, names: &str| {
        [method(channel, &format!("basic.publish {names}")), header(channel, 1), body(channel, "x")]
            .concat()
    };
    let logs = "exchange=\"logs\" routing_key=\"key\"";
    peer.write(
        &[
            publish(1, logs),
            publish(1, logs),
            publish(1, "exchange=\"logs\" routing_key=\"key\" mandatory=true"),
            publish(2, logs),
            publish(1, logs),
            publish(1, "exchange=\"logs\" routing_key=\"keys\""),
            publish(1, "exchange=\"log\" routing_key=\"skeys\""),
            publish(1, logs),
            method(1, "basic.qos prefetch_count=1"),
            publish(1, logs),
            publish(1, logs),
        ]
        .concat(),
    );
    let repeats: Vec<bool> = peer
        .commands
        .drain(..)
        .filter_map(|command| match command {
            Command::Publish(_, publish) => Some(publish.repeats),
            _ => None,
        })
        .collect();
    let [yes, no] = [true, false];
    assert_eq!(repeats, [no, yes, yes, no, no, no, no, no, no, yes]);
}

#[test]
fn a_long_body_reads_the_same_when_it_is_read_to_where_it_stays() {
    let part = |from: u32, length: u32| -> Vec<u8> {
        let payload: Vec<u8> = (from..from + length).map(|at| (at % 251) as u8).collect();
        frame(FrameKind::Body, 1, &payload)
    };
    let long = [
        [method(1, PUBLISH), header(1, 300_000), part(0, 131_000)].concat(),
        HEARTBEAT.to_vec(),
        part(131_000, 100_000),
        [method(2, PUBLISH), header(2, 3), body(2, "two")].concat(),
        part(231_000, 60_000),
        part(291_000, 9_000),
        [method(1, PUBLISH), header(1, 400_001), part(0, 131_000)].concat(), // too long
        part(0, 131_000),
        part(0, 131_000),
        part(0, 7_001),
        method(1, "basic.ack delivery_tag=7"),
    ]
    .concat();
    let mut whole = Peer::with_bodies("127.0.0.1:4711", 400_000);
    whole.open_channel_zero(TUNE_OK);
    whole.write(&long);
    let expected = whole.asked();
    assert_eq!(expected.len(), 4);
    let steps: [&[usize]; 4] = [&[70_000], &[1, 7, 20_000, 8], &[65_536, 3], &[usize::MAX]];
    for steps in steps {
        let mut peer = Peer::with_bodies("127.0.0.1:4711", 400_000);
        peer.open_channel_zero(TUNE_OK);
        let (mut rest, mut direct) = (&long[..], 0);
        for step in steps.iter().cycle() {
            let mut take = |most: usize| {
                let (head, tail) = rest.split_at(most.min(*step).min(rest.len()));
                rest = tail;
                head
            };
            let wanted =
                if peer.read.is_empty() { peer.connection.wanted() } else { Wanted::Anything };
            match wanted {
                Wanted::Body(into, most) => {
                    let octets = take(most);
                    into.extend_from_slice(octets);
                    direct += octets.len();
                    peer.connection.received_body(peer.now, octets.len(), &mut peer.commands);
                }
                Wanted::Head(most) => peer.write(take(most)),
                Wanted::Anything => peer.write(take(65_536)),
            }
            if rest.is_empty() {
                break;
            }
        }
        assert!(peer.asked() == expected, "{steps:?}");
        assert!(direct > 90_000, "{direct} of them by {steps:?}");
    }
}
