//! Files that share blocks, or are compressed, come back so, and what they need is known beforehand.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, assert_same, backup, backup_with, fingerprint, repository, scratch};
use lifeboat_archive::{FileTree, Observer, Progress, Quiet, Repository, RestoreOptions, RestoreReport, Selection};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const MIB: u64 = 1 << 20;

/// Bytes that no filesystem makes smaller; the same for the same seed.
fn noise(bytes: u64, mut seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes as usize);
    while (out.len() as u64) < bytes {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        out.extend_from_slice(&seed.to_le_bytes());
    }
    out
}

fn used(disk: &Disk) -> u64 {
    run!("sync", "-f", &disk.mount);
    let counts = rustix::fs::statvfs(&disk.mount).unwrap();
    (counts.f_blocks - counts.f_bfree) * counts.f_frsize
}

fn restore(repository: &Repository, target: &Path, options: &RestoreOptions) -> RestoreReport {
    let snapshot = repository.find_snapshot("latest").unwrap();
    repository.restore(&snapshot, target, &Selection::Everything, options, &Quiet).unwrap()
}

fn private() -> RestoreOptions {
    RestoreOptions { overwrite: true, sync: true, private: true, ..RestoreOptions::default() }
}

/// Images that were copied by reference and written to since; a file that has one stretch three times.
fn images(tree: &Path) {
    std::fs::write(tree.join("image0"), noise(60 * MIB, 1)).unwrap();
    for copy in ["image1", "image2", "image3", "image4"] {
        run!("cp", "--reflink=always", "-p", &tree.join("image0"), &tree.join(copy));
    }
    // So often that no blob of the copy is one of the original.
    let image = File::options().write(true).open(tree.join("image2")).unwrap();
    for at in (0..60 * MIB).step_by(1 << 19) {
        image.write_all_at(&at.to_le_bytes(), at + 12_345).unwrap();
    }
    let image = File::options().write(true).open(tree.join("image4")).unwrap();
    image.set_len(60 * MIB - 777).unwrap();
    let thrice = tree.join("thrice");
    std::fs::write(&thrice, noise(8 * MIB, 2)).unwrap();
    for offset in [8 * MIB, 20 * MIB] {
        let command = format!("reflink {} 0 {offset} {}", thrice.display(), 8 * MIB);
        run!("xfs_io", "-c", &command, &thrice);
    }
}

#[test]
fn root_images_share_again_and_fit() {
    let scratch = scratch();
    let disk = |name| Disk::make(scratch.path(), name, 400, &["mkfs.xfs", "-q", "-m", "reflink=1"]);
    let old = disk("old");
    images(&old.mount);
    std::fs::set_permissions(old.mount.join("image3"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    run!("chown", "1000:1000", &old.mount.join("image3"));
    let before = fingerprint(&old.mount);
    let in_use = used(&old);
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup(&repository, &FileTree::new(&old.mount));
    let [root] = &report.room.roots[..] else { panic!("{:?}", report.room) };
    // 1, 3 and 4 wholly, 2 but for a block in every 512 KiB, and two thirds of the last one.
    let shared = 60 * MIB * 3 + 60 * MIB - 120 * 4096 + 16 * MIB;
    assert!(root.shared_bytes.abs_diff(shared) <= 4096, "{root:?}");
    assert_eq!(repository.room(&repository.find_snapshot("latest").unwrap()).unwrap(), Some(report.room.clone()));

    // Apart they need 324 MiB of the 336 that are left beside the log.
    let new = disk("new");
    assert_eq!(restore(&repository, &new.mount, &private()).problems, []);
    assert_same(&before, &fingerprint(&new.mount));
    let now = used(&new);
    assert!(now <= in_use + in_use / 50, "{now} in use instead of {in_use}");
    // A second backup says the same.
    let again = backup(&repository, &FileTree::new(&old.mount));
    assert_eq!((again.changed, &again.room), (0, &report.room));
}

#[test]
fn root_what_another_user_could_have_changed_is_not_shared() {
    let scratch = scratch();
    let disk = |name| Disk::make(scratch.path(), name, 320, &["mkfs.xfs", "-q", "-m", "reflink=1"]);
    let (old, new) = (disk("old"), disk("new"));
    std::fs::write(old.mount.join("a-of-a-user"), noise(20 * MIB, 3)).unwrap();
    for copy in ["b-of-root", "c-of-root", "d-of-the-user"] {
        run!("cp", "--reflink=always", &old.mount.join("a-of-a-user"), &old.mount.join(copy));
    }
    run!("chown", "1000:1000", &old.mount.join("a-of-a-user"), &old.mount.join("d-of-the-user"));
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&old.mount));
    let empty = used(&new);
    let options = RestoreOptions { overwrite: true, sync: true, ..RestoreOptions::default() };
    assert_eq!(restore(&repository, &new.mount, &options).problems, []);
    assert_same(&fingerprint(&old.mount), &fingerprint(&new.mount));
    let more = used(&new) - empty;
    assert!((60 * MIB..63 * MIB).contains(&more), "{more} bytes");
    // Over what is there, and for this process alone.
    assert_eq!(restore(&repository, &new.mount, &private()).problems, []);
    assert_same(&fingerprint(&old.mount), &fingerprint(&new.mount));
    let more = used(&new) - empty;
    assert!(more < 23 * MIB, "{more} bytes");
}

/// Writes to a file after it was looked at and before it is read, and hides that.
struct Meddler<'a> {
    file: &'a Path,
    done: AtomicBool,
}

impl Observer for Meddler<'_> {
    fn progress(&self, progress: &Progress) {
        if progress.phase != "walk" || self.done.swap(true, Ordering::Relaxed) {
            return;
        }
        let time = std::fs::metadata(self.file).unwrap().modified().unwrap();
        let file = File::options().write(true).open(self.file).unwrap();
        for at in [0, 5 * MIB + 4096, 9 * MIB - 1] {
            file.write_all_at(b"!", at).unwrap();
        }
        file.set_modified(time).unwrap();
    }
}

#[test]
fn root_sharing_is_a_hint_and_never_replaces_content() {
    let scratch = scratch();
    let disk = |name| Disk::make(scratch.path(), name, 320, &["mkfs.xfs", "-q", "-m", "reflink=1"]);
    let (old, new) = (disk("old"), disk("new"));
    for (copy, meddled) in [("one", "two"), ("three", "four")] {
        std::fs::write(old.mount.join(copy), noise(12 * MIB, 11)).unwrap();
        run!("cp", "--reflink=always", "-p", &old.mount.join(copy), &old.mount.join(meddled));
    }
    let (repository, _) = repository(&scratch.path().join("repository"));
    // Once the one that the other takes from, by name, once the one that takes.
    for file in ["two", "three"] {
        let file = old.mount.join(file);
        // Else a slow machine takes it over from the backup before.
        File::options().write(true).open(&file).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
        let meddler = Meddler { file: &file, done: AtomicBool::new(false) };
        let report = backup_with(&repository, &FileTree::new(&old.mount), &meddler);
        assert!(meddler.done.into_inner() && report.room.roots[0].shared_bytes > 0, "{report:?}");
    }
    assert_eq!(restore(&repository, &new.mount, &private()).problems, []);
    assert_same(&fingerprint(&old.mount), &fingerprint(&new.mount));
}

#[test]
fn root_snapshots_and_compression_of_btrfs_come_back() {
    let scratch = scratch();
    let make = |name| Disk::make(scratch.path(), name, 400, &["mkfs.btrfs", "-q"]);
    let (old, new) = (make("old"), make("new"));
    let text = "Lifeboat brings a dead Linux machine back.\n".repeat(1 << 20);
    for disk in [&old, &new] {
        for subvolume in ["data", "snapshot"] {
            if disk.mount == old.mount && subvolume == "snapshot" {
                run!("btrfs", "subvolume", "snapshot", &disk.mount.join("data"), &disk.mount.join("snapshot"));
                let log = disk.mount.join("data/log");
                std::fs::write(&log, [std::fs::read(&log).unwrap(), b"more\n".to_vec()].concat()).unwrap();
                continue;
            }
            run!("btrfs", "subvolume", "create", &disk.mount.join(subvolume));
            if disk.mount == new.mount {
                continue;
            }
            let data = disk.mount.join("data");
            std::fs::write(data.join("disk-image"), noise(100 * MIB, 5)).unwrap();
            std::fs::write(data.join("log"), noise(MIB, 6)).unwrap();
            std::fs::create_dir(data.join("squeezed")).unwrap();
            run!("btrfs", "property", "set", &data.join("squeezed"), "compression", "zstd");
            std::fs::write(data.join("squeezed/text"), &text).unwrap();
            std::fs::write(data.join("by-flag"), "").unwrap();
            run!("chattr", "+c", &data.join("by-flag"));
            std::fs::write(data.join("by-flag"), &text).unwrap();
            run!("btrfs", "property", "set", &data.join("by-flag"), "compression", "lzo");
            std::fs::write(data.join("plain-until-now"), &text).unwrap();
            run!("sync", "-f", &data);
            run!("btrfs", "filesystem", "defragment", "-czstd", &data.join("plain-until-now"));
            run!("chattr", "+i", &data.join("by-flag"));
        }
    }
    old.unmount();
    old.mount();
    let before = fingerprint(&old.mount);
    let in_use = used(&old);
    let source = |disk: &Disk| FileTree::new(&disk.mount).mount("/data").mount("/snapshot");
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup(&repository, &source(&old));
    let root = |name: &str| report.room.roots.iter().find(|root| root.root() == Path::new(name)).unwrap();
    let (data, snapshot) = (root("/data"), root("/snapshot"));
    assert_eq!((data.shared_bytes, data.entries), (0, 7));
    // All but the log, which was written again, and what was compressed later and is elsewhere since.
    assert!(snapshot.shared_bytes > 100 * MIB + 2 * text.len() as u64, "{snapshot:?}");
    assert!(data.compressed_bytes >= 2 * text.len() as u64 && data.squeezed_bytes >= text.len() as u64, "{data:?}");
    assert!(data.compressed_stored + data.squeezed_stored < 10 * MIB, "{data:?}");
    assert_eq!(data.restored(false) - data.restored(true), data.squeezed_bytes - data.squeezed_stored);
    let needed = data.restored(false) + snapshot.restored(false);
    assert!(needed < in_use + text.len() as u64 + 5 * MIB, "{needed}, {in_use} in use");

    assert_eq!(restore(&repository, &new.mount, &private()).problems, []);
    assert_same(&before, &fingerprint(&new.mount));
    let now = used(&new);
    // What a command had compressed is not compressed any more.
    assert!(now < in_use + text.len() as u64 + 10 * MIB, "{now} in use instead of {in_use}, {needed} expected");
    for name in ["data/squeezed", "data/squeezed/text", "data/by-flag", "snapshot/by-flag"] {
        let property = |disk: &Disk| run!("btrfs", "property", "get", &disk.mount.join(name), "compression");
        assert_eq!(property(&old), property(&new), "{name}");
    }
    for disk in [&old, &new] {
        run!("chattr", "-i", &disk.mount.join("data/by-flag"));
    }
}

#[test]
fn root_a_filesystem_that_shares_nothing_gets_copies() {
    let scratch = scratch();
    let old = Disk::make(scratch.path(), "old", 320, &["mkfs.xfs", "-q", "-m", "reflink=1"]);
    let new = Disk::make(scratch.path(), "new", 600, &["mkfs.ext4", "-q"]);
    images(&old.mount);
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&old.mount));
    let target = new.mount.join("target");
    std::fs::create_dir(&target).unwrap();
    assert_eq!(restore(&repository, &target, &private()).problems, []);
    assert_same(&fingerprint(&old.mount), &fingerprint(&target));
}
