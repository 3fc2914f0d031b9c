//! A root filesystem in a folder. Symbolic links are followed inside it: an absolute target starts at the folder.

use crate::error::RescueError;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A root filesystem.
#[derive(Clone, Debug)]
pub struct Sysroot {
    root: PathBuf,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Links on the way, as absolute paths inside the root, with their targets as they are stored.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// The end, an absolute path inside the root that goes through no link.
    pub path: PathBuf,
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

    /// Where a path that goes through no link lies outside: see [`Resolved::path`].
    pub fn outside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Follows `path` (absolute inside the root) to its end; `None` when it leads nowhere.
    ///
    /// # Errors
    /// [`RescueError::Loop`], or an unreadable link.
    pub fn resolve(&self, path: &Path) -> Result<Option<Resolved>, RescueError> {
        let mut pending: Vec<OsString> = components(path);
        let mut here = PathBuf::from("/");
        let mut links = Vec::new();
        while let Some(name) = pending.pop() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            let outside = self.outside(&next);
            let metadata = match outside.symlink_metadata() {
                Ok(metadata) => metadata,
                Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                    return Ok(None);
                }
                Err(source) => return Err(RescueError::Io { action: "READ", path: outside, source }),
            };
            if !metadata.is_symlink() {
                here = next;
                continue;
            }
            if links.len() >= MAX_LINKS {
                return Err(RescueError::Loop(path.to_owned()));
            }
            let target = outside.read_link().map_err(RescueError::io("READ", &outside))?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            pending.extend(components(&target));
            links.push((next, target));
        }
        Ok(Some(Resolved { links, path: here }))
    }

    /// Like [`Sysroot::resolve`], for regular files only, and with the path outside.
    ///
    /// # Errors
    /// As there.
    pub fn file(&self, path: &Path) -> Result<Option<(Resolved, PathBuf)>, RescueError> {
        let Some(resolved) = self.resolve(path)? else { return Ok(None) };
        let outside = self.outside(&resolved.path);
        Ok(outside.is_file().then_some((resolved, outside)))
    }

    /// Reads a file; `None` when it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, RescueError> {
        match self.file(Path::new(path))? {
            Some((_, outside)) => std::fs::read(&outside).map(Some).map_err(RescueError::io("READ", &outside)),
            None => Ok(None),
        }
    }

    /// Names in a directory, sorted; empty when it is not there.
    ///
    /// # Errors
    /// When it is there and cannot be read.
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

/// Components in reverse, without root and `.`.
fn components(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
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
