//! The backup into a stream: walk, then every entry as a member of a tar archive, in the order in which the walk found it.

use super::catalogue::{self, NO_MEMBER};
use super::frame::FRAME_BYTES;
use super::info::{Info, machine_name, new_set};
use super::limits::{self, OWN_MAX};
use super::pax::{self, Member};
use super::pipeline::Pipeline;
use super::sink::Sink;
use super::trailer::{EndOfSet, Sealer};
use super::volumes::VolumeWriter;
use super::{BLOCK_BYTES, Identity, StreamReport};
use crate::directories::{Directories, without_directory};
use crate::file_table::{FileTable, Kind, More, Record, data};
use crate::report::{BackupReport, Problems, Progress};
use crate::selection::OWN_DIRECTORY;
use crate::walk::content::{Content, Opened, Unreadable};
use crate::walk::look::Patience;
use crate::walk::{self, Walked};
use crate::{ArchiveError, BackupRequest, Observer, Secret, encrypted, warnings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lifeboat_sys::tape::VolumeHeader;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Progress is reported after so many bytes.
const REPORT_BYTES: u64 = 16 << 20;

/// What changed of an entry since the walk.
struct Change {
    index: usize,
    record: Record,
    more: Option<More>,
}

struct Backup<'a> {
    pipeline: Pipeline,
    walked: &'a Walked,
    problems: &'a Problems<'a>,
    observer: &'a dyn Observer,
    patience: Patience,
    offsets: Vec<u64>,
    /// The first saved name of each inode with several.
    firsts: HashMap<(u64, u64), usize>,
    changes: Vec<Change>,
    changed_files: u64,
    progress: Progress,
    reported: u64,
    header: Vec<u8>,
}

/// Saves a file tree as a stream.
pub(crate) fn run(
    request: &BackupRequest<'_>,
    sink: Box<dyn Sink>,
    secret: &Secret,
    level: i32,
    observer: &dyn Observer,
) -> Result<StreamReport, ArchiveError> {
    let identity = Identity::of(secret)?;
    let started = request.started.unwrap_or_else(jiff::Timestamp::now);
    let set = sink.set().map_or_else(new_set, Ok)?;
    let problems = Problems::new(observer);
    let mut source = request.source.clone();
    let own = Path::new("/").join(OsStr::from_bytes(OWN_DIRECTORY));
    if source.place(&own).symlink_metadata().is_ok() {
        problems.add(&own, "cannot ARCHIVE: archives keep Lifeboat's own records under this name; left out");
        source.excludes.push(own);
    }
    let mut walked = walk::walk_with_extents(&source, observer, &problems)?;
    let room = walked.extents.take().map(|extents| extents.finish(&mut walked.table, &walked.tops)).unwrap_or_default();
    let encrypted = std::mem::take(&mut walked.encrypted);
    for entry in encrypted.iter().filter(|entry| !entry.locked) {
        observer.warning(&entry.at_backup());
    }
    catalogue::number_contents(&mut walked.table);
    let header = VolumeHeader {
        set: set.clone(),
        volume: 1,
        machine: machine_name(&request.host),
        time: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        block_bytes: BLOCK_BYTES,
    };
    let manifest =
        |entries, bytes| (request.manifest)(entries, bytes).map_err(|cause| ArchiveError::Manifest { cause });
    let mut info = Info {
        set: set.clone(),
        host: request.host.clone(),
        machine_id: request.machine_id.clone(),
        program: request.program.clone(),
        time: started.to_string(),
        entries: walked.table.len(),
        bytes: walked.table.bytes(),
        manifest: String::new(),
    };
    let first_manifest = manifest(info.entries, info.bytes)?;
    info.manifest = String::from_utf8_lossy(&first_manifest).into_owned();
    let (room_json, encrypted_json) = (room.to_json(), encrypted::to_json(&encrypted));
    let mut own: Vec<(&str, &[u8])> = vec![("machine.json", &request.machine), ("manifest.json", &first_manifest)];
    own.extend(request.beside.iter().map(|(name, content)| (name.as_str(), content.as_slice())));
    own.push(("room.json", &room_json));
    if !encrypted.is_empty() {
        own.push(("encrypted.json", &encrypted_json));
    }
    let label = sink.label();
    let unfit = |cause: String| ArchiveError::Stream { action: "WRITE", path: label.clone(), cause };
    if let Some((name, content)) = own.iter().find(|(_, content)| content.len() as u64 > OWN_MAX) {
        return Err(unfit(format!("its file {name} has {} bytes, and readers take {OWN_MAX}", content.len())));
    }
    let entries = catalogue::encode(&info.to_json(), &walked.table, &[], &[]);
    let stored: u64 = (0..walked.table.records.len()).map(|index| walked.table.stored(index)).sum();
    limits::check(&entries, &walked.table, stored / FRAME_BYTES as u64 + 1).map_err(unfit)?;
    own.push((super::HEAD_NAME, &entries));

    let volumes = VolumeWriter::new(sink, header, identity.recipient(), Sealer::of(secret));
    let mut backup = Backup {
        pipeline: Pipeline::start(volumes, level)?,
        walked: &walked,
        problems: &problems,
        observer,
        patience: Patience::new(),
        offsets: vec![NO_MEMBER; walked.table.records.len()],
        firsts: HashMap::new(),
        changes: vec![],
        changed_files: 0,
        progress: Progress {
            phase: "read",
            entries_total: walked.table.records.len() as u64,
            bytes_total: stored,
            ..Progress::default()
        },
        reported: 0,
        header: vec![],
    };
    backup.own_directory()?;
    for (name, content) in own {
        own_file(&mut backup.pipeline, name, content)?;
    }
    // Some 100 bytes an entry.
    drop(entries);
    backup.entries()?;
    let Backup { mut pipeline, offsets, firsts, changes, changed_files, .. } = backup;
    let frames = pipeline.flush()?;
    let Walked { mut table, .. } = walked;
    take_in(&mut table, changes, &firsts);
    let (entries, bytes) = (table.len(), table.bytes());
    info.entries = entries;
    info.bytes = bytes;
    info.manifest = String::from_utf8_lossy(&manifest(entries, bytes)?).into_owned();
    let files = table.records.iter().filter(|record| record.kind == Kind::File && !record.left_out).count() as u64;
    let catalogue = catalogue::encode(&info.to_json(), &table, &offsets, &frames);
    limits::check(&catalogue, &table, 0).map_err(unfit)?;
    own_file(&mut pipeline, super::CATALOGUE_NAME, &catalogue)?;
    // The end of a tar archive.
    pipeline.zeros(2 * pax::UNIT as u64)?;
    let first = pipeline.flush()?;
    let first = first.first().copied().ok_or_else(|| ArchiveError::Stream {
        action: "WRITE",
        path: label.clone(),
        cause: "its catalogue was not written".to_owned(),
    })?;
    let done =
        pipeline.finish(EndOfSet { catalogue_volume: first.volume, catalogue_offset: first.at, entries, bytes })?;
    let report = BackupReport {
        snapshot: set,
        entries,
        bytes,
        bytes_added: done.bytes,
        new: files.saturating_sub(changed_files),
        changed: changed_files,
        room,
        encrypted,
        problems: warnings::added_to(problems),
        ..BackupReport::default()
    };
    Ok(StreamReport { report, volumes: done.volumes })
}

/// Puts into the table what changed since the walk; all names of an inode get what the saved one has.
fn take_in(table: &mut FileTable, changes: Vec<Change>, firsts: &HashMap<(u64, u64), usize>) {
    for Change { index, record, more } in changes {
        table.records[index] = record;
        if let Some(more) = more {
            table.set_more(index, More { target: vec![], ..more });
        }
    }
    for index in 0..table.records.len() {
        let record = &table.records[index];
        let first = record.link_key().and_then(|key| firsts.get(&key)).copied();
        if let Some(first) = first.filter(|first| *first != index && !table.records[index].left_out) {
            table.take_inode(first, index);
            table.share_more(first, index);
        }
    }
}

/// A record of our own file.
fn own_record(kind: Kind, mode: u16, size: u64) -> Record {
    let mut record = Record::new(kind);
    (record.mode, record.size) = (mode, size);
    record
}

/// A member with a path in our own directory.
fn own_header(record: &Record, name: &str) -> Vec<u8> {
    let mut header = vec![];
    let path = super::own_path(name);
    let member =
        Member { path: &path, record, target: b"", is_hard_link: false, xattrs: &[], holes: &[], changed: None };
    pax::push(&mut header, &member);
    header
}

/// A member of our own.
fn own_file(pipeline: &mut Pipeline, name: &str, content: &[u8]) -> Result<(), ArchiveError> {
    pipeline.begin_member();
    pipeline.put(&own_header(&own_record(Kind::File, 0o600, content.len() as u64), name))?;
    pipeline.put(content)?;
    pipeline.pad()
}

impl Backup<'_> {
    fn own_directory(&mut self) -> Result<(), ArchiveError> {
        self.pipeline.begin_member();
        self.pipeline.put(&own_header(&own_record(Kind::Directory, 0o700, 0), ""))
    }

    /// All entries: a directory, what is directly in it, then the directories in it.
    fn entries(&mut self) -> Result<(), ArchiveError> {
        let table = &self.walked.table;
        let mut directories = Directories::within_a_mount();
        let mut open = vec![0];
        while let Some(index) = open.pop() {
            self.plain(index)?;
            let (below, entries): (Vec<usize>, Vec<usize>) = table
                .children(index)
                .filter(|child| !table.records[*child].left_out)
                .partition(|child| table.records[*child].kind == Kind::Directory);
            for child in entries {
                self.entry(&mut directories, child)?;
            }
            open.extend(below.into_iter().rev());
        }
        Ok(())
    }

    fn entry(&mut self, directories: &mut Directories, index: usize) -> Result<(), ArchiveError> {
        let record = &self.walked.table.records[index];
        let key = record.link_key();
        if let Some(first) = key.and_then(|key| self.firsts.get(&key)).copied() {
            return self.link(first, index);
        }
        let saved = match record.kind {
            Kind::File => self.file(directories, index)?,
            _ => {
                self.plain(index)?;
                true
            }
        };
        if let Some(key) = key.filter(|_| saved) {
            self.firsts.insert(key, index);
        }
        Ok(())
    }

    fn path(&self, index: usize) -> Vec<u8> {
        let table = &self.walked.table;
        let mut path = table.names(index).join(&b'/');
        match table.records[index].kind {
            Kind::Directory if index == 0 => path = b"./".to_vec(),
            Kind::Directory => path.push(b'/'),
            _ => {}
        }
        path
    }

    fn header(&mut self, index: usize, member: impl FnOnce(&mut Vec<u8>)) -> Result<(), ArchiveError> {
        self.pipeline.begin_member();
        self.offsets[index] = self.pipeline.offset();
        self.header.clear();
        member(&mut self.header);
        self.pipeline.put(&self.header)
    }

    fn link(&mut self, first: usize, index: usize) -> Result<(), ArchiveError> {
        let record = &self.walked.table.records[index];
        if record.kind != Kind::Socket {
            let (path, target) = (self.path(index), self.path(first));
            self.header(index, |out| {
                let member = Member {
                    path: &path,
                    record,
                    target: &target,
                    is_hard_link: true,
                    xattrs: &[],
                    holes: &[],
                    changed: None,
                };
                pax::push(out, &member);
            })?;
        }
        self.count(1, 0);
        Ok(())
    }

    /// An entry without content. Tar has no sockets: they are in the catalogue only.
    fn plain(&mut self, index: usize) -> Result<(), ArchiveError> {
        let table = &self.walked.table;
        let record = &table.records[index];
        if record.kind != Kind::Socket {
            let path = self.path(index);
            self.header(index, |out| {
                let (target, xattrs) = (table.target(index), table.xattrs(index));
                let member =
                    Member { path: &path, record, target, is_hard_link: false, xattrs, holes: &[], changed: None };
                pax::push(out, &member);
            })?;
        }
        self.count(1, 0);
        Ok(())
    }

    fn lost(&mut self, index: usize, message: String) {
        self.problems.add(self.walked.table.path(index), message);
        let mut record = self.walked.table.records[index].clone();
        record.left_out = true;
        self.changes.push(Change { index, record, more: None });
        self.count(1, self.walked.table.stored(index));
    }

    /// Saves a file; returns whether it is in the archive.
    fn file(&mut self, directories: &mut Directories, index: usize) -> Result<bool, ArchiveError> {
        let table = &self.walked.table;
        let walked = &table.records[index];
        let parent = walked.parent as usize;
        let directory = match directories.open_same(self.walked, parent) {
            Ok(directory) => directory,
            Err(error) => {
                self.lost(index, without_directory(error));
                return Ok(false);
            }
        };
        let mut record = walked.clone();
        let Opened { mut content, changed, more, warning } =
            match Content::open(&directory, &self.walked.known(index), &mut record, &self.patience) {
                Ok(opened) => opened,
                Err(error) => {
                    self.lost(index, error.message());
                    return Ok(false);
                }
            };
        let holes = content.holes().to_vec();
        let now = more
            .clone()
            .unwrap_or_else(|| More { holes: holes.clone(), ..table.more(index).cloned().unwrap_or_default() });
        let entry = catalogue::encode_entry(&record, &now);
        let differs = entry != catalogue::encode_entry(walked, table.more(index).unwrap_or(&More::default()));
        let text = differs.then(|| STANDARD.encode(&entry));
        let path = self.path(index);
        let mut is_whole = true;
        self.header(index, |out| {
            let member = Member {
                path: &path,
                record: &record,
                target: b"",
                is_hard_link: false,
                xattrs: &now.xattrs,
                holes: &holes,
                changed: text.as_deref(),
            };
            is_whole = pax::push(out, &member);
        })?;
        if !is_whole {
            let text = "changed before it was read, and what changed is too long for its place in the archive: it can be restored when the \
                        end of the set can be read";
            self.problems.add(table.path(index), text);
        }
        let failed = self.content(&mut content, record.size, &holes)?;
        let change = changed.or_else(|| content.changed());
        if let Some(warning) = warning {
            self.problems.add(table.path(index), warning);
        }
        let shrank = matches!(failed, Some(Unreadable::Shrank(_)));
        let saved = match failed {
            None => true,
            // What is missing are zeros, as GNU tar has it.
            Some(Unreadable::Shrank(_)) => {
                let text = "changed while being read: it shrank during the backup; zeros stand for what was gone";
                self.problems.add(table.path(index), text);
                true
            }
            Some(error @ Unreadable::Lost(_)) => {
                self.problems.add(table.path(index), error.message());
                record.left_out = true;
                false
            }
        };
        // Of one that shrank meanwhile that was said.
        if let Some(change) = change.filter(|_| saved && !shrank) {
            self.problems.add(table.path(index), format!("changed while being read: {change}"));
        }
        self.changed_files += u64::from(change.is_some());
        if differs || !saved {
            self.changes.push(Change { index, record, more: Some(now) });
        }
        self.count(1, 0);
        Ok(saved)
    }

    /// Adds the content of a file without its holes. When it cannot be read to its end, zeros follow, because its size has been
    /// written; the reason is returned.
    fn content(
        &mut self,
        content: &mut Content,
        size: u64,
        holes: &[(u64, u64)],
    ) -> Result<Option<Unreadable>, ArchiveError> {
        // A shorter read is the end of a file that shrank.
        content.keep_rest();
        let mut failed = None;
        for (_, mut left) in data(size, holes) {
            let hole = content.hole_ahead();
            content.skip(hole);
            while left > 0 {
                let (buffer, room) = self.pipeline.room();
                let before = buffer.len();
                let wanted = left.min(room as u64) as usize;
                if failed.is_none() {
                    match content.read(buffer, wanted) {
                        Ok(got) if got == wanted => {}
                        Ok(_) => failed = Some(Unreadable::Shrank(String::new())),
                        Err(error) => failed = Some(error),
                    }
                }
                buffer.resize(before + wanted, 0);
                left -= wanted as u64;
                self.pipeline.filled()?;
                self.count(0, wanted as u64);
            }
        }
        self.pipeline.pad()?;
        Ok(failed)
    }

    fn count(&mut self, entries: u64, bytes: u64) {
        self.progress.entries += entries;
        self.progress.bytes += bytes;
        self.reported += bytes;
        if self.reported >= REPORT_BYTES || (entries > 0 && self.progress.entries.is_multiple_of(256)) {
            self.reported = 0;
            self.observer.progress(&self.progress);
        }
    }
}
