//! Copies out of packs, the new index, and the marks.

use super::super::blobs::Blobs;
use super::super::guard::panic_message;
use super::super::index::Index;
use super::super::index_file::{BlobKind, IndexFile, IndexPack};
use super::super::indexes::INDEX_BLOBS;
use super::super::lock::Lock;
use super::super::store::Store;
use super::super::writer::{State, Writer};
use crate::file_table::Id;
use crate::report::{Progress, locked};
use crate::{ArchiveError, Observer};
use rustic_core::FileType;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

type Key = (BlobKind, Id);

/// Blobs that a thread takes at a time; they are together.
const BATCH: usize = 64;
/// An index file with fewer is small,
const SMALL: usize = 5_000;
/// and so many small ones become one.
const MANY: usize = 16;

/// What was copied.
#[derive(Default)]
pub(super) struct Copied {
    pub(super) bytes: u64,
    /// What could not be read: it stays where it is.
    pub(super) failed: HashSet<Key>,
}

/// Copies blobs into new packs, which are in the index when this returns.
pub(super) fn copy(
    store: &Store,
    index: &Index,
    wanted: &[Key],
    observer: &dyn Observer,
) -> Result<Copied, ArchiveError> {
    if wanted.is_empty() {
        return Ok(Copied::default());
    }
    let mut wanted: Vec<Key> = wanted.to_vec();
    wanted.sort_by_cached_key(|(kind, id)| (index.get(*kind, id), *id));
    let state = State::new(index);
    let failed = Mutex::new(HashSet::new());
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let batches: Vec<&[Key]> = wanted.chunks(BATCH).collect();
    std::thread::scope(|scope| {
        let (writer, disk) = Writer::start(scope, store, index, &state);
        let work = || -> Result<(), ArchiveError> {
            let mut reader = Blobs::new(store, index)?;
            let mut worker = writer.worker()?;
            while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                if writer.has_failed() {
                    return Ok(());
                }
                for (kind, id) in *batch {
                    match reader.get_packed(*kind, id) {
                        Ok((packed, length)) => writer.put_packed(&mut worker, *kind, *id, packed, length)?,
                        Err(error) => match store.lost() {
                            Some(lost) => return Err(lost),
                            None => {
                                observer.warning(&format!("{error}; its pack stays"));
                                locked(&failed).insert((*kind, *id));
                            }
                        },
                    }
                }
                let entries = done.fetch_add(batch.len() as u64, Ordering::Relaxed) + batch.len() as u64;
                let entries_total = wanted.len() as u64;
                observer.progress(&Progress { phase: "copy", entries, entries_total, ..Progress::default() });
            }
            writer.finish(worker)
        };
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let result = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let join = |result: Result<(), ArchiveError>, handle: std::thread::ScopedJoinHandle<'_, _>| {
                result.and(handle.join().unwrap_or_else(|panic| Err(panicked(&*panic))))
            };
            handles.into_iter().fold(Ok(()), join)
        });
        drop(writer);
        // A failure of the disk explains all errors of the workers.
        disk.join().map_err(|panic| panicked(&*panic))??;
        result
    })?;
    let failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(Copied { bytes: state.added(), failed })
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> ArchiveError {
    ArchiveError::Panicked { action: "PRUNE the repository", cause: panic_message(panic) }
}

/// What becomes of the index.
#[derive(Default)]
pub(super) struct Changes {
    /// Packs that it no longer names.
    pub(super) gone: HashSet<Id>,
    /// Marks that say nothing any more.
    pub(super) settled: HashSet<Id>,
    /// Packs that it names from now on.
    pub(super) named: Vec<IndexPack>,
    /// Those of `gone` that wait to be removed.
    pub(super) marks: Vec<IndexPack>,
}

/// Writes new index files and marks, then removes the old ones. Whenever this is interrupted, the index names all that it named, or what
/// it is to name.
pub(super) fn swap(store: &Store, index: &Index, lock: &Lock, changes: Changes) -> Result<(), ArchiveError> {
    let Changes { gone, settled, named, marks } = changes;
    let mut out = Out { store, file: IndexFile::default(), blobs: 0 };
    named.into_iter().try_for_each(|pack| out.add(pack))?;
    out.flush()?;
    let mut old = vec![];
    let mut small = vec![];
    let mut waiting: BTreeMap<Option<BTreeSet<String>>, Vec<IndexPack>> = BTreeMap::new();
    for id in &index.files {
        // One that somebody replaced meanwhile names what it named in another file: then that stays in the index.
        let Ok(mut file) = store.read_index(&(*id, 0)) else { continue };
        let blobs: usize = file.packs.iter().map(|pack| pack.blobs.len()).sum();
        let changes = file.packs.iter().any(|pack| gone.contains(&pack.id))
            || file.packs_to_delete.iter().any(|pack| settled.contains(&pack.id));
        if !changes {
            if blobs < SMALL && file.packs_to_delete.is_empty() && file.lifeboat_damaged.is_empty() {
                small.push(*id);
            }
            continue;
        }
        old.push(*id);
        out.file.lifeboat_damaged.append(&mut file.lifeboat_damaged);
        for pack in file.packs.drain(..).filter(|pack| !gone.contains(&pack.id)) {
            out.add(pack)?;
        }
        let stay = file.packs_to_delete.into_iter().filter(|pack| !settled.contains(&pack.id));
        waiting.entry(file.lifeboat_holders).or_default().extend(stay);
    }
    if small.len() >= MANY {
        for id in small {
            let Ok(file) = store.read_index(&(id, 0)) else { continue };
            file.packs.into_iter().try_for_each(|pack| out.add(pack))?;
            old.push(id);
        }
    }
    out.flush()?;
    for (holders, packs) in waiting {
        store.write_packs(packs, |packs_to_delete| marks_of(packs_to_delete, &holders))?;
    }
    if old.is_empty() && marks.is_empty() {
        return Ok(());
    }
    let mark = |holders: Option<BTreeSet<String>>| {
        let time = Some(super::super::clock::now());
        let packs_to_delete = marks.iter().map(|pack| IndexPack { time: time.clone(), ..pack.clone() }).collect();
        store.write_packs(packs_to_delete, |packs_to_delete| marks_of(packs_to_delete, &holders))
    };
    // Before the packs leave the index: whoever reads it must not take them for something that was forgotten.
    let first = mark(None)?;
    // Somebody who does not know marks may have come; then everything stays as it was, and what was written does no harm.
    lock.confirm("PRUNE")?;
    lock.prove()?;
    old.iter().try_for_each(|id| store.remove_if_there(FileType::Index, id))?;
    if !first.is_empty() {
        // Who holds a lock by now may have read the old index; who comes later reads this one.
        let holders = lock.others()?;
        mark(Some(holders))?;
        first.iter().try_for_each(|first| store.remove_if_there(FileType::Index, first))?;
    }
    Ok(())
}

/// An index file that marks packs for removal, which these holders of locks may still need.
fn marks_of(packs_to_delete: Vec<IndexPack>, holders: &Option<BTreeSet<String>>) -> IndexFile {
    IndexFile { packs_to_delete, lifeboat_holders: holders.clone(), ..IndexFile::default() }
}

/// Index files of a good size.
struct Out<'a> {
    store: &'a Store,
    file: IndexFile,
    blobs: usize,
}

impl Out<'_> {
    fn add(&mut self, pack: IndexPack) -> Result<(), ArchiveError> {
        self.blobs += pack.blobs.len();
        self.file.packs.push(pack);
        if self.blobs >= INDEX_BLOBS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ArchiveError> {
        let file = std::mem::take(&mut self.file);
        self.blobs = 0;
        if file.packs.is_empty() && file.lifeboat_damaged.is_empty() {
            return Ok(());
        }
        self.store.write_index(&file).map(drop)
    }
}
