//! The boot tree.

use crate::support::{Room, ask};
use lifeboat_serve::Limits;
use std::os::unix::fs::symlink;

#[test]
fn the_boot_tree_is_for_everybody_and_nothing_else_is() {
    let room = Room::start(
        "tls = false\nboot_listen = [\"127.0.0.1:0\"]",
        &[("a", "full", Some("a"), None)],
        Limits::default(),
    );
    room.repository("a", "a");
    let at = |below: &str| room.path("boot").join(below);
    let kernel: Vec<u8> = (0..700_000_u32).map(|number| (number % 253) as u8).collect();
    std::fs::create_dir_all(at("grub/x86_64-efi")).unwrap();
    std::fs::write(at("vmlinuz"), &kernel).unwrap();
    std::fs::write(at("grub/grub.cfg"), "menu").unwrap();
    std::fs::write(at("a name+"), "odd").unwrap();
    std::fs::write(at("empty"), "").unwrap();
    symlink("vmlinuz", at("kernel")).unwrap();
    symlink("../vmlinuz", at("grub/kernel")).unwrap();
    symlink("../serve.toml", at("out")).unwrap();
    symlink(room.path("serve.toml"), at("absolute")).unwrap();
    symlink("..", at("up")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    symlink("loop", at("loop")).unwrap();
    symlink("/proc/self/environ", at("proc")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    for address in [room.address, room.boot.unwrap()] {
        let get = |path: &str| ask(address, "GET", path, &[], b"");
        assert_eq!(get("/boot/vmlinuz").body, kernel);
        for path in ["/boot/kernel", "/boot/grub/kernel"] {
            assert_eq!(get(path).body, kernel, "{path}");
        }
        for path in ["/grub/grub.cfg", "/boot/grub/grub.cfg", "/boot//grub//grub.cfg"] {
            assert_eq!(get(path).text(), "menu", "{path}");
        }
        assert_eq!(get("/boot/a%20name%2b").text(), "odd");
        assert_eq!((get("/boot/empty").status, get("/boot/empty").header("content-length")), (200, Some("0")));
        let head = ask(address, "HEAD", "/boot/vmlinuz", &[], b"");
        assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("700000"), 0));
        assert_eq!(head.header("accept-ranges"), Some("bytes"));
        let part = ask(address, "GET", "/boot/vmlinuz", &[("Range", "bytes=5-9")], b"");
        assert_eq!((part.status, part.body), (206, kernel[5..10].to_vec()));
        for path in [
            "/boot/",
            "/boot/grub",
            "/boot/grub/",
            "/boot/none",
            "/boot/out",
            "/boot/absolute",
            "/boot/up/serve.toml",
            "/boot/dangling",
            "/boot/loop",
            "/boot/proc",
            "/boot/pipe",
            "/boot/vmlinuz/x",
            "/boot/%00",
            "/grub/none",
            "/boot/../serve.toml",
        ] {
            for method in ["GET", "HEAD"] {
                assert_eq!(ask(address, method, path, &[], b"").status, 404, "{method} {path}");
            }
        }
        for method in ["POST", "PUT", "DELETE"] {
            let reply = ask(address, method, "/boot/vmlinuz", &[], b"x");
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
        }
        // HTTP/1.0, as old boot loaders speak it.
        let old = crate::support::send(address, b"GET /boot/grub/grub.cfg HTTP/1.0\r\n\r\n");
        assert!(old.ends_with(b"\r\n\r\nmenu"), "{}", String::from_utf8_lossy(&old));
    }
    // Where the boot tree alone is given out, a token does not help.
    let login = room.login("a");
    for path in ["/a/config", "/", "/metrics", "/api/v1/machines"] {
        assert_eq!(ask(room.boot.unwrap(), "GET", path, &[("Authorization", &login)], b"").status, 404, "{path}");
    }
    // A tree that is exchanged as a whole is seen at once.
    std::fs::rename(room.path("boot"), room.path("boot.old")).unwrap();
    assert_eq!(ask(room.address, "GET", "/boot/vmlinuz", &[], b"").status, 404);
    std::fs::create_dir(room.path("boot")).unwrap();
    std::fs::write(at("vmlinuz"), "new").unwrap();
    assert_eq!(ask(room.address, "GET", "/boot/vmlinuz", &[], b"").text(), "new");
}

/// A machine in the boot tree, with this secret.
fn machine(room: &Room, folder: &str, secret: &str) -> std::path::PathBuf {
    use lifeboat_machine::netboot::{Entry, FORMAT};
    let path = room.path("boot/machines").join(folder);
    std::fs::create_dir_all(&path).unwrap();
    let entry = Entry {
        format: FORMAT,
        machine_name: "db7".into(),
        machine_id: "4c4c".into(),
        medium_id: "0a".into(),
        created_at: "2026-11-30T12:00:00Z".into(),
        title: "db7".into(),
        macs: vec!["52:54:00:00:00:01".into()],
        done_blake3: blake3::hash(secret.as_bytes()).to_hex().to_string(),
    };
    std::fs::write(path.join("entry.json"), serde_json::to_vec(&entry).unwrap()).unwrap();
    std::fs::write(path.join("armed"), "").unwrap();
    path
}

#[test]
fn a_machine_that_was_recovered_is_not_recovered_again() {
    let room = Room::start("tls = false\nboot_listen = [\"127.0.0.1:0\"]", &[], Limits::default());
    let (one, two) = (machine(&room, "db7-4c4c", "secret"), machine(&room, "db8-5d5d", "another"));
    let tell =
        |method: &str, path: &str, secret: &str| ask(room.boot.unwrap(), method, path, &[], secret.as_bytes()).status;
    for (path, secret, status) in [
        ("/boot/machines/db7-4c4c/done", "another", 403),
        ("/boot/machines/db7-4c4c/done", "", 403),
        ("/boot/machines/none/done", "secret", 404),
        ("/boot/machines/db7-4c4c/done/", "secret", 405),
        ("/boot/machines/../machines/db7-4c4c/done", "secret", 405),
        ("/boot/machines/.x/done", "secret", 405),
    ] {
        assert_eq!(tell("POST", path, secret), status, "{path}");
        assert!(one.join("armed").exists() && two.join("armed").exists());
    }
    assert_eq!(tell("POST", "/boot/machines/db7-4c4c/done", &"x".repeat(300)), 413);
    assert_eq!(tell("GET", "/boot/machines/db7-4c4c/done", ""), 405);
    assert!(one.join("armed").exists());
    // Told twice, for the first answer may have been lost.
    for _ in 0..2 {
        assert_eq!(tell("POST", "/boot/machines/db7-4c4c/done", "secret"), 200);
        assert!(!one.join("armed").exists() && two.join("armed").exists());
    }
    // A machine that was never armed has no secret.
    std::fs::write(
        two.join("entry.json"),
        std::fs::read_to_string(two.join("entry.json"))
            .unwrap()
            .replace(&blake3::hash(b"another").to_hex().to_string(), ""),
    )
    .unwrap();
    assert_eq!(tell("POST", "/boot/machines/db8-5d5d/done", ""), 403);
    assert!(two.join("armed").exists());
}
