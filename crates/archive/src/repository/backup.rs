//! The backup: walk, take over what is unchanged, read the rest in parallel, build trees, write the snapshot.

use super::blobs::Blobs;
use super::chunker::{self, Chunker};
use super::index::Index;
use super::index_file::BlobKind;
use super::lock::{Lock, Mode};
use super::marks::Marks;
use super::owner::{self, Owner, Owners};
use super::snapshot::{SnapshotFile, SnapshotInfo, Summary};
use super::stock::Stock;
use super::store::Store;
use super::writer::{State, Worker, Writer};
use super::{Repository, clock, crypto, guard, node};
use crate::file_table::{FileTable, Id, Kind, More, Record};
use crate::report::{BackupReport, Problems, Progress, locked};
use crate::selection::OWN_DIRECTORY;
use crate::{ArchiveError, Encrypted, FileTree, Observer, Room, encrypted, extras, walk, warnings};
use rustic_core::FileType;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::{ffi::OsStr, path::Path};

mod before;
mod parent;
mod reading;
mod repairs;
mod request;
mod trees;
mod zeros;

use before::Before;
pub use request::BackupRequest;

/// The source, without the repository itself.
pub(crate) fn without_repository(source: &FileTree, repository: Option<&Path>) -> FileTree {
    let mut source = source.clone();
    source.excludes.extend(repository.and_then(|repository| source.archive_path(repository)));
    source
}

pub(crate) fn run(
    repository: &Repository,
    request: &BackupRequest<'_>,
    observer: &dyn Observer,
) -> Result<BackupReport, ArchiveError> {
    match attempt(repository, request, observer) {
        // Everything that is gone is stored again, under a new lock.
        Err(error @ (ArchiveError::Vanished { .. } | ArchiveError::LockLost { .. })) => {
            observer.warning(&format!("{error}; the backup begins again"));
            attempt(repository, request, observer)
        }
        other => other,
    }
}

fn attempt(
    repository: &Repository,
    request: &BackupRequest<'_>,
    observer: &dyn Observer,
) -> Result<BackupReport, ArchiveError> {
    let now = request.started.unwrap_or_else(jiff::Timestamp::now);
    let started = now.to_string();
    let problems = Problems::new(observer);
    let store = &repository.store;
    let mut source = without_repository(request.source, store.folder.as_ref().map(|_| store.path.as_path()));
    let own = Path::new("/").join(OsStr::from_bytes(OWN_DIRECTORY));
    if source.place(&own).symlink_metadata().is_ok() {
        problems.add(&own, "cannot ARCHIVE: snapshots keep Lifeboat's own records under this name; left out");
        source.excludes.push(own);
    }
    let machine = Owner::new(&*request.machine_id, &*request.host);
    let lock = Lock::take(store, Mode::Shared, "WRITE", repository.lock_patience)?;
    let (walked, loaded) = rayon::join(
        || walk::walk_with_extents(&source, observer, &problems),
        || {
            let stock = Stock::take(store)?;
            let (snapshots, unreadable) = super::snapshot::all(store)?;
            let parent = owner::latest(&Owners::new(store), &snapshots, &machine).cloned();
            let used = parent.as_ref().filter(|_| !request.reread);
            let before = used.map(|parent| Before::read(store, &stock.index, parent.tree)).unwrap_or_default();
            lock.confirm("WRITE")?;
            Ok::<_, ArchiveError>((stock, snapshots, unreadable, parent, before))
        },
    );
    let (mut walked, (mut stock, snapshots, unreadable, parent, before)) = (walked?, loaded?);
    repairs::mend(repository, &mut stock, &unreadable, observer)?;
    let room = walked.extents.take().map(|extents| extents.finish(&mut walked.table, &walked.tops)).unwrap_or_default();
    let encrypted = std::mem::take(&mut walked.encrypted);
    for entry in encrypted.iter().filter(|entry| !entry.locked) {
        // What is locked is a problem.
        observer.warning(&entry.at_backup());
    }
    owner::warn_of_the_future(&snapshots, now, observer);
    let taken = match (&parent, request.reread) {
        (Some(parent), false) => parent::take_over(store, &stock.index, (parent, &before), &mut walked.table),
        _ => parent::Taken::default(),
    };
    drop(before);
    for (directory, error) in &taken.unreadable {
        let shown = directory.display();
        observer.warning(&format!("the previous snapshot's {shown} is read again with everything in it: {error}"));
    }
    if !taken.unreadable.is_empty() {
        stock.distrust_trees(&taken.trees);
    }
    let index = &stock.index;
    let state = State::new(index);
    let backup = Backup { repository, observer, problems: &problems };
    let (tree, summary) = std::thread::scope(|scope| {
        let (writer, disk) = Writer::start(scope, store, index, &state);
        let result = backup.write(
            &writer,
            walked,
            taken,
            request,
            &Records { room: &room, encrypted: &encrypted, stock: &stock },
        );
        drop(writer);
        // A failure of the disk explains all errors of the workers.
        disk.join().map_err(|panic| ArchiveError::Panicked {
            action: "WRITE the repository",
            cause: guard::panic_message(&*panic),
        })??;
        result
    })?;
    let bytes_added = state.added();
    let mut tags = request.tags.clone();
    tags.extend(Marks::tags(&request.machine_id, owner::next_order(&snapshots, now.as_second())));
    let file = SnapshotFile {
        time: started.clone(),
        parent: parent.as_ref().and_then(|parent| crypto::unhex(&parent.id)),
        tree,
        paths: vec!["/".to_owned()],
        hostname: request.host.clone(),
        username: "root".to_owned(),
        tags: Some(tags),
        program_version: request.program.clone(),
        summary: Some(Summary {
            backup_start: started,
            backup_end: clock::now(),
            data_added_packed: bytes_added,
            ..summary.clone()
        }),
    };
    let json = serde_json::to_vec(&file).map_err(|error| store.failed("WRITE", error))?;
    // The lock is checked last: nobody may have removed anything after the check of the packs.
    state.keep_indexed(store, index)?;
    state.prove(store, index, &stock.short)?;
    lock.prove()?;
    let (id, size) = store.write_file(FileType::Snapshot, &json)?;
    state.keep_indexed(store, index)?;
    let stored_again = stock.lost.iter().filter(|(kind, id)| state.has_written(*kind, id)).count() as u64;
    stock.report_losses(stored_again, store, &lock, observer);
    Ok(BackupReport {
        snapshot: crypto::hex(&id),
        entries: summary.lifeboat_entries,
        bytes: summary.total_bytes_processed,
        bytes_added: bytes_added + size,
        new: summary.files_new,
        changed: summary.files_changed,
        unchanged: summary.files_unmodified,
        lost_packs: stock.bad.len() as u64,
        damaged_packs: stock.damaged_packs() as u64,
        stored_again,
        room,
        encrypted,
        problems: warnings::added_to(problems),
    })
}

/// What a snapshot records about its contents, and what it is based on.
struct Records<'a> {
    room: &'a Room,
    encrypted: &'a [Encrypted],
    /// What the repository has.
    stock: &'a Stock,
}

/// What the threads of one backup read.
struct Backup<'a> {
    repository: &'a Repository,
    observer: &'a dyn Observer,
    problems: &'a Problems<'a>,
}

impl Backup<'_> {
    /// Stores content and trees; returns the root's tree and the counts.
    fn write(
        &self,
        writer: &Writer<'_>,
        mut walked: walk::Walked,
        taken: parent::Taken,
        request: &BackupRequest<'_>,
        records: &Records<'_>,
    ) -> Result<(Id, Summary), ArchiveError> {
        let (read, progress) = reading::run(self, writer, &walked, &taken)?;
        let mut summary =
            Summary { files_changed: taken.changed, files_unmodified: taken.unchanged, ..Summary::default() };
        reading::take_in(&mut walked.table, read, &taken);
        walked.name_filesystems();
        let table = &mut walked.table;
        trees::leave_out_too_large(table, trees::MOST, self.problems);
        let is_same = |(index, before): (&usize, &std::ops::Range<usize>)| {
            table.ids.get(before.clone()) == Some(table.content(*index))
        };
        let same = taken.doubtful.iter().filter(|doubt| is_same(*doubt)).count() as u64;
        summary.files_changed -= same;
        summary.files_unmodified += same;
        let files = table.records.iter().filter(|record| record.kind == Kind::File && !record.left_out).count() as u64;
        summary.files_new = files.saturating_sub(summary.files_changed + summary.files_unmodified);
        summary.total_files_processed = files;
        summary.lifeboat_entries = table.len();
        summary.total_bytes_processed = table.bytes();
        summary.lifeboat_disk_bytes = records.room.roots.iter().map(|root| root.bytes).sum();
        let manifest = (request.manifest)(summary.lifeboat_entries, summary.total_bytes_processed);
        let manifest = manifest.map_err(|cause| ArchiveError::Manifest { cause })?;
        for id in (0..table.records.len()).filter(|index| taken.has(*index)).flat_map(|index| table.content(index)) {
            writer.rely_on(BlobKind::Data, id);
        }
        let extras = extras::encode(table);
        let mut worker = writer.worker()?;
        records.stock.salvage(&self.repository.store, writer, &mut worker)?;
        let (room, encrypted) = (records.room.to_json(), encrypted::to_json(records.encrypted));
        let mut own = vec![
            ("encrypted.json", &encrypted),
            ("extras.jsonl", &extras),
            ("machine.json", &request.machine),
            ("manifest.json", &manifest),
            ("room.json", &room),
        ];
        // Only a snapshot with such entries records them.
        if records.encrypted.is_empty() {
            own.remove(0);
        }
        own.extend(request.beside.iter().map(|(name, content)| (name.as_str(), content)));
        // A directory's entries are in the order of their names.
        own.sort_by_key(|(name, _)| *name);
        let own = self.own_directory(writer, &mut worker, &own)?;
        let tree = trees::store((self.observer, &progress), writer, worker, table, &own, &mut summary)?;
        Ok((tree, summary))
    }

    /// Lifeboat's own directory as a table, with its content stored.
    fn own_directory(
        &self,
        writer: &Writer<'_>,
        worker: &mut Worker,
        files: &[(&str, &Vec<u8>)],
    ) -> Result<FileTable, ArchiveError> {
        let chunker = Chunker::new(self.repository.polynomial);
        let mut own = FileTable::default();
        let mut record = Record::new(Kind::Directory);
        (record.mode, record.start, record.count) = (0o700, 1, files.len() as u32);
        own.push(record, OWN_DIRECTORY, More::default());
        for (name, content) in files {
            let mut record = Record::new(Kind::File);
            (record.mode, record.size, record.start) = (0o600, content.len() as u64, own.ids.len() as u32);
            let mut rest = content.as_slice();
            while !rest.is_empty() {
                let (blob, after) = rest.split_at(chunker.cut(rest, true).unwrap_or(rest.len()));
                own.ids.push(writer.put(worker, BlobKind::Data, blob)?);
                rest = after;
            }
            record.count = own.ids.len() as u32 - record.start;
            own.push(record, name.as_bytes(), More::default());
        }
        Ok(own)
    }
}
