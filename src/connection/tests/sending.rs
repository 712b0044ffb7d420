//! What is made of the broker's outputs.

use crate::broker::{Deliveries, Delivery};
use crate::ids::DeliveryTag;
use crate::message::Message;
use crate::wire::ShortString;

use super::*;

fn deliveries(bodies: &[&str]) -> Output {
    let message = |body: &&str| Message::from_parts("", b"key", &[0, 0], body.as_bytes(), false);
    Output::Deliver(Deliveries {
        channel: ChannelNumber(3),
        consumer_tag: ShortString::clipped("c"),
        first_tag: DeliveryTag(7),
        messages: bodies
            .iter()
            .map(|body| Delivery { redelivered: body.is_empty(), message: message(body) })
            .collect(),
    })
}

#[test]
fn deliveries_are_split_by_the_negotiated_frame_size() {
    let mut peer = Peer::open_with("connection.tune-ok channel_max=1 frame_max=4096");
    let large = "x".repeat(10_000);
    peer.send(deliveries(&["", &large]));
    assert_eq!(
        peer.written(),
        [
            "3 basic.deliver consumer_tag=\"c\" delivery_tag=7 redelivered=true routing_key=\"key\"",
            "3 header [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]",
            "3 basic.deliver consumer_tag=\"c\" delivery_tag=8 routing_key=\"key\"",
            "3 header [0, 0, 0, 0, 0, 0, 39, 16, 0, 0]",
            "3 body 4088",
            "3 body 4088",
            "3 body 1824",
        ]
    );
}

#[test]
fn large_bodies_are_written_in_their_place() {
    let mut peer = Peer::open();
    let large = "x".repeat(300_000);
    peer.send(deliveries(&["a", &large, "b", &large]));
    let bodies: Vec<_> =
        peer.written().into_iter().filter(|line| line.starts_with("3 body")).collect();
    assert_eq!(
        bodies,
        [
            "3 body 1",
            "3 body 131064",
            "3 body 131064",
            "3 body 37872",
            "3 body 1",
            "3 body 131064",
            "3 body 131064",
            "3 body 37872"
        ]
    );
}

#[test]
fn get_ok_and_return_carry_their_message() {
    let mut peer = Peer::open();
    let message = Message::from_parts("logs", b"key", &[0, 0], b"hi", false);
    let delivery = Delivery { redelivered: true, message: message.clone() };
    let channel = ChannelNumber(1);
    let delivery_tag = DeliveryTag(4);
    peer.send(Output::GetOk { channel, delivery_tag, message_count: 5, delivery });
    peer.send(Output::Return { channel, message });
    let written = peer.written();
    assert_eq!(
        written[0],
        "1 basic.get-ok delivery_tag=4 redelivered=true exchange=\"logs\" routing_key=\"key\" \
         message_count=5"
    );
    assert_eq!(
        written[3],
        "1 basic.return reply_code=312 reply_text=\"NO_ROUTE\" exchange=\"logs\" \
         routing_key=\"key\""
    );
    assert_eq!([&written[2], &written[5]], ["1 body 2"; 2]);
}

#[test]
fn drained_deliveries_are_reported_in_quarters_or_along_with_something() {
    let mut peer = Peer::open();
    let quarter = "x".repeat(256 * 1024);
    peer.send(deliveries(&["abc"]));
    peer.written();
    peer.connection.report_drained(&mut peer.commands);
    assert!(peer.asked().is_empty());
    peer.write(&method(3, "basic.ack delivery_tag=7"));
    peer.connection.report_drained(&mut peer.commands);
    // A message costs its parts: routing key, property flags, body.
    assert_eq!(peer.asked(), ["3 basic.ack delivery_tag=7", "drained 8"]);
    peer.send(deliveries(&[&quarter]));
    peer.connection.report_drained(&mut peer.commands);
    assert!(peer.asked().is_empty());
    peer.written();
    peer.connection.report_drained(&mut peer.commands);
    assert_eq!(peer.asked(), [format!("drained {}", 256 * 1024 + 5)]);
}
