//! The backup: walk, take over what is unchanged, read the rest in parallel, build trees, write the snapshot.

use super::blobs::Blobs;
use super::chunker::{self, Chunker};
use super::index::{BlobKind, Index};
use super::snapshot::{SnapshotFile, SnapshotInfo, Summary};
use super::writer::{State, Worker, Writer};
use super::{Repository, crypto, node};
use crate::report::{BackupReport, Problems, Progress, locked};
use crate::selection::OWN_DIRECTORY;
use crate::table::{Id, Kind, More, Record, Table};
use crate::walk::content::{Content, Unreadable};
use crate::walk::places;
use crate::{ArchiveError, Observer, Room, Source, extras, walk};
use rustic_core::FileType;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

mod parent;
mod trees;

/// What is to be backed up, and what the snapshot says about it.
pub struct BackupRequest<'a> {
    /// The file tree.
    pub source: &'a Source,
    /// Host name; the latest snapshot with the same one is the parent.
    pub host: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Program and version, e.g. `lifeboat 0.1.0`.
    pub program: String,
    /// Becomes `.lifeboat/machine.json`.
    pub machine: Vec<u8>,
    /// Makes `.lifeboat/manifest.json` of the final counts of entries and bytes.
    pub manifest: &'a (dyn Fn(u64, u64) -> Result<Vec<u8>, String> + Sync),
    /// Read all files, even those that the latest snapshot has.
    pub reread: bool,
}

/// Bytes of small files that one job reads at most.
const JOB_BYTES: u64 = 8 << 20;
/// Files that one job reads at most.
const JOB_FILES: usize = 128;
/// Progress is told after this many files, or bytes of one file.
const TELL_BYTES: u64 = 16 << 20;

/// Files of one directory that are to be read.
struct Job {
    directory: usize,
    files: Vec<usize>,
}

/// A file that was read.
struct Read {
    index: usize,
    record: Record,
    holes: Option<crate::table::Holes>,
    ids: Vec<Id>,
}

/// The source, without the repository itself.
pub(crate) fn without_repository(source: &Source, repository: Option<&Path>) -> Source {
    let mut source = source.clone();
    source.excludes.extend(repository.and_then(|repository| source.archive_path(repository)));
    source
}

pub(crate) fn run(
    repository: &Repository,
    request: &BackupRequest<'_>,
    observer: &dyn Observer,
) -> Result<BackupReport, ArchiveError> {
    let started = super::now();
    let problems = Problems::new(observer);
    let store = &repository.store;
    let mut source = without_repository(request.source, store.folder.as_deref());
    let own = Path::new("/").join(OsStr::from_bytes(OWN_DIRECTORY));
    if source.place(&own).symlink_metadata().is_ok() {
        problems.add(&own, "cannot ARCHIVE: snapshots keep Lifeboat's own records under this name; left out");
        source.excludes.push(own);
    }
    let (walked, loaded) = rayon::join(
        || walk::walk_with_extents(&source, observer, &problems),
        || Ok::<_, ArchiveError>((store.load_index()?, super::snapshot::all(store)?)),
    );
    let (mut walked, (index, snapshots)) = (walked?, loaded?);
    let room = walked.extents.take().map(|extents| extents.finish(&mut walked.table, &walked.tops)).unwrap_or_default();
    let parent = snapshots.into_iter().rfind(|snapshot| snapshot.host == request.host);
    let taken = match (&parent, request.reread) {
        (Some(parent), false) => parent::take_over(store, &index, parent, &mut walked.table),
        _ => parent::Taken::default(),
    };
    let state = State::default();
    let context = Context { repository, observer, problems: &problems };
    let (tree, summary) = std::thread::scope(|scope| {
        let (writer, disk) = Writer::start(scope, store, &index, &state);
        let result = context.write(&writer, walked, taken, request, &room);
        drop(writer);
        // A failure of the disk explains all that workers complain about.
        disk.join().map_err(|panic| ArchiveError::Panicked {
            action: "WRITE the repository",
            cause: super::store::panic_message(&*panic),
        })??;
        result
    })?;
    let bytes_added = state.added();
    let file = SnapshotFile {
        time: started.clone(),
        parent: parent.as_ref().and_then(|parent| crypto::unhex(&parent.id)),
        tree,
        paths: vec!["/".to_owned()],
        hostname: request.host.clone(),
        username: "root".to_owned(),
        tags: (!request.tags.is_empty()).then(|| request.tags.clone()),
        program_version: request.program.clone(),
        summary: Some(Summary {
            backup_start: started,
            backup_end: super::now(),
            data_added_packed: bytes_added,
            ..summary.clone()
        }),
    };
    let json = serde_json::to_vec(&file).map_err(|error| store.failed("WRITE", error))?;
    let (id, size) = store.write_file(FileType::Snapshot, &json)?;
    Ok(BackupReport {
        snapshot: crypto::hex(&id),
        entries: summary.lifeboat_entries,
        bytes: summary.total_bytes_processed,
        bytes_added: bytes_added + size,
        new: summary.files_new,
        changed: summary.files_changed,
        unchanged: summary.files_unmodified,
        room,
        problems: super::with_warnings(problems),
    })
}

/// What the threads of one backup read.
struct Context<'a> {
    repository: &'a Repository,
    observer: &'a dyn Observer,
    problems: &'a Problems<'a>,
}

impl Context<'_> {
    /// Stores content and trees; gives the root's tree and the counts.
    fn write(
        &self,
        writer: &Writer<'_>,
        mut walked: walk::Walked,
        taken: parent::Taken,
        request: &BackupRequest<'_>,
        room: &Room,
    ) -> Result<(Id, Summary), ArchiveError> {
        let read = self.read(writer, &walked, &taken)?;
        let table = &mut walked.table;
        let mut summary =
            Summary { files_changed: taken.changed, files_unmodified: taken.unchanged, ..Summary::default() };
        let changed: std::collections::HashSet<usize> =
            read.iter().filter(|file| file.holes.is_some()).map(|file| file.index).collect();
        table.shared.forget(|record| changed.contains(&record));
        for file in read {
            table.records[file.index] = file.record;
            if let Some(holes) = file.holes {
                table.set_holes(file.index, holes);
            }
            let record = &mut table.records[file.index];
            record.start = table.ids.len() as u32;
            record.count = file.ids.len() as u32;
            table.ids.extend(file.ids);
        }
        share_links(table);
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
        let manifest = (request.manifest)(summary.lifeboat_entries, summary.total_bytes_processed);
        let manifest = manifest.map_err(|cause| ArchiveError::Manifest { cause })?;
        let extras = extras::encode(table);
        let mut worker = writer.worker()?;
        let room = room.to_json();
        let own = [
            ("extras.jsonl", &extras),
            ("machine.json", &request.machine),
            ("manifest.json", &manifest),
            ("room.json", &room),
        ];
        let own = self.own_directory(writer, &mut worker, own)?;
        let tree = trees::store(self.observer, writer, worker, table, &own, &mut summary)?;
        Ok((tree, summary))
    }

    /// Lifeboat's own directory as a table, with its content stored.
    fn own_directory(
        &self,
        writer: &Writer<'_>,
        worker: &mut Worker,
        files: [(&str, &Vec<u8>); 4],
    ) -> Result<Table, ArchiveError> {
        let chunker = Chunker::new(self.repository.polynomial);
        let mut own = Table::default();
        let mut record = Record::new(Kind::Directory);
        (record.mode, record.start, record.count) = (0o700, 1, files.len() as u32);
        own.push(record, OWN_DIRECTORY, More::default());
        for (name, content) in files {
            let mut record = Record::new(Kind::File);
            (record.mode, record.size, record.start) = (0o600, content.len() as u64, own.ids.len() as u32);
            let mut rest = content.as_slice();
            while !rest.is_empty() {
                let (blob, after) = rest.split_at(chunker.cut(rest));
                own.ids.push(writer.put(worker, BlobKind::Data, blob)?);
                rest = after;
            }
            record.count = own.ids.len() as u32 - record.start;
            own.push(record, name.as_bytes(), More::default());
        }
        Ok(own)
    }

    /// Reads and stores all files that are not taken over.
    fn read(
        &self,
        writer: &Writer<'_>,
        walked: &walk::Walked,
        taken: &parent::Taken,
    ) -> Result<Vec<Read>, ArchiveError> {
        let jobs = jobs(&walked.table, taken);
        let total = Progress {
            phase: "read",
            entries_total: walked.table.records.len() as u64,
            bytes_total: (0..walked.table.records.len()).map(|index| walked.table.stored(index)).sum(),
            ..Progress::default()
        };
        let to_read: usize = jobs.iter().map(|job| job.files.len()).sum();
        let bytes_to_read: u64 = jobs.iter().flat_map(|job| &job.files).map(|index| walked.table.stored(*index)).sum();
        let reading = Reading {
            context: self,
            writer,
            walked,
            chunker: Chunker::new(self.repository.polynomial),
            zeros: [chunker::MIN, chunker::MAX].map(|size| (size, crypto::hash(&vec![0; size]))),
            entries: AtomicU64::new(total.entries_total.saturating_sub(to_read as u64)),
            bytes: AtomicU64::new(total.bytes_total.saturating_sub(bytes_to_read)),
            total,
            done: Mutex::new(vec![]),
        };
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let work = || -> Result<(), ArchiveError> {
            let mut worker = writer.worker()?;
            let mut buffer = vec![];
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if writer.has_failed() {
                    return Ok(());
                }
                reading.job(&mut worker, &mut buffer, job)?;
            }
            writer.finish(worker)
        };
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let mut result = Ok(());
            for handle in handles {
                let joined = handle.join().unwrap_or_else(|panic| {
                    let cause = super::store::panic_message(&*panic);
                    Err(ArchiveError::Panicked { action: "READ the files", cause })
                });
                result = result.and(joined);
            }
            result
        })?;
        let mut done = reading.done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_unstable_by_key(|file| file.index);
        Ok(done)
    }
}

/// Counts the bytes of one file as done: those that were read, and in the end as many as the walk promised, so that the
/// total is reached though files change or cannot be read.
struct Meter<'a> {
    bytes: &'a AtomicU64,
    left: u64,
}

impl Meter<'_> {
    fn add(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn finish(mut self) {
        self.add(u64::MAX);
    }
}

/// What the reading threads share.
struct Reading<'a> {
    context: &'a Context<'a>,
    writer: &'a Writer<'a>,
    walked: &'a walk::Walked,
    chunker: Chunker,
    /// Sizes and ids of the smallest and the largest blob of zeros.
    zeros: [(usize, Id); 2],
    entries: AtomicU64,
    bytes: AtomicU64,
    total: Progress,
    done: Mutex<Vec<Read>>,
}

impl Reading<'_> {
    fn job(&self, worker: &mut Worker, buffer: &mut Vec<u8>, job: &Job) -> Result<(), ArchiveError> {
        let table = &self.walked.table;
        let directory = places::open_directory(table, &self.walked.tops, job.directory);
        let mut read = Vec::with_capacity(job.files.len());
        for index in &job.files {
            let mut record = table.records[*index].clone();
            let mut meter = Meter { bytes: &self.bytes, left: table.stored(*index) };
            let path = || table.path(*index);
            let result = match &directory {
                Ok(directory) => {
                    let name = OsStr::from_bytes(table.name(*index));
                    Content::open(directory, name, &mut record, table.holes(*index))
                }
                Err(rustix::io::Errno::NOENT) => {
                    Err(Unreadable("cannot OPEN: its directory vanished during the backup".to_owned()))
                }
                Err(error) => Err(Unreadable(format!("cannot OPEN its directory: {}", std::io::Error::from(*error)))),
            };
            let stored = match result {
                Ok((mut content, changed)) => {
                    let ids = self.store(worker, buffer, &mut content, &mut meter)?;
                    ids.map(|ids| {
                        if let Some(change) = changed.or_else(|| content.changed()) {
                            self.context.problems.add(path(), format!("changed while being read: {change}"));
                        }
                        (ids, changed.map(|_| content.holes().clone()))
                    })
                }
                Err(error) => Err(error),
            };
            let (ids, holes) = stored.unwrap_or_else(|error| {
                self.context.problems.add(path(), error.0);
                record.left_out = true;
                (vec![], None)
            });
            meter.finish();
            read.push(Read { index: *index, record, holes, ids });
        }
        self.entries.fetch_add(job.files.len() as u64, Ordering::Relaxed);
        locked(&self.done).append(&mut read);
        self.tell();
        Ok(())
    }

    /// Stores the content of a file; the inner error says why it could not be read.
    fn store(
        &self,
        worker: &mut Worker,
        buffer: &mut Vec<u8>,
        content: &mut Content,
        meter: &mut Meter<'_>,
    ) -> Result<Result<Vec<Id>, Unreadable>, ArchiveError> {
        buffer.clear();
        let mut ids = vec![];
        let mut left = content.size;
        let mut told = 0;
        // Bytes of the buffer that are stored already.
        let mut used = 0;
        while left > 0 {
            let waiting = buffer.len() - used;
            let hole = if waiting == 0 { content.hole_ahead() } else { 0 };
            if hole >= chunker::MIN as u64 {
                // Without reading, hashing or packing zeros, after the first time. Each hole has at least one of the
                // smallest blobs, of which a stock restic tells that a file has holes (restic, `ZeroChunk`).
                let [smallest, largest] = self.zeros;
                let (size, id) = if hole >= (smallest.0 + largest.0) as u64 { largest } else { smallest };
                if ids.last() != Some(&id) {
                    self.writer.put(worker, BlobKind::Data, &vec![0; size])?;
                }
                ids.push(id);
                content.skip(size as u64);
                left -= size as u64;
                continue;
            }
            let ahead = content.data_ahead(chunker::MIN as u64);
            if waiting < chunker::MAX && ahead > 0 {
                buffer.drain(..used);
                used = 0;
                let before = content.bytes_read();
                let wanted = usize::try_from(ahead).unwrap_or(usize::MAX).min(2 * chunker::MAX - waiting);
                if let Err(error) = content.read(buffer, wanted) {
                    return Ok(Err(error));
                }
                meter.add(content.bytes_read() - before);
            }
            let cut = self.chunker.cut(&buffer[used..]);
            ids.push(self.writer.put(worker, BlobKind::Data, &buffer[used..used + cut])?);
            used += cut;
            left -= cut as u64;
            told += cut as u64;
            if told >= TELL_BYTES {
                told = 0;
                self.tell();
                if self.writer.has_failed() {
                    break;
                }
            }
        }
        Ok(Ok(ids))
    }

    fn tell(&self) {
        self.context.observer.progress(&Progress {
            entries: self.entries.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            ..self.total.clone()
        });
    }
}

/// Files to read, large ones first, so that no thread is left alone with one at the end. Of several hard links only the
/// first is read.
fn jobs(table: &Table, taken: &parent::Taken) -> Vec<Job> {
    let mut seen: std::collections::HashSet<(u64, u64)> = std::collections::HashSet::new();
    let (mut large, mut small) = (vec![], vec![]);
    let (mut files, mut bytes, mut directory) = (vec![], 0, 0);
    // Children of a directory are contiguous, so a new parent begins a new job. The order is that of `share_links`.
    for (index, record) in table.records.iter().enumerate() {
        let parent = record.parent as usize;
        if !files.is_empty() && (parent != directory || bytes >= JOB_BYTES || files.len() >= JOB_FILES) {
            small.push(Job { directory, files: std::mem::take(&mut files) });
            bytes = 0;
        }
        directory = parent;
        let is_wanted = record.kind == Kind::File && !record.left_out && !taken.has(index);
        if !is_wanted || record.link_key().is_some_and(|key| !seen.insert(key)) {
            continue;
        }
        if record.size > JOB_BYTES {
            large.push((record.size, Job { directory, files: vec![index] }));
        } else {
            files.push(index);
            bytes += record.size;
        }
    }
    if !files.is_empty() {
        small.push(Job { directory, files });
    }
    large.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    large.into_iter().map(|(_, job)| job).chain(small).collect()
}

/// Gives further hard links the content of the one that was read.
fn share_links(table: &mut Table) {
    let mut first: HashMap<(u64, u64), usize> = HashMap::new();
    for index in 0..table.records.len() {
        let record = &table.records[index];
        let Some(key) = record.link_key().filter(|_| record.kind == Kind::File) else { continue };
        match first.get(&key) {
            None => {
                first.insert(key, index);
            }
            Some(leader) => {
                let leader = table.records[*leader].clone();
                let record = &mut table.records[index];
                (record.start, record.count) = (leader.start, leader.count);
                (record.size, record.mtime, record.ctime) = (leader.size, leader.mtime, leader.ctime);
                record.left_out |= leader.left_out;
            }
        }
    }
}
