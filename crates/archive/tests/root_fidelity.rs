//! A tree of everything that is hard to keep comes back the same, as judged by a program without code of Lifeboat.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, assert_same, backup, fingerprint, odd_tree, repository, scratch};
use lifeboat_archive::{FileTree, Quiet, RestoreOptions, Selection};
use std::path::Path;

/// Backs up the odd tree on one filesystem and restores it onto another of the same kind.
fn round_trip(mkfs: &[&str], prepare: impl Fn(&Path)) {
    let scratch = scratch();
    let old = Disk::make(scratch.path(), "old", 1024, mkfs);
    let tree = old.mount.join("tree");
    odd_tree(&tree);
    prepare(&tree);
    // So that holes are what the disk has, not what the page cache knows.
    old.unmount();
    old.mount();
    let before = fingerprint(&tree);
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup(&repository, &FileTree::new(&tree));
    let snapshot = repository.find_snapshot("latest").unwrap();
    assert_eq!(report.entries, before.lines().count() as u64);

    let new = Disk::make(scratch.path(), "new", 1024, mkfs);
    let target = new.mount.join("restored");
    std::fs::create_dir(&target).unwrap();
    let restored =
        repository.restore(&snapshot, &target, &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!(restored.problems, []);
    assert_eq!(restored.entries, report.entries);
    assert_eq!(restored.bytes, report.bytes);
    new.unmount();
    new.mount();
    assert_same(&before, &fingerprint(&target));
    assert_same(&before, &fingerprint(&tree));

    let compared = repository.compare(&snapshot, &FileTree::new(&target), &Selection::Everything, &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
    assert_eq!(compared.entries, report.entries);
    let verified = repository.verify(&Quiet).unwrap();
    assert_eq!(verified.problems, []);
    assert_eq!(verified.entries, report.entries);
    // Nothing was opened or touched that would make the next backup read it again.
    let again = backup(&repository, &FileTree::new(&tree));
    assert_eq!((again.new, again.changed, again.unchanged), (0, 0, report.new));
}

fn root_attributes(tree: &Path) {
    run!("setfattr", "-n", "user.on-the-root", "-v", "yes", tree);
    run!("setfacl", "-m", "u:70000:r-x,d:g:50:rwx", tree);
    run!("chown", "70001:70002", tree);
    run!("chmod", "1751", tree);
    run!("chattr", "+d", tree);
    run!("touch", "-d", "1969-12-31T23:59:58.123456789Z", tree);
}

#[test]
fn root_ext4() {
    round_trip(&["mkfs.ext4", "-q", "-I", "256"], root_attributes);
}

#[test]
fn root_xfs() {
    round_trip(&["mkfs.xfs", "-q"], root_attributes);
}

#[test]
fn root_btrfs() {
    round_trip(&["mkfs.btrfs", "-q"], |tree| {
        root_attributes(tree);
        run!("btrfs", "subvolume", "create", tree.join("subvolume").as_os_str());
        std::fs::write(tree.join("subvolume/inside"), "x").unwrap();
        // btrfs keeps No_COW and compression as inode flags.
        let shown = run!("lsattr", "-d", tree.join("no-cow").as_os_str());
        assert!(shown.contains('C'), "{shown}");
    });
}

#[test]
fn root_project_ids_come_back() {
    let scratch = scratch();
    let mkfs = ["mkfs.xfs", "-q"];
    let old = Disk::make(scratch.path(), "old", 320, &mkfs);
    let directory = old.mount.join("project");
    std::fs::create_dir(&directory).unwrap();
    run!("chattr", "-p", "4242", "+P", &directory);
    std::fs::write(directory.join("inherits"), "x").unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&old.mount));
    let new = Disk::make(scratch.path(), "new", 320, &mkfs);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let report =
        repository.restore(&snapshot, &new.mount, &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!(report.problems, []);
    for name in ["project", "project/inherits"] {
        let shown = run!("lsattr", "-dp", new.mount.join(name).as_os_str());
        assert!(shown.trim_start().starts_with("4242 "), "{shown}");
    }
    assert!(run!("lsattr", "-d", new.mount.join("project").as_os_str()).contains('P'));
    assert_same(&fingerprint(&old.mount), &fingerprint(&new.mount));
}
