//! What machines tell, and how it is shown.

use crate::support::{Room, ask, hash};
use lifeboat_machine::event::Event;
use lifeboat_machine::parameters::Mode;
use lifeboat_serve::{Limits, OPENAPI, ROUTES};
use serde_json::Value;

fn told(room: &Room, token: &str, events: &[Event]) {
    let lines: String = events
        .iter()
        .map(|event| {
            let mut value = serde_json::to_value(event).unwrap();
            value["machine"] = serde_json::json!({ "id": "4c4c4544", "name": "web1.example" });
            format!("{value}\n")
        })
        .collect();
    let reply = room.ask(token, "POST", "/api/v1/events", lines.as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn machine(room: &Room, id: &str) -> Value {
    serde_json::from_slice(&room.ask("eye", "GET", &format!("/api/v1/machines/{id}"), b"").body).unwrap()
}

fn room() -> Room {
    Room::plain(&[
        ("web1", "append-only", Some("m/web1"), Some(1 << 20)),
        ("web2", "append-only", Some("m/web2"), None),
        ("admin", "full", Some("m"), None),
        ("eye", "view", None, None),
    ])
}

#[test]
fn a_recovery_is_followed_from_its_beginning_to_its_end() {
    let mut room = room();
    let progress = Event::Progress {
        phase: "extract".into(),
        entries: 5,
        entries_total: 10,
        bytes: 50 << 20,
        bytes_total: 100 << 20,
        seconds: 5.0,
    };
    told(
        &room,
        "web1",
        &[Event::Stage { name: "foundation".into(), seconds: 0.1 }, Event::Ready { mode: Mode::Interactive }],
    );
    assert_eq!(machine(&room, "web1")["recovery"]["standing"], "waiting");
    told(
        &room,
        "web1",
        &[Event::Step { number: 1, total: 9, text: "wipe /dev/vda".into() }, progress.clone(), progress],
    );
    let shown = machine(&room, "4c4c4544");
    let recovery = &shown["recovery"];
    assert_eq!((&shown["name"], &shown["id"]), (&"web1".into(), &"4c4c4544".into()));
    assert_eq!(recovery["standing"], "running");
    assert_eq!(
        (&recovery["phase"], &recovery["done_bytes"], &recovery["rate"]),
        (&"extract".into(), &(50 << 20).into(), &(10 << 20).into())
    );
    assert_eq!(shown["events"].as_array().unwrap().len(), 4);
    let page = room.ask("eye", "GET", "/", b"").text();
    assert!(
        page.contains("1 recovering") && page.contains("<progress value=\"52428800\" max=\"104857600\">"),
        "{page}"
    );
    assert!(page.contains("http-equiv=\"refresh\" content=\"5\""));
    let metrics = room.ask("eye", "GET", "/metrics", b"").text();
    assert!(metrics.contains("lifeboat_machine_recovering{machine=\"web1\"} 1\n"), "{metrics}");
    told(&room, "web1", &[Event::Failed { reason: "no <b>disk</b>".into() }]);
    room.restart();
    assert_eq!(machine(&room, "web1")["recovery"]["standing"], "failed");
    for path in ["/", "/?machine=web1"] {
        let page = room.ask("eye", "GET", path, b"").text();
        assert!(page.contains("recovery failed") && page.contains("FAILED no &lt;b&gt;disk&lt;/b&gt;"), "{page}");
    }
    told(&room, "web1", &[Event::Restored { entries: 28_000, seconds: 61.0 }]);
    let page = room.ask("eye", "GET", "/?machine=web1", b"").text();
    assert!(page.contains("RESTORED 28000 entries in 61.0 s") && !page.contains("recovery failed"), "{page}");
    // Nobody tells for another machine: the token says who it is.
    assert_eq!(machine(&room, "web2")["recovery"], Value::Null);
}

#[test]
fn what_is_no_event_is_refused_as_a_whole() {
    let room = room();
    let good = Event::Note { text: "x".into() }.json_line();
    for (text, part) in [
        (format!("{good}\n{{\"event\":\"none\"}}\n"), "line 2 is no event: unknown variant `none`"),
        (format!("{good}\n\nrubbish"), "line 3 is no event"),
        ("{\"event\":\"note\",\"text\":1}".to_owned(), "line 1"),
    ] {
        let reply = room.ask("web1", "POST", "/api/v1/events", text.as_bytes());
        assert_eq!((reply.status, reply.text().contains(part)), (400, true), "{}", reply.text());
    }
    assert_eq!(room.ask("web1", "POST", "/api/v1/events", b"\xff\xfe").status, 400);
    assert_eq!(room.ask("web1", "POST", "/api/v1/events", &vec![b'\n'; (1 << 20) + 1]).status, 413);
    assert_eq!(room.ask("web1", "POST", "/api/v1/status", b"{}").status, 400);
    assert_eq!(room.ask("web1", "POST", "/api/v1/status", &vec![b' '; 300 << 10]).status, 413);
    assert_eq!(machine(&room, "web1")["events"], Value::Array(vec![]));
}

#[test]
fn the_last_backup_is_told_by_the_store_and_the_rest_by_the_machine() {
    let room = room();
    let before = machine(&room, "web1");
    assert_eq!((&before["overdue"], &before["last_backup_unix"]), (&true.into(), &Value::Null));
    room.repository("web1", "m/web1");
    let pack = vec![8_u8; 500_000];
    assert_eq!(room.ask("web1", "POST", &format!("/m/web1/data/{}", hash(&pack)), &pack).status, 200);
    assert_eq!(room.ask("web1", "POST", &format!("/m/web1/snapshots/{}", hash(b"s")), b"s").status, 200);
    let report = serde_json::json!({
        "machine": "web1.example", "checked_at": "2026-11-30T12:00:00Z", "checked_unix": 1_796_040_000, "ok": false,
        "items": [{"task": "verify", "done_unix": 1_790_000_000, "overdue": true, "age_seconds": 1}, {"task": "drill", "done_unix": null, "overdue": false}],
        "layout": {"state": "fits"}, "repository": null, "problems": ["the last verify is <70> days old"]
    });
    assert_eq!(room.ask("web1", "POST", "/api/v1/status", report.to_string().as_bytes()).status, 200);
    let after = machine(&room, "web1");
    assert_eq!(
        (&after["overdue"], &after["snapshots"], &after["stored_bytes"]),
        (&false.into(), &1.into(), &500_007.into())
    );
    assert_eq!((&after["last_backup_bytes"], &after["growth_bytes"][13]), (&500_000.into(), &500_000.into()));
    assert_eq!((&after["last_verify_unix"], &after["last_drill_unix"]), (&1_790_000_000.into(), &Value::Null));
    assert_eq!(after["report"]["problems"][0], "the last verify is <70> days old");
    let page = room.ask("eye", "GET", "/", b"");
    let text = page.text();
    assert!(text.contains("2 machines") && text.contains("1 overdue") && text.contains("1 needs attention"), "{text}");
    assert!(text.contains("the last verify is &lt;70&gt; days old") && text.contains("47 % of 1.0 MiB"), "{text}");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"));
    assert!(page.header("set-cookie").is_none());
    // The administrator's token is no machine; what is not there is not there.
    let all: Vec<Value> = serde_json::from_slice(&room.ask("eye", "GET", "/api/v1/machines", b"").body).unwrap();
    assert_eq!(all.iter().map(|machine| machine["name"].as_str().unwrap()).collect::<Vec<_>>(), ["web1", "web2"]);
    for path in ["/api/v1/machines/none", "/?machine=none", "/?machine=../x"] {
        assert_eq!(room.ask("eye", "GET", path, b"").status, 404, "{path}");
    }
    // A snapshot that is removed is not the last one any more.
    assert_eq!(room.ask("admin", "DELETE", &format!("/m/web1/snapshots/{}", hash(b"s")), b"").status, 200);
    assert_eq!(machine(&room, "web1")["last_backup_unix"], Value::Null);
}

#[test]
fn everybody_sees_it_only_when_that_was_asked_for() {
    let tokens = [("web1", "append-only", Some("m/web1"), None)];
    for (settings, expected) in [("tls = false", 401), ("tls = false\npublic_status = true", 200)] {
        let room = Room::start(settings, &tokens, Limits::default());
        for path in ["/", "/metrics", "/api/v1/machines", "/api/v1/machines/web1", "/api/v1/openapi.json"] {
            assert_eq!(ask(room.address, "GET", path, &[], b"").status, expected, "{path}");
        }
        assert_eq!(ask(room.address, "POST", "/api/v1/events", &[], b"").status, 401);
        assert_eq!(ask(room.address, "GET", "/m/web1/config", &[], b"").status, 401);
    }
}

#[test]
fn metrics_are_open_metrics() {
    let room = room();
    room.repository("web1", "m/web1");
    let reply = room.ask("eye", "GET", "/metrics", b"");
    assert_eq!(reply.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = reply.text();
    assert!(text.ends_with("\n# EOF\n") && text.matches("# EOF").count() == 1);
    let (mut family, mut kind, mut samples) = (String::new(), String::new(), 0);
    for line in text.lines().take_while(|line| *line != "# EOF") {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["#", "TYPE", name, is] => (family, kind) = (name.to_owned(), is.to_owned()),
            ["#", "UNIT", name, unit] => assert!(name == family && name.ends_with(&format!("_{unit}")), "{line}"),
            ["#", "HELP", name, ..] => assert_eq!(name, family),
            [sample, value] => {
                value.parse::<f64>().unwrap();
                let suffix = if kind == "counter" { "_total" } else { "" };
                assert_eq!(sample.split('{').next().unwrap(), format!("{family}{suffix}"), "{line}");
                samples += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert!(samples > 15, "{text}");
    assert!(
        text.contains("lifeboat_machine_overdue{machine=\"web1\"} 1\n")
            && text.contains("lifeboat_machine_quota_bytes{machine=\"web1\"} 1048576\n")
    );
    assert!(text.contains("lifeboat_serve_answers_total{class=\"2xx\"} 2\n"), "{text}");
}

#[test]
fn the_description_is_that_of_the_server() {
    let room = room();
    std::fs::write(room.path("boot/file"), "x").unwrap();
    let served = room.ask("web1", "GET", "/api/v1/openapi.json", b"");
    assert_eq!((served.text().as_str(), served.header("content-type")), (OPENAPI, Some("application/json")));
    let api: Value = serde_json::from_str(OPENAPI).unwrap();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1."));
    // The same paths with the same methods.
    const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];
    let mut described: Vec<(String, Vec<String>)> = vec![];
    for (path, item) in api["paths"].as_object().unwrap() {
        let mut methods: Vec<String> = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| METHODS.contains(&key.as_str()))
            .map(|key| key.to_uppercase())
            .collect();
        methods.sort();
        described.push((path.clone(), methods));
    }
    let mut routed: Vec<(String, Vec<String>)> = ROUTES
        .iter()
        .map(|(path, methods)| {
            let mut methods: Vec<String> = methods.iter().map(|method| (*method).to_owned()).collect();
            methods.sort();
            ((*path).to_owned(), methods)
        })
        .collect();
    described.sort();
    routed.sort();
    assert_eq!(described, routed);
    // And the server answers as described: with a described status for its methods, with 405 for all others.
    for (path, item) in api["paths"].as_object().unwrap() {
        let asked = path.replace("{path}", "file").replace("{id}", "web1");
        for method in METHODS {
            let token = if item["post"].is_object() { "web1" } else { "eye" };
            let reply = room.ask(token, &method.to_uppercase(), &asked, b"");
            match item[method].as_object() {
                Some(operation) => {
                    let responses = operation["responses"].as_object().unwrap();
                    assert!(responses.contains_key(&reply.status.to_string()), "{method} {path}: {}", reply.status);
                    if let (200, Some(content)) = (reply.status, operation["responses"]["200"]["content"].as_object()) {
                        let kind = reply.header("content-type").unwrap();
                        assert!(content.keys().any(|described| kind.starts_with(described.as_str())), "{path}: {kind}");
                    }
                    // Without a login as the description says.
                    let free = operation.get("security").is_some_and(|security| security == &Value::Array(vec![]));
                    let stranger = ask(room.address, &method.to_uppercase(), &asked, &[], b"").status;
                    assert_eq!(stranger == 401, !free, "{method} {path}: {stranger}");
                }
                None => assert_eq!(reply.status, 405, "{method} {path}"),
            }
        }
    }
    // The schema of a machine names exactly what is sent.
    told(&room, "web1", &[Event::Note { text: "x".into() }]);
    let sent = machine(&room, "web1");
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    let schemas = &api["components"]["schemas"];
    let mut expected = keys(&schemas["Machine"]["properties"]);
    expected.extend(["events".to_owned(), "report".to_owned()]);
    assert_eq!(keys(&sent), expected);
    assert_eq!(keys(&sent["recovery"]), keys(&schemas["Recovery"]["properties"]));
    let required = |schema: &Value| {
        schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(required(&schemas["Machine"]), keys(&schemas["Machine"]["properties"]));
    // Every reference leads somewhere.
    for reference in OPENAPI.split("\"$ref\": \"#/").skip(1) {
        let pointer = format!("/{}", reference.split('"').next().unwrap());
        assert!(api.pointer(&pointer).is_some(), "{pointer}");
    }
}
