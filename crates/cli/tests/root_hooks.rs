//! Hooks and snapshots around a backup: the order of things, failures, signals, and a backup of a btrfs that changes meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::Content;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, Subvolume};
use lifeboat_machine::testing::*;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");
const PATIENCE: Duration = Duration::from_secs(120);

/// A system in the folder `s`, a key, a configuration, and a hook that writes what it learns into the file `log`.
struct Place(tempfile::TempDir);

impl Place {
    fn new(more: &str, hook: &str) -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.at("s")).unwrap();
        place.system();
        let path = place.at("hook");
        let log = place.at("log");
        std::fs::write(
            &path,
            format!("#!/bin/sh\necho \"$LIFEBOAT_HOOK $LIFEBOAT_MACHINE ${{LIFEBOAT_RESULT-}} ${{LIFEBOAT_SNAPSHOTS-}}\" >>{}\n{hook}\n", log.display()),
        )
        .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let all: Vec<String> = ["before", "after_snapshots", "after", "failure"]
            .iter()
            .map(|name| format!("{name} = ['{}']\n", path.display()))
            .collect();
        std::fs::write(place.at("config.toml"), format!("[hooks]\n{}{more}", all.concat())).unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn system(&self) {
        std::fs::create_dir_all(self.at("s/etc")).unwrap();
        std::fs::write(self.at("s/etc/hostname"), "box").unwrap();
        std::fs::write(self.at("s/etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(LIFEBOAT);
        command
            .args(["backup", "--config", "config.toml", "--sysroot", "s", "--key-file", "key", "--init"])
            .args(if more.contains(&"--to") { &[][..] } else { &["--to", "repo"] })
            .args(more)
            .env("RESTIC_PASSWORD", "secret")
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn backup(&self, more: &[&str]) -> (i32, String) {
        let output = self.command(more).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        (output.status.code().unwrap_or(-1), text)
    }

    fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.at("log")).unwrap_or_default();
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn await_log(&self, lines: usize) {
        let began = Instant::now();
        while self.log().len() < lines {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn root_hooks_run_in_order_and_learn_what_happens() {
    let place = Place::new("", "env | grep -c secret; echo said");
    let (code, text) = place.backup(&[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(place.log(), ["before box", "after_snapshots box", "after box done"]);
    assert!(text.contains("hook before: said") && text.contains("hook after: 0"), "{text}");
    assert!(!text.contains("snapshots are off"), "{text}");
}

#[test]
fn root_a_failed_before_stops_the_backup_unless_it_may_go_on() {
    let failing = "[ $LIFEBOAT_HOOK != before ] || { echo no server; exit 7; }";
    let place = Place::new("", failing);
    let (code, text) = place.backup(&[]);
    assert!(code == 1 && text.contains("code 7: no server; nothing was saved"), "{code} {text}");
    assert!(!place.at("repo").exists() && !place.at("key").exists(), "nothing was written");
    assert_eq!(place.log(), ["before box", "failure box failed", "after box failed"]);
    let place = Place::new("before_failed = 'continue'\n", failing);
    let (code, text) = place.backup(&[]);
    assert!(code == 0 && text.contains("warning") && text.contains("no server"), "{code} {text}");
}

#[test]
fn root_failures_later_on_have_their_exit_codes() {
    let place = Place::new("", "[ $LIFEBOAT_HOOK != after ] || exit 1");
    let (code, text) = place.backup(&[]);
    assert!(code == 1 && text.contains("was saved, but then: the hook 'after' failed"), "{code} {text}");
    let place = Place::new("timeout_seconds = 1\n", "[ $LIFEBOAT_HOOK != before ] || sleep 1000");
    let (code, text) = place.backup(&[]);
    assert!(code == 1 && text.contains("did not end within 1 s"), "{code} {text}");
    let place = Place::new("", "");
    std::fs::set_permissions(place.at("hook"), std::fs::Permissions::from_mode(0o757)).unwrap();
    let (code, text) = place.backup(&[]);
    assert!(code == 3 && text.contains("other users can change"), "{code} {text}");
    assert_eq!(place.log(), Vec::<String>::new());
}

#[test]
fn root_the_hook_of_a_server_that_does_not_answer_fails() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("setpriv");
    let hook = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/hooks/postgresql");
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display());
    let run = |answer: &str, snapshots: &str| {
        std::fs::write(&program, format!("#!/bin/sh\n{answer}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(&hook);
        command.env("PATH", &path).env("LIFEBOAT_HOOK", "after_snapshots").env("LIFEBOAT_SNAPSHOTS", snapshots);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for answer in ["exit 2", "true", "echo /none"] {
        for snapshots in ["", "/"] {
            let (code, said) = run(answer, snapshots);
            assert!(code == Some(1) && said.contains("cannot learn"), "{answer}, {snapshots}: {code:?} {said}");
        }
    }
    let here =
        String::from_utf8(Command::new("findmnt").args(["-nfo", "TARGET", "-T", "/usr"]).output().unwrap().stdout);
    let here = here.unwrap();
    assert_eq!(run("echo /usr", here.trim()).0, Some(0));
    assert_eq!(run("echo /usr", "/elsewhere").0, Some(1));
}

#[test]
fn root_a_signal_ends_the_backup_and_runs_what_comes_after() {
    let place = Place::new("", "[ $LIFEBOAT_HOOK != after_snapshots ] || sleep 1000");
    let child = place.command(&[]).spawn().unwrap();
    place.await_log(2);
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(15));
    let log = place.log();
    assert_eq!(log[2..], ["failure box interrupted", "after box interrupted"]);
}

/// A btrfs with a nested subvolume as the system; its description for `--machine`.
struct Subvolumes {
    place: Place,
    device: String,
}

impl Subvolumes {
    fn new(hook: &str) -> Subvolumes {
        let more = "[snapshots]\nuse = 'required'\n";
        let place = Place::new(more, hook);
        std::fs::remove_dir_all(place.at("s")).unwrap();
        std::fs::create_dir(place.at("s")).unwrap();
        let device = mounted(&place, &["mkfs.btrfs", "-q"]);
        run(&["btrfs", "subvolume", "create", place.at("s/data").to_str().unwrap()]);
        for file in ["s/file", "s/data/file"] {
            std::fs::write(place.at(file), "before").unwrap();
        }
        std::os::unix::fs::chown(place.at("s/data"), Some(7), Some(8)).unwrap();
        let mut options = btrfs_options();
        options.subvolumes = vec![Subvolume { path: "data".into(), read_only: false, no_cow: false }];
        let content = Content::Filesystem(Filesystem {
            uuid: "8a2a5ac2-0c45-4d70-a9e2-6a2c4a2ab1c0".into(),
            label: Default::default(),
            size_bytes: 320 << 20,
            used_bytes: 1 << 20,
            options: FilesystemOptions::Btrfs(options),
            restored: None,
        });
        let maker = Maker::new().disk(0, &device, 320 << 20, disk("SER1"), content).mount("disk0", "/");
        let mut machine = maker.machine;
        machine.boot.loaders.clear();
        std::fs::write(place.at("machine.json"), machine.to_json()).unwrap();
        Subvolumes { place, device }
    }

    fn left(&self) -> usize {
        let names = std::fs::read_dir(self.place.at("s")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(".lifeboat")).count()
    }
}

impl Drop for Subvolumes {
    fn drop(&mut self) {
        unmounted(&self.place, &self.device);
    }
}

/// Makes a filesystem the system in `s`; returns its loop device.
fn mounted(place: &Place, mkfs: &[&str]) -> String {
    let image = place.at("image");
    std::fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
    let image = image.to_str().unwrap();
    run(&[mkfs, &[image]].concat());
    let device = run(&["losetup", "--find", "--show", image]).trim().to_owned();
    run(&["mount", &device, place.at("s").to_str().unwrap()]);
    place.system();
    device
}

fn unmounted(place: &Place, device: &str) {
    let _ = Command::new("umount").arg(place.at("s")).status();
    let _ = Command::new("losetup").args(["-d", device]).status();
}

fn run(words: &[&str]) -> String {
    let output = Command::new(words[0])
        .args(&words[1..])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn root_what_changes_after_the_snapshots_is_not_saved() {
    let change = "if [ $LIFEBOAT_HOOK = after_snapshots ]; then cd $(dirname $0)/s && echo after >file && echo after >data/file && \
                  echo new >data/new && rm etc/hostname; fi";
    let subvolumes = Subvolumes::new(change);
    let place = &subvolumes.place;
    let (code, text) = place.backup(&["--machine", "machine.json"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("from btrfs snapshots"), "{text}");
    assert_eq!(place.log()[1..], ["after_snapshots box  /", "/data", "after box done"], "{:?}", place.log());
    assert_eq!(subvolumes.left(), 0, "they are released");
    assert_eq!(std::fs::read_to_string(place.at("s/file")).unwrap(), "after\n");
    let restored = Command::new(LIFEBOAT)
        .args(["restore", "--from", "repo", "--key-file", "key", "--to", "restored"])
        .current_dir(place.0.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let read = |path: &str| std::fs::read_to_string(place.at("restored").join(path)).unwrap();
    assert_eq!(
        (read("file"), read("data/file"), read("etc/hostname")),
        ("before".into(), "before".into(), "box".into())
    );
    assert!(!place.at("restored/data/new").exists());
    let names: Vec<_> =
        std::fs::read_dir(place.at("restored")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() == 3, "{names:?}");
    use std::os::unix::fs::MetadataExt as _;
    let data = std::fs::metadata(place.at("restored/data")).unwrap();
    assert_eq!((data.uid(), data.gid()), (7, 8), "the subvolume's own, not those of its name in the snapshot above");
    // Snapshots have other device numbers each time; what is saved has those of the live filesystems, and is the same.
    std::fs::write(place.at("hook"), "#!/bin/sh\n").unwrap();
    assert_eq!(place.backup(&["--machine", "machine.json"]).0, 0);
    let (code, text) = place.backup(&["--machine", "machine.json"]);
    assert!(code == 0 && text.contains("0 new, 0 changed, "), "{text}");
}

#[test]
fn root_a_killed_backup_leaves_no_snapshots() {
    let waits = "[ $LIFEBOAT_HOOK != after_snapshots ] || { echo $$ >$(dirname $0)/pid; echo waits >>$(dirname $0)/log; sleep 1000; }";
    let subvolumes = Subvolumes::new(waits);
    let place = &subvolumes.place;
    let mut child = place.command(&["--machine", "machine.json"]).spawn().unwrap();
    place.await_log(4);
    assert_eq!(subvolumes.left(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let began = Instant::now();
    while subvolumes.left() > 0 {
        assert!(began.elapsed() < PATIENCE, "its keeper removes them");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What the hook runs is not ours to end, and lives on.
    let group: i32 = std::fs::read_to_string(place.at("pid")).unwrap().trim().parse().unwrap();
    let group = rustix::process::Pid::from_raw(group).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn root_a_frozen_filesystem_is_thawed_and_one_that_is_thawed_too_early_is_listed() {
    let frozen = "[snapshots]\nfreeze = ['/']\nfreeze_seconds = ";
    let place = Place::new(
        &format!("{frozen}60\n"),
        "[ $LIFEBOAT_HOOK != after_snapshots ] || { touch $(dirname $0)/s/new & echo waits; }",
    );
    let device = mounted(&place, &["mkfs.ext4", "-q", "-F"]);
    let content = ext4("root", "aaaaaaaa-0000-0000-0000-000000000001", 320 << 20, 1 << 20);
    let mut machine = Maker::new().disk(0, &device, 320 << 20, disk("SER1"), content).mount("disk0", "/").machine;
    machine.boot.loaders.clear();
    std::fs::write(place.at("machine.json"), machine.to_json()).unwrap();
    let in_time = place.backup(&["--machine", "machine.json"]);
    let thawed = std::fs::write(place.at("s/thawed"), "x").is_ok();
    let config = std::fs::read_to_string(place.at("config.toml")).unwrap();
    std::fs::write(place.at("config.toml"), config.replace("freeze_seconds = 60", "freeze_seconds = 1")).unwrap();
    std::fs::write(place.at("hook"), "#!/bin/sh\n[ $LIFEBOAT_HOOK != after_snapshots ] || sleep 3\n").unwrap();
    let late = place.backup(&["--machine", "machine.json"]);
    let own = place.backup(&["--machine", "machine.json", "--to", "s/repo", "--own-disk"]);
    let made = place.at("s/repo").exists();
    unmounted(&place, &device);
    assert!(!made, "nothing was touched");
    assert!(in_time.0 == 0 && in_time.1.contains("waits") && in_time.1.contains("/: frozen"), "{in_time:?}");
    assert!(thawed);
    assert!(late.0 == 5 && late.1.contains("thawed before it was read"), "{late:?}");
    assert!(own.0 == 3 && own.1.contains("cannot FREEZE") && own.1.contains("s/repo"), "{own:?}");
}
