//! Several filesystems become one tree; what is mounted elsewhere is not entered, and hides nothing.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, backup, repository, scratch};
use lifeboat_archive::{FileTree, Quiet, RestoreOptions, Selection};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

#[test]
fn root_listed_mounts_are_merged_and_others_are_not_entered() {
    let scratch = scratch();
    let root = Disk::make(scratch.path(), "root", 64, &["mkfs.ext4", "-q"]);
    for directory in ["boot", "mnt", "mnt/below"] {
        std::fs::create_dir(root.mount.join(directory)).unwrap();
    }
    std::fs::write(root.mount.join("etc"), "root").unwrap();
    std::fs::write(root.mount.join("mnt/hidden"), "under a mount that is not listed").unwrap();
    std::fs::write(root.mount.join("boot/hidden"), "under a mount that is listed").unwrap();
    let boot = Disk::make(scratch.path(), "boot-image", 32, &["mkfs.ext4", "-q"]);
    std::fs::write(boot.mount.join("kernel"), "boot").unwrap();
    std::fs::write(boot.mount.join("cache"), "boot").unwrap();
    run!("chmod", "0700", &boot.mount);
    boot.unmount();
    let boot_below = root.mount.join("boot");
    run!("setfattr", "-n", "user.label", "-v", "below", &boot_below);
    run!("chown", "77:0", &boot_below);
    run!("chmod", "0711", &boot_below);
    run!("touch", "-d", "2001-02-03 04:05:06.789", &boot_below);
    run!("mount", "-o", "loop", &boot.image, root.mount.join("boot").as_os_str());
    run!("mount", "-t", "tmpfs", "none", root.mount.join("mnt").as_os_str());
    std::fs::write(root.mount.join("mnt/elsewhere"), "tmpfs").unwrap();
    std::fs::create_dir(root.mount.join("tmp")).unwrap();
    std::fs::write(root.mount.join("tmp/junk"), "junk").unwrap();
    // The repository is in what is backed up.
    let (repository, _) = repository(&root.mount.join("backups"));
    let source =
        FileTree::new(&root.mount).mount("/boot").exclude("/boot/cache").without_content("/tmp").exclude("/lost+found");
    let report = backup(&repository, &source);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let table = repository.table(&snapshot).unwrap();
    let paths: Vec<PathBuf> = {
        let mut paths: Vec<PathBuf> = table.entries().map(|entry| entry.path).collect();
        paths.sort();
        paths
    };
    let expected =
        ["/", "/boot", "/boot/kernel", "/boot/lost+found", "/etc", "/mnt", "/mnt/below", "/mnt/hidden", "/tmp"];
    assert_eq!(paths, expected.map(PathBuf::from));
    let boot_entry = table.entries().find(|entry| entry.path == Path::new("/boot")).unwrap();
    assert_eq!(boot_entry.mode, 0o700, "the mounted filesystem's root counts");
    assert_eq!(report.entries, 9);

    let missing = FileTree::new(&root.mount).mount("/nowhere");
    let report = common::backup_with(&repository, &missing, &Quiet);
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);

    let target = scratch.path().join("target");
    std::fs::create_dir(&target).unwrap();
    let selection = Selection::Paths(vec!["/boot/kernel".into()]);
    let report = repository.restore(&snapshot, &target, &selection, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!((report.entries, report.problems.len()), (1, 0));
    assert_eq!(std::fs::read_to_string(target.join("boot/kernel")).unwrap(), "boot");
    assert!(!target.join("etc").exists());

    // A whole machine: filesystems are mounted in the target, and the directories below them are theirs again.
    let new_root = Disk::make(scratch.path(), "new-root", 64, &["mkfs.ext4", "-q"]);
    let new_boot = Disk::make(scratch.path(), "new-boot", 32, &["mkfs.ext4", "-q"]);
    new_boot.unmount();
    std::fs::create_dir(new_root.mount.join("boot")).unwrap();
    run!("mount", "-o", "loop", &new_boot.image, new_root.mount.join("boot").as_os_str());
    let overwrite = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    let report = repository.restore(&snapshot, &new_root.mount, &Selection::Everything, &overwrite, &Quiet).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    assert_eq!(std::fs::metadata(new_root.mount.join("boot")).unwrap().mode() & 0o7777, 0o700);
    run!("umount", new_root.mount.join("boot").as_os_str());
    let below = |root: &Path| {
        let path = root.join("boot");
        let status = std::fs::metadata(&path).unwrap();
        let mut label = [0; 16];
        let length = rustix::fs::getxattr(&path, "user.label", &mut label).unwrap();
        (status.mode(), status.uid(), status.mtime(), status.mtime_nsec(), label[..length].to_vec())
    };
    run!("umount", root.mount.join("boot").as_os_str());
    run!("umount", root.mount.join("mnt").as_os_str());
    assert_eq!(below(&new_root.mount), below(&root.mount));
}

#[test]
fn root_a_note_of_btrfs_about_compression_is_no_difference() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "content").unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&source));
    let snapshot = repository.find_snapshot("latest").unwrap();
    let disk = Disk::make(scratch.path(), "btrfs", 256, &["mkfs.btrfs", "-q"]);
    let options = RestoreOptions { overwrite: true, sync: true, ..RestoreOptions::default() };
    repository.restore(&snapshot, &disk.mount, &Selection::Everything, &options, &Quiet).unwrap();
    // Which files the kernel notes depends on its heuristics; the note itself is this flag.
    let file = std::fs::File::open(disk.mount.join("file")).unwrap();
    lifeboat_sys::inode::set_flags(&file, lifeboat_sys::inode::NOCOMP).unwrap();
    let flags = lifeboat_sys::inode::flags(&file).unwrap();
    assert_eq!(flags & lifeboat_sys::inode::NOCOMP, lifeboat_sys::inode::NOCOMP, "btrfs has no such flag here");
    let report = repository.compare(&snapshot, &FileTree::new(&disk.mount), &Selection::Everything, &Quiet).unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
}

#[test]
fn root_what_stands_for_a_subvolume_in_a_snapshot_has_no_times_of_its_own() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "btrfs", 256, &["mkfs.btrfs", "-q"]);
    let at = |path: &str| disk.mount.join(path);
    run!("btrfs", "-q", "subvolume", "create", &at("root"));
    run!("btrfs", "-q", "subvolume", "create", &at("root/srv"));
    std::fs::write(at("root/srv/file"), "nested").unwrap();
    std::fs::create_dir(at("root/etc")).unwrap();
    run!("btrfs", "-q", "subvolume", "snapshot", "-r", &at("root"), &at("before"));
    let source = FileTree::new(&disk.mount);
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &source);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let seen = std::fs::metadata(at("before/srv")).unwrap();
    // Mounted again, it is a directory that the kernel makes up anew.
    disk.unmount();
    std::thread::sleep(std::time::Duration::from_millis(20));
    disk.mount();
    let now = std::fs::metadata(at("before/srv")).unwrap();
    assert_eq!((seen.ino(), now.ino()), (2, 2), "no such directory here");
    assert_ne!((seen.mtime(), seen.mtime_nsec()), (now.mtime(), now.mtime_nsec()));
    let report = repository.compare(&snapshot, &source, &Selection::Everything, &Quiet).unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    let report = backup(&repository, &source);
    assert_eq!((report.new, report.changed), (0, 0));
}
