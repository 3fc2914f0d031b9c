//! What verify or a restore found damaged in place is stored again by the next backup, and what nothing needs any more goes away.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Warnings, assert_restores, files_below, machine_manifest, machine_request, repository, restic, scratch};
use lifeboat_archive::{BackupReport, FileTree, Quiet, Repository, RestoreOptions, Secret, Selection};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A repository, its key, and a tree.
struct Place {
    _scratch: tempfile::TempDir,
    location: PathBuf,
    key: Secret,
    tree: PathBuf,
}

/// Bytes that nothing makes smaller; the same for the same seed.
fn noise(bytes: usize, mut seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        out.extend_from_slice(&seed.to_le_bytes());
    }
    out.truncate(bytes);
    out
}

impl Place {
    fn new() -> Place {
        let scratch = scratch();
        let (location, tree) = (scratch.path().join("repository"), scratch.path().join("tree"));
        for number in 0..60_u32 {
            let folder = tree.join(format!("d{}", number % 6));
            std::fs::create_dir_all(&folder).unwrap();
            let content = noise(30_000, u64::from(number) + 1);
            std::fs::write(folder.join(format!("f{number}")), content).unwrap();
        }
        let (_, key) = repository(&location);
        Place { _scratch: scratch, location, key, tree }
    }

    /// Opened again, as another run of the program does: no lock of the one before is left.
    fn open(&self) -> Repository {
        Repository::open(&self.location, &self.key).unwrap()
    }

    fn save_as(&self, machine: &str) -> (BackupReport, String) {
        let (source, manifest) = (FileTree::new(&self.tree), machine_manifest(machine, machine));
        let warnings = Warnings::default();
        let report = self.open().backup(&machine_request(&source, machine, machine, &manifest), &warnings).unwrap();
        assert_eq!(report.problems, []);
        (report, warnings.text())
    }

    fn save(&self) -> (BackupReport, String) {
        self.save_as("1")
    }

    fn verify(&self) -> Vec<String> {
        let report = self.open().verify(&Quiet).unwrap();
        report.problems.iter().map(|problem| format!("{}: {}", problem.path.display(), problem.message)).collect()
    }

    fn packs(&self) -> Vec<PathBuf> {
        files_below(&self.location.join("data"))
    }

    fn indexes(&self) -> usize {
        files_below(&self.location.join("index")).len()
    }

    fn assert_restores(&self, report: &BackupReport) {
        let repository = self.open();
        assert_restores(&repository, &repository.find_snapshot(&report.snapshot).unwrap(), &self.tree);
    }
}

/// Changes one byte, as a disk that rots; a negative offset counts from the end.
fn flip(file: &Path, offset: i64) {
    let opened = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let size = opened.metadata().unwrap().len() as i64;
    let at = if offset < 0 { size + offset } else { offset } as u64;
    let mut byte = [0];
    opened.read_exact_at(&mut byte, at).unwrap();
    opened.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
}

#[test]
fn what_verify_found_is_stored_again_by_the_next_backup() {
    // In a blob, in the header, in the length of the header: packs of files and of directories.
    for offset in [40, -60, -2] {
        let place = Place::new();
        place.save();
        for pack in place.packs() {
            flip(&pack, offset);
            let found = place.verify();
            let name = &pack.file_name().unwrap().to_str().unwrap()[..8];
            assert!(found.iter().any(|problem| problem.contains(name)), "{offset}: {found:?}");
            let (report, reported) = place.save();
            assert_eq!((report.damaged_packs, report.lost_packs), (1, 0), "{offset}: {reported}");
            assert!(
                reported.contains("a pack is damaged; what this backup needs of them was stored again"),
                "{reported}"
            );
            assert!(reported.contains("everything that was lost is stored again"), "{reported}");
            assert!(!pack.exists(), "{offset}: nothing needs it");
            assert_eq!(place.verify(), Vec::<String>::new(), "{offset}");
            place.assert_restores(&report);
            let (ok, text) = restic(&place.location, &place.key, &["check", "--read-data"]);
            assert!(ok && text.contains("no errors were found"), "{text}");
        }
        let (report, reported) = place.save();
        assert_eq!((report.damaged_packs, report.stored_again, reported.as_str()), (0, 0, ""));
        // Earlier snapshots are healed, too.
        for snapshot in place.open().snapshots().unwrap() {
            assert_restores(&place.open(), &snapshot, &place.tree);
        }
    }
}

#[test]
fn what_a_restore_found_is_stored_again_too() {
    let place = Place::new();
    let (first, _) = place.save();
    let largest = place.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    flip(&largest, 31_000);
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let repository = place.open();
    let snapshot = repository.find_snapshot(&first.snapshot).unwrap();
    let options = RestoreOptions::default();
    let report = repository.restore(&snapshot, target.path(), &Selection::Everything, &options, &Quiet).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    drop(repository);
    let indexes = place.indexes();
    // A stock restic takes no offence at what was noted.
    let (ok, text) = restic(&place.location, &place.key, &["check"]);
    assert!(ok && text.contains("no errors were found"), "{text}");
    let (report, reported) = place.save();
    assert_eq!((report.damaged_packs, report.stored_again), (1, 1), "{reported}");
    assert_eq!(place.verify(), Vec::<String>::new());
    place.assert_restores(&report);
    // The note is gone: one index for what was written, one for what is left of the others.
    assert!(place.indexes() <= indexes, "{}", place.indexes());
}

#[test]
fn what_no_machine_has_stays_named_and_heals_when_one_has_it() {
    let place = Place::new();
    let (first, _) = place.save();
    let largest = place.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    flip(&largest, 31_000);
    let hit: Vec<String> = place.verify().into_iter().filter(|problem| problem.starts_with("/d")).collect();
    let [hit] = &hit[..] else { panic!("{hit:?}") };
    let path = hit.split(':').next().unwrap().trim_start_matches('/');
    let content = std::fs::read(place.tree.join(path)).unwrap();
    std::fs::remove_file(place.tree.join(path)).unwrap();
    let (report, reported) = place.save();
    assert_eq!((report.damaged_packs, report.stored_again), (1, 0), "{reported}");
    assert!(reported.contains("earlier snapshots may lack files: `lifeboat verify` names them"), "{reported}");
    assert!(largest.exists(), "it is all that is left of the file");
    // The rest of the pack is elsewhere by now, and is not stored again and again.
    let (again, reported) = place.save();
    assert!(again.bytes_added < 20_000 && reported.contains("a pack is damaged"), "{} {reported}", again.bytes_added);
    place.assert_restores(&again);
    let problems = place.verify();
    assert!(problems.iter().any(|problem| problem.starts_with(&format!("/{path}: snapshot"))), "{problems:?}");
    assert!(problems.iter().all(|problem| !problem.contains("/d") || problem.contains(path)), "{problems:?}");
    // Another machine has a copy.
    std::fs::write(place.tree.join("copy"), content).unwrap();
    let (other, reported) = place.save_as("2");
    assert_eq!((other.damaged_packs, other.stored_again), (1, 1), "{reported}");
    assert!(!largest.exists() && place.verify().is_empty());
    std::fs::rename(place.tree.join("copy"), place.tree.join(path)).unwrap();
    place.assert_restores(&first);
}

#[test]
fn a_pack_that_was_put_back_is_not_stored_again() {
    let place = Place::new();
    place.save();
    let pack = place.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(&pack).unwrap();
    flip(&pack, 5_000);
    assert!(!place.verify().is_empty());
    let indexes = place.indexes();
    std::fs::write(&pack, whole).unwrap();
    let (report, reported) = place.save();
    assert_eq!((report.damaged_packs, report.stored_again, reported.as_str()), (0, 0, ""));
    assert!(pack.exists() && place.verify().is_empty());
    assert!(place.indexes() <= indexes, "the note is gone, an index for the new directories came");
}

#[test]
fn a_damaged_pack_stays_while_somebody_else_reads() {
    let place = Place::new();
    let (first, _) = place.save();
    let pack = place.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    flip(&pack, 31_000);
    assert!(!place.verify().is_empty());
    // Somebody restores meanwhile, with the index as it was.
    let reader = place.open();
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let one = Selection::Paths(vec!["/d0/f0".into()]);
    let snapshot = reader.find_snapshot(&first.snapshot).unwrap();
    reader.restore(&snapshot, target.path(), &one, &RestoreOptions::default(), &Quiet).unwrap();
    let (report, reported) = place.save();
    assert!(report.damaged_packs == 1 && reported.contains("everything that was lost is stored again"), "{reported}");
    assert!(pack.exists());
    // It is reported, and is no problem.
    let warnings = Warnings::default();
    assert_eq!(place.open().verify(&warnings).unwrap().problems, []);
    assert!(warnings.text().contains("nothing needs this pack any more"), "{}", warnings.text());
    let (_, reported) = place.save();
    assert!(pack.exists() && reported.is_empty(), "{reported}");
    drop(reader);
    let (_, reported) = place.save();
    assert!(!pack.exists() && reported.is_empty(), "{reported}");
    assert_eq!(place.verify(), Vec::<String>::new());
}

/// As the handbook says it, with what restic says on the way.
#[test]
fn what_is_lost_for_good_goes_when_its_snapshots_are_forgotten() {
    let place = Place::new();
    let (first, _) = place.save();
    let pack = place.packs().into_iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    std::fs::remove_file(&pack).unwrap();
    for number in 0..60 {
        std::fs::write(place.tree.join(format!("d{}/f{number}", number % 6)), noise(9_000, 1_000 + number)).unwrap();
    }
    let (second, reported) = place.save();
    assert!(reported.contains("earlier snapshots may lack files"), "{reported}");
    let short = &first.snapshot[..8];
    let problems = place.verify();
    let named = |problem: &&String| problem.starts_with("/d");
    assert!(problems.iter().any(|problem| named(&problem)), "{problems:?}");
    assert!(
        problems.iter().filter(named).all(|problem| problem.contains(&format!("snapshot {short}:"))),
        "{problems:?}"
    );
    let (ok, text) = restic(&place.location, &place.key, &["prune"]);
    assert!(!ok && text.contains("packs from index missing in repo"), "{text}");
    let (ok, text) = restic(&place.location, &place.key, &["forget", short]);
    assert!(ok, "{text}");
    let (ok, text) = restic(&place.location, &place.key, &["prune"]);
    assert!(ok, "{text}");
    assert_eq!(place.verify(), Vec::<String>::new());
    place.assert_restores(&second);
    let (ok, text) = restic(&place.location, &place.key, &["check", "--read-data"]);
    assert!(ok && text.contains("no errors were found"), "{text}");
}
