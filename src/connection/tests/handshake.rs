//! From the protocol header to connection.open.

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

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

/// A client whose password waits for a worker, of which there is none yet.
fn hashed() -> (Peer, Arc<Logins>, Receiver<()>) {
    let logins = Arc::new(guest_with(Hashing::Pbkdf2));
    logins.hire();
    let mut peer = Peer::with_logins("127.0.0.1:4711", 1000, Arc::clone(&logins));
    let (sender, woken) = mpsc::channel();
    peer.connection.set_waker(Arc::new(move || sender.send(()).unwrap()));
    peer.write(&PROTOCOL_HEADER);
    peer.written();
    (peer, logins, woken)
}

/// Has the work done that waits, and waits for it.
fn work((peer, logins, woken): &mut (Peer, Arc<Logins>, Receiver<()>)) {
    peer.wait(0);
    assert!(peer.written().is_empty() && !peer.connection.is_finished());
    let worker = std::thread::spawn({
        let logins = Arc::clone(logins);
        move || logins.work()
    });
    woken.recv_timeout(Duration::from_secs(60)).unwrap();
    logins.close();
    worker.join().unwrap();
    peer.wait(0);
}

#[test]
fn what_comes_while_a_password_is_hashed_is_handled_after_it() {
    let mut waiting = hashed();
    waiting.0.write(&[method(0, START_OK), method(0, TUNE_OK), method(0, OPEN)].concat());
    work(&mut waiting);
    let mut peer = waiting.0;
    assert_eq!(peer.written().len(), 1, "connection.tune");
    assert!(peer.connection.take_resumed() && !peer.connection.take_resumed());
    peer.write(&[]);
    assert_eq!(peer.asked(), ["open guest / 2047"]);
}

#[test]
fn a_wrong_password_is_answered_when_it_is_hashed() {
    let mut waiting = hashed();
    waiting.0.write(&plain("\0guest\0wrong", true));
    work(&mut waiting);
    assert!(waiting.0.written()[0].starts_with("0 connection.close reply_code=403"));
}

#[test]
fn waiting_for_a_password_to_be_hashed_takes_nothing_off_the_time_for_the_handshake() {
    let mut waiting = hashed();
    waiting.0.write(&method(0, START_OK));
    waiting.0.wait(50);
    work(&mut waiting);
    let mut peer = waiting.0;
    assert_eq!(peer.written().len(), 1, "connection.tune");
    peer.wait(9);
    assert!(!peer.connection.is_finished());
    peer.wait(1);
    assert!(peer.connection.is_finished());
}

#[test]
fn a_client_whose_password_is_not_hashed_in_a_minute_is_left() {
    let (mut peer, ..) = hashed();
    peer.write(&method(0, START_OK));
    peer.wait(59);
    assert!(!peer.connection.is_finished());
    peer.wait(1);
    assert!(peer.written().is_empty() && peer.connection.is_finished());
}

#[test]
fn a_client_that_floods_while_its_password_is_hashed_is_refused() {
    let (mut peer, ..) = hashed();
    peer.write(&[&method(0, START_OK)[..], &[0; 8192]].concat());
    assert!(!peer.connection.is_finished());
    peer.write(&[0]);
    assert!(peer.written().is_empty() && peer.connection.is_finished());
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
