//! Requests of somebody who wants out of the store.

use crate::support::{Room, ask, hash, head, parse, send};
use std::os::unix::fs::symlink;

#[test]
fn no_name_leads_out_of_the_store() {
    let room = Room::plain(&[("a", "full", None, None)]);
    room.repository("a", "a");
    std::fs::write(room.path("secret"), "secret").unwrap();
    let name = hash(b"secret");
    let login = room.login("a");
    let long = "x".repeat(5000);
    let mut paths: Vec<String> = [
        "/../secret",
        "/a/../../secret",
        "/a/data/../../../secret",
        "/%2e%2e/secret",
        "/a/%2e%2e/%2e%2e/secret",
        "/a/..%2f..%2fsecret",
        "/a/data/%2e%2e%2f%2e%2e%2fsecret",
        "//etc/passwd",
        "/a//config",
        "/./a/config",
        "/a/./config",
        "/a/config%00",
        "/a/config/",
        "/a%00/config",
        "/.hidden/config",
        "/a\\..\\config",
        "/state/tls-key.pem",
        "/serve.toml",
        "/../state/lock",
        "/a/data/00",
        "/a/data/00/",
        "/a/data/config",
        "/a/keys/..",
        "/boot/../serve.toml",
        "/boot/%2e%2e/serve.toml",
        "/grub/../serve.toml",
        "/boot/..%2fserve.toml",
        "/a/tmp/x",
        "/config",
        "/data/",
        "/~root/config",
        "/a/CONFIG",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.push(format!("/{long}/config"));
    paths.push(format!("/a/data/{long}"));
    paths.push(format!("/a/data/{}", &name[1..]));
    paths.push(format!("/a/data/{name}0"));
    paths.push(format!("/a/data/{}", name.to_uppercase()));
    paths.push(format!("/a/data/{}/{name}", &name[..2]));
    paths.push(format!("/{}config", "a/".repeat(20)));
    let before = (room.files("."), std::fs::read(room.path("serve.toml")).unwrap());
    for path in &paths {
        for method in ["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH"] {
            let mut request = head(method, path, &[("Authorization", &login)], 6);
            request.extend_from_slice(b"secret");
            let answer = send(room.address, &request);
            let status = parse(&answer).map_or(400, |reply| reply.status);
            assert!(matches!(status, 400 | 403 | 404 | 405 | 414), "{method} {path}: {status}");
            assert!(!String::from_utf8_lossy(&answer).contains("root:"), "{method} {path}");
        }
    }
    // Bytes that no URL may have.
    for path in [&b"/a/\0"[..], b"/a/\xff\xfe", b"/a/ b", b"http://evil/a/../../secret", b"*", b""] {
        let mut request = b"GET ".to_vec();
        request.extend_from_slice(path);
        request.extend_from_slice(
            format!(" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {login}\r\n\r\n").as_bytes(),
        );
        let answer = send(room.address, &request);
        let status = parse(&answer).map_or(400, |reply| reply.status);
        assert!(matches!(status, 400 | 404), "{path:?}: {status}");
    }
    assert_eq!((room.files("."), std::fs::read(room.path("serve.toml")).unwrap()), before);
}

#[test]
fn links_in_the_store_lead_nowhere() {
    let room = Room::plain(&[("a", "full", None, None)]);
    room.repository("a", "a");
    let outside = tempfile::tempdir().unwrap();
    let name = hash(b"secret");
    std::fs::create_dir_all(outside.path().join("data").join(&name[..2])).unwrap();
    for below in [name.clone(), "config".to_owned(), format!("data/{}/{name}", &name[..2])] {
        std::fs::write(outside.path().join(below), "secret").unwrap();
    }
    let before = walked(outside.path());
    let at = |below: &str| room.path(&format!("store/{below}"));
    // A repository, a kind, a folder of packs, a file, a config; a pipe and a folder in place of files.
    symlink(outside.path(), at("linked")).unwrap();
    std::fs::create_dir(at("b")).unwrap();
    symlink(outside.path(), at("b/keys")).unwrap();
    symlink(outside.path().join("config"), at("b/config")).unwrap();
    symlink(outside.path().join("data"), at("b/data")).unwrap();
    symlink(outside.path().join(&name), at(&format!("a/index/{name}"))).unwrap();
    symlink(outside.path().join("new"), at(&format!("a/keys/{name}"))).unwrap();
    std::fs::remove_dir(at(&format!("a/data/{}", &name[..2]))).unwrap();
    symlink(outside.path(), at(&format!("a/data/{}", &name[..2]))).unwrap();
    std::fs::create_dir(at(&format!("a/locks/{name}"))).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at(&format!("a/snapshots/{name}")),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    for path in [
        "/linked/config".to_owned(),
        format!("/linked/data/{name}"),
        "/linked/data/".to_owned(),
        "/b/config".to_owned(),
        format!("/b/keys/{name}"),
        format!("/b/data/{name}"),
        format!("/a/index/{name}"),
        format!("/a/keys/{name}"),
        format!("/a/data/{name}"),
        format!("/a/locks/{name}"),
        format!("/a/snapshots/{name}"),
    ] {
        let reply = room.ask("a", "GET", &path, b"");
        assert!(matches!(reply.status, 404 | 500), "GET {path}: {}", reply.status);
        assert!(!reply.text().contains("secret"), "{path}");
        if !path.ends_with('/') {
            let reply = room.ask("a", "POST", &path, b"secret");
            assert!(matches!(reply.status, 403 | 404 | 500), "POST {path}: {}", reply.status);
            room.ask("a", "DELETE", &path, b"");
        }
    }
    assert_eq!(room.ask("a", "POST", "/linked/?create=true", b"").status, 500);
    for kind in ["index", "keys", "snapshots", "locks", "data"] {
        assert_eq!(room.ask("a", "GET", &format!("/a/{kind}/"), b"").text(), "[]", "{kind}");
    }
    assert_eq!(walked(outside.path()), before);
}

fn walked(folder: &std::path::Path) -> Vec<String> {
    let mut names = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        names.push(format!("{} {:?}", path.display(), std::fs::read(&path).ok()));
        if path.is_dir() {
            names.extend(walked(&path));
        }
    }
    names.sort();
    names
}

#[test]
fn a_stranger_learns_nothing() {
    let room = Room::plain(&[("a", "full", Some("m/a"), None)]);
    room.repository("a", "m/a");
    let name = hash(b"x");
    for path in [
        "/",
        "/metrics",
        "/api/v1/machines",
        "/api/v1/machines/a",
        "/api/v1/openapi.json",
        "/m/a/config",
        "/m/none/config",
        "/m/a/data/",
        "/../x",
        "/serve.toml",
        "/none",
        "/api/v1/none",
        "/?machine=a",
        &format!("/m/a/data/{name}"),
    ] {
        let mut answers = vec![];
        for login in [None, Some("Basic !"), Some("Bearer x")] {
            let headers: Vec<(&str, &str)> = login.iter().map(|login| ("Authorization", *login)).collect();
            let reply = ask(room.address, "GET", path, &headers, b"");
            assert_eq!(reply.status, 401, "{path}");
            assert!(reply.header("www-authenticate").unwrap().starts_with("Basic realm="));
            answers.push(reply.text());
            if path != "/" {
                break;
            }
        }
        assert!(answers.iter().all(|text| text == "a login is needed: the name of a token and its secret\n"));
    }
    for method in ["POST", "DELETE", "PUT", "HEAD"] {
        assert_eq!(ask(room.address, method, "/m/a/config", &[], b"x").status, 401);
    }
    assert_eq!(ask(room.address, "GET", "/health", &[], b"").text(), "ok\n");
}
