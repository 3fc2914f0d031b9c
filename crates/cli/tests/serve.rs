//! `lifeboat serve` as a process: tokens, what it prints, a request, and its end.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

fn lifeboat(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
    command.args(arguments.iter().map(|argument| argument.replace("DIR", folder.to_str().unwrap())));
    command
}

fn run(arguments: &[&str], folder: &Path) -> Output {
    lifeboat(arguments, folder).output().unwrap()
}

/// A server that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("{head}Host: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_token_is_printed_once_and_lets_in() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("served");
    let add =
        ["serve", "DIR", "--add-token", "web1", "--right", "append-only", "--path", "machines/web1", "--quota", "1G"];
    let added = run(&add, &folder);
    let secret = String::from_utf8(added.stdout).unwrap().trim().to_owned();
    let notes = String::from_utf8(added.stderr).unwrap();
    assert!(added.status.success() && secret.len() == 43, "{secret} {notes}");
    assert!(notes.contains("rest:https://HOST:PORT/machines/web1/") && !notes.contains(&secret), "{notes}");
    let settings = std::fs::read_to_string(folder.join("serve.toml")).unwrap();
    assert!(!settings.contains(&secret) && settings.contains("quota = 1073741824"), "{settings}");
    // The same name again, and what cannot be.
    let again = run(&add, &folder);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("two tokens are called web1"));
    for wrong in [
        &["serve", "DIR", "--add-token", "x"][..],
        &["serve", "DIR", "--add-token", "x", "--right", "root"],
        &["serve", "DIR", "--add-token", "../x", "--right", "full"],
        &["serve", "DIR", "--add-token", "x", "--right", "full", "--path", "../y"],
        &["serve", "DIR", "--add-token", "x", "--right", "full", "--quota", "much"],
        &["serve", "DIR", "--right", "full"],
        &["serve"],
    ] {
        assert_eq!(run(wrong, &folder).status.code(), Some(2), "{wrong:?}");
    }
    std::fs::write(folder.join("serve.toml"), format!("tls = false\n{settings}")).unwrap();
    let mut child = lifeboat(&["--json", "serve", "DIR", "--listen", "127.0.0.1:0"], &folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut running = Running(child);
    let mut values = lines.map_while(Result::ok).map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
    let started = values.find(|value| value["addresses"].is_array()).unwrap();
    let address = started["addresses"][0].as_str().unwrap().to_owned();
    assert_eq!((&started["tls"], &started["fingerprint_sha256"]), (&false.into(), &serde_json::Value::Null));
    let login = format!("Authorization: Bearer {secret}\r\n");
    let create = ask(&address, &format!("POST /machines/web1/?create=true HTTP/1.1\r\n{login}"));
    assert!(create.starts_with("HTTP/1.1 200 "), "{create}");
    assert!(
        ask(&address, &format!("POST /machines/web2/?create=true HTTP/1.1\r\n{login}")).starts_with("HTTP/1.1 403 ")
    );
    assert!(ask(&address, "GET /machines/web1/keys/ HTTP/1.1\r\n").starts_with("HTTP/1.1 401 "));
    assert!(ask(&address, "GET /health HTTP/1.1\r\n").ends_with("\r\n\r\nok\n"));
    // A second server on the same folder, and settings that others can read.
    let second = run(&["serve", "DIR", "--listen", "127.0.0.1:0"], &folder);
    assert_eq!(second.status.code(), Some(3), "{second:?}");
    let pid = rustix::process::Pid::from_raw(running.0.id().cast_signed()).unwrap();
    // An upload that is under way is taken to its end, and the signal ends the process after that.
    let mut upload = TcpStream::connect(&address).unwrap();
    let head = format!("POST /machines/web1/config HTTP/1.1\r\nHost: x\r\n{login}Content-Length: 6\r\n\r\ncon");
    upload.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    upload.write_all(b"fig").unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(running.0.wait().unwrap().signal(), Some(15));
    assert_eq!(std::fs::read(folder.join("store/machines/web1/config")).unwrap(), b"config");
    std::fs::set_permissions(folder.join("serve.toml"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let open = run(&["serve", "DIR", "--listen", "127.0.0.1:0"], &folder);
    assert_eq!(open.status.code(), Some(3), "{open:?}");
    assert!(String::from_utf8_lossy(&open.stderr).contains("chmod 600"));
}

/// A machine in a folder, its key, and a room's server.
struct Room {
    scratch: tempfile::TempDir,
    address: String,
    _running: Running,
}

impl Room {
    fn new(tokens: &[(&str, &str, &str)]) -> (Room, Vec<String>) {
        let scratch = tempfile::tempdir().unwrap();
        let system = scratch.path().join("s");
        std::fs::create_dir_all(system.join("etc")).unwrap();
        std::fs::write(system.join("etc/hostname"), "web1").unwrap();
        std::fs::write(system.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        let folder = scratch.path().join("served");
        let add = |(name, right, path): &(&str, &str, &str)| {
            let added = run(&["serve", "DIR", "--add-token", name, "--right", right, "--path", path], &folder);
            String::from_utf8(added.stdout).unwrap().trim().to_owned()
        };
        let secrets = tokens.iter().map(add).collect();
        let settings = std::fs::read_to_string(folder.join("serve.toml")).unwrap();
        std::fs::write(folder.join("serve.toml"), format!("tls = false\n{settings}")).unwrap();
        let mut command = lifeboat(&["serve", "DIR", "--listen", "127.0.0.1:0"], &folder);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Running(child);
        let address = lines.find_map(|line| Some(line.ok()?.split_once(" at ")?.1.trim_end_matches('/').to_owned()));
        (Room { scratch, address: address.unwrap(), _running: running }, secrets)
    }

    /// Runs a command with a token's name and secret.
    fn run(&self, (name, secret): (&str, &str), arguments: &[&str]) -> (i32, String) {
        let repository = format!("rest:{}/machines/web1/", self.address);
        let output = Command::new(env!("CARGO_BIN_EXE_lifeboat"))
            .args(arguments.iter().map(|argument| argument.replace("REPO", &repository)))
            .args(["--key-file", "key"])
            .current_dir(self.scratch.path())
            .env("RESTIC_REST_USERNAME", name)
            .env("RESTIC_REST_PASSWORD", secret)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }
}

#[test]
fn root_a_machine_backs_up_into_a_room_and_cannot_remove_its_past() {
    let tokens = [
        ("web1", "append-only", "machines/web1"),
        ("web2", "append-only", "machines/web2"),
        ("admin", "full", "machines"),
    ];
    let (room, secrets) = Room::new(&tokens);
    let as_token = |index: usize| (tokens[index].0, secrets[index].as_str());
    let (web1, web2, admin) = (as_token(0), as_token(1), as_token(2));
    let backup = ["backup", "--sysroot", "s", "--to", "REPO"];
    let done = |who, arguments: &[&str]| {
        let (code, text) = room.run(who, arguments);
        assert_eq!(code, 0, "{arguments:?}: {text}");
        text
    };
    done(web1, &[&backup[..], &["--init"]].concat());
    for number in 0..3 {
        std::fs::write(room.scratch.path().join("s/file"), vec![number; 300_000]).unwrap();
        done(web1, &backup);
    }
    done(web1, &["verify", "--from", "REPO"]);
    let folder = room.scratch.path().join("served/store/machines/web1/snapshots");
    let snapshots = || std::fs::read_dir(&folder).unwrap().count();
    assert!(done(web1, &["list", "--from", "REPO"]).contains("4 snapshots"));
    assert_eq!(snapshots(), 4);
    // Another machine's token neither reads nor writes it.
    assert_ne!(room.run(web2, &["list", "--from", "REPO"]).0, 0);
    assert_ne!(room.run(web2, &backup).0, 0);
    let forget = ["forget", "--from", "REPO", "--keep-last", "1", "--all-machines", "--prune", "--grace", "0"];
    let (code, text) = room.run(web1, &forget);
    assert_eq!((code, snapshots()), (3, 4), "{text}");
    done(admin, &forget);
    assert_eq!(snapshots(), 1);
    done(admin, &["prune", "--from", "REPO", "--grace", "0"]);
    done(web1, &["verify", "--from", "REPO"]);
    done(web1, &["restore", "--from", "REPO", "--to", "r", "/file"]);
    assert_eq!(std::fs::read(room.scratch.path().join("r/file")).unwrap(), vec![2; 300_000]);
}
