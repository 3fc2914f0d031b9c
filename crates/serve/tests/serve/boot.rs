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
