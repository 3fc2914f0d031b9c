//! A repository's files in a local folder. Anyone who can write there without the key may leave anything: files are read as
//! by [`bounded`](lifeboat_sys::bounded).

use super::{crypto, remote};
use crate::file_table::Id;
use rustic_core::FileType;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Where a file is in the usual layout.
pub(super) fn path(folder: &Path, kind: FileType, id: &Id) -> PathBuf {
    folder.join(below(kind, id))
}

/// The same, below the folder.
pub(super) fn below(kind: FileType, id: &Id) -> PathBuf {
    remote::kind(kind).path(&remote::name(kind, id)).into()
}

/// Ids of everything of one kind, with sizes in bytes. What is not a file is included: reading it reports that.
pub(super) fn list(folder: &Path, kind: FileType) -> io::Result<Vec<(Id, u64)>> {
    let directory = folder.join(kind.dirname());
    let mut files = vec![];
    if kind != FileType::Pack {
        list_directory(&directory, "", &mut files)?;
        return Ok(files);
    }
    for entry in entries(&directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_prefix = |name: &&str| name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(prefix) = name.to_str().filter(is_prefix)
            && is_directory(&entry)
        {
            list_directory(&entry.path(), prefix, &mut files)?;
        }
    }
    Ok(files)
}

/// A link to a directory is one, too.
fn is_directory(entry: &std::fs::DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if !kind.is_symlink() => kind.is_dir(),
        _ => entry.path().is_dir(),
    }
}

fn list_directory(directory: &Path, prefix: &str, files: &mut Vec<(Id, u64)>) -> io::Result<()> {
    for entry in entries(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().filter(|name| name.starts_with(prefix)).and_then(crypto::unhex);
        if let Some(id) = id {
            // A link whose target is gone has no size.
            files.push((id, std::fs::metadata(entry.path()).map_or(0, |metadata| metadata.len())));
        }
    }
    Ok(())
}

/// The entries of a directory; none if it does not exist.
fn entries(directory: &Path) -> io::Result<impl Iterator<Item = io::Result<std::fs::DirEntry>>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(entries.into_iter().flatten())
}

/// Reports whether a directory is a repository, even one that lost its config. An unfinished one is not.
pub(super) fn is_repository(location: &Path) -> bool {
    let has_files = |directory: &str| {
        let entries = std::fs::read_dir(location.join(directory)).into_iter().flatten().flatten();
        entries.filter_map(|entry| crypto::unhex(entry.file_name().to_str()?)).next().is_some()
    };
    // The config may be anything: opening it reports what is wrong.
    location.join("keys").is_dir()
        && (location.join("config").symlink_metadata().is_ok() || has_files("keys") && has_files("snapshots"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::bounded;

    #[test]
    fn only_what_has_the_name_of_an_id_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let (name, other) = ("ab".repeat(32), "cd".repeat(32));
        assert_eq!(list(folder.path(), FileType::Pack).unwrap(), []);
        for directory in ["data/ab", "data/zz", "keys/inner"] {
            std::fs::create_dir_all(folder.path().join(directory)).unwrap();
        }
        for file in [&*format!("ab/{name}"), &format!("ab/{other}"), &format!("zz/{name}"), &name, "ab/README"] {
            std::fs::write(folder.path().join("data").join(file), "four").unwrap();
        }
        assert_eq!(list(folder.path(), FileType::Pack).unwrap(), [([0xab; 32], 4)]);
        std::fs::write(folder.path().join("keys/inner").join(&name), "").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("keys").join(&other)).unwrap();
        assert_eq!(list(folder.path(), FileType::Key).unwrap(), [([0xcd; 32], 0)]);
    }

    #[test]
    fn only_parts_that_a_regular_file_has_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "12345678").unwrap();
        let mut bytes = b"what was there before".to_vec();
        let mut read_part =
            |path: &Path, offset, length| bounded::read_part(path, offset, length, &mut bytes).map(|()| bytes.clone());
        assert_eq!(read_part(&path, 6, 2).unwrap(), b"78");
        assert_eq!(read_part(&path, 0, 8).unwrap(), b"12345678");
        assert_eq!(read_part(&path, 6, 3).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(read_part(&path, u64::MAX, 3).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
            let error = read_part(path, 0, 1).unwrap_err().to_string();
            assert!(error.contains("not a regular file"), "{}: {error}", path.display());
        }
    }
}
