//! Who gets in, and what it costs.

use super::*;
use crate::wire::ShortString;

fn user(password: &[u8]) -> User {
    let hash = PasswordHash::new(Hashing::Sha256, [1; SALT_OCTETS], password);
    User { password: Some(hash), tags: vec![], max_connections: None, max_channels: None }
}

fn users(password: &[u8]) -> Arc<Users> {
    Arc::new([(ShortString::clipped("alice"), user(password))].into())
}

fn logins() -> Logins {
    Logins::new(users(b"secret"), ["guest".to_owned()], Hashing::Sha512, [0; 32])
}

#[test]
fn a_remembered_password_is_forgotten_with_its_hash() {
    let logins = logins();
    for _ in 0..2 {
        assert!(logins.verify("alice", b"secret", PEER).unwrap().is_some());
    }
    logins.replace(users(b"other"));
    assert!(logins.verify("alice", b"secret", PEER).unwrap().is_none());
    assert!(logins.verify("alice", b"other", PEER).unwrap().is_some());
    logins.replace(Arc::default());
    assert!(logins.verify("alice", b"other", PEER).unwrap().is_none());
}

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

#[test]
fn an_empty_password_costs_nothing_and_lets_nobody_in() {
    let logins = logins();
    logins.hire(); // and nobody works
    for name in ["alice", "nobody", ""] {
        assert!(matches!(logins.attempt(name, b"", PEER, None), Attempt::Wrong));
    }
    assert!(matches!(logins.attempt("nobody", b"x", PEER, None), Attempt::Pending(_)));
    assert!(matches!(logins.attempt("alice", b"secret", PEER, None), Attempt::Right(_)));
}

#[test]
fn who_fails_often_is_compared_after_a_delay_unless_remembered() {
    let hash = PasswordHash::new(Hashing::Pbkdf2, [1; SALT_OCTETS], b"slow");
    let slow = User { password: Some(hash), ..user(b"") };
    let names = ["alice", "slow"].map(ShortString::clipped);
    let users = Arc::new(names.into_iter().zip([user(b"secret"), slow]).collect());
    let logins = Logins::new(users, [], Hashing::Sha512, [0; 32]);
    assert!(matches!(logins.attempt("slow", b"slow", PEER, None), Attempt::Right(_)));
    for _ in 0..=failures::FAILURES_MAX {
        assert!(!logins.fails_often("alice", PEER));
        assert!(matches!(logins.attempt("alice", b"guess", PEER, None), Attempt::Wrong));
    }
    assert!(logins.fails_often("alice", PEER));
    logins.hire();
    assert!(matches!(logins.attempt("alice", b"secret", PEER, None), Attempt::Pending(_)));
    assert!(matches!(logins.attempt("slow", b"slow", PEER, None), Attempt::Right(_)));
}

#[test]
fn workers_come_to_a_verdict_and_wake_who_waits() {
    let logins = Arc::new(logins());
    logins.hire();
    let worker = std::thread::spawn({
        let logins = Arc::clone(&logins);
        move || logins.work()
    });
    let (sender, woken) = std::sync::mpsc::channel();
    let waker: Waker = Arc::new(move || sender.send(()).unwrap());
    let Attempt::Pending(ticket) = logins.attempt("alice", b"guess", PEER, Some(waker)) else {
        unreachable!("it is hashed for the stand-in")
    };
    woken.recv().unwrap();
    assert!(matches!(logins.settle(ticket), Attempt::Wrong));
    assert_eq!(logins.verify("nobody", b"secret", PEER), Ok(None));
    assert!(logins.verify("alice", b"secret", PEER).unwrap().is_some());
    assert_eq!(logins.attempts(), (3, 1));
    logins.close();
    worker.join().unwrap();
}

#[test]
fn a_password_that_is_changed_while_it_is_hashed_is_wrong() {
    let logins = logins();
    let job = |password: &[u8]| Job {
        name: "alice".to_owned(),
        password: password.to_vec(),
        hash: user(password).password,
        digest: None,
        peer: PEER,
        waker: None,
        verdict: Mutex::default(),
        done: Condvar::new(),
    };
    assert!(matches!(logins.conclude(&job(b"secret"), true), Attempt::Right(_)));
    assert!(matches!(logins.conclude(&job(b"former"), true), Attempt::Wrong));
}

#[test]
fn threads_that_wait_for_a_verdict_are_few() {
    let logins = logins();
    logins.hire(); // and nobody works
    logins.waiting.store(WAITING_MAX, Ordering::Relaxed);
    assert_eq!(logins.verify("nobody", b"x", PEER), Err(Busy));
    assert!(logins.verify("alice", b"secret", PEER).unwrap().is_some(), "it is quick");
}

#[test]
fn there_are_so_many_strangers_and_no_more() {
    let logins = Arc::new(logins());
    let first = logins.enter(1);
    assert!(first.is_some() && logins.enter(1).is_none());
    drop(first);
    assert!(logins.enter(1).is_some());
}

#[test]
fn a_password_that_nobody_could_log_in_by_is_not_set() {
    let longest = vec![b'x'; NEW_PASSWORD_BYTES_MAX];
    assert!(logins().hash(&longest).is_ok());
    assert_eq!(logins().hash(&[&longest[..], b"x"].concat()), Err(NoHash::TooLong));
}

#[test]
fn new_passwords_get_a_salt_of_their_own() {
    let logins = logins();
    let (first, second) = (logins.hash(b"x").unwrap(), logins.hash(b"x").unwrap());
    assert!(first != second && first.verifies(b"x"));
}
