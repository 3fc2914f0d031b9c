//! Paths of the restored system, with its links followed as it would follow them itself: never out of the target.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The path from here of an absolute path of the system below `target`; `None` when it is not there, or its links lead in
/// a circle.
pub(crate) fn resolve(target: &Path, path: &Path) -> Option<PathBuf> {
    let mut left: Vec<OsString> = parts(path);
    let mut inside: Vec<OsString> = vec![];
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == ".." {
            // The root's parent is the root.
            inside.pop();
            continue;
        }
        let here = inside.iter().fold(target.to_owned(), |path, part| path.join(part)).join(&part);
        let metadata = here.symlink_metadata().ok()?;
        if !metadata.is_symlink() {
            inside.push(part);
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return None;
        }
        let link = std::fs::read_link(&here).ok()?;
        if link.is_absolute() {
            inside.clear();
        }
        left.extend(parts(&link));
    }
    Some(inside.iter().fold(target.to_owned(), |path, part| path.join(part)))
}

/// Names and `..` of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
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

    #[test]
    fn links_stay_inside() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        std::fs::create_dir_all(target.join("etc/real")).unwrap();
        std::fs::create_dir_all(target.join("var")).unwrap();
        std::fs::write(target.join("etc/real/fstab"), "inside").unwrap();
        std::fs::write(dir.path().join("outside"), "outside").unwrap();
        for (link, to) in [
            ("etc/fstab", "/etc/real/fstab"),
            ("etc/up", "../../../../outside"),
            ("etc/circle", "circle"),
            ("etc/out", "/outside"),
            ("var/etc", "/etc"),
            ("var/relative", "../etc/./real/../fstab"),
        ] {
            symlink(to, target.join(link)).unwrap();
        }
        let found = |path: &str| resolve(&target, Path::new(path));
        let real = Some(target.join("etc/real/fstab"));
        for path in ["/etc/fstab", "/etc/real/fstab", "/var/etc/fstab", "/var/relative", "/../etc/fstab"] {
            assert_eq!(found(path), real, "{path}");
        }
        for path in ["/etc/up", "/etc/circle", "/etc/out", "/none", "/etc/fstab/below"] {
            assert_eq!(found(path), None, "{path}");
        }
    }
}
