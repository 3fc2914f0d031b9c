//! Directories of a target in which nothing is restored any more, by the paths of a table.

use crate::ArchiveError;
use crate::directories::{Directories, Identity, Tree};
use crate::file_table::FileTable;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;
use std::sync::Arc;

/// The way to them.
pub(super) struct Places<'t> {
    way: Way<'t>,
    directories: Directories,
}

struct Way<'t> {
    table: &'t FileTable,
    root: OwnedFd,
}

impl<'t> Places<'t> {
    pub(super) fn new(table: &'t FileTable, target: &Path) -> Result<Self, ArchiveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(rustix::fs::CWD, target, flags, Mode::empty());
        let root = root.map_err(|error| ArchiveError::io("OPEN", target, error))?;
        Ok(Places { way: Way { table, root }, directories: Directories::across_mounts() })
    }

    /// Opens the directory of an entry; of the root directory itself, the root directory.
    pub(super) fn open_parent(&mut self, index: usize) -> Result<Arc<OwnedFd>, Errno> {
        self.directories.open(&self.way, self.way.table.records[index].parent as usize)
    }
}

impl Tree for Way<'_> {
    fn parent(&self, index: usize) -> usize {
        self.table.records[index].parent as usize
    }

    fn name(&self, index: usize) -> &[u8] {
        self.table.name(index)
    }

    fn top(&self, index: usize) -> Option<&OwnedFd> {
        (index == 0).then_some(&self.root)
    }

    fn identity(&self, _: usize) -> Option<Identity> {
        None
    }
}
