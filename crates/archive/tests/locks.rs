//! Locks: restic waits for a backup, a backup for restic, and what crashed holds nobody up.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::gate::{DEADLINE, Gate, in_the_middle};
use common::{Warnings, assert_restores, backup, files_below, machine_manifest, machine_request, repository, restic};
use common::{restic_command, scratch};
use lifeboat_archive::{ArchiveError, Observer, Place, Quiet, Repository, RestoreOptions, Secret, Selection};
use lifeboat_archive::{BackupReport, FileTree};
use std::path::Path;
use std::time::Instant;

fn save(repository: &Repository, tree: &Path, observer: &dyn Observer) -> Result<BackupReport, ArchiveError> {
    let (source, manifest) = (FileTree::new(tree), machine_manifest("1", "one"));
    repository.backup(&machine_request(&source, "1", "one", &manifest), observer)
}

/// Files of which each fills a pack.
fn large_files(tree: &Path, seed: u64) {
    std::fs::create_dir_all(tree).unwrap();
    let mut state = seed | 1;
    for name in ["a", "b", "c"] {
        let mut content = Vec::with_capacity(18 << 20);
        while content.len() < 18 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            content.extend_from_slice(&state.to_le_bytes());
        }
        std::fs::write(tree.join(name), content).unwrap();
    }
}

/// restic, stopped while it holds an exclusive lock.
struct Stopped(std::process::Child);

impl Stopped {
    fn with_lock(location: &Path, key: &Secret) -> Stopped {
        let locks = location.join("locks");
        for _ in 0..50 {
            let mut child = restic_command(location, key, &["check"]);
            let mut child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
            let began = Instant::now();
            // It writes a file of a longer name first.
            let names = || {
                let mut names = files_below(&locks);
                names.retain(|path| path.file_name().is_some_and(|name| name.len() == 64));
                names
            };
            while names().is_empty() && child.try_wait().unwrap().is_none() && began.elapsed() < DEADLINE {
                std::thread::yield_now();
            }
            common::run("kill", &["-STOP", &child.id().to_string()].map(std::ffi::OsStr::new));
            if names().len() == 1 && child.try_wait().unwrap().is_none() {
                return Stopped(child);
            }
            child.kill().unwrap();
            child.wait().unwrap();
            files_below(&locks).iter().for_each(|name| std::fs::remove_file(name).unwrap());
        }
        panic!("restic never held a lock");
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn restic_waits_for_a_backup_and_removes_no_living_lock() {
    // `restic unlock` sends SIGHUP to anyone who holds a lock on this host.
    lifeboat_sys::ending::on_signals().unwrap();
    let scratch = scratch();
    let (tree, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    large_files(&tree, 7);
    let (repository, key) = repository(&location);
    let (report, warnings) = in_the_middle(
        "read",
        |gate| save(&repository, &tree, gate),
        || {
            let (listed, locks) = restic(&location, &key, &["--no-lock", "list", "locks"]);
            assert!(listed && locks.trim().len() == 64, "{locks}");
            let (_, lock) = restic(&location, &key, &["--no-lock", "cat", "lock", locks.trim()]);
            let pid = format!("\"pid\": {}", std::process::id());
            assert!(lock.contains(&pid) && lock.contains("\"exclusive\": false"), "{lock}");
            let (pruned, reported) = restic(&location, &key, &["prune"]);
            assert!(!pruned && reported.contains("already locked"), "{reported}");
            assert!(restic(&location, &key, &["unlock"]).0);
            assert_eq!(files_below(&location.join("locks")).len(), 1, "a living lock stays");
            // What needs the repository alone waits, what adds to it does not.
            let added = repository.add_key(&Secret::generate().unwrap(), "h").unwrap();
            let refused = repository.remove_key(&added).unwrap_err();
            assert!(matches!(refused, ArchiveError::Locked { exclusive: false, .. }), "{refused}");
            let other = scratch.path().join("other");
            std::fs::create_dir(&other).unwrap();
            backup(&repository, &FileTree::new(&other));
        },
    );
    assert_eq!((report.unwrap().problems, warnings.as_str()), (vec![], ""));
    assert_eq!(files_below(&location.join("locks")), Vec::<std::path::PathBuf>::new());
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    drop(repository);
    let (checked, reported) = restic(&location, &key, &["check", "--read-data"]);
    assert!(checked, "{reported}");
}

#[test]
fn a_backup_refuses_while_restic_holds_the_repository_alone() {
    let scratch = scratch();
    let (tree, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    large_files(&tree, 8);
    let (repository, key) = repository(&location);
    save(&repository, &tree, &Quiet).unwrap();
    let alone = Stopped::with_lock(&location, &key);
    let pid = alone.0.id();
    let refused = save(&repository, &tree, &Quiet).unwrap_err();
    assert!(matches!(refused, ArchiveError::Locked { exclusive: true, .. }), "{refused}");
    let reported = refused.to_string();
    assert!(reported.contains(&format!("process {pid} of ")) && reported.contains("restic unlock"), "{reported}");
    assert!(repository.verify(&Quiet).is_err(), "it could not tell damage from what is removed");
    assert_eq!(repository.snapshots().unwrap().len(), 1);
    // A restore is not held up on the worst day, but says so.
    let (target, warnings) = (scratch.path().join("target"), Warnings::default());
    std::fs::create_dir(&target).unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    let options = RestoreOptions::default();
    let restored = repository.restore(&snapshot, &target, &Selection::Everything, &options, &warnings).unwrap();
    assert_eq!(restored.problems, []);
    assert!(warnings.text().contains("locked exclusively"), "{}", warnings.text());
    // Its process is gone: the lock is stale.
    alone.kill();
    assert_eq!(files_below(&location.join("locks")).len(), 1);
    save(&repository, &tree, &Quiet).unwrap();
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    drop(repository);
    assert!(restic(&location, &key, &["unlock"]).0);
    assert!(files_below(&location.join("locks")).is_empty());
}

#[test]
fn a_lock_can_be_waited_for() {
    let scratch = scratch();
    let (tree, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    std::fs::create_dir(&tree).unwrap();
    let (mut repository, key) = repository(&location);
    let alone = Stopped::with_lock(&location, &key);
    repository.wait_for_locks(DEADLINE);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| save(&repository, &tree, &Quiet));
        // It ends while the other one waits, or before that one has looked.
        alone.kill();
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn what_was_pruned_beside_a_backup_is_stored_again() {
    let scratch = scratch();
    let (tree, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    large_files(&tree, 9);
    let (repository, key) = repository(&location);
    let (report, warnings) = in_the_middle(
        "read",
        |gate| save(&repository, &tree, gate),
        || {
            let began = Instant::now();
            while files_below(&location.join("data")).is_empty() {
                assert!(began.elapsed() < DEADLINE, "no pack was written");
                std::thread::yield_now();
            }
            // Somebody who knows better.
            assert!(restic(&location, &key, &["unlock", "--remove-all"]).0);
            let (pruned, reported) = restic(&location, &key, &["prune"]);
            assert!(pruned, "{reported}");
        },
    );
    assert_eq!(report.unwrap().problems, []);
    assert!(warnings.contains("the backup begins again"), "{warnings}");
    let snapshot = repository.find_snapshot("latest").unwrap();
    assert_restores(&repository, &snapshot, &tree);
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    drop(repository);
    assert!(restic(&location, &key, &["check", "--read-data"]).0);
}

#[test]
fn a_pack_that_vanishes_beside_a_backup_is_stored_again() {
    let scratch = scratch();
    let (tree, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    large_files(&tree, 10);
    let (repository, _) = repository(&location);
    save(&repository, &tree, &Quiet).unwrap();
    let old = files_below(&location.join("data"));
    std::fs::write(tree.join("new"), "x").unwrap();
    // Nobody asks for a lock who removes files by hand; the lock is held all the time.
    let removed = |gate: &Gate| save(&repository, &tree, gate);
    let (report, warnings) =
        in_the_middle("read", removed, || old.iter().for_each(|path| std::fs::remove_file(path).unwrap()));
    assert_eq!(report.unwrap().problems, []);
    assert!(warnings.contains("disappeared during the backup") && warnings.contains("begins again"), "{warnings}");
    let snapshot = repository.find_snapshot("latest").unwrap();
    assert_restores(&repository, &snapshot, &tree);
}

#[test]
fn reading_locks_where_it_can_be_written_and_never_on_a_medium() {
    let scratch = scratch();
    let (tree, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    large_files(&tree, 11);
    let (created, key) = repository(&location);
    save(&created, &tree, &Quiet).unwrap();
    drop(created);
    let locks = location.join("locks");
    for (place, count) in [(Place::Folder(location.clone()), 1), (Place::Sealed(location.clone()), 0)] {
        let repository = Repository::open_at(&place, &key).unwrap();
        let verify = |gate: &Gate| repository.verify(gate).unwrap().problems.len();
        let (problems, _) = in_the_middle("verify", verify, || assert_eq!(files_below(&locks).len(), count));
        assert_eq!(problems, 0);
        drop(repository);
        assert!(files_below(&locks).is_empty());
    }
}

#[test]
fn a_torn_or_foreign_lock_holds_nobody_up() {
    let scratch = scratch();
    let (tree, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    std::fs::create_dir(&tree).unwrap();
    let (repository, _) = repository(&location);
    let locks = location.join("locks");
    // Cut off by a crash, and of another repository.
    std::fs::write(locks.join("ab".repeat(32)), "").unwrap();
    std::fs::write(locks.join("cd".repeat(32)), vec![7; 200]).unwrap();
    std::fs::create_dir(locks.join("ef".repeat(32))).unwrap();
    save(&repository, &tree, &Quiet).unwrap();
    std::fs::remove_dir(locks.join("ef".repeat(32))).unwrap();
    std::fs::remove_file(locks.join("cd".repeat(32))).unwrap();
    assert_eq!(files_below(&locks).len(), 1);
}
