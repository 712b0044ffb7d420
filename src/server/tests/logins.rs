//! Many who log in at once.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::endings::frame;
use super::*;
use crate::wire::connection;

/// A hash that takes long to compare with, and that no password has.
fn slow_hash() -> PasswordHash {
    let octets = [&50_000_u32.to_be_bytes()[..], &[0; 48]].concat();
    PasswordHash::parse(Hashing::Pbkdf2, &BASE64_STANDARD.encode(octets)).unwrap()
}

/// Tries a password and does not wait for the answer.
fn try_password(server: &Server, user: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.addresses()[0]).unwrap();
    let start_ok = connection::StartOk {
        mechanism: ShortString::clipped("PLAIN"),
        response: format!("\0{user}\0guess").into_bytes(),
        ..Default::default()
    };
    stream.write_all(&[&PROTOCOL_HEADER[..], &frame(0, start_ok)].concat()).unwrap();
    stream
}

#[test]
fn guesses_that_take_long_hold_up_nobody_else_and_end_with_who_guesses() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let name = ShortString::clipped("slow");
    let password = NewPassword::Hash(slow_hash());
    server.change(vec![Change::PutUser { name, password, tags: vec![] }]).unwrap();
    put_user(&server, "alice", b"secret", Hashing::Pbkdf2);
    let guesses: Vec<_> = (0..80).map(|_| try_password(&server, "slow")).collect();
    let client = Client::connect(server.addresses()[0], "alice", "secret").unwrap();
    let logins = server.door().logins();
    let (attempts, successes) = logins.attempts();
    assert!(successes == 1 && attempts < 40, "{attempts} attempts came before another's");
    drop((client, guesses));
    // Their threads are gone, and with them what was to be computed.
    server.rim.seats.wait_until_empty(Duration::from_secs(20));
    assert_eq!(server.rim.seats.counted().0, 0);
    assert!(logins.attempts().0 < 60, "{:?}", logins.attempts());
    server.stop();
}

#[test]
fn a_fleet_with_a_user_each_is_in_after_a_restart() {
    let directory = TempDir::new().unwrap();
    let server = start(&directory);
    let users: Vec<_> = (0..200).map(|number| format!("device-{number}")).collect();
    for user in &users {
        put_user(&server, user, user.as_bytes(), Hashing::Pbkdf2);
    }
    server.stop();
    let server = start(&directory);
    thread::scope(|scope| {
        for some in users.chunks(25) {
            let server = &server;
            scope.spawn(move || {
                for user in some {
                    drop(Client::connect(server.addresses()[0], user, user).unwrap());
                }
            });
        }
    });
    assert_eq!(server.door().logins().attempts(), (200, 200));
    server.stop();
}
