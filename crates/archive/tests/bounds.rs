//! What somebody without the key leaves on a share is damage like any other: it costs neither memory nor time.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{backup, machine_manifest, machine_request, repository, scratch};
use lifeboat_archive::{
    ArchiveError, BackupReport, FileTree, Place, Quiet, Repository, RepositoryOptions, RestoreOptions, Secret,
    Selection,
};
use lifeboat_remote::folder::Folder;
use lifeboat_remote::{Fault, Files, Kind, Patience};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// As much memory is in no machine; ext4 allows files of 16 TiB.
fn giant(path: &Path) {
    std::fs::File::create(path).unwrap().set_len(1 << 43).unwrap();
}

fn pipe(path: &Path) {
    let _ = std::fs::remove_file(path);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

fn endless(path: &Path) {
    let _ = std::fs::remove_file(path);
    std::os::unix::fs::symlink("/dev/zero", path).unwrap();
}

/// A tree with one file, a repository with a snapshot of it, and the key.
fn saved(scratch: &Path) -> (PathBuf, PathBuf, Secret) {
    let (tree, location) = (scratch.join("tree"), scratch.join("repository"));
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("f"), "content").unwrap();
    let (made, key) = repository(&location);
    backup(&made, &FileTree::new(&tree));
    (tree, location, key)
}

#[test]
fn giants_pipes_and_devices_on_a_share_are_damage() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("d")).unwrap();
    std::fs::write(tree.join("d/f"), "content").unwrap();
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    backup(&made, &FileTree::new(&tree));
    let key_file = std::fs::read_dir(location.join("keys")).unwrap().next().unwrap().unwrap().path();
    let strange = |directory: &str| location.join(directory).join("0".repeat(64));
    for (number, harm) in [giant, pipe, endless].into_iter().enumerate() {
        for file in [location.join("config"), key_file.clone(), strange("snapshots"), strange("index")] {
            harm(&file);
        }
        // A lock is listed before it is read; one that cannot be one stops nobody.
        harm(&strange("locks"));
        let patience = Patience::with("the share", Arc::new(|_| ()), Duration::from_secs(20), Duration::from_secs(600));
        let share = Place::Files(Arc::new(Folder::new(&location, "nfs://nas/x", patience)));
        for place in [share, Place::Folder(location.clone())] {
            let opened = Repository::open_at(&place, &key).unwrap();
            assert!(opened.damage().join("\n").contains("config"), "{number}: {:?}", opened.damage());
            let (snapshots, _) = opened.list_snapshots().unwrap();
            assert_eq!(snapshots.len(), 1, "{number}");
            let out = scratch.path().join("out");
            std::fs::create_dir(&out).unwrap();
            let options = RestoreOptions::default();
            let report = opened.restore(&snapshots[0], &out, &Selection::Everything, &options, &Quiet).unwrap();
            assert_eq!(report.problems.len(), 0, "{number}: {:?}", report.problems);
            assert_eq!(std::fs::read(out.join("d/f")).unwrap(), b"content");
            std::fs::remove_dir_all(out).unwrap();
        }
        // The next harm is done to files again.
        for file in
            [location.join("config"), key_file.clone(), strange("snapshots"), strange("index"), strange("locks")]
        {
            std::fs::remove_file(file).unwrap();
        }
    }
}

/// A share on which somebody counts how often the index is listed.
struct Counting(Folder, Arc<AtomicUsize>);

impl Files for Counting {
    fn place(&self) -> String {
        self.0.place()
    }
    fn list(&self, kind: Kind) -> Result<Vec<(String, u64)>, Fault> {
        self.1.fetch_add(usize::from(kind == Kind::Index), Ordering::Relaxed);
        self.0.list(kind)
    }
    fn read(&self, kind: Kind, name: &str) -> Result<Vec<u8>, Fault> {
        self.0.read(kind, name)
    }
    fn read_part(&self, kind: Kind, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        self.0.read_part(kind, name, offset, length)
    }
    fn write(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.0.write(kind, name, bytes)
    }
    fn remove(&self, kind: Kind, name: &str) -> Result<(), Fault> {
        self.0.remove(kind, name)
    }
    fn create(&self) -> Result<(), Fault> {
        self.0.create()
    }
    fn given_up(&self) -> Option<String> {
        self.0.given_up()
    }
}

#[test]
fn many_broken_index_files_are_listed_as_often_as_one() {
    let scratch = scratch();
    let (tree, location, key) = saved(scratch.path());
    let lists = |broken: u32| {
        for number in 0..broken {
            std::fs::write(location.join("index").join(format!("{number:064x}")), "junk").unwrap();
        }
        let patience = Patience::with("the share", Arc::new(|_| ()), Duration::from_secs(20), Duration::from_secs(600));
        let count = Arc::new(AtomicUsize::new(0));
        let share = Counting(Folder::new(&location, "nfs://nas/x", patience), Arc::clone(&count));
        backup(&Repository::open_at(&Place::Files(Arc::new(share)), &key).unwrap(), &FileTree::new(&tree));
        let left = std::fs::read_dir(location.join("index")).unwrap().flatten();
        assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with("0000")));
        count.load(Ordering::Relaxed)
    };
    assert_eq!(lists(1), lists(30));
}

/// Files of a size that is allowed, which took a writer nothing: they are not read.
#[test]
fn holes_make_nobody_read_for_minutes() {
    let scratch = scratch();
    let (_, location, key) = saved(scratch.path());
    let many = 200;
    for number in 0..many {
        for (directory, kind) in [("index", Kind::Index), ("snapshots", Kind::Snapshot), ("keys", Kind::Key)] {
            let file = std::fs::File::create(location.join(directory).join(format!("{number:064x}"))).unwrap();
            file.set_len(kind.largest()).unwrap();
        }
    }
    let opened = Repository::open_at(&Place::Folder(location), &key).unwrap();
    assert_eq!(opened.damage().iter().filter(|damage| damage.contains("key 0000")).count(), many);
    let (snapshots, unreadable) = opened.list_snapshots().unwrap();
    assert_eq!((snapshots.len(), unreadable.len()), (1, many));
    assert!(unreadable.iter().all(|one| one.cause.contains("but a hole")), "{:?}", unreadable[0]);
    let out = scratch.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let report =
        opened.restore(&snapshots[0], &out, &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!(report.problems.len(), 0, "{:?}", report.problems);
}

fn backup_of(repository: &Repository, tree: &Path) -> Result<BackupReport, ArchiveError> {
    let (source, manifest) = (FileTree::new(tree), machine_manifest("id", "machine"));
    repository.backup(&machine_request(&source, "id", "machine", &manifest), &Quiet)
}

/// Whoever may write to the repository, too, does not make root write, or remove, elsewhere.
#[test]
fn nothing_is_written_through_links_of_others() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = scratch();
    let (tree, elsewhere) = (scratch.path().join("tree"), scratch.path().join("elsewhere"));
    for folder in [&tree, &elsewhere] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(tree.join("f"), "content").unwrap();
    for directory in ["data", "index", "snapshots", "locks"] {
        let location = scratch.path().join(format!("with {directory}"));
        let (made, key) = repository(&location);
        backup(&made, &FileTree::new(&tree));
        drop(made);
        let (there, moved) = (location.join(directory), location.join("moved"));
        std::fs::rename(&there, &moved).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &there).unwrap();
        std::os::unix::fs::lchown(&there, Some(1234), None).unwrap();
        let opened = Repository::open_at(&Place::Folder(location.clone()), &key).unwrap();
        std::fs::write(tree.join("f"), format!("content before {directory}")).unwrap();
        let error = backup_of(&opened, &tree).unwrap_err().to_string();
        assert!(error.contains(&format!("{directory} is a symbolic link of user 1234")), "{directory}: {error}");
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0, "{directory}");
        // What root made is followed.
        std::os::unix::fs::lchown(&there, Some(0), None).unwrap();
        std::fs::remove_file(&there).unwrap();
        std::os::unix::fs::symlink("moved", &there).unwrap();
        backup_of(&opened, &tree).unwrap();
        assert!(moved.is_dir());
    }
}

/// A file with many names costs what one costs.
#[test]
fn a_file_with_many_names_is_read_once() {
    let scratch = scratch();
    let (_, location, key) = saved(scratch.path());
    let name = |number: u32| location.join("snapshots").join(format!("{number:064x}"));
    std::fs::write(name(0), vec![7; 1 << 20]).unwrap();
    for number in 1..50 {
        std::fs::hard_link(name(0), name(number)).unwrap();
    }
    let opened = Repository::open_at(&Place::Folder(location.clone()), &key).unwrap();
    let (snapshots, unreadable) = opened.list_snapshots().unwrap();
    assert_eq!((snapshots.len(), unreadable.len()), (1, 50));
    assert_eq!(unreadable.iter().filter(|one| one.cause.contains("another name of the same file")).count(), 49);
}

/// The path of a repository is followed once: whoever can exchange a folder above it leads nothing elsewhere.
#[test]
fn the_folder_of_a_repository_is_held() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("f"), "content").unwrap();
    let above = scratch.path().join("above");
    let (location, elsewhere) = (above.join("repository"), scratch.path().join("elsewhere"));
    for folder in [&above, &elsewhere] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::write(elsewhere.join("config"), "precious").unwrap();
    let (made, key) = repository(&location);
    drop(made);
    let opened = Repository::open_at(&Place::Folder(location.clone()), &key).unwrap();
    std::fs::rename(&location, above.join("moved")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &location).unwrap();
    backup_of(&opened, &tree).unwrap();
    drop(opened);
    assert_eq!(std::fs::read(elsewhere.join("config")).unwrap(), b"precious");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1);
    let moved = Repository::open_at(&Place::Folder(above.join("moved")), &key).unwrap();
    assert_eq!(moved.list_snapshots().unwrap().0.len(), 1);
    drop(moved);
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Neither is a link of somebody else followed that is there beforehand.
    std::fs::remove_file(&location).unwrap();
    std::os::unix::fs::symlink("moved", &location).unwrap();
    assert_eq!(
        Repository::open_at(&Place::Folder(location.clone()), &key).unwrap().list_snapshots().unwrap().0.len(),
        1
    );
    std::os::unix::fs::lchown(&location, Some(1234), None).unwrap();
    let error = Repository::open_at(&Place::Folder(location.clone()), &key).unwrap_err().to_string();
    assert!(error.contains("is a symbolic link of user 1234"), "{error}");
    let new = above.join("new");
    std::os::unix::fs::symlink(&elsewhere, &new).unwrap();
    std::os::unix::fs::lchown(&new, Some(1234), None).unwrap();
    let error = Repository::init(&new, &key, &RepositoryOptions::default()).unwrap_err().to_string();
    assert!(error.contains("is a symbolic link of user 1234"), "{error}");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1);
}

#[test]
fn giants_that_cost_nothing_are_not_read_again_and_again() {
    let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
    let (tree, location, key) = saved(scratch.path());
    // A pack that says that it has a header of 16 MiB, in a hole, and under a thousand names.
    let name = |number: u32| location.join("data/00").join(format!("{number:064x}"));
    let sparse = std::fs::File::create(name(0)).unwrap();
    sparse.set_len(40 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &((16_u32 << 20) - 8).to_le_bytes(), (40 << 20) - 4).unwrap();
    // The same in bytes that are there.
    let mut dense = vec![0x55; 40 << 20];
    dense[(40 << 20) - 4..].copy_from_slice(&((16_u32 << 20) - 8).to_le_bytes());
    std::fs::write(name(1000), &dense).unwrap();
    for number in 1..1000 {
        std::fs::hard_link(name(0), name(number)).unwrap();
        std::fs::hard_link(name(1000), name(1000 + number)).unwrap();
    }
    // An index under its own name and other ones.
    let index = std::fs::read_dir(location.join("index")).unwrap().next().unwrap().unwrap().path();
    let length = std::fs::metadata(&index).unwrap().len();
    for number in 0..50 {
        std::fs::hard_link(&index, location.join("index").join(format!("{number:064x}"))).unwrap();
    }
    assert!(length < 64 << 10, "{length}");
    let began = std::time::Instant::now();
    let opened = Repository::open(&location, &key).unwrap();
    let report = backup(&opened, &FileTree::new(&tree));
    assert_eq!(report.problems, []);
    let verified = opened.verify(&Quiet).unwrap();
    assert_eq!(verified.snapshots, 2);
    // A thousand times 16 MiB would take a minute and more.
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

/// All packs that index files name.
fn indexed(location: &Path, key: &Secret) -> Vec<String> {
    let mut packs = vec![];
    for file in common::files_below(&location.join("index")) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let output = common::restic_command(location, key, &["--no-lock", "cat", "index", &name]).output().unwrap();
        let index: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let ids = index["packs"].as_array().unwrap().iter().map(|pack| pack["id"].as_str().unwrap().to_owned());
        packs.extend(ids);
    }
    packs.sort();
    packs.dedup();
    packs
}

/// Other names of a genuine pack have an authentic header, each of them: they cost no memory, and nobody takes them for packs.
#[test]
fn other_names_of_a_genuine_pack_are_not_believed() {
    let scratch = scratch();
    let (tree, location, key) = saved(scratch.path());
    let genuine = indexed(&location, &key);
    let packs = common::files_below(&location.join("data"));
    for (number, pack) in packs.iter().cycle().take(300).enumerate() {
        let name = blake3::hash(&number.to_le_bytes()).to_hex().to_string();
        let target = location.join("data").join(&name[..2]).join(&name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        // Links, and copies, which are no other names of one file.
        if number % 3 == 0 { std::fs::copy(pack, target).map(drop) } else { std::fs::hard_link(pack, target) }.unwrap();
    }
    let again = || backup(&Repository::open(&location, &key).unwrap(), &FileTree::new(&tree));
    again();
    let named = indexed(&location, &key);
    assert!(named.len() < genuine.len() + 5 && genuine.iter().all(|pack| named.contains(pack)), "{named:?}");
    // With the index lost, each pack is known by its header alone.
    for file in common::files_below(&location.join("index")) {
        std::fs::remove_file(file).unwrap();
    }
    again();
    let after = indexed(&location, &key);
    assert!(after.len() < named.len() + 5 && named.iter().all(|pack| after.contains(pack)), "{after:?}");
}
