//! The protocol of the store.

use crate::support::{Room, ask, hash, head, parse, send};
use lifeboat_serve::Limits;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Barrier};
use std::time::Duration;

const V2: (&str, &str) = ("Accept", "application/vnd.x.restic.rest.v2");

#[test]
fn files_come_and_go_in_the_layout_of_a_local_repository() {
    let room = Room::plain(&[("a", "full", Some("m/a"), None)]);
    // Nothing is there before it was created.
    assert_eq!(room.ask("a", "GET", "/m/a/data/", b"").status, 404);
    assert_eq!(room.ask("a", "HEAD", "/m/a/config", b"").status, 404);
    assert_eq!(room.ask("a", "POST", "/m/a/config", b"x").status, 404);
    assert_eq!(room.ask("a", "POST", "/m/a/", b"").status, 400);
    assert_eq!(room.ask("a", "POST", "/m/a/?create=false", b"").status, 400);
    room.repository("a", "m/a");
    assert_eq!(room.ask("a", "POST", "/m/a/?create=true", b"").status, 200);
    let content = vec![7_u8; 3_000_000];
    let name = hash(&content);
    for (kind, below) in [
        ("data", format!("data/{}/{name}", &name[..2])),
        ("index", format!("index/{name}")),
        ("snapshots", format!("snapshots/{name}")),
    ] {
        let path = format!("/m/a/{kind}/{name}");
        assert_eq!(room.ask("a", "GET", &path, b"").status, 404);
        assert_eq!(room.ask("a", "POST", &path, &content).status, 200);
        let there = room.path("store/m/a").join(&below);
        assert_eq!(std::fs::read(&there).unwrap(), content);
        assert_eq!(there.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let reply = room.ask("a", "HEAD", &path, b"");
        assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (200, Some("3000000"), 0));
        assert_eq!(room.ask("a", "GET", &path, b"").body, content);
        let list = room.ask_with("a", "GET", &format!("/m/a/{kind}/"), &[V2], b"");
        assert_eq!(list.header("content-type"), Some("application/vnd.x.restic.rest.v2"));
        assert_eq!(list.text(), format!("[{{\"name\":\"{name}\",\"size\":3000000}}]"));
        let list = room.ask("a", "GET", &format!("/m/a/{kind}/"), b"");
        assert_eq!(list.header("content-type"), Some("application/vnd.x.restic.rest.v1"));
        assert_eq!(list.text(), format!("[\"{name}\"]"));
        // The same again is fine for whoever may replace it.
        assert_eq!(room.ask("a", "POST", &path, &content).status, 200);
        assert_eq!(room.ask("a", "DELETE", &path, b"").status, 200);
        assert_eq!(room.ask("a", "DELETE", &path, b"").status, 200);
        assert!(!there.exists());
        assert_eq!(room.ask("a", "GET", &format!("/m/a/{kind}/"), b"").text(), "[]");
    }
    assert_eq!(room.ask("a", "GET", "/m/a/config", b"").body, b"config");
    assert_eq!(room.ask("a", "POST", "/m/a/config", b"config").status, 200);
    assert_eq!(room.ask("a", "POST", "/m/a/config", b"other").status, 403);
    assert_eq!(room.files("store"), [("m/a/config".to_owned(), 6)]);
    // A folder that a copying program left out is an empty list.
    std::fs::remove_dir(room.path("store/m/a/locks")).unwrap();
    assert_eq!(room.ask("a", "GET", "/m/a/locks/", b"").text(), "[]");
    assert_eq!(room.ask("a", "POST", &format!("/m/a/locks/{}", hash(b"l")), b"l").status, 200);
}

#[test]
fn content_that_does_not_fit_its_name_is_not_taken() {
    let room = Room::plain(&[("a", "full", Some("a"), None)]);
    room.repository("a", "a");
    let before = room.files("store");
    for kind in ["data", "index", "snapshots", "keys", "locks"] {
        let reply = room.ask("a", "POST", &format!("/a/{kind}/{}", hash(b"one")), b"two");
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains(&hash(b"two")), "{}", reply.text());
    }
    assert_eq!(room.ask("a", "POST", &format!("/a/data/{}", hash(b"")), b"").status, 200);
    // Larger than its kind can be; the answer is read although all was sent.
    let large = vec![0; (16 << 10) + 1];
    for kind in ["keys", "locks"] {
        let reply = room.ask("a", "POST", &format!("/a/{kind}/{}", hash(&large)), &large);
        assert_eq!((reply.status, reply.text().contains("16384 bytes")), (413, true));
    }
    assert_eq!(room.files("store").len(), before.len() + 1);
    // Whoever asks first is answered before it sends anything.
    let expects = [("Authorization", &*room.login("a")), ("Expect", "100-continue")];
    for (path, size, expected) in [
        (format!("/a/keys/{}", hash(&large)), large.len(), "HTTP/1.1 413 "),
        (format!("/a/none/keys/{}", hash(b"k")), 1, "HTTP/1.1 404 "),
    ] {
        let answer = send(room.address, &head("POST", &path, &expects, size));
        assert!(answer.starts_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&answer));
    }
    let mut whole = head("POST", &format!("/a/locks/{}", hash(b"asked")), &expects, 5);
    whole.extend_from_slice(b"asked");
    let answer = String::from_utf8(send(room.address, &whole)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"), "{answer}");
    assert_eq!(room.ask("a", "DELETE", &format!("/a/locks/{}", hash(b"asked")), b"").status, 200);
    // Its length is not announced.
    let mut chunked = format!(
        "POST /a/keys/{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        hash(&large),
        room.login("a")
    )
    .into_bytes();
    chunked.extend_from_slice(b"4001\r\n");
    chunked.extend_from_slice(&large);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    assert_eq!(parse(&send(room.address, &chunked)).unwrap().status, 413);
    let small = String::from_utf8(chunked).unwrap().replacen(&hash(&large), &hash(b"key"), 1);
    let small = small.split("4001").next().unwrap().to_owned() + "3\r\nkey\r\n0\r\n\r\n";
    assert_eq!(parse(&send(room.address, small.as_bytes())).unwrap().status, 200);
    assert_eq!(room.ask("a", "GET", &format!("/a/keys/{}", hash(b"key")), b"").body, b"key");
}

#[test]
fn parts_of_files() {
    let room = Room::plain(&[("a", "full", Some("a"), None)]);
    room.repository("a", "a");
    let content: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    let path = format!("/a/data/{}", hash(&content));
    assert_eq!(room.ask("a", "POST", &path, &content).status, 200);
    let ranged = |range: &str| room.ask_with("a", "GET", &path, &[("Range", range)], b"");
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=999999-", 999_999, 1_000_000),
        ("bytes=900000-2000000", 900_000, 1_000_000),
        ("bytes=-5", 999_995, 1_000_000),
        ("bytes=-2000000", 0, 1_000_000),
        ("bytes=100000-799999", 100_000, 800_000),
    ] {
        let reply = ranged(range);
        assert_eq!((reply.status, reply.body == content[from..to]), (206, true), "{range}");
        assert_eq!(reply.header("content-range").unwrap(), format!("bytes {from}-{}/1000000", to - 1));
    }
    for range in ["bytes=1000000-", "bytes=5000000-6000000", "bytes=-0"] {
        let reply = ranged(range);
        assert_eq!((reply.status, reply.header("content-range")), (416, Some("bytes */1000000")), "{range}");
    }
    // Several, and what makes no sense: all of it, as a server may do.
    for range in ["bytes=0-1,5-6", "bytes=9-3", "lines=1-2"] {
        let reply = ranged(range);
        assert_eq!((reply.status, reply.body.len()), (200, content.len()), "{range}");
    }
    let conditional = room.ask_with("a", "GET", &path, &[("Range", "bytes=0-1"), ("If-Range", "\"x\"")], b"");
    assert_eq!((conditional.status, conditional.body.len()), (200, content.len()));
}

#[test]
fn an_upload_that_is_cut_off_leaves_nothing() {
    let room = Room::plain(&[("a", "append-only", Some("a"), Some(2_000_000))]);
    room.repository("a", "a");
    let before = room.files("store");
    let content = vec![1_u8; 1_500_000];
    let path = format!("/a/data/{}", hash(&content));
    let mut request = head("POST", &path, &[("Authorization", &room.login("a"))], content.len());
    request.extend_from_slice(&content[..1_000_000]);
    let mut stream = TcpStream::connect(room.address).unwrap();
    stream.write_all(&request).unwrap();
    // What arrives counts: a second one has no room beside it.
    let refused = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let other = vec![2_u8; 1_000_000];
        room.ask("a", "POST", &format!("/a/data/{}", hash(&other)), &other).status == 413
    });
    assert!(refused);
    drop(stream);
    let mut reply = room.ask("a", "POST", &path, &content);
    for _ in 0..100 {
        if reply.status != 413 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        reply = room.ask("a", "POST", &path, &content);
    }
    assert_eq!(reply.status, 200);
    let mut after = room.files("store");
    after.retain(|file| !before.contains(file));
    assert_eq!(after, [(format!("a/data/{}/{}", &hash(&content)[..2], hash(&content)), 1_500_000)]);
}

#[test]
fn two_writers_of_one_name() {
    for (right, expected) in [("full", [200, 200]), ("append-only", [200, 403])] {
        let room = Arc::new(Room::plain(&[("a", right, Some("a"), None)]));
        room.repository("a", "a");
        for round in 0..20_u8 {
            let content = Arc::new(vec![round; 400_000]);
            let path = format!("/a/data/{}", hash(&content));
            let barrier = Arc::new(Barrier::new(2));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (room, content, path, barrier) = (room.clone(), content.clone(), path.clone(), barrier.clone());
                    std::thread::spawn(move || {
                        barrier.wait();
                        room.ask("a", "POST", &path, &content).status
                    })
                })
                .collect();
            let mut answers: Vec<u16> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            answers.sort_unstable();
            assert_eq!(answers, expected, "{right}");
            assert_eq!(room.ask("a", "GET", &path, b"").body, *content);
        }
        assert_eq!(room.files("store").len(), 21);
    }
}

#[test]
fn what_was_damaged_is_mended_by_who_may_do_everything() {
    let room = Room::plain(&[("full", "full", Some("a"), None), ("add", "append-only", Some("a"), None)]);
    room.repository("full", "a");
    let name = hash(b"whole");
    let (path, file) = (format!("/a/index/{name}"), room.path(&format!("store/a/index/{name}")));
    assert_eq!(room.ask("add", "POST", &path, b"whole").status, 200);
    std::fs::write(&file, "hole").unwrap();
    assert_eq!(room.ask("add", "POST", &path, b"whole").status, 403);
    assert_eq!(std::fs::read(&file).unwrap(), b"hole");
    assert_eq!(room.ask("full", "POST", &path, b"whole").status, 200);
    assert_eq!(std::fs::read(&file).unwrap(), b"whole");
    assert_eq!(room.files("store").len(), 2);
}

#[test]
fn quotas_hold_across_a_restart_and_for_all_who_write_there() {
    let mut room =
        Room::plain(&[("a", "append-only", Some("m/a"), Some(10_000)), ("admin", "full", Some("m"), Some(15_000))]);
    room.repository("a", "m/a");
    room.repository("admin", "m/b");
    let put = |room: &Room, token: &str, repo: &str, byte: u8, size: usize| {
        let content = vec![byte; size];
        room.ask(token, "POST", &format!("/m/{repo}/data/{}", hash(&content)), &content)
    };
    assert_eq!(put(&room, "a", "a", 1, 9000).status, 200);
    let reply = put(&room, "a", "a", 2, 1000);
    assert_eq!(reply.status, 413);
    assert!(reply.text().contains("the quota of 9.8 KiB for m/a is used up"), "{}", reply.text());
    // The quota is that of the path: an administrator's writing there counts, too.
    assert_eq!(put(&room, "admin", "a", 2, 1000).status, 413);
    assert_eq!(put(&room, "admin", "b", 3, 6000).status, 413);
    room.restart();
    assert_eq!(put(&room, "a", "a", 2, 1000).status, 413);
    assert_eq!(put(&room, "admin", "b", 3, 5900).status, 200);
    // A lock is taken: without it nobody could make room.
    assert_eq!(room.ask("a", "POST", &format!("/m/a/locks/{}", hash(b"l")), b"l").status, 200);
    let path = format!("/m/a/data/{}", hash(&[1; 9000]));
    assert_eq!(room.ask("admin", "DELETE", &path, b"").status, 200);
    assert_eq!(put(&room, "a", "a", 2, 1000).status, 200);
}

#[test]
fn a_full_disk_is_507_and_nothing_half_written() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut room = Room::plain(&[("a", "full", Some("a"), None)]);
    room.stop();
    let store = room.path("store");
    let mut mount = std::process::Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"]).arg(&store);
    if !mount.status().unwrap().success() {
        return;
    }
    struct Mounted(std::path::PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let mounted = Mounted(store);
    room.restart();
    room.repository("a", "a");
    let content = vec![5_u8; 6 << 20];
    let reply = room.ask("a", "POST", &format!("/a/data/{}", hash(&content)), &content);
    assert_eq!(reply.status, 507, "{}", reply.text());
    assert!(reply.text().contains("cannot WRITE a/data/"), "{}", reply.text());
    assert_eq!(room.files("store"), [("a/config".to_owned(), 6)]);
    let small = vec![6_u8; 1 << 20];
    assert_eq!(room.ask("a", "POST", &format!("/a/data/{}", hash(&small)), &small).status, 200);
    room.stop();
    drop(mounted);
}

#[test]
fn many_requests_on_one_connection_and_a_large_list() {
    let room = Room::plain(&[("a", "full", Some("a"), None)]);
    room.repository("a", "a");
    // More than one piece of a list; written beside the server, as restic on the server itself would.
    let names: Vec<String> = (0..3000_u32).map(|number| hash(&number.to_le_bytes())).collect();
    for name in &names {
        std::fs::write(room.path(&format!("store/a/data/{}/{name}", &name[..2])), "x").unwrap();
    }
    let list: Vec<serde_json::Value> =
        serde_json::from_slice(&room.ask_with("a", "GET", "/a/data/", &[V2], b"").body).unwrap();
    assert_eq!(list.len(), 3000);
    assert!(list.iter().all(|file| file["size"] == 1 && names.contains(&file["name"].as_str().unwrap().to_owned())));
    let login = room.login("a");
    let mut stream = TcpStream::connect(room.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for _ in 0..50 {
        let request = format!("GET /a/config HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![];
        while !answer.ends_with(b"config") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    }
    // A login counts for its own request only.
    assert_eq!(ask(room.address, "GET", "/a/config", &[], b"").status, 401);
}

#[test]
fn a_folder_is_served_once() {
    let room = Room::start("tls = false", &[], Limits::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let second = lifeboat_serve::prepare(room.folder.path(), Limits::default(), |settings| settings.listen.clear());
    let error = runtime.block_on(second).unwrap_err().to_string();
    assert!(error.contains("another lifeboat serve uses it"), "{error}");
}
