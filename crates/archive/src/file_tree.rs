//! What is to be backed up or compared.

use crate::Pattern;
use std::path::{Path, PathBuf};

/// A file tree: the filesystem at a root, and those mounted below it that are listed.
///
/// Paths of mounts and exclusions are paths in the archive: absolute, with the root as `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTree {
    /// Directory that becomes `/` in the archive.
    pub root: PathBuf,
    /// Mount points below the root whose filesystems belong to the archive, e.g. `/boot`. What is mounted elsewhere is
    /// not entered; the directory under it is kept as it is in its own filesystem.
    pub mounts: Vec<PathBuf>,
    /// Entries to leave out, with all below them.
    pub excludes: Vec<PathBuf>,
    /// Directories to keep, but without their contents.
    pub without_content: Vec<PathBuf>,
    /// Frozen copies that are read instead of filesystems: the path of the root of a filesystem (`/`, a mount, a subvolume), and
    /// a directory that shows it as it was at one moment, in which nothing is mounted.
    pub stand_ins: Vec<(PathBuf, PathBuf)>,
    /// What fits one of these is left out, with all below it.
    pub patterns: Vec<Pattern>,
}

impl FileTree {
    /// The filesystem at `root`, without filesystems mounted below it, with everything in it.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        FileTree {
            root: root.into(),
            mounts: vec![],
            excludes: vec![],
            without_content: vec![],
            stand_ins: vec![],
            patterns: vec![],
        }
    }

    /// Adds the filesystem that is mounted at `mount`.
    pub fn mount(mut self, mount: impl Into<PathBuf>) -> Self {
        self.mounts.push(mount.into());
        self
    }

    /// Leaves out an entry and all below it.
    pub fn exclude(mut self, path: impl Into<PathBuf>) -> Self {
        self.excludes.push(path.into());
        self
    }

    /// Leaves out what fits a pattern, and all below it.
    pub fn exclude_pattern(mut self, pattern: Pattern) -> Self {
        self.patterns.push(pattern);
        self
    }

    /// Keeps a directory, but leaves out what is in it.
    pub fn without_content(mut self, path: impl Into<PathBuf>) -> Self {
        self.without_content.push(path.into());
        self
    }

    /// Reads `directory` instead of the filesystem whose root is at `path`, which is `/` or one of the mounts.
    pub fn stand_in(mut self, path: impl Into<PathBuf>, directory: impl Into<PathBuf>) -> Self {
        self.stand_ins.push((path.into(), directory.into()));
        self
    }

    /// What is read instead of the filesystem at a path.
    pub(crate) fn stand_in_for(&self, path: &Path) -> Option<&Path> {
        self.stand_ins.iter().find(|(original, _)| original == path).map(|(_, directory)| directory.as_path())
    }

    /// Where an archive path is on the running system.
    pub(crate) fn place(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The archive path of a place on the running system, if it is below the root.
    pub(crate) fn archive_path(&self, place: &Path) -> Option<PathBuf> {
        let root = std::fs::canonicalize(&self.root).ok()?;
        let place = std::fs::canonicalize(place).ok()?;
        place.strip_prefix(root).ok().map(|rest| Path::new("/").join(rest))
    }
}
