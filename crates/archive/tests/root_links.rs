//! Hard links that cannot be links any more become copies, and are accepted as such; what is not the same file is never linked.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, backup, repository, scratch};
use lifeboat_archive::{DifferenceKind, FileTree, Quiet, Repository, RestoreOptions, RestoreReport, Selection};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

fn restore(repository: &Repository, target: &Path, options: &RestoreOptions) -> RestoreReport {
    let snapshot = repository.find_snapshot("latest").unwrap();
    repository.restore(&snapshot, target, &Selection::Everything, options, &Quiet).unwrap()
}

fn recovery() -> RestoreOptions {
    RestoreOptions { overwrite: true, private: true, repeatable: true, ..RestoreOptions::default() }
}

fn inode(path: &Path) -> (u64, u64) {
    let status = path.symlink_metadata().unwrap();
    (status.dev(), status.ino())
}

/// A machine whose kernel has names in two directories, with everything that an inode has.
fn machine(tree: &Path) {
    for directory in ["boot", "usr/lib/modules/7.2", "var"] {
        std::fs::create_dir_all(tree.join(directory)).unwrap();
    }
    let kernel = tree.join("usr/lib/modules/7.2/vmlinuz");
    std::fs::write(&kernel, vec![7; 3_000_000]).unwrap();
    run!("setfattr", "-n", "user.signed", "-v", "yes", &kernel);
    run!("chown", "0:7", &kernel);
    std::fs::set_permissions(&kernel, std::fs::Permissions::from_mode(0o4750)).unwrap();
    for name in ["boot/vmlinuz-7.2", "boot/vmlinuz-7.2.old", "usr/lib/modules/7.2/second"] {
        std::fs::hard_link(&kernel, tree.join(name)).unwrap();
    }
    run!("mkfifo", &tree.join("boot/pipe"));
    std::fs::hard_link(tree.join("boot/pipe"), tree.join("var/pipe")).unwrap();
    std::os::unix::fs::symlink("nowhere", tree.join("boot/link")).unwrap();
    std::fs::hard_link(tree.join("boot/link"), tree.join("var/link")).unwrap();
    run!("touch", "-d", "2020-01-02 03:04:05.678901234", &kernel);
}

#[test]
fn links_into_another_filesystem_become_copies_with_all_attributes() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    machine(&tree);
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let root = Disk::make(scratch.path(), "root", 64, &["mkfs.ext4", "-q"]);
    std::fs::remove_dir(root.mount.join("lost+found")).unwrap();
    std::fs::create_dir(root.mount.join("boot")).unwrap();
    let image = scratch.path().join("boot.img");
    std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
    run!("mkfs.ext4", "-q", &image);
    run!("mount", "-o", "loop", &image, &root.mount.join("boot"));
    std::fs::remove_dir(root.mount.join("boot/lost+found")).unwrap();
    for options in [recovery(), RestoreOptions { overwrite: true, ..RestoreOptions::default() }] {
        let report = restore(&repository, &root.mount, &options);
        assert_eq!(report.problems, []);
        // The first names are those in /boot.
        let expected = ["/usr/lib/modules/7.2/second", "/var/link", "/var/pipe"].map(PathBuf::from);
        let mut copies = report.copies.clone();
        copies.sort();
        assert_eq!(copies, expected);
        let reported = report.copied().unwrap();
        assert!(
            reported.starts_with(
                "3 hard links were restored as copies, because the first name is on another filesystem: /"
            ),
            "{reported}"
        );
        let place = |name: &str| root.mount.join(name);
        assert_eq!(inode(&place("boot/vmlinuz-7.2")), inode(&place("boot/vmlinuz-7.2.old")));
        assert_eq!(inode(&place("usr/lib/modules/7.2/vmlinuz")), inode(&place("usr/lib/modules/7.2/second")));
        let copy = place("usr/lib/modules/7.2/second").metadata().unwrap();
        assert_eq!((copy.nlink(), copy.mode() & 0o7777, copy.gid(), copy.mtime_nsec()), (2, 0o4750, 7, 678_901_234));
        let source = FileTree::new(&root.mount).mount("/boot");
        let snapshot = repository.find_snapshot("latest").unwrap();
        let compared = repository.compare(&snapshot, &source, &Selection::Everything, &Quiet).unwrap();
        assert_eq!((compared.differences, compared.problems), (vec![], vec![]));
        // One name on each of the two is the first there.
        assert_eq!(compared.copies.len(), 4, "{:?}", compared.copies);
        // A name that was copied where it could have been linked is a difference still.
        std::fs::remove_file(place("boot/vmlinuz-7.2.old")).unwrap();
        run!("cp", "-a", &place("boot/vmlinuz-7.2"), &place("boot/vmlinuz-7.2.old"));
        run!("touch", "-r", &place("usr"), &place("boot"));
        let compared = repository.compare(&snapshot, &source, &Selection::Everything, &Quiet).unwrap();
        let links = |difference: &&lifeboat_archive::Difference| difference.kind == DifferenceKind::HardLinks;
        assert_eq!(compared.differences.iter().filter(links).count(), 1, "{:?}", compared.differences);
    }
    run!("umount", &root.mount.join("boot"));
}

#[test]
fn links_between_subvolumes_become_copies() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    machine(&tree);
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let disk = Disk::make(scratch.path(), "disk", 200, &["mkfs.btrfs", "-q"]);
    for subvolume in ["boot", "var"] {
        run!("btrfs", "-q", "subvolume", "create", &disk.mount.join(subvolume));
    }
    let report = restore(&repository, &disk.mount, &recovery());
    assert_eq!(report.problems, []);
    assert_eq!(report.copies.len(), 3, "{:?}", report.copies);
    let source = FileTree::new(&disk.mount).mount("/boot").mount("/var");
    let snapshot = repository.find_snapshot("latest").unwrap();
    let compared = repository.compare(&snapshot, &source, &Selection::Everything, &Quiet).unwrap();
    assert_eq!((compared.differences, compared.problems), (vec![], vec![]));
}

#[test]
fn a_filesystem_that_takes_fewer_links_gets_several_copies() {
    let scratch = scratch();
    let old = Disk::make(scratch.path(), "old", 400, &["mkfs.xfs", "-q"]);
    std::fs::write(old.mount.join("first"), "many names").unwrap();
    for number in 0..65_100 {
        std::fs::hard_link(old.mount.join("first"), old.mount.join(format!("name-{number}"))).unwrap();
    }
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&old.mount));
    let new = Disk::make(scratch.path(), "new", 64, &["mkfs.ext4", "-q"]);
    std::fs::remove_dir(new.mount.join("lost+found")).unwrap();
    let report = restore(&repository, &new.mount, &recovery());
    assert_eq!((report.problems.len(), report.copies.len()), (0, 1), "{:?}", report.problems.first());
    let snapshot = repository.find_snapshot("latest").unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&new.mount), &Selection::Everything, &Quiet).unwrap();
    assert_eq!((compared.differences, compared.problems), (vec![], vec![]));
    assert!(!compared.copies.is_empty());
}
