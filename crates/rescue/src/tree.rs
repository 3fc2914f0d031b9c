//! What goes into an image: paths, their nodes, and why each is there.

use crate::error::RescueError;
use crate::module_file;
use crate::sysroot::Sysroot;
use lifeboat_sys::confined::Resolved;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

/// One file of an image, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// Absolute path in the rescue system.
    pub path: String,
    /// Size in bytes before compression; 0 for links and directories.
    pub size_bytes: u64,
    /// Why it is there.
    pub why: String,
}

/// Where the bytes of a file come from.
#[derive(Clone, Debug)]
pub enum FileContent {
    /// A file, as it is.
    File(PathBuf),
    /// A file that is unpacked when it is added; the suffix shows how.
    Packed(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A node.
#[derive(Clone, Debug)]
pub enum Node {
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// Its target as stored.
        target: PathBuf,
    },
    /// A regular file.
    File {
        /// Its bytes.
        source: FileContent,
        /// Permission bits.
        mode: u32,
    },
}

/// Paths (absolute, without links) and their nodes, sorted, each with the reason for it.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<PathBuf, (Node, String)>,
}

impl Tree {
    /// Every node, parents before children.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Node, &str)> {
        self.nodes.iter().map(|(path, (node, why))| (path.as_path(), node, why.as_str()))
    }

    /// True when it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// True when something is at `path`.
    pub fn contains(&self, path: &Path) -> bool {
        self.nodes.contains_key(path)
    }

    /// Adds a directory with its parents; an existing node stays.
    pub fn directory(&mut self, path: &Path, mode: u32, why: &str) {
        self.parents(path);
        self.nodes.entry(path.to_owned()).or_insert_with(|| (Node::Directory { mode }, why.to_owned()));
    }

    /// Adds a link; an existing node stays.
    pub fn link(&mut self, path: &Path, target: &Path, why: &str) {
        self.parents(path);
        let node = || (Node::Link { target: target.to_owned() }, why.to_owned());
        self.nodes.entry(path.to_owned()).or_insert_with(node);
    }

    /// Adds a file, replacing what was there.
    pub fn file(&mut self, path: &Path, source: FileContent, mode: u32, why: &str) {
        self.parents(path);
        self.nodes.insert(path.to_owned(), (Node::File { source, mode }, why.to_owned()));
    }

    /// Adds text.
    pub fn text(&mut self, path: &str, text: impl Into<Vec<u8>>, why: &str) {
        self.file(Path::new(path), FileContent::Bytes(text.into()), 0o644, why);
    }

    /// Adds the links that led to a path of a root filesystem.
    pub fn links(&mut self, resolved: &Resolved, why: &str) {
        for (path, target) in &resolved.links {
            self.link(path, target, why);
        }
    }

    /// Adds a file of a root filesystem with the links that lead to it. Returns whether it exists.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn take(&mut self, sysroot: &Sysroot, path: &Path, why: &str) -> Result<bool, RescueError> {
        let Some((resolved, outside)) = sysroot.file(path)? else { return Ok(false) };
        let mode = outside.metadata().map_err(RescueError::io("READ", &outside))?.mode() & 0o7777;
        self.links(&resolved, why);
        if !self.contains(&resolved.path) {
            self.file(&resolved.path, FileContent::File(outside), mode, why);
        }
        Ok(true)
    }

    /// Adds a directory of a root filesystem with all that is in it. Links below it are copied as they are, with what
    /// they lead to.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn take_all(&mut self, sysroot: &Sysroot, directory: &Path, why: &str) -> Result<(), RescueError> {
        for name in sysroot.list(directory)? {
            let path = directory.join(name);
            let Some(resolved) = sysroot.resolve(&path)? else { continue };
            let outside = sysroot.outside(&resolved.path);
            if outside.is_dir() && resolved.links.iter().all(|(link, _)| *link != path) {
                self.links(&resolved, why);
                self.directory(&resolved.path, 0o755, why);
                self.take_all(sysroot, &path, why)?;
            } else {
                self.take(sysroot, &path, why)?;
            }
        }
        Ok(())
    }

    /// Why each file and link is there, for [`crate::look`]: a line each, path and reason with a tab between.
    pub fn reasons(&self) -> String {
        let mut out = String::new();
        for (path, _, why) in self.iter().filter(|(_, node, _)| !matches!(node, Node::Directory { .. })) {
            // Nothing in the images needs more; a name that does must not break the list.
            let plain = |text: &str| text.replace(|c: char| c.is_control(), "?");
            out.push_str(&format!("{}\t{}\n", plain(&path.to_string_lossy()), plain(why)));
        }
        out
    }

    /// Adds [`Tree::reasons`] as a file, which names itself, too.
    pub fn add_reasons(&mut self, path: &str) {
        self.text(path, "", "lists why each file is here");
        let reasons = self.reasons();
        self.text(path, reasons, "lists why each file is here");
    }

    /// Adds a node of another tree; an existing one stays.
    pub fn put(&mut self, path: &Path, node: Node, why: &str) {
        self.parents(path);
        self.nodes.entry(path.to_owned()).or_insert_with(|| (node, why.to_owned()));
    }

    fn parents(&mut self, path: &Path) {
        for parent in path.ancestors().skip(1) {
            if parent == Path::new("/") || parent.as_os_str().is_empty() || self.nodes.contains_key(parent) {
                break;
            }
            self.nodes.insert(parent.to_owned(), (Node::Directory { mode: 0o755 }, "directory".to_owned()));
        }
    }

    /// Creates the tree below `staging`, which must be empty or missing, and lists what was made.
    ///
    /// # Errors
    /// The first file that could not be read or written.
    pub fn write_to(&self, staging: &Path) -> Result<Vec<Content>, RescueError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(staging)
            .map_err(RescueError::io("MAKE", staging))?;
        let inside = |path: &Path| staging.join(path.strip_prefix("/").unwrap_or(path));
        // Directories first and in order; then files in parallel, because unpacking modules is most of the work.
        for (path, node, _) in self.iter() {
            if let Node::Directory { mode } = node {
                let target = inside(path);
                std::fs::create_dir(&target).map_err(RescueError::io("MAKE", &target))?;
                set_mode(&target, *mode)?;
            }
        }
        let nodes: Vec<_> = self.iter().collect();
        nodes
            .into_par_iter()
            .map(|(path, node, why)| {
                let target = inside(path);
                let size_bytes = match node {
                    Node::Directory { .. } => 0,
                    Node::Link { target: to } => {
                        symlink(to, &target).map_err(RescueError::io("MAKE", &target))?;
                        0
                    }
                    Node::File { source, mode } => write_file(source, &target, *mode)?,
                };
                Ok(Content { path: path.display().to_string(), size_bytes, why: why.to_owned() })
            })
            .collect()
    }
}

fn write_file(source: &FileContent, target: &Path, mode: u32) -> Result<u64, RescueError> {
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(target).map_err(RescueError::io("WRITE", target))?;
    let size = match source {
        FileContent::File(path) => {
            let mut input = std::fs::File::open(path).map_err(RescueError::io("READ", path))?;
            std::io::copy(&mut input, &mut file).map_err(RescueError::io("COPY", path))?
        }
        FileContent::Packed(_) | FileContent::Bytes(_) => {
            let bytes = read_source(source)?;
            std::io::Write::write_all(&mut file, &bytes).map_err(RescueError::io("WRITE", target))?;
            bytes.len() as u64
        }
    };
    set_mode(target, mode)?;
    Ok(size)
}

/// The bytes of a file, unpacked.
///
/// # Errors
/// When it cannot be read or unpacked.
pub fn read_source(source: &FileContent) -> Result<Vec<u8>, RescueError> {
    match source {
        FileContent::File(path) => std::fs::read(path).map_err(RescueError::io("READ", path)),
        FileContent::Packed(path) => module_file::unpack(path),
        FileContent::Bytes(bytes) => Ok(bytes.clone()),
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), RescueError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(RescueError::io("WRITE", path))
}
