//! Paths of a system below a folder, with symbolic links followed as by a process in a chroot there
//! (path_resolution(7)): an absolute link starts at the folder, and `..` never leaves it.

use rustix::io::Errno;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
pub(crate) const MOST_LINKS: usize = 40;

/// Where a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Links on the way, as absolute paths inside the root, with their targets as they are stored.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// The end, an absolute path inside the root that goes through no link.
    pub path: PathBuf,
    /// The end exists. Otherwise it is what a process that creates the path would create.
    pub exists: bool,
}

impl Resolved {
    /// The end as this process reaches it.
    pub fn outside(&self, root: &Path) -> PathBuf {
        outside(root, &self.path)
    }
}

/// Where an absolute path inside `root` that goes through no link is for this process.
pub fn outside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Follows `path`, absolute inside `root` (or relative to it), to its end.
///
/// # Errors
/// `ELOOP` after 40 links, and the system's error for a component that cannot be examined.
pub fn resolve(root: &Path, path: &Path) -> io::Result<Resolved> {
    let mut left = parts(path);
    let mut resolved = Resolved { links: vec![], path: PathBuf::from("/"), exists: true };
    while let Some(part) = left.pop() {
        if part == ".." {
            // The root's parent is the root.
            resolved.path.pop();
            continue;
        }
        let next = resolved.path.join(&part);
        let here = outside(root, &next);
        let metadata = match here.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                resolved.exists = false;
                resolved.path = next;
                continue;
            }
            Err(error) => return Err(error),
        };
        if !metadata.is_symlink() {
            resolved.path = next;
            continue;
        }
        if resolved.links.len() >= MOST_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = here.read_link()?;
        if target.is_absolute() {
            resolved.path = PathBuf::from("/");
        }
        left.extend(parts(&target));
        resolved.links.push((next, target));
    }
    Ok(resolved)
}

/// Names and `..` of a path, the first one last.
pub(crate) fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A root with links of every kind, and a file beside it that none of them may reach.
    fn root(folder: &Path) -> PathBuf {
        let root = folder.join("root");
        std::fs::create_dir_all(root.join("etc/real")).unwrap();
        std::fs::create_dir_all(root.join("var")).unwrap();
        std::fs::write(root.join("etc/real/fstab"), "inside").unwrap();
        std::fs::write(folder.join("outside"), "outside").unwrap();
        for (link, to) in [
            ("etc/fstab", "/etc/real/fstab"),
            ("etc/up", "../../../../outside"),
            ("etc/circle", "circle"),
            ("etc/out", "/outside"),
            ("var/etc", "/etc"),
            ("var/relative", "../etc/./real/../fstab"),
        ] {
            symlink(to, root.join(link)).unwrap();
        }
        root
    }

    #[test]
    fn links_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        for path in ["/etc/fstab", "etc/real/fstab", "/var/etc/fstab", "/var/relative", "/../etc/fstab"] {
            let resolved = resolve(&root, Path::new(path)).unwrap();
            assert!(resolved.exists, "{path}");
            assert_eq!(std::fs::read_to_string(resolved.outside(&root)).unwrap(), "inside", "{path}");
        }
        for (path, end) in [
            ("/etc/up", "/outside"),
            ("/etc/out", "/outside"),
            ("/none", "/none"),
            ("/var/etc/new/file", "/etc/new/file"),
            ("/etc/fstab/below", "/etc/real/fstab/below"),
        ] {
            let resolved = resolve(&root, Path::new(path)).unwrap();
            assert!(!resolved.exists, "{path}");
            assert_eq!(resolved.path, Path::new(end), "{path}");
        }
    }

    #[test]
    fn links_on_the_way_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        let resolved = resolve(&root, Path::new("/var/etc/fstab")).unwrap();
        let pair = |link: &str, to: &str| (PathBuf::from(link), PathBuf::from(to));
        assert_eq!(resolved.links, [pair("/var/etc", "/etc"), pair("/etc/fstab", "/etc/real/fstab")]);
    }

    #[test]
    fn circles_end() {
        let folder = tempfile::tempdir().unwrap();
        let error = resolve(&root(folder.path()), Path::new("/etc/circle")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    }
}
