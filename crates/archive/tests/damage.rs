//! Damage stays where it is: what is whole comes back, what is hit is named, and nothing wrong is ever taken for right.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{backup, repository, scratch};
use lifeboat_archive::{
    ArchiveError, FileTree, Observer, Problem, Quiet, Repository, RestoreOptions, RestoreReport, Secret, Selection,
    SnapshotInfo,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Files of a repository below one directory.
fn files(location: &Path, directory: &str) -> Vec<PathBuf> {
    let listed = run!("find", location.join(directory).as_os_str(), "-type", "f");
    let mut list: Vec<PathBuf> = listed.lines().map(PathBuf::from).collect();
    list.sort();
    list
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    std::fs::write(path, bytes).unwrap();
}

/// Contents of all regular files below a directory.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let listed = run!("find", directory, "-type", "f");
    let read = |path: &str| {
        let path = Path::new(path);
        (path.strip_prefix(directory).unwrap().to_owned(), std::fs::read(path).unwrap())
    };
    listed.lines().map(read).collect()
}

/// A tree of several directories, with files that need packs of their own.
fn tree(at: &Path) -> FileTree {
    for (directory, files) in [("usr/share/doc/x", 3), ("etc", 5), ("srv", 2), ("var/lib/deep/er", 4)] {
        let directory = at.join(directory);
        std::fs::create_dir_all(&directory).unwrap();
        for number in 0..files {
            std::fs::write(directory.join(format!("f{number}")), format!("{} {number}", directory.display())).unwrap();
        }
    }
    let noise: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(at.join("srv/large"), noise).unwrap();
    FileTree::new(at)
}

fn restore(repository: &Repository, snapshot: &SnapshotInfo, to: &Path, paths: &[&str]) -> RestoreReport {
    let selection = match paths {
        [] => Selection::Everything,
        paths => Selection::Paths(paths.iter().map(PathBuf::from).collect()),
    };
    std::fs::create_dir_all(to).unwrap();
    repository.restore(snapshot, to, &selection, &RestoreOptions::default(), &Quiet).unwrap()
}

fn paths(problems: &[Problem]) -> Vec<&Path> {
    problems.iter().map(|problem| problem.path.as_path()).collect()
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Observer for Warnings {
    fn warning(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn one_unreadable_snapshot_concerns_no_other() {
    let scratch = scratch();
    let source = tree(&scratch.path().join("tree"));
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    for name in ["one", "two", "three"] {
        std::fs::write(scratch.path().join("tree").join(name), name).unwrap();
        backup(&made, &source);
    }
    let all = made.snapshots().unwrap();
    // Cut short, replaced by something else, and of an absurd size.
    type Harm = fn(&Path);
    let harms: [Harm; 4] = [
        |path| std::fs::File::options().write(true).open(path).unwrap().set_len(40).unwrap(),
        |path| std::fs::write(path, "{\"time\":\"2026-01-01T00:00:00Z\"}").unwrap(),
        |path| std::fs::File::options().write(true).open(path).unwrap().set_len(1 << 40).unwrap(),
        |path| {
            std::fs::remove_file(path).unwrap();
            std::fs::create_dir(path).unwrap();
        },
    ];
    for harm in harms {
        let victim = location.join("snapshots").join(&all[1].id);
        let good = std::fs::read(&victim).unwrap();
        harm(&victim);
        let opened = Repository::open(&location, &key).unwrap();
        let (list, unreadable) = opened.list_snapshots().unwrap();
        assert_eq!(list, [all[0].clone(), all[2].clone()]);
        assert_eq!(unreadable.len(), 1);
        assert!(unreadable[0].id == all[1].id && unreadable[0].cause.contains(&all[1].id[..8]), "{unreadable:?}");
        assert!(matches!(opened.find_snapshot(&all[1].id).unwrap_err(), ArchiveError::Damaged { .. }));
        let report = restore(&opened, &opened.find_snapshot(&all[0].id).unwrap(), &scratch.path().join("o"), &[]);
        assert_eq!(report.problems, []);
        std::fs::remove_dir_all(scratch.path().join("o")).unwrap();
        let reported = Warnings::default();
        assert_eq!(common::backup_with(&opened, &source, &reported).problems, []);
        assert!(reported.0.lock().unwrap()[0].contains(&all[1].id[..8]));
        let verified = opened.verify(&Quiet).unwrap();
        assert_eq!(verified.problems.len(), 1, "{:?}", verified.problems);
        assert!(verified.problems[0].message.contains(&all[1].id[..8]));
        let _ = std::fs::remove_dir(&victim);
        std::fs::write(&victim, good).unwrap();
        // The one that was made meanwhile goes, so that the next round begins alike.
        for snapshot in opened.snapshots().unwrap().iter().filter(|one| !all.contains(one)) {
            std::fs::remove_file(location.join("snapshots").join(&snapshot.id)).unwrap();
        }
    }
    assert_eq!(Repository::open(&location, &key).unwrap().verify(&Quiet).unwrap().problems, []);
}

/// Damages the packs of trees and small files, here and there.
#[test]
fn a_damaged_tree_costs_what_is_below_it() {
    let scratch = scratch();
    let at = scratch.path().join("tree");
    let source = tree(&at);
    let location = scratch.path().join("repository");
    let (made, _) = repository(&location);
    backup(&made, &source);
    let before = files(&location, "data");
    let snapshot = made.find_snapshot("latest").unwrap();
    let size = |path: &PathBuf| path.metadata().unwrap().len() as usize;
    let places = before
        .iter()
        .filter(|path| size(path) < 100_000)
        .flat_map(|path| (20..size(path)).step_by(150).map(move |at| (path, at)));
    let (mut hit, mut chosen) = (BTreeMap::new(), 0);
    for (pack, position) in places {
        flip(pack, position * 8);
        let out = scratch.path().join("out");
        std::fs::create_dir_all(&out).unwrap();
        let selection = Selection::Everything;
        let report = made.restore(&snapshot, &out, &selection, &RestoreOptions::default(), &Quiet);
        let originals = contents(&at);
        match &report {
            // The root itself: nothing can be had.
            Err(error) => assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}"),
            Ok(report) => {
                let restored = contents(&out);
                for (path, content) in &restored {
                    assert_eq!(originals[path], *content, "{}", path.display());
                }
                let is_reported = |path: &Path| {
                    let path = Path::new("/").join(path);
                    report.problems.iter().any(|problem| path.starts_with(&problem.path))
                };
                for path in originals.keys().filter(|path| !restored.contains_key(*path)) {
                    assert!(is_reported(path), "{} is missing, reported is {:?}", path.display(), report.problems);
                }
                for problem in &report.problems {
                    *hit.entry(problem.path.clone()).or_insert(0) += 1;
                    assert!(!problem.path.as_os_str().is_empty(), "{problem:?}");
                }
                let verified = made.verify(&Quiet).unwrap().problems;
                for problem in &report.problems {
                    assert!(paths(&verified).contains(&&*problem.path), "{problem:?} in {verified:?}");
                }
                assert_eq!(paths(&made.lost(&snapshot, &Quiet).unwrap()), paths(&report.problems));
            }
        }
        let _ = std::fs::remove_dir_all(&out);
        // Of what was chosen elsewhere nothing is amiss, unless it is the way there.
        if report.is_ok_and(|report| paths(&report.problems) == [Path::new("/usr/share/doc/x")]) {
            chosen += 1;
            let report = restore(&made, &snapshot, &out, &["/etc", "/srv/f1"]);
            assert_eq!(report.problems, []);
            assert_eq!(contents(&out).len(), 6);
            let _ = std::fs::remove_dir_all(&out);
            let report = restore(&made, &snapshot, &out, &["/usr/share/doc/x/f1"]);
            assert_eq!(paths(&report.problems), [Path::new("/usr/share/doc/x")]);
            let _ = std::fs::remove_dir_all(&out);
        }
        flip(pack, position * 8);
    }
    assert!(hit.len() >= 4 && chosen > 0, "{hit:?}");
}

#[test]
fn a_damaged_blob_costs_its_files() {
    let scratch = scratch();
    let at = scratch.path().join("tree");
    let source = tree(&at);
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    backup(&made, &source);
    let pack = files(&location, "data").into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    let size = pack.metadata().unwrap().len() as usize;
    flip(&pack, size / 2 * 8);
    let opened = Repository::open(&location, &key).unwrap();
    let snapshot = opened.find_snapshot("latest").unwrap();
    let out = scratch.path().join("out");
    let report = restore(&opened, &snapshot, &out, &[]);
    assert_eq!(paths(&report.problems), [Path::new("/srv/large")]);
    assert!(!out.join("srv/large").exists(), "no half-written file pretends to be whole");
    assert_eq!(contents(&out).len(), contents(&at).len() - 1);
    assert_eq!(paths(&opened.lost(&snapshot, &Quiet).unwrap()), [Path::new("/srv/large")]);
    assert_eq!(opened.missing(&snapshot).unwrap(), []);
    let verified = opened.verify(&Quiet).unwrap().problems;
    assert_eq!(paths(&verified).iter().filter(|path| **path == Path::new("/srv/large")).count(), 1, "{verified:?}");
    // Cut short: what is before the cut comes back, and a look at lengths is enough to know.
    flip(&pack, size / 2 * 8);
    std::fs::File::options().write(true).open(&pack).unwrap().set_len(size as u64 / 2).unwrap();
    let missing = opened.missing(&snapshot).unwrap();
    assert!(paths(&missing).contains(&Path::new("/srv/large")), "{missing:?}");
    let again = scratch.path().join("again");
    let report = restore(&opened, &snapshot, &again, &[]);
    assert_eq!(paths(&report.problems), paths(&missing));
}

#[test]
fn a_lost_index_is_made_anew() {
    let scratch = scratch();
    let at = scratch.path().join("tree");
    let source = tree(&at);
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    backup(&made, &source);
    std::fs::write(at.join("etc/more"), "more").unwrap();
    backup(&made, &source);
    let indexes = files(&location, "index");
    assert_eq!(indexes.len(), 2);
    let good: Vec<Vec<u8>> = indexes.iter().map(|path| std::fs::read(path).unwrap()).collect();
    for (round, is_gone) in [(0, true), (1, true), (0, false), (1, false)] {
        if is_gone {
            std::fs::remove_file(&indexes[round]).unwrap();
        } else {
            flip(&indexes[round], 400);
        }
        let opened = Repository::open(&location, &key).unwrap();
        for snapshot in opened.snapshots().unwrap() {
            let out = scratch.path().join("out");
            assert_eq!(restore(&opened, &snapshot, &out, &[]).problems, []);
            assert_eq!(opened.lost(&snapshot, &Quiet).unwrap(), []);
            assert_eq!(opened.missing(&snapshot).unwrap(), []);
            std::fs::remove_dir_all(&out).unwrap();
        }
        let reported = opened.verify(&Quiet).unwrap().problems;
        assert!(reported.len() == 1 && reported[0].message.contains("index"), "{reported:?}");
        let reported = Warnings::default();
        let report = common::backup_with(&opened, &source, &reported);
        let reported = reported.0.into_inner().unwrap().join("\n");
        assert!(reported.contains("the index was written again"), "{reported}");
        assert!(report.bytes_added < 100_000, "nothing large is stored anew: {report:?}");
        let again = Repository::open(&location, &key).unwrap();
        assert_eq!(again.verify(&Quiet).unwrap().problems, []);
        // As it was.
        for path in files(&location, "index") {
            std::fs::remove_file(path).unwrap();
        }
        for (path, good) in indexes.iter().zip(&good) {
            std::fs::write(path, good).unwrap();
        }
        let newest = again.find_snapshot("latest").unwrap();
        std::fs::remove_file(location.join("snapshots").join(newest.id)).unwrap();
    }
}

#[test]
fn config_and_keys_have_copies() {
    let scratch = scratch();
    let source = tree(&scratch.path().join("tree"));
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    backup(&made, &source);
    let (config, keys) = (location.join("config"), files(&location, "keys"));
    assert_eq!(keys.len(), 2);
    let list = made.list_keys().unwrap();
    assert!(list.len() == 1 && list[0].copies.len() == 1 && list[0].current, "{list:?}");
    let spare = scratch.path().join("spare");
    made.write_spare(&spare).unwrap();
    let good = std::fs::read(&config).unwrap();
    for harm in 0..3 {
        match harm {
            0 => flip(&config, 300),
            1 => std::fs::remove_file(&config).unwrap(),
            // One that is not encrypted, and says what somebody else wants.
            _ => {
                let text = format!(
                    "{{\"version\":2,\"id\":\"{}\",\"chunker_polynomial\":\"3da3358b4dc173\"}}",
                    "00".repeat(32)
                );
                std::fs::write(&config, text).unwrap();
            }
        }
        let opened = Repository::open(&location, &key).unwrap();
        assert_eq!(opened.id(), made.id());
        assert!(opened.damage()[0].contains("config"), "{:?}", opened.damage());
        assert!(opened.verify(&Quiet).unwrap().problems[0].message.contains("config"));
        let reported = Warnings::default();
        common::backup_with(&opened, &source, &reported);
        assert!(reported.0.lock().unwrap().join("\n").contains("config was written again"));
        assert_eq!(std::fs::read(&config).unwrap(), good);
        assert_eq!(Repository::open(&location, &key).unwrap().damage(), [] as [&str; 0]);
    }
    // Another repository's config does not open.
    let other = scratch.path().join("other");
    repository(&other);
    std::fs::copy(other.join("config"), &config).unwrap();
    assert_eq!(Repository::open(&location, &key).unwrap().id(), made.id());
    std::fs::write(&config, &good).unwrap();
    // One key file, then both, which only a medium's copies help.
    flip(&keys[0], 900);
    let opened = Repository::open(&location, &key).unwrap();
    assert!(opened.damage()[0].contains("key"), "{:?}", opened.damage());
    let list = opened.list_keys().unwrap();
    assert_eq!(list.iter().filter(|key| key.damage.is_some()).count(), 1, "{list:?}");
    flip(&keys[1], 900);
    assert!(matches!(Repository::open(&location, &key).unwrap_err(), ArchiveError::NoKey { .. }));
    flip(&config, 300);
    let medium = scratch.path().join("lifeboat");
    std::fs::create_dir(&medium).unwrap();
    std::fs::rename(&location, medium.join("repo")).unwrap();
    std::fs::rename(&spare, medium.join("spare")).unwrap();
    let opened = Repository::open(&medium.join("repo"), &key).unwrap();
    assert_eq!(opened.snapshots().unwrap().len(), 4);
    assert!(matches!(
        Repository::open(&medium.join("repo"), &Secret::generate().unwrap()).unwrap_err(),
        ArchiveError::WrongKey { .. }
    ));
}

#[test]
fn the_beginning_of_a_repository_is_gone_on_with() {
    let scratch = scratch();
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    let id = made.id();
    let options = lifeboat_archive::RepositoryOptions::default();
    // Cut short before the config; its keys may hold a copy of it.
    std::fs::remove_file(location.join("config")).unwrap();
    std::fs::remove_dir(location.join("locks")).unwrap();
    std::fs::write(location.join("keys/half-tmp-"), "half").unwrap();
    assert!(!Repository::is_repository(&location));
    let other = Secret::generate().unwrap();
    assert!(matches!(Repository::init(&location, &other, &options).unwrap_err(), ArchiveError::Begun { .. }));
    assert_eq!(Repository::init(&location, &key, &options).unwrap().id(), id);
    assert_eq!(files(&location, "keys").iter().filter(|path| !path.ends_with("half-tmp-")).count(), 2);
    // Before the keys.
    let empty = scratch.path().join("empty");
    std::fs::create_dir_all(empty.join("data/ab")).unwrap();
    std::fs::create_dir_all(empty.join("snapshots")).unwrap();
    Repository::init(&empty, &key, &options).unwrap();
    // What holds anything of somebody is not taken.
    let used = scratch.path().join("used");
    std::fs::create_dir_all(used.join("data/ab")).unwrap();
    std::fs::write(used.join("data/ab/file"), "x").unwrap();
    assert!(matches!(Repository::init(&used, &key, &options).unwrap_err(), ArchiveError::NotEmpty { .. }));
}

/// Contents are compared with the originals: a flipped bit is never taken for right, and never costs more than what it hits.
#[test]
fn a_hundred_flipped_bits() {
    let scratch = scratch();
    let at = scratch.path().join("tree");
    let source = tree(&at);
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    backup(&made, &source);
    std::fs::write(at.join("etc/f0"), "changed").unwrap();
    backup(&made, &source);
    drop(made);
    let originals = contents(&at);
    let all: Vec<PathBuf> = ["", "data", "index", "keys", "snapshots"]
        .iter()
        .flat_map(|directory| match *directory {
            "" => vec![location.join("config")],
            directory => files(&location, directory),
        })
        .collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut nothing, mut lost) = (0, 0);
    for round in 0..100 {
        // Each file comes again and again, though most bits are in the packs.
        let victim = &all[if round % 2 == 0 { round / 2 % all.len() } else { random(all.len()) }];
        let bit = random(std::fs::metadata(victim).unwrap().len() as usize * 8);
        flip(victim, bit);
        let shown = format!("round {round}: bit {bit} of {}", victim.strip_prefix(&location).unwrap().display());
        let opened = Repository::open(&location, &key).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let problems = opened.verify(&Quiet).unwrap().problems;
        assert!(!problems.is_empty(), "{shown}: not noticed");
        for snapshot in opened.snapshots().unwrap() {
            let out = scratch.path().join("out");
            std::fs::create_dir_all(&out).unwrap();
            let options = RestoreOptions::default();
            let Ok(report) = opened.restore(&snapshot, &out, &Selection::Everything, &options, &Quiet) else {
                nothing += 1;
                continue;
            };
            let restored = contents(&out);
            for (path, content) in restored.iter().filter(|(path, _)| !path.ends_with("etc/f0")) {
                assert_eq!(originals[path], *content, "{shown}: {}", path.display());
            }
            for path in originals.keys().filter(|path| !restored.contains_key(*path)) {
                let full = Path::new("/").join(path);
                assert!(report.problems.iter().any(|problem| full.starts_with(&problem.path)), "{shown}: {report:?}");
                lost += 1;
            }
            std::fs::remove_dir_all(&out).unwrap();
        }
        flip(victim, bit);
    }
    // Few bits hit a root's tree; nothing else stops a restore.
    assert!(nothing < 20, "{nothing}");
    assert!(lost > 0);
    assert_eq!(Repository::open(&location, &key).unwrap().verify(&Quiet).unwrap().problems, []);
}

#[test]
fn what_a_stranger_leaves_there_stops_nobody() {
    let scratch = scratch();
    let source = tree(&scratch.path().join("tree"));
    let location = scratch.path().join("repository");
    let (made, key) = repository(&location);
    backup(&made, &source);
    let name = |digit: &str| digit.repeat(64);
    // Key files that ask for hours or gigabytes, are endless, nested, or lead nowhere.
    let costly = |n: u64, p: u64, number: usize| {
        let json = serde_json::json!({
            "created": number.to_string(), "kdf": "scrypt", "N": n, "r": 8, "p": p, "salt": "AAAA", "data": "AAAA",
        });
        let bytes = serde_json::to_vec(&json).unwrap();
        let id = run!("sh", "-c", &format!("printf %s '{}' | sha256sum", String::from_utf8_lossy(&bytes)));
        std::fs::write(location.join("keys").join(&id[..64]), bytes).unwrap();
    };
    for number in 0..8 {
        costly(1 << 21, 64, number);
        costly(1 << 17, 1, number);
        costly(3, 1, number);
    }
    std::fs::File::create(location.join("keys").join(name("0"))).unwrap().set_len(20 << 30).unwrap();
    std::os::unix::fs::symlink("/dev/zero", location.join("keys").join(name("1"))).unwrap();
    std::os::unix::fs::symlink("nowhere", location.join("keys").join(name("2"))).unwrap();
    std::fs::write(location.join("keys").join(name("3")), "[".repeat(60_000)).unwrap();
    run!("mkfifo", location.join("snapshots").join(name("4")).as_os_str());
    run!("mkfifo", location.join("index").join(name("5")).as_os_str());
    std::fs::create_dir_all(location.join("data/66")).unwrap();
    run!("mkfifo", location.join("data/66").join(name("6")).as_os_str());
    std::fs::File::create(location.join("data/66").join(format!("66{}", "7".repeat(62))))
        .unwrap()
        .set_len(20 << 30)
        .unwrap();
    let opened = Repository::open(&location, &key).unwrap();
    let (list, unreadable) = opened.list_snapshots().unwrap();
    assert_eq!((list.len(), unreadable.len()), (1, 1));
    let out = scratch.path().join("out");
    assert_eq!(restore(&opened, &list[0], &out, &[]).problems, []);
    assert_eq!(contents(&out), contents(&scratch.path().join("tree")));
    let problems = opened.verify(&Quiet).unwrap().problems;
    assert!(problems.len() >= 8 + 8 + 4 + 4, "{problems:#?}");
    backup(&opened, &source);
    // Without the key that fits, nobody waits for hours either.
    assert!(Repository::open(&location, &Secret::generate().unwrap()).is_err());
}
