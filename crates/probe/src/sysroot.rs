//! [`Sysroot`]: the root directory of the system that is read.

use lifeboat_sys::confined;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The root directory of a system: `/`, or a folder that holds one. Paths are resolved as a process in a chroot there
/// would see them: absolute symbolic links start at the sysroot, `..` never leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysroot {
    root: PathBuf,
    running: bool,
}

impl Default for Sysroot {
    fn default() -> Self {
        Sysroot { root: PathBuf::from("/"), running: true }
    }
}

impl Sysroot {
    /// A system below `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Sysroot { running: root == Path::new("/"), root }
    }

    /// A folder that stands for the root of the running system.
    #[cfg(test)]
    pub(crate) fn running_below(root: impl Into<PathBuf>) -> Self {
        Sysroot { root: root.into(), running: true }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// It is the running system.
    pub fn is_running_system(&self) -> bool {
        self.running
    }

    /// Where a path of the system lies for this process, its symbolic links followed inside the sysroot. The last
    /// components need not exist.
    ///
    /// # Errors
    /// Too many symbolic links, or one that cannot be read.
    pub fn resolve(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        Ok(confined::resolve(&self.root, path.as_ref())?.outside(&self.root))
    }

    /// Reads a file of the system.
    ///
    /// # Errors
    /// The system's reason.
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        std::fs::read(self.resolve(path)?)
    }

    /// Reads a text file of the system; bytes that are not UTF-8 are replaced. `None` when it cannot be read.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        self.read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file or directory of this name exists.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.resolve(path).is_ok_and(|path| path.exists())
    }

    /// Names in a directory, sorted; empty when it cannot be read.
    pub fn list(&self, path: impl AsRef<Path>) -> Vec<OsString> {
        self.resolve(path).map(|path| names(&path)).unwrap_or_default()
    }

    /// The path inside the system of something outside: `/target/boot` is `/boot` of the system below `/target`.
    pub fn inside(&self, path: &Path) -> Option<PathBuf> {
        path.strip_prefix(&self.root).ok().map(|relative| Path::new("/").join(relative))
    }
}

/// Names in a directory, sorted; empty when it cannot be read.
pub(crate) fn names(directory: &Path) -> Vec<OsString> {
    let mut names: Vec<OsString> = std::fs::read_dir(directory)
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.file_name()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

/// A file of sysfs or procfs as trimmed text; `None` when it is missing, unreadable or empty.
pub(crate) fn attribute(path: impl AsRef<Path>) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_inside() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        std::fs::create_dir_all(root.join("usr/lib")).unwrap();
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("usr/lib/os-release"), "ID=inside\n").unwrap();
        symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
        symlink("/usr/lib/os-release", root.join("etc/absolute")).unwrap();
        symlink("../../../../../../usr/lib/os-release", root.join("etc/climbing")).unwrap();
        symlink("loop", root.join("etc/loop")).unwrap();
        symlink("/usr/lib", root.join("lib")).unwrap();
        let sysroot = Sysroot::new(root);
        for path in ["/etc/os-release", "etc/absolute", "/etc/climbing", "/lib/os-release", "/etc/../lib/os-release"] {
            assert_eq!(sysroot.text(path).as_deref(), Some("ID=inside\n"), "{path}");
        }
        assert!(sysroot.read("/etc/loop").is_err());
        assert_eq!(sysroot.inside(&root.join("boot")), Some(PathBuf::from("/boot")));
        assert_eq!(sysroot.inside(root), Some(PathBuf::from("/")));
        assert_eq!(sysroot.inside(Path::new("/elsewhere")), None);
    }
}
