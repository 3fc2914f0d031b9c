//! Lifeboat's own client.

use crate::support::{Room, hash};
use lifeboat_remote::rest::Rest;
use lifeboat_remote::{Credentials, Fault, Files, Kind, Patience};
use lifeboat_serve::Limits;
use std::sync::Arc;
use std::time::Duration;

fn client(room: &Room, token: &str, repo: &str) -> Rest {
    let pairs = [("RESTIC_REST_USERNAME", token), ("RESTIC_REST_PASSWORD", room.secrets[token].as_str())];
    let credentials = Credentials::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let (attempt, all) = (Duration::from_secs(5), Duration::from_secs(10));
    let patience = Patience::with("test".to_owned(), Arc::new(|_| ()), attempt, all);
    Rest::new(&format!("http://{}/{repo}/", room.address), &credentials, patience).unwrap()
}

/// What is taken can be read: a client reads no more of each kind.
#[test]
fn no_larger_files_are_taken_than_are_read() {
    use lifeboat_serve::path::Kind as Taken;
    for (taken, read) in [
        (Taken::Data, Kind::Pack),
        (Taken::Index, Kind::Index),
        (Taken::Snapshots, Kind::Snapshot),
        (Taken::Keys, Kind::Key),
        (Taken::Locks, Kind::Lock),
    ] {
        assert!(taken.largest() <= read.largest(), "{taken:?}");
    }
}

#[test]
fn our_own_client_gets_on_with_it() {
    let room = Room::plain(&[
        ("adds", "append-only", Some("m/a"), None),
        ("all", "full", Some("m/a"), Some(300_000)),
        ("other", "full", Some("m/b"), None),
    ]);
    let (adds, all, other) = (client(&room, "adds", "m/a"), client(&room, "all", "m/a"), client(&room, "other", "m/a"));
    adds.create().unwrap();
    assert!(matches!(adds.read(Kind::Config, "config"), Err(Fault::Missing(_))));
    adds.write(Kind::Config, "config", b"config").unwrap();
    for (kind, size) in
        [(Kind::Pack, 200_000), (Kind::Index, 70_000), (Kind::Snapshot, 500), (Kind::Key, 400), (Kind::Lock, 150)]
    {
        assert_eq!(adds.list(kind).unwrap(), []);
        let content: Vec<u8> = (0..size).map(|number: u32| (number % 241) as u8).collect();
        let name = hash(&content);
        adds.write(kind, &name, &content).unwrap();
        // A second time: the answer of the first one may have been lost.
        adds.write(kind, &name, &content).unwrap();
        assert_eq!(adds.list(kind).unwrap(), [(name.clone(), u64::from(size))]);
        assert_eq!(adds.read(kind, &name).unwrap(), content);
        assert_eq!(adds.read_part(kind, &name, 100, 50).unwrap(), content[100..150]);
        assert!(adds.read_part(kind, &name, u64::from(size) - 10, 50).is_err());
        let removed = adds.remove(kind, &name);
        assert_eq!(removed.is_ok(), kind == Kind::Lock, "{kind:?}: {removed:?}");
        assert!(matches!(other.read(kind, &name), Err(Fault::Final(_))) && other.list(kind).is_err());
    }
    // How a prune asks whether anything may be removed at all.
    let none = hash(b"none");
    assert!(adds.remove(Kind::Pack, &none).is_err());
    all.remove(Kind::Pack, &none).unwrap();
    // A full quota ends the work at once, with the reason, instead of being waited for.
    let content = vec![1; 100_000];
    let fault = all.write(Kind::Pack, &hash(&content), &content).unwrap_err();
    assert!(
        matches!(&fault, Fault::Final(text) if text.contains("the quota of 293.0 KiB for m/a is used up")),
        "{fault:?}"
    );
    for (name, _) in all.list(Kind::Pack).unwrap() {
        all.remove(Kind::Pack, &name).unwrap();
    }
    all.write(Kind::Pack, &hash(&content), &content).unwrap();
}

/// The server is known by the fingerprint of its certificate, and by nothing else.
#[test]
fn a_fingerprint_takes_the_place_of_an_authority() {
    use lifeboat_remote::credentials::TLS_FINGERPRINT;
    use lifeboat_remote::pinned::Fingerprint;
    let room = Room::start("", &[("a", "full", Some("a"), None)], Limits::default());
    let pem = std::fs::read_to_string(room.path("state/tls-certificate.pem")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let print = Fingerprint::of(&base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap());
    let ask = |print: Option<String>| {
        let pairs = [("RESTIC_REST_USERNAME", "a".to_owned()), ("RESTIC_REST_PASSWORD", room.secrets["a"].clone())];
        let pairs = pairs.into_iter().chain(print.map(|print| (TLS_FINGERPRINT, print)));
        let credentials = Credentials::new(pairs.map(|(name, value)| (name.to_owned(), value)));
        let patience = Patience::with("room", Arc::new(|_| ()), Duration::from_secs(5), Duration::from_secs(5));
        // A name that is in no certificate: it does not matter.
        let url = format!("https://localhost:{}/a/", room.address.port());
        Rest::new(&url, &credentials, patience).and_then(|rest| rest.list(Kind::Snapshot))
    };
    assert_eq!(ask(Some(print.to_string())).unwrap(), []);
    let other = Fingerprint::of(b"another").to_string();
    let why = ask(Some(other.clone())).unwrap_err().to_string();
    assert!(why.contains(&print.to_string()) && why.contains(&other) && why.contains("new fingerprint"), "{why}");
    let why = ask(None).unwrap_err().to_string();
    assert!(why.contains("certificate"), "{why}");
    assert!(ask(Some("zz".into())).unwrap_err().to_string().contains("64 hexadecimal digits"));
}

/// A recovery whose archive is here tells what it does, with the token that reads the archive.
#[test]
fn a_recovery_tells_the_server_of_its_archive() {
    use lifeboat_remote::telling::Telling;
    let room = Room::plain(&[("a", "read-only", Some("a"), None), ("eye", "view", None, None)]);
    let telling = |token: &str, place: &str| {
        let pairs = [("RESTIC_REST_USERNAME", token.to_owned()), ("RESTIC_REST_PASSWORD", room.secrets[token].clone())];
        let credentials = Credentials::new(pairs.map(|(name, value)| (name.to_owned(), value)));
        Telling::to(place, &credentials).unwrap()
    };
    let here = format!("rest:http://{}/a/deep/", room.address);
    assert!(telling("a", "/srv/repo").is_none() && telling("a", "s3://b/x").is_none());
    let machine = r#""machine":{"id":"4c4c","name":"db7"}"#;
    let line = format!("{{\"event\":\"failed\",\"reason\":\"no disk\",{machine}}}\n");
    telling("a", &here).unwrap().tell(&line).unwrap();
    let shown = room.ask("eye", "GET", "/api/v1/machines/a", b"").text();
    assert!(shown.contains("no disk") && shown.contains("db7"), "{shown}");
    assert!(matches!(telling("eye", &here).unwrap().tell(&line), Err(Fault::Final(_))));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("rest:http://127.0.0.1:{free}/a/");
    assert!(matches!(telling("a", &nowhere).unwrap().tell(&line), Err(Fault::Passing(_))));
}
