//! Heartbeats and closes.

use crate::wire::HEARTBEAT;

use super::*;

#[test]
fn heartbeats_go_both_ways() {
    let tune_ok = "connection.tune-ok channel_max=2047 frame_max=131072 heartbeat=10";
    let mut peer = Peer::open_with(tune_ok);
    assert_eq!(peer.connection.deadline(), Some(Timestamp(peer.now.0 + 5000)));
    peer.wait(5);
    assert_eq!(peer.written(), ["0 heartbeat"]);
    peer.wait(14);
    peer.write(&HEARTBEAT[..1]);
    // Two intervals and nearly another half: a heartbeat that is late is no silence.
    peer.wait(24);
    assert!(peer.asked().is_empty());
    peer.wait(1);
    assert_eq!(peer.asked(), ["gone"]);
    assert!(peer.octets().is_empty() && peer.connection.is_finished());
}

#[test]
fn a_close_by_the_client_is_the_brokers_to_answer() {
    let mut peer = Peer::open();
    let close = "connection.close reply_code=200 reply_text=\"bye\"";
    peer.write(&[method(0, close), method(1, "channel.open")].concat());
    assert_eq!(peer.asked(), [format!("0 {close}")]);
    peer.send(Output::Method(ChannelNumber(0), "connection.close-ok".parse().unwrap()));
    assert!(!peer.connection.is_finished());
    assert_eq!(peer.written(), ["0 connection.close-ok"]);
    assert!(peer.connection.is_finished() && peer.connection.lingers());
}

#[test]
fn after_a_close_by_the_broker_the_answer_is_the_end() {
    let close = "connection.close reply_code=320 reply_text=\"CONNECTION_FORCED - shutdown\"";
    let mut peer = Peer::open();
    peer.send(Output::Method(ChannelNumber(0), close.parse().unwrap()));
    peer.send(Output::Method(ChannelNumber(1), "basic.qos-ok".parse().unwrap()));
    assert_eq!(peer.written(), [format!("0 {close}")]);
    peer.write(&[method(1, "channel.open"), method(0, "connection.close-ok")].concat());
    assert!(peer.asked().is_empty() && peer.connection.is_finished());
    assert!(!peer.connection.lingers());
}

#[test]
fn a_client_that_does_not_answer_a_close_is_left_after_half_a_minute() {
    let mut peer = Peer::open();
    let close = "connection.close reply_code=320".parse().unwrap();
    peer.send(Output::Method(ChannelNumber(0), close));
    peer.written();
    peer.wait(29);
    assert!(!peer.connection.is_finished());
    peer.wait(1);
    assert!(peer.connection.is_finished());
}

#[test]
fn a_client_that_is_out_of_step_is_left_after_three_seconds() {
    let mut peer = Peer::open();
    peer.write(&[8, 0, 0, 0, 0, 0, 0, 0]);
    assert!(peer.written()[0].starts_with("0 connection.close reply_code=501"));
    peer.wait(2);
    assert!(!peer.connection.is_finished());
    peer.wait(1);
    assert!(peer.connection.is_finished());
}

#[test]
fn a_crossing_close_is_answered() {
    let mut peer = Peer::open();
    let close = "connection.close reply_code=320";
    peer.send(Output::Method(ChannelNumber(0), close.parse().unwrap()));
    peer.written();
    peer.write(&method(0, "connection.close reply_code=200"));
    assert_eq!(peer.written(), ["0 connection.close-ok"]);
    assert!(peer.connection.is_finished() && peer.connection.lingers());
}
