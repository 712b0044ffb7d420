//! Who comes over HTTP, by which name, and how many at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, GUEST, Stage, say};

/// What a request that names its own host gets.
fn raw(address: SocketAddr, text: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

#[test]
fn a_request_is_for_one_host_that_is_known_here() {
    let stage = Stage::with(|config| config.management_host = vec!["mq.example.com".to_owned()]);
    let get = |hosts: &str| {
        let login = format!("Authorization: {GUEST}\r\nConnection: close\r\n");
        raw(stage.address(), &format!("GET /api/whoami HTTP/1.1\r\n{hosts}{login}\r\n")).status
    };
    for (hosts, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: 127.0.0.1:15672\r\n", 200),
        ("Host: mq.example.com\r\n", 200),
        ("Host: evil.example\r\n", 421),
        ("", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
    ] {
        assert_eq!(get(hosts), status, "{hosts}");
    }
    let page =
        raw(stage.address(), "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(page.status, 421);
}

#[test]
fn the_page_logs_in_once_and_keeps_no_password() {
    let stage = Stage::new();
    stage.user("ann", "management");
    let page = "X-Requested-With: leveret\r\n";
    let login = super::rules::login("ann", "ann");
    let headers = format!("Authorization: {login}\r\n{page}Content-Length: 0\r\n");
    let answer = say(stage.address(), "POST /api/session", &headers, "");
    assert_eq!((answer.status, &answer.body.contains("\"ann\"")), (200, &true));
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")).unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());

    let who = |headers: &str| say(stage.address(), "GET /api/whoami", headers, "").status;
    assert_eq!(who(&format!("{cookie}{page}")), 200);
    assert_eq!(who(&cookie), 401, "a page of another site cannot send the header");
    let put = |headers: &str| {
        let headers = format!("{cookie}{page}{headers}Content-Length: 2\r\n");
        say(stage.address(), "PUT /api/queues/%2F/q", &headers, "{}").status
    };
    assert_eq!(put("Origin: http://evil.example\r\n"), 401);
    assert_eq!(put(&format!("Origin: http://{}\r\n", stage.address())), 201);
    // The page shows a form of its own, not the browser's.
    let refused = say(stage.address(), "GET /api/whoami", page, "");
    assert!(refused.status == 401 && !refused.head.contains("WWW-Authenticate"));

    // Tags and passwords are looked at each time.
    let other = json!({"password": "other", "tags": "management"});
    assert_eq!(stage.status("PUT", "/api/users/ann", other), 204);
    assert_eq!(who(&format!("{cookie}{page}")), 401);
    assert_eq!(stage.status("PUT", "/api/users/ann", json!({"password": "ann", "tags": ""})), 204);

    let guest = format!("Authorization: {GUEST}\r\n{page}Content-Length: 0\r\n");
    let answer = say(stage.address(), "POST /api/session", &guest, "");
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("Set-Cookie: ")).unwrap();
    let cookie = format!("Cookie: {}\r\n{page}", cookie.split(';').next().unwrap());
    assert_eq!(who(&cookie), 200);
    assert_eq!(say(stage.address(), "DELETE /api/session", &cookie, "").status, 204);
    assert_eq!(who(&cookie), 401);
}

#[test]
fn idle_and_slow_clients_keep_nobody_out() {
    let stage = Stage::new();
    let mut kept = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(stage.address()).unwrap();
        if number % 3 == 0 {
            // Half a head; it is gone already if it came when others took its seat.
            drop(stream.write_all(b"GET /api/overview HTTP/1.1\r\nHost: loc"));
        }
        kept.push(stream);
        if number % 50 == 49 {
            assert_eq!(stage.get("/api/whoami")["name"], "guest");
            let health = "/api/health/checks/alarms";
            assert_eq!(stage.status("GET", health, Value::Null), 200);
        }
    }
    drop(kept);
}
