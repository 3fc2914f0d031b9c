//! Sizes and BLAKE3 hashes of the files of a medium.

use crate::error::MediaError;
use lifeboat_machine::manifest::FileDigest;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Hashes every regular file below `directory`, by its path there.
///
/// # Errors
/// When something cannot be read, or is neither a regular file nor a directory, or has a name that is not UTF-8.
pub fn digest_tree(directory: &Path) -> Result<BTreeMap<String, FileDigest>, MediaError> {
    digest_files(&BTreeMap::from([(String::new(), directory.to_owned())]))
}

/// Hashes files and the files in directories, by their path on the medium: `files` maps a path below `/lifeboat/` to
/// its source.
///
/// # Errors
/// As [`digest_tree`].
pub fn digest_files(files: &BTreeMap<String, PathBuf>) -> Result<BTreeMap<String, FileDigest>, MediaError> {
    let mut all = Vec::new();
    for (name, source) in files {
        list(name, source, &mut all)?;
    }
    all.into_par_iter().map(|(name, source)| Ok((name, digest(&source)?))).collect()
}

fn list(name: &str, source: &Path, all: &mut Vec<(String, PathBuf)>) -> Result<(), MediaError> {
    let metadata = source.symlink_metadata().map_err(MediaError::io("READ", source))?;
    if metadata.is_file() {
        all.push((name.to_owned(), source.to_owned()));
        return Ok(());
    }
    if !metadata.is_dir() {
        return Err(MediaError::Kind(source.to_owned()));
    }
    for entry in std::fs::read_dir(source).map_err(MediaError::io("READ", source))? {
        let entry = entry.map_err(MediaError::io("READ", source))?;
        let Some(child) = entry.file_name().to_str().map(str::to_owned) else {
            return Err(MediaError::Kind(entry.path()));
        };
        let path = if name.is_empty() { child } else { format!("{name}/{child}") };
        list(&path, &entry.path(), all)?;
    }
    Ok(())
}

pub(crate) fn digest(path: &Path) -> Result<FileDigest, MediaError> {
    let mut hasher = blake3::Hasher::new();
    // Memory-mapped and, when large, in parallel: a repository has many packs, a medium one large root.
    hasher.update_mmap_rayon(path).map_err(MediaError::io("READ", path))?;
    Ok(FileDigest { size_bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_and_links() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("data/ab")).unwrap();
        std::fs::write(dir.path().join("config"), "x").unwrap();
        std::fs::write(dir.path().join("data/ab/empty"), "").unwrap();
        let digests = digest_tree(dir.path()).unwrap();
        assert_eq!(digests.keys().collect::<Vec<_>>(), ["config", "data/ab/empty"]);
        assert_eq!(digests["config"].blake3, blake3::hash(b"x").to_hex().to_string());
        assert_eq!(digests["data/ab/empty"].size_bytes, 0);
        let files =
            BTreeMap::from([("repo".to_owned(), dir.path().to_owned()), ("k".into(), dir.path().join("config"))]);
        assert_eq!(
            digest_files(&files).unwrap().keys().collect::<Vec<_>>(),
            ["k", "repo/config", "repo/data/ab/empty"]
        );
        std::os::unix::fs::symlink("config", dir.path().join("link")).unwrap();
        assert!(digest_tree(dir.path()).unwrap_err().to_string().contains("not a regular file"));
    }
}
