//! A backup that is killed at any moment leaves a repository that is whole, and the next backup succeeds.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{backup, repository, scratch};
use lifeboat_archive::{FileTree, Quiet, Repository, RestoreOptions, Secret, Selection};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Set for the child that is to be killed: repository, key and tree.
const CHILD: &str = "LIFEBOAT_ARCHIVE_TEST_CHILD";

/// How many backups are killed, each a little later than the one before.
const MOMENTS: u32 = 20;

/// What the child runs; by itself it has nothing to do.
#[test]
fn child_backs_up() {
    let Ok(words) = std::env::var(CHILD) else { return };
    let words: Vec<&str> = words.split('\n').collect();
    let [location, key, tree] = words[..] else { panic!("{words:?}") };
    let repository = Repository::open(Path::new(location), &Secret::new(key)).unwrap();
    common::backup_with(&repository, &FileTree::new(tree), &Quiet);
}

/// Makes 64 files of which all content is new.
fn renew(tree: &Path, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for number in 0..64 {
        let mut content = Vec::with_capacity(1 << 20);
        while content.len() < 1 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            content.extend_from_slice(&state.to_le_bytes());
        }
        std::fs::write(tree.join(format!("{number}")), content).unwrap();
    }
}

#[test]
fn root_killed_at_twenty_moments() {
    let scratch = scratch();
    let (tree, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    std::fs::create_dir(&tree).unwrap();
    let (_, key) = repository(&location);
    let start = || {
        let words = [location.to_str().unwrap(), key.expose(), tree.to_str().unwrap()].join("\n");
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_backs_up", "--quiet"]).env(CHILD, words).stdout(std::process::Stdio::null());
        child.spawn().unwrap()
    };
    renew(&tree, 1000);
    let begun = Instant::now();
    assert!(start().wait().unwrap().success());
    let mut whole = begun.elapsed();
    let (mut killed, mut seed) = (0, 0);
    while killed < MOMENTS {
        seed += 1;
        assert!(seed < 10 * MOMENTS, "only {killed} of {MOMENTS} backups could be killed in time");
        renew(&tree, seed.into());
        let begun = Instant::now();
        let mut child = start();
        let deadline = begun + whole * killed / MOMENTS + Duration::from_millis(2);
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        match child.wait().unwrap().success() {
            // The host is quieter than it was: the same part of what it takes now.
            true => whole = whole.min(begun.elapsed()),
            false => killed += 1,
        }
        let repository = Repository::open(&location, &key).unwrap();
        assert_eq!(repository.verify(&Quiet).unwrap().problems, [], "killed after {killed}/{MOMENTS} of {whole:?}");
    }
    let repository = Repository::open(&location, &key).unwrap();
    backup(&repository, &FileTree::new(&tree));
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    let target: PathBuf = scratch.path().join("target");
    std::fs::create_dir(&target).unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    repository.restore(&snapshot, &target, &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&tree), &Selection::Everything, &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
}
