//! What a filesystem encrypts by itself (fscrypt), as `.lifeboat/encrypted.json` in a snapshot that has such entries.
//!
//! An archive holds what can be read: an unlocked directory is saved, and restored, in plain; of a locked one only the directory
//! itself. Which these are is reported at the backup, and again when the snapshot is restored.

use crate::repository::node;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Version of the format.
const FORMAT: u32 = 1;

/// An entry that its filesystem encrypts: a directory with all that is in it, or a file outside of such directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// In the archive.
    pub path: PathBuf,
    /// Its key was missing.
    pub locked: bool,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    entries: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Escaped like names in restic's trees.
    path: String,
    locked: bool,
}

impl Encrypted {
    /// For people, during a backup: what will not be restored as it was.
    pub fn at_backup(&self) -> String {
        let path = self.path.display();
        match self.locked {
            false => format!(
                "{path} is encrypted (fscrypt): it is saved unencrypted by the filesystem, and a restore of it is not \
                 encrypted"
            ),
            true => {
                format!("{path} is encrypted (fscrypt) and locked: nothing in it can be saved; try unlocking it first")
            }
        }
    }

    /// For people, during a restore.
    pub fn at_restore(&self) -> String {
        let path = self.path.display();
        match self.locked {
            false => {
                format!(
                    "{path} was encrypted (fscrypt) and is restored unencrypted; encrypt it again where that is \
                 needed"
                )
            }
            true => {
                format!("{path} was encrypted (fscrypt) and locked during the backup: nothing of it is in this archive")
            }
        }
    }
}

pub(crate) fn to_json(entries: &[Encrypted]) -> Vec<u8> {
    let line = |entry: &Encrypted| Line { path: node::quote(entry.path.as_os_str().as_bytes()), locked: entry.locked };
    serde_json::to_vec(&File { format: FORMAT, entries: entries.iter().map(line).collect() }).unwrap_or_default()
}

/// Parses it. Another format of a newer release is no reason to refuse a snapshot.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn from_json(json: &[u8]) -> Result<Vec<Encrypted>, String> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if version.format != FORMAT {
        return Ok(vec![]);
    }
    let file: File = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let entry = |line: Line| {
        let path = node::unquote(&line.path).ok_or("a path is escaped wrongly")?;
        Ok(Encrypted { path: Path::new(&OsString::from_vec(path)).to_owned(), locked: line.locked })
    };
    file.entries.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn names_of_any_bytes_come_back() {
        let entries: Vec<Encrypted> = [(&b"/home/a \"b\"\n"[..], true), (b"/home/\xff\xfe", false)]
            .into_iter()
            .map(|(path, locked)| Encrypted { path: PathBuf::from(OsStr::from_bytes(path)), locked })
            .collect();
        assert_eq!(from_json(&to_json(&entries)).unwrap(), entries);
        assert_eq!(from_json(br#"{"format":2,"other":[]}"#).unwrap(), []);
        assert!(from_json(br#"{"format":1}"#).is_err() && from_json(b"").is_err());
    }
}
