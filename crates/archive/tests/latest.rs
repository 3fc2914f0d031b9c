//! Which snapshot is the latest: this machine's, by the order of writing, whatever clocks said and restic rewrote.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Warnings, machine_manifest, machine_request, repository, restic, scratch};
use lifeboat_archive::{FileTree, Owner, Quiet, Repository};
use std::path::Path;

/// Backs up as a machine whose clock is wrong by so much; gives the snapshot's id and the warnings.
fn save(repository: &Repository, tree: &Path, id: &str, name: &str, clock_days: i64) -> (String, String) {
    let (source, manifest) = (FileTree::new(tree), machine_manifest(id, name));
    let mut request = machine_request(&source, id, name, &manifest);
    request.started = Some(jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * clock_days));
    let warnings = Warnings::default();
    let report = repository.backup(&request, &warnings).unwrap();
    (report.snapshot, warnings.text())
}

fn place() -> (tempfile::TempDir, std::path::PathBuf, Repository, lifeboat_archive::Secret) {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("file"), "content").unwrap();
    let (repository, key) = repository(&scratch.path().join("repository"));
    (scratch, tree, repository, key)
}

#[test]
fn a_clock_that_was_ahead_or_behind_changes_nothing() {
    let (_scratch, tree, repository, _) = place();
    let machine = Owner::new("1", "box");
    let latest = || repository.latest_of(&machine).unwrap().id;
    let mut ids = vec![];
    for (days, warns) in [(0, false), (3650, false), (0, true), (-18_000, true), (0, true)] {
        let (id, warnings) = save(&repository, &tree, "1", "box", days);
        assert_eq!(latest(), id);
        assert_eq!(warnings.contains("one of the two clocks"), warns, "{days}: {warnings}");
        ids.push(id);
    }
    let listed = repository.snapshots().unwrap();
    assert_eq!(listed.iter().map(|snapshot| snapshot.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(
        listed.iter().map(lifeboat_archive::SnapshotInfo::is_ahead).collect::<Vec<_>>(),
        [false, true, false, false, false]
    );
}

#[test]
fn machines_are_distinguished_by_id_and_foreign_snapshots_are_nobodys() {
    let (scratch, tree, repository, key) = place();
    let (first, _) = save(&repository, &tree, "1", "box", 0);
    let (second, _) = save(&repository, &tree, "2", "box", 0);
    let location = scratch.path().join("repository");
    let (saved, reported) = restic(&location, &key, &["backup", "--host", "box", tree.to_str().unwrap()]);
    assert!(saved, "{reported}");
    assert_eq!(repository.snapshots().unwrap().len(), 3);
    assert_eq!(repository.latest_of(&Owner::new("1", "renamed")).unwrap().id, first);
    assert_eq!(repository.latest_of(&Owner::new("2", "box")).unwrap().id, second);
    let none = repository.latest_of(&Owner::new("3", "box")).unwrap_err().to_string();
    assert!(none.contains("'box' (1)") && none.contains("'box' (2)") && none.contains(&first[..8]), "{none}");
    let machines: Vec<_> =
        repository.machines().unwrap().into_iter().map(|(owner, latest)| (owner.id, latest.id)).collect();
    assert_eq!(machines, [("1".to_owned(), first), ("2".to_owned(), second)]);
}

#[test]
fn what_restic_rewrites_keeps_its_place() {
    let (scratch, tree, repository, key) = place();
    let location = scratch.path().join("repository");
    save(&repository, &tree, "1", "box", 400);
    std::fs::write(tree.join("file"), "second").unwrap();
    let (second, _) = save(&repository, &tree, "1", "box", 0);
    save(&repository, &tree, "2", "other", 0);
    let content = |repository: &Repository| {
        let latest = repository.latest_of(&Owner::new("1", "box")).unwrap();
        String::from_utf8(repository.read_file(&latest, Path::new("/file")).unwrap()).unwrap()
    };
    assert_eq!(content(&repository), "second");
    // Their ids are others afterwards.
    assert!(restic(&location, &key, &["tag", "--add", "kept"]).0);
    assert!(repository.find_snapshot(&second).is_err());
    assert_eq!(content(&repository), "second");
    let latest = repository.latest_of(&Owner::new("1", "box")).unwrap();
    assert_eq!(latest.tags, ["kept"]);
    // Into another repository, by restic and by us.
    let copies = ["by-restic", "by-us"].map(|name| scratch.path().join(name));
    let opened: Vec<(Repository, lifeboat_archive::Secret)> =
        copies.iter().map(|copy| common::repository(copy)).collect();
    let password = scratch.path().join("password");
    std::fs::write(&password, key.expose()).unwrap();
    let from = ["copy", "--repo2", location.to_str().unwrap(), "--password-file2", password.to_str().unwrap()];
    let (copied, reported) = restic(&location, &key, &["version"]);
    assert!(copied, "{reported}");
    // restic 0.14 names the source with --from-repo.
    let from = if reported.contains("restic 0.13") {
        from
    } else {
        ["copy", "--from-repo", location.to_str().unwrap(), "--from-password-file", password.to_str().unwrap()]
    };
    let (copied, reported) = restic(&copies[0], &opened[0].1, &from);
    assert!(copied, "{reported}");
    for snapshot in repository.snapshots().unwrap().iter().rev() {
        repository.copy_snapshot(snapshot, &opened[1].0).unwrap();
    }
    assert_eq!(content(&opened[0].0), "second");
    assert_eq!(content(&opened[1].0), "second");
}

#[test]
fn snapshots_of_earlier_releases_have_no_marks_and_stay_usable() {
    let (scratch, tree, repository, key) = place();
    let location = scratch.path().join("repository");
    save(&repository, &tree, "1", "box", 500);
    save(&repository, &tree, "2", "box", 0);
    std::fs::write(tree.join("file"), "second").unwrap();
    // Times in a snapshot are what an earlier release goes by: they must differ.
    save(&repository, &tree, "1", "box", 0);
    assert!(restic(&location, &key, &["tag", "--set", "nothing"]).0);
    let content = |id: &str| {
        let latest = repository.latest_of(&Owner::new(id, "box")).unwrap();
        String::from_utf8(repository.read_file(&latest, Path::new("/file")).unwrap()).unwrap()
    };
    assert_eq!((content("1").as_str(), content("2").as_str()), ("second", "content"));
    assert_eq!(repository.snapshots_of(&Owner::new("1", "box")).unwrap().len(), 2);
    // The next backup takes the right one as its parent, and is the latest.
    std::fs::write(tree.join("file"), "third").unwrap();
    save(&repository, &tree, "1", "box", 0);
    assert_eq!(content("1"), "third");
}

#[test]
fn the_parent_is_the_same_machines_latest() {
    let (_scratch, tree, repository, _) = place();
    save(&repository, &tree, "1", "box", 3650);
    save(&repository, &tree, "2", "box", 0);
    save(&repository, &tree, "1", "renamed", 0);
    let (source, manifest) = (FileTree::new(&tree), machine_manifest("1", "box"));
    let report = repository.backup(&machine_request(&source, "1", "box", &manifest), &Quiet).unwrap();
    assert_eq!((report.new, report.changed, report.unchanged), (0, 0, 1));
}
