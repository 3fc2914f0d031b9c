//! A root filesystem in a folder. Symbolic links are followed inside it: an absolute target starts at the folder.

use crate::error::RescueError;
use lifeboat_sys::confined::{self, Resolved};
use rustix::io::Errno;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A root filesystem.
#[derive(Clone, Debug)]
pub struct Sysroot {
    root: PathBuf,
}

impl Sysroot {
    /// The root filesystem at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Sysroot { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// True for the running system.
    pub fn is_running_system(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path without links is outside: see [`Resolved::path`].
    pub fn outside(&self, path: &Path) -> PathBuf {
        confined::outside(&self.root, path)
    }

    /// Follows `path` (absolute inside the root) to its end; `None` when it leads nowhere.
    ///
    /// # Errors
    /// [`RescueError::Loop`], or an unreadable link.
    pub fn resolve(&self, path: &Path) -> Result<Option<Resolved>, RescueError> {
        match confined::resolve(&self.root, path) {
            Ok(resolved) => Ok(resolved.exists.then_some(resolved)),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                Err(RescueError::Loop(path.to_owned()))
            }
            Err(source) => Err(RescueError::Io { action: "FOLLOW", path: self.outside(path), source }),
        }
    }

    /// Like [`Sysroot::resolve`], for regular files only, and with the path outside.
    ///
    /// # Errors
    /// As for [`Sysroot::resolve`].
    pub fn file(&self, path: &Path) -> Result<Option<(Resolved, PathBuf)>, RescueError> {
        let Some(resolved) = self.resolve(path)? else { return Ok(None) };
        let outside = self.outside(&resolved.path);
        Ok(outside.is_file().then_some((resolved, outside)))
    }

    /// Reads a file; `None` when it does not exist.
    ///
    /// # Errors
    /// When it exists but cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, RescueError> {
        match self.file(Path::new(path))? {
            Some((_, outside)) => std::fs::read(&outside).map(Some).map_err(RescueError::io("READ", &outside)),
            None => Ok(None),
        }
    }

    /// Names in a directory, sorted; empty when it does not exist.
    ///
    /// # Errors
    /// When it exists but cannot be read.
    pub fn list(&self, directory: &Path) -> Result<Vec<OsString>, RescueError> {
        let Some(resolved) = self.resolve(directory)? else { return Ok(vec![]) };
        let outside = self.outside(&resolved.path);
        if !outside.is_dir() {
            return Ok(vec![]);
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&outside).map_err(RescueError::io("READ", &outside))? {
            names.push(entry.map_err(RescueError::io("READ", &outside))?.file_name());
        }
        names.sort();
        Ok(names)
    }

    /// The first directory of `directories` that has a file `name`, joined with it.
    ///
    /// # Errors
    /// As [`Sysroot::resolve`].
    pub fn find_in(&self, directories: &[&str], name: &str) -> Result<Option<PathBuf>, RescueError> {
        for directory in directories {
            let path = Path::new(directory).join(name);
            if self.file(&path)?.is_some() {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        std::fs::create_dir_all(root.join("etc/alternatives")).unwrap();
        std::fs::write(root.join("usr/bin/nano"), "x").unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        symlink("/etc/alternatives/editor", root.join("usr/bin/editor")).unwrap();
        symlink("../../../../../bin/nano", root.join("etc/alternatives/editor")).unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        let sysroot = Sysroot::new(root);
        let resolved = sysroot.resolve(Path::new("/bin/editor")).unwrap().unwrap();
        assert_eq!(resolved.path, Path::new("/usr/bin/nano"));
        assert_eq!(resolved.links.len(), 4, "{resolved:?}");
        assert!(matches!(sysroot.resolve(Path::new("/a")), Err(RescueError::Loop(_))));
        assert_eq!(sysroot.resolve(Path::new("/usr/bin/nano/x")).unwrap(), None);
        assert_eq!(sysroot.resolve(Path::new("/nowhere")).unwrap(), None);
    }
}
