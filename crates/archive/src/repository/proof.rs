//! Checks that a snapshot can be restored, by what it needs itself: its trees are read and followed, and every blob is checked. What
//! other snapshots or machines need does not matter. Contents are decrypted and hashed, or, where reading twice is too expensive, only
//! their packs are compared with what the index says; they are authenticated when they are restored in any case.

use super::blobs::Blobs;
use super::index::{Index, Location};
use super::index_file::BlobKind;
use super::load::Loaded;
use super::store::{self, Store};
use super::{Repository, SnapshotInfo};
use crate::file_table::{Id, Kind};
use crate::report::{Problem, Progress, locked};
use crate::{ArchiveError, Observer, Selection};
use rustic_core::FileType;
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Blobs that a thread takes at a time; they are together.
const BATCH: usize = 256;

/// How much is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Packs are there at full length.
    Presence,
    /// Every blob is read.
    Contents,
}

/// Everything of a snapshot that cannot be restored: directories that are missing completely, and files.
pub(super) fn run(
    repository: &Repository,
    snapshot: &SnapshotInfo,
    depth: Depth,
    observer: &dyn Observer,
) -> Result<Vec<Problem>, ArchiveError> {
    let store = &repository.store;
    let (index, loaded) = repository.load(snapshot, &Selection::Everything)?;
    let mut blobs = needed(&index, &loaded);
    let bad = match depth {
        Depth::Presence => missing(store, &index, &blobs)?,
        Depth::Contents => {
            blobs.sort_unstable();
            unreadable(store, &index, &blobs, observer)?
        }
    };
    Ok(affected(&index, &loaded, &bad))
}

/// Where the content of a snapshot's files is, each blob once; those that are nowhere are left to [`affected`].
fn needed(index: &Index, loaded: &Loaded) -> Vec<(Location, Id)> {
    let mut seen: HashSet<&Id> = HashSet::new();
    let files = (0..loaded.table.records.len()).filter(|number| loaded.table.records[*number].kind == Kind::File);
    let ids = files.flat_map(|number| loaded.table.content(number)).filter(|id| seen.insert(*id));
    ids.filter_map(|id| Some((index.get(BlobKind::Data, id)?, *id))).collect()
}

/// The blobs without a copy in a pack that is long enough.
fn missing(store: &Store, index: &Index, blobs: &[(Location, Id)]) -> Result<HashMap<Id, String>, ArchiveError> {
    let sizes: HashMap<Id, u64> = store.list_with_sizes(FileType::Pack)?.into_iter().collect();
    let cause = |location: &Location| {
        let pack = index.packs[location.pack as usize];
        let end = u64::from(location.offset) + u64::from(location.length);
        let name = store::name(FileType::Pack, &pack);
        match sizes.get(&pack) {
            None => Some(format!("{name} is missing")),
            Some(size) if *size < end => Some(format!("{name} has {size} bytes, at least {end} are needed")),
            Some(_) => None,
        }
    };
    let bad = |(location, id): &(Location, Id)| {
        let first = cause(location)?;
        let has_copy = index.copies(BlobKind::Data, id).iter().any(|copy| cause(copy).is_none());
        (!has_copy).then_some((*id, first))
    };
    Ok(blobs.iter().filter_map(bad).collect())
}

/// The blobs that cannot be read.
fn unreadable(
    store: &Store,
    index: &Index,
    blobs: &[(Location, Id)],
    observer: &dyn Observer,
) -> Result<HashMap<Id, String>, ArchiveError> {
    let batches: Vec<_> = blobs.chunks(BATCH).collect();
    let total: u64 = blobs.iter().map(|(location, _)| u64::from(location.length)).sum();
    let (next, done, read) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let bad = Mutex::new(HashMap::new());
    let work = || -> Result<(), ArchiveError> {
        let mut reader = Blobs::new(store, index)?;
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            for (location, id) in *batch {
                if let Err(error) = reader.get(BlobKind::Data, id) {
                    if let Some(lost) = store.lost() {
                        return Err(lost);
                    }
                    locked(&bad).insert(*id, error.to_string());
                }
                read.fetch_add(location.length.into(), Ordering::Relaxed);
            }
            observer.progress(&Progress {
                phase: "verify",
                entries: done.fetch_add(batch.len() as u64, Ordering::Relaxed) + batch.len() as u64,
                entries_total: blobs.len() as u64,
                bytes: read.load(Ordering::Relaxed),
                bytes_total: total,
            });
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        handles.into_iter().try_for_each(|handle| {
            handle.join().unwrap_or_else(|panic| {
                let cause = super::guard::panic_message(&*panic);
                Err(ArchiveError::Panicked { action: "READ the archive", cause })
            })
        })
    })?;
    Ok(bad.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// The affected paths, each with the reason.
pub(super) fn affected(index: &Index, loaded: &Loaded, bad: &HashMap<Id, String>) -> Vec<Problem> {
    let table = &loaded.table;
    let mut problems: Vec<Problem> = loaded.problems().collect();
    for number in (0..table.records.len()).filter(|number| table.records[*number].kind == Kind::File) {
        if table.records[number].left_out {
            continue;
        }
        let cause = table.content(number).iter().find_map(|id| match bad.get(id) {
            None if index.get(BlobKind::Data, id).is_none() => Some("part of it is in no existing pack".to_owned()),
            cause => cause.cloned(),
        });
        if let Some(cause) = cause {
            problems
                .push(Problem { path: table.path(number), message: format!("its content cannot be read: {cause}") });
        }
    }
    problems
}
