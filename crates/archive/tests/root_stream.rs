//! A tree of everything that is hard to keep goes through a stream and comes back the same, and stock programs read it.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::streams::{open, save};
use common::{Disk, assert_same, fingerprint, odd_tree, scratch};
use lifeboat_archive::stream::{FileSink, PipeSource, Stream};
use lifeboat_archive::{FileTree, Quiet, RestoreOptions, Secret, Selection};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn attributes_of_the_root(tree: &Path) {
    run!("setfattr", "-n", "user.on-the-root", "-v", "yes", tree);
    run!("setfattr", "-n", "user.a=b%c", "-v", "odd", tree.join("xattrs").as_os_str());
    run!("setfacl", "-m", "u:70000:r-x,d:g:50:rwx", tree);
    run!("chown", "70001:70002", tree);
    run!("chmod", "1751", tree);
    run!("touch", "-d", "1969-12-31T23:59:58.123456789Z", tree);
}

fn everything(stream: &mut Stream, target: &Path) -> lifeboat_archive::RestoreReport {
    stream.restore(target, &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap()
}

fn round_trip(mkfs: &[&str]) {
    let scratch = scratch();
    let old = Disk::make(scratch.path(), "old", 1024, mkfs);
    let tree = old.mount.join("tree");
    odd_tree(&tree);
    attributes_of_the_root(&tree);
    // So that holes are what the disk has, not what the page cache knows.
    old.unmount();
    old.mount();
    let before = fingerprint(&tree);
    let key = Secret::generate().unwrap();
    let path = scratch.path().join("set");
    let report = save(&FileTree::new(&tree), &path, None, &key).report;
    assert_eq!(report.problems, []);
    assert_eq!(report.entries, before.lines().count() as u64);

    // From a file, by the catalogue at its end; from a pipe, by the table at its beginning.
    for from_pipe in [false, true] {
        let new = Disk::make(scratch.path(), if from_pipe { "pipe" } else { "file" }, 1024, mkfs);
        let target = new.mount.join("restored");
        std::fs::create_dir(&target).unwrap();
        let mut stream = match from_pipe {
            false => open(&path, &key),
            true => Stream::open(PipeSource(Some(std::fs::File::open(&path).unwrap())), &key).unwrap(),
        };
        assert_eq!(stream.notes(), &[] as &[String]);
        assert_eq!((stream.info().entries, stream.info().bytes), (report.entries, report.bytes));
        let restored = everything(&mut stream, &target);
        assert_eq!(restored.problems, []);
        assert_eq!((restored.entries, restored.bytes), (report.entries, report.bytes));
        new.unmount();
        new.mount();
        assert_same(&before, &fingerprint(&target));
        let compared = open(&path, &key).compare(&FileTree::new(&target), &Selection::Everything, &Quiet).unwrap();
        assert!(compared.is_same(), "{compared:?}");
        assert_eq!(compared.entries, report.entries);
    }
    let verified = open(&path, &key).verify(&Quiet).unwrap();
    assert_eq!(verified.problems, []);
    assert_eq!(verified.entries, report.entries);
    // The tree itself was not touched.
    assert_same(&before, &fingerprint(&tree));
}

#[test]
fn root_links_into_another_filesystem_become_copies() {
    use std::os::unix::fs::MetadataExt as _;
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    for name in ["boot", "usr"] {
        std::fs::create_dir_all(tree.join(name)).unwrap();
    }
    let kernel = tree.join("usr/vmlinuz");
    std::fs::write(&kernel, vec![7; 3_000_000]).unwrap();
    run!("chmod", "4750", &kernel);
    run!("setfattr", "-n", "user.signed", "-v", "yes", &kernel);
    std::fs::File::options().write(true).open(&kernel).unwrap().set_len(5_000_000).unwrap();
    std::fs::hard_link(&kernel, tree.join("boot/vmlinuz")).unwrap();
    let key = Secret::generate().unwrap();
    let path = scratch.path().join("set");
    save(&FileTree::new(&tree), &path, None, &key);
    let target = scratch.path().join("target");
    std::fs::create_dir_all(target.join("boot")).unwrap();
    run!("mount", "-t", "tmpfs", "-o", "mode=755", "boot", &target.join("boot"));
    let restored = open(&path, &key).restore(&target, &Selection::Everything, &RestoreOptions::default(), &Quiet);
    let names = ["boot/vmlinuz", "usr/vmlinuz"].map(|name| target.join(name));
    let found = names.clone().map(|name| (std::fs::read(&name), std::fs::metadata(&name)));
    let attribute = signed(&names[1]);
    run!("umount", &target.join("boot"));
    let restored = restored.unwrap();
    assert_eq!(restored.problems, []);
    assert_eq!(restored.copies, [PathBuf::from("/usr/vmlinuz")]);
    let expected = std::fs::read(&kernel).unwrap();
    for (content, status) in found {
        assert!(content.unwrap() == expected, "another content");
        assert_eq!(status.unwrap().mode() & 0o7777, 0o4750);
    }
    assert_eq!(attribute, "yes");
}

fn signed(path: &Path) -> String {
    let output = Command::new("getfattr").args(["--only-values", "-n", "user.signed"]).arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn root_ext4() {
    round_trip(&["mkfs.ext4", "-q", "-I", "256"]);
}

#[test]
fn root_xfs() {
    round_trip(&["mkfs.xfs", "-q"]);
}

#[test]
fn root_btrfs() {
    round_trip(&["mkfs.btrfs", "-q"]);
}

/// What only Lifeboat restores, as the handbook lists it: inode flags, sockets, an xattr with `=` in its name.
const LISTED: &[&str] = &["./append-only", "./immutable", "./no-dump", "./no-dump-directory", "./socket", "./xattrs"];

/// The same of bsdtar alone: the time of a directory that was there before, and fractions of seconds before 1970.
const OF_BSDTAR: [&str; 2] = [".", "./year-1969"];

/// By hand: follows literally what the first block of the first volume says. `reader` takes the place of GNU tar, as it says there.
fn by_hand(folder: &Path, volumes: &[PathBuf], key: &Secret, reader: Option<&str>, target: &Path) -> String {
    let block = std::fs::read(&volumes[0]).unwrap()[..65536].to_vec();
    let text = String::from_utf8(block.into_iter().filter(|byte| *byte != 0).collect()).unwrap();
    let mut script: String =
        text.lines().filter_map(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect();
    if let Some(reader) = reader {
        let named = format!("replace what follows \"zstd -dc |\" by: {reader}");
        assert!(text.contains(&named), "{text}");
        let from = script.find("tar -xpf").unwrap();
        let to = from + script[from..].find('\n').unwrap();
        script.replace_range(from..to, reader);
    }
    let key_file = folder.join("repository.key");
    std::fs::write(&key_file, format!("{}\n", key.expose())).unwrap();
    std::fs::create_dir(target).unwrap();
    let names: Vec<&str> = volumes.iter().map(|volume| volume.to_str().unwrap()).collect();
    let output = Command::new("bash")
        .args(["-e", "-u", "-c", &script])
        .env("VOLUMES", names.join(" "))
        .env("KEY", &key_file)
        .env("TARGET", target)
        .output()
        .unwrap();
    let reported = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{reported}");
    let is_about_times = |line: &&str| line.contains("time stamp");
    assert!(reported.lines().all(|line| is_about_times(&line)), "{reported}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn root_stock_programs_restore_all_but_what_is_listed() {
    let scratch = scratch();
    let old = Disk::make(scratch.path(), "old", 1024, &["mkfs.ext4", "-q", "-I", "256"]);
    let tree = old.mount.join("tree");
    odd_tree(&tree);
    attributes_of_the_root(&tree);
    // GNU tar and bsdtar open paths as a whole: PATH_MAX.
    std::fs::remove_dir_all(tree.join("deep")).unwrap();
    let before = fingerprint(&tree);
    let key = Secret::generate().unwrap();
    let path = scratch.path().join("set");
    let report = save(&FileTree::new(&tree), &path, Some(16 << 20), &key);
    assert_eq!(report.report.problems, []);
    let volumes: Vec<PathBuf> = (1..=report.volumes).map(|number| FileSink::volume_path(&path, number)).collect();
    for (name, reader) in [
        ("gnu", None),
        ("bsd", Some("bsdtar -xpf - -C \"$TARGET\" --numeric-owner --acls --xattrs --exclude '^.lifeboat'")),
    ] {
        let new = Disk::make(scratch.path(), name, 1024, &["mkfs.ext4", "-q", "-I", "256"]);
        let target = new.mount.join("restored");
        let shown = by_hand(scratch.path(), &volumes, &key, reader, &target);
        let ends: Vec<&str> = shown.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(ends.last(), Some(&"yes"), "{shown}");
        assert_eq!(ends.len() as u32, report.volumes);
        new.unmount();
        new.mount();
        let after = fingerprint(&target);
        let there: BTreeSet<&str> = after.lines().collect();
        let name_of = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        let differing: BTreeSet<String> = before.lines().filter(|line| !there.contains(line)).map(name_of).collect();
        let more: &[&str] = if reader.is_some() { &OF_BSDTAR } else { &[] };
        let wanted: BTreeSet<String> = LISTED.iter().chain(more).map(|name| (*name).to_owned()).collect();
        for line in before.lines().filter(|line| !there.contains(line) && !wanted.contains(&name_of(line))) {
            let other = after.lines().find(|other| name_of(other) == name_of(line));
            println!("{name}:\n- {line:.500}\n+ {:.500}", other.unwrap_or_default());
        }
        assert_eq!(differing, wanted, "{name}");
    }
}
