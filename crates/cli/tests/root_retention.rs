//! Removing old snapshots, freeing their room, and second copies, by the program; a stock restic finds nothing wrong afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_archive::Secret;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");

/// A repository with three snapshots of a machine, of which the first held what the others do not.
struct Desk(tempfile::TempDir);

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Content that does not compress.
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    (0..length / 8).flat_map(|_| next()).collect()
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir_in("/var/tmp").unwrap());
        for key in ["key", "other.key"] {
            write(&desk.at(key), Secret::generate().unwrap().expose());
        }
        let tree = desk.at("tree");
        write(&tree.join("etc/hostname"), "box\n");
        write(&tree.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n");
        write(&tree.join("large"), noise(1, 2_000_000));
        write(&tree.join("stays"), noise(2, 200_000));
        desk.backup(&["--init"]);
        std::fs::remove_file(tree.join("large")).unwrap();
        desk.backup(&[]);
        write(&tree.join("new"), "new\n");
        desk.backup(&[]);
        desk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn backup(&self, more: &[&str]) {
        let words = ["backup", "--sysroot", "tree", "--to", "repo", "--key-file", "key"];
        let (code, _, err) = self.run(&[&words[..], more].concat());
        assert_eq!(code, 0, "{err}");
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(LIFEBOAT);
        command.args(arguments).current_dir(self.0.path()).env("TZ", "UTC").stdin(Stdio::null());
        command.env("STATE_DIRECTORY", self.at("state")).env("LOGS_DIRECTORY", self.at("log"));
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// A command on the repository.
    fn on(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run(&[arguments, &["--from", "repo", "--key-file", "key"]].concat())
    }

    fn done(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.on(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    }

    /// The JSON lines that have a key.
    fn json(&self, arguments: &[&str], key: &str) -> Vec<Value> {
        let out = self.done(&[&["--json"], arguments].concat());
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|value| !value[key].is_null()).collect()
    }

    fn snapshots(&self) -> Vec<String> {
        self.json(&["list"], "id").iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect()
    }

    fn checked(&self, repository: &str, key: &str) {
        let mut command = Command::new("restic");
        command.args(["--no-cache", "--repo"]).arg(self.at(repository)).arg("--password-file").arg(self.at(key));
        let output = command.args(["check", "--read-data"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn root_old_snapshots_go_and_then_their_room() {
    let desk = Desk::new();
    let all = desk.snapshots();
    assert_eq!(all.len(), 3);
    // What is asked for wrongly is said, and changes nothing.
    for (words, says) in [
        (&["forget"][..], "nothing says which"),
        (&["forget", "--keep-last", "x"], "unlimited"),
        (&["forget", "--keep-within", "7"], "1y6m"),
        (&["forget", "--keep-last", "1", &all[0]], "either the ids"),
        (&["forget", "latest"], "by its id"),
        (&["forget", "--machine", "nobody", "--keep-last", "1"], "box"),
        (&["prune", "--max-unused", "100%"], "5%"),
    ] {
        let (code, out, err) = desk.on(words);
        assert!(code == 2 && err.contains(says), "{words:?}: {code} {out}{err}");
    }
    // Another machine's snapshots are not this one's.
    assert!(desk.done(&["forget", "--keep-last", "1"]).contains("nothing is forgotten"));
    let dry = desk.done(&["forget", "--machine", "box", "--keep-last", "1", "--dry-run"]);
    assert!(dry.contains("would forget 2 snapshots") && dry.contains("last snapshot"), "{dry}");
    let fates = desk.json(&["forget", "--machine", "01234567", "--keep-last", "1", "--dry-run"], "kept");
    let kept: Vec<bool> = fates.iter().map(|fate| fate["kept"].as_bool().unwrap()).collect();
    assert_eq!(kept, [false, false, true]);
    assert_eq!(fates[2]["reasons"], serde_json::json!(["last snapshot"]));
    let freed = &desk.json(&["forget", "--all", "--keep-last", "1", "--dry-run"], "freed_bytes")[0]["freed_bytes"];
    assert!(freed.as_u64().unwrap() > 2_000_000, "{freed}");
    assert_eq!(desk.snapshots(), all);
    // The rules of the configuration.
    write(&desk.at("lifeboat.toml"), "[retention]\nkeep_last = 2\n");
    let forgotten =
        desk.json(&["--config", "lifeboat.toml", "forget", "--all-machines", "--prune", "--grace", "0"], "marked");
    assert_eq!(desk.snapshots(), all[1..]);
    assert!(forgotten[0]["marked"]["bytes"].as_u64().unwrap() > 2_000_000, "{forgotten:?}");
    assert!(desk.done(&["prune", "--dry-run"]).contains("waiting: "));
    assert!(desk.done(&["prune", "--dry-run", "--grace", "0"]).contains("would remove: "));
    let removed = desk.json(&["prune", "--grace", "0"], "removed");
    assert!(removed[0]["removed"]["bytes"].as_u64().unwrap() > 2_000_000, "{removed:?}");
    assert!(desk.done(&["prune", "--grace", "0"]).contains("nothing to do"));
    desk.checked("repo", "key");
    // By its id.
    desk.done(&["forget", &all[1][..12]]);
    assert_eq!(desk.snapshots(), all[2..]);
    // The latest of a machine stays whatever the rules say.
    desk.done(&["forget", "--all", "--keep-tag", "no-such-tag"]);
    assert_eq!(desk.snapshots(), all[2..]);
    // A snapshot that cannot be read is named, stays, and nothing is pruned.
    desk.backup(&[]);
    let file = desk.at("repo/snapshots").join(&all[2]);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (code, _, err) = desk.on(&["forget", "--all", "--keep-last", "1"]);
    assert!(code == 5 && err.contains(&all[2][..8]), "{code} {err}");
    assert!(file.exists());
    let (code, _, err) = desk.on(&["prune"]);
    assert!(code == 3 && err.contains(&all[2][..8]) && err.contains("nothing was removed"), "{code} {err}");
}

#[test]
fn root_snapshots_are_copied_once() {
    let desk = Desk::new();
    let all = desk.snapshots();
    let copy = |more: &[&str]| {
        let words = ["copy", "--from", "repo", "--key-file", "key", "--to", "second", "--to-key-file", "other.key"];
        desk.run(&[&words[..], more].concat())
    };
    let (code, _, err) = copy(&["--all-machines"]);
    assert!(code == 3 && err.contains("--init"), "{code} {err}");
    let (code, out, err) = copy(&["--all-machines", "--dry-run"]);
    assert!(code == 0 && out.contains("no repository"), "{code} {out}{err}");
    let (code, out, err) = copy(&["-s", &all[0], "--init"]);
    assert!(code == 0 && out.contains("1 snapshot copied, 0 there already"), "{code} {out}{err}");
    let (code, out, err) = copy(&["--machine", "box"]);
    assert!(code == 0 && out.contains("2 snapshots copied, 1 there already"), "{code} {out}{err}");
    let (code, out, err) = copy(&["--all-machines"]);
    assert!(code == 0 && out.contains("0 snapshots copied, 3 there already"), "{code} {out}{err}");
    desk.checked("second", "other.key");
    // The copies are of the same machine, in the same order.
    let (code, out, err) = desk.run(&["list", "--from", "second", "--key-file", "other.key", "--machine", "box"]);
    assert!(code == 0 && out.contains("3 snapshots"), "{code} {out}{err}");
    let target = desk.at("target");
    std::fs::create_dir(&target).unwrap();
    let words = ["restore", "--from", "second", "--key-file", "other.key", "--to", "target"];
    let (code, out, err) = desk.run(&words);
    assert_eq!(code, 0, "{out}{err}");
    let same = Command::new("diff").arg("-r").arg(desk.at("tree")).arg(&target).output().unwrap();
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
    let (code, _, err) = desk.run(&["copy", "--from", "repo", "--key-file", "key", "--to", "repo", "--all-machines"]);
    assert!(code == 3 && err.contains("the same repository"), "{code} {err}");
}
