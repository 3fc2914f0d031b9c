//! Reads and stores the files of a table, in parallel. Of several hard links one name is read: the first that can be read.

use super::zeros::Zeros;
use super::*;
use crate::directories::{Directories, without_directory};
use crate::file_table::is_large;
use crate::walk::content::{Content, Opened, Unreadable};
use crate::walk::look::Patience;
use std::collections::VecDeque;
use std::collections::hash_map::Entry;

/// Bytes of small files that one job reads at most.
const JOB_BYTES: u64 = 8 << 20;
/// Files that one job reads at most.
const JOB_FILES: usize = 128;
/// Bytes of one file that are read at once: most blobs are smaller, so that what is read is still in the processor's cache when it is hashed
/// and compressed.
const READ_BYTES: usize = 2 << 20;
/// Progress is reported after this many files, or bytes of one file.
const REPORT_BYTES: u64 = 16 << 20;

/// Files of one directory that are to be read.
struct Job {
    directory: usize,
    files: Vec<usize>,
}

/// A file that was read, or could not be.
pub(super) struct Read {
    pub(super) index: usize,
    /// As it was when it was read; left out when it could not be.
    pub(super) record: Record,
    /// Xattrs and holes, if they differ from what the walk found.
    pub(super) more: Option<More>,
    pub(super) ids: Vec<Id>,
    /// The content leaves out large holes.
    pub(super) squeezed: bool,
    /// The content is not what the walk saw.
    pub(super) changed: bool,
}

/// What identifies the inode of several hard links.
type Key = (u64, u64);

/// Counts the bytes of one file as done: those that were read, and in the end as many as the walk promised, so that the
/// total is reached even if files change or cannot be read.
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
    backup: &'a Backup<'a>,
    writer: &'a Writer<'a>,
    walked: &'a walk::Walked,
    chunker: Chunker,
    zeros: Zeros,
    patience: Patience,
    entries: AtomicU64,
    /// Entries that are not directories; directories are done last.
    files: u64,
    bytes: AtomicU64,
    total: Progress,
    done: Mutex<Vec<Read>>,
}

/// Reads and stores all files that are not taken over; returns them, and how far the backup is then: only directories are left.
pub(super) fn run(
    backup: &Backup<'_>,
    writer: &Writer<'_>,
    walked: &walk::Walked,
    taken: &parent::Taken,
) -> Result<(Vec<Read>, Progress), ArchiveError> {
    let table = &walked.table;
    let (first, mut links) = candidates(table, taken);
    let total = Progress {
        phase: "read",
        entries_total: table.records.len() as u64,
        bytes_total: (0..table.records.len()).map(|index| table.stored(index)).sum(),
        ..Progress::default()
    };
    let is_directory = |record: &&Record| record.kind == Kind::Directory && !record.left_out;
    let directories = table.records.iter().filter(is_directory).count() as u64;
    let files = total.entries_total.saturating_sub(directories);
    let bytes_to_read: u64 = first.iter().map(|index| table.stored(*index)).sum();
    let reading = Reading {
        backup,
        writer,
        walked,
        chunker: Chunker::new(backup.repository.polynomial),
        zeros: Zeros::plan(table, taken),
        patience: Patience::new(),
        entries: AtomicU64::new(files.saturating_sub(first.len() as u64)),
        files,
        bytes: AtomicU64::new(total.bytes_total.saturating_sub(bytes_to_read)),
        total,
        done: Mutex::new(vec![]),
    };
    let (mut done, mut wanted) = (vec![], first);
    while !wanted.is_empty() {
        let jobs = jobs(table, &wanted);
        reading.jobs(&jobs)?;
        let mut round = std::mem::take(&mut *locked(&reading.done));
        // Where a name no longer leads to the inode, another name of it may.
        let next = round.iter().filter_map(|read| {
            let key = table.records[read.index].link_key()?;
            let is_read = !read.record.left_out && (read.record.filesystem, read.record.inode) == key;
            if is_read { None } else { links.get_mut(&key)?.pop_front() }
        });
        wanted = next.collect();
        wanted.sort_unstable();
        done.append(&mut round);
    }
    done.sort_unstable_by_key(|file| file.index);
    let bytes = reading.total.bytes_total;
    Ok((done, Progress { entries: files, bytes, ..reading.total }))
}

/// The files to read first (of hard links, the first name), and the other names of each inode.
fn candidates(table: &FileTable, taken: &parent::Taken) -> (Vec<usize>, HashMap<Key, VecDeque<usize>>) {
    let (mut first, mut links) = (vec![], HashMap::new());
    for (index, record) in table.records.iter().enumerate() {
        if record.kind != Kind::File || record.left_out || taken.has(index) {
            continue;
        }
        match record.link_key().map(|key| links.entry(key)) {
            Some(Entry::Occupied(mut others)) => {
                let others: &mut VecDeque<usize> = others.get_mut();
                others.push_back(index);
                continue;
            }
            Some(Entry::Vacant(place)) => {
                place.insert(VecDeque::new());
            }
            None => {}
        }
        first.push(index);
    }
    (first, links)
}

/// Files to read, large ones first, so that no thread is left alone with one at the end.
fn jobs(table: &FileTable, wanted: &[usize]) -> Vec<Job> {
    let (mut large, mut small) = (vec![], vec![]);
    let (mut files, mut bytes, mut directory) = (vec![], 0, 0);
    // Children of a directory are contiguous, so a new parent begins a new job.
    for index in wanted.iter().copied() {
        let record = &table.records[index];
        let parent = record.parent as usize;
        if !files.is_empty() && (parent != directory || bytes >= JOB_BYTES || files.len() >= JOB_FILES) {
            small.push(Job { directory, files: std::mem::take(&mut files) });
            bytes = 0;
        }
        directory = parent;
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

impl Reading<'_> {
    fn jobs(&self, jobs: &[Job]) -> Result<(), ArchiveError> {
        let next = AtomicUsize::new(0);
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let work = || -> Result<(), ArchiveError> {
            let mut worker = self.writer.worker()?;
            let mut directories = Directories::within_a_mount();
            let mut buffer = vec![];
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.writer.has_failed() {
                    return Ok(());
                }
                self.job(&mut worker, &mut directories, &mut buffer, job)?;
            }
            self.writer.finish(worker)
        };
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let mut result = Ok(());
            for handle in handles {
                let joined = handle.join().unwrap_or_else(|panic| {
                    let cause = crate::repository::guard::panic_message(&*panic);
                    Err(ArchiveError::Panicked { action: "READ the files", cause })
                });
                result = result.and(joined);
            }
            result
        })
    }

    fn job(
        &self,
        worker: &mut Worker,
        directories: &mut Directories,
        buffer: &mut Vec<u8>,
        job: &Job,
    ) -> Result<(), ArchiveError> {
        let directory = directories.open_same(self.walked, job.directory);
        let mut read = Vec::with_capacity(job.files.len());
        for index in &job.files {
            let file = match &directory {
                Ok(directory) => self.file(worker, buffer, directory, *index)?,
                Err(error) => self.lost(*index, without_directory(*error)),
            };
            read.push(file);
        }
        self.entries.fetch_add(job.files.len() as u64, Ordering::Relaxed);
        locked(&self.done).append(&mut read);
        self.report();
        Ok(())
    }

    /// A file that is not in the snapshot, and why.
    fn lost(&self, index: usize, message: String) -> Read {
        let table = &self.walked.table;
        self.backup.problems.add(table.path(index), message);
        let mut record = table.records[index].clone();
        record.left_out = true;
        Read { index, record, more: None, ids: vec![], squeezed: false, changed: true }
    }

    /// Reads and stores a file. One that shrinks meanwhile is read once more, and then what is left of it is kept.
    fn file(
        &self,
        worker: &mut Worker,
        buffer: &mut Vec<u8>,
        directory: &rustix::fd::OwnedFd,
        index: usize,
    ) -> Result<Read, ArchiveError> {
        let table = &self.walked.table;
        let walked = &table.records[index];
        let known = self.walked.known(index);
        let mut meter = Meter { bytes: &self.bytes, left: table.stored(index) };
        let mut shrank = false;
        let read = loop {
            let mut record = walked.clone();
            let opened = match Content::open(directory, &known, &mut record, &self.patience) {
                Ok(opened) => opened,
                Err(error) => break self.lost(index, error.message()),
            };
            let Opened { mut content, changed, mut more, warning } = opened;
            if shrank {
                content.keep_rest();
            }
            let size = content.size;
            let (ids, squeezed) = match self.store(worker, buffer, &mut content, &mut meter, index)? {
                Ok(stored) => stored,
                Err(Unreadable::Shrank(_)) if !shrank => {
                    shrank = true;
                    continue;
                }
                Err(error) => break self.lost(index, error.message()),
            };
            if content.size < size {
                record.size = content.size;
                let mut left = more.unwrap_or_else(|| table.more(index).cloned().unwrap_or_default());
                left.holes.retain(|(start, length)| start + length <= content.size);
                more = Some(left);
            }
            let is_changed = changed.is_some() || shrank;
            let change = changed.or_else(|| content.changed()).or(shrank.then_some("it shrank during the backup"));
            if let Some(change) = change {
                let kept = if content.size < size { "; the part that was read is kept" } else { "" };
                self.backup.problems.add(table.path(index), format!("changed while being read: {change}{kept}"));
            }
            if let Some(warning) = warning {
                self.backup.problems.add(table.path(index), warning);
            }
            break Read { index, record, more, ids, squeezed, changed: is_changed };
        };
        meter.finish();
        Ok(read)
    }

    /// Stores the content of a file; returns its ids and whether it is squeezed. The inner error says why it could not be read.
    fn store(
        &self,
        worker: &mut Worker,
        buffer: &mut Vec<u8>,
        content: &mut Content,
        meter: &mut Meter<'_>,
        index: usize,
    ) -> Result<Result<(Vec<Id>, bool), Unreadable>, ArchiveError> {
        let squeezed = !self.zeros.fit(index, content.holes());
        let mut ids = vec![];
        // Bytes of the file that are done, and those since progress was reported.
        let (mut stored, mut reported) = (0, 0);
        // What waits in the buffer, which keeps its length: filling it with zeros again and again would cost as much as reading.
        let mut waiting = 0..0;
        while stored < content.size {
            let hole = if waiting.is_empty() { content.hole_ahead() } else { 0 };
            if is_large(hole) {
                let mut size = hole;
                if !squeezed {
                    // Without reading, hashing or packing zeros, except the first time.
                    let (length, id) = self.zeros.first(hole);
                    if ids.last() != Some(&id) {
                        self.writer.put(worker, BlobKind::Data, &vec![0; length])?;
                    }
                    ids.push(id);
                    size = length as u64;
                }
                content.skip(size);
                stored += size;
                continue;
            }
            let ahead = content.data_ahead(chunker::MIN as u64);
            let Some(cut) = self.chunker.cut(&buffer[waiting.clone()], ahead == 0).filter(|cut| *cut > 0) else {
                let before = content.bytes_read();
                if let Err(error) = read_ahead(buffer, &mut waiting, content, ahead) {
                    return Ok(Err(error));
                }
                meter.add(content.bytes_read() - before);
                continue;
            };
            let blob = waiting.start..waiting.start + cut;
            waiting.start = blob.end;
            ids.push(self.writer.put(worker, BlobKind::Data, &buffer[blob])?);
            stored += cut as u64;
            reported += cut as u64;
            if reported >= REPORT_BYTES {
                reported = 0;
                self.report();
                if self.writer.has_failed() {
                    break;
                }
            }
        }
        Ok(Ok((ids, squeezed)))
    }

    fn report(&self) {
        self.backup.observer.progress(&Progress {
            // For some hard links several names are tried.
            entries: self.entries.load(Ordering::Relaxed).min(self.files),
            bytes: self.bytes.load(Ordering::Relaxed).min(self.total.bytes_total),
            ..self.total.clone()
        });
    }
}

/// Reads more of a file, of the `ahead` bytes that follow, behind what waits in the buffer. Nothing when it ends early: its size is
/// corrected then.
fn read_ahead(
    buffer: &mut Vec<u8>,
    waiting: &mut std::ops::Range<usize>,
    content: &mut Content,
    ahead: u64,
) -> Result<(), Unreadable> {
    buffer.copy_within(waiting.clone(), 0);
    *waiting = 0..waiting.len();
    let wanted = usize::try_from(ahead).unwrap_or(usize::MAX).min(READ_BYTES);
    let end = waiting.end + wanted;
    if buffer.len() < end {
        buffer.resize(end, 0);
    }
    waiting.end += content.read_into(&mut buffer[waiting.end..end])?;
    Ok(())
}

/// Puts what was read into the table, and gives further hard links the data of the one that was read.
pub(super) fn take_in(table: &mut FileTable, read: Vec<Read>, taken: &parent::Taken) {
    // For each inode the name that has its content, and whether more was read than the walk found.
    let mut first: HashMap<Key, (usize, bool)> = HashMap::new();
    let mut has_content = vec![false; table.records.len()];
    // The places and distances of their blocks are no longer valid.
    let others = read.iter().filter(|file| file.changed || file.squeezed).map(|file| file.index);
    let others: std::collections::HashSet<usize> = others.collect();
    table.shared.forget(|record| others.contains(&record));
    for file in read {
        let Read { index, record, more, ids, squeezed, changed: _ } = file;
        let is_new = more.is_some();
        table.records[index].clone_from(&record);
        if is_new || squeezed {
            let more = more.unwrap_or_else(|| table.more(index).cloned().unwrap_or_default());
            table.set_more(index, More { squeezed, ..more });
        }
        let record = &mut table.records[index];
        record.start = table.ids.len() as u32;
        record.count = ids.len() as u32;
        table.ids.extend(ids);
        has_content[index] = true;
        if !record.left_out {
            first.entry((record.filesystem, record.inode)).or_insert((index, is_new || squeezed));
        }
    }
    for (index, record) in table.records.iter().enumerate().filter(|(index, _)| taken.has(*index)) {
        has_content[index] = true;
        first.entry((record.filesystem, record.inode)).or_insert((index, false));
    }
    for (index, has_content) in has_content.into_iter().enumerate() {
        let record = &table.records[index];
        let key = record.link_key().filter(|_| record.kind == Kind::File && !record.left_out && !has_content);
        let Some(key) = key else { continue };
        let Some((leader, is_new)) = first.get(&key).copied() else {
            // Each of its names was tried, and is listed.
            table.records[index].left_out = true;
            continue;
        };
        table.take_inode(leader, index);
        if is_new {
            table.share_more(leader, index);
        }
    }
}
