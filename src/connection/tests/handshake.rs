//! From the protocol header to connection.open.

use super::*;

#[test]
fn a_client_logs_in_and_opens_a_vhost() {
    let mut peer = Peer::from("[::1]:4711");
    peer.write(&PROTOCOL_HEADER);
    let start = peer.written();
    assert_eq!(start.len(), 1);
    assert!(start[0].starts_with("0 connection.start version_minor=9 server_properties={"));
    assert!(start[0].contains("mechanisms=\"PLAIN AMQPLAIN\""));
    peer.write(&method(0, START_OK));
    assert_eq!(
        peer.written(),
        ["0 connection.tune channel_max=2047 frame_max=131072 heartbeat=60"]
    );
    peer.write(&method(0, "connection.tune-ok channel_max=100 frame_max=4096 heartbeat=0"));
    peer.write(&method(0, OPEN));
    assert_eq!(peer.asked(), ["open guest / 100"]);
    assert!(peer.written().is_empty());
    assert_eq!(peer.connection.deadline(), None);
}

#[test]
fn a_wrong_login_is_answered_only_if_that_is_wanted() {
    for (response, address) in [
        ("\0guest\0wrong", "127.0.0.1:1"),
        ("\0nobody\0guest", "127.0.0.1:1"),
        ("\0guest\0guest", "192.0.2.1:1"),
    ] {
        let mut peer = Peer::from(address);
        peer.write(&PROTOCOL_HEADER);
        peer.written();
        peer.write(&plain(response, true));
        assert_eq!(
            peer.written(),
            ["0 connection.close reply_code=403 reply_text=\"ACCESS_REFUSED - Login was refused \
              using authentication mechanism PLAIN. For details see the broker logfile.\""]
        );

        let mut peer = Peer::from(address);
        peer.write(&PROTOCOL_HEADER);
        peer.written();
        peer.write(&plain(response, false));
        peer.write(&method(0, TUNE_OK));
        peer.wait(2);
        assert!(peer.written().is_empty() && !peer.connection.is_finished());
        peer.wait(1);
        assert!(peer.written().is_empty() && peer.connection.is_finished());
        assert!(peer.asked().is_empty());
    }
}

#[test]
fn a_wrong_protocol_header_is_answered_with_ours() {
    for octets in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", b"AMQP\0\x01\0\0"] {
        let mut peer = Peer::from("127.0.0.1:4711");
        peer.write(octets);
        assert_eq!(peer.octets(), PROTOCOL_HEADER);
        assert!(peer.connection.is_finished());
    }
}

#[test]
fn what_fails_in_the_handshake_fails_without_a_word() {
    let bad_tune = "connection.tune-ok channel_max=2047 frame_max=200000";
    for (lines, last) in [
        (&[][..], method(0, OPEN)),
        (&[], method(0, "basic.qos prefetch_count=1")),
        (&[], frame(FrameKind::Body, 0, b"x")),
        (&[], vec![1, 0, 0, 0, 0, 0x20, 0]),
        (&[START_OK], method(0, bad_tune)),
        (&[START_OK], method(1, "channel.open")),
        (&[START_OK, TUNE_OK], method(0, START_OK)),
    ] {
        let mut peer = Peer::from("127.0.0.1:4711");
        peer.write(&PROTOCOL_HEADER);
        lines.iter().for_each(|line| peer.write(&method(0, line)));
        peer.written();
        peer.write(&last);
        assert!(peer.written().is_empty() && peer.connection.is_finished(), "{lines:?} {last:?}");
        assert!(peer.asked().is_empty());
    }
}

#[test]
fn a_handshake_has_one_deadline_in_all() {
    let mut peer = Peer::from("127.0.0.1:4711");
    peer.wait(6);
    peer.write(&PROTOCOL_HEADER);
    peer.wait(3);
    peer.write(&method(0, START_OK));
    peer.written();
    assert!(!peer.connection.is_finished());
    peer.wait(1);
    assert!(peer.connection.is_finished());
}
