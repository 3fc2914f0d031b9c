//! Directories are created and completed by two threads at once: a directory after those above it, its attributes after those below it.

use super::attributes::{self, AsMade};
use super::extraction::{Extraction, unreachable};
use super::place::{self, Blocked, Directory, Wanted};
use super::staging::{self, Group};
use crate::ArchiveError;
use crate::directories::{Directories, Identity, Tree};
use crate::file_table::{FileTable, Kind};
use crate::selection::Choice;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

/// Fewer directories are not worth a thread.
const FEW: usize = 256;

/// Directories, ascending, in three groups: nothing in one half is above or below anything in the other.
struct Halves {
    /// Above something in the second half.
    above: Vec<usize>,
    halves: [Vec<usize>; 2],
}

impl Halves {
    /// Divides directories, which are ascending and include those above them.
    fn of(table: &FileTable, directories: Vec<usize>) -> Halves {
        if directories.len() < FEW {
            return Halves { above: directories, halves: [vec![], vec![]] };
        }
        let middle = directories[directories.len() / 2];
        let mut above = HashSet::new();
        for index in directories.iter().filter(|index| **index >= middle) {
            let mut at = table.records[*index].parent as usize;
            // Where it ends, everything further up is known already.
            while at < middle && above.insert(at) {
                at = table.records[at].parent as usize;
            }
        }
        let mut halves = Halves { above: vec![], halves: [vec![], vec![]] };
        for index in directories {
            match above.contains(&index) {
                true => halves.above.push(index),
                false => halves.halves[usize::from(index >= middle)].push(index),
            }
        }
        halves
    }
}

/// Does something with both halves at once.
fn both<T: Send>(halves: &[Vec<usize>; 2], work: impl Fn(&[usize]) -> T + Sync) -> Result<[T; 2], ArchiveError> {
    let [one, other] = halves;
    if one.is_empty() && other.is_empty() {
        return Ok([work(one), work(other)]);
    }
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| work(other));
        let one = work(one);
        let other = thread.join().map_err(|_| ArchiveError::Panicked {
            action: "RESTORE the directories",
            cause: "a thread ended".to_owned(),
        })?;
        Ok([one, other])
    })
}

/// Directories that one thread creates.
struct Making<'e, 'a> {
    extraction: &'e Extraction<'a>,
    /// Those that may have another name.
    small: &'e HashSet<usize>,
    made: HashMap<usize, Directory>,
    /// Those that have another name for now.
    staged: HashMap<usize, Group>,
    blocked: Vec<(usize, Blocked)>,
}

impl Tree for Making<'_, '_> {
    fn parent(&self, index: usize) -> usize {
        self.extraction.parent(index)
    }

    fn name(&self, index: usize) -> &[u8] {
        self.staged.get(&index).and_then(Group::name).unwrap_or_else(|| self.extraction.name(index))
    }

    fn top(&self, index: usize) -> Option<&OwnedFd> {
        self.extraction.top(index)
    }

    fn identity(&self, index: usize) -> Option<Identity> {
        self.get(index).map(|directory| directory.identity)
    }
}

impl Making<'_, '_> {
    fn get(&self, index: usize) -> Option<&Directory> {
        self.made.get(&index).or_else(|| self.extraction.target.directories.get(&index))
    }

    /// Creates what is directly in some directories, which are ascending.
    fn below(mut self, indexes: &[usize]) -> Self {
        let mut directories = Directories::across_mounts();
        for index in indexes {
            // What is in one that is blocked is reported with it.
            if self.get(*index).is_some() && !self.children(&mut directories, *index) {
                break;
            }
        }
        self
    }

    /// Creates the directories in one; `false` when it is useless to continue.
    fn children(&mut self, directories: &mut Directories, index: usize) -> bool {
        let extraction = self.extraction;
        let table = extraction.table;
        let mut parent: Option<Arc<OwnedFd>> = None;
        for child in table.children(index) {
            if table.records[child].kind != Kind::Directory || extraction.choices[child] == Choice::No {
                continue;
            }
            let opened = match &parent {
                Some(parent) => Ok(Arc::clone(parent)),
                None => directories.open_same(self, index),
            };
            let opened = match opened {
                Ok(opened) => opened,
                Err(error) => {
                    self.blocked.push((child, Blocked::Failed("OPEN its directory", error)));
                    continue;
                }
            };
            let private = extraction.options.private;
            // Nobody else can be in what is new.
            let above = self.get(index).filter(|above| !above.was_there);
            let inherited = above.and_then(|above| above.group);
            let stage = (above.is_some() && inherited.is_none() && self.small.contains(&child)).then(Group::new);
            let name = stage.as_ref().and_then(Group::name).unwrap_or_else(|| table.name(child));
            let made = place::directory(
                &opened,
                &Wanted {
                    name: OsStr::from_bytes(name),
                    exposed: self.get(index).is_some_and(|above| above.is_exposed),
                    passed_on: extraction.passes_on_from(index, self.get(index)),
                    owner: table.records[child].uid,
                    chosen: extraction.choices[child] == Choice::Yes,
                    replace: extraction.options.overwrite,
                    private: private || above.is_some(),
                    own: extraction.own,
                },
            );
            parent = Some(opened);
            match made {
                Ok((directory, fd)) => {
                    if directory.was_there && !private && extraction.has_chosen(child) {
                        place::tidy(&fd, directory.was_unfinished);
                    }
                    let group = if stage.is_some() { Some(child) } else { inherited };
                    self.made.insert(child, Directory { group, ..directory });
                    self.staged.extend(stage.map(|stage| (child, stage)));
                }
                Err(blocked) => {
                    self.blocked.push((child, blocked));
                    if matches!(blocked, Blocked::Failed(_, Errno::NOSPC | Errno::DQUOT | Errno::ROFS)) {
                        return false;
                    }
                }
            }
        }
        true
    }
}

/// Creates the directories that something is restored into, private until their content is there.
pub(super) fn make(extraction: &mut Extraction<'_>) -> Result<(), ArchiveError> {
    let (table, choices) = (extraction.table, &extraction.choices);
    let is_wanted = |index: &usize| table.records[*index].kind == Kind::Directory && choices[*index] != Choice::No;
    let Halves { above, halves } = Halves::of(table, (0..table.records.len()).filter(is_wanted).collect());
    // In a recovery files have their names at once.
    let small = match extraction.options.repeatable {
        true => HashSet::new(),
        false => staging::small(table, |index| choices[index] == Choice::Yes),
    };
    let made = made_below(extraction, &small, &above);
    take(extraction, made)?;
    let made = both(&halves, |indexes| made_below(extraction, &small, indexes))?;
    made.into_iter().try_for_each(|made| take(extraction, made))
}

/// New directories, those of them that have another name for now, and those that could not be created.
type Made = (HashMap<usize, Directory>, HashMap<usize, Group>, Vec<(usize, Blocked)>);

fn made_below(extraction: &Extraction<'_>, small: &HashSet<usize>, indexes: &[usize]) -> Made {
    let making = Making { extraction, small, made: HashMap::new(), staged: HashMap::new(), blocked: vec![] };
    let made = making.below(indexes);
    (made.made, made.staged, made.blocked)
}

fn take(extraction: &mut Extraction<'_>, (made, staged, blocked): Made) -> Result<(), ArchiveError> {
    extraction.staging.extend(staged);
    if extraction.options.private {
        extraction.target.directories.extend(made);
        return blocked.into_iter().try_for_each(|(index, blocked)| extraction.block(index, blocked));
    }
    // Two names that lead to one directory: somebody exchanged them between its making and its opening.
    let mut known: HashSet<Identity> = extraction.target.directories.values().map(|known| known.identity).collect();
    let mut twice = vec![];
    let mut made: Vec<(usize, Directory)> = made.into_iter().collect();
    made.sort_unstable_by_key(|(index, _)| *index);
    for (index, directory) in made {
        match directory.was_there || known.insert(directory.identity) {
            true => drop(extraction.target.directories.insert(index, directory)),
            false => twice.push((index, Blocked::Failed("OPEN the directory", Errno::STALE))),
        }
    }
    blocked.into_iter().chain(twice).try_for_each(|(index, blocked)| extraction.block(index, blocked))
}

/// Gives all directories their attributes, from the leaves up.
pub(super) fn finish(extraction: &Extraction<'_>) -> Result<(), ArchiveError> {
    let mut directories: Vec<usize> = extraction.target.directories.keys().copied().collect();
    directories.sort_unstable();
    let Halves { above, halves } = Halves::of(extraction.table, directories);
    let [one, other] = both(&halves, |indexes| complete(extraction, indexes))?;
    one.and(other)?;
    complete(extraction, &above)
}

/// The same for some, which are ascending.
fn complete(extraction: &Extraction<'_>, indexes: &[usize]) -> Result<(), ArchiveError> {
    let mut directories = Directories::across_mounts();
    for index in indexes.iter().copied().rev() {
        let Some(directory) = extraction.target.directories.get(&index) else { continue };
        let record = &extraction.table.records[index];
        // An existing one on the way is left as it is.
        if record.kind != Kind::Directory || (directory.was_there && !extraction.is_chosen(index)) {
            continue;
        }
        match directories.open_same(extraction, index) {
            Ok(fd) => {
                if directory.was_there && !extraction.options.private {
                    attributes::strip(extraction.table, index, &fd);
                }
                let made = AsMade::new(record, extraction.own, directory.is_plain, false);
                extraction.warn(index, attributes::set_open(extraction.table, index, &fd, extraction.flags, made));
                if extraction.is_chosen(index) {
                    extraction.done(index);
                }
            }
            Err(error) => extraction.failed(index, unreachable(error))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_table::{More, Record};

    /// Directories in the order of a walk: the children of each are together, and all that is below one is together.
    fn tree(depth: usize, children: usize) -> FileTable {
        let mut table = FileTable::default();
        table.push(Record::new(Kind::Directory), b"", More::default());
        let mut open = vec![(0, 0)];
        while let Some((index, level)) = open.pop() {
            if level == depth {
                continue;
            }
            let start = table.records.len();
            for child in 0..children {
                let mut record = Record::new(Kind::Directory);
                record.parent = index as u32;
                let child = table.push(record, format!("{child}").as_bytes(), More::default());
                open.push((child, level + 1));
            }
            (table.records[index].start, table.records[index].count) = (start as u32, children as u32);
        }
        table
    }

    #[test]
    fn halves_have_nothing_above_or_below_each_other() {
        for (depth, children) in [(0, 0), (3, 4), (4, 5), (9, 2), (2, 40), (1, 900), (700, 1)] {
            let table = tree(depth, children);
            let all: Vec<usize> = (0..table.records.len()).collect();
            let Halves { above, halves: [one, other] } = Halves::of(&table, all.clone());
            let mut together = [&above[..], &one, &other].concat();
            together.sort_unstable();
            assert_eq!(together, all);
            if all.len() >= FEW && depth < 100 {
                assert!(other.len() * 3 > all.len() && one.len() * 4 > all.len(), "{depth} {children}");
            }
            let group = |index: usize| match index {
                index if above.contains(&index) => 0,
                index if one.contains(&index) => 1,
                _ => 2,
            };
            for index in all.iter().skip(1) {
                let parent = group(table.records[*index].parent as usize);
                assert!(parent == 0 || parent == group(*index), "{index} of {depth} {children}");
            }
        }
    }
}
