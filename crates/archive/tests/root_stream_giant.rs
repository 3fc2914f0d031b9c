//! Streams take little memory, however large files are. The only test of its program: memory is counted for the whole of it.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::streams::{open, save};
use common::{Disk, scratch};
use lifeboat_archive::stream::{PipeSource, Stream};
use lifeboat_archive::{FileTree, Quiet, RestoreOptions, Secret, Selection};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

/// The most memory that this process had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn root_giants_take_little_memory() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 2048, &["mkfs.xfs", "-q"]);
    let tree = disk.mount.join("tree");
    std::fs::create_dir(&tree).unwrap();
    // 200 GB with data here and there (XFS allocates more than is written), and 400 MB without holes.
    let sparse = std::fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(200 << 30).unwrap();
    for number in 0..5000_u64 {
        sparse.write_all_at(&number.to_le_bytes().repeat(512), number * (40 << 20)).unwrap();
    }
    let dense = std::fs::File::create(tree.join("dense")).unwrap();
    for number in 0..400_u64 {
        let part: Vec<u8> = (0..1_u64 << 17)
            .flat_map(|at| ((at * 31) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect();
        dense.write_all_at(&part, number << 20).unwrap();
    }
    drop((sparse, dense));
    let key = Secret::generate().unwrap();
    let path = scratch.path().join("set");
    assert_eq!(save(&FileTree::new(&tree), &path, None, &key).report.problems, []);
    for from_pipe in [false, true] {
        let target = disk.mount.join("restored");
        std::fs::create_dir(&target).unwrap();
        let mut stream = match from_pipe {
            false => open(&path, &key),
            true => Stream::open(PipeSource(Some(std::fs::File::open(&path).unwrap())), &key).unwrap(),
        };
        let report = stream.restore(&target, &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap();
        assert_eq!(report.problems, []);
        let restored = target.join("sparse").metadata().unwrap();
        assert_eq!(restored.len(), 200 << 30);
        assert!(restored.blocks() * 512 < 1 << 30, "{} blocks", restored.blocks());
        let compared = open(&path, &key).compare(&FileTree::new(&target), &Selection::Everything, &Quiet).unwrap();
        assert!(compared.is_same(), "{compared:?}");
        std::fs::remove_dir_all(&target).unwrap();
    }
    assert_eq!(open(&path, &key).verify(&Quiet).unwrap().problems, []);
    let peak = peak();
    println!("{} MB at most", peak >> 20);
    assert!(peak < 400 << 20, "{peak} bytes");
}
