//! The files of a repository, in a folder or behind rustic's backend.

use super::crypto::{self, Key};
use super::folder;
use super::guard::guarded;
use super::index_file::{IndexFile, Notes};
use super::pack;
use super::place::{Held, Place};
use super::remote;
use crate::ArchiveError;
use crate::file_table::Id;
use crate::report::locked;
use lifeboat_remote::Fault;
use lifeboat_sys::bounded::Same;
use lifeboat_sys::{beneath, bounded, durable, names};
use rustic_core::{FileType, WriteBackend};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// An open repository's files and key.
#[derive(Clone)]
pub(crate) struct Store {
    /// Where it is, for people.
    pub(crate) path: PathBuf,
    /// A path to it for this process, when it is a local folder.
    pub(crate) folder: Option<PathBuf>,
    /// Keeps that path.
    _held: Option<Held>,
    pub(crate) key: Key,
    /// zstd level of what is stored.
    pub(crate) level: i32,
    /// Nothing is written there, not even a lock.
    pub(crate) sealed: bool,
    /// Where it is, across the network.
    pub(crate) remote: Option<Arc<dyn lifeboat_remote::Files>>,
    backend: Arc<dyn WriteBackend>,
    /// Held while a large file is read.
    large: Arc<Mutex<()>>,
    /// Files whose content was not what a name of theirs says, by what makes others the same, and the name that it would have.
    bad: Arc<Mutex<HashMap<Same, Id>>>,
    /// Packs whose headers cannot be used, in the same way.
    headless: Arc<Mutex<HashSet<Same>>>,
    /// What could not be read where it should be, until it is recorded.
    pub(super) found: Arc<Mutex<Notes>>,
}

/// A pack that is written, but perhaps not on the disk yet.
pub(crate) struct Unsettled {
    file: std::fs::File,
    directory: PathBuf,
}

impl Store {
    pub(crate) fn new(place: &Place, held: Option<Held>, key: Key, backend: Arc<dyn WriteBackend>) -> Self {
        let remote = match place {
            Place::Folder(_) | Place::Sealed(_) => None,
            Place::Files(files) => Some(Arc::clone(files)),
        };
        let sealed = matches!(place, Place::Sealed(_));
        Store {
            path: place.label(),
            folder: held.as_ref().map(|held| held.path.clone()),
            _held: held,
            level: pack::LEVEL,
            sealed,
            key,
            remote,
            backend,
            large: Arc::default(),
            bad: Arc::default(),
            headless: Arc::default(),
            found: Arc::default(),
        }
    }

    /// An [`ArchiveError::Store`].
    pub(crate) fn failed(&self, action: &'static str, cause: impl ToString) -> ArchiveError {
        ArchiveError::Store { action, path: self.path.clone(), cause: self.named(cause) }
    }

    /// Waiting for the server has failed: nothing more will come.
    pub(crate) fn lost(&self) -> Option<ArchiveError> {
        let cause = self.remote.as_ref()?.given_up()?;
        Some(ArchiveError::Lost { path: self.path.clone(), cause })
    }

    /// An [`ArchiveError::Damaged`].
    pub(crate) fn damaged(&self, what: impl Into<String>, cause: impl ToString) -> ArchiveError {
        ArchiveError::Damaged { path: self.path.clone(), what: what.into(), cause: self.named(cause) }
    }

    /// A cause, with the name of the folder that people know.
    fn named(&self, cause: impl ToString) -> String {
        let cause = cause.to_string();
        match &self.folder {
            Some(folder) if *folder != self.path => {
                cause.replace(&*folder.to_string_lossy(), &self.path.to_string_lossy())
            }
            _ => cause,
        }
    }

    /// Writes a pack, without waiting for the disk: rustic's backend would wait for each one. Whoever writes what refers
    /// to it calls [`Store::settle`] first. Of a local folder the memory can be used again.
    pub(crate) fn write_pack(&self, id: &Id, bytes: &mut Vec<u8>) -> Result<Option<Unsettled>, ArchiveError> {
        let Some(folder) = &self.folder else {
            // Across the network, what is written is as durable as the server makes it.
            self.write_raw(FileType::Pack, id, std::mem::take(bytes))?;
            return Ok(None);
        };
        let path = folder::below(FileType::Pack, id);
        let file = beneath::write(folder, &path, bytes, 0o600).map_err(|error| self.failed("WRITE", error))?;
        Ok(Some(Unsettled { file, directory: names::folder_of(&folder.join(path)).to_owned() }))
    }

    /// Waits until packs are on the disk, with their names.
    pub(crate) fn settle(&self, packs: &mut Vec<Unsettled>) -> Result<(), ArchiveError> {
        let sync = |packs: &[Unsettled]| {
            for pack in packs {
                pack.file.sync_data()?;
                durable::sync_directory(&pack.directory)?;
            }
            Ok(())
        };
        let result = sync(packs).map_err(|error: std::io::Error| self.failed("WRITE", error));
        packs.clear();
        result
    }

    /// Writes an index file; returns id and size in bytes.
    pub(crate) fn write_index(&self, index: &IndexFile) -> Result<(Id, u64), ArchiveError> {
        let json = serde_json::to_vec(index).map_err(|error| self.failed("WRITE", error))?;
        self.write_file(FileType::Index, &json)
    }

    /// Writes an encrypted file under the hash of its bytes; returns id and size in bytes.
    pub(crate) fn write_file(&self, kind: FileType, json: &[u8]) -> Result<(Id, u64), ArchiveError> {
        let sealed = pack::seal_file(&self.key, json).map_err(|error| self.failed("WRITE", error))?;
        let (id, size) = (crypto::hash(&sealed), sealed.len() as u64);
        self.write_raw(kind, &id, sealed)?;
        Ok((id, size))
    }

    /// Removes a file, for good.
    pub(crate) fn remove(&self, kind: FileType, id: &Id) -> Result<(), ArchiveError> {
        match &self.folder {
            Some(folder) => {
                beneath::remove(folder, &folder::below(kind, id)).map_err(|error| self.failed("CHANGE", error))
            }
            None => guarded("CHANGE", &self.path, || self.backend.remove(kind, &rustic_id(id)?, false)),
        }
    }

    /// Writes a file; when this returns, it survives a power cut.
    pub(crate) fn write_raw(&self, kind: FileType, id: &Id, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let Some(folder) = &self.folder else {
            return guarded("WRITE", &self.path, || {
                self.backend.write_bytes(kind, &rustic_id(id)?, false, bytes.into())
            });
        };
        let written = beneath::write_durably(folder, &folder::below(kind, id), &bytes, 0o600);
        written.map_err(|error| self.failed("WRITE", error))
    }

    /// Where a file is, if the repository is a folder.
    pub(crate) fn folder_path(&self, kind: FileType, id: &Id) -> Option<PathBuf> {
        Some(folder::path(self.folder.as_ref()?, kind, id))
    }

    /// Keeps what rustic made with a repository private, and safe from a power cut.
    pub(crate) fn settle_skeleton(&self) -> Result<(), ArchiveError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        // restic takes locks for reading, too, in a directory that rustic does not create.
        durable::make_directories(&folder.join("locks"), 0o700).map_err(|error| self.failed("CREATE", error))?;
        private(&folder.join("config"), 0o600)?;
        for directory in ["data", "index", "keys", "locks", "snapshots"] {
            private(&folder.join(directory), 0o700)?;
        }
        let settle = || {
            for packs in std::fs::read_dir(folder.join("data"))? {
                durable::sync_directory(&packs?.path())?;
            }
            for directory in ["data", "index", "keys", "locks", "snapshots"] {
                durable::sync_directory(&folder.join(directory))?;
            }
            durable::sync_file(&folder.join("config"))?;
            // Any of the folders above it may be new; what is not ours to read is not.
            for above in self.path.ancestors().skip(2) {
                let _ = durable::sync_directory(above);
            }
            durable::sync_name(&self.path)
        };
        settle().map_err(|error| self.failed("CREATE", error))
    }

    /// Ids of the files of one type, sorted.
    pub(crate) fn list(&self, kind: FileType) -> Result<Vec<Id>, ArchiveError> {
        Ok(self.list_with_sizes(kind)?.into_iter().map(|(id, _)| id).collect())
    }

    /// Ids of the files of one type, sorted, with their sizes in bytes.
    pub(crate) fn list_with_sizes(&self, kind: FileType) -> Result<Vec<(Id, u64)>, ArchiveError> {
        let mut list = match (&self.folder, &self.remote) {
            (Some(folder), _) => folder::list(folder, kind).map_err(|error| self.failed("LIST", error))?,
            (None, Some(files)) => {
                let list = files.list(remote::kind(kind)).map_err(|fault| self.failed("LIST", fault))?;
                // A file with another name was being written.
                list.into_iter().filter_map(|(name, size)| Some((crypto::unhex(&name)?, size))).collect()
            }
            (None, None) => vec![],
        };
        list.sort_unstable();
        list.dedup();
        Ok(list)
    }

    /// The bytes of a file as they are stored. Nothing in it is trusted before it is authenticated, so its size is checked first.
    pub(crate) fn read_raw(&self, kind: FileType, id: &Id) -> Result<Vec<u8>, ArchiveError> {
        self.read_up_to(kind, id, largest(kind))
    }

    /// The same, of at most `limit` bytes.
    pub(crate) fn read_up_to(&self, kind: FileType, id: &Id, limit: u64) -> Result<Vec<u8>, ArchiveError> {
        let unreadable = |error: std::io::Error| match error.kind() {
            // It is not a file, is too large, or was truncated: not a failure of the disk.
            ErrorKind::Other | ErrorKind::UnexpectedEof => self.damaged(name(kind, id), error),
            // Its owner keeps it from being read, by a lease that he holds for as long as he likes.
            ErrorKind::WouldBlock => self.damaged(name(kind, id), error),
            ErrorKind::NotFound => self.damaged(name(kind, id), "it is missing"),
            _ => self.failed("READ", format!("{}: {error}", name(kind, id))),
        };
        match (self.folder_path(kind, id), &self.remote) {
            (Some(path), _) => bounded::read(&path, limit).map_err(unreadable),
            (None, Some(files)) => {
                let read = files.read(remote::kind(kind), &remote::name(kind, id));
                let bytes = read.map_err(|fault| self.fault(kind, id, fault))?;
                match bytes.len() as u64 {
                    size if size > limit => Err(unreadable(bounded::too_large(size, limit))),
                    _ => Ok(bytes),
                }
            }
            (None, None) => Err(self.failed("READ", "it has no location")),
        }
    }

    /// A file that was listed with its size: one that is too large is not fetched.
    pub(crate) fn read_listed(&self, kind: FileType, (id, size): &(Id, u64)) -> Result<Vec<u8>, ArchiveError> {
        match largest(kind) {
            limit if *size > limit => Err(self.damaged(name(kind, id), bounded::too_large(*size, limit))),
            _ => self.read_raw(kind, id),
        }
    }

    fn fault(&self, kind: FileType, id: &Id, fault: Fault) -> ArchiveError {
        match (self.lost(), fault) {
            (Some(lost), _) => lost,
            (None, Fault::Missing(_)) => self.damaged(name(kind, id), "it is missing"),
            (None, fault @ Fault::Impossible(_)) => self.damaged(name(kind, id), fault),
            (None, fault) => self.failed("READ", fault),
        }
    }

    /// Part of a pack.
    pub(crate) fn read_part(&self, pack: &Id, offset: u32, length: u32) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = vec![];
        self.read_part_into(pack, offset, length, &mut bytes)?;
        Ok(bytes)
    }

    /// Part of a pack, in place of what is in `bytes`, whose memory is used again.
    pub(crate) fn read_part_into(
        &self,
        pack: &Id,
        offset: u32,
        length: u32,
        bytes: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let kind = FileType::Pack;
        if length > pack::LARGEST {
            return Err(self.damaged(name(kind, pack), "a blob in it is too large"));
        }
        match (self.folder_path(kind, pack), &self.remote) {
            (Some(path), _) => {
                let read = bounded::read_part(&path, offset.into(), length, bytes);
                read.map_err(|error| self.damaged(name(kind, pack), error))
            }
            (None, Some(files)) => {
                let part = files.read_part(remote::kind(kind), &remote::name(kind, pack), offset.into(), length.into());
                let part = part.map_err(|fault| self.fault(kind, pack, fault))?;
                // Whatever the server says it is.
                if part.len() == length as usize {
                    *bytes = part;
                    Ok(())
                } else {
                    Err(self.damaged(name(kind, pack), "it is cut short"))
                }
            }
            (None, None) => Err(self.failed("READ", "it has no location")),
        }
    }

    /// The text of an encrypted file, checked against its name.
    pub(crate) fn read_file(&self, kind: FileType, id: &Id) -> Result<Vec<u8>, ArchiveError> {
        self.open_file(&name(kind, id), id, self.read_raw(kind, id)?)
    }

    /// The same of one that was listed with its size.
    pub(crate) fn read_listed_file(&self, kind: FileType, listed: &(Id, u64)) -> Result<Vec<u8>, ArchiveError> {
        if listed.1 <= SMALL {
            return self.open_file(&name(kind, &listed.0), &listed.0, self.read_listed(kind, listed)?);
        }
        // Of the large ones that anybody may have added, only one at a time is in memory, and what has many names is read once.
        let _one = (listed.1 > LARGE).then(|| locked(&self.large));
        // Most repositories have none.
        let has_bad = !locked(&self.bad).is_empty();
        let same = if has_bad { self.same(kind, &listed.0) } else { vec![] };
        let known = same.iter().find_map(|same| locked(&self.bad).get(same).copied());
        if known.is_some_and(|content| content != listed.0) {
            return Err(
                self.damaged(name(kind, &listed.0), format!("{MISMATCH}, as that of another name of the same file"))
            );
        }
        let bytes = self.read_listed(kind, listed)?;
        let content = crypto::hash(&bytes);
        if content != listed.0 {
            let same = self.same(kind, &listed.0);
            locked(&self.bad).extend(same.into_iter().map(|same| (same, content)));
            return Err(mismatch(self, kind, &listed.0));
        }
        self.text(&name(kind, &listed.0), bytes)
    }

    /// Forgets which files had another content than their names say: what is read next is read once more.
    pub(super) fn doubt(&self) {
        locked(&self.bad).clear();
    }

    /// Why nothing is removed now.
    pub(super) fn unsafe_now(&self, cause: String) -> ArchiveError {
        ArchiveError::Unsafe { path: self.path.clone(), cause }
    }

    /// What makes other files the same as this one, without reading it.
    pub(super) fn same(&self, kind: FileType, id: &Id) -> Vec<Same> {
        self.folder_path(kind, id).map(|path| bounded::same(&path)).unwrap_or_default()
    }

    /// Reads a large part at the end of a pack once for all packs that are the same file, or the same blocks, when `read` fails.
    pub(super) fn once<T>(&self, pack: &Id, read: impl FnOnce() -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
        let same = || self.same(FileType::Pack, pack);
        let has_bad = !locked(&self.headless).is_empty();
        if has_bad && same().iter().any(|same| locked(&self.headless).contains(same)) {
            let cause = "its header cannot be used, as that of another name of the same file";
            return Err(self.damaged(name(FileType::Pack, pack), cause));
        }
        let result = read();
        if matches!(&result, Err(error) if error.is_damage()) {
            locked(&self.headless).extend(same());
        }
        result
    }

    /// The text of an encrypted file from its bytes; `what` names it for people.
    pub(crate) fn open_file(&self, what: &str, id: &Id, sealed: Vec<u8>) -> Result<Vec<u8>, ArchiveError> {
        match crypto::hash(&sealed) == *id {
            true => self.text(what, sealed),
            false => Err(self.damaged(what, MISMATCH)),
        }
    }

    /// The same of bytes that fit their name.
    fn text(&self, what: &str, mut sealed: Vec<u8>) -> Result<Vec<u8>, ArchiveError> {
        let what = || what.to_owned();
        let text = self.key.open(&mut sealed).map_err(|error| self.damaged(what(), error))?;
        match text.split_first() {
            Some((b'{' | b'[', _)) => Ok(text.to_vec()),
            Some((2, frame)) => unpacked(frame, LARGEST_TEXT).map_err(|error| self.damaged(what(), error)),
            _ => Err(self.damaged(what(), "its encoding is unknown")),
        }
    }
}

/// Reading so much costs nothing, in bytes.
const SMALL: u64 = 64 << 10;
/// An index of 50,000 blobs has less; in bytes.
const LARGE: u64 = 8 << 20;

/// Why a file is not read that has another content than was written.
pub(super) const MISMATCH: &str = "its content does not match its name";

/// Reports that a file is not what its name says.
pub(super) fn mismatch(store: &Store, kind: FileType, id: &Id) -> ArchiveError {
    store.damaged(name(kind, id), MISMATCH)
}

/// The largest size of an encrypted file when decompressed, in bytes: restic's indexes have ten megabytes.
const LARGEST_TEXT: u64 = 1 << 30;

/// The text of a zstd frame, of at most `limit` bytes.
fn unpacked(frame: &[u8], limit: u64) -> std::io::Result<Vec<u8>> {
    let mut text = vec![];
    zstd::stream::read::Decoder::new(frame)?.take(limit + 1).read_to_end(&mut text)?;
    match text.len() as u64 {
        size if size > limit => Err(bounded::too_large(size, limit)),
        _ => Ok(text),
    }
}

/// How large a file of a kind can be, in bytes.
fn largest(kind: FileType) -> u64 {
    remote::kind(kind).largest()
}

/// A file for people: "snapshot 1a2b3c4d".
pub(crate) fn name(kind: FileType, id: &Id) -> String {
    let what = match kind {
        FileType::Config => return "config".to_owned(),
        FileType::Index => "index",
        FileType::Key => "key",
        FileType::Snapshot => "snapshot",
        FileType::Pack => "pack",
    };
    format!("{what} {}", crypto::hex(&id[..4]))
}

/// Sets the mode of a file or directory, if it exists and is not a link.
fn private(path: &Path, mode: u32) -> Result<(), ArchiveError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    match opened.and_then(|file| rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))) {
        Ok(()) | Err(Errno::NOENT | Errno::LOOP) => Ok(()),
        Err(error) => {
            let cause = std::io::Error::from(error).to_string();
            Err(ArchiveError::Store { action: "PROTECT", path: path.to_owned(), cause })
        }
    }
}

/// Our id as rustic's.
fn rustic_id(id: &Id) -> rustic_core::RusticResult<rustic_core::Id> {
    crypto::hex(id).parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_file_does_not_become_a_large_one() {
        let frame = zstd::bulk::compress(&vec![b' '; 1 << 20], 1).unwrap();
        assert_eq!(unpacked(&frame, 1 << 20).unwrap().len(), 1 << 20);
        assert!(unpacked(&frame, (1 << 20) - 1).unwrap_err().to_string().contains("bytes"));
        assert!(unpacked(&frame[..frame.len() / 2], 1 << 20).is_err());
    }
}
