//! The interactive mode on a pseudo terminal, with the real program, a real archive and a rescue system in a folder. The
//! disks are those of this host: nothing here goes beyond looking at them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::testing as machines;

use lifeboat_archive::{Repository, Secret, words};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);
const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");

/// A rescue system in a folder: medium with an archive, without its key.
struct Rescue {
    folder: tempfile::TempDir,
    words: String,
}

/// Backs up the tree in a folder, which has its machine and the key, too.
fn backup(folder: &Path, to: &[&str]) {
    let arguments = ["--sysroot", "tree", "--machine", "machine.json", "--key-file", "key"];
    let output = Command::new(LIFEBOAT).arg("backup").args(to).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Rescue {
    fn new() -> Rescue {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let make = |path: &str| std::fs::create_dir_all(at(path)).unwrap();
        make("tree/etc");
        make("tree/srv/data");
        std::fs::write(at("tree/etc/hostname"), "box\n").unwrap();
        std::fs::write(at("tree/srv/data/hello.txt"), "hello\n").unwrap();
        std::fs::write(at("tree/srv/data/other.txt"), "other\n").unwrap();
        let machine = machines::gpt_machine().to_json();
        std::fs::write(at("machine.json"), &machine).unwrap();
        let secret = Secret::generate().unwrap();
        std::fs::write(at("key"), secret.expose()).unwrap();
        make("medium/lifeboat");
        backup(folder.path(), &["--init", "--to", at("medium/lifeboat/repo").to_str().unwrap()]);
        let repository = Repository::open(&at("medium/lifeboat/repo"), &secret).unwrap();
        let snapshot = repository.find_snapshot("latest").unwrap();
        let manifest = serde_json::json!({
            "format": 1, "lifeboat": "0.1.0", "medium_id": "5f0c9a7e00000000000000000000abcd",
            "created_at": "2026-11-23T22:10:00Z", "machine_name": "box",
            "machine_id": "0123456789abcdef0123456789abcdef",
            "machine_blake3": blake3::hash(&machine).to_hex().as_str(), "kernel": "6.1.0-18-amd64",
            "archive": {"snapshot": snapshot.id, "repository": repository.id(), "entries": snapshot.entries,
                        "bytes": snapshot.bytes},
            "embedded_key": false, "files": {}
        });
        let manifest = serde_json::to_vec_pretty(&manifest).unwrap();
        make("root/lifeboat");
        make("root/run/lifeboat");
        for place in ["medium/lifeboat", "root/lifeboat"] {
            std::fs::write(at(place).join("machine.json"), &machine).unwrap();
            std::fs::write(at(place).join("manifest.json"), &manifest).unwrap();
        }
        let parameters = serde_json::to_vec(&lifeboat_machine::Parameters::default()).unwrap();
        std::fs::write(at("root/run/lifeboat/parameters.json"), parameters).unwrap();
        let source = serde_json::json!({"kind": "disc", "device": "/dev/sr0", "mount": at("medium")});
        std::fs::write(at("root/run/lifeboat/source.json"), source.to_string()).unwrap();
        std::fs::write(at("root/run/lifeboat/log"), "lifeboat: stage foundation 0.10\n").unwrap();
        let words = words::encode(&secret).unwrap().to_string();
        Rescue { folder, words }
    }

    /// The archive is a stream, in files of 16 MiB, that the kernel command line names.
    fn with_stream() -> Rescue {
        let rescue = Rescue::new();
        let place = format!("stream:{}", rescue.at("set").display());
        // What no compressor shrinks.
        let mut large = vec![0; 24 << 20];
        let mut state = 1_u64;
        for word in large.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&(state ^ state >> 29).to_le_bytes());
        }
        std::fs::write(rescue.at("tree/srv/data/large"), large).unwrap();
        backup(rescue.folder.path(), &["--to", &format!("{place},size=16M")]);
        let parameters = lifeboat_machine::Parameters { source: Some(place), ..Default::default() };
        let parameters = serde_json::to_vec(&parameters).unwrap();
        std::fs::write(rescue.at("root/run/lifeboat/parameters.json"), parameters).unwrap();
        rescue
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn start(&self) -> Person {
        let (child, master) = self.spawn();
        Person::new(child, master)
    }

    fn spawn(&self) -> (Child, OwnedFd) {
        let (terminal, master) = terminal();
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" restore --mode interactive --rescue-root \"$1\" 3>\"$2\" 2>\"$3\"", LIFEBOAT])
            .args([self.at("root"), self.at("events"), self.at("errors")])
            .env("LIFEBOAT_EVENTS_FD", "3")
            .env("TERM", "vt220")
            .stdin(Stdio::from(terminal.try_clone().unwrap()))
            .stdout(Stdio::from(terminal))
            .spawn()
            .unwrap();
        (child, master)
    }
}

/// A terminal of 80 by 24, and its other end.
fn terminal() -> (File, OwnedFd) {
    use rustix::pty::OpenptFlags;
    // No other test's child keeps this end open.
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    rustix::pty::grantpt(&master).unwrap();
    rustix::pty::unlockpt(&master).unwrap();
    let name = rustix::pty::ptsname(&master, Vec::new()).unwrap();
    let flags = rustix::fs::OFlags::NOCTTY.bits() as i32;
    let terminal = File::options().read(true).write(true).custom_flags(flags).open(name.to_str().unwrap()).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    (terminal, master)
}

/// A person at a terminal of 80 by 24.
struct Person {
    child: Child,
    master: Option<File>,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Person {
    fn new(child: Child, master: OwnedFd) -> Person {
        let screen = Arc::new(Mutex::new(vt100::Parser::new(24, 80, 0)));
        let (mut reader, ours) = (File::from(master.try_clone().unwrap()), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // EIO is the end of a terminal.
            while let Ok(count @ 1..) = std::io::Read::read(&mut reader, &mut buffer) {
                ours.lock().unwrap().process(&buffer[..count]);
            }
        });
        Person { child, master: Some(File::from(master)), screen }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen shows all of these.
    fn sees(&mut self, parts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if parts.iter().all(|part| text.contains(part)) {
                assert!(text.is_ascii(), "a vt220 gets ASCII only:\n{text}");
                return text;
            }
            assert!(Instant::now() < deadline, "waited for {parts:?} in vain; the screen shows\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, keys: &str) {
        self.master.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Types into a field, again as long as it is not there: keys are not taken while work is done.
    fn types(&mut self, keys: &str, shown: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.press(keys);
            for _ in 0..50 {
                if self.text().contains(shown) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            assert!(Instant::now() < deadline, "typed in vain; the screen shows\n{}", self.text());
        }
    }

    fn ends(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < deadline, "it does not end; the screen shows\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ENTER: &str = "\r";
const ESC: &str = "\x1b";
const DOWN: &str = "\x1b[B";
const UP: &str = "\x1b[A";

/// From the list of backups: one file is chosen and comes back; then the machine, for which the key is not asked for again.
fn restores_a_file_and_finds_the_disks(rescue: &Rescue, person: &mut Person) {
    person.press(ENTER);
    person.sees(&["Lifeboat: choose files", "found"]);
    person.press("HELLO");
    person.sees(&["1 found", "/srv/data/hello.txt"]);
    person.press(&format!("\t{ENTER}"));
    person.sees(&["where shall they go?"]);
    let target = rescue.at("restored");
    person.press(&format!("\x15{}{ENTER}", target.display()));
    person.sees(&["Lifeboat: result", "Restored 1 entry"]);
    assert_eq!(std::fs::read_to_string(target.join("srv/data/hello.txt")).unwrap(), "hello\n");
    assert!(!target.join("srv/data/other.txt").exists());
    person.press(ENTER);
    person.sees(&["Lifeboat: welcome"]);
    person.press(&format!("{UP}{ENTER}"));
    person.sees(&["Lifeboat: backups"]);
    person.press(ENTER);
    person.sees(&["Lifeboat: disks found", "booted through"]);
}

#[test]
fn files_come_back_and_the_way_to_the_machine_is_open() {
    let rescue = Rescue::new();
    let mut person = rescue.start();
    person.sees(&["Lifeboat: welcome", "machine box", "with archive, without its key", "> Recover the whole machine"]);

    // Chosen files; a wrong passphrase, then words of which one is wrong, then the first four letters of each word.
    person.press(&format!("{DOWN}{ENTER}"));
    person.sees(&["Lifeboat: key", "Type the recovery words"]);
    person.press(&format!("not the key{ENTER}"));
    person.sees(&["this key does not match"]);
    let short: Vec<String> = rescue.words.split(' ').map(|word| word.chars().take(4).collect()).collect();
    person.press(&format!("{} zzzz{ENTER}", short[..23].join(" ")));
    person.sees(&["word 24", "zzzz"]);
    person.press(&format!("{}{ENTER}", short.join(" ")));
    person.sees(&["Lifeboat: backups", "entries", "UTC"]);
    restores_a_file_and_finds_the_disks(&rescue, &mut person);
    // Mapping, partitions, and all the way back.
    person.press(ENTER);
    person.sees(&["Lifeboat: which disk goes where", "disk0 (serial SER1, 10.0 GiB)"]);
    person.press(&format!("\x1b[1~{DOWN}{ENTER}"));
    person.sees(&["Lifeboat: partitions", "disk0p2", "ext4 \"root\""]);
    // One Escape at a time: two together are one key and the beginning of another.
    for title in ["which disk goes where", "disks found", "backups", "welcome"] {
        person.press(ESC);
        person.sees(&[&format!("Lifeboat: {title}")]);
    }

    // Logs into a folder; then power off.
    person.press(&format!("{}{ENTER}", DOWN.repeat(4)));
    person.sees(&["Lifeboat: save the logs", "Another place:"]);
    let folder = rescue.folder.path().display().to_string();
    person.types(&format!("\x1b[4~\x15{folder}"), &folder);
    person.press(ENTER);
    person.sees(&["Lifeboat: welcome", "The logs are in"]);
    let logs = rescue.at("lifeboat-logs-box-1");
    assert!(logs.join("log").is_file() && logs.join("machine.json").is_file());
    person.press(&format!("\x1b[4~{ENTER}"));
    assert_eq!(person.ends(), 0);
    assert_eq!(std::fs::read_to_string(rescue.at("root/run/lifeboat/after.json")).unwrap(), "\"poweroff\"");
    let events = std::fs::read_to_string(rescue.at("events")).unwrap();
    assert!(events.contains("restored 1 entry of the archive"), "{events}");
    assert!(!events.contains("\"failed\"") && !events.contains(&short[3]), "{events}");
    assert_eq!(std::fs::read_to_string(rescue.at("errors")).unwrap(), "");
}

#[test]
fn files_come_back_from_a_stream_and_the_way_to_the_machine_is_open() {
    let rescue = Rescue::with_stream();
    assert!(rescue.at("set.002").exists(), "one volume is no set");
    let mut person = rescue.start();
    person.sees(&["Lifeboat: welcome", "> Recover the whole machine"]);
    person.press(&format!("{DOWN}{ENTER}"));
    person.sees(&["Lifeboat: key", "Type the recovery words"]);
    person.press(&format!("not the key{ENTER}"));
    person.sees(&["this key does not match"]);
    let words = rescue.words.clone();
    person.press(&format!("{words}{ENTER}"));
    person.sees(&["Lifeboat: backups", "UTC"]);
    restores_a_file_and_finds_the_disks(&rescue, &mut person);
}

#[test]
fn the_finder_restores_on_a_running_machine() {
    let rescue = Rescue::new();
    let target = rescue.at("found");
    let (terminal, master) = terminal();
    let child = Command::new(LIFEBOAT)
        .args(["browse", "--from"])
        .arg(rescue.at("medium/lifeboat/repo"))
        .arg("--key-file")
        .arg(rescue.at("key"))
        .arg("--to")
        .arg(&target)
        .env("TERM", "vt220")
        .stdin(Stdio::from(terminal.try_clone().unwrap()))
        .stdout(Stdio::from(terminal))
        .stderr(File::create(rescue.at("errors")).unwrap())
        .spawn()
        .unwrap();
    let mut person = Person::new(child, master);
    person.sees(&["Lifeboat: backups", "Which backup?", "Esc: end"]);
    person.press(ENTER);
    person.sees(&["Lifeboat: choose files", "found"]);
    person.press("HELLO");
    person.sees(&["1 found", "/srv/data/hello.txt"]);
    person.press(&format!("\t{ENTER}"));
    person.sees(&["Into a folder of this machine", &target.display().to_string()]);
    person.press(ENTER);
    person.sees(&["Lifeboat: result", "Restored 1 entry", "Choose more files"]);
    assert_eq!(std::fs::read_to_string(target.join("srv/data/hello.txt")).unwrap(), "hello\n");
    person.press(&format!("{DOWN}{ENTER}"));
    assert_eq!(person.ends(), 0);
    let output = Command::new(LIFEBOAT).args(["browse", "--from", "x"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("browse needs a terminal"));
}

#[test]
fn a_hang_up_signal_stops_nothing_and_a_lost_terminal_chooses_nothing() {
    let rescue = Rescue::new();
    let (mut child, master) = rescue.spawn();
    let mut master = File::from(master);
    let mut screen = vt100::Parser::new(24, 80, 0);
    let mut buffer = [0; 4096];
    let mut sees = |master: &mut File, part: &str| {
        while !screen.screen().contents().contains(part) {
            let count = std::io::Read::read(master, &mut buffer).unwrap();
            screen.process(&buffer[..count]);
        }
    };
    sees(&mut master, "> Recover the whole machine");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    // The clock ticks on the screen of work only; a key shows that it lives.
    master.write_all(DOWN.as_bytes()).unwrap();
    sees(&mut master, "> Restore chosen files");
    drop(master);
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it does not end without its terminal");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(0));
    assert!(!rescue.at("root/run/lifeboat/after.json").exists());
}

#[test]
fn without_a_terminal_it_is_reported() {
    let output =
        Command::new(LIFEBOAT).args(["restore", "--mode", "interactive"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs a terminal"));
}
