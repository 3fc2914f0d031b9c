//! The kernel's requests, and what they are answered.

use crate::ahead::{Ahead, Wish};
use crate::attributes;
use crate::decoder::Decoder;
use crate::folders::{LATEST, Machines};
use crate::neighbours::Neighbours;
use crate::number::Node;
use crate::pieces::Files;
use crate::slots::{Loaded, Slots};
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, Generation, INodeNo, InitFlags, KernelConfig, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEntry, ReplyLseek, ReplyOpen,
    ReplyStatfs, ReplyXattr, Request,
};
use lifeboat_archive::repository::contents::Number;
use lifeboat_archive::{ArchiveError, Kind};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long the kernel may keep what it was told: nothing ever changes.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// Pieces that are decoded ahead of a read.
const AHEAD: usize = 2;
/// The filesystem.
pub(crate) struct Snapshots {
    slots: Slots,
    machines: Machines,
    files: Files,
    neighbours: Neighbours,
    decoder: Arc<Decoder>,
    ahead: Ahead,
    owner: (u32, u32),
    began: SystemTime,
}

/// What a read is answered.
pub(crate) enum Bytes {
    /// A part of one piece of content: nothing is copied.
    Part(Arc<[u8]>, Range<usize>),
    /// What was put together.
    Joined(Vec<u8>),
}

impl Bytes {
    fn bytes(&self) -> &[u8] {
        match self {
            Bytes::Part(piece, part) => piece.get(part.clone()).unwrap_or_default(),
            Bytes::Joined(bytes) => bytes,
        }
    }
}

/// One entry of a directory: its number, type and name.
type Listed = (Node, FileType, OsString);

impl Snapshots {
    pub(crate) fn new(slots: Slots, machines: Machines, decoder: Arc<Decoder>, ahead: Ahead) -> Snapshots {
        let owner = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let (files, neighbours) = (Files::default(), Neighbours::default());
        Snapshots { slots, machines, files, neighbours, decoder, ahead, owner, began: SystemTime::now() }
    }

    fn loaded(&self, slot: usize) -> Result<Arc<Loaded>, Errno> {
        match self.slots.get(slot) {
            Ok((loaded, problems)) => {
                problems.into_iter().for_each(|text| self.decoder.say(text));
                Ok(loaded)
            }
            Err(error) => {
                let id = self.slots.folder(slot).map_or("", |folder| folder.snapshot.short_id());
                self.decoder.say(format!("snapshot {id} cannot be shown: {error}"));
                Err(Errno::EIO)
            }
        }
    }

    /// An entry, if its number is one.
    fn entry(&self, slot: usize, number: Number) -> Result<Arc<Loaded>, Errno> {
        let loaded = self.loaded(slot)?;
        match number < loaded.contents.count() {
            true => Ok(loaded),
            false => Err(Errno::ENOENT),
        }
    }

    fn damaged(&self, slot: usize, loaded: &Loaded, number: Number, error: &ArchiveError) -> Errno {
        let id = self.slots.folder(slot).map_or("", |folder| folder.snapshot.short_id());
        let path = loaded.contents.entry(number).path;
        self.decoder.say(format!("snapshot {id}: {}: {error}", path.display()));
        Errno::EIO
    }

    pub(crate) fn attributes(&self, node: Node) -> Result<FileAttr, Errno> {
        let folder = |link: Option<&str>, below| attributes::of_folder(node, link, below, self.owner, self.began);
        match node {
            Node::Top => Ok(folder(None, self.machines.list.len())),
            Node::Machine(machine) => {
                let (_, list) = self.machines.list.get(machine).ok_or(Errno::ENOENT)?;
                Ok(folder(None, list.len()))
            }
            Node::Latest(machine) => Ok(folder(Some(self.latest(machine)?), 0)),
            Node::Entry(slot, number) => Ok(attributes::of_entry(slot, &*self.entry(slot, number)?, number)),
        }
    }

    fn latest(&self, machine: usize) -> Result<&str, Errno> {
        let list = self.machines.list.get(machine).map(|(_, list)| list);
        list.and_then(|list| list.last()).map(|(name, _)| name.as_str()).ok_or(Errno::ENOENT)
    }

    pub(crate) fn find(&self, parent: Node, name: &OsStr) -> Result<Node, Errno> {
        match parent {
            Node::Top => {
                let at = self.machines.list.iter().position(|(machine, _)| OsStr::new(machine) == name);
                at.map(Node::Machine).ok_or(Errno::ENOENT)
            }
            Node::Machine(machine) if name == LATEST => Ok(Node::Latest(machine)),
            Node::Machine(machine) => {
                let (_, list) = self.machines.list.get(machine).ok_or(Errno::ENOENT)?;
                let found = list.iter().find(|(folder, _)| OsStr::new(folder) == name);
                found.map(|(_, slot)| Node::Entry(*slot, 0)).ok_or(Errno::ENOENT)
            }
            Node::Latest(_) => Err(Errno::ENOTDIR),
            Node::Entry(slot, number) => {
                let loaded = self.entry(slot, number)?;
                let child = loaded.contents.child(number, name.as_bytes()).ok_or(Errno::ENOENT)?;
                Ok(Node::Entry(slot, child))
            }
        }
    }

    fn parent(&self, node: Node) -> Result<Node, Errno> {
        Ok(match node {
            Node::Entry(slot, 0) => {
                let holds = |(_, list): &(String, Vec<(String, usize)>)| list.iter().any(|(_, other)| *other == slot);
                self.machines.list.iter().position(holds).map_or(Node::Top, Node::Machine)
            }
            Node::Entry(slot, number) => Node::Entry(slot, self.entry(slot, number)?.contents.parent(number)),
            Node::Top | Node::Machine(_) | Node::Latest(_) => Node::Top,
        })
    }

    /// What is in a directory, from the entry with this number on, `.` and `..` first; each goes to `add`, which answers
    /// whether there is no room for it.
    pub(crate) fn list(
        &self,
        node: Node,
        from: usize,
        add: &mut dyn FnMut(usize, Listed) -> Result<bool, Errno>,
    ) -> Result<(), Errno> {
        let mut at = from;
        for (node, name) in [(node, "."), (self.parent(node)?, "..")].into_iter().skip(from) {
            at += 1;
            if add(at, (node, FileType::Directory, name.into()))? {
                return Ok(());
            }
        }
        let skip = from.saturating_sub(2);
        match node {
            Node::Top => {
                for (number, (name, _)) in self.machines.list.iter().enumerate().skip(skip) {
                    at += 1;
                    if add(at, (Node::Machine(number), FileType::Directory, name.into()))? {
                        return Ok(());
                    }
                }
            }
            Node::Machine(machine) => {
                let (_, list) = self.machines.list.get(machine).ok_or(Errno::ENOENT)?;
                let folders = list.iter().map(|(name, slot)| (Node::Entry(*slot, 0), FileType::Directory, name.into()));
                let latest = (Node::Latest(machine), FileType::Symlink, OsString::from(LATEST));
                for listed in folders.chain([latest]).skip(skip) {
                    at += 1;
                    if add(at, listed)? {
                        return Ok(());
                    }
                }
            }
            Node::Latest(_) => return Err(Errno::ENOTDIR),
            Node::Entry(slot, number) => {
                let loaded = self.entry(slot, number)?;
                let contents = &loaded.contents;
                if contents.kind(number) != Kind::Directory {
                    return Err(Errno::ENOTDIR);
                }
                for child in contents.children(number).skip(skip) {
                    at += 1;
                    let name = OsString::from_vec(contents.name(child).to_vec());
                    let listed = (Node::Entry(slot, child), attributes::kind(contents.kind(child)), name);
                    if add(at, listed)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The bytes of a file from an offset on, fewer at its end.
    pub(crate) fn bytes(&self, node: Node, offset: u64, size: u32) -> Result<Bytes, Errno> {
        let Node::Entry(slot, number) = node else { return Err(Errno::EISDIR) };
        let loaded = self.entry(slot, number)?;
        if loaded.contents.kind(number) != Kind::File {
            return Err(Errno::EINVAL);
        }
        let number = loaded.inode(number).0;
        let damaged = |error: ArchiveError| self.damaged(slot, &loaded, number, &error);
        let open = self.files.get(slot, &loaded, number).map_err(damaged)?;
        if offset == 0 {
            self.give(slot, &loaded, self.neighbours.begun(slot, &loaded, number));
        }
        let mut joined = Vec::new();
        let mut part = None;
        let end = offset.saturating_add(size.into());
        let (mut at, mut next) = (offset, open.at(offset));
        while let Some(piece) = open.pieces.get(next).filter(|piece| piece.start < end) {
            let until = piece.start.saturating_add(piece.length).min(end);
            let (from, length) = ((at - piece.start) as usize, (until - at) as usize);
            match piece.blob {
                None => joined.resize(joined.len() + length, 0),
                Some(id) => {
                    let data = self.decoder.piece(&loaded, &id).map_err(damaged)?;
                    // The index may say another length than the content has.
                    let bytes = data.get(from..from + length).ok_or(Errno::EIO)?;
                    let is_all = at == offset && (until == end || next + 1 == open.pieces.len());
                    match is_all {
                        true => part = Some(Bytes::Part(Arc::clone(&data), from..from + length)),
                        false => joined.extend_from_slice(bytes),
                    }
                }
            }
            (at, next) = (until, next + 1);
        }
        if open.continues(offset, at - offset) {
            let ahead = open.pieces.iter().skip(next).filter_map(|piece| piece.blob).take(AHEAD);
            for id in ahead.filter(|id| !self.decoder.has(id)) {
                self.ahead.wish(Wish::Piece(Arc::clone(&loaded), id));
            }
        }
        Ok(part.unwrap_or(Bytes::Joined(joined)))
    }

    /// Has the content of files given to the kernel before it asks for it.
    fn give(&self, slot: usize, loaded: &Arc<Loaded>, files: Vec<Number>) {
        if !files.is_empty() {
            self.ahead.wish(Wish::Files(Arc::clone(loaded), slot, files));
        }
    }

    /// A directory was listed.
    fn listed(&self, node: Node) {
        let Node::Entry(slot, number) = node else { return };
        if let Ok(loaded) = self.entry(slot, number) {
            self.give(slot, &loaded, self.neighbours.listed(slot, &loaded, number));
        }
    }

    /// Where data (SEEK_DATA) or a hole (SEEK_HOLE) begins, from an offset on (lseek(2)).
    pub(crate) fn seek(&self, node: Node, offset: i64, whence: i32) -> Result<i64, Errno> {
        let Node::Entry(slot, number) = node else { return Err(Errno::EINVAL) };
        let loaded = self.entry(slot, number)?;
        let number = loaded.inode(number).0;
        let size = i64::try_from(loaded.contents.inode(number).size).unwrap_or(i64::MAX);
        if offset < 0 || offset >= size {
            return Err(Errno::ENXIO);
        }
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let holes = loaded.contents.holes(number);
        let holes = holes.iter().map(|(start, length)| (signed(*start), signed(start.saturating_add(*length))));
        match whence {
            libc::SEEK_HOLE => {
                let mut ahead = holes.filter(|(_, end)| *end > offset);
                Ok(ahead.next().map_or(size, |(start, _)| start.max(offset).min(size)))
            }
            libc::SEEK_DATA => {
                let mut at = offset;
                for (start, end) in holes {
                    if start <= at && at < end {
                        at = end;
                    }
                }
                if at >= size { Err(Errno::ENXIO) } else { Ok(at) }
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// The value of an extended attribute.
    pub(crate) fn xattr(&self, node: Node, name: &OsStr) -> Result<Vec<u8>, Errno> {
        let Node::Entry(slot, number) = node else { return Err(Errno::ENODATA) };
        let loaded = self.entry(slot, number)?;
        let xattrs = loaded.contents.inode(loaded.inode(number).0).xattrs;
        let found = xattrs.iter().find(|xattr| xattr.name == name.as_bytes());
        found.map(|xattr| xattr.value.clone()).ok_or(Errno::ENODATA)
    }

    /// The names of the extended attributes, each with a NUL at its end (listxattr(2)).
    pub(crate) fn xattrs(&self, node: Node) -> Result<Vec<u8>, Errno> {
        let Node::Entry(slot, number) = node else { return Ok(vec![]) };
        let loaded = self.entry(slot, number)?;
        let xattrs = loaded.contents.inode(loaded.inode(number).0).xattrs;
        Ok(xattrs.iter().flat_map(|xattr| [&xattr.name[..], b"\0"].concat()).collect())
    }

    fn target(&self, node: Node) -> Result<Vec<u8>, Errno> {
        match node {
            Node::Latest(machine) => Ok(self.latest(machine)?.as_bytes().to_vec()),
            Node::Entry(slot, number) => {
                let loaded = self.entry(slot, number)?;
                let inode = loaded.contents.inode(number);
                if inode.kind == Kind::Symlink { Ok(inode.target.to_vec()) } else { Err(Errno::EINVAL) }
            }
            Node::Top | Node::Machine(_) => Err(Errno::EINVAL),
        }
    }
}

/// A value of which the caller may only have asked the size (getxattr(2)).
fn sized(value: Result<Vec<u8>, Errno>, size: u32, reply: ReplyXattr) {
    match value {
        Err(error) => reply.error(error),
        Ok(value) if size == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
    }
}

impl Filesystem for Snapshots {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Each only where the kernel has it.
        for flag in [
            InitFlags::FUSE_ASYNC_READ,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_POSIX_ACL,
            InitFlags::FUSE_CACHE_SYMLINKS,
            InitFlags::FUSE_NO_OPEN_SUPPORT,
            InitFlags::FUSE_NO_OPENDIR_SUPPORT,
            InitFlags::FUSE_MAX_PAGES,
        ] {
            let _ = config.add_capabilities(flag);
        }
        // As much as the kernel allows.
        if let Err(most) = config.set_max_readahead(u32::MAX) {
            let _ = config.set_max_readahead(most);
        }
        let _ = config.set_max_background(64);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.find(Node::of(parent.0), name).and_then(|node| self.attributes(node));
        match found {
            Ok(attributes) => reply.entry(&FOREVER, &attributes, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(Node::of(ino.0)) {
            Ok(attributes) => reply.attr(&FOREVER, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.target(Node::of(ino.0)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // The kernel opens without us from now on, and keeps what it has read (FUSE_NO_OPEN_SUPPORT).
        reply.error(Errno::ENOSYS);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.bytes(Node::of(ino.0), offset, size) {
            Ok(bytes) => reply.data(bytes.bytes()),
            Err(error) => reply.error(error),
        }
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listed = self.list(Node::of(ino.0), offset as usize, &mut |at, (node, kind, name)| {
            Ok(reply.add(INodeNo(self.inode(node)?.number()), at as u64, kind, &name))
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn readdirplus(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let listed = self.list(Node::of(ino.0), offset as usize, &mut |at, (node, _, name)| {
            // A snapshot is not read only because its folder is listed.
            let attributes = match node {
                Node::Entry(slot, 0) if !self.slots.is_loaded(slot) => {
                    attributes::of_folder(node, None, 0, self.owner, self.began)
                }
                node => self.attributes(node)?,
            };
            let known = if matches!(node, Node::Entry(_, 0)) { Duration::ZERO } else { FOREVER };
            Ok(reply.add(attributes.ino, at as u64, &name, &known, &attributes, Generation(0)))
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => return reply.error(error),
        }
        if offset == 0 {
            self.listed(Node::of(ino.0));
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(0, 0, 0, 0, 0, 4096, 255, 4096);
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        sized(self.xattr(Node::of(ino.0), name), size, reply);
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        sized(self.xattrs(Node::of(ino.0)), size, reply);
    }

    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        match self.seek(Node::of(ino.0), offset, whence) {
            Ok(at) => reply.offset(at),
            Err(error) => reply.error(error),
        }
    }
}

impl Snapshots {
    /// The node that stands for the inode of an entry.
    fn inode(&self, node: Node) -> Result<Node, Errno> {
        match node {
            Node::Entry(slot, number) if number > 0 => Ok(Node::Entry(slot, self.loaded(slot)?.inode(number).0)),
            node => Ok(node),
        }
    }
}
