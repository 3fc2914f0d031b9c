//! What was reported as done survives a power cut a moment later: what a filesystem has given to its disk by then is looked at.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, assert_restores, backup, scratch};
use lifeboat_archive::{FileTree, Quiet, Repository, RepositoryOptions, Secret};
use std::path::Path;

/// Does something on a mounted filesystem, cuts the power, and looks at what is left.
fn power_cut(mkfs: &[&str], work: impl FnOnce(&Path), look: impl FnOnce(&Path)) {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 400, mkfs);
    work(&disk.mount);
    // The image holds what the filesystem has written; what is still in its memory is not there.
    let copy = scratch.path().join("copy.img");
    run!("cp", "--sparse=always", &disk.image, &copy);
    disk.unmount();
    if mkfs[0] == "mkfs.ext2" {
        // Without a journal it is checked first, as each boot does; 1 says that something was corrected.
        let fsck = std::process::Command::new("e2fsck").args(["-f", "-y"]).arg(&copy).output().unwrap();
        assert!(matches!(fsck.status.code(), Some(0 | 1)), "{fsck:?}");
    }
    let left = Disk { image: copy, mount: scratch.path().join("left") };
    std::fs::create_dir(&left.mount).unwrap();
    left.mount();
    look(&left.mount);
    left.unmount();
}

fn on_each_filesystem(each: impl Fn(&[&str])) {
    for mkfs in [["mkfs.ext4", "-q"], ["mkfs.xfs", "-q"], ["mkfs.btrfs", "-q"], ["mkfs.ext2", "-q"]] {
        println!("{}", mkfs[0]);
        each(&mkfs);
    }
}

fn tree(scratch: &Path) -> std::path::PathBuf {
    let tree = scratch.join("tree");
    std::fs::create_dir_all(tree.join("folder")).unwrap();
    std::fs::write(tree.join("folder/large"), vec![7; 3 << 20]).unwrap();
    std::fs::write(tree.join("small"), "small").unwrap();
    tree
}

#[test]
fn root_a_first_backup_into_new_folders_survives() {
    on_each_filesystem(|mkfs| {
        let scratch = scratch();
        let (tree, key) = (tree(scratch.path()), Secret::generate().unwrap());
        let below = Path::new("new/folders/repository");
        power_cut(
            mkfs,
            |mount| {
                let repository = Repository::init(&mount.join(below), &key, &RepositoryOptions::default()).unwrap();
                backup(&repository, &FileTree::new(&tree));
            },
            |mount| {
                let repository = Repository::open(&mount.join(below), &key).unwrap();
                assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
                assert_restores(&repository, &repository.find_snapshot("latest").unwrap(), &tree);
            },
        );
    });
}

#[test]
fn root_further_backups_and_keys_survive() {
    on_each_filesystem(|mkfs| {
        let scratch = scratch();
        let (tree, key, added) = (tree(scratch.path()), Secret::generate().unwrap(), Secret::generate().unwrap());
        power_cut(
            mkfs,
            |mount| {
                let repository =
                    Repository::init(&mount.join("repository"), &key, &RepositoryOptions::default()).unwrap();
                backup(&repository, &FileTree::new(&tree));
                rustix::fs::sync();
                std::fs::write(tree.join("folder/new"), vec![9; 1 << 20]).unwrap();
                backup(&repository, &FileTree::new(&tree));
                repository.add_key(&added, "h").unwrap();
                lifeboat_sys::durable::write_new(&mount.join("key"), b"a key", 0o600).unwrap();
            },
            |mount| {
                let repository = Repository::open(&mount.join("repository"), &added).unwrap();
                assert_eq!(repository.snapshots().unwrap().len(), 2);
                assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
                assert_restores(&repository, &repository.find_snapshot("latest").unwrap(), &tree);
                assert_eq!(std::fs::read(mount.join("key")).unwrap(), b"a key");
            },
        );
    });
}
