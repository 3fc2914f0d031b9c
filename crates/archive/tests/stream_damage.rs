//! Sets that are not whole: what is wrong is named, and what can be restored is.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::streams::{open, save};
use lifeboat_archive::stream::{FileSink, FileSource, Input, PipeSource, Source, Stream};
use lifeboat_archive::{
    ArchiveError, FileTree, Observer, Progress, Quiet, RestoreOptions, RestoreReport, Secret, Selection,
};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Bytes that no compressor shortens, the same in each run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Twenty files of 3 MB in a tree, saved into volumes of 16 MiB, the key, and the tree.
struct Set {
    _folder: tempfile::TempDir,
    tree: PathBuf,
    path: PathBuf,
    key: Secret,
    volumes: u32,
}

fn set(volume_bytes: Option<u64>) -> Set {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    for number in 0..20 {
        std::fs::write(tree.join(format!("f{number:02}")), noise(number, 3_000_000)).unwrap();
    }
    let key = Secret::generate().unwrap();
    let path = folder.path().join("set");
    let report = save(&FileTree::new(&tree), &path, volume_bytes, &key);
    assert_eq!(report.report.problems, []);
    Set { tree, path, key, volumes: report.volumes, _folder: folder }
}

impl Set {
    fn volume(&self, number: u32) -> PathBuf {
        FileSink::volume_path(&self.path, number)
    }

    /// Restores what there is; returns the report and how many files are right. No file is wrong.
    fn restore(&self) -> (RestoreReport, usize) {
        self.restored(&mut open(&self.path, &self.key))
    }

    fn restored(&self, stream: &mut Stream) -> (RestoreReport, usize) {
        let target = tempfile::tempdir_in("/var/tmp").unwrap();
        let options = RestoreOptions::default();
        let report = stream.restore(target.path(), &Selection::Everything, &options, &Quiet).unwrap();
        let mut right = 0;
        for entry in std::fs::read_dir(target.path()).unwrap() {
            let path = entry.unwrap().path();
            let wanted = std::fs::read(self.tree.join(path.file_name().unwrap())).unwrap();
            assert!(std::fs::read(&path).unwrap() == wanted, "{path:?}");
            right += 1;
        }
        (report, right)
    }

    fn texts(report: &RestoreReport) -> String {
        report.problems.iter().map(|problem| format!("{} {}\n", problem.path.display(), problem.message)).collect()
    }
}

fn flip(path: &Path, at: u64) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
}

fn cut(path: &Path, length: u64) {
    File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[test]
fn a_whole_set_of_several_volumes() {
    let set = set(Some(16 << 20));
    assert!(set.volumes >= 4, "{}", set.volumes);
    for number in 1..=set.volumes {
        let length = set.volume(number).metadata().unwrap().len();
        assert!(length <= 16 << 20 && length.is_multiple_of(65536), "{length}");
    }
    let (report, right) = set.restore();
    assert_eq!((report.problems.len(), right), (0, 20), "{}", Set::texts(&report));
    assert_eq!(open(&set.path, &set.key).verify(&Quiet).unwrap().problems, []);
    // All in one stream, as from a pipe.
    let other = self::set(None);
    assert_eq!(other.volumes, 1);
    let mut stream = Stream::open(PipeSource(Some(File::open(&other.path).unwrap())), &other.key).unwrap();
    let (report, right) = other.restored(&mut stream);
    assert_eq!((report.problems.len(), right), (0, 20), "{}", Set::texts(&report));
}

#[test]
fn a_missing_volume_costs_what_is_in_it() {
    let set = set(Some(16 << 20));
    std::fs::remove_file(set.volume(2)).unwrap();
    let (report, right) = set.restore();
    let texts = Set::texts(&report);
    assert!((12..20).contains(&right), "{right}: {texts}");
    assert!(texts.contains("volume 2 is missing"), "{texts}");
    // Each file that is not there is named.
    assert_eq!(
        report
            .problems
            .iter()
            .filter(|problem| problem.path.starts_with("/f") || problem.path.to_string_lossy().starts_with("/f"))
            .count(),
        20 - right,
        "{texts}"
    );
    let verified = open(&set.path, &set.key).verify(&Quiet).unwrap();
    assert!(verified.problems.len() > 20 - right);
}

#[test]
fn the_first_volume_may_be_missing() {
    let set = set(Some(16 << 20));
    std::fs::remove_file(set.volume(1)).unwrap();
    let (report, right) = set.restore();
    let texts = Set::texts(&report);
    assert!((12..20).contains(&right), "{right}: {texts}");
    assert!(texts.contains("volume 1 is missing"), "{texts}");
}

#[test]
fn a_set_without_its_end_was_cut() {
    let set = set(Some(16 << 20));
    std::fs::remove_file(set.volume(set.volumes)).unwrap();
    let (report, right) = set.restore();
    let texts = Set::texts(&report);
    assert!(texts.contains("the set was cut") && right < 20 && right > 8, "{right}: {texts}");
    assert!(open(&set.path, &set.key).verify(&Quiet).unwrap().problems.len() > 20 - right);
}

#[test]
fn what_was_appended_to_a_volume_costs_nothing() {
    // `dd conv=sync` and copies to partitions pad.
    let set = set(Some(16 << 20));
    for (number, bytes) in [(1, 1), (2, 65536), (3, 1_000_000), (set.volumes, 65536)] {
        let mut file = File::options().append(true).open(set.volume(number)).unwrap();
        file.write_all(&noise(7, bytes)).unwrap();
    }
    // A catalogue is still found at the end.
    let mut stream = open(&set.path, &set.key);
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let one = Selection::Paths(vec!["/f19".into()]);
    let report = stream.restore(target.path(), &one, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!(report.problems, []);
    assert!(stream.bytes_read() < 20 << 20, "{}", stream.bytes_read());
    // More than anybody would wait for.
    for number in [2, set.volumes] {
        let length = set.volume(number).metadata().unwrap().len();
        cut(&set.volume(number), length + (1 << 40));
    }
    let (report, right) = set.restore();
    assert_eq!((report.problems.len(), right), (0, 20), "{}", Set::texts(&report));
    assert_eq!(open(&set.path, &set.key).verify(&Quiet).unwrap().problems, []);
}

#[test]
fn a_damaged_trailer_costs_no_file_whatever_follows_it() {
    for appended in [0_u64, 1, 65536, 1 << 40] {
        let set = set(None);
        let whole = set.path.metadata().unwrap().len();
        flip(&set.path, whole - 65536 + 10);
        cut(&set.path, whole + appended);
        let (report, right) = set.restore();
        let texts = Set::texts(&report);
        assert!(
            texts.contains("trailer") && right >= if appended < 1 << 40 { 20 } else { 19 },
            "{appended}: {right} {texts}"
        );
        assert!(report.problems.len() < 10_000, "{}", report.problems.len());
    }
}

#[test]
fn a_stream_that_ends_early_anywhere() {
    let set = set(None);
    let whole = set.path.metadata().unwrap().len();
    // In a block, between blocks, without its trailer, in its trailer.
    for length in [whole / 2 + 12_345, whole / 3 / 65536 * 65536, whole - 65536, whole - 1] {
        cut(&set.path, length);
        let mut file = open(&set.path, &set.key);
        let (report, right) = set.restored(&mut file);
        let texts = Set::texts(&report);
        assert!(texts.contains("was cut") || texts.contains("trailer is damaged"), "{length}: {texts}");
        let mut pipe = Stream::open(PipeSource(Some(File::open(&set.path).unwrap())), &set.key).unwrap();
        let (report, from_pipe) = set.restored(&mut pipe);
        assert_eq!(right, from_pipe, "{}", Set::texts(&report));
        let least = (length as usize / 3_000_000).min(20).saturating_sub(3);
        assert!(right >= least, "{length}: {right}");
        if length >= whole - 65536 {
            assert_eq!(right, 20, "{length} of {whole}: {}", Set::texts(&report));
        }
        // A longer one for the next round is not needed: lengths are not ascending everywhere.
        std::fs::remove_file(&set.path).unwrap();
        let report = save(&FileTree::new(&set.tree), &set.path, None, &set.key);
        assert_eq!(report.report.problems, []);
    }
}

#[test]
fn a_flipped_bit_costs_its_frame() {
    let set = set(None);
    flip(&set.path, 30_000_000);
    let (report, right) = set.restore();
    let texts = Set::texts(&report);
    assert!((16..20).contains(&right), "{right}: {texts}");
    assert!(texts.contains("volume 1: bytes") && texts.contains("are damaged"), "{texts}");
    let verified = open(&set.path, &set.key).verify(&Quiet).unwrap();
    assert!(verified.problems.iter().any(|problem| problem.message.contains("does not match its trailer")));
    let mut pipe = Stream::open(PipeSource(Some(File::open(&set.path).unwrap())), &set.key).unwrap();
    assert_eq!(set.restored(&mut pipe).1, right);
}

#[test]
fn volumes_of_other_sets_and_in_wrong_places_are_named() {
    let (set, other) = (set(Some(16 << 20)), self::set(Some(16 << 20)));
    std::fs::copy(other.volume(2), set.volume(2)).unwrap();
    let (report, right) = set.restore();
    let texts = Set::texts(&report);
    // It is for another key, too, which is noticed first.
    assert!(texts.contains("volume 2: the key does not match") && right < 20, "{texts}");
    std::fs::copy(set.volume(3), set.volume(2)).unwrap();
    let texts = Set::texts(&set.restore().0);
    assert!(texts.contains("volume 2: volume 3 is in its place"), "{texts}");
    // One of the same key.
    let path = set.path.with_extension("second");
    save(&FileTree::new(&set.tree), &path, Some(16 << 20), &set.key);
    std::fs::copy(FileSink::volume_path(&path, 2), set.volume(2)).unwrap();
    let texts = Set::texts(&set.restore().0);
    assert!(texts.contains("volume 2: another set is in its place"), "{texts}");
    std::fs::write(set.volume(2), b"").unwrap();
    let texts = Set::texts(&set.restore().0);
    assert!(texts.contains("volume 2: it does not begin with 'LIFEBOAT STREAM'"), "{texts}");
}

#[test]
fn without_its_key_nothing_is_read() {
    let set = set(None);
    let source = || FileSource::find(&set.path).unwrap();
    let other = Secret::generate().unwrap();
    assert!(matches!(Stream::open(source(), &other), Err(ArchiveError::WrongKeyForStream { .. })));
    let passphrase = Secret::new("correct horse");
    assert!(matches!(Stream::open(source(), &passphrase), Err(ArchiveError::PassphraseForStream)));
    assert!(FileSource::find(&set.path.with_extension("none")).is_err());
    for nonsense in [&b"x"[..], &[0; 70_000], &noise(1, 200_000)] {
        std::fs::write(&set.path, nonsense).unwrap();
        assert!(matches!(Stream::open(source(), &set.key), Err(ArchiveError::DamagedStream { .. })));
    }
}

#[test]
fn one_file_is_read_without_the_rest() {
    let set = set(Some(16 << 20));
    let mut stream = open(&set.path, &set.key);
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let before = stream.bytes_read();
    let paths = Selection::Paths(vec!["/f19".into()]);
    let report = stream.restore(target.path(), &paths, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!(report.problems, []);
    assert!(std::fs::read(target.path().join("f19")).unwrap() == noise(19, 3_000_000));
    let read = stream.bytes_read() - before;
    assert!(read < 14 << 20, "{read} bytes were read for 3 MB");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 1);
}

#[test]
fn what_exists_is_not_overwritten() {
    let set = set(None);
    let before = std::fs::read(&set.path).unwrap();
    let manifest = common::machine_manifest("id-1", "test");
    let tree = FileTree::new(&set.tree);
    let request = common::machine_request(&tree, "id-1", "test", &manifest);
    let error =
        lifeboat_archive::stream::backup(&request, Box::new(FileSink::new(&set.path, None)), &set.key, None, &Quiet);
    assert!(error.unwrap_err().to_string().contains("exists already"));
    assert!(std::fs::read(&set.path).unwrap() == before);
}

/// Changes files right after the walk has seen them.
struct Changing(PathBuf, std::sync::Once);

impl Observer for Changing {
    fn progress(&self, progress: &Progress) {
        if progress.phase == "walk" {
            self.1.call_once(|| {
                std::fs::write(self.0.join("grows"), noise(7, 6_000_000)).unwrap();
                std::fs::write(self.0.join("shrinks"), b"little").unwrap();
                std::fs::remove_file(self.0.join("vanishes")).unwrap();
            });
        }
    }
}

#[test]
fn what_changes_after_the_walk_is_saved_as_it_is_read() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let (tree, path) = (folder.path().join("tree"), folder.path().join("set"));
    std::fs::create_dir(&tree).unwrap();
    for name in ["grows", "last", "shrinks", "vanishes"] {
        std::fs::write(tree.join(name), noise(3, 1_000_000)).unwrap();
    }
    let key = Secret::generate().unwrap();
    let manifest = common::machine_manifest("id-1", "test");
    let source = FileTree::new(&tree);
    let request = common::machine_request(&source, "id-1", "test", &manifest);
    let changing = Changing(tree.clone(), std::sync::Once::new());
    let sink = Box::new(FileSink::new(&path, None));
    let report = lifeboat_archive::stream::backup(&request, sink, &key, None, &changing).unwrap().report;
    assert_eq!(report.problems.len(), 3, "{:?}", report.problems);
    assert_eq!((report.entries, report.bytes), (4, 7_000_006));
    for from_pipe in [false, true] {
        let mut stream = match from_pipe {
            false => open(&path, &key),
            true => Stream::open(PipeSource(Some(File::open(&path).unwrap())), &key).unwrap(),
        };
        let target = tempfile::tempdir_in("/var/tmp").unwrap();
        let options = RestoreOptions::default();
        let restored = stream.restore(target.path(), &Selection::Everything, &options, &Quiet).unwrap();
        assert_eq!(restored.problems, [], "{from_pipe}");
        let read = |name: &str| std::fs::read(target.path().join(name)).unwrap();
        assert!(read("grows") == noise(7, 6_000_000) && read("last") == noise(3, 1_000_000));
        assert_eq!(read("shrinks"), b"little");
        assert!(!target.path().join("vanishes").exists());
        let mut again = match from_pipe {
            false => open(&path, &key),
            true => Stream::open(PipeSource(Some(File::open(&path).unwrap())), &key).unwrap(),
        };
        assert_eq!(again.verify(&Quiet).unwrap().problems, [], "{from_pipe}");
    }
    // As a recovery from tape does it: proven, restored, compared. The end is known from the first pass on.
    let opened = Arc::default();
    let mut stream = Stream::open(LikeTapes(FileSource::find(&path).unwrap(), Arc::clone(&opened), 9), &key).unwrap();
    assert_eq!(stream.info().entries, 5);
    assert_eq!(stream.verify(&Quiet).unwrap().problems, []);
    assert_eq!((stream.info().entries, stream.info().bytes), (4, 7_000_006));
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let restored = stream.restore(target.path(), &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!((restored.entries, &restored.problems[..]), (4, &[][..]));
    let report = stream.compare(&FileTree::new(target.path()), &Selection::Everything, &Quiet).unwrap();
    assert_eq!((report.differences, report.problems), (vec![], vec![]));
    assert!(stream.read_file(Path::new("/shrinks")).unwrap() == b"little");
    assert!(stream.read_file(Path::new("/vanishes")).unwrap_err().to_string().contains("/vanishes"));
}

/// Volumes that are only known when they are opened; those from a number on never come.
struct LikeTapes(FileSource, Arc<Mutex<Vec<u32>>>, u32);

impl Source for LikeTapes {
    fn open(&mut self, number: u32) -> std::io::Result<Option<Box<dyn Input>>> {
        self.1.lock().unwrap().push(number);
        match number < self.2 {
            true => self.0.open(number),
            false => Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "nobody put the tape in")),
        }
    }

    fn last(&self) -> Option<u32> {
        None
    }

    fn label(&self) -> PathBuf {
        self.0.label()
    }
}

#[test]
fn a_volume_is_asked_for_when_it_is_needed_and_given_up_as_an_error() {
    let set = set(Some(16 << 20));
    let opened: Arc<Mutex<Vec<u32>>> = Arc::default();
    let source = LikeTapes(FileSource::find(&set.path).unwrap(), Arc::clone(&opened), 2);
    let mut stream = Stream::open(source, &set.key).unwrap();
    assert!(stream.read_file(Path::new("/f01")).unwrap() == noise(1, 3_000_000));
    // Reading ahead stops at the end of a volume.
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(opened.lock().unwrap().iter().max(), Some(&1));
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let error = stream.restore(target.path(), &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap_err();
    assert!(error.to_string().contains("nobody put the tape in"), "{error}");
}

#[test]
fn another_volume_in_the_place_of_the_first() {
    let set = set(Some(16 << 20));
    std::fs::copy(set.volume(2), set.volume(1)).unwrap();
    let (report, right) = set.restore();
    let texts = Set::texts(&report);
    assert!((12..20).contains(&right) && texts.contains("volume 1: volume 2 "), "{right}: {texts}");
    // Alone it is not enough.
    let error = Stream::open(FileSource::find(&set.volume(2)).unwrap(), &set.key).err().unwrap();
    assert!(error.to_string().contains("volume 1 of the set is needed first, and this is volume 2 of set "), "{error}");
}

#[test]
fn what_another_set_of_the_same_key_saved_is_not_taken_behind_a_header_of_this_one() {
    let old = set(Some(16 << 20));
    std::fs::write(old.tree.join("f01"), noise(77, 3_000_000)).unwrap();
    let path = old.path.with_file_name("newer");
    let report = save(&FileTree::new(&old.tree), &path, Some(16 << 20), &old.key);
    assert_eq!((report.report.problems, report.volumes), (vec![], old.volumes));
    let mut grafted = std::fs::read(FileSink::volume_path(&path, 1)).unwrap();
    let payload = std::fs::read(old.volume(1)).unwrap();
    grafted.truncate(64 << 10);
    grafted.extend_from_slice(&payload[64 << 10..]);
    std::fs::write(FileSink::volume_path(&path, 1), grafted).unwrap();
    let mut stream = open(&path, &old.key);
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let paths = Selection::Paths(vec!["/f01".into()]);
    let report = stream.restore(target.path(), &paths, &RestoreOptions::default(), &Quiet).unwrap();
    assert_ne!(report.problems, []);
    assert!(!target.path().join("f01").exists());
}
