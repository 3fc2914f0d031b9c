//! A snapshot that is opened for looking: its entries, and any part of any file.

use super::Repository;
use super::blobs::{Blobs, Buffers};
use super::content::RepositoryContent;
use super::index::Index;
use super::index_file::BlobKind;
use super::load::Loaded;
use super::snapshot::SnapshotInfo;
use super::store::Store;
use crate::extract::{self, ContentSource as _, RestoreOptions, Survey};
use crate::file_table::{FileTable, Id, Kind, Time, Xattr, is_large};
use crate::links::Links;
use crate::report::locked;
use crate::{ArchiveError, Entry, Problem, Selection};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A snapshot that is opened for looking. The repository that it came from must live as long: it holds the lock.
pub struct Contents {
    pub(crate) shared: Arc<Shared>,
    pub(crate) loaded: Loaded,
    snapshot: SnapshotInfo,
}

/// What all snapshots of a repository have in common.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) index: Index,
    /// Buffers that no reader uses at the moment.
    buffers: Mutex<Vec<Buffers>>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contents").field("snapshot", &self.snapshot.id).finish_non_exhaustive()
    }
}

/// An entry of a [`Contents`]: a number that is the same whenever the same snapshot is read as a whole. The root directory is 0.
pub type Number = usize;

/// Where everything is in a repository, for several snapshots; empty at first.
#[derive(Clone, Default)]
pub struct SharedIndex(Option<Arc<Shared>>);

impl std::fmt::Debug for SharedIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SharedIndex").field(&self.0.is_some()).finish()
    }
}

/// What an entry is, without its name and its place: nothing is copied for it.
#[derive(Clone, Copy, Debug)]
pub struct Inode<'a> {
    /// Type.
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits (07777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Size in bytes; of regular files.
    pub size: u64,
    /// Modification time.
    pub mtime: Time,
    /// When its metadata changed last, as recorded.
    pub ctime: Time,
    /// Device number of a device, as major and minor.
    pub device: Option<(u32, u32)>,
    /// Target of a symbolic link, empty for others.
    pub target: &'a [u8],
    /// Extended attributes, by name.
    pub xattrs: &'a [Xattr],
}

/// A piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins in the file, in bytes.
    pub start: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// The name of its content; `None` for a hole that is kept without any.
    pub blob: Option<Id>,
}

impl Repository {
    /// Opens a snapshot for looking, as far as a selection needs.
    ///
    /// # Errors
    /// When its root cannot be read. Directories that cannot be read are [`Contents::problems`].
    pub fn contents(&self, snapshot: &SnapshotInfo, selection: &Selection) -> Result<Contents, ArchiveError> {
        // restic's commands that read hold it as well; without it, what is removed meanwhile is missing.
        self.try_to_hold(&crate::Quiet);
        self.opened(snapshot, selection)
    }

    /// The same, when whoever calls it has tried to hold the lock.
    pub(super) fn opened(&self, snapshot: &SnapshotInfo, selection: &Selection) -> Result<Contents, ArchiveError> {
        let (index, loaded) = self.load(snapshot, selection)?;
        let shared = Shared { store: self.store.clone(), index, buffers: Mutex::default() };
        Ok(Contents { shared: Arc::new(shared), loaded, snapshot: snapshot.clone() })
    }

    /// The same for several snapshots, whose index is read only once; `index` is what an earlier call left there.
    ///
    /// # Errors
    /// As [`Repository::contents`].
    pub fn contents_with(&self, snapshot: &SnapshotInfo, shared: &mut SharedIndex) -> Result<Contents, ArchiveError> {
        let contents = match &shared.0 {
            None => self.contents(snapshot, &Selection::Everything)?,
            Some(known) => {
                let mut blobs = Blobs::new(&known.store, &known.index)?;
                match super::load::table(
                    &known.store,
                    &mut blobs,
                    (snapshot.tree, snapshot.entries),
                    &Selection::Everything,
                ) {
                    Ok(loaded) if loaded.lost.is_empty() => {
                        Contents { shared: Arc::clone(known), loaded, snapshot: snapshot.clone() }
                    }
                    // The packs themselves may know more than their index.
                    _ => self.contents(snapshot, &Selection::Everything)?,
                }
            }
        };
        shared.0.get_or_insert_with(|| Arc::clone(&contents.shared));
        Ok(contents)
    }
}

impl Contents {
    /// The snapshot.
    pub fn snapshot(&self) -> &SnapshotInfo {
        &self.snapshot
    }

    /// How many numbers there are.
    pub fn count(&self) -> usize {
        self.table().records.len()
    }

    /// All entries.
    pub fn table(&self) -> &FileTable {
        &self.loaded.table
    }

    /// Directories that could not be read, with the reason.
    pub fn problems(&self) -> Vec<Problem> {
        self.loaded.problems().collect()
    }

    /// The entry that a path leads to, through the archive's own links; a link at its end is not followed. Lifeboat's own
    /// directory is not found.
    pub fn find(&self, path: &Path) -> Option<Number> {
        self.table().follow(path).filter(|index| !self.table().records[*index].left_out)
    }

    /// One entry in full.
    pub fn entry(&self, number: Number) -> Entry {
        self.table().entry(number)
    }

    /// Its type.
    pub fn kind(&self, number: Number) -> Kind {
        self.table().records[number].kind
    }

    /// The directory that it is in; that of the root directory is the root directory.
    pub fn parent(&self, number: Number) -> Number {
        self.table().records[number].parent as usize
    }

    /// Its name in its directory.
    pub fn name(&self, number: Number) -> &[u8] {
        self.table().name(number)
    }

    /// What is in a directory, by name.
    pub fn children(&self, number: Number) -> impl Iterator<Item = Number> + '_ {
        self.table().children(number).filter(|child| !self.table().records[*child].left_out)
    }

    /// What is in a directory and has this name.
    pub fn child(&self, number: Number, name: &[u8]) -> Option<Number> {
        self.table().child(number, name).filter(|child| !self.table().records[*child].left_out)
    }

    /// The same without name and place, for those who ask often.
    pub fn inode(&self, number: Number) -> Inode<'_> {
        let (table, record) = (self.table(), &self.table().records[number]);
        let is_device = matches!(record.kind, Kind::BlockDevice | Kind::CharDevice);
        Inode {
            kind: record.kind,
            mode: record.mode.into(),
            uid: record.uid,
            gid: record.gid,
            size: record.size,
            mtime: record.mtime,
            ctime: record.ctime,
            device: is_device.then(|| (rustix::fs::major(record.device), rustix::fs::minor(record.device))),
            target: if record.kind == Kind::Symlink { table.target(number) } else { &[] },
            xattrs: table.xattrs(number),
        }
    }

    /// For each name of an inode with several names: the first of them in the snapshot, and how many are there.
    pub fn hard_links(&self) -> Vec<(Number, Number, u32)> {
        let table = self.table();
        let links = Links::of(table, |index| !table.records[index].left_out);
        let mut counts = std::collections::HashMap::new();
        let several = |index: &Number| table.records[*index].link_key().is_some() && !table.records[*index].left_out;
        let names: Vec<Number> = (0..table.records.len()).filter(several).collect();
        for index in &names {
            *counts.entry(links.first(*index)).or_insert(0_u32) += 1;
        }
        names.iter().map(|index| (*index, links.first(*index), counts[&links.first(*index)])).collect()
    }

    /// Where a file has holes: start and length, in bytes, ascending.
    pub fn holes(&self, number: Number) -> &[(u64, u64)] {
        self.table().holes(number)
    }

    /// Bytes that a file has without its holes.
    pub fn stored(&self, number: Number) -> u64 {
        self.table().stored(number)
    }

    /// Bytes that a file's content takes in the repository, also when other files have the same.
    pub fn packed(&self, number: Number) -> u64 {
        let length =
            |id: &Id| self.shared.index.get(BlobKind::Data, id).map_or(0, |location| u64::from(location.length));
        self.table().content(number).iter().map(length).sum()
    }

    /// The pieces of a file, from its beginning to its end.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] when one is in no index, or they are not as long as the file.
    pub fn pieces(&self, number: Number) -> Result<Vec<Piece>, ArchiveError> {
        let table = self.table();
        let content = RepositoryContent { store: &self.shared.store, index: &self.shared.index };
        let damaged = |cause: &str| self.shared.store.damaged(table.path(number).display().to_string(), cause);
        let squeezed = table.is_squeezed(number);
        let mut holes = table.holes(number).iter().filter(|(_, length)| squeezed && is_large(*length)).peekable();
        let mut pieces = Vec::with_capacity(table.content(number).len());
        let mut at = 0_u64;
        for id in table.content(number) {
            while let Some((_, length)) = holes.next_if(|(start, _)| *start <= at) {
                pieces.push(Piece { start: at, length: *length, blob: None });
                at = at.saturating_add(*length);
            }
            let length = content.length(id).ok_or_else(|| damaged("part of its content is in no index"))?;
            pieces.push(Piece { start: at, length, blob: Some(*id) });
            at = at.saturating_add(length);
        }
        for (_, length) in holes {
            pieces.push(Piece { start: at, length: *length, blob: None });
            at = at.saturating_add(*length);
        }
        match at == table.records[number].size {
            true => Ok(pieces),
            false => Err(damaged("its content has another size than it says")),
        }
    }

    /// What a restore into a target, which need not exist yet, will do there. Nothing is changed.
    ///
    /// # Errors
    /// When the target is there and cannot be used.
    pub fn survey(
        &self,
        target: &Path,
        selection: &Selection,
        options: &RestoreOptions,
    ) -> Result<Survey, ArchiveError> {
        // The contents of a lost directory are reported with it, as a restore does.
        let selection = &selection.without(&|path| self.loaded.has_lost(path));
        let mut survey = extract::survey(self.table(), target, selection, options)?;
        survey.problems.splice(0..0, self.loaded.problems());
        Ok(survey)
    }

    /// Makes a directory the root of all: paths begin there.
    pub fn make_root(&mut self, number: Number) {
        self.loaded.table.make_root(number);
    }

    /// Leaves one entry, with all below it, under this name in the root directory.
    pub fn isolate(&mut self, number: Number, name: &[u8]) {
        self.loaded.table.isolate(number, name);
    }

    /// A reader of content, for one thread.
    ///
    /// # Errors
    /// When its buffers cannot be made.
    pub fn reader(&self) -> Result<Reader<'_>, ArchiveError> {
        let Shared { store, index, buffers } = &*self.shared;
        let unused = locked(buffers).pop();
        let buffers = unused.map_or_else(|| Buffers::new(store), Ok)?;
        Ok(Reader(Blobs::with(store, index, buffers)))
    }

    /// Keeps the buffers of a reader for the next one, also of another snapshot with the same index.
    pub fn give_back(&self, reader: Reader<'_>) {
        locked(&self.shared.buffers).push(reader.0.into_buffers());
    }

    /// Reports whether two snapshots have one index: names of content mean the same for both.
    pub fn has_index_of(&self, other: &Contents) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Writes a file's content to `out`, holes as zeros.
    ///
    /// # Errors
    /// When the content is damaged; what `out` answers.
    pub fn write_file(&self, number: Number, out: &mut dyn std::io::Write) -> Result<(), WriteError> {
        let mut reader = self.reader()?;
        self.write_pieces(&mut reader, number, out)
    }

    /// The same with a reader that serves several files.
    pub(crate) fn write_pieces(
        &self,
        reader: &mut Reader<'_>,
        number: Number,
        out: &mut dyn std::io::Write,
    ) -> Result<(), WriteError> {
        static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
        for piece in self.pieces(number)? {
            match piece.blob {
                Some(id) => out.write_all(reader.get(&id)?)?,
                None => {
                    let mut left = piece.length;
                    while left > 0 {
                        let part = left.min(ZEROS.len() as u64);
                        out.write_all(&ZEROS[..part as usize])?;
                        left -= part;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads content in one thread.
pub struct Reader<'a>(Blobs<'a>);

impl Reader<'_> {
    /// The content of a piece, checked against its name.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn get(&mut self, blob: &Id) -> Result<&[u8], ArchiveError> {
        self.0.get(BlobKind::Data, blob)
    }
}

/// Why content could not be written out.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Where it was written to.
    #[error("cannot WRITE the content: {0}")]
    Output(#[from] std::io::Error),
}
