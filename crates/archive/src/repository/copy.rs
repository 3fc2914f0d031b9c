//! Copies one snapshot into another repository, e.g. onto a medium: its blobs are decrypted, checked and encrypted with the
//! other key, but not compressed again.

use super::blobs::Blobs;
use super::index::{Index, Location};
use super::index_file::BlobKind;
use super::lock::{Lock, Mode};
use super::stock::Stock;
use super::writer::{State, Writer};
use super::{Repository, SnapshotInfo, crypto, node, snapshot};
use crate::file_table::Id;
use crate::report::Progress;
use crate::{ArchiveError, Observer, Quiet};
use rustic_core::FileType;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Blobs that a thread takes at a time; they are together.
const BATCH: usize = 64;

/// Copies `snapshot` of `from` into `to`; returns it as it is there, because its id differs, and the bytes that were added.
pub(super) fn run(
    from: &Repository,
    to: &Repository,
    snapshot: &SnapshotInfo,
    observer: &dyn Observer,
) -> Result<(SnapshotInfo, u64), ArchiveError> {
    // Somebody else's lock there is no reason not to try.
    let _ = from.hold_for_reading();
    let lock = Lock::take(&to.store, Mode::Shared, "WRITE", to.lock_patience)?;
    let (source, wanted) = from.with_index(
        |index| blobs(from, index, snapshot),
        |index, wanted| wanted.iter().any(|(kind, id)| index.get(*kind, id).is_none()),
    )?;
    let mut stock = Stock::take(&to.store)?;
    lock.confirm("WRITE")?;
    let unnamed = std::mem::take(&mut stock.unnamed);
    to.store.mend_index(&stock.index, unnamed, &crate::Quiet)?;
    let target = &stock.index;
    let state = State::new(target);
    std::thread::scope(|scope| {
        let (writer, disk) = Writer::start(scope, &to.store, target, &state);
        let result = copy(from, &source, &writer, &wanted, observer);
        drop(writer);
        // A failure of the disk explains all errors of the workers.
        disk.join().map_err(|panic| panicked(&*panic))??;
        result
    })?;
    // The parent stays behind.
    let id = crypto::unhex(&snapshot.id).unwrap_or_default();
    let json = from.store.read_file(FileType::Snapshot, &id)?;
    let damaged = |error| from.store.damaged(format!("snapshot {}", snapshot.short_id()), error);
    let mut file: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&json).map_err(damaged)?;
    file.remove("parent");
    file.remove("parents");
    let json = serde_json::to_vec(&file).map_err(|error| to.store.failed("WRITE", error))?;
    state.keep_indexed(&to.store, target)?;
    state.prove(&to.store, target, &stock.short)?;
    lock.prove()?;
    let (id, _) = to.store.write_file(FileType::Snapshot, &json)?;
    state.keep_indexed(&to.store, target)?;
    // What cannot be repaired stays as it was.
    let _ = stock.mend(&to.store).and_then(|named| stock.clear(&to.store, &lock, &named));
    Ok((snapshot::one(&to.store, &id)?, state.added()))
}

impl Repository {
    /// Copies one snapshot, with all that it needs, into another repository, unless it is there; returns it as it is there.
    ///
    /// # Errors
    /// When one cannot be read or the other cannot be written.
    pub fn copy_snapshot(&self, snapshot: &SnapshotInfo, to: &Repository) -> Result<SnapshotInfo, ArchiveError> {
        match self.copy_of(snapshot, to)? {
            Some(known) => Ok(known),
            None => Ok(self.copy_with(snapshot, to, &Quiet)?.0),
        }
    }

    /// The same of one that is not there, with the bytes that were added. What an interrupted copy wrote is not written again.
    ///
    /// # Errors
    /// As [`Repository::copy_snapshot`].
    pub fn copy_with(
        &self,
        snapshot: &SnapshotInfo,
        to: &Repository,
        observer: &dyn Observer,
    ) -> Result<(SnapshotInfo, u64), ArchiveError> {
        run(self, to, snapshot, observer)
    }

    /// The copy of a snapshot in another repository, if it is there: of the same content, time and host.
    ///
    /// # Errors
    /// When the other cannot be listed.
    pub fn copy_of(&self, snapshot: &SnapshotInfo, to: &Repository) -> Result<Option<SnapshotInfo>, ArchiveError> {
        let is_same = |known: &SnapshotInfo| {
            (known.tree, &known.time, &known.host) == (snapshot.tree, &snapshot.time, &snapshot.host)
        };
        Ok(to.snapshots()?.into_iter().find(is_same))
    }

    /// The approximate size of a copy of a snapshot, in bytes: its packed blobs, and their lines in pack headers and index.
    ///
    /// # Errors
    /// When a directory of it cannot be read.
    pub fn snapshot_bytes(&self, snapshot: &SnapshotInfo) -> Result<u64, ArchiveError> {
        const LINES: u64 = 160;
        let index = self.store.load_index()?;
        let lengths = blobs(self, &index, snapshot)?.into_iter();
        Ok(lengths.map(|(kind, id)| index.get(kind, &id).map_or(0, |found| u64::from(found.length)) + LINES).sum())
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> ArchiveError {
    ArchiveError::Panicked { action: "COPY the snapshot", cause: super::guard::panic_message(panic) }
}

/// All blobs that a snapshot needs, in the order of their positions.
fn blobs(from: &Repository, index: &Index, snapshot: &SnapshotInfo) -> Result<Vec<(BlobKind, Id)>, ArchiveError> {
    let mut reader = Blobs::new(&from.store, index)?;
    let mut seen: HashSet<(BlobKind, Id)> = HashSet::from([(BlobKind::Tree, snapshot.tree)]);
    let mut open = vec![snapshot.tree];
    while let Some(id) = open.pop() {
        let tree = reader.get(BlobKind::Tree, &id)?;
        let read = node::for_each(tree, &mut |node| {
            seen.extend(node.content.iter().flatten().map(|id| (BlobKind::Data, id.0)));
            open.extend(node.subtree.map(|id| id.0).filter(|id| seen.insert((BlobKind::Tree, *id))));
            Ok(())
        });
        read.map_err(|error| from.store.damaged(format!("tree {}", crypto::hex(&id[..4])), error))?;
    }
    let mut list: Vec<(Option<Location>, BlobKind, Id)> =
        seen.into_iter().map(|(kind, id)| (index.get(kind, &id), kind, id)).collect();
    list.sort_by_key(|(location, _, id)| (*location, *id));
    Ok(list.into_iter().map(|(_, kind, id)| (kind, id)).collect())
}

fn copy(
    from: &Repository,
    index: &Index,
    writer: &Writer<'_>,
    wanted: &[(BlobKind, Id)],
    observer: &dyn Observer,
) -> Result<(), ArchiveError> {
    let batches: Vec<_> = wanted.chunks(BATCH).collect();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || -> Result<(), ArchiveError> {
        let mut reader = Blobs::new(&from.store, index)?;
        let mut worker = writer.worker()?;
        while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            if writer.has_failed() {
                return Ok(());
            }
            for (kind, id) in *batch {
                if writer.claim(*kind, *id) {
                    let (packed, length) = reader.get_packed(*kind, id)?;
                    writer.put_packed(&mut worker, *kind, *id, packed, length)?;
                }
            }
            let entries = done.fetch_add(batch.len() as u64, Ordering::Relaxed) + batch.len() as u64;
            let entries_total = wanted.len() as u64;
            observer.progress(&Progress { phase: "copy", entries, entries_total, ..Progress::default() });
        }
        writer.finish(worker)
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |result: Result<(), ArchiveError>, handle: std::thread::ScopedJoinHandle<'_, _>| {
            result.and(handle.join().unwrap_or_else(|panic| Err(panicked(&*panic))))
        };
        handles.into_iter().fold(Ok(()), join)
    })
}
