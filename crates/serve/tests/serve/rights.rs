//! Each method with each right, on a machine's own part of the store and on others'.

use crate::support::{Room, hash};

const KINDS: [&str; 5] = ["data", "index", "keys", "locks", "snapshots"];

/// Puts a repository with one file of each kind there, whatever was done to it before.
fn put(room: &Room, repo: &str) {
    let folder = room.path("store").join(repo);
    let _ = std::fs::remove_dir_all(&folder);
    let name = hash(b"there");
    for kind in KINDS {
        let inner = if kind == "data" { format!("data/{}", &name[..2]) } else { kind.to_owned() };
        std::fs::create_dir_all(folder.join(&inner)).unwrap();
        std::fs::write(folder.join(inner).join(&name), "there").unwrap();
    }
    std::fs::write(folder.join("config"), "there").unwrap();
}

#[test]
fn each_method_with_each_right() {
    let room = Room::plain(&[
        ("reads", "read-only", Some("m/own"), None),
        ("adds", "append-only", Some("m/own"), None),
        ("all", "full", Some("m/own"), None),
        ("sees", "view", None, None),
    ]);
    let (there, new, none) = (hash(b"there"), hash(b"new"), hash(b"none"));
    // What is done, and the answers for read-only, append-only and full.
    let mut cases: Vec<(&str, String, &[u8], [u16; 3])> = vec![
        ("POST", "?create=true".into(), b"", [403, 200, 200]),
        ("GET", String::new(), b"", [405, 405, 405]),
        ("DELETE", String::new(), b"", [405, 405, 405]),
        ("GET", "config".into(), b"", [200, 200, 200]),
        ("HEAD", "config".into(), b"", [200, 200, 200]),
        ("POST", "config".into(), b"second", [403, 403, 403]),
        ("DELETE", "config".into(), b"", [403, 403, 200]),
        ("PUT", "config".into(), b"x", [405, 405, 405]),
        ("PATCH", "config".into(), b"x", [405, 405, 405]),
    ];
    for kind in KINDS {
        let lock = if kind == "locks" { 200 } else { 403 };
        cases.extend([
            ("GET", format!("{kind}/"), &b""[..], [200, 200, 200]),
            ("POST", format!("{kind}/"), b"x", [405, 405, 405]),
            ("DELETE", format!("{kind}/"), b"", [405, 405, 405]),
            ("GET", format!("{kind}/{there}"), b"", [200, 200, 200]),
            ("HEAD", format!("{kind}/{there}"), b"", [200, 200, 200]),
            ("GET", format!("{kind}/{none}"), b"", [404, 404, 404]),
            ("POST", format!("{kind}/{new}"), b"new", [403, 200, 200]),
            ("POST", format!("{kind}/{there}"), b"there", [403, 403, 200]),
            ("POST", format!("{kind}/{there}"), b"other", [403, 403, 400]),
            ("DELETE", format!("{kind}/{there}"), b"", [403, lock, 200]),
            ("DELETE", format!("{kind}/{none}"), b"", [403, lock, 200]),
            ("PUT", format!("{kind}/{new}"), b"new", [405, 405, 405]),
        ]);
    }
    let others = ["m/other", "m/own2", "m", "x", "m/ow"];
    let mut asked = 0;
    for (method, below, body, expected) in &cases {
        for (token, expected) in ["reads", "adds", "all"].iter().zip(expected) {
            put(&room, "m/own");
            let before = room.files("store/m/own");
            let reply = room.ask(token, method, &format!("/m/own/{below}"), body);
            assert_eq!(reply.status, *expected, "{token} {method} {below}: {}", reply.text());
            let content = std::fs::read(room.path("store/m/own/keys").join(&there));
            if *expected >= 400 {
                assert_eq!(room.files("store/m/own"), before, "{token} {method} {below}");
            }
            if *method == "POST" {
                assert_eq!(content.unwrap(), b"there");
            }
            asked += 1;
        }
        // Of what is others', nothing can be told from what is not there.
        for other in others {
            put(&room, "m/other");
            let before = room.files("store");
            for token in ["reads", "adds", "all", "sees"] {
                let reply = room.ask(token, method, &format!("/{other}/{below}"), body);
                assert_eq!(reply.status, 403, "{token} {method} {other}/{below}");
                if *method != "HEAD" {
                    assert_eq!(reply.text(), "this token is not for this path\n");
                }
                asked += 1;
            }
            assert_eq!(room.files("store"), before, "{method} {other}/{below}");
        }
        assert_eq!(room.ask("sees", method, &format!("/m/own/{below}"), body).status, 403);
    }
    assert!(asked > 1500, "{asked}");
    // The page is for those who may view, telling is for machines.
    for (token, page, tells) in [("reads", 403, 200), ("adds", 403, 200), ("all", 403, 200), ("sees", 200, 403)] {
        for path in ["/", "/metrics", "/api/v1/machines"] {
            assert_eq!(room.ask(token, "GET", path, b"").status, page, "{token} {path}");
        }
        assert_eq!(room.ask(token, "POST", "/api/v1/events", b"").status, tells, "{token}");
        assert_eq!(room.ask(token, "GET", "/api/v1/openapi.json", b"").status, 200, "{token}");
    }
}

#[test]
fn a_token_counts_from_when_it_is_added_to_when_it_is_removed() {
    let room = Room::plain(&[("one", "full", Some("one"), None)]);
    room.repository("one", "one");
    let path = room.path("serve.toml");
    let before = std::fs::read(&path).unwrap();
    let token = lifeboat_serve::NewToken {
        name: "two".parse().unwrap(),
        right: lifeboat_serve::Right::ReadOnly,
        path: Some("one".parse().unwrap()),
        quota: None,
        machine: None,
        overdue: None,
    };
    let secret = lifeboat_serve::add_token(room.folder.path(), &token).unwrap();
    let ask = |secret: &str| {
        let login = format!("Bearer {secret}");
        crate::support::ask(room.address, "GET", "/one/config", &[("Authorization", &login)], b"").status
    };
    assert_eq!(ask(&secret), 200);
    lifeboat_sys::durable::write(&path, &room.path("new"), &before, 0o600).unwrap();
    assert_eq!(ask(&secret), 401);
    assert_eq!(ask(&room.secrets["one"]), 200);
}

#[test]
fn an_append_only_token_makes_so_many_repositories_and_no_more() {
    let room = Room::plain(&[("a", "append-only", Some("m/a"), None), ("b", "append-only", Some("m/b"), None)]);
    for number in 0..32 {
        room.repository("a", &format!("m/a/{number}"));
    }
    let ask = |token: &str, repo: &str| room.ask(token, "POST", &format!("/{repo}/?create=true"), b"");
    let refused = ask("a", "m/a/more");
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.text().contains("32 repositories"), "{}", refused.text());
    assert!(!room.path("store/m/a/more").exists());
    // Those that are there, and others' are not concerned.
    assert_eq!((ask("a", "m/a/7").status, ask("b", "m/b").status), (200, 200));
}
