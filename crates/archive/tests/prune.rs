//! Pruning: what no snapshot needs goes in two runs, and nothing else does, whoever else writes meanwhile, whatever is damaged, and
//! wherever it is interrupted.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::gate::{DEADLINE, in_the_middle};
use common::stores;
use common::{Warnings, assert_restores, backup, files_below, machine_manifest, machine_request, repository, restic};
use common::{restic_command, scratch};
use lifeboat_archive::repository::{MaxUnused, PruneOptions, PruneReport};
use lifeboat_archive::{ArchiveError, FileTree, Place, Quiet, Repository, Secret};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Everything that can go goes, as soon as it is marked.
fn eager() -> PruneOptions {
    PruneOptions { grace: Duration::ZERO, max_unused: MaxUnused::Bytes(0), ..PruneOptions::default() }
}

fn prune(repository: &Repository) -> PruneReport {
    repository.prune(&eager(), &Quiet).unwrap()
}

/// Content that does not compress, and is the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length / 8 + 1).flat_map(|_| next().to_le_bytes()).take(length).collect()
}

fn write(tree: &Path, name: &str, content: &[u8]) {
    let path = tree.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn packs(location: &Path) -> Vec<PathBuf> {
    files_below(&location.join("data"))
}

fn bytes(location: &Path) -> u64 {
    packs(location).iter().map(|pack| pack.metadata().unwrap().len()).sum()
}

/// restic finds nothing wrong, and nothing that is in no index.
fn assert_checked(location: &Path, key: &Secret) -> String {
    let (whole, reported) = restic(location, key, &["check", "--read-data"]);
    assert!(whole, "{reported}");
    reported
}

/// A repository with three snapshots of a tree that changes, of which the first is forgotten.
fn with_waste(scratch: &Path) -> (Repository, Secret, PathBuf, PathBuf) {
    let (tree, location) = (scratch.join("tree"), scratch.join("repository"));
    let (repository, key) = repository(&location);
    for number in 0..40 {
        write(&tree, &format!("old/{number}"), &noise(number, 100_000));
    }
    write(&tree, "stays", &noise(1000, 300_000));
    backup(&repository, &FileTree::new(&tree));
    // Most of what is in the packs of the first is no longer needed, but not all.
    for number in 0..35 {
        std::fs::remove_file(tree.join(format!("old/{number}"))).unwrap();
    }
    write(&tree, "new", &noise(2000, 2_000_000));
    backup(&repository, &FileTree::new(&tree));
    let first = repository.snapshots().unwrap().remove(0);
    repository.forget(std::slice::from_ref(&first)).unwrap();
    (repository, key, tree, location)
}

#[test]
fn what_nobody_needs_goes_in_the_second_run() {
    let scratch = scratch();
    let (repository, key, tree, location) = with_waste(scratch.path());
    let before = bytes(&location);
    let dry = repository.prune(&PruneOptions { dry_run: true, ..eager() }, &Quiet).unwrap();
    assert_eq!(bytes(&location), before, "a dry run changes nothing");
    let report = prune(&repository);
    assert_eq!((report.useless, report.rewritten), (dry.useless, dry.rewritten));
    assert!(report.marked.bytes > 3_000_000 && report.removed.packs == 0, "{report:?}");
    assert!(report.copied > 500_000 && report.copied < 3_000_000, "{report:?}");
    assert!(bytes(&location) > before, "what is marked is still there");
    let reported = assert_checked(&location, &key);
    assert!(reported.contains("no errors"), "{reported}");
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    // Nothing is wrong with a backup meanwhile, and it relies on nothing that is marked.
    backup(&repository, &FileTree::new(&tree));
    let second = prune(&repository);
    assert_eq!((second.removed, second.marked.packs, second.put_back.packs), (report.marked, 0, 0), "{second:?}");
    assert!(bytes(&location) < before - 3_000_000, "{} of {before}", bytes(&location));
    let third = prune(&repository);
    assert_eq!((third.removed.packs, third.marked.packs, third.waiting.packs), (0, 0, 0));
    assert_checked(&location, &key);
    let (_, listed) = restic(&location, &key, &["prune", "--dry-run"]);
    assert!(listed.contains("0 packs") || listed.contains("to delete:             0 blobs"), "{listed}");
    for snapshot in repository.snapshots().unwrap() {
        assert_restores(&repository, &snapshot, &tree);
    }
}

#[test]
fn the_time_of_grace_passes_first_and_a_clock_ahead_does_not_shorten_it() {
    let scratch = scratch();
    let (repository, _, _, location) = with_waste(scratch.path());
    let patient = PruneOptions { grace: Duration::from_secs(3600), ..eager() };
    let marked = repository.prune(&patient, &Quiet).unwrap().marked;
    let there = bytes(&location);
    for _ in 0..2 {
        let report = repository.prune(&patient, &Quiet).unwrap();
        assert_eq!((report.removed.packs, report.waiting), (0, marked), "{report:?}");
    }
    assert_eq!(bytes(&location), there);
    assert_eq!(prune(&repository).removed, marked);
}

#[test]
fn what_restic_removes_or_needs_meanwhile_does_no_harm() {
    let scratch = scratch();
    let (repository, key, tree, location) = with_waste(scratch.path());
    prune(&repository);
    // restic sees packs in no index.
    let (pruned, reported) = restic(&location, &key, &["prune"]);
    assert!(pruned, "{reported}");
    assert_checked(&location, &key);
    let report = prune(&repository);
    assert_eq!((report.removed.packs, report.waiting.packs), (0, 0), "{report:?}");
    // restic puts them back, and uses them.
    let newest = repository.snapshots().unwrap().pop().unwrap();
    write(&tree, "old/1", &noise(1, 100_000));
    backup(&repository, &FileTree::new(&tree));
    let last = repository.snapshots().unwrap().pop().unwrap();
    repository.forget(&[last]).unwrap();
    assert!(prune(&repository).marked.packs > 0);
    let (repaired, reported) = restic(&location, &key, &["rebuild-index"]);
    assert!(repaired, "{reported}");
    let (saved, reported) = restic(&location, &key, &["backup", tree.to_str().unwrap()]);
    assert!(saved, "{reported}");
    for _ in 0..2 {
        prune(&repository);
        assert_checked(&location, &key);
    }
    std::fs::remove_file(tree.join("old/1")).unwrap();
    assert_restores(&repository, &newest, &tree);
}

#[test]
fn a_snapshot_that_needs_what_was_marked_brings_it_back() {
    let scratch = scratch();
    let (repository, key, tree, location) = with_waste(scratch.path());
    // A writer without locks, as rustic is one: its snapshot appears after the marks, and it read the index before them.
    let kept = repository.snapshots().unwrap().pop().unwrap();
    let file = location.join("snapshots").join(&kept.id);
    let aside = scratch.path().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    let marked = prune(&repository).marked;
    assert!(marked.packs > 0);
    std::fs::rename(&aside, &file).unwrap();
    // Lifeboat reads it even now.
    assert_restores(&repository, &kept, &tree);
    let report = prune(&repository);
    assert!(report.put_back.packs > 0, "{report:?}");
    assert_checked(&location, &key);
    assert_restores(&repository, &kept, &tree);
    prune(&repository);
    assert_checked(&location, &key);
}

/// Backs up a tree, and prunes at a moment in the middle; twice, so that whatever could go would be gone.
fn beside(scratch: &Path, phase: &'static str) {
    let (repository, key, tree, location) = with_waste(scratch);
    // The backup needs again what nobody needs now, and has read the index by the time of the prunes.
    for number in 0..40 {
        write(&tree, &format!("old/{number}"), &noise(number, 100_000));
    }
    write(&tree, "more", &noise(3000, 18 << 20));
    let other = Repository::open(&location, &key).unwrap();
    let mut marked = 0;
    let (report, _) = in_the_middle(
        phase,
        |gate| {
            let (source, manifest) = (FileTree::new(&tree), machine_manifest("1", "one"));
            repository.backup(&machine_request(&source, "1", "one", &manifest), gate)
        },
        || {
            for _ in 0..2 {
                let pruned = prune(&other);
                assert_eq!(pruned.removed.packs, 0, "the backup holds a lock: {pruned:?}");
                marked += pruned.marked.packs;
            }
        },
    );
    assert!(marked > 0);
    let report = report.unwrap();
    assert_eq!((report.problems, report.lost_packs), (vec![], 0));
    // At once, without another prune.
    assert_checked(&location, &key);
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    let snapshot = repository.find_snapshot(&report.snapshot).unwrap();
    assert_restores(&repository, &snapshot, &tree);
    drop(repository);
    for _ in 0..3 {
        prune(&other);
    }
    assert_checked(&location, &key);
    assert_restores(&other, &snapshot, &tree);
}

#[test]
fn a_backup_that_began_before_keeps_what_it_relies_on() {
    beside(scratch().path(), "read");
}

#[test]
fn a_backup_that_is_nearly_done_keeps_what_it_wrote() {
    beside(scratch().path(), "store");
}

#[test]
fn beside_restic_nothing_is_done() {
    let scratch = scratch();
    let (repository, key, tree, location) = with_waste(scratch.path());
    let before = files_below(&location);
    let snapshot = repository.snapshots().unwrap().remove(0);
    let mut saving = restic_command(&location, &key, &["backup", "--stdin"]);
    let mut saving = saving.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let began = std::time::Instant::now();
    let is_lock = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 64);
    while !files_below(&location.join("locks")).iter().any(is_lock) && began.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(20));
    }
    let refused = repository.prune(&eager(), &Quiet).unwrap_err();
    assert!(matches!(refused, ArchiveError::Locked { exclusive: false, .. }), "{refused}");
    let packs = |list: &[PathBuf]| list.iter().filter(|path| path.starts_with(location.join("data"))).count();
    assert_eq!(packs(&files_below(&location)), packs(&before));
    std::io::Write::write_all(&mut saving.stdin.take().unwrap(), b"content").unwrap();
    assert!(saving.wait().unwrap().success());
    prune(&repository);
    prune(&repository);
    assert_checked(&location, &key);
    assert_restores(&repository, &snapshot, &tree);
}

#[test]
fn nothing_goes_while_it_is_not_known_what_snapshots_need() {
    let scratch = scratch();
    let (repository, _, tree, location) = with_waste(scratch.path());
    let files = || -> Vec<PathBuf> {
        files_below(&location).into_iter().filter(|path| !path.starts_with(location.join("locks"))).collect()
    };
    let refused = |wanted: &str| {
        let before = files();
        let warnings = Warnings::default();
        let error = repository.prune(&eager(), &warnings).unwrap_err();
        let text = format!("{error} {}", warnings.text());
        assert!(matches!(error, ArchiveError::Unsafe { .. }), "{error}");
        assert!(text.contains(wanted) && text.contains("nothing was removed"), "{text}");
        assert_eq!(files(), before);
    };
    let snapshot = repository.snapshots().unwrap().pop().unwrap();
    let damaged = |path: &Path, check: &dyn Fn()| {
        let bytes = std::fs::read(path).unwrap();
        let mut other = bytes.clone();
        other[40] ^= 1;
        std::fs::write(path, other).unwrap();
        check();
        std::fs::write(path, bytes).unwrap();
    };
    damaged(&location.join("snapshots").join(&snapshot.id), &|| refused(snapshot.short_id()));
    let index = files_below(&location.join("index")).remove(0);
    damaged(&index, &|| refused("index"));
    // Each pack in turn: of trees it is a directory that cannot be read, of contents its length shows that it is cut short.
    let mut refusals = 0;
    for pack in packs(&location) {
        let bytes = std::fs::read(&pack).unwrap();
        std::fs::write(&pack, &bytes[..bytes.len() / 2]).unwrap();
        let dry = PruneOptions { dry_run: true, ..eager() };
        match repository.prune(&dry, &Quiet) {
            Err(ArchiveError::Unsafe { .. }) => {
                refused(snapshot.short_id());
                refusals += 1;
            }
            other => assert!(other.is_ok(), "{other:?}"),
        }
        std::fs::write(&pack, bytes).unwrap();
    }
    assert!(refusals >= 2, "{refusals}");
    prune(&repository);
    prune(&repository);
    assert_restores(&repository, &snapshot, &tree);
}

#[test]
fn content_that_rots_unseen_stays_where_it_is() {
    let scratch = scratch();
    let (repository, key, tree, location) = with_waste(scratch.path());
    // All large packs, without their headers: what must be copied out of one cannot be read.
    let whole: Vec<(PathBuf, Vec<u8>)> =
        packs(&location).into_iter().map(|pack| (pack.clone(), std::fs::read(pack).unwrap())).collect();
    let large = || whole.iter().filter(|(_, bytes)| bytes.len() > 500_000);
    assert!(large().count() > 0);
    for (pack, bytes) in large() {
        let mut rotten = bytes.clone();
        let header = rotten.len() - 3000;
        rotten[..header].iter_mut().step_by(50_000).for_each(|byte| *byte ^= 1);
        std::fs::write(pack, rotten).unwrap();
    }
    let warnings = Warnings::default();
    for _ in 0..3 {
        repository.prune(&eager(), &warnings).unwrap();
    }
    assert!(warnings.text().contains("its pack stays"), "{}", warnings.text());
    let needed = large().filter(|(pack, _)| pack.exists()).count();
    assert!(needed > 0, "what cannot be copied stays");
    for (pack, bytes) in large().filter(|(pack, _)| pack.exists()) {
        std::fs::write(pack, bytes).unwrap();
    }
    assert_checked(&location, &key);
    assert_restores(&repository, &repository.snapshots().unwrap().pop().unwrap(), &tree);
}

#[test]
fn nothing_is_removed_from_what_adds_only() {
    let scratch = scratch();
    let (repository, key, _, location) = with_waste(scratch.path());
    drop(repository);
    let sealed = Repository::open_at(&Place::Sealed(location.clone()), &key).unwrap();
    let last = sealed.snapshots().unwrap();
    for refused in [sealed.prune(&eager(), &Quiet).map(drop), sealed.forget(&last)] {
        assert!(matches!(refused, Err(ArchiveError::AppendOnly { .. })), "{refused:?}");
    }
    let adds_only = stores::at(&location, stores::Until { adds_only: true, ..stores::Until::default() });
    let repository = Repository::open_at(&Place::Files(Arc::new(adds_only)), &key).unwrap();
    for refused in [repository.prune(&eager(), &Quiet).map(drop), repository.forget(&last)] {
        assert!(matches!(refused, Err(ArchiveError::AppendOnly { .. })), "{refused:?}");
    }
    assert_eq!(repository.snapshots().unwrap().len(), last.len());
}

/// A copy of a folder.
fn copied(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
    for folder in ["locks", "snapshots", "index", "keys", "data"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
    }
}

#[test]
fn wherever_it_is_interrupted_nothing_is_lost() {
    let scratch = scratch();
    let (repository, key, tree, location) = with_waste(scratch.path());
    drop(repository);
    let mut ends = 0;
    // Every change that it makes is the last one once, in the first run and in the second.
    for rounds in [0, 1] {
        for changes in 0.. {
            let place = scratch.path().join(format!("copy-{rounds}-{changes}"));
            copied(&location, &place);
            if rounds == 1 {
                prune(&Repository::open(&place, &key).unwrap());
                let tree = scratch.path().join("another");
                write(&tree, "file", &noise(changes, 100_000));
                backup(&Repository::open(&place, &key).unwrap(), &FileTree::new(&tree));
            }
            let until = stores::Until { changes: Some(changes), ..stores::Until::default() };
            let files = stores::at(&place, until);
            let interrupted = Repository::open_at(&Place::Files(Arc::new(files)), &key).unwrap();
            let result = interrupted.prune(&eager(), &Quiet);
            drop(interrupted);
            // Who is killed leaves its lock.
            files_below(&place.join("locks")).iter().for_each(|lock| std::fs::remove_file(lock).unwrap());
            let repository = Repository::open(&place, &key).unwrap();
            assert_eq!(repository.verify(&Quiet).unwrap().problems, [], "after {changes} changes");
            for _ in 0..3 {
                prune(&repository);
            }
            assert_checked(&place, &key);
            let snapshot = repository.snapshots().unwrap().remove(0);
            assert_restores(&repository, &snapshot, &tree);
            assert!(bytes(&place) < bytes(&location) - 3_000_000, "what is useless goes in the end");
            drop(repository);
            std::fs::remove_dir_all(&place).unwrap();
            if result.is_ok() {
                ends += 1;
                break;
            }
            assert!(changes < 100);
        }
    }
    assert_eq!(ends, 2);
}

/// On a full disk what nobody needs goes, though nothing can be copied.
#[test]
fn root_a_full_disk_gets_room() {
    let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
    let disk = common::Disk::make(scratch.path(), "disk", 64, &["mkfs.ext4", "-q", "-m", "0"]);
    let location = disk.mount.join("repository");
    let tree = scratch.path().join("tree");
    let (repository, key) = repository(&location);
    // One pack is needed in part, others not at all.
    write(&tree, "stays", &noise(1, 2_000_000));
    write(&tree, "goes/0", &noise(2, 2_000_000));
    backup(&repository, &FileTree::new(&tree));
    for number in 1..16 {
        write(&tree, &format!("goes/{number}"), &noise(2 + number, 2_000_000));
    }
    backup(&repository, &FileTree::new(&tree));
    let first = repository.snapshots().unwrap();
    std::fs::remove_dir_all(tree.join("goes")).unwrap();
    backup(&repository, &FileTree::new(&tree));
    repository.forget(&first).unwrap();
    let room = |leave: u64| {
        let free = rustix::fs::statvfs(&disk.mount).map(|status| status.f_bavail * status.f_frsize).unwrap();
        let filler = std::fs::File::create(disk.mount.join("filler")).unwrap();
        let _ = rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, free.saturating_sub(leave));
    };
    room(600 << 10);
    let before = bytes(&location);
    for _ in 0..3 {
        prune(&repository);
    }
    assert!(bytes(&location) + (20 << 20) < before, "{before} {}", bytes(&location));
    assert_checked(&location, &key);
    assert_restores(&repository, &repository.snapshots().unwrap().pop().unwrap(), &tree);
}
