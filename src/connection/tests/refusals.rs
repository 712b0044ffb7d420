//! What a client must not send.

use crate::wire::connection;

use super::*;

/// Sends octets on an open connection and checks the refusal: code and method, and a part of the
/// text. The broker lets go of the client at once; then only close-ok is awaited.
#[track_caller]
fn check_refusal(octets: &[u8], code: u16, text: &str, method_id: (u16, u16)) {
    let mut peer = Peer::open();
    peer.write(octets);
    let written = peer.written();
    let Ok(Method::Connection(connection::Method::Close(close))) = written[0][2..].parse() else {
        unreachable!("{written:?}")
    };
    assert_eq!(
        (close.reply_code, close.class_id, close.method_id),
        (code, method_id.0, method_id.1)
    );
    assert!(close.reply_text.contains(text), "{}", close.reply_text);
    assert_eq!(peer.asked(), ["gone"]);
    peer.write(&method(1, "basic.qos prefetch_count=1"));
    peer.send(Output::Method(ChannelNumber(1), "basic.qos-ok".parse().unwrap()));
    assert!(peer.asked().is_empty() && peer.written().is_empty());
    peer.wait(30);
    assert!(peer.connection.is_finished());
}

#[test]
fn frames_that_are_none_are_refused() {
    check_refusal(&[3, 0, 1, 0, 3, 13, 64], 501, "{frame_too_large,200000,131064}", (0, 0));
    check_refusal(&[9, 0, 1, 0, 0, 0, 0], 501, "FRAME_ERROR", (0, 0));
    check_refusal(&[8, 0, 0, 0, 0, 0, 0, 0], 501, "FRAME_ERROR", (0, 0));
    check_refusal(&frame(FrameKind::Heartbeat, 0, b"x"), 501, "heartbeat", (0, 0));
    check_refusal(&frame(FrameKind::Heartbeat, 1, b""), 505, "heartbeat", (0, 0));
    for cut in [&[][..], &[0], &[0, 60], &[0, 60, 0]] {
        check_refusal(&frame(FrameKind::Method, 1, cut), 501, "too short", (0, 0));
        check_refusal(&frame(FrameKind::Method, 0, cut), 501, "too short", (0, 0));
    }
}

/// Each method with every way to cut its arguments, and with an octet too many.
#[test]
fn malformed_arguments_are_refused_with_their_method() {
    for info in crate::wire::METHODS {
        let mut payload = Vec::new();
        let method: Method = info.name.parse().unwrap();
        method.encode(&mut payload);
        let id = (info.id.class, info.id.method);
        let channel = u16::from(info.id.class != 10);
        payload.push(0);
        check_refusal(&frame(FrameKind::Method, channel, &payload), 501, "FRAME_ERROR", id);
        for end in 4..payload.len() - 1 {
            let cut = frame(FrameKind::Method, channel, &payload[..end]);
            check_refusal(&cut, 501, "FRAME_ERROR", id);
        }
    }
    // queue.declare, whose table has an unknown type, and one whose table is cut.
    let declare = [0, 50, 0, 10, 0, 0, 1, b'q', 0];
    for table in [&[0, 0, 0, 3, 1, b'a', b'?'][..], &[0, 0, 0, 3, 1, b'a', b'I']] {
        let payload = [&declare[..], table].concat();
        check_refusal(&frame(FrameKind::Method, 1, &payload), 502, "SYNTAX_ERROR", (50, 10));
    }
    check_refusal(&frame(FrameKind::Method, 1, &[0, 50, 0, 99]), 503, "unknown method", (50, 99));
    let wrong_properties = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1];
    let publish = [method(1, PUBLISH), frame(FrameKind::Header, 1, &wrong_properties)].concat();
    check_refusal(&publish, 502, "flags", (60, 40));
}

/// Found by `fuzz/targets/connection.rs`: in one read the header was looked at first.
#[test]
fn of_a_publish_that_is_wrong_twice_the_method_is_told_of_in_one_read_and_in_two() {
    let publish = frame(FrameKind::Method, 1, &[0, 60, 0, 40, 0, 0, 1, 0xFF, 0, 0]);
    let header = frame(FrameKind::Header, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
    check_refusal(&publish, 501, "UTF-8", (60, 40));
    check_refusal(&[publish, header, body(1, "x")].concat(), 501, "UTF-8", (60, 40));
}

#[test]
fn a_servers_method_is_refused_before_its_content() {
    for line in ["basic.deliver consumer_tag=\"x\"", "basic.get-ok", "basic.return"] {
        let id = line.split(' ').next().unwrap().parse::<Method>().unwrap().id();
        let octets = [method(1, line), header(1, 1), body(1, "x")].concat();
        check_refusal(&octets, 503, "unimplemented method", (id.class, id.method));
    }
}

#[test]
fn contents_out_of_turn_are_refused() {
    let publish = method(1, PUBLISH);
    let qos = method(1, "basic.qos prefetch_count=1");
    let check = |parts: &[&[u8]], code, text, id| check_refusal(&parts.concat(), code, text, id);
    let of_none = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    check(&[&header(1, 1)], 505, of_none, (0, 0));
    check(&[&body(1, "x")], 505, of_none, (0, 0));
    check(&[&body(0, "x")], 505, of_none, (0, 0));
    let of_header = "expected content header for class 60, got non content header frame instead";
    check(&[&publish, &qos], 505, of_header, (60, 40));
    check(&[&publish, &publish], 505, of_header, (60, 40));
    check(&[&publish, &body(1, "x")], 505, of_header, (60, 40));
    let of_body = "expected content body, got non content body frame instead";
    check(&[&publish, &header(1, 1), &qos], 505, of_body, (60, 40));
    check(&[&publish, &header(1, 1), &header(1, 1)], 505, of_body, (60, 40));
    check(&[&publish, &header(1, 1), &publish], 505, of_body, (60, 40));
}

#[test]
fn wrong_content_headers_are_refused() {
    let publish = method(1, PUBLISH);
    let check = |head: &[u8], code, text, id| {
        let head = frame(FrameKind::Header, 1, head);
        // In one read and in two: a whole publish takes another way.
        check_refusal(&[&publish[..], &head, &body(1, "x")].concat(), code, text, id);
        check_refusal(&[&publish[..], &head].concat(), code, text, id);
    };
    let class = "expected content header for class 60, got one for class 50 instead";
    check(&[0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], 505, class, (60, 40));
    check(&[0, 60, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0], 505, "weight 1", (60, 40));
    check(&[0, 60, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 1, 0, 0], 501, "larger than max size", (0, 0));
    check(&[0, 60, 0, 0, 0, 0, 0, 0], 501, "cut short", (0, 0));
    check(&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1], 502, "flags", (60, 40));
}

#[test]
fn a_body_longer_than_declared_is_refused() {
    let head = [method(1, PUBLISH), header(1, 3)].concat();
    let text = "FRAME_ERROR - body frame of";
    check_refusal(&[&head[..], &body(1, "four")].concat(), 501, text, (60, 40));
    check_refusal(&[&head[..], &body(1, "ab"), &body(1, "cd")].concat(), 501, text, (60, 40));
    // As soon as it is announced.
    check_refusal(&[&head[..], &[3, 0, 1, 0, 0, 0, 4]].concat(), 501, text, (60, 40));
}
