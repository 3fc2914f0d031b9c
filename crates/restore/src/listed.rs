//! Files of a backup, as they are listed for a person who chooses some.

use lifeboat_archive::{FileTable, Kind};
use lifeboat_machine::Name;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// Absolute path in the archive.
    pub path: PathBuf,
    /// A directory: choosing it chooses what is below.
    pub directory: bool,
    /// Size in bytes; of regular files.
    pub size_bytes: u64,
}

impl ListedFile {
    /// The path on one line of a terminal.
    pub fn shown(&self) -> String {
        let slash = if self.directory && self.path != Path::new("/") { "/" } else { "" };
        format!("{}{slash}", Name::from(self.path.as_path()))
    }
}

/// Files of a snapshot whose path holds `text`, ignoring the case of ASCII letters; the first `limit` of them, and how many there are.
pub fn found_in(table: &FileTable, text: &str, limit: usize) -> (Vec<ListedFile>, u64) {
    let needle = text.to_ascii_lowercase().into_bytes();
    let fits = |path: &Path| {
        let path = path.as_os_str().as_bytes().to_ascii_lowercase();
        needle.is_empty() || path.windows(needle.len()).any(|part| part == needle)
    };
    let (mut found, mut count) = (vec![], 0);
    for entry in table.entries().filter(|entry| fits(&entry.path)) {
        count += 1;
        if found.len() < limit {
            let directory = entry.kind == Kind::Directory;
            found.push(ListedFile { path: entry.path, directory, size_bytes: entry.size });
        }
    }
    (found, count)
}
