//! grub-install writes its modules anew, with the same content and other times. A restored machine is the machine that
//! was, so files whose content did not change get back what they were restored with.

use crate::error::RebuildError;
use crate::times;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A directory tree as it was: content and metadata of files, names and metadata of directories.
pub(super) struct Kept(BTreeMap<PathBuf, (std::fs::Metadata, Content)>);

#[derive(PartialEq)]
enum Content {
    /// A boot loader's files are a few MiB in all.
    File(Vec<u8>),
    Directory(Vec<PathBuf>),
}

impl Kept {
    /// Reads the tree; nothing when the directory is not there.
    pub(super) fn read(directory: &Path) -> Result<Kept, RebuildError> {
        let mut kept = BTreeMap::new();
        let mut folders = vec![directory.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(metadata) = folder.symlink_metadata() else { continue };
            let mut names = Vec::new();
            for entry in std::fs::read_dir(&folder).map_err(RebuildError::io("READ", &folder))? {
                let path = entry.map_err(RebuildError::io("READ", &folder))?.path();
                let metadata = path.symlink_metadata().map_err(RebuildError::io("READ", &path))?;
                if metadata.is_dir() {
                    folders.push(path.clone());
                } else if metadata.is_file() {
                    let content = std::fs::read(&path).map_err(RebuildError::io("READ", &path))?;
                    kept.insert(path.clone(), (metadata, Content::File(content)));
                }
                names.push(path);
            }
            names.sort();
            kept.insert(folder, (metadata, Content::Directory(names)));
        }
        Ok(Kept(kept))
    }

    /// Gives metadata back to whatever of the tree has the same content as before.
    pub(super) fn give_back(&self, directory: &Path) -> Result<(), RebuildError> {
        let now = Kept::read(directory)?;
        // Children sort after their directory, so that backwards a directory's times come last.
        for (path, (metadata, content)) in self.0.iter().rev() {
            if now.0.get(path).is_none_or(|(_, found)| found != content) {
                continue;
            }
            let failed = || RebuildError::io("WRITE", path);
            std::os::unix::fs::lchown(path, Some(metadata.uid()), Some(metadata.gid())).map_err(failed())?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(metadata.mode() & 0o7777))
                .map_err(failed())?;
            times::give_back(path, metadata)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_content_gets_its_times_back() {
        let dir = tempfile::tempdir().unwrap();
        let modules = dir.path().join("i386-pc");
        std::fs::create_dir(&modules).unwrap();
        std::fs::write(modules.join("same.mod"), "1").unwrap();
        std::fs::write(modules.join("core.img"), "old").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::new(1000, 7);
        for path in ["same.mod", "core.img", "."] {
            std::fs::File::open(modules.join(path)).unwrap().set_modified(old).unwrap();
        }
        let kept = Kept::read(dir.path()).unwrap();
        std::fs::remove_file(modules.join("same.mod")).unwrap();
        std::fs::write(modules.join("same.mod"), "1").unwrap();
        std::fs::write(modules.join("core.img"), "new").unwrap();
        kept.give_back(dir.path()).unwrap();
        let modified = |name: &str| modules.join(name).metadata().unwrap().modified().unwrap();
        assert_eq!(modified("same.mod"), old);
        assert_eq!(modified("."), old);
        assert_ne!(modified("core.img"), old);
    }

    #[test]
    fn a_missing_directory_is_nothing_to_keep() {
        assert!(Kept::read(Path::new("/nonexistent/grub")).unwrap().0.is_empty());
    }
}
