//! What goes wrong is listed, or stops with a clear message; nothing is dropped silently.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, backup, backup_with, repository, scratch};
use lifeboat_archive::{
    ArchiveError, DifferenceKind, FileTree, Observer, Problem, Progress, Quiet, Repository, RestoreOptions, Secret,
    Selection,
};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Does something once the walk is over, before files are read.
struct AfterWalk<F: FnMut() + Send>(Mutex<Option<F>>);

impl<F: FnMut() + Send> Observer for AfterWalk<F> {
    fn progress(&self, progress: &Progress) {
        if progress.phase == "walk"
            && let Some(mut act) = self.0.lock().unwrap().take()
        {
            act();
        }
    }
}

fn messages(problems: &[Problem]) -> Vec<String> {
    let mut list: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.path.display(), p.message)).collect();
    list.sort();
    list
}

fn restore(repository: &Repository, target: &Path, options: &RestoreOptions) -> lifeboat_archive::RestoreReport {
    std::fs::create_dir_all(target).unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    repository.restore(&snapshot, target, &Selection::Everything, options, &Quiet).unwrap()
}

#[test]
fn files_that_vanish_or_change_during_the_backup_are_listed() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    for name in ["grows", "replaced", "shrinks", "steady", "touched", "vanishes"] {
        std::fs::write(tree.join(name), "0123456789").unwrap();
    }
    let (repository, _) = repository(&scratch.path().join("repository"));
    let act = || {
        std::fs::write(tree.join("grows"), "0123456789abcdef").unwrap();
        std::fs::write(tree.join("shrinks"), "0").unwrap();
        std::fs::remove_file(tree.join("vanishes")).unwrap();
        std::fs::remove_file(tree.join("replaced")).unwrap();
        std::fs::create_dir(tree.join("replaced")).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
        std::fs::File::options().write(true).open(tree.join("touched")).unwrap().set_modified(later).unwrap();
    };
    // One directory: all of it is walked when the first progress is reported.
    let report = backup_with(&repository, &FileTree::new(&tree), &AfterWalk(Mutex::new(Some(act))));
    assert_eq!(
        messages(&report.problems),
        [
            "/grows: changed while being read: it grew during the backup",
            "/replaced: cannot READ: it was replaced by something else during the backup",
            "/shrinks: changed while being read: it shrank during the backup",
            "/touched: changed while being read: it changed during the backup",
            "/vanishes: cannot OPEN: it vanished during the backup",
        ]
    );
    // What was read is whole, and described as it was when it was read.
    assert_eq!(report.entries, 5);
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    let target = scratch.path().join("target");
    assert_eq!(restore(&repository, &target, &RestoreOptions::default()).problems, []);
    assert_eq!(std::fs::read_to_string(target.join("grows")).unwrap(), "0123456789abcdef");
    assert_eq!(std::fs::read_to_string(target.join("shrinks")).unwrap(), "0");
    assert!(!target.join("vanishes").exists());
}

#[test]
fn root_a_file_that_the_disk_does_not_give_is_listed() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 64, &["mkfs.ext4", "-q"]);
    std::fs::write(disk.mount.join("good"), "good").unwrap();
    std::fs::write(disk.mount.join("bad"), vec![7; 100_000]).unwrap();
    disk.unmount();
    // Breaks the extent tree of the one file.
    run!("debugfs", "-w", "-R", "set_inode_field /bad block[0] 0", &disk.image);
    disk.mount();
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup_with(&repository, &FileTree::new(&disk.mount), &Quiet);
    let list = messages(&report.problems);
    assert_eq!(list.len(), 1, "{list:?}");
    assert!(list[0].starts_with("/bad: cannot "), "{list:?}");
    assert_eq!(report.entries, 3, "root, lost+found, good");
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
}

#[test]
fn root_a_full_disk_is_a_clear_error() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    let mut noise = 1_u64;
    for number in 0..60 {
        let bytes: Vec<u8> = (0..1_000_000)
            .map(|_| {
                noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (noise >> 33) as u8
            })
            .collect();
        std::fs::write(tree.join(format!("file-{number}")), bytes).unwrap();
    }
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let small = Disk::make(scratch.path(), "small", 24, &["mkfs.ext4", "-q"]);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let result =
        repository.restore(&snapshot, &small.mount, &Selection::Everything, &RestoreOptions::default(), &Quiet);
    let error = result.unwrap_err();
    assert!(matches!(error, ArchiveError::Full { total: 61, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("No space left on device; restored ") && text.contains(" of 61 entries"), "{text}");

    // A repository on a full disk fails as clearly, and what is in it stays whole.
    let cramped = Disk::make(scratch.path(), "cramped", 24, &["mkfs.ext4", "-q"]);
    let (repository, _) = common::repository(&cramped.mount.join("repository"));
    let source = FileTree::new(&tree);
    let manifest = |_, _| Ok(vec![]);
    let request = lifeboat_archive::BackupRequest {
        source: &source,
        host: String::new(),
        machine_id: String::new(),
        tags: vec![],
        program: String::new(),
        machine: vec![],
        manifest: &manifest,
        reread: false,
        beside: vec![],
        started: None,
    };
    let error = repository.backup(&request, &Quiet).unwrap_err().to_string();
    assert!(error.contains("cannot WRITE the repository") && error.contains("No space left"), "{error}");
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
}

#[test]
fn wrong_places_and_wrong_keys_are_distinguished() {
    let scratch = scratch();
    let location = scratch.path().join("repository");
    let open = |path: &Path, key: &Secret| Repository::open(path, key).map(|_| ()).unwrap_err();
    let (made, key) = repository(&location);
    assert!(matches!(open(scratch.path(), &key), ArchiveError::NotARepository { .. }));
    assert!(matches!(open(&location, &Secret::generate().unwrap()), ArchiveError::WrongKey { .. }));
    let options = lifeboat_archive::RepositoryOptions::default();
    assert!(matches!(Repository::init(&location, &key, &options).unwrap_err(), ArchiveError::Exists { .. }));
    assert!(matches!(Repository::init(scratch.path(), &key, &options).unwrap_err(), ArchiveError::NotEmpty { .. }));

    let passphrase = Secret::new("a passphrase");
    let id = made.add_key(&passphrase, "elsewhere").unwrap();
    let again = Repository::open(&location, &passphrase).unwrap();
    assert_eq!(again.id(), made.id());
    assert_eq!(made.list_keys().unwrap().len(), 2);
    assert!(again.remove_key(&id).is_err(), "it is in use");
    made.remove_key(&id).unwrap();
    assert!(matches!(open(&location, &passphrase), ArchiveError::WrongKey { .. }));

    let config = location.join("config");
    let mut bytes = std::fs::read(&config).unwrap();
    bytes[20] ^= 1;
    std::fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&config, bytes).unwrap();
    let survived = Repository::open(&location, &key).unwrap();
    assert!(survived.damage()[0].contains("config"), "the copy in the key file serves: {:?}", survived.damage());
    for key_file in std::fs::read_dir(location.join("keys")).unwrap() {
        std::fs::remove_file(key_file.unwrap().path()).unwrap();
    }
    assert!(matches!(open(&location, &key), ArchiveError::NoKeys { .. }), "there is nothing to open it with");
}

#[test]
fn one_flipped_byte_in_any_file_is_reported() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("directory")).unwrap();
    std::fs::write(tree.join("a"), "content of a").unwrap();
    std::fs::write(tree.join("directory/b"), vec![b'b'; 100_000]).unwrap();
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    backup(&made, &FileTree::new(&tree));
    std::fs::write(tree.join("c"), "more").unwrap();
    backup(&made, &FileTree::new(&tree));
    let listed = run!("find", &location, "-type", "f");
    let files: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let good = std::fs::read(&file).unwrap();
        // All of a small file's bytes would take too long with scrypt in between; ends, middle and a few more do.
        for position in [0, 1, good.len() / 3, good.len() / 2, good.len() - 5, good.len() - 1] {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            std::fs::write(&file, &bad).unwrap();
            let found = match Repository::open(&location, &key) {
                Err(ArchiveError::Damaged { .. } | ArchiveError::WrongKey { .. }) => true,
                Err(error) => panic!("{}: {error}", file.display()),
                Ok(repository) => !repository.verify(&Quiet).unwrap().problems.is_empty(),
            };
            assert!(found, "byte {position} of {}", file.display());
        }
        // Cut off at the end, and gone.
        std::fs::write(&file, &good[..good.len() - 1]).unwrap();
        let is_found = |repository: Result<Repository, ArchiveError>| {
            repository.is_err() || !repository.unwrap().verify(&Quiet).unwrap().problems.is_empty()
        };
        assert!(is_found(Repository::open(&location, &key)), "cut off: {}", file.display());
        std::fs::write(&file, &good).unwrap();
    }
    assert_eq!(Repository::open(&location, &key).unwrap().verify(&Quiet).unwrap().problems, []);
}

#[test]
fn a_damaged_pack_costs_only_what_is_in_it() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("lost"), "lost content").unwrap();
    let location = scratch.path().join("repository");
    let (repository, _) = repository(&location);
    backup(&repository, &FileTree::new(&tree));
    let before: Vec<String> =
        run!("find", location.join("data").as_os_str(), "-type", "f").lines().map(str::to_owned).collect();
    std::fs::write(tree.join("kept"), "kept content").unwrap();
    backup(&repository, &FileTree::new(&tree));
    for pack in before {
        let bytes = std::fs::read(&pack).unwrap();
        // Packs of directories are left alone: those of the first snapshot are not needed any more.
        std::fs::write(&pack, vec![0; bytes.len()]).unwrap();
    }
    let target = scratch.path().join("target");
    std::fs::create_dir(&target).unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    let selection = Selection::Paths(vec!["/lost".into(), "/kept".into()]);
    let result = repository.restore(&snapshot, &target, &selection, &RestoreOptions::default(), &Quiet);
    let list = messages(&result.unwrap().problems);
    assert!(list.iter().any(|line| line.starts_with("/lost: ") && line.contains("damaged")), "{list:?}");
    assert_eq!(std::fs::read_to_string(target.join("kept")).unwrap(), "kept content");
    assert!(!target.join("lost").exists());
}

#[test]
fn nothing_is_written_outside_of_the_target() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("directory")).unwrap();
    std::fs::write(tree.join("directory/file"), "new").unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let (target, outside) = (scratch.path().join("target"), scratch.path().join("outside"));
    std::fs::create_dir(&target).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, target.join("directory")).unwrap();
    let report = restore(&repository, &target, &RestoreOptions::default());
    assert!(!report.problems.is_empty());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    // With leave to overwrite, the link itself gives way.
    let report = restore(&repository, &target, &RestoreOptions { overwrite: true, ..RestoreOptions::default() });
    assert_eq!(report.problems, []);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(std::fs::read_to_string(target.join("directory/file")).unwrap(), "new");
}

#[test]
fn existing_entries_are_replaced_only_with_leave() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("file"), "archived").unwrap();
    std::fs::hard_link(tree.join("file"), tree.join("second name")).unwrap();
    std::os::unix::fs::symlink("archived", tree.join("link")).unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let target = scratch.path().join("target");
    std::fs::create_dir(&target).unwrap();
    for name in ["file", "second name", "link"] {
        std::fs::write(target.join(name), "mine").unwrap();
    }
    let report = restore(&repository, &target, &RestoreOptions::default());
    assert_eq!(report.problems.len(), 3, "{:?}", report.problems);
    assert_eq!(std::fs::read_to_string(target.join("file")).unwrap(), "mine");
    let overwrite = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    assert_eq!(restore(&repository, &target, &overwrite).problems, []);
    // And once more over its own result.
    assert_eq!(restore(&repository, &target, &overwrite).problems, []);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&target), &Selection::Everything, &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
}

#[test]
fn every_kind_of_difference_is_reported() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    for name in ["content", "gone", "linked", "linked-2", "mode", "size", "time", "type", "xattr"] {
        std::fs::write(tree.join(name), "0123456789").unwrap();
    }
    std::fs::remove_file(tree.join("linked-2")).unwrap();
    std::fs::hard_link(tree.join("linked"), tree.join("linked-2")).unwrap();
    std::os::unix::fs::symlink("old", tree.join("link")).unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let same_times = |name: &str, change: &dyn Fn(&Path)| {
        let path = tree.join(name);
        let before = path.metadata().unwrap().modified().unwrap();
        change(&path);
        std::fs::File::open(&path).unwrap().set_modified(before).unwrap();
    };
    same_times("content", &|path| std::fs::write(path, "9876543210").unwrap());
    same_times("size", &|path| std::fs::write(path, "0").unwrap());
    same_times("mode", &|path| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    });
    same_times("xattr", &|path| drop(run!("setfattr", "-n", "user.x", "-v", "1", path)));
    same_times("linked-2", &|path| {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, "0123456789").unwrap();
    });
    run!("touch", "-d", "2000-01-01", tree.join("time").as_os_str());
    std::fs::remove_file(tree.join("gone")).unwrap();
    std::fs::remove_file(tree.join("type")).unwrap();
    std::fs::create_dir(tree.join("type")).unwrap();
    std::fs::remove_file(tree.join("link")).unwrap();
    std::os::unix::fs::symlink("new", tree.join("link")).unwrap();
    std::fs::write(tree.join("extra"), "").unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&tree), &Selection::Everything, &Quiet).unwrap();
    let found = |path: &str, kind: DifferenceKind| {
        compared.differences.iter().any(|difference| difference.path == Path::new(path) && difference.kind == kind)
    };
    use DifferenceKind::*;
    for (path, kind) in [
        ("/content", Content),
        ("/extra", Extra),
        ("/gone", Missing),
        ("/link", LinkTarget),
        ("/linked", HardLinks),
        ("/mode", Mode),
        ("/size", Content),
        ("/time", ModificationTime),
        ("/type", Type),
        ("/xattr", Xattrs),
    ] {
        assert!(found(path, kind), "{path} {kind:?} in {:#?}", compared.differences);
    }
}
