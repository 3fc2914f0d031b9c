//! Writes blobs into packs, packs into the store, and index files after them.
//!
//! Each worker thread compresses, encrypts and fills packs of its own; one thread hashes and writes finished packs.
//! A blob counts as stored as soon as a worker has claimed it, because the snapshot is written only after everything is.

use super::crypto;
use super::index::{IdHasher, Index};
use super::index_file::{BlobKind, IndexFile, IndexPack};
use super::indexes::INDEX_BLOBS;
use super::pack::{Builder, Pack, Sealer};
use super::store::Store;
use crate::ArchiveError;
use crate::file_table::Id;
use crate::report::locked;
use rustic_core::FileType;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// An index file is written when as many blobs wait for it as it has room for,
/// or this many packs are not known to be on the disk (they are open files),
const INDEX_PACKS: usize = 128;
/// or this time has passed: what was written before a crash need not be written again.
const INDEX_INTERVAL: Duration = Duration::from_secs(120);
/// Finished packs that wait for the disk; they are held in memory.
const QUEUE: usize = 2;

type Claims = Mutex<HashSet<Id, BuildHasherDefault<IdHasher>>>;

/// What the threads of one backup share.
pub(crate) struct Writer<'a> {
    store: &'a Store,
    index: &'a Index,
    queue: SyncSender<Pack>,
    state: &'a State,
}

/// What outlives the writer, so that its threads can borrow it.
pub(crate) struct State {
    /// Set when a pack could not be written: there is no point in continuing.
    failed: AtomicBool,
    added: AtomicU64,
    data: Claims,
    trees: Claims,
    /// One for each pack of the index: something in it was not stored again because it exists there.
    used: Vec<AtomicBool>,
    /// Memory of packs that were written.
    spare: Mutex<Vec<Vec<u8>>>,
    /// Packs that were written, with their lengths.
    written: Mutex<Vec<(Id, u64)>>,
    /// Index files that were written.
    index_files: Mutex<HashSet<Id>>,
}

impl State {
    /// A writer for a repository with this index.
    pub(crate) fn new(index: &Index) -> State {
        let used = (0..index.packs.len()).map(|_| AtomicBool::new(false)).collect();
        let (failed, added) = (AtomicBool::new(false), AtomicU64::new(0));
        let (data, trees) = (Claims::default(), Claims::default());
        let (spare, written, index_files) = (Mutex::default(), Mutex::default(), Mutex::default());
        State { failed, added, data, trees, used, spare, written, index_files }
    }

    fn claims(&self, kind: BlobKind) -> &Claims {
        if kind == BlobKind::Data { &self.data } else { &self.trees }
    }

    /// Reports whether a blob was written.
    pub(crate) fn has_written(&self, kind: BlobKind, id: &Id) -> bool {
        locked(self.claims(kind)).contains(id)
    }

    /// Verifies that all packs that were written or relied on are there at full length; of those that were `short` before, what is
    /// intact was read.
    pub(crate) fn prove(&self, store: &Store, index: &Index, short: &HashSet<Id>) -> Result<(), ArchiveError> {
        let sizes = super::stock::sizes(store)?;
        let used = self.relied_on().map(|number| (index.packs[number], index.lengths[number]));
        let used = used.filter(|(pack, _)| !short.contains(pack));
        let written = locked(&self.written).clone();
        let needed = written.into_iter().chain(used);
        let missing: Vec<Id> =
            needed.filter(|(id, length)| sizes.get(id).is_none_or(|size| size < length)).map(|(id, _)| id).collect();
        match missing.first() {
            None => Ok(()),
            Some(first) => Err(ArchiveError::Vanished {
                path: store.path.clone(),
                packs: missing.len(),
                first: crypto::hex(&first[..4]),
            }),
        }
    }

    /// Numbers of the packs of the index that something relies on.
    fn relied_on(&self) -> impl Iterator<Item = usize> + '_ {
        self.used.iter().enumerate().filter(|(_, used)| used.load(Ordering::Relaxed)).map(|(number, _)| number)
    }

    /// Puts back into the index what a prune has marked for removal since `index` was read, and this snapshot needs: no snapshot that the
    /// prune saw needed it. It is called before and after the snapshot is written: what is marked later, the prune itself puts back,
    /// because it looks for new snapshots once it has marked. Nothing is removed meanwhile, because we hold a lock.
    pub(crate) fn keep_indexed(&self, store: &Store, index: &Index) -> Result<(), ArchiveError> {
        let listed = store.list_with_sizes(FileType::Index)?;
        let own = locked(&self.index_files).clone();
        // The prune may not have come further by then.
        let mut marked: Vec<IndexPack> = index.marked.values().map(|marked| marked.pack.clone()).collect();
        for file in listed.iter().filter(|(id, _)| !index.files.contains(id) && !own.contains(id)) {
            // One that cannot be read any more was replaced, and what replaced it is read the next time; damage is for `verify`.
            marked.extend(store.read_index(file).map(|file| file.packs_to_delete).unwrap_or_default());
        }
        if marked.is_empty() {
            return Ok(());
        }
        let needed: HashSet<Id> = self.relied_on().map(|number| index.packs[number]).collect();
        let needed: HashSet<Id> = needed.into_iter().chain(locked(&self.written).iter().map(|(id, _)| *id)).collect();
        marked.retain(|pack| needed.contains(&pack.id));
        if marked.is_empty() {
            return Ok(());
        }
        let now = store.read_indexes()?;
        let named: HashSet<&Id> = now.packs.iter().collect();
        marked.retain(|pack| !named.contains(&pack.id));
        if let Some(first) = marked.first() {
            tracing::info!(packs = marked.len(), first = crypto::hex(&first.id[..4]), "a prune had marked them");
            let packs = marked.into_iter().map(|pack| IndexPack::new(pack.id, pack.blobs)).collect();
            let (id, size) = store.write_index(&IndexFile { packs, ..IndexFile::default() })?;
            locked(&self.index_files).insert(id);
            self.added.fetch_add(size, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Writes an index file of packs that were written.
    fn write_index(&self, store: &Store, index: &IndexFile) -> Result<(), ArchiveError> {
        let (id, size) = store.write_index(index)?;
        locked(&self.index_files).insert(id);
        self.added.fetch_add(size, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes written so far.
    pub(crate) fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }
}

/// The thread that writes packs; returns its first error.
pub(crate) type Disk<'scope> = ScopedJoinHandle<'scope, Result<(), ArchiveError>>;

impl<'a> Writer<'a> {
    /// Starts writing. Dropping the writer ends the thread, which must then be joined.
    pub(crate) fn start<'scope>(
        scope: &'scope std::thread::Scope<'scope, '_>,
        store: &'a Store,
        index: &'a Index,
        state: &'a State,
    ) -> (Self, Disk<'scope>)
    where
        'a: 'scope,
    {
        let (queue, packs) = sync_channel(QUEUE);
        let disk = scope.spawn(move || {
            let result = write_packs(store, &packs, state);
            if result.is_err() {
                state.failed.store(true, Ordering::Relaxed);
                // Workers that wait for room in the queue must continue.
                while packs.recv().is_ok() {}
            }
            result
        });
        (Writer { store, index, queue, state }, disk)
    }

    /// Reports that everything further is useless.
    pub(crate) fn has_failed(&self) -> bool {
        self.state.failed.load(Ordering::Relaxed)
    }

    /// A worker with packs of its own.
    pub(crate) fn worker(&self) -> Result<Worker, ArchiveError> {
        let sealer =
            Sealer::new(self.store.key.clone(), self.store.level).map_err(|error| self.store.failed("WRITE", error))?;
        let [data, trees] = [BlobKind::Data, BlobKind::Tree].map(Builder::new);
        Ok(Worker { sealer, data, trees })
    }

    /// Stores a blob unless it exists; returns its id.
    pub(crate) fn put(&self, worker: &mut Worker, kind: BlobKind, content: &[u8]) -> Result<Id, ArchiveError> {
        let id = crypto::hash(content);
        if self.claim(kind, id) {
            self.add(worker, kind, |builder, sealer| builder.add(sealer, id, content))?;
        }
        Ok(id)
    }

    /// Stores a blob that is already compressed; see [`Builder::add_packed`].
    pub(crate) fn put_packed(
        &self,
        worker: &mut Worker,
        kind: BlobKind,
        id: Id,
        packed: &[u8],
        uncompressed_length: u32,
    ) -> Result<(), ArchiveError> {
        self.add(worker, kind, |builder, sealer| builder.add_packed(sealer, id, packed, uncompressed_length))
    }

    /// Claims a blob for storing; `false` when it exists, or another worker has it.
    pub(crate) fn claim(&self, kind: BlobKind, id: Id) -> bool {
        !self.rely_on(kind, &id) && locked(self.state.claims(kind)).insert(id)
    }

    /// Claims a blob for storing although it exists, in a place where it should no longer be needed.
    pub(crate) fn claim_again(&self, kind: BlobKind, id: Id) -> bool {
        locked(self.state.claims(kind)).insert(id)
    }

    /// Notes that a blob is needed; `false` when it is not in the repository yet.
    pub(crate) fn rely_on(&self, kind: BlobKind, id: &Id) -> bool {
        let Some(location) = self.index.get(kind, id) else { return false };
        if let Some(used) = self.state.used.get(location.pack as usize) {
            used.store(true, Ordering::Relaxed);
        }
        true
    }

    fn add(
        &self,
        worker: &mut Worker,
        kind: BlobKind,
        add: impl FnOnce(&mut Builder, &mut Sealer) -> std::io::Result<()>,
    ) -> Result<(), ArchiveError> {
        let failed = |error| self.store.failed("WRITE", error);
        let builder = if kind == BlobKind::Data { &mut worker.data } else { &mut worker.trees };
        if builder.is_empty()
            && let Some(memory) = locked(&self.state.spare).pop()
        {
            builder.reuse(memory);
        }
        add(builder, &mut worker.sealer).map_err(failed)?;
        if builder.is_full() {
            let pack = builder.finish(&mut worker.sealer).map_err(failed)?;
            self.send(pack)?;
        }
        Ok(())
    }

    /// Writes what a worker still holds.
    pub(crate) fn finish(&self, mut worker: Worker) -> Result<(), ArchiveError> {
        for builder in [&mut worker.data, &mut worker.trees] {
            if !builder.is_empty() {
                let pack = builder.finish(&mut worker.sealer).map_err(|error| self.store.failed("WRITE", error))?;
                self.send(pack)?;
            }
        }
        Ok(())
    }

    fn send(&self, pack: Pack) -> Result<(), ArchiveError> {
        // The receiver goes away only when its thread panicked, which the join reports.
        self.queue.send(pack).map_err(|_| self.store.failed("WRITE", "the writing thread ended"))
    }
}

/// One thread's way to store blobs.
pub(crate) struct Worker {
    sealer: Sealer,
    data: Builder,
    trees: Builder,
}

fn write_packs(store: &Store, packs: &Receiver<Pack>, state: &State) -> Result<(), ArchiveError> {
    let added = &state.added;
    let mut index = IndexFile::default();
    let mut unsettled = vec![];
    let (mut waiting, mut since) = (0, Instant::now());
    for mut pack in packs {
        let id = crypto::hash(&pack.bytes);
        added.fetch_add(pack.bytes.len() as u64, Ordering::Relaxed);
        locked(&state.written).push((id, pack.bytes.len() as u64));
        unsettled.extend(store.write_pack(&id, &mut pack.bytes)?);
        if pack.bytes.capacity() > 0 {
            locked(&state.spare).push(pack.bytes);
        }
        waiting += pack.blobs.len();
        index.packs.push(IndexPack::new(id, pack.blobs));
        if waiting >= INDEX_BLOBS || unsettled.len() >= INDEX_PACKS || since.elapsed() >= INDEX_INTERVAL {
            store.settle(&mut unsettled)?;
            state.write_index(store, &std::mem::take(&mut index))?;
            (waiting, since) = (0, Instant::now());
        }
    }
    store.settle(&mut unsettled)?;
    if !index.packs.is_empty() {
        state.write_index(store, &index)?;
    }
    Ok(())
}
