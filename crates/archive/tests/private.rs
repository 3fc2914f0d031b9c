//! Whatever the umask is, nobody else can read a file of a repository.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{backup, repository, scratch};
use lifeboat_archive::FileTree;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn modes(directory: &Path, found: &mut Vec<(String, u32)>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            modes(&path, found);
        } else {
            found.push((path.display().to_string(), metadata.permissions().mode() & 0o7777));
        }
    }
}

#[test]
fn files_of_a_repository_are_private() {
    // The only test of this program, because the umask is the whole process's.
    rustix::process::umask(rustix::fs::Mode::empty());
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("file"), "content").unwrap();
    let (one, _) = repository(&scratch.path().join("one"));
    backup(&one, &FileTree::new(&tree));
    let (two, _) = repository(&scratch.path().join("two"));
    one.copy_snapshot(&one.find_snapshot("latest").unwrap(), &two).unwrap();
    for name in ["one", "two"] {
        let mut found = vec![];
        modes(&scratch.path().join(name), &mut found);
        for part in ["config", "keys/", "index/", "snapshots/", "data/"] {
            assert!(found.iter().any(|(path, _)| path.contains(&format!("{name}/{part}"))), "{part} in {found:?}");
        }
        let open: Vec<_> = found.iter().filter(|(_, mode)| *mode != 0o600).collect();
        assert!(open.is_empty(), "{open:?}");
    }
}
