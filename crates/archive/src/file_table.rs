//! The compact list of entries that walker, repository, extractor and comparison share.
//!
//! A million entries must fit in little memory, so names, link targets, xattrs and holes are beside fixed-size records.
//! Record 0 is the root directory. The children of a directory are contiguous and sorted by the bytes of their names;
//! they come after the directory itself.

use crate::shared::Shared;
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// Type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// Block device.
    BlockDevice,
    /// Character device.
    CharDevice,
    /// Named pipe.
    Fifo,
    /// Unix socket.
    Socket,
}

impl Kind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Symlink => "symbolic link",
            Kind::BlockDevice => "block device",
            Kind::CharDevice => "character device",
            Kind::Fifo => "named pipe",
            Kind::Socket => "socket",
        }
    }
}

/// A time as the kernel keeps it: seconds since 1970, possibly negative, and nanoseconds after that second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds.
    pub seconds: i64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// Name with its namespace, e.g. `security.capability`.
    pub name: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
}

/// All data of one entry; made on demand by [`FileTable::entry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Absolute path in the archive.
    pub path: PathBuf,
    /// Type.
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits (07777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes; of regular files.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// Hard links that it had.
    pub links: u32,
    /// Device number of a device, as major and minor.
    pub device: Option<(u32, u32)>,
    /// Target of a symbolic link.
    pub target: Option<PathBuf>,
    /// Extended attributes, by name.
    pub xattrs: Vec<Xattr>,
    /// Inode flags (FS_IOC_GETFLAGS), those that can be set.
    pub flags: u32,
    /// Project id (FS_IOC_FSGETXATTR).
    pub project: u32,
}

/// Holes of a file: start and length, in bytes, ascending.
pub type Holes = Vec<(u64, u64)>;

/// What only few entries have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct More {
    pub(crate) xattrs: Vec<Xattr>,
    pub(crate) target: Vec<u8>,
    pub(crate) holes: Holes,
    /// The content contains nothing for large holes ([`is_large`]), not even zeros.
    pub(crate) squeezed: bool,
}

/// The stretches of a file that are not in holes.
pub(crate) fn data(size: u64, holes: &[(u64, u64)]) -> impl Iterator<Item = (u64, u64)> + '_ {
    let mut at = 0;
    holes.iter().copied().chain([(size, 0)]).filter_map(move |(start, length)| {
        let stretch = (at, start.saturating_sub(at));
        at = start.saturating_add(length);
        (stretch.1 > 0).then_some(stretch)
    })
}

/// Reports whether a hole is kept in whole blobs: the content of a file is cut where such a hole begins and where it ends.
pub(crate) fn is_large(length: u64) -> bool {
    length >= crate::repository::chunker::MIN as u64
}

/// One entry, of fixed size.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) size: u64,
    pub(crate) mtime: Time,
    pub(crate) ctime: Time,
    pub(crate) inode: u64,
    /// st_dev; identifies the filesystem for hard links.
    pub(crate) filesystem: u64,
    /// st_rdev of a device.
    pub(crate) device: u64,
    /// Directories: children as a range of records. Files: content as a range of ids.
    pub(crate) start: u32,
    pub(crate) count: u32,
    pub(crate) parent: u32,
    name_start: u64,
    name_length: u16,
    /// Permission bits (07777).
    pub(crate) mode: u16,
    pub(crate) kind: Kind,
    /// Not to be stored or restored: vanished, unreadable, or not selected.
    pub(crate) left_out: bool,
    /// The root of a mount that was walked.
    pub(crate) is_top: bool,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u32,
    pub(crate) flags: u32,
    pub(crate) project: u32,
    more: u32,
}

/// The longest name that a filesystem can have, in bytes: 255 characters of up to 6 bytes where the kernel translates them (vfat, CIFS).
pub(crate) const NAME_MAX: usize = 1530;

/// SHA-256 of a blob.
pub(crate) type Id = [u8; 32];

const NONE: u32 = u32::MAX;

/// Entries of a file tree or a snapshot.
#[derive(Clone, Debug, Default)]
pub struct FileTable {
    pub(crate) records: Vec<Record>,
    names: Vec<u8>,
    more: Vec<More>,
    /// Content of files.
    pub(crate) ids: Vec<Id>,
    /// Snapshot made by Lifeboat: holes are known, zeros are data.
    pub(crate) holes_known: bool,
    /// Directories that are under mounted filesystems.
    pub(crate) under: Vec<Under>,
    /// Stretches of files that share blocks on the disk.
    pub(crate) shared: Shared,
    /// The root is not that of the snapshot.
    pub(crate) has_other_root: bool,
}

/// A directory that a mounted filesystem hides: its own metadata.
#[derive(Clone, Debug)]
pub(crate) struct Under {
    /// In the archive.
    pub(crate) path: PathBuf,
    pub(crate) record: Record,
    pub(crate) xattrs: Vec<Xattr>,
}

impl Record {
    /// A record of which only the type is known.
    pub(crate) fn new(kind: Kind) -> Self {
        Record {
            size: 0,
            mtime: Time::default(),
            ctime: Time::default(),
            inode: 0,
            filesystem: 0,
            device: 0,
            start: 0,
            count: 0,
            parent: 0,
            name_start: 0,
            name_length: 0,
            mode: 0,
            kind,
            left_out: false,
            is_top: false,
            uid: 0,
            gid: 0,
            links: 1,
            flags: 0,
            project: 0,
            more: NONE,
        }
    }

    /// What hard links to one inode have in common; `None` for an entry without other links.
    pub(crate) fn link_key(&self) -> Option<(u64, u64)> {
        (self.links > 1 && self.kind != Kind::Directory && self.inode != 0).then_some((self.filesystem, self.inode))
    }
}

impl FileTable {
    /// Entries that are not left out, with the root directory.
    pub fn len(&self) -> u64 {
        self.records.iter().filter(|record| !record.left_out).count() as u64
    }

    /// Reports whether there is not even a root directory.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Sum of the sizes of regular files that are not left out, in bytes.
    pub fn bytes(&self) -> u64 {
        let files = self.records.iter().filter(|record| !record.left_out && record.kind == Kind::File);
        // Four holes of 8 EiB are more than the number can hold.
        files.fold(0, |sum, record| sum.saturating_add(record.size))
    }

    /// Bytes of content that an entry stores: the size of a regular file without its holes.
    pub(crate) fn stored(&self, index: usize) -> u64 {
        let record = &self.records[index];
        if record.kind != Kind::File || record.left_out {
            return 0;
        }
        record.size.saturating_sub(self.holes(index).iter().map(|(_, length)| length).sum())
    }

    /// The entries in full, directories before what is in them; without those that are left out.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.records.len()).filter(|index| !self.records[*index].left_out).map(|index| self.entry(index))
    }

    /// One entry in full.
    pub(crate) fn entry(&self, index: usize) -> Entry {
        let record = &self.records[index];
        let more = self.more(index);
        let is_device = matches!(record.kind, Kind::BlockDevice | Kind::CharDevice);
        let target = || more.map(|more| PathBuf::from(OsStr::from_bytes(&more.target)));
        Entry {
            path: self.path(index),
            kind: record.kind,
            mode: record.mode.into(),
            uid: record.uid,
            gid: record.gid,
            size: record.size,
            mtime: record.mtime,
            links: record.links,
            device: is_device.then(|| (rustix::fs::major(record.device), rustix::fs::minor(record.device))),
            target: if record.kind == Kind::Symlink { target() } else { None },
            xattrs: more.map(|more| more.xattrs.clone()).unwrap_or_default(),
            flags: record.flags,
            project: record.project,
        }
    }

    /// Adds a record, without linking it to its directory.
    pub(crate) fn push(&mut self, mut record: Record, name: &[u8], more: More) -> usize {
        record.name_start = self.names.len() as u64;
        record.name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        self.names.extend_from_slice(&name[..record.name_length.into()]);
        record.more = NONE;
        self.records.push(record);
        let index = self.records.len() - 1;
        if more != More::default() {
            self.set_more(index, more);
        }
        index
    }

    /// Forgets the records from `length` on, with all that they hold; nothing may refer to them.
    pub(crate) fn truncate(&mut self, length: usize) {
        let Some(first) = self.records.get(length) else { return };
        self.names.truncate(first.name_start as usize);
        let cut = &self.records[length..];
        let more = cut.iter().map(|record| record.more).filter(|more| *more != NONE).min();
        let ids =
            cut.iter().filter(|record| record.kind == Kind::File && record.count > 0).map(|record| record.start).min();
        self.more.truncate(more.map_or(self.more.len(), |more| more as usize));
        self.ids.truncate(ids.map_or(self.ids.len(), |start| start as usize));
        self.records.truncate(length);
    }

    pub(crate) fn name(&self, index: usize) -> &[u8] {
        let record = &self.records[index];
        let start = record.name_start as usize;
        &self.names[start..start + usize::from(record.name_length)]
    }

    pub(crate) fn more(&self, index: usize) -> Option<&More> {
        self.more.get(self.records[index].more as usize)
    }

    pub(crate) fn xattrs(&self, index: usize) -> &[Xattr] {
        self.more(index).map(|more| more.xattrs.as_slice()).unwrap_or_default()
    }

    pub(crate) fn holes(&self, index: usize) -> &[(u64, u64)] {
        self.more(index).map(|more| more.holes.as_slice()).unwrap_or_default()
    }

    /// Reports whether the content of a file leaves out large holes.
    pub(crate) fn is_squeezed(&self, index: usize) -> bool {
        self.more(index).is_some_and(|more| more.squeezed)
    }

    /// Bytes in the blobs of a regular file's content: its size, or less when it is squeezed.
    pub(crate) fn content_bytes(&self, index: usize) -> u64 {
        let size = self.records[index].size;
        match self.more(index) {
            Some(more) if more.squeezed => {
                let large = more.holes.iter().map(|(_, length)| *length).filter(|length| is_large(*length));
                size.saturating_sub(large.sum())
            }
            _ => size,
        }
    }

    pub(crate) fn target(&self, index: usize) -> &[u8] {
        self.more(index).map(|more| more.target.as_slice()).unwrap_or_default()
    }

    pub(crate) fn set_more(&mut self, index: usize, more: More) {
        match self.more.get_mut(self.records[index].more as usize) {
            Some(place) => *place = more,
            None => {
                self.records[index].more = u32::try_from(self.more.len()).unwrap_or(NONE);
                self.more.push(more);
            }
        }
    }

    /// Gives a record all inode data of another one: everything except name and place.
    pub(crate) fn take_inode(&mut self, from: usize, to: usize) {
        let inode = self.records[from].clone();
        let record = &mut self.records[to];
        let (parent, name_start, name_length, more) =
            (record.parent, record.name_start, record.name_length, record.more);
        *record = Record { parent, name_start, name_length, more, ..inode };
    }

    /// Two records share the same xattrs and holes.
    pub(crate) fn share_more(&mut self, from: usize, to: usize) {
        self.records[to].more = self.records[from].more;
    }

    /// The children of a directory, as record numbers.
    pub(crate) fn children(&self, index: usize) -> Range<usize> {
        let record = &self.records[index];
        match record.kind {
            Kind::Directory => record.start as usize..(record.start + record.count) as usize,
            _ => 0..0,
        }
    }

    /// The child of a directory with this name.
    pub(crate) fn child(&self, index: usize, name: &[u8]) -> Option<usize> {
        let range = self.children(index);
        let found = self.records[range.clone()].binary_search_by(|record| {
            let start = record.name_start as usize;
            self.names[start..start + usize::from(record.name_length)].cmp(name)
        });
        found.ok().map(|offset| range.start + offset)
    }

    /// The record of an absolute or relative path in the archive.
    pub(crate) fn find(&self, path: &std::path::Path) -> Option<usize> {
        let mut index = (!self.records.is_empty()).then_some(0)?;
        for part in path.components() {
            match part {
                std::path::Component::Normal(name) => index = self.child(index, name.as_bytes())?,
                std::path::Component::RootDir | std::path::Component::CurDir => {}
                _ => return None,
            }
        }
        Some(index)
    }

    /// Whether a path is there as anything but an empty directory. Links on the way are not followed.
    pub fn is_filled(&self, path: &std::path::Path) -> bool {
        self.find(path)
            .is_some_and(|index| self.records[index].kind != Kind::Directory || !self.children(index).is_empty())
    }

    /// The record that a path leads to in the archive, through its own links, as a process in it would be led
    /// (path_resolution(7)); a link at the end is not followed.
    pub(crate) fn follow(&self, path: &std::path::Path) -> Option<usize> {
        use std::path::Component;
        /// As many links as the kernel follows.
        const MOST_LINKS: usize = 40;
        let parts = |path: &std::path::Path| -> Vec<Vec<u8>> {
            let names = path.components().rev().filter_map(|component| match component {
                Component::Normal(name) => Some(name.as_bytes().to_vec()),
                Component::ParentDir => Some(b"..".to_vec()),
                _ => None,
            });
            names.collect()
        };
        let mut index = (!self.records.is_empty()).then_some(0)?;
        let (mut left, mut links) = (parts(path), 0);
        while let Some(part) = left.pop() {
            if part == b".." {
                index = self.records[index].parent as usize;
                continue;
            }
            let child = self.child(index, &part)?;
            if self.records[child].kind != Kind::Symlink || left.is_empty() {
                index = child;
                continue;
            }
            links += 1;
            let target = PathBuf::from(OsStr::from_bytes(self.target(child)));
            if links > MOST_LINKS {
                return None;
            }
            if target.is_absolute() {
                index = 0;
            }
            left.extend(parts(&target));
        }
        Some(index)
    }

    /// The names that lead from the root directory to an entry.
    pub(crate) fn names(&self, mut index: usize) -> Vec<&[u8]> {
        let mut names = vec![];
        while index != 0 {
            names.push(self.name(index));
            index = self.records[index].parent as usize;
        }
        names.reverse();
        names
    }

    /// Absolute path in the archive.
    pub(crate) fn path(&self, index: usize) -> PathBuf {
        let mut path = vec![b'/'];
        path.extend(self.names(index).join(&b'/'));
        PathBuf::from(OsStr::from_bytes(&path))
    }

    /// The ids of a file's content.
    pub(crate) fn content(&self, index: usize) -> &[Id] {
        let record = &self.records[index];
        match record.kind {
            Kind::File => {
                self.ids.get(record.start as usize..(record.start as usize + record.count as usize)).unwrap_or_default()
            }
            _ => &[],
        }
    }

    /// Leaves out an entry, and all below it.
    pub(crate) fn leave_out(&mut self, index: usize) {
        let mut stack = vec![index];
        while let Some(index) = stack.pop() {
            self.records[index].left_out = true;
            stack.extend(self.children(index));
        }
    }
}

mod other_root;
#[cfg(test)]
pub(crate) mod tests;
