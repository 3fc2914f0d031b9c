//! Snapshots and frozen filesystems on loop devices. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, Subvolume};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, Layout};
use lifeboat_moment::still::{self, Frozen};
use lifeboat_moment::{Context, Run, Snapshots, Taken, Use, Way, choice, leftover, room::Rooms, take};
use lifeboat_sys::UninterruptedRunner;
use lifeboat_sys::freeze::Watched;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

static RUNNER: UninterruptedRunner = UninterruptedRunner;

/// A filesystem on a loop device, mounted; taken down when dropped.
struct Mounted {
    folder: tempfile::TempDir,
    device: String,
}

impl Mounted {
    fn new(mkfs: &[&str]) -> Mounted {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
        let image = image.to_str().unwrap();
        run(&[mkfs, &[image]].concat());
        let device = run(&["losetup", "--find", "--show", image]).trim().to_owned();
        let mounted = Mounted { folder, device };
        std::fs::create_dir(mounted.root()).unwrap();
        run(&["mount", &mounted.device, mounted.root().to_str().unwrap()]);
        mounted
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    /// Where it is mounted. Filesystems of other tests, which have runs of their own, are none of its business.
    fn table(&self) -> Vec<lifeboat_sys::mount::MountInfo> {
        let mut table = lifeboat_sys::mount::table().unwrap();
        table.retain(|mount| mount.source.to_str() == Some(&self.device));
        table
    }

    /// An active swap file, which keeps its subvolume from having snapshots.
    fn swap(&self, path: &str) -> String {
        let swap = self.at(path).to_str().unwrap().to_owned();
        run(&["truncate", "--size", "0", &swap]);
        run(&["chattr", "+C", &swap]);
        run(&["fallocate", "--length", "16M", &swap]);
        run(&["chmod", "600", &swap]);
        run(&["mkswap", &swap]);
        run(&["swapon", &swap]);
        swap
    }

    /// What is in the top level and belongs to runs.
    fn left(&self) -> Vec<String> {
        let names =
            std::fs::read_dir(self.root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".lifeboat")).collect()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.root()).status();
        let _ = Command::new("losetup").args(["-d", &self.device]).status();
    }
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

/// A machine whose root is the top level of this btrfs, with these subvolumes below it.
fn layout(device: &str, subvolumes: &[&str]) -> Layout {
    let mut options = btrfs_options();
    options.subvolumes =
        subvolumes.iter().map(|path| Subvolume { path: (*path).into(), read_only: false, no_cow: false }).collect();
    let content = Content::Filesystem(Filesystem {
        uuid: "8a2a5ac2-0c45-4d70-a9e2-6a2c4a2ab1c0".into(),
        label: Default::default(),
        size_bytes: 320 << 20,
        used_bytes: 1 << 20,
        options: FilesystemOptions::Btrfs(options),
        restored: None,
    });
    Maker::new().disk(0, device, 320 << 20, disk("SER1"), content).mount("disk0", "/").machine.layout
}

fn policy(when: Use) -> Snapshots {
    Snapshots { when, ..Snapshots::default() }
}

fn taken(mounted: &Mounted, layout: &Layout, when: Use) -> Result<Taken<'static>, lifeboat_moment::MomentError> {
    let root = mounted.root();
    let context = Context {
        runner: &RUNNER,
        folder: &mounted.runs(),
        sysroot: &root,
        written: &[],
        keeper: None,
        warn: &|text| eprintln!("{text}"),
    };
    let policy = policy(when);
    take(&context, &policy, choice::choose(layout, &policy, &Rooms::default()))
}

#[test]
fn root_subvolumes_are_read_as_they_were_and_nothing_is_left() {
    let mounted = Mounted::new(&["mkfs.btrfs", "-q"]);
    for path in ["@home", "@home/a b", "@home/a b/deep"] {
        run(&["btrfs", "subvolume", "create", mounted.at(path).to_str().unwrap()]);
    }
    let files = ["file", "@home/file", "@home/a b/file", "@home/a b/deep/file"];
    files.iter().for_each(|file| std::fs::write(mounted.at(file), "before").unwrap());
    let layout = layout(&mounted.device, &["@home", "@home/a b", "@home/a b/deep"]);
    let mut taken = taken(&mounted, &layout, Use::Required).unwrap();
    files.iter().for_each(|file| std::fs::write(mounted.at(file), "after!").unwrap());
    let roots: Vec<&str> = taken.stand_ins().iter().map(|(root, _)| root.to_str().unwrap()).collect();
    assert_eq!(roots, ["/", "/@home", "/@home/a b", "/@home/a b/deep"]);
    for (root, directory) in taken.stand_ins() {
        assert_eq!(std::fs::read_to_string(directory.join("file")).unwrap(), "before", "{}", root.display());
        let error = std::fs::write(directory.join("file"), "x").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }
    // They can be seen at the top level, and only there; nothing is mounted anywhere.
    let left = mounted.left();
    assert_eq!(left.len(), 4);
    assert_eq!(taken.excludes().len(), 4);
    let table = mounted.table();
    assert_eq!(table.len(), 1);
    // A run that lives is left alone.
    let found = leftover::remove(&RUNNER, &mounted.runs(), &table).unwrap();
    assert_eq!((found.removed, found.left), (vec![], vec![]));
    assert_eq!(mounted.left().len(), 4);
    assert_eq!(taken.faults(), []);
    assert_eq!(taken.release(), Vec::<String>::new());
    assert_eq!(mounted.left(), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(mounted.runs()).unwrap().count(), 0);
}

#[test]
fn root_what_a_killed_run_left_is_removed() {
    let mounted = Mounted::new(&["mkfs.btrfs", "-q"]);
    let snapshot = |name: &str| {
        let (from, to) = (mounted.root(), mounted.at(name));
        run(&["btrfs", "subvolume", "snapshot", "-r", from.to_str().unwrap(), to.to_str().unwrap()]);
    };
    let (dead, own) = (".lifeboat-snapshot-0123456789ab-0", ".lifeboat-snapshot-mine");
    snapshot(dead);
    snapshot(own);
    let table = mounted.table();
    let found = leftover::remove(&RUNNER, &mounted.runs(), &table).unwrap();
    assert_eq!(found.left, Vec::<String>::new());
    assert!(found.removed.len() == 1 && found.removed[0].contains(dead), "{found:?}");
    assert_eq!(mounted.left(), [own], "a name that is not ours stays");
}

#[test]
fn root_a_subvolume_that_cannot_have_one_is_read_live_or_stops_the_backup() {
    let mounted = Mounted::new(&["mkfs.btrfs", "-q"]);
    let swap = mounted.swap("swap");
    let layout = layout(&mounted.device, &[]);
    let auto = taken(&mounted, &layout, Use::Auto).map(|taken| (taken.choices.clone(), taken.stand_ins().len()));
    let required = taken(&mounted, &layout, Use::Required).map(drop);
    run(&["swapoff", &swap]);
    let (choices, stand_ins) = auto.unwrap();
    assert!(matches!(&choices[0].way, Way::Live { .. }), "{choices:?}");
    assert_eq!(stand_ins, 0);
    let error = required.unwrap_err().to_string();
    assert!(error.starts_with("cannot take a SNAPSHOT of /:"), "{error}");
    assert_eq!(mounted.left(), Vec::<String>::new());
}

#[test]
fn root_snapshots_before_one_that_fails_do_not_get_into_the_backup() {
    let mounted = Mounted::new(&["mkfs.btrfs", "-q"]);
    run(&["btrfs", "subvolume", "create", mounted.at("@swap").to_str().unwrap()]);
    let swap = mounted.swap("@swap/file");
    let layout = layout(&mounted.device, &["@swap"]);
    let taken = taken(&mounted, &layout, Use::Auto);
    // The top level comes first and can have one. The filesystem is read live while this lives.
    let left = mounted.left();
    run(&["swapoff", &swap]);
    let taken = taken.unwrap();
    assert!(matches!(&taken.choices[0].way, Way::Live { why, .. } if why.contains("@swap")), "{:?}", taken.choices);
    assert_eq!((left, taken.stand_ins().len()), (vec![], 0));
    assert_eq!(taken.release(), Vec::<String>::new());
}

/// The process of the test below that freezes: its watcher is stopped, so that nobody else thaws, and then it waits for a signal.
fn frozen_until_a_signal(root: &Path, runs: &Path, sign: &Path) {
    lifeboat_sys::ending::on_signals().unwrap();
    let begun = Run::begin(runs).unwrap();
    let frozen = Frozen::freeze(&begun, &[root], Duration::from_secs(600)).unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|entry| entry.unwrap().path().join("children"));
    let watcher: String = threads.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    run(&["kill", "-STOP", watcher.trim()]);
    std::fs::write(sign, watcher).unwrap();
    std::thread::sleep(Duration::from_secs(600));
    drop(frozen);
}

#[test]
fn root_a_signal_thaws_at_once() {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let Some(root) = variable("FROZEN_ROOT") {
        return frozen_until_a_signal(&root, &variable("FROZEN_RUNS").unwrap(), &variable("FROZEN_SIGN").unwrap());
    }
    let mounted = Mounted::new(&["mkfs.ext4", "-q", "-F"]);
    let sign = mounted.folder.path().join("sign");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "root_a_signal_thaws_at_once"])
        .envs([("FROZEN_ROOT", mounted.root()), ("FROZEN_RUNS", mounted.runs()), ("FROZEN_SIGN", sign.clone())])
        .spawn()
        .unwrap();
    let began = std::time::Instant::now();
    while !std::fs::read_to_string(&sign).is_ok_and(|text| !text.is_empty()) && began.elapsed().as_secs() < 60 {
        std::thread::sleep(Duration::from_millis(20));
    }
    let watcher = std::fs::read_to_string(&sign).unwrap_or_default();
    let written = writer(mounted.at("file"));
    assert!(written.recv_timeout(Duration::from_secs(1)).is_err(), "it is frozen");
    run(&["kill", "-TERM", &child.id().to_string()]);
    let thawed = written.recv_timeout(Duration::from_secs(30));
    for pid in watcher.split_whitespace() {
        let _ = Command::new("kill").args(["-CONT", pid]).status();
    }
    let _ = child.wait();
    thawed.expect("the signal thaws it, though the watcher does nothing");
}

/// Writes in a thread of its own; the channel gets a word when it is done.
fn writer(path: PathBuf) -> Receiver<()> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        std::fs::write(path, "x").unwrap();
        let _ = sender.send(());
    });
    receiver
}

#[test]
fn root_writers_wait_until_it_is_thawed() {
    for mkfs in [&["mkfs.ext4", "-q", "-F"][..], &["mkfs.xfs", "-q", "-f"]] {
        let mounted = Mounted::new(mkfs);
        let begun = Run::begin(&mounted.runs()).unwrap();
        let root = mounted.root();
        let frozen = Frozen::freeze(&begun, &[&root], Duration::from_secs(60)).unwrap();
        let written = writer(mounted.at("file"));
        assert!(written.recv_timeout(Duration::from_secs(1)).is_err(), "it is frozen");
        assert!(Frozen::freeze(&begun, &[&root], Duration::from_secs(60)).is_err(), "by us already");
        assert_eq!(frozen.thaw(), Watched::InTime);
        written.recv_timeout(Duration::from_secs(60)).expect("it is thawed");
    }
}

#[test]
fn root_what_nobody_thaws_is_thawed_by_its_watcher() {
    let mounted = Mounted::new(&["mkfs.ext4", "-q", "-F"]);
    let begun = Run::begin(&mounted.runs()).unwrap();
    let root = mounted.root();
    let frozen = Frozen::freeze(&begun, &[&root], Duration::from_secs(1)).unwrap();
    writer(mounted.at("file")).recv_timeout(Duration::from_secs(60)).expect("the watcher thaws it");
    assert_eq!(frozen.thaw(), Watched::Late);
}

#[test]
fn root_what_everybody_writes_to_is_not_frozen() {
    let mounted = Mounted::new(&["mkfs.ext4", "-q", "-F"]);
    let (root, inside) = (mounted.root(), mounted.at("repository/that/comes"));
    still::allowed(&root, "ext4", &[PathBuf::from("/"), PathBuf::from("/var/log")]).unwrap();
    let error = still::allowed(&root, "ext4", std::slice::from_ref(&inside)).unwrap_err().to_string();
    assert!(error.contains("cannot FREEZE") && error.contains("repository"), "{error}");
    assert!(still::allowed(Path::new("/"), "ext4", &[PathBuf::from("/")]).is_err());
    assert!(still::allowed(&root, "btrfs", &[]).unwrap_err().to_string().contains("use = 'auto'"));
}
