//! The check that a repository is intact: every byte is read, decrypted and hashed, every tree followed, every count
//! compared. What is damaged is listed, with every affected path.

use super::blobs::Blobs;
use super::index::Index;
use super::index_file::{BlobKind, IndexBlob};
use super::keys::Candidate;
use super::notes::Looked;
use super::pack::{self, Opener};
use super::snapshot::SnapshotInfo;
use super::store::{self, Store};
use super::{Repository, crypto, load, proof};
use crate::file_table::{Id, Kind};
use crate::report::{Problem, Problems, Progress, VerifyReport, locked};
use crate::{ArchiveError, Observer, Selection};
use rustic_core::FileType;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A pack about which nothing is known is not read when it is larger: restic's are 128 MiB at most.
const LARGEST_UNKNOWN: u64 = 256 << 20;
/// How many bytes longer than known a pack may be.
const SLACK: u64 = 1 << 20;
/// Snapshots that are listed with an affected path.
const NAMED: usize = 3;

pub(super) fn run(repository: &Repository, observer: &dyn Observer) -> Result<VerifyReport, ArchiveError> {
    let store = &repository.store;
    let problems = Problems::new(observer);
    let note = |message: &str| problems.add(PathBuf::new(), message);
    repository.damage().iter().for_each(|damage| note(damage));
    for listed in store.list_with_sizes(FileType::Key)? {
        let read = store.read_listed(FileType::Key, &listed);
        let bad = read.and_then(|bytes| {
            let candidate = Candidate::read(&bytes, &listed.0);
            candidate.map_err(|cause| store.damaged(store::name(FileType::Key, &listed.0), cause))
        });
        if let Err(error) = bad
            && !repository.damage().contains(&error.to_string())
        {
            note(&error.to_string());
        }
    }
    let mut index = store.read_indexes()?;
    index.unreadable.iter().for_each(|index| note(&index.cause));
    let expected = expected(store)?;
    let named = index.packs.len();
    let is_named: HashSet<Id> = index.packs.iter().copied().collect();
    let unnamed = store.complete(&mut index)?;
    let listed = store.list_with_sizes(FileType::Pack)?;
    let sizes: HashMap<Id, u64> = listed.iter().copied().collect();
    let mut missing = HashMap::new();
    for (pack, blobs) in expected.iter().filter(|(pack, _)| !sizes.contains_key(*pack)) {
        let cause = format!("pack {} is missing", crypto::hex(&pack[..4]));
        note(&cause);
        missing.extend(blobs.iter().map(|blob| (blob.id, cause.clone())));
    }
    let reading = Reading {
        store,
        packs: &listed,
        expected: &expected,
        unneeded: index.damaged.iter().filter(|(_, damage)| damage.unneeded).map(|(pack, _)| *pack).collect(),
        waiting: index.marked.keys().copied().filter(|pack| !is_named.contains(pack)).collect(),
        headless: unnamed.bad.iter().cloned().collect(),
        lengths: index.packs.iter().copied().zip(index.lengths.iter().copied()).collect(),
        problems: &problems,
        observer,
        bad: Mutex::new(missing),
        bytes: AtomicU64::new(0),
        blobs: AtomicU64::new(0),
        total: listed.iter().map(|(_, size)| size).sum(),
    };
    reading.run();
    let (blobs, bytes) = (reading.blobs.into_inner(), reading.bytes.into_inner());
    let mut bad = reading.bad.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    // Another copy of a damaged blob may be intact.
    let mut reader = Blobs::new(store, &index)?;
    bad.retain(|id, _| reader.get(BlobKind::Data, id).is_err());
    let mut report = VerifyReport { packs: listed.len() as u64, blobs, bytes, ..VerifyReport::default() };
    let mut hit: BTreeMap<(PathBuf, String), Vec<String>> = BTreeMap::new();
    let (snapshots, unreadable) = super::snapshot::all(store)?;
    unreadable.iter().for_each(|snapshot| note(&snapshot.cause));
    report.snapshots = (snapshots.len() + unreadable.len()) as u64;
    let mut needs_unnamed = false;
    for snapshot in &snapshots {
        match check_snapshot(store, &index, snapshot, &bad, named) {
            Ok(checked) => {
                report.entries += checked.entries;
                needs_unnamed |= checked.needs_unnamed;
                for problem in checked.problems {
                    hit.entry((problem.path, problem.message)).or_default().push(snapshot.short_id().to_owned());
                }
            }
            Err(error) => match store.lost() {
                Some(lost) => return Err(lost),
                None => note(&format!("snapshot {} cannot be restored: {error}", snapshot.short_id())),
            },
        }
    }
    if needs_unnamed && index.unreadable.is_empty() {
        match unnamed.packs.len() {
            0 => note("snapshots need packs that wait to be removed; `lifeboat prune` puts them back into the index"),
            packs => note(&format!(
                "an index is missing: snapshots need {packs} packs that no index names; the next backup writes it again"
            )),
        }
    }
    for ((path, message), snapshots) in hit {
        problems.add(path, format!("{} {message}", of_snapshots(&snapshots)));
    }
    // What is missing, a backup notices by itself.
    locked(&store.found).retain(|pack, _| sizes.contains_key(pack));
    repository.note_damage(&index, Looked::All, observer);
    report.problems = crate::warnings::added_to(problems);
    Ok(report)
}

/// "snapshot 1a2b3c4d:", with several "snapshots 1a2b3c4d, … and 2 more:".
fn of_snapshots(ids: &[String]) -> String {
    let named = ids.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match ids.len() {
        1 => format!("snapshot {named}:"),
        count if count <= NAMED => format!("snapshots {named}:"),
        count => format!("snapshots {named} and {} more:", count - NAMED),
    }
}

/// What index files say about packs.
fn expected(store: &Store) -> Result<HashMap<Id, Vec<IndexBlob>>, ArchiveError> {
    let mut expected: HashMap<Id, Vec<IndexBlob>> = HashMap::new();
    for listed in store.list_with_sizes(FileType::Index)? {
        // Those that cannot be read were reported.
        for pack in store.read_index(&listed).map(|file| file.packs).unwrap_or_default() {
            expected.entry(pack.id).or_default().extend(pack.blobs);
        }
    }
    Ok(expected)
}

/// Reads all packs.
struct Reading<'a> {
    store: &'a Store,
    packs: &'a [(Id, u64)],
    expected: &'a HashMap<Id, Vec<IndexBlob>>,
    /// Damaged packs that nothing needs.
    unneeded: HashSet<Id>,
    /// Packs that a prune marked: another one may be removing them now.
    waiting: HashSet<Id>,
    /// Packs that no index names, and that cannot be used: why.
    headless: HashMap<Id, String>,
    /// Lengths of packs, as far as known.
    lengths: HashMap<Id, u64>,
    problems: &'a Problems<'a>,
    observer: &'a dyn Observer,
    /// Blobs of files that cannot be read, and why.
    bad: Mutex<HashMap<Id, String>>,
    bytes: AtomicU64,
    blobs: AtomicU64,
    /// Bytes of all packs.
    total: u64,
}

impl Reading<'_> {
    fn run(&self) {
        let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
        let work = || {
            let mut opener = match Opener::new(self.store.key.clone()) {
                Ok(opener) => opener,
                Err(error) => {
                    return self.problems.add(PathBuf::new(), self.store.failed("READ", error).to_string());
                }
            };
            while let Some((id, _)) = self.packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.pack(&mut opener, id) {
                    Err(error) if self.unneeded.contains(id) => self.observer.warning(&format!(
                        "{error}; nothing needs this pack any more, and the next backup that has the repository to \
                         itself removes it"
                    )),
                    Err(error) if self.waiting.contains(id) => self
                        .observer
                        .warning(&format!("{error}; no snapshot needed this pack when `lifeboat prune` marked it")),
                    Err(error) => self.problems.add(PathBuf::new(), error),
                    Ok(()) => {}
                }
                self.observer.progress(&Progress {
                    phase: "verify",
                    entries: done.fetch_add(1, Ordering::Relaxed) + 1,
                    entries_total: self.packs.len() as u64,
                    bytes: self.bytes.load(Ordering::Relaxed),
                    bytes_total: self.total,
                });
            }
        };
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
    }

    /// Reads one pack, and every blob in it.
    fn pack(&self, opener: &mut Opener, id: &Id) -> Result<(), String> {
        let damaged = |cause: String| self.store.damaged(store::name(FileType::Pack, id), cause).to_string();
        let expected = self.expected.get(id).map(Vec::as_slice).unwrap_or_default();
        // Nobody knows what is in it: anybody may have left thousands.
        if let Some(cause) = self.headless.get(id).filter(|_| expected.is_empty()) {
            self.store.found_damaged(id, None);
            return Err(cause.clone());
        }
        let all_bad = |error: String| {
            let mut bad = locked(&self.bad);
            expected.iter().for_each(|blob| {
                self.store.found_damaged(id, Some((blob.kind, blob.id)));
                bad.insert(blob.id, error.clone());
            });
            error
        };
        // Nothing in it is authenticated yet: no more is read than it can have.
        let limit = self.lengths.get(id).map_or(LARGEST_UNKNOWN, |length| length + SLACK);
        let read = self.store.read_up_to(FileType::Pack, id, limit);
        let mut bytes = read.map_err(|error| all_bad(error.to_string()))?;
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let is_whole = crypto::hash(&bytes) == *id;
        if !is_whole {
            self.store.found_damaged(id, None);
        }
        let header = pack::read_header(&self.store.key, &bytes).map_err(|error| error.to_string());
        let blobs = match (&header, is_whole) {
            (Ok(blobs), _) => blobs,
            (Err(error), true) => return Err(damaged(error.clone())),
            // The index also knows where they are.
            (Err(_), false) => expected,
        };
        let mut first = None;
        for blob in blobs {
            let place = blob.offset as usize..blob.offset as usize + blob.length as usize;
            let opened = match bytes.get_mut(place) {
                Some(sealed) => {
                    opener.open(sealed, blob.uncompressed_length, &blob.id).map(drop).map_err(|error| error.to_string())
                }
                None => Err("the pack ends before it".to_owned()),
            };
            match opened {
                Ok(()) => {
                    self.blobs.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    let error = format!("blob {}: {error}", crypto::hex(&blob.id[..4]));
                    self.store.found_damaged(id, Some((blob.kind, blob.id)));
                    locked(&self.bad).insert(blob.id, damaged(error.clone()));
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            Some(error) => return Err(damaged(error)),
            None if !is_whole => return Err(damaged(store::MISMATCH.to_owned())),
            None => {}
        }
        match expected.iter().find(|blob| !blobs.contains(blob)) {
            Some(blob) => {
                Err(damaged(format!("the index names blob {}, which it does not have", crypto::hex(&blob.id[..4]))))
            }
            None => Ok(()),
        }
    }
}

/// The result for a snapshot.
struct Checked {
    entries: u64,
    problems: Vec<Problem>,
    /// Something is in a pack that no index names.
    needs_unnamed: bool,
}

/// Follows all trees of a snapshot and compares its counts.
fn check_snapshot(
    store: &Store,
    index: &Index,
    snapshot: &SnapshotInfo,
    bad: &HashMap<Id, String>,
    named: usize,
) -> Result<Checked, ArchiveError> {
    use crate::extract::ContentSource as _;
    let mut blobs = Blobs::new(store, index)?;
    let loaded = load::table(store, &mut blobs, (snapshot.tree, snapshot.entries), &Selection::Everything)?;
    let mut highest = blobs.highest_pack;
    let table = &loaded.table;
    let mut problems = proof::affected(index, &loaded, bad);
    let content = super::content::RepositoryContent { store, index };
    for number in (0..table.records.len()).filter(|number| table.records[*number].kind == Kind::File) {
        let packs = table.content(number).iter().filter_map(|id| index.get(BlobKind::Data, id));
        highest = packs.map(|location| location.pack).max().unwrap_or(0).max(highest);
        let lengths = table.content(number).iter().map(|id| content.length(id));
        let wanted = table.content_bytes(number);
        // What is missing was reported.
        if let Some(length) = lengths.sum::<Option<u64>>().filter(|length| *length != wanted) {
            let message = format!("its content has {length} bytes instead of {wanted}");
            problems.push(Problem { path: table.path(number), message });
        }
    }
    let path = Path::new("/.lifeboat/manifest.json");
    if let Some(manifest) = table.find(path).filter(|_| loaded.lost.is_empty()) {
        let problem = |message: String| Problem { path: path.to_owned(), message };
        let json = load::content(&mut blobs, table, manifest).unwrap_or_default();
        match serde_json::from_slice::<serde_json::Value>(&json) {
            Err(error) => problems.push(problem(format!("it cannot be used: {error}"))),
            Ok(value) => {
                for (field, found) in [("entries", table.len()), ("bytes", table.bytes())] {
                    let wanted = value.get(field).and_then(serde_json::Value::as_u64);
                    if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                        problems.push(problem(format!("it says {wanted} {field}, the snapshot holds {found}")));
                    }
                }
            }
        }
    }
    Ok(Checked { entries: table.len(), problems, needs_unnamed: highest as usize >= named })
}
