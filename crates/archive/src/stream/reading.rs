//! What is done with a set that was opened: restore, verify, compare.

use super::archive::{Contents, Stream};
use super::catalogue::{self, NO_MEMBER};
use crate::directories::Directories;
use crate::extract::{self, ContentStream as _};
use crate::file_table::{Kind, data};
use crate::report::{Problems, Progress, RestoreReport, VerifyReport};
use crate::walk::look::Patience;
use crate::{ArchiveError, CompareReport, FileTree, Observer, RestoreOptions, Selection, compare};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

impl Stream {
    /// Restores the selected entries below a folder. What the set has lost is a problem for each entry.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn restore(
        &mut self,
        target: &Path,
        selection: &Selection,
        options: &RestoreOptions,
        observer: &dyn Observer,
    ) -> Result<RestoreReport, ArchiveError> {
        let problems = Problems::new(observer);
        let mut members = self.chosen_members(selection)?;
        let mut contents = Contents::new(&mut members, &self.catalogue.table, self.is_final);
        let request = (target, selection, options);
        let restored = extract::run_stream(&self.catalogue.table, &mut contents, request, observer, &problems)?;
        for index in contents.incomplete() {
            let text = "cannot RESTORE: it could not be read to its end when it was saved; zeros stand for the rest";
            problems.add(self.catalogue.table.path(index), text);
        }
        drop(contents);
        for text in self.notes.iter().chain(&members.troubles) {
            problems.add(PathBuf::new(), text);
        }
        Ok(RestoreReport {
            entries: restored.entries,
            bytes: restored.bytes,
            unprotected: restored.unprotected,
            copies: restored.copies,
            problems: crate::warnings::added_to(problems),
        })
    }

    /// Reads every byte of the set and checks it: volumes, frames, members, and that they are those of the catalogue. When the end came
    /// by, the set is from then on what the end says, also where it was opened from its beginning.
    ///
    /// # Errors
    /// [`ArchiveError`], when nothing can be read.
    pub fn verify(&mut self, observer: &dyn Observer) -> Result<VerifyReport, ArchiveError> {
        let problems = Problems::new(observer);
        let mut members = self.all_members()?;
        let table = &self.catalogue.table;
        let total: u64 = (0..table.records.len()).map(|index| table.stored(index)).sum();
        let mut progress =
            Progress { phase: "verify", entries_total: table.len(), bytes_total: total, ..Progress::default() };
        let mut seen = vec![false; table.records.len()];
        let mut contents = Contents::new(&mut members, table, self.is_final);
        let is_file = |index: usize| (table.records[index].kind == Kind::File).then_some(index);
        while let Some(file) = contents.next_file(&is_file)? {
            seen[file.index] = true;
            let (record, _, holes) = file.as_read(table);
            let mut left: u64 = data(record.size, holes).map(|(_, length)| length).sum();
            let mut cause = file.unusable.clone();
            progress.bytes += left;
            while left > 0 && cause.is_none() {
                match contents.read(left)? {
                    Ok(part) => left -= part.len() as u64,
                    Err(text) => cause = Some(text),
                }
            }
            if let Some(cause) = cause {
                problems.add(table.path(file.index), format!("cannot be restored: {cause}"));
            }
            progress.entries += 1;
            observer.progress(&progress);
        }
        let end = contents.into_end();
        let (offsets, left_out) = match &end {
            Some(end) => (&end.offsets, &end.table),
            None => (&self.catalogue.offsets, table),
        };
        // Without a catalogue of the end nobody knows which names are links; those are in the groups of the table.
        let mut groups: HashMap<usize, bool> = HashMap::new();
        let group = |index: usize| catalogue::group(table, index);
        for index in (0..seen.len()).filter(|index| seen[*index]) {
            if let Some(group) = group(index) {
                groups.insert(group, true);
            }
        }
        for (index, seen) in seen.iter().enumerate() {
            let has_member = offsets.get(index).is_none_or(|offset| *offset != NO_MEMBER);
            let is_linked = group(index).is_some_and(|group| groups.contains_key(&group));
            let is_saved = left_out.records.get(index).is_some_and(|record| !record.left_out);
            if table.records[index].kind == Kind::File && !seen && !is_linked && has_member && is_saved {
                problems.add(table.path(index), format!("cannot be restored: {}", members.loss()));
            }
        }
        for text in self.notes.iter().chain(&members.troubles) {
            problems.add(PathBuf::new(), text);
        }
        let counted = end.as_ref().map_or(table, |end| &end.table);
        if let Some(end) = members.end
            && (end.entries, end.bytes) != (counted.len(), counted.bytes())
        {
            problems.add(
                PathBuf::new(),
                format!(
                    "the end of the set says {} entries with {} bytes, its catalogue has {} with {}",
                    end.entries,
                    end.bytes,
                    counted.len(),
                    counted.bytes()
                ),
            );
        }
        let entries = counted.len();
        if let Some(end) = end {
            self.take_end(end);
        }
        Ok(VerifyReport {
            snapshots: 1,
            bytes: self.bytes_read(),
            entries,
            problems: crate::warnings::added_to(problems),
            ..VerifyReport::default()
        })
    }

    /// Compares the selected entries with a file tree, contents byte by byte.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn compare(
        &mut self,
        source: &FileTree,
        selection: &Selection,
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        self.compare_with(source, (selection, u32::MAX), observer)
    }

    pub(super) fn compare_with(
        &mut self,
        source: &FileTree,
        (selection, flags): (&Selection, u32),
        observer: &dyn Observer,
    ) -> Result<CompareReport, ArchiveError> {
        let mut members = self.chosen_members(selection)?;
        let (table, is_final) = (&self.catalogue.table, self.is_final);
        let compared =
            &mut |comparison: &compare::Comparison<'_>, pairs: &[(usize, usize)], problems: &Problems<'_>| {
                let mut contents = Contents::new(&mut members, table, is_final);
                contents_differ(comparison, pairs, &mut contents, observer, problems)
            };
        let mut report = compare::run_with(table, source, (selection, flags), observer, compared)?;
        for text in self.notes.iter().chain(&members.troubles) {
            let problem = crate::Problem { path: PathBuf::new(), message: text.clone() };
            observer.problem(&problem);
            report.problems.push(problem);
        }
        Ok(report)
    }
}

/// Compares the contents of a set with those of a tree as they come; returns the bytes compared.
fn contents_differ(
    comparison: &compare::Comparison<'_>,
    pairs: &[(usize, usize)],
    contents: &mut Contents<'_>,
    observer: &dyn Observer,
    problems: &Problems<'_>,
) -> Result<u64, ArchiveError> {
    let (archived, found) = (comparison.archived, &comparison.walked.table);
    let group = |index: usize| catalogue::group(archived, index);
    let mut here: HashMap<usize, usize> = HashMap::new();
    let mut names: HashMap<usize, usize> = HashMap::new();
    for (old, new) in pairs.iter().copied().filter(|(old, _)| archived.records[*old].kind == Kind::File) {
        here.insert(old, new);
        if let Some(group) = group(old) {
            names.entry(group).or_insert(old);
        }
    }
    let mut open: std::collections::HashSet<usize> = names.values().copied().collect();
    let total = Progress { phase: "compare", entries_total: open.len() as u64, ..Progress::default() };
    let (mut directories, patience, mut buffer) = (Directories::within_a_mount(), Patience::new(), vec![]);
    let mut bytes = 0_u64;
    loop {
        let wanted =
            |index: usize| group(index).and_then(|group| names.get(&group)).copied().filter(|old| open.contains(old));
        let Some(file) = contents.next_file(&wanted)? else { break };
        let old = file.index;
        open.remove(&old);
        let Some(new) = here.get(&old).copied() else { continue };
        if let Some(cause) = &file.unusable {
            problems.add(archived.path(old), format!("cannot COMPARE: {cause}"));
            continue;
        }
        let (record, _, holes) = file.as_read(archived);
        let size = record.size;
        bytes = bytes.saturating_add(size);
        // The sizes are compared already.
        if size != found.records[new].size || size == 0 {
            continue;
        }
        match same(comparison, new, (size, holes), contents, (&mut directories, &patience), &mut buffer)? {
            Ok(true) => {}
            Ok(false) => comparison.other_content(old),
            Err(message) => problems.add(archived.path(old), message),
        }
        let entries = total.entries_total - open.len() as u64;
        observer.progress(&Progress { entries, bytes, ..total.clone() });
    }
    for old in open {
        if archived.records[old].size > 0
            && let Some(cause) = contents.missing(old)
        {
            problems.add(archived.path(old), format!("cannot COMPARE: {cause}"));
        }
    }
    Ok(bytes)
}

/// Whether a file of the tree has the content that comes. The inner error says why that is unknown.
fn same(
    comparison: &compare::Comparison<'_>,
    new: usize,
    (size, holes): (u64, &[(u64, u64)]),
    contents: &mut Contents<'_>,
    (directories, patience): (&mut Directories, &Patience),
    buffer: &mut Vec<u8>,
) -> Result<Result<bool, String>, ArchiveError> {
    let mut file = match comparison.open(new, directories, patience) {
        Ok(file) => file,
        Err(message) => return Ok(Err(message)),
    };
    let mut at = 0;
    for (start, length) in data(size, holes).chain([(size, 0)]) {
        // What is a hole in the archive may be zeros here.
        match zeros(&mut file, start - at, buffer) {
            Ok(true) => {}
            other => return Ok(other),
        }
        let mut left = length;
        while left > 0 {
            let part = match contents.read(left)? {
                Ok(part) => part,
                Err(cause) => return Ok(Err(format!("cannot COMPARE: {cause}"))),
            };
            buffer.clear();
            match file.read(buffer, part.len()) {
                Ok(_) if buffer == part => left -= part.len() as u64,
                Ok(_) => return Ok(Ok(false)),
                Err(error) => return Ok(Err(error.message())),
            }
        }
        at = start + length;
    }
    Ok(Ok(true))
}

/// Whether so many zeros follow in a file.
fn zeros(file: &mut crate::walk::content::Content, mut count: u64, buffer: &mut Vec<u8>) -> Result<bool, String> {
    while count > 0 {
        let hole = file.hole_ahead().min(count);
        if hole > 0 {
            file.skip(hole);
            count -= hole;
            continue;
        }
        buffer.clear();
        let got = file.read(buffer, count.min(1 << 20) as usize).map_err(|error| error.message())?;
        if got == 0 || buffer.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        count -= got as u64;
    }
    Ok(true)
}
