//! Directories that their filesystem encrypts (fscrypt): what is locked is named and left out, what is not is saved in plain.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, Warnings, backup_with, lab, repository, scratch};
use lifeboat_archive::{BackupReport, Encrypted, FileTree, Quiet, Repository, RestoreOptions, Selection};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

fn fscrypt(arguments: &[&OsStr]) {
    let script = lab("fscrypt.py");
    let all: Vec<&OsStr> = std::iter::once(script.as_os_str()).chain(arguments.iter().copied()).collect();
    common::run("python3", &all);
}

macro_rules! fscrypt {
    ($($argument:expr),*) => { fscrypt(&[$(OsStr::new($argument)),*]) };
}

/// A filesystem whose directories can be encrypted.
fn disk(scratch: &Path) -> Disk {
    Disk::make(scratch, "machine", 64, &["mkfs.ext4", "-q", "-O", "encrypt"])
}

/// What was opened before a key was there is forgotten.
fn remount(disk: &Disk) {
    disk.unmount();
    disk.mount();
}

fn reported(report: &BackupReport) -> Vec<String> {
    report.problems.iter().map(|problem| format!("{}: {}", problem.path.display(), problem.message)).collect()
}

fn restored(repository: &Repository, snapshot: &str, target: &Path) -> Vec<String> {
    std::fs::create_dir(target).unwrap();
    let snapshot = repository.find_snapshot(snapshot).unwrap();
    let options = RestoreOptions::default();
    let report = repository.restore(&snapshot, target, &Selection::Everything, &options, &Quiet).unwrap();
    assert_eq!(report.problems, []);
    let (mut names, mut open) = (vec![], vec![target.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            names.push(format!("/{}", entry.path().strip_prefix(target).unwrap().display()));
            open.extend(entry.file_type().unwrap().is_dir().then(|| entry.path()));
        }
    }
    names.sort();
    names
}

const LOCKED: &str = "cannot READ: the directory is encrypted (fscrypt) and locked, nothing in it is saved; try unlocking it, \
                      and then another backup";
const LOCKED_FILE: &str =
    "cannot OPEN: it is encrypted (fscrypt) and locked; try unlocking it, and then another backup";

#[test]
fn each_locked_directory_is_named_once_and_the_others_are_saved() {
    let scratch = scratch();
    let disk = disk(scratch.path());
    let odd = PathBuf::from(OsStr::from_bytes(b"caf\xe9"));
    for (name, number) in [(Path::new("anna"), "1"), (Path::new("bert"), "2"), (&odd, "3")] {
        let home = disk.mount.join(name);
        std::fs::create_dir(&home).unwrap();
        fscrypt!("encrypt", &home, number);
        std::fs::create_dir_all(home.join("one/two/three")).unwrap();
        for file in ["letter", "one/two/three/deep", ".profile"] {
            std::fs::write(home.join(file), format!("of {number}")).unwrap();
        }
        std::os::unix::fs::symlink("letter", home.join("link")).unwrap();
    }
    std::fs::write(disk.mount.join("plain"), "seen by all").unwrap();
    // Three names outside of encrypted directories whose content is encrypted all the same.
    std::fs::hard_link(disk.mount.join("anna/letter"), disk.mount.join("a-letter")).unwrap();
    std::fs::hard_link(disk.mount.join("bert/letter"), disk.mount.join("b-letter")).unwrap();
    std::fs::rename(disk.mount.join("anna/link"), disk.mount.join("a-link")).unwrap();
    remount(&disk);
    fscrypt!("add", &disk.mount, "2");
    let (repository, _) = repository(&scratch.path().join("repository"));
    let warnings = Warnings::default();
    let report = backup_with(&repository, &FileTree::new(&disk.mount), &warnings);
    let mut problems = reported(&report);
    problems.sort();
    let shown = odd.display();
    assert_eq!(
        problems,
        [
            format!("/a-letter: {LOCKED_FILE}"),
            format!("/a-link: {LOCKED_FILE}"),
            format!("/anna: {LOCKED}"),
            format!("/{shown}: {LOCKED}")
        ]
    );
    let expected = ["/b-letter", "/bert"].map(|path| {
        format!(
            "{path} is encrypted (fscrypt): it is saved unencrypted by the filesystem, and a restore of it is not \
         encrypted"
        )
    });
    assert_eq!(warnings.text(), expected.join("\n"));
    let snapshot = repository.find_snapshot("latest").unwrap();
    let mut encrypted = repository.encrypted(&snapshot).unwrap();
    assert_eq!(encrypted, report.encrypted);
    encrypted.sort_by(|one, other| one.path.cmp(&other.path));
    let entry = |path: &Path, locked| Encrypted { path: Path::new("/").join(path), locked };
    assert_eq!(
        encrypted,
        [
            entry(Path::new("anna"), true),
            entry(Path::new("b-letter"), false),
            entry(Path::new("bert"), false),
            entry(&odd, true)
        ]
    );
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    let target = scratch.path().join("target");
    let names = restored(&repository, "latest", &target);
    let bert = ["", "/.profile", "/letter", "/link", "/one", "/one/two", "/one/two/three", "/one/two/three/deep"];
    let mut wanted: Vec<String> = bert.iter().map(|name| format!("/bert{name}")).collect();
    wanted.extend(["/anna", "/b-letter", "/lost+found", "/plain"].map(str::to_owned));
    wanted.push(format!("/{}", "caf\u{fffd}"));
    wanted.sort();
    assert_eq!(names, wanted);
    assert_eq!(std::fs::read_to_string(target.join("bert/one/two/three/deep")).unwrap(), "of 2");
    assert_eq!(std::fs::read_dir(target.join("anna")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(target.join(&odd)).unwrap().count(), 0);
    // A comparison with a machine whose directory is locked says that, and not that its files are gone.
    fscrypt!("add", &disk.mount, "1");
    fscrypt!("add", &disk.mount, "3");
    common::run("sh", &["-c", "echo 2 >/proc/sys/vm/drop_caches"].map(OsStr::new));
    let whole = backup_with(&repository, &FileTree::new(&disk.mount), &Quiet);
    assert_eq!(reported(&whole), Vec::<String>::new());
    remount(&disk);
    let snapshot = repository.find_snapshot(&whole.snapshot).unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&disk.mount), &Selection::Everything, &Quiet).unwrap();
    assert_eq!(compared.problems.iter().filter(|problem| problem.message == LOCKED).count(), 3);
    let missing: Vec<_> = compared.differences.iter().map(|difference| difference.path.clone()).collect();
    assert_eq!(missing, ["/a-letter", "/a-link", "/b-letter"].map(PathBuf::from));
}

#[test]
fn a_key_that_is_being_removed_counts_as_gone() {
    let scratch = scratch();
    let disk = disk(scratch.path());
    let home = disk.mount.join("home");
    std::fs::create_dir(&home).unwrap();
    fscrypt!("encrypt", &home, "5");
    std::fs::create_dir(home.join("sub")).unwrap();
    std::fs::write(home.join("sub/held"), "0123").unwrap();
    std::fs::write(home.join("other"), "4567").unwrap();
    // A program has a file open: its directories keep their key, and still show true names.
    let held = std::fs::File::open(home.join("sub/held")).unwrap();
    fscrypt!("remove", &disk.mount, "5");
    assert!(home.join("sub").exists());
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup_with(&repository, &FileTree::new(&disk.mount), &Quiet);
    assert_eq!(reported(&report), [format!("/home: {LOCKED}")]);
    assert_eq!(restored(&repository, "latest", &scratch.path().join("target")), ["/home", "/lost+found"]);
    drop(held);
}

#[test]
fn keys_of_the_old_kind_are_judged_by_what_is_seen() {
    let scratch = scratch();
    let disk = disk(scratch.path());
    for name in ["old", "bare", "empty"] {
        std::fs::create_dir(disk.mount.join(name)).unwrap();
        fscrypt!("old", &disk.mount.join(name), "77");
    }
    std::fs::write(disk.mount.join("old/secret"), "kept").unwrap();
    // A name that could be one of those that the kernel makes up.
    std::fs::write(disk.mount.join("old/7vGm7ndun_JqHriv5-MRqcCbHvvOIrcXZKaTn_Mijxltkyp4qrRviQ"), "kept, too").unwrap();
    // Here nothing but such a name, of a directory.
    std::fs::create_dir_all(disk.mount.join("bare").join("x".repeat(54)).join("inner")).unwrap();
    std::fs::create_dir_all(disk.mount.join("old/abcdefghijklmnopqrstuvwxyz/abcdefghijklmnopqrstuvwxyz")).unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    let open = backup_with(&repository, &FileTree::new(&disk.mount), &Quiet);
    // Of one that holds nothing but a directory of such a name nobody can say; it is listed rather than trusted.
    assert_eq!(reported(&open), [format!("/bare: {LOCKED}")]);
    let names = restored(&repository, "latest", &scratch.path().join("open"));
    assert_eq!(names.iter().filter(|name| name.starts_with("/old/")).count(), 4);
    fscrypt!("forget", "77");
    remount(&disk);
    let locked = backup_with(&repository, &FileTree::new(&disk.mount), &Quiet);
    let mut problems = reported(&locked);
    problems.sort();
    assert_eq!(problems, [format!("/bare: {LOCKED}"), format!("/old: {LOCKED}")]);
    assert_eq!(
        restored(&repository, "latest", &scratch.path().join("locked")),
        ["/bare", "/empty", "/lost+found", "/old"]
    );
}
