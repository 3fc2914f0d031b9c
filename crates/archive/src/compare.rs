//! What differs between the entries of an archive and a file tree.

use crate::differing::{self, Sides};
use crate::directories::Directories;
use crate::extract::ContentSource;
use crate::file_table::{FileTable, Id, Kind, is_large};
use crate::links::Links;
use crate::report::{Problem, Problems, Progress, locked};
use crate::selection::{Choice, is_own};
use crate::walk::content::Content;
use crate::walk::look::Patience;
use crate::walk::{self, Walked, extents};
use crate::{ArchiveError, FileTree, Observer, Selection};
use lifeboat_sys::inode;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// In which respect an entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DifferenceKind {
    /// Only the archive has it.
    Missing,
    /// Only the file tree has it.
    Extra,
    /// Type of the entry.
    Type,
    /// Content or size of a regular file.
    Content,
    /// Permission bits.
    Mode,
    /// Owner or group.
    Owner,
    /// Modification time.
    ModificationTime,
    /// Extended attributes, including ACLs and capabilities.
    Xattrs,
    /// Inode flags or project id.
    Flags,
    /// Target of a symbolic link.
    LinkTarget,
    /// Which names are links to one inode.
    HardLinks,
    /// Where a file has holes.
    Holes,
    /// Device number.
    Device,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Path in the archive.
    pub path: PathBuf,
    /// In which respect.
    pub kind: DifferenceKind,
    /// What the archive has and what the file tree has, for people.
    pub detail: String,
}

/// What a comparison found.
#[derive(Clone, Debug, Default)]
pub struct CompareReport {
    /// Entries compared.
    pub entries: u64,
    /// Bytes of content compared.
    pub bytes: u64,
    /// Hard links that are copies here, because their first name is on another filesystem.
    pub copies: Vec<PathBuf>,
    /// Differences, by path.
    pub differences: Vec<Difference>,
    /// What could not be compared.
    pub problems: Vec<Problem>,
}

impl CompareReport {
    /// Hard links that are copies, for people; `None` when there are none.
    pub fn copied(&self) -> Option<String> {
        crate::report::copied(&self.copies)
    }

    /// Reports whether everything could be compared and nothing differs.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty() && self.problems.is_empty()
    }
}

/// The two sides of a comparison with a file tree.
const SIDES: Sides<'static> = Sides { was: "in the archive", is: "here" };

pub(crate) struct Comparison<'a> {
    pub(crate) archived: &'a FileTable,
    pub(crate) walked: &'a Walked,
    choices: &'a [Choice],
    flags: u32,
    differences: Mutex<Vec<Difference>>,
}

/// Compares the selected entries of a table with a file tree; of their inode flags only those in `flags`.
pub(crate) fn run(
    archived: &FileTable,
    content: &dyn ContentSource,
    source: &FileTree,
    (selection, flags): (&Selection, u32),
    observer: &dyn Observer,
) -> Result<CompareReport, ArchiveError> {
    run_with(archived, source, (selection, flags), observer, &mut |comparison, pairs, problems| {
        comparison.contents(pairs, content, observer, problems)
    })
}

/// Compares the contents of pairs of records; returns the bytes compared.
type Contents<'c> = &'c mut dyn FnMut(&Comparison<'_>, &[(usize, usize)], &Problems<'_>) -> Result<u64, ArchiveError>;

/// The same with contents that come in another way.
pub(crate) fn run_with(
    archived: &FileTable,
    source: &FileTree,
    (selection, flags): (&Selection, u32),
    observer: &dyn Observer,
    contents: Contents<'_>,
) -> Result<CompareReport, ArchiveError> {
    let problems = Problems::new(observer);
    let walked = walk::walk(source, observer, &problems)?;
    let (choices, unknown) = selection.choose(archived);
    for path in unknown {
        problems.add(path, "cannot COMPARE: it is not in the snapshot");
    }
    let comparison =
        Comparison { archived, walked: &walked, choices: &choices, flags, differences: Mutex::new(vec![]) };
    let pairs = comparison.metadata();
    let copies = comparison.hard_links(&pairs);
    let bytes = contents(&comparison, &pairs, &problems)?;
    let mut differences = comparison.differences.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    differences.sort();
    Ok(CompareReport { entries: pairs.len() as u64, bytes, copies, differences, problems: problems.into_list() })
}

impl Comparison<'_> {
    pub(crate) fn differ(&self, path: PathBuf, kind: DifferenceKind, detail: impl Into<String>) {
        locked(&self.differences).push(Difference { path, kind, detail: detail.into() });
    }

    /// The content of an archived file is another one here.
    pub(crate) fn other_content(&self, old: usize) {
        self.differ(self.archived.path(old), DifferenceKind::Content, "content: the bytes differ");
    }

    /// Compares everything except content; returns the pairs of records that are of the same type.
    fn metadata(&self) -> Vec<(usize, usize)> {
        let (archived, found) = (self.archived, &self.walked.table);
        let mut pairs = vec![];
        let mut open = vec![(0, 0)];
        while let Some((old, new)) = open.pop() {
            if self.choices[old] == Choice::Yes {
                self.entry(old, new);
                pairs.push((old, new));
            }
            if self.walked.locked.contains(&new) {
                // Its content cannot be determined; that it is locked has already been reported.
                continue;
            }
            for child in archived.children(old).filter(|child| self.choices[*child] != Choice::No) {
                match found.child(new, archived.name(child)).filter(|child| !found.records[*child].left_out) {
                    None if self.choices[child] == Choice::Yes || archived.records[child].kind == Kind::Directory => {
                        self.differ(archived.path(child), DifferenceKind::Missing, "only in the archive");
                    }
                    None => {}
                    Some(other) if archived.records[child].kind == found.records[other].kind => {
                        open.push((child, other))
                    }
                    Some(other) => {
                        let (was, is) = (archived.records[child].kind, found.records[other].kind);
                        self.differ(
                            archived.path(child),
                            DifferenceKind::Type,
                            SIDES.text("type", was.name(), is.name()),
                        );
                    }
                }
            }
            if self.choices[old] == Choice::Yes {
                for child in found.children(new).filter(|child| !found.records[*child].left_out) {
                    let path = found.path(child);
                    let known = archived.child(old, found.name(child)).is_some_and(|c| !archived.records[c].left_out);
                    if !known && !is_own(&path) {
                        self.differ(path, DifferenceKind::Extra, "not in the archive");
                    }
                }
            }
        }
        pairs
    }

    fn entry(&self, old: usize, new: usize) {
        let (mut was, mut is) = (self.archived.entry(old), self.walked.table.entry(new));
        // What this filesystem does not store was not a property of the entry, or cannot be one.
        let stored = self.walked.stored_by(new);
        if !stored.labels {
            was.xattrs.retain(|xattr| !inode::is_label(&xattr.name));
        }
        if was.kind != Kind::Directory || stored.flags == 0 {
            was.flags &= !inode::CASEFOLD;
        }
        (was.flags, is.flags) = (was.flags & self.flags, is.flags & self.flags);
        // Where the archive does not have it, it is the filesystem's own flag and not a property of the file.
        is.flags &= !(inode::NOCOMP & !was.flags);
        let path = || self.archived.path(old);
        for (kind, text) in differing::metadata(&was, &is, SIDES) {
            self.differ(path(), kind, text);
        }
        let differ = |kind, attribute, was: String, is: String| {
            self.differ(path(), kind, SIDES.text(attribute, &was, &is));
        };
        if was.size != is.size {
            differ(DifferenceKind::Content, "size", format!("{} bytes", was.size), format!("{} bytes", is.size));
        } else if self.archived.holes_known && self.archived.holes(old) != self.walked.table.holes(new) {
            let text = |holes: &[(u64, u64)]| holes.len().to_string();
            differ(DifferenceKind::Holes, "holes", text(self.archived.holes(old)), text(self.walked.table.holes(new)));
        }
    }

    /// Names that are one inode in the archive must be one inode here, and no others; where they are on several filesystems
    /// now, one inode on each. Returns the names that are copies for that reason.
    fn hard_links(&self, pairs: &[(usize, usize)]) -> Vec<PathBuf> {
        let (archived, found) = (self.archived, &self.walked.table);
        let links = Links::of(archived, |index| !archived.records[index].left_out);
        let group = |index: usize| archived.records[index].link_key().map(|_| links.first(index));
        let tops = extents::tops_of(found, &self.walked.tops);
        let mut first = HashMap::new();
        let mut here: HashMap<_, (Vec<_>, usize)> = HashMap::new();
        let mut there = HashMap::new();
        let mut copies = vec![];
        for (old, new) in pairs {
            let record = &found.records[*new];
            let (was, inode) = (group(*old), (record.filesystem, record.inode));
            // Links whose other names are not in the archive came from outside of it.
            let mut same = record.link_key().is_none() || {
                let first = *there.entry(inode).or_insert(*old);
                first == *old || (was.is_some() && group(first) == was)
            };
            if let Some(was) = was {
                // A link cannot lead from one mount or subvolume to another.
                let (inodes, few) = here.entry((was, (tops[*new], record.filesystem))).or_default();
                if !inodes.contains(&inode) {
                    inodes.push(inode);
                    *few += usize::from(record.links < LEAST_LINK_MAX);
                }
                same &= *few <= 1;
            }
            if !same {
                self.differ(
                    archived.path(*old),
                    DifferenceKind::HardLinks,
                    "hard links: linked to other names than in the archive",
                );
            } else if was.is_some_and(|was| *first.entry(was).or_insert(inode) != inode) {
                copies.push(archived.path(*old));
            }
        }
        copies
    }

    /// Compares content by the ids of its blobs, in parallel; returns the bytes compared.
    fn contents(
        &self,
        pairs: &[(usize, usize)],
        content: &dyn ContentSource,
        observer: &dyn Observer,
        problems: &Problems<'_>,
    ) -> Result<u64, ArchiveError> {
        let size = |index: usize| self.archived.records[index].size;
        let mut files: Vec<_> = pairs
            .iter()
            .filter(|(old, new)| {
                self.archived.records[*old].kind == Kind::File && size(*old) == self.walked.table.records[*new].size
            })
            .collect();
        files.sort_by_key(|(_, new)| *new);
        let total = Progress {
            phase: "compare",
            entries_total: files.len() as u64,
            bytes_total: files.iter().map(|(old, _)| self.archived.stored(*old)).sum(),
            ..Progress::default()
        };
        let (next, entries, bytes) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let compared = files.iter().fold(0_u64, |sum, (old, _)| sum.saturating_add(size(*old)));
        let zeros = ZERO_BLOB.get_or_init(|| Sha256::digest(vec![0; ZERO_BYTES]).into());
        let patience = Patience::new();
        let work = || {
            let (mut directories, mut buffer) = (Directories::within_a_mount(), vec![]);
            while let Some((old, new)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.content((*old, *new), content, zeros, (&mut directories, &patience), &mut buffer) {
                    Ok(true) => {}
                    Ok(false) => self.other_content(*old),
                    Err(message) => problems.add(self.archived.path(*old), message),
                }
                let stored = self.archived.stored(*old);
                let bytes = bytes.fetch_add(stored, Ordering::Relaxed) + stored;
                let entries = entries.fetch_add(1, Ordering::Relaxed) + 1;
                observer.progress(&Progress { entries, bytes, ..total.clone() });
            }
        };
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        Ok(compared)
    }

    fn content(
        &self,
        (old, new): (usize, usize),
        content: &dyn ContentSource,
        zeros: &Id,
        (directories, patience): (&mut Directories, &Patience),
        buffer: &mut Vec<u8>,
    ) -> Result<bool, String> {
        if self.walked.table.records[new].size == 0 {
            return Ok(true);
        }
        let mut file = self.open(new, directories, patience)?;
        let squeezed = self.archived.is_squeezed(old);
        let mut holes = self.archived.holes(old).iter().filter(|(_, length)| is_large(*length)).peekable();
        let mut at = 0;
        let mut left = file.size;
        for id in self.archived.content(old) {
            let length = content.length(id).ok_or("cannot COMPARE: part of it is in no index of the repository")?;
            // Where the archive has a hole without blobs, the file must have one as well.
            while let Some((_, hole)) = holes.next_if(|(start, _)| squeezed && *start <= at) {
                if file.hole_ahead() < *hole {
                    return Ok(false);
                }
                file.skip(*hole);
                (at, left) = (at + hole, left.saturating_sub(*hole));
            }
            at += length;
            if length > left {
                return Ok(false);
            }
            left -= length;
            if length == ZERO_BYTES as u64 && id == zeros && file.hole_ahead() >= length {
                file.skip(length);
                continue;
            }
            let mut hasher = Sha256::new();
            let mut rest = length;
            while rest > 0 {
                buffer.clear();
                let got = file.read(buffer, rest.min(1 << 20) as usize).map_err(|error| error.message())?;
                if got == 0 {
                    return Ok(false);
                }
                hasher.update(&buffer);
                rest -= got as u64;
            }
            if <Id>::from(hasher.finalize()) != *id {
                return Ok(false);
            }
        }
        for (_, hole) in holes.filter(|_| squeezed) {
            left = left.saturating_sub(*hole);
        }
        Ok(left == 0)
    }

    /// Opens a file of the tree.
    pub(crate) fn open(
        &self,
        new: usize,
        directories: &mut Directories,
        patience: &Patience,
    ) -> Result<Content, String> {
        let table = &self.walked.table;
        let mut record = table.records[new].clone();
        let parent = record.parent as usize;
        let directory = directories.open_same(self.walked, parent);
        let directory =
            directory.map_err(|error| format!("cannot OPEN its directory: {}", std::io::Error::from(error)))?;
        let known = self.walked.known(new);
        let opened = Content::open(&directory, &known, &mut record, patience);
        opened.map(|opened| opened.content).map_err(|error| error.message())
    }
}

/// Every filesystem that has links allows this many to one inode; ext2 allows no more (EXT2_LINK_MAX), ext4 65,000.
const LEAST_LINK_MAX: u32 = 32_000;

/// Blobs of zeros that are recognised without reading: the largest that a backup makes.
const ZERO_BYTES: usize = crate::repository::chunker::MAX;
static ZERO_BLOB: std::sync::OnceLock<Id> = std::sync::OnceLock::new();
