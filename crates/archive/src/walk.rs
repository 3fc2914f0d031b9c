//! Reads a file tree's metadata into a [`Table`]; content is read later, through [`content`].
//!
//! | module | holds |
//! | --- | --- |
//! | [`places`] | ways to directories: relative to mount roots, past PATH_MAX |
//! | [`inode`] | what one inode has: status, xattrs, flags, project id, holes |
//! | [`extents`] | which files share blocks, and what is compressed |
//! | [`content`] | reads files with holes, and notices that they change |

pub(crate) mod content;
pub(crate) mod extents;
pub(crate) mod inode;
pub(crate) mod places;

use crate::report::{Problems, Progress};
use crate::source::Source;
use crate::table::{Kind, More, Record, Table, Under, Xattr};
use crate::{ArchiveError, Observer};
use extents::Extents;
use inode::{Place, Supported};
use places::Top;
use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, RawDir};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A walked tree: its table, and the ways to its files.
pub(crate) struct Walked {
    pub(crate) table: Table,
    pub(crate) tops: Vec<Top>,
    /// Where content lies, when that was asked for.
    pub(crate) extents: Option<Extents>,
}

/// What the source says about a name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Mount,
    Exclude,
    WithoutContent,
}

struct Walker<'a> {
    source: &'a Source,
    rules: HashMap<PathBuf, Vec<(Vec<u8>, Rule)>>,
    problems: &'a Problems<'a>,
    observer: &'a dyn Observer,
    walked: Walked,
    bytes: u64,
    supported: HashMap<u64, Supported>,
}

/// Walks a source. What cannot be read is left out and is a problem.
pub(crate) fn walk(source: &Source, observer: &dyn Observer, problems: &Problems<'_>) -> Result<Walked, ArchiveError> {
    start(source, observer, problems, None)
}

/// Walks a source, and looks where the content of its files lies.
pub(crate) fn walk_with_extents(
    source: &Source,
    observer: &dyn Observer,
    problems: &Problems<'_>,
) -> Result<Walked, ArchiveError> {
    start(source, observer, problems, Some(Extents::default()))
}

fn start(
    source: &Source,
    observer: &dyn Observer,
    problems: &Problems<'_>,
    extents: Option<Extents>,
) -> Result<Walked, ArchiveError> {
    let top = Top::open(&source.root, 0).map_err(|error| ArchiveError::io("OPEN", &source.root, error))?;
    let status =
        inode::status(&top.fd, OsStr::new("")).map_err(|error| ArchiveError::io("READ", &source.root, error))?;
    let mut table = Table::default();
    table.holes_known = true;
    let root = inode::record(&status).unwrap_or(Record::new(Kind::Directory));
    table.push(root, b"", More::default());
    let mut walker = Walker {
        source,
        rules: rules(source),
        problems,
        observer,
        walked: Walked { table, tops: vec![top], extents },
        bytes: 0,
        supported: HashMap::new(),
    };
    // Depth first, so that files which lie together are read together.
    let mut open = vec![(0, status.stx_mnt_id)];
    while let Some((index, mount)) = open.pop() {
        walker.directory(index, mount, &mut open);
    }
    for mount in &source.mounts {
        let is_root = mount == Path::new("/");
        if !is_root && !walker.walked.tops.iter().any(|top| walker.walked.table.path(top.record) == *mount) {
            walker.problems.add(mount, "cannot FIND the mount point of a filesystem that is to be archived");
        }
    }
    Ok(walker.walked)
}

fn rules(source: &Source) -> HashMap<PathBuf, Vec<(Vec<u8>, Rule)>> {
    let mut rules: HashMap<PathBuf, Vec<(Vec<u8>, Rule)>> = HashMap::new();
    let lists = [
        (&source.excludes, Rule::Exclude),
        (&source.without_content, Rule::WithoutContent),
        (&source.mounts, Rule::Mount),
    ];
    for (paths, rule) in lists {
        for path in paths {
            // Normalises `//` and trailing slashes; `/` itself has no name and needs no rule.
            let path: PathBuf = Path::new("/").join(path).components().collect();
            if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                rules.entry(parent.to_owned()).or_default().push((name.as_bytes().to_vec(), rule));
            }
        }
    }
    rules
}

impl Walker<'_> {
    /// Reads one directory: its own xattrs and flags, then its children, which are left on `open` if they are directories.
    fn directory(&mut self, index: usize, mount: u64, open: &mut Vec<(usize, u64)>) {
        let path = self.walked.table.path(index);
        let fd = match places::open_directory(&self.walked.table, &self.walked.tops, index) {
            Ok(fd) => fd,
            Err(error) => {
                self.problems.add(path, format!("cannot OPEN the directory: {}", std::io::Error::from(error)));
                return self.gone(index, error);
            }
        };
        self.attributes(index, &fd, &path);
        let mut names = match names(&fd) {
            Ok(names) => names,
            Err(error) => {
                self.problems.add(path, format!("cannot READ the directory: {}", std::io::Error::from(error)));
                return;
            }
        };
        names.sort_unstable();
        let rules = self.rules.get(&path).cloned().unwrap_or_default();
        let rule = |name: &[u8], rule: Rule| rules.iter().any(|(n, r)| n == name && *r == rule);
        let start = self.walked.table.records.len();
        let mut directories = vec![];
        for name in &names {
            if rule(name, Rule::Exclude) {
                continue;
            }
            let Some((child, child_mount)) = self.child(index, &fd, name, &path) else { continue };
            if self.walked.table.records[child].kind != Kind::Directory {
                continue;
            }
            let mut child_mount = child_mount;
            if rule(name, Rule::Mount) {
                match self.enter(child, &fd, &path.join(OsStr::from_bytes(name))) {
                    Some(mount) => child_mount = mount,
                    None => continue,
                }
            } else if !self.detached(index) && child_mount != mount {
                continue;
            }
            if !rule(name, Rule::WithoutContent) {
                directories.push((child, child_mount));
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
    }

    /// A directory that vanished is left out; one that cannot be opened stays, without content.
    fn gone(&mut self, index: usize, error: Errno) {
        if matches!(error, Errno::NOENT | Errno::NOTDIR) && index != 0 {
            self.walked.table.leave_out(index);
        }
    }

    fn detached(&self, mut index: usize) -> bool {
        loop {
            match self.walked.tops.iter().find(|top| top.record == index) {
                Some(top) => return top.detached,
                None if index == 0 => return false,
                None => index = self.walked.table.records[index].parent as usize,
            }
        }
    }

    /// Replaces a mount point by the root of what is mounted there; gives its mount id.
    fn enter(&mut self, index: usize, parent: &OwnedFd, path: &Path) -> Option<u64> {
        let fail = |error: Errno| {
            self.problems.add(path, format!("cannot OPEN the mounted filesystem: {}", std::io::Error::from(error)));
        };
        let top = Top::open(&self.source.place(path), index).map_err(fail).ok()?;
        let status = inode::status(&top.fd, OsStr::new("")).map_err(fail).ok()?;
        let record = self.walked.table.records[index].clone();
        let xattrs = self.xattrs_under(index, parent);
        self.walked.table.under.push(Under { path: path.to_owned(), record, xattrs });
        inode::refresh(&mut self.walked.table.records[index], &status);
        self.walked.tops.push(top);
        Some(status.stx_mnt_id)
    }

    /// Extended attributes of the directory that a mount hides; where it cannot be looked under, none.
    fn xattrs_under(&self, index: usize, parent: &OwnedFd) -> Vec<Xattr> {
        if !self.detached(self.walked.table.records[index].parent as usize) {
            return vec![];
        }
        let name = OsStr::from_bytes(self.walked.table.name(index));
        let hidden = places::open_quietly(parent, name, OFlags::RDONLY | OFlags::DIRECTORY);
        hidden.and_then(|fd| inode::xattrs(&Place::Open(&fd))).unwrap_or_default()
    }

    /// Adds one child.
    fn child(&mut self, parent: usize, directory: &OwnedFd, name: &[u8], path: &Path) -> Option<(usize, u64)> {
        let name_os = OsStr::from_bytes(name);
        let fail = |what: &str, error: Errno| {
            self.problems.add(path.join(name_os), format!("cannot {what}: {}", std::io::Error::from(error)));
        };
        let status = match inode::status(directory, name_os) {
            Ok(status) => status,
            // Gone between listing and looking: it was not there at the time of the backup.
            Err(Errno::NOENT) => return None,
            Err(error) => {
                fail("READ the status", error);
                return None;
            }
        };
        let Some(mut record) = inode::record(&status) else {
            fail("ARCHIVE an entry of an unknown type", Errno::OPNOTSUPP);
            return None;
        };
        record.parent = parent as u32;
        let mut more = More::default();
        match record.kind {
            Kind::File => {
                if let Err((what, error)) = self.file(directory, name_os, &mut record, &mut more) {
                    let path = path.join(name_os);
                    self.problems.add(path, format!("cannot {what}: {}", std::io::Error::from(error)));
                    return None;
                }
            }
            // Its own attributes are read when it is opened.
            Kind::Directory => {}
            kind => {
                if kind == Kind::Symlink {
                    match rustix::fs::readlinkat(directory, name_os, Vec::new()) {
                        Ok(target) => more.target = target.into_bytes(),
                        Err(error) => {
                            fail("READ the link", error);
                            return None;
                        }
                    }
                }
                match inode::xattrs(&Place::Named(directory, name_os)) {
                    Ok(xattrs) => more.xattrs = xattrs,
                    Err(error) => fail("READ the extended attributes", error),
                }
            }
        }
        let index = self.walked.table.push(record, name, more);
        self.bytes += self.walked.table.stored(index);
        Some((index, status.stx_mnt_id))
    }

    /// What only an open file tells. A file that cannot be opened is left out.
    fn file(
        &mut self,
        directory: &OwnedFd,
        name: &OsStr,
        record: &mut Record,
        more: &mut More,
    ) -> Result<(), (&'static str, Errno)> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let fd = places::open_quietly(directory, name, flags).map_err(|error| ("OPEN the file", error))?;
        let supported = self.supported.entry(record.filesystem).or_default();
        inode::flags_and_project(&fd, record, supported);
        more.xattrs = inode::xattrs(&Place::Open(&fd)).map_err(|error| ("READ the extended attributes", error))?;
        if record.size > 0 {
            more.holes = inode::holes(&fd, record.size).map_err(|error| ("READ the holes", error))?;
            if let Some(extents) = &mut self.walked.extents {
                extents.look(&fd, record, self.walked.table.records.len());
            }
        }
        Ok(())
    }

    /// Xattrs, flags and project id of an open directory.
    fn attributes(&mut self, index: usize, fd: &OwnedFd, path: &Path) {
        let record = &mut self.walked.table.records[index];
        let supported = self.supported.entry(record.filesystem).or_default();
        inode::flags_and_project(fd, record, supported);
        match inode::xattrs(&Place::Open(fd)) {
            Ok(xattrs) if xattrs.is_empty() => {}
            Ok(xattrs) => self.walked.table.set_more(index, More { xattrs, ..More::default() }),
            Err(error) => {
                let message = format!("cannot READ the extended attributes: {}", std::io::Error::from(error));
                self.problems.add(path, message);
            }
        }
    }
}

/// Names in a directory, without `.` and `..`.
pub(crate) fn names(fd: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = vec![];
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 65536];
    let mut entries = RawDir::new(fd, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
