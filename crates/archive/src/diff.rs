//! What differs between two snapshots: entries that came or went, contents and metadata that changed.

use crate::differing::{self, Sides};
use crate::file_table::Kind;
use crate::repository::contents::{Contents, Number, Piece, Reader};
use crate::{ArchiveError, DifferenceKind};
use std::path::{Path, PathBuf};

/// What happened to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the second snapshot has it.
    Added,
    /// Only the first snapshot has it.
    Removed,
    /// It is another type of entry.
    Type,
    /// In these respects, each with a text for people.
    Changed(Vec<(DifferenceKind, String)>),
}

/// An entry that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Path in the archive.
    pub path: PathBuf,
    /// Type of the entry, in the second snapshot when it is there.
    pub kind: Kind,
    /// What happened to it.
    pub change: Change,
}

impl Delta {
    /// Its content changed.
    pub fn has_other_content(&self) -> bool {
        matches!(&self.change, Change::Changed(list) if list.iter().any(|(kind, _)| *kind == DifferenceKind::Content))
    }
}

/// What differs between two snapshots.
#[derive(Clone, Debug, Default)]
pub struct DiffReport {
    /// Entries that were compared.
    pub entries: u64,
    /// Entries that differ, by path.
    pub deltas: Vec<Delta>,
    /// Bytes of files that came, and of those that changed as they are now.
    pub added_bytes: u64,
    /// Bytes of files that went, and of those that changed as they were.
    pub removed_bytes: u64,
}

/// Compares two snapshots, everything or what is at and below a path. Contents are compared by their names in the repository;
/// where these differ and the sizes do not, they are read as far as needed.
///
/// # Errors
/// [`ArchiveError::NotInSnapshot`] when no snapshot has the path; when contents cannot be read.
pub fn diff(old: &Contents, new: &Contents, below: &Path) -> Result<DiffReport, ArchiveError> {
    let (was, is) = (old.find(below), new.find(below));
    let names = [old, new].map(|contents| format!("in {}", contents.snapshot().short_id()));
    let mut diff =
        Diff { old, new, readers: (old.reader()?, new.reader()?), names: &names, report: DiffReport::default() };
    match (was, is) {
        (Some(was), Some(is)) => diff.pair(was, is)?,
        (Some(was), None) => diff.only(old, was, &Change::Removed),
        (None, Some(is)) => diff.only(new, is, &Change::Added),
        (None, None) => {
            return Err(ArchiveError::NotInSnapshot {
                path: below.to_owned(),
                snapshot: format!("{} and not in {}", old.snapshot().short_id(), new.snapshot().short_id()),
            });
        }
    }
    let mut report = diff.report;
    report.deltas.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(report)
}

struct Diff<'a> {
    old: &'a Contents,
    new: &'a Contents,
    readers: (Reader<'a>, Reader<'a>),
    names: &'a [String; 2],
    report: DiffReport,
}

impl Diff<'_> {
    fn pair(&mut self, was: Number, is: Number) -> Result<(), ArchiveError> {
        let mut open = vec![(was, is)];
        while let Some((was, is)) = open.pop() {
            self.report.entries += 1;
            let (kind, other) = (self.old.kind(was), self.new.kind(is));
            if kind != other {
                self.note(self.new, is, Change::Type);
                for (contents, number, change) in [(self.old, was, Change::Removed), (self.new, is, Change::Added)] {
                    self.below(contents, number, &change);
                }
                continue;
            }
            let changes = self.changes(was, is)?;
            if changes.iter().any(|(kind, _)| *kind == DifferenceKind::Content) {
                self.report.removed_bytes = self.report.removed_bytes.saturating_add(self.old.entry(was).size);
                self.report.added_bytes = self.report.added_bytes.saturating_add(self.new.entry(is).size);
            }
            if !changes.is_empty() {
                self.note(self.new, is, Change::Changed(changes));
            }
            for child in self.old.children(was) {
                match self.new.child(is, self.old.name(child)) {
                    Some(other) => open.push((child, other)),
                    None => self.only(self.old, child, &Change::Removed),
                }
            }
            for child in self.new.children(is) {
                if self.old.child(was, self.new.name(child)).is_none() {
                    self.only(self.new, child, &Change::Added);
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, contents: &Contents, number: Number, change: Change) {
        let (path, kind) = (contents.table().path(number), contents.kind(number));
        self.report.deltas.push(Delta { path, kind, change });
    }

    /// An entry that one side has, with all that is in it.
    fn only(&mut self, contents: &Contents, number: Number, change: &Change) {
        self.report.entries += 1;
        self.note(contents, number, change.clone());
        self.count(contents, number, change);
        self.below(contents, number, change);
    }

    fn below(&mut self, contents: &Contents, number: Number, change: &Change) {
        let mut open: Vec<Number> = contents.children(number).collect();
        while let Some(number) = open.pop() {
            self.report.entries += 1;
            self.note(contents, number, change.clone());
            self.count(contents, number, change);
            open.extend(contents.children(number));
        }
    }

    fn count(&mut self, contents: &Contents, number: Number, change: &Change) {
        let size = contents.entry(number).size;
        let sum = match change {
            Change::Added => &mut self.report.added_bytes,
            _ => &mut self.report.removed_bytes,
        };
        *sum = sum.saturating_add(size);
    }

    fn changes(&mut self, was: Number, is: Number) -> Result<Vec<(DifferenceKind, String)>, ArchiveError> {
        let (before, after) = (self.old.entry(was), self.new.entry(is));
        let sides = Sides { was: &self.names[0], is: &self.names[1] };
        let mut changes = vec![];
        if before.size != after.size {
            let text = sides.text("content", &format!("{} bytes", before.size), &format!("{} bytes", after.size));
            changes.push((DifferenceKind::Content, text));
        } else if before.kind == Kind::File && !self.same_content(was, is)? {
            changes.push((DifferenceKind::Content, format!("content: other bytes, {} as before", before.size)));
        } else if self.old.table().holes_known
            && self.new.table().holes_known
            && self.old.holes(was) != self.new.holes(is)
        {
            let count = |contents: &Contents, number| format!("{}", contents.holes(number).len());
            let text = sides.text("holes", &count(self.old, was), &count(self.new, is));
            changes.push((DifferenceKind::Holes, text));
        }
        changes.extend(differing::metadata(&before, &after, sides));
        Ok(changes)
    }

    /// Two files of one size have the same content.
    fn same_content(&mut self, was: Number, is: Number) -> Result<bool, ArchiveError> {
        let (old, new) = (self.old.table(), self.new.table());
        let squeezed = old.is_squeezed(was) || new.is_squeezed(is);
        if old.content(was) == new.content(is) && (!squeezed || self.old.holes(was) == self.new.holes(is)) {
            return Ok(true);
        }
        let (mut left, mut right) = (Side::new(self.old.pieces(was)?), Side::new(self.new.pieces(is)?));
        while let (Some(a), Some(b)) = (left.piece(), right.piece()) {
            let length = a.length.saturating_sub(left.at).min(b.length.saturating_sub(right.at));
            let equal = a.blob == b.blob && left.at == right.at;
            if !equal {
                let (a, b) = (left.part(&mut self.readers.0, length)?, right.part(&mut self.readers.1, length)?);
                let same = match (a, b) {
                    (Some(a), Some(b)) => a == b,
                    (Some(data), None) | (None, Some(data)) => data.iter().all(|byte| *byte == 0),
                    (None, None) => true,
                };
                if !same {
                    return Ok(false);
                }
            }
            left.skip(length);
            right.skip(length);
        }
        Ok(true)
    }
}

/// One file while it is compared.
struct Side {
    pieces: Vec<Piece>,
    next: usize,
    /// In the piece.
    at: u64,
}

impl Side {
    fn new(pieces: Vec<Piece>) -> Side {
        Side { pieces, next: 0, at: 0 }
    }

    fn piece(&self) -> Option<Piece> {
        self.pieces.get(self.next).copied()
    }

    /// The next bytes; `None` in a hole.
    fn part<'r>(&self, reader: &'r mut Reader<'_>, length: u64) -> Result<Option<&'r [u8]>, ArchiveError> {
        let Some(id) = self.piece().and_then(|piece| piece.blob) else { return Ok(None) };
        let data = reader.get(&id)?;
        let end = (self.at + length).min(data.len() as u64);
        Ok(Some(data.get(self.at as usize..end as usize).unwrap_or_default()))
    }

    fn skip(&mut self, length: u64) {
        self.at += length;
        while self.piece().is_some_and(|piece| piece.length <= self.at) {
            self.at -= self.pieces[self.next].length;
            self.next += 1;
        }
    }
}
