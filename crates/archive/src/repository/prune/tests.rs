//! Indexes that say what is not true: by a defect, or because somebody with the key wrote them.

use super::*;
use crate::repository::index_file::BlobKind;
use crate::repository::{BackupRequest, RepositoryOptions};
use crate::{FileTree, Quiet, RestoreOptions, Secret, Selection};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn eager() -> PruneOptions {
    PruneOptions { grace: Duration::ZERO, max_unused: MaxUnused::Bytes(0), ..PruneOptions::default() }
}

fn save(repository: &Repository, tree: &Path) {
    let manifest = |entries: u64, bytes: u64| Ok(format!("{{\"entries\":{entries},\"bytes\":{bytes}}}").into_bytes());
    let request = BackupRequest {
        source: &FileTree::new(tree),
        host: "h".to_owned(),
        machine_id: "1".to_owned(),
        tags: vec![],
        program: "test".to_owned(),
        machine: b"{}".to_vec(),
        manifest: &manifest,
        reread: false,
        beside: vec![],
        started: None,
    };
    repository.backup(&request, &Quiet).unwrap();
}

/// Content that does not compress.
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    };
    (0..length / 8).flat_map(|_| next()).collect()
}

/// A repository with one snapshot of `tree` and another that is forgotten, of files that share packs with those.
fn with_waste(folder: &Path) -> (Repository, Secret) {
    let tree = folder.join("tree");
    std::fs::create_dir(&tree).unwrap();
    let key = Secret::generate().unwrap();
    let repository = Repository::init(&folder.join("repository"), &key, &RepositoryOptions::default()).unwrap();
    (1..20).for_each(|n| std::fs::write(tree.join(format!("f{n}")), noise(n, 50_000)).unwrap());
    save(&repository, &tree);
    (1..15).for_each(|n| std::fs::remove_file(tree.join(format!("f{n}"))).unwrap());
    std::fs::write(tree.join("new"), noise(99, 50_000)).unwrap();
    save(&repository, &tree);
    let first = repository.snapshots().unwrap().remove(0);
    repository.forget(&[first]).unwrap();
    (repository, key)
}

fn restic(folder: &Path, key: &Secret, arguments: &[&str]) {
    let mut call = Command::new("restic");
    call.args(["--no-cache", "--repo"]).arg(folder.join("repository")).args(arguments);
    let output = call.env("RESTIC_PASSWORD", key.expose()).output().unwrap();
    let reported = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{arguments:?}: {reported}");
}

/// Replaces all index files, prunes, has restic read all packs again, and restores the snapshot.
fn lied(lie: &dyn Fn(&mut Vec<IndexPack>)) {
    let folder = tempfile::tempdir().unwrap();
    let (repository, key) = with_waste(folder.path());
    let store = &repository.store;
    let mut packs = vec![];
    for id in store.list(FileType::Index).unwrap() {
        packs.extend(store.read_index(&(id, 0)).unwrap().packs);
        store.remove(FileType::Index, &id).unwrap();
    }
    packs.sort_by_key(|pack| pack.id);
    lie(&mut packs);
    store.write_index(&IndexFile { packs, ..IndexFile::default() }).unwrap();
    for _ in 0..3 {
        match repository.prune(&eager(), &Quiet) {
            Ok(_) | Err(ArchiveError::Unsafe { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    // The packs themselves are the truth.
    restic(folder.path(), &key, &["rebuild-index", "--read-all-packs"]);
    restic(folder.path(), &key, &["check", "--read-data"]);
    let snapshot = repository.snapshots().unwrap().pop().unwrap();
    let target = folder.path().join("restored");
    std::fs::create_dir(&target).unwrap();
    let options = RestoreOptions::default();
    let report = repository.restore(&snapshot, &target, &Selection::Everything, &options, &Quiet).unwrap();
    assert_eq!(report.problems, []);
    let same = Command::new("diff").arg("-r").arg(folder.path().join("tree")).arg(&target).status().unwrap();
    assert!(same.success());
}

#[test]
fn each_pack_is_said_to_hold_what_the_next_one_holds() {
    lied(&|packs| {
        let ids: Vec<Id> = packs.iter().map(|pack| pack.id).collect();
        packs.iter_mut().enumerate().for_each(|(number, pack)| pack.id = ids[(number + 1) % ids.len()]);
    });
}

#[test]
fn everything_is_said_to_be_in_one_pack_as_well() {
    for which in 0..3 {
        lied(&move |packs| {
            let all = packs.iter().flat_map(|pack| pack.blobs.clone()).collect();
            let number = which % packs.len();
            packs[number].blobs = all;
        });
    }
}

#[test]
fn what_is_needed_is_said_to_be_something_else() {
    lied(&|packs| packs.iter_mut().flat_map(|pack| &mut pack.blobs).for_each(|blob| blob.id = [0xab; 32]));
    // Only in every second pack; the others are said to hold its blobs in their own places.
    lied(&|packs| {
        let all: Vec<_> = packs.iter().flat_map(|pack| pack.blobs.clone()).collect();
        for pack in packs.iter_mut().step_by(2) {
            pack.blobs.iter_mut().for_each(|blob| blob.id = [0xcd; 32]);
        }
        if let Some(pack) = packs.get_mut(1) {
            pack.blobs.extend(all);
        }
    });
}

#[test]
fn blobs_are_said_to_be_where_others_are() {
    lied(&|packs| {
        for pack in packs {
            let ids: Vec<Id> = pack.blobs.iter().map(|blob| blob.id).collect();
            pack.blobs.iter_mut().enumerate().for_each(|(number, blob)| blob.id = ids[(number + 1) % ids.len()]);
        }
    });
}

/// All of a repository's snapshots are restored as the tree was saved last.
fn assert_whole(folder: &Path, repository: &Repository) {
    let snapshot = repository.snapshots().unwrap().pop().unwrap();
    let target = folder.join("whole");
    std::fs::create_dir(&target).unwrap();
    let report = repository.restore(&snapshot, &target, &Selection::Everything, &RestoreOptions::default(), &Quiet);
    assert_eq!(report.unwrap().problems, []);
    let same = Command::new("diff").arg("-r").arg(folder.join("tree")).arg(&target).status().unwrap();
    assert!(same.success());
}

/// Two machines that save the same at one moment leave two copies; the one in the pack that is needed most is damaged.
#[test]
fn of_two_copies_the_one_that_can_be_read_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (repository, _) = with_waste(folder.path());
    let store = &repository.store;
    let index = store.load_index().unwrap();
    let mut needed = Needed::default();
    let snapshots = repository.snapshots().unwrap();
    needed::read(store, &index, &snapshots, &mut needed, &Quiet).unwrap();
    let mut copied = vec![];
    needed.for_each(&mut |kind, id, home| {
        if kind == BlobKind::Data && copied.len() < 2 {
            copied.push((kind, *id));
        }
        home
    });
    assert_eq!(copied.len(), 2);
    rewrite::copy(store, &index, &copied, &Quiet).unwrap();
    for (kind, id) in &copied {
        let place = index.get(*kind, id).unwrap();
        let path = store.folder_path(FileType::Pack, &index.packs[place.pack as usize]).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[place.offset as usize + 20] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    for _ in 0..3 {
        repository.prune(&eager(), &Quiet).unwrap();
    }
    assert_whole(folder.path(), &repository);
}

/// Whoever has the key may write notes; a pack goes only when nothing is named in it.
#[test]
fn a_note_that_says_that_packs_are_not_needed_is_no_proof() {
    let folder = tempfile::tempdir().unwrap();
    let (repository, _) = with_waste(folder.path());
    let store = &repository.store;
    let packs = store.list(FileType::Pack).unwrap();
    let damage = super::super::index_file::Damage { unneeded: true, ..Default::default() };
    let notes = packs.iter().map(|pack| (*pack, damage.clone())).collect();
    store.write_index(&IndexFile::of_notes(&notes)).unwrap();
    save(&repository, &folder.path().join("tree"));
    let there = store.list(FileType::Pack).unwrap();
    assert!(packs.iter().all(|pack| there.contains(pack)));
    assert_whole(folder.path(), &repository);
}
