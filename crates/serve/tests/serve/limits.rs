//! Clients that are slow, many, or guess.

use crate::support::{Room, ask, hash, head, parse};
use lifeboat_serve::Limits;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SHORT: Limits = Limits { head: Duration::from_millis(700), silence: Duration::from_millis(700) };

fn connect(room: &Room) -> TcpStream {
    let stream = TcpStream::connect(room.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// What comes until the server ends the connection, and after how long.
fn until_end(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let began = Instant::now();
    let mut bytes = vec![];
    let _ = stream.read_to_end(&mut bytes);
    (bytes, began.elapsed())
}

#[test]
fn nobody_keeps_a_connection_for_nothing() {
    let room = Room::start("tls = false", &[("a", "full", Some("a"), None)], SHORT);
    room.repository("a", "a");
    let soon = Duration::from_secs(8);
    // Nothing at all, half a head, a head that never ends, and idle after an answer.
    for begins in ["", "GET /health HTTP/1.1\r\nHo", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = connect(&room);
        stream.write_all(begins.as_bytes()).unwrap();
        let (_, took) = until_end(&mut stream);
        assert!(took < soon, "{begins:?}: {took:?}");
    }
    let mut stream = connect(&room);
    stream.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
    let began = Instant::now();
    while stream.write_all(b"X-More: 1\r\n").is_ok() && began.elapsed() < soon {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(began.elapsed() < soon);
    // Half a body: the answer says why, and nothing stays.
    let path = format!("/a/data/{}", hash(b"0123456789"));
    let mut stream = connect(&room);
    stream.write_all(&head("POST", &path, &[("Authorization", &room.login("a"))], 10)).unwrap();
    stream.write_all(b"01234").unwrap();
    let (answer, took) = until_end(&mut stream);
    assert_eq!(parse(&answer).unwrap().status, 408);
    assert!(took < soon);
    assert_eq!(room.files("store").len(), 1);
}

#[test]
fn a_client_that_does_not_take_its_answer_is_dropped() {
    let room =
        Room::start("tls = false\nconnections = 1\nconnections_per_address = 1", &[("a", "full", None, None)], SHORT);
    room.repository("a", "a");
    let content = vec![3_u8; 32 << 20];
    let path = format!("/a/data/{}", hash(&content));
    assert_eq!(room.ask("a", "POST", &path, &content).status, 200);
    let mut stream = connect(&room);
    stream.write_all(&head("GET", &path, &[("Authorization", &room.login("a"))], 0)).unwrap();
    // It reads nothing. The only place is free again when the server has given it up.
    let began = Instant::now();
    assert_eq!(ask(room.address, "GET", "/health", &[], b"").text(), "ok\n");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let (answer, _) = until_end(&mut stream);
    assert!(answer.len() < content.len());
}

#[test]
fn an_address_has_so_many_connections() {
    let room = Room::start("tls = false\nconnections_per_address = 3", &[], Limits::default());
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(&room)).collect();
    for stream in &mut held {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
    }
    let mut fourth = connect(&room);
    let _ = fourth.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(until_end(&mut fourth).0, b"");
    held.pop();
    let free = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let mut stream = connect(&room);
        let _ = stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        !until_end(&mut stream).0.is_empty()
    });
    assert!(free);
}

#[test]
fn guessing_becomes_slow() {
    let room = Room::plain(&[("a", "view", None, None)]);
    let guess = || {
        let began = Instant::now();
        let wrong = crate::support::basic("a", "guess");
        assert_eq!(ask(room.address, "GET", "/", &[("Authorization", &wrong)], b"").status, 401);
        began.elapsed()
    };
    assert!(guess() >= Duration::from_millis(250));
    assert!(guess() >= Duration::from_millis(500));
    assert!(guess() >= Duration::from_millis(1000));
    // Whoever has the secret does not wait.
    let began = Instant::now();
    let metrics = room.ask("a", "GET", "/metrics", b"").text();
    assert!(began.elapsed() < Duration::from_millis(900));
    assert!(metrics.contains("lifeboat_serve_failed_logins_total 3\n"), "{metrics}");
}

#[test]
fn requests_are_answered_to_their_end_when_it_stops() {
    let mut room = Room::plain(&[("a", "full", None, None)]);
    room.repository("a", "a");
    let content = vec![9_u8; 1_000_000];
    let path = format!("/a/data/{}", hash(&content));
    let mut stream = connect(&room);
    let mut request = head("POST", &path, &[("Authorization", &room.login("a"))], content.len());
    request.extend_from_slice(&content[..500_000]);
    stream.write_all(&request).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let rest = content[500_000..].to_vec();
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        stream.write_all(&rest).unwrap();
        until_end(&mut stream).0
    });
    room.stop();
    assert_eq!(parse(&sender.join().unwrap()).unwrap().status, 200);
    assert_eq!(room.files("store").len(), 2);
}
