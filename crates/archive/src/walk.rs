//! Reads a file tree's metadata into a [`FileTable`]; content is read later, through [`content`].
//!
//! | module | holds |
//! | --- | --- |
//! | [`places`] | where the walked mounts begin |
//! | [`mount_point`] | from a directory to the root of what is mounted on it, or of its snapshot |
//! | [`rules`] | which names a source leaves out, enters, or keeps empty |
//! | [`look`] | one entry, without opening what must not be opened |
//! | [`inode`] | what one inode has: status, xattrs, flags, project id, holes |
//! | [`extents`] | which files share blocks, and what is compressed |
//! | [`encrypted`] | what the filesystem encrypts, and whether it is locked |
//! | [`moved`] | directories that are found again |
//! | [`kept`] | how much of it is kept in memory |
//! | [`content`] | reads files with holes, and notices that they change |
//!
//! Anyone who owns a directory can replace what is in it at any moment. So directories are opened from their parents, and
//! without following links ([`crate::directories`]); status, attributes and content of an entry come from one descriptor.

pub(crate) mod content;
pub(crate) mod encrypted;
pub(crate) mod extents;
pub(crate) mod inode;
mod kept;
pub(crate) mod look;
mod mount_point;
mod moved;
pub(crate) mod places;
mod rules;

use crate::directories::{Directories, Identity, Tree};
use crate::encrypted::Encrypted;
use crate::file_table::{FileTable, Kind, More, NAME_MAX, Record};
use crate::file_tree::FileTree;
use crate::report::{Problems, Progress};
use crate::{ArchiveError, Observer};
use content::Known;
use extents::Extents;
use inode::{Place, Stored};
use kept::Kept;
use lifeboat_sys::fscrypt::KeyState;
use look::Held;
use mount_point::Entered;
use moved::Met;
use places::Top;
use rules::{Rule, Rules, Unwanted};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A walked tree: its table, and the paths to its files.
pub(crate) struct Walked {
    pub(crate) table: FileTable,
    pub(crate) tops: Vec<Top>,
    /// What each filesystem stores.
    pub(crate) stored: HashMap<u64, Stored>,
    /// When the walk began, in seconds since 1970.
    pub(crate) began: i64,
    /// Where content is, if that was requested.
    pub(crate) extents: Option<Extents>,
    /// What is encrypted: the uppermost directories, and what is outside of such directories.
    pub(crate) encrypted: Vec<Encrypted>,
    /// Directories that could not be read, because they are locked.
    pub(crate) locked: HashSet<usize>,
    /// The device numbers of stand-ins, and those of the filesystems that they stand for.
    pub(crate) stand_ins: HashMap<u64, u64>,
}

impl Walked {
    /// From now on all entries are on the filesystems of the machine, not on what stood in for them. For the end: directories are
    /// no longer found again.
    pub(crate) fn name_filesystems(&mut self) {
        if self.stand_ins.is_empty() {
            return;
        }
        let under = self.table.under.iter_mut().map(|under| &mut under.record);
        for record in self.table.records.iter_mut().chain(under) {
            if let Some(original) = self.stand_ins.get(&record.filesystem) {
                record.filesystem = *original;
            }
        }
    }

    /// What opens a file again.
    pub(crate) fn known(&self, index: usize) -> Known<'_> {
        let table = &self.table;
        Known {
            directory: &table.records[table.records[index].parent as usize],
            name: OsStr::from_bytes(table.name(index)),
            holes: table.holes(index),
            stored: self.stored_by(index),
            walked_at: self.began,
        }
    }

    /// What the filesystem of an entry stores.
    pub(crate) fn stored_by(&self, index: usize) -> Stored {
        self.stored.get(&self.table.records[index].filesystem).copied().unwrap_or_default()
    }
}

impl Tree for Walked {
    fn parent(&self, index: usize) -> usize {
        self.table.records[index].parent as usize
    }

    fn name(&self, index: usize) -> &[u8] {
        self.table.name(index)
    }

    fn top(&self, index: usize) -> Option<&OwnedFd> {
        // All except the first are identified by their records: there are few, and most directories are not among them.
        let record = &self.table.records[index];
        (index == 0 || record.is_top).then(|| self.tops.iter().find(|top| top.record == index).map(|top| &top.fd))?
    }

    fn identity(&self, index: usize) -> Option<Identity> {
        let record = &self.table.records[index];
        Some((record.filesystem, record.inode))
    }
}

/// A directory that is to be read.
struct Open<'r> {
    index: usize,
    /// Its mount id.
    mount: u64,
    /// The top that it is in, as an index of [`Walked::tops`].
    top: usize,
    rules: Option<&'r Rules>,
    /// It is in an encrypted directory.
    in_encrypted: bool,
}

struct Walker<'a> {
    problems: &'a Problems<'a>,
    observer: &'a dyn Observer,
    source: &'a FileTree,
    /// The root as the system has it, with its mounts.
    root: OwnedFd,
    walked: Walked,
    directories: Directories,
    bytes: u64,
    kept: Kept,
    met: Met,
    unwanted: Unwanted<'a>,
}

/// Walks a source. What cannot be read is left out and is a problem.
pub(crate) fn walk(
    source: &FileTree,
    observer: &dyn Observer,
    problems: &Problems<'_>,
) -> Result<Walked, ArchiveError> {
    start(source, observer, problems, None)
}

/// Walks a source, and determines where the content of its files is.
pub(crate) fn walk_with_extents(
    source: &FileTree,
    observer: &dyn Observer,
    problems: &Problems<'_>,
) -> Result<Walked, ArchiveError> {
    start(source, observer, problems, Some(Extents::default()))
}

fn start(
    source: &FileTree,
    observer: &dyn Observer,
    problems: &Problems<'_>,
    extents: Option<Extents>,
) -> Result<Walked, ArchiveError> {
    let open = || places::open_root(&source.root).map_err(|error| ArchiveError::io("OPEN", &source.root, error));
    let top = match source.stand_in_for(Path::new("/")) {
        Some(stand_in) => Top::stand_in(stand_in, &open()?, 0)
            .map_err(|error| ArchiveError::io("OPEN the snapshot that is read instead of", &source.root, error))?,
        None => Top::new(open()?, 0),
    };
    let mut stand_ins = HashMap::new();
    let status =
        inode::status(&top.fd, OsStr::new("")).map_err(|error| ArchiveError::io("READ", &source.root, error))?;
    let mut table = FileTable::default();
    table.holes_known = true;
    let root = inode::record(&status).unwrap_or(Record::new(Kind::Directory));
    table.push(root.clone(), b"", More::default());
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
    stand_ins.extend(top.stands_for.map(|original| (root.filesystem, original)));
    let rules = Rules::of(source);
    let mut walker = Walker {
        problems,
        observer,
        root: open()?,
        walked: Walked {
            table,
            tops: vec![top],
            stored: HashMap::new(),
            began: began as i64,
            extents,
            encrypted: vec![],
            locked: HashSet::new(),
            stand_ins,
        },
        source,
        directories: Directories::within_a_mount(),
        bytes: 0,
        kept: Kept::below(&source.root),
        met: Met::default(),
        unwanted: Unwanted::of(source),
    };
    // Depth first, so that files which are together are read together.
    let mut met = 0;
    let mut open = vec![Open { index: 0, mount: status.stx_mnt_id, top: 0, rules: Some(&rules), in_encrypted: false }];
    while let Some(directory) = open.pop() {
        met += walker.directory(&directory, &mut open);
    }
    if met < rules.mounts() {
        for mount in source.mounts.iter().filter(|mount| *mount != Path::new("/")) {
            let found = walker.walked.table.find(mount);
            let record = found.map(|index| &walker.walked.table.records[index]);
            if record.is_none_or(|record| record.left_out || record.kind != Kind::Directory) {
                problems.add(mount, "cannot FIND the mount point of a filesystem that is to be archived");
            }
        }
    }
    walker.unwanted.report(observer);
    Ok(walker.walked)
}

impl Walker<'_> {
    /// Reads one directory: its own status, xattrs and flags, then its children, which are pushed on `open` if they are
    /// directories. Returns how many mount points were found.
    fn directory<'r>(&mut self, directory: &Open<'r>, open: &mut Vec<Open<'r>>) -> usize {
        let Open { index, mount, top, rules, in_encrypted } = *directory;
        let opened = self.directories.open(&self.walked, index);
        // One that has replaced it since is read as a whole, too: what counts is what was opened.
        let opened = opened.and_then(|fd| inode::status(&*fd, OsStr::new("")).map(|status| (fd, status)));
        let (fd, status) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let cause = std::io::Error::from(error);
                self.problems.add(self.walked.table.path(index), format!("cannot OPEN the directory: {cause}"));
                self.gone(index, error);
                return 0;
            }
        };
        inode::refresh(&mut self.walked.table.records[index], &status);
        if inode::stands_for_a_subvolume(&fd, &status) {
            let records = &mut self.walked.table.records;
            let parent = &records[records[index].parent as usize];
            let times = (parent.mtime, parent.ctime);
            (records[index].mtime, records[index].ctime) = times;
        }
        if !self.met.is_to_be_read(&status) {
            let text =
                "cannot READ the directory: it is moved ahead of the backup all the time; nothing in it is saved here";
            self.problems.add(self.walked.table.path(index), text);
            return 0;
        }
        let stored = self.attributes(index, &fd);
        let is_encrypted = encrypted::is_encrypted(&status);
        let key = if is_encrypted { lifeboat_sys::fscrypt::key_state(&*fd) } else { KeyState::Unknown };
        let mut names = match names(&fd) {
            Ok(names) => names,
            Err(error) => {
                let cause = std::io::Error::from(error);
                self.problems.add(self.walked.table.path(index), format!("cannot READ the directory: {cause}"));
                return 0;
            }
        };
        if is_encrypted {
            let locked = encrypted::is_locked(&fd, key, &names);
            if locked {
                self.problems.add(self.walked.table.path(index), encrypted::LOCKED_DIRECTORY);
                self.walked.locked.insert(index);
                names.clear();
            }
            if locked || !in_encrypted {
                self.walked.encrypted.push(Encrypted { path: self.walked.table.path(index), locked });
            }
        }
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        // Some filesystems list a name twice when entries come and go meanwhile (XFS).
        names.dedup_by(|one, other| one.0 == other.0);
        let detached = self.walked.tops[top].detached;
        let start = self.walked.table.records.len();
        let (mut directories, mut met) = (vec![], 0);
        for (name, listed) in &names {
            let below = rules.and_then(|rules| rules.below(name));
            let is_excluded = below.is_some_and(|below| below.has(Rule::Exclude));
            if is_excluded || self.unwanted.has(&self.walked.table, index, name) {
                continue;
            }
            if name.len() > NAME_MAX {
                let shown = String::from_utf8_lossy(&name[..64]).escape_debug().to_string();
                let cause = format!("an entry has a name of {} bytes ({shown}…), more than {NAME_MAX}", name.len());
                self.problems.add(self.walked.table.path(index), cause);
                continue;
            }
            let Some((child, child_mount)) = self.child(index, &fd, name, *listed, (stored, is_encrypted)) else {
                continue;
            };
            if self.walked.table.records[child].kind != Kind::Directory {
                continue;
            }
            let mut next = Open { index: child, mount: child_mount, top, rules: below, in_encrypted: is_encrypted };
            if below.is_some_and(|below| below.has(Rule::Mount)) {
                met += 1;
                match self.enter(child, &fd, detached) {
                    Entered::Mount(mount) => (next.mount, next.top) = (mount, self.walked.tops.len() - 1),
                    Entered::NoMount if detached || child_mount == mount => {}
                    Entered::NoMount | Entered::Failed => continue,
                }
            } else if !detached && child_mount != mount {
                continue;
            }
            if !below.is_some_and(|below| below.has(Rule::WithoutContent)) {
                directories.push(next);
            }
        }
        let count = self.walked.table.records.len() - start;
        let record = &mut self.walked.table.records[index];
        // Four billion entries is more than a table can hold names for; `push` would have failed long before.
        (record.start, record.count) = (start as u32, count as u32);
        open.extend(directories.into_iter().rev());
        self.observer.progress(&Progress {
            phase: "walk",
            entries: self.walked.table.records.len() as u64,
            bytes: self.bytes,
            ..Progress::default()
        });
        met
    }

    /// A directory that vanished is left out; one that cannot be opened stays, without content.
    fn gone(&mut self, index: usize, error: Errno) {
        if matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP) && index != 0 {
            self.walked.table.leave_out(index);
        }
    }

    /// Adds one child; returns its record and its mount id.
    fn child(
        &mut self,
        parent: usize,
        directory: &OwnedFd,
        name: &[u8],
        listed: FileType,
        (stored, in_encrypted): (Stored, bool),
    ) -> Option<(usize, u64)> {
        let name_os = OsStr::from_bytes(name);
        let shared = look::is_shared(&self.walked.table.records[parent]);
        let fail = |walker: &Self, message: String| {
            walker.problems.add(walker.walked.table.path(parent).join(name_os), message);
        };
        let seen = match look::look(directory, name_os, listed, shared) {
            Ok(seen) => seen,
            // Gone between listing and access: it did not exist at the time of the backup.
            Err((_, Errno::NOENT)) => return None,
            Err((_, Errno::NOKEY)) => {
                fail(self, encrypted::LOCKED_FILE.to_owned());
                return None;
            }
            Err((what, error)) => {
                fail(self, format!("cannot {what}: {}", std::io::Error::from(error)));
                return None;
            }
        };
        let Some(mut record) = inode::record(&seen.status) else {
            fail(self, "cannot ARCHIVE an entry of an unknown type".to_owned());
            return None;
        };
        record.parent = parent as u32;
        let is_encrypted = encrypted::is_encrypted(&seen.status);
        let mut more = More::default();
        let mut place = None;
        match &seen.held {
            // Its own attributes are read when it is opened.
            Held::Not => {}
            Held::Open(file) => {
                let mut now = stored;
                inode::flags_and_project(file, &mut record, &mut now);
                if now != stored {
                    self.walked.stored.insert(record.filesystem, now);
                }
                match inode::holes(file, record.size) {
                    // Each name of an inode has them.
                    Ok(holes) => match self.kept.add(record.uid, 2 * size_of::<u64>() * holes.len()) {
                        Ok(()) => more.holes = holes,
                        Err(_) => {
                            fail(
                                self,
                                "its owner has more holes in files than can be kept; it is not saved".to_owned(),
                            );
                            return None;
                        }
                    },
                    Err(error) => {
                        fail(self, format!("cannot READ the holes: {}", std::io::Error::from(error)));
                        return None;
                    }
                }
                let data = record.size - more.holes.iter().map(|(_, length)| length).sum::<u64>().min(record.size);
                if self.walked.extents.is_some()
                    && let Some(whole) = inode::more_than_its_filesystem(file, data)
                {
                    let path = self.walked.table.path(parent).join(name_os);
                    self.observer.warning(&format!(
                        "{}: its content, {data} bytes without holes, is more than its filesystem has ({whole} bytes): shared or compressed blocks, \
                         and all of it is read; exclude it where it is not needed",
                        path.display()
                    ));
                }
                if let Some(extents) = self.walked.extents.as_mut().filter(|_| record.size > 0) {
                    extents.look(file, &record, self.walked.table.records.len());
                }
                place = Some(Place::Open(file));
            }
            Held::Path(held) => {
                if record.kind == Kind::File {
                    // A lease. No file has this time, so all of it is read again after the walk.
                    record.ctime.seconds = i64::MIN;
                }
                if record.kind == Kind::Symlink {
                    match rustix::fs::readlinkat(held, "", Vec::new()) {
                        Ok(target) if is_encrypted && encrypted::is_no_key_target(target.to_bytes()) => {
                            fail(self, encrypted::LOCKED_FILE.to_owned());
                            return None;
                        }
                        Ok(target) if self.kept.add(record.uid, target.to_bytes().len()).is_err() => {
                            fail(
                                self,
                                "cannot ARCHIVE the link: its owner has more of them than fit into memory".to_owned(),
                            );
                            return None;
                        }
                        Ok(target) => more.target = target.into_bytes(),
                        Err(error) => {
                            fail(self, format!("cannot READ the link: {}", std::io::Error::from(error)));
                            return None;
                        }
                    }
                }
                place = Some(Place::Held(held));
            }
        }
        if let Some(place) = place {
            match inode::xattrs(&place, &stored).and_then(|xattrs| self.kept.xattrs(record.uid, xattrs)) {
                Ok(xattrs) => more.xattrs = xattrs,
                Err(error) => fail(self, inode::no_xattrs(error)),
            }
        }
        let index = self.walked.table.push(record, name, more);
        if is_encrypted && !in_encrypted && self.walked.table.records[index].kind != Kind::Directory {
            let path = self.walked.table.path(index);
            self.walked.encrypted.push(Encrypted { path, locked: false });
        }
        self.bytes += self.walked.table.stored(index);
        Some((index, seen.status.stx_mnt_id))
    }

    /// Xattrs, flags and project id of an open directory; returns what its filesystem stores.
    fn attributes(&mut self, index: usize, fd: &OwnedFd) -> Stored {
        let record = &mut self.walked.table.records[index];
        let stored = self.walked.stored.entry(record.filesystem).or_insert_with(|| Stored::by(fd));
        inode::flags_and_project(fd, record, stored);
        let (stored, uid) = (*stored, record.uid);
        match inode::xattrs(&Place::Open(fd), &stored).and_then(|xattrs| self.kept.xattrs(uid, xattrs)) {
            Ok(xattrs) if xattrs.is_empty() => {}
            Ok(xattrs) => self.walked.table.set_more(index, More { xattrs, ..More::default() }),
            Err(error) => self.problems.add(self.walked.table.path(index), inode::no_xattrs(error)),
        }
        stored
    }
}

/// Names in a directory with their types, without `.` and `..`.
fn names(fd: &OwnedFd) -> Result<Vec<(Vec<u8>, FileType)>, Errno> {
    let mut names = vec![];
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 65536];
    let mut entries = RawDir::new(fd, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((name.to_vec(), entry.file_type()));
        }
    }
    Ok(names)
}
