//! A snapshot is copied into another repository, with another key.

mod common;

use common::{backup, repository, scratch};
use lifeboat_archive::{FileTree, Quiet, Selection};

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
