//! A backup onto a repository that lost packs stores again what it needs of them, and says so.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Warnings, assert_restores, files_below, machine_manifest, machine_request, repository, restic, scratch};
use lifeboat_archive::{BackupReport, FileTree, Quiet, Repository, Secret};
use std::fs::File;
use std::path::Path;

fn save(repository: &Repository, tree: &Path, machine: &str) -> (BackupReport, String) {
    let (source, manifest) = (FileTree::new(tree), machine_manifest(machine, machine));
    let warnings = Warnings::default();
    let report = repository.backup(&machine_request(&source, machine, machine, &manifest), &warnings).unwrap();
    assert_eq!(report.problems, []);
    (report, warnings.text())
}

fn tree(at: &Path, seed: &str) {
    for number in 0..40 {
        let folder = at.join(format!("d{}", number % 5));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("f{number}")), format!("{seed}{number}").repeat(300 * number)).unwrap();
    }
}

fn shorten(pack: &Path, bytes: u64) {
    let size = pack.metadata().unwrap().len();
    File::options().write(true).open(pack).unwrap().set_len(size.saturating_sub(bytes)).unwrap();
}

#[test]
fn every_pack_that_is_lost_or_cut_short_is_stored_again() {
    type Damage<'a> = (&'a str, &'a dyn Fn(&Path));
    let damages: [Damage<'_>; 4] = [
        ("gone", &|pack| std::fs::remove_file(pack).unwrap()),
        ("empty", &|pack| shorten(pack, u64::MAX)),
        ("without its end", &|pack| shorten(pack, 1)),
        ("half", &|pack| shorten(pack, pack.metadata().unwrap().len() / 2)),
    ];
    for (name, damage) in damages {
        let scratch = scratch();
        let (tree_at, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
        tree(&tree_at, "x");
        let (repository, _) = repository(&location);
        save(&repository, &tree_at, "1");
        let packs = files_below(&location.join("data"));
        assert!(packs.len() >= 2);
        for pack in packs {
            damage(&pack);
            std::fs::write(tree_at.join("new"), format!("{name} {}", pack.display())).unwrap();
            let (report, warnings) = save(&repository, &tree_at, "1");
            // Those of which something is nowhere else any more stay lost, and are named until their snapshots are forgotten.
            assert!(report.lost_packs >= 1 && warnings.contains("missing or cut short"), "{name}: {warnings}");
            let snapshot = repository.find_snapshot(&report.snapshot).unwrap();
            assert_restores(&repository, &snapshot, &tree_at);
            let (again, warnings) = save(&repository, &tree_at, "1");
            assert!(again.stored_again == 0, "{name}: {warnings}");
        }
    }
}

#[test]
fn what_is_whole_in_packs_that_are_cut_short_is_kept_for_earlier_snapshots() {
    let scratch = scratch();
    let (tree_at, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    tree(&tree_at, "x");
    let (repository, key) = repository(&location);
    let (first, _) = save(&repository, &tree_at, "1");
    let earlier = scratch.path().join("earlier");
    run!("cp", "-a", &tree_at, &earlier);
    // Only the first snapshot has these now; nothing of them is behind the cut.
    ["d1", "d3"].iter().for_each(|folder| std::fs::remove_dir_all(tree_at.join(folder)).unwrap());
    let packs = files_below(&location.join("data"));
    packs.iter().for_each(|pack| shorten(pack, 3));
    let (report, warnings) = save(&repository, &tree_at, "1");
    assert_eq!((report.lost_packs, report.damaged_packs), (packs.len() as u64, 0));
    assert!(warnings.contains("everything that was lost is stored again"), "{warnings}");
    for (id, tree) in [(&first.snapshot, &earlier), (&report.snapshot, &tree_at)] {
        assert_restores(&repository, &repository.find_snapshot(id).unwrap(), tree);
    }
    assert!(packs.iter().all(|pack| !pack.exists()));
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    drop(repository);
    for words in [&["prune"][..], &["check", "--read-data"]] {
        let (well, reported) = restic(&location, &key, words);
        assert!(well, "{reported}");
    }
}

#[test]
fn what_only_another_machine_has_waits_for_it() {
    let scratch = scratch();
    let location = scratch.path().join("repository");
    let [one, two] = ["one", "two"].map(|name| scratch.path().join(name));
    tree(&one, "of the first");
    tree(&two, "of the second");
    let (repository, _) = repository(&location);
    save(&repository, &one, "1");
    let before = files_below(&location.join("data"));
    save(&repository, &two, "2");
    let second: Vec<_> =
        files_below(&location.join("data")).into_iter().filter(|pack| !before.contains(pack)).collect();
    second.iter().for_each(|pack| std::fs::remove_file(pack).unwrap());
    // The first machine cannot heal it, and does not hide it.
    let (report, _) = save(&repository, &one, "1");
    assert_eq!((report.lost_packs, report.stored_again), (second.len() as u64, 0));
    let snapshot = repository.find_snapshot(&report.snapshot).unwrap();
    assert_restores(&repository, &snapshot, &one);
    assert_ne!(repository.verify(&Quiet).unwrap().problems, []);
    let (report, _) = save(&repository, &two, "2");
    assert!(report.stored_again > 0);
    let snapshot = repository.find_snapshot(&report.snapshot).unwrap();
    assert_restores(&repository, &snapshot, &two);
    assert_eq!(repository.verify(&Quiet).unwrap().problems, [], "healed, and no index names what is gone");
}

#[test]
fn directories_that_do_not_decrypt_are_reported_and_stored_again() {
    let scratch = scratch();
    let (tree_at, location) = (scratch.path().join("tree"), scratch.path().join("repository"));
    tree(&tree_at, "y");
    let (repository, _): (Repository, Secret) = repository(&location);
    save(&repository, &tree_at, "1");
    // Packs keep their lengths: only reading them shows the damage. Those of directories are all damaged, contents are not.
    for pack in files_below(&location.join("data")) {
        let mut bytes = std::fs::read(&pack).unwrap();
        let whole = bytes.clone();
        for byte in bytes.iter_mut().take(4000) {
            *byte ^= 0x55;
        }
        std::fs::write(&pack, &bytes).unwrap();
        let (report, warnings) = save(&repository, &tree_at, "1");
        if warnings.is_empty() {
            // It was one of contents, which nothing but a verification finds.
            std::fs::write(&pack, &whole).unwrap();
            continue;
        }
        assert!(
            warnings.contains("is read again") && warnings.contains("directories of the previous snapshot"),
            "{warnings}"
        );
        let snapshot = repository.find_snapshot(&report.snapshot).unwrap();
        assert_restores(&repository, &snapshot, &tree_at);
        // The damaged pack goes, as the handbook says: all that it had is elsewhere.
        std::fs::remove_file(&pack).unwrap();
        save(&repository, &tree_at, "1");
        assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
        return;
    }
    panic!("no pack of directories was found");
}
