//! What a user can put into his home so that a backup takes long or much: giants of holes, directories in each other.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::changing::{after_walk, messages, paths, restore, tree};
use common::{Disk, Warnings, backup, backup_with, repository, scratch};
use lifeboat_archive::{FileTree, Quiet, Selection};

#[test]
fn root_giants_of_holes_are_kept_exactly() {
    let scratch = scratch();
    let mount = scratch.path().join("t");
    std::fs::create_dir(&mount).unwrap();
    run!("mount", "-t", "tmpfs", "-o", "size=64m", "none", &mount);
    let tree = mount.join("tree");
    std::fs::create_dir(&tree).unwrap();
    let file = |name: &str, size: u64, data: &[u64]| {
        let file = std::fs::File::create(tree.join(name)).unwrap();
        for at in data {
            std::os::unix::fs::FileExt::write_all_at(&file, format!("data at {at}").as_bytes(), *at).unwrap();
        }
        file.set_len(size).unwrap();
    };
    file("all", i64::MAX as u64, &[]);
    file("some", 1 << 60, &[0, (1 << 40) + 5, (1 << 59) + 123_456_789]);
    file("end", i64::MAX as u64, &[i64::MAX as u64 - 4096]);
    file("usual", 3 << 30, &[1 << 30]);
    for number in 0..40 {
        file(&format!("many{number}"), 16 << 40, &[number << 39]);
    }
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup(&repository, &FileTree::new(&tree));
    assert!(report.bytes_added < 10 << 20, "{}", report.bytes_added);
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    let again = backup(&repository, &FileTree::new(&tree));
    assert_eq!(again.new, 0);
    let out = mount.join("out");
    assert_eq!(restore(&repository, &out, &Selection::Everything), Vec::<String>::new());
    let snapshot = repository.find_snapshot("latest").unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&out), &Selection::Everything, &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
    let some = std::fs::File::open(out.join("some")).unwrap();
    let mut buffer = [0; 12];
    std::os::unix::fs::FileExt::read_exact_at(&some, &mut buffer, (1 << 40) + 5).unwrap();
    assert_eq!(&buffer, b"data at 1099");
    drop(some);
    // Comparing notices data where the archive has a hole.
    std::os::unix::fs::FileExt::write_all_at(
        &std::fs::File::options().write(true).open(out.join("all")).unwrap(),
        b"x",
        1 << 50,
    )
    .unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&out), &paths(&["/all"]), &Quiet).unwrap();
    assert!(!compared.differences.is_empty());
    run!("umount", &mount);
}

#[test]
fn root_a_file_that_becomes_a_giant_after_the_walk_is_bounded() {
    let scratch = scratch();
    let mount = scratch.path().join("t");
    std::fs::create_dir(&mount).unwrap();
    run!("mount", "-t", "tmpfs", "-o", "size=64m", "none", &mount);
    let tree = tree(&mount, &[("d/file", "small")]);
    let act = || {
        std::fs::File::options().write(true).open(tree.join("d/file")).unwrap().set_len(1 << 61).unwrap();
    };
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup_with(&repository, &FileTree::new(&tree), &after_walk(2, act));
    assert_eq!(messages(&report.problems), ["/d/file: changed while being read: it grew during the backup"]);
    let out = mount.join("out");
    assert_eq!(restore(&repository, &out, &Selection::Everything), Vec::<String>::new());
    assert_eq!(out.join("d/file").metadata().unwrap().len(), 1 << 61);
    run!("umount", &mount);
}

#[test]
fn root_more_content_than_the_filesystem_has_is_named() {
    const MIB: u64 = 1 << 20;
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 320, &["mkfs.xfs", "-q", "-m", "reflink=1"]);
    let path = disk.mount.join("home");
    std::fs::create_dir(&path).unwrap();
    let piece = path.join("piece");
    let bytes: Vec<u8> = (0..16 * MIB as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(&piece, bytes).unwrap();
    let giant = path.join("giant");
    std::fs::File::create(&giant).unwrap();
    for number in 0..25 {
        let command = format!("reflink {} 0 {} {}", piece.display(), number * 16 * MIB, 16 * MIB);
        run!("xfs_io", "-c", &command, &giant);
    }
    // As large, but a hole.
    std::fs::File::create(path.join("hole")).unwrap().set_len(400 * MIB).unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    let warnings = Warnings::default();
    let report = backup_with(&repository, &FileTree::new(&disk.mount), &warnings);
    assert_eq!(report.problems, []);
    let reported = warnings.0.into_inner().unwrap();
    let giants: Vec<&String> = reported.iter().filter(|text| text.contains("more than its filesystem has")).collect();
    assert!(matches!(&giants[..], [one] if one.starts_with("/home/giant: ")), "{reported:?}");
}

#[test]
fn directories_in_each_other_are_saved_and_restored() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let depth = 5000_u64;
    run!(
        "python3",
        "-c",
        "import os,sys\nos.chdir(sys.argv[1])\nfor i in range(int(sys.argv[2])):\n os.mkdir('d')\n if i%7==0: open('f','w').write(str(i))\n if i%11==0: os.mkdir('z'); open('z/g','w').write(str(i))\n os.chdir('d')",
        &tree,
        &depth.to_string(),
    );
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup(&repository, &FileTree::new(&tree));
    let (files, beside) = (depth / 7 + 1, depth / 11 + 1);
    assert_eq!(report.entries, depth + files + 2 * beside + 1);
    let out = scratch.path().join("out");
    assert_eq!(restore(&repository, &out, &Selection::Everything), Vec::<String>::new());
    let snapshot = repository.find_snapshot("latest").unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&out), &Selection::Everything, &Quiet).unwrap();
    assert!(compared.is_same(), "{:?}", compared.differences.len());
    run!("rm", "-rf", &tree, &out);
}
