//! A snapshot is copied into another repository, with another key.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::stores::{self, Until};
use common::{backup, repository, restic, scratch};
use lifeboat_archive::{FileTree, Place, Quiet, Repository, Selection};
use std::sync::Arc;

#[test]
fn a_copied_snapshot_is_the_same_snapshot() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("directory/below")).unwrap();
    for number in 0..300_u32 {
        std::fs::write(tree.join(format!("directory/{number}")), number.to_string().repeat(number as usize)).unwrap();
    }
    std::fs::write(tree.join("large"), vec![b'x'; 20 << 20]).unwrap();
    let (from, _) = repository(&scratch.path().join("from"));
    backup(&from, &FileTree::new(&tree));
    std::fs::remove_file(tree.join("directory/7")).unwrap();
    backup(&from, &FileTree::new(&tree));
    let snapshot = from.find_snapshot("latest").unwrap();
    let (to, _) = repository(&scratch.path().join("to"));
    let copied = from.copy_snapshot(&snapshot, &to).unwrap();
    assert_eq!((&copied.time, &copied.host), (&snapshot.time, &snapshot.host));
    assert_eq!((copied.entries, copied.bytes), (snapshot.entries, snapshot.bytes));
    assert_eq!(to.find_snapshot("latest").unwrap(), copied);
    let verified = to.verify(&Quiet).unwrap();
    assert_eq!((verified.problems.len(), verified.snapshots, verified.entries), (0, 1, snapshot.entries));
    let compared = to.compare(&copied, &FileTree::new(&tree), &Selection::Everything, &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
    // Once more changes nothing.
    assert_eq!(from.copy_snapshot(&snapshot, &to).unwrap(), copied);
    assert_eq!(to.snapshots().unwrap().len(), 1);
}

/// A copy that dies at each of its changes leaves nothing that is no snapshot, and the next one continues.
#[test]
fn a_copy_that_was_killed_is_continued() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    for number in 0..12_u32 {
        let mut content = vec![0; 4 << 20];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut content);
        std::fs::write(tree.join(number.to_string()), content).unwrap();
    }
    let (from, _) = repository(&scratch.path().join("from"));
    backup(&from, &FileTree::new(&tree));
    let snapshot = from.find_snapshot("latest").unwrap();
    let location = scratch.path().join("to");
    let (_, key) = repository(&location);
    let mut died = 0;
    for changes in 0..100 {
        let until = Until { changes: Some(changes), ..Until::default() };
        let place = Place::Files(Arc::new(stores::at(&location, until)));
        let result = Repository::open_at(&place, &key).and_then(|to| from.copy_with(&snapshot, &to, &Quiet).map(drop));
        let to = Repository::open(&location, &key).unwrap();
        let copies = to.snapshots().unwrap();
        let verified = to.verify(&Quiet).unwrap();
        assert_eq!(verified.problems.len(), 0, "{changes}: {:?}", verified.problems);
        if result.is_ok() || !copies.is_empty() {
            assert_eq!(copies.len(), 1, "{changes}");
            break;
        }
        died += 1;
    }
    assert!(died > 3, "{died}");
    let to = Repository::open(&location, &key).unwrap();
    let copied = from.copy_of(&snapshot, &to).unwrap().unwrap();
    let compared = to.compare(&copied, &FileTree::new(&tree), &Selection::Everything, &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
    // What the dead ones wrote was used: not much more than one copy is there.
    let bytes: u64 =
        common::files_below(&location.join("data")).iter().map(|pack| pack.metadata().unwrap().len()).sum();
    assert!(bytes < 80 << 20, "{bytes}");
    let (whole, reported) = restic(&location, &key, &["--no-lock", "check", "--read-data"]);
    assert!(whole, "{reported}");
}
