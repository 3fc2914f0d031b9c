//! Which entries of a snapshot are selected.

use crate::Pattern;
use crate::file_table::{FileTable, Kind};
use std::path::{Path, PathBuf};

/// Which entries of a snapshot are restored or compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    #[default]
    Everything,
    /// These paths of the archive, with all below them; the directories that lead to them are created where they are
    /// missing, and otherwise left as they are.
    Paths(Vec<PathBuf>),
    /// Those that fit patterns.
    Patterns(Patterns),
}

/// Entries by patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    /// Only what is at or below these paths; everything when there are none.
    pub paths: Vec<PathBuf>,
    /// Only what fits one of these, or is below what does; everything when there are none.
    pub include: Vec<Pattern>,
    /// Without what fits one of these, and what is below it.
    pub exclude: Vec<Pattern>,
}

/// The directory of a snapshot that holds what Lifeboat keeps beside the files.
pub(crate) const OWN_DIRECTORY: &[u8] = b".lifeboat";

/// What a selection means for a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Not selected.
    No,
    /// A directory that leads to something selected.
    Way,
    /// Selected.
    Yes,
}

impl Selection {
    /// The same without the paths for which `are` holds, already reported ones. Directories that are chosen themselves stay.
    pub(crate) fn without(&self, are: &dyn Fn(&Path) -> bool) -> Selection {
        let others = |paths: &[PathBuf]| -> Vec<PathBuf> {
            let below = |path: &Path| path.parent().is_some_and(are);
            paths.iter().filter(|path| !below(path)).cloned().collect()
        };
        match self {
            Selection::Everything => Selection::Everything,
            Selection::Paths(paths) => Selection::Paths(others(paths)),
            // Without a path everything would be meant.
            Selection::Patterns(patterns) if patterns.paths.iter().any(|path| !path.parent().is_some_and(are)) => {
                Selection::Patterns(Patterns { paths: others(&patterns.paths), ..patterns.clone() })
            }
            Selection::Patterns(patterns) => Selection::Patterns(patterns.clone()),
        }
    }

    /// The paths that are named, with which directories must be read; `None` for all.
    pub(crate) fn paths(&self) -> Option<&[PathBuf]> {
        match self {
            Selection::Everything => None,
            Selection::Paths(paths) => Some(paths),
            Selection::Patterns(patterns) => Some(&patterns.paths[..]).filter(|paths| !paths.is_empty()),
        }
    }

    /// Nothing of a table is selected.
    pub fn is_empty(&self, table: &FileTable) -> bool {
        self.choose(table).0.iter().all(|choice| *choice != Choice::Yes)
    }

    /// The choice for each record of a table, and the paths that match nothing.
    pub(crate) fn choose(&self, table: &FileTable) -> (Vec<Choice>, Vec<PathBuf>) {
        let mut choices = vec![Choice::No; table.records.len()];
        let mut unknown = vec![];
        let everything = [PathBuf::from("/")];
        for path in self.paths().unwrap_or(&everything) {
            match table.follow(path) {
                Some(index) => select(table, &mut choices, index),
                None => unknown.push(path.clone()),
            }
        }
        if let Selection::Patterns(patterns) = self {
            patterns.narrow(table, &mut choices);
        }
        if !table.has_other_root
            && let Some(own) = table.child_of_root(OWN_DIRECTORY)
        {
            mark(table, &mut choices, own, Choice::No);
        }
        (choices, unknown)
    }
}

impl Patterns {
    /// Leaves of what is chosen only that which fits.
    fn narrow(&self, table: &FileTable, choices: &mut [Choice]) {
        let before = choices.to_vec();
        choices.fill(Choice::No);
        // Whether the record is in something that is included; a directory comes before what is in it.
        let mut open = vec![(0, PathBuf::from("/"), self.include.is_empty())];
        while let Some((index, path, inside)) = open.pop() {
            if before[index] == Choice::No || self.exclude.iter().any(|pattern| pattern.matches(&path)) {
                continue;
            }
            let inside = inside || self.include.iter().any(|pattern| pattern.matches(&path));
            if inside && before[index] == Choice::Yes && !table.records[index].left_out {
                choices[index] = Choice::Yes;
                lead(table, choices, index);
            }
            let name = |child| std::os::unix::ffi::OsStrExt::from_bytes(table.name(child));
            open.extend(table.children(index).map(|child| {
                let name: &std::ffi::OsStr = name(child);
                (child, path.join(name), inside)
            }));
        }
    }

    /// The patterns to include that match nothing in a table.
    pub fn without_effect(&self, table: &FileTable) -> Vec<&Pattern> {
        let mut rest: Vec<&Pattern> = self.include.iter().collect();
        for index in 0..table.records.len() {
            if rest.is_empty() {
                break;
            }
            if !table.records[index].left_out {
                let path = table.path(index);
                rest.retain(|pattern| !pattern.matches(&path));
            }
        }
        rest
    }
}

fn select(table: &FileTable, choices: &mut [Choice], index: usize) {
    mark(table, choices, index, Choice::Yes);
    lead(table, choices, index);
}

/// Marks the directories that lead to a record.
fn lead(table: &FileTable, choices: &mut [Choice], index: usize) {
    let mut parent = index;
    while parent != 0 {
        parent = table.records[parent].parent as usize;
        if choices[parent] != Choice::No {
            break;
        }
        choices[parent] = Choice::Way;
    }
}

fn mark(table: &FileTable, choices: &mut [Choice], index: usize, choice: Choice) {
    let mut stack = vec![index];
    while let Some(index) = stack.pop() {
        if !table.records[index].left_out {
            choices[index] = choice;
            stack.extend(table.children(index));
        }
    }
}

impl FileTable {
    fn child_of_root(&self, name: &[u8]) -> Option<usize> {
        let is_directory = self.records.first().is_some_and(|root| root.kind == Kind::Directory);
        is_directory.then(|| self.child(0, name)).flatten()
    }
}

/// Reports whether a path of the archive is, or is in, Lifeboat's own directory.
pub(crate) fn is_own(path: &Path) -> bool {
    path.starts_with("/.lifeboat")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_table::tests::small;

    #[test]
    fn a_path_brings_its_way() {
        let table = small();
        let (choices, unknown) = Selection::Paths(vec!["/b/nothing".into(), "/b".into()]).choose(&table);
        assert_eq!(choices, [Choice::Way, Choice::No, Choice::Yes, Choice::Yes]);
        assert_eq!(unknown, [PathBuf::from("/b/nothing")]);
        assert_eq!(Selection::Everything.choose(&table).0, [Choice::Yes; 4]);
    }

    #[test]
    fn patterns_narrow_what_is_chosen() {
        let table = small();
        let patterns = |paths: &[&str], include: &[&str], exclude: &[&str]| {
            let list = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text, false).unwrap()).collect();
            let paths = paths.iter().map(PathBuf::from).collect();
            Selection::Patterns(Patterns { paths, include: list(include), exclude: list(exclude) })
        };
        use Choice::{No, Way, Yes};
        for (selection, choices) in [
            (patterns(&[], &["c*"], &[]), [Way, No, Way, Yes]),
            (patterns(&[], &["b"], &[]), [Way, No, Yes, Yes]),
            (patterns(&[], &[], &["b"]), [Yes, Yes, No, No]),
            (patterns(&["/b"], &["a", "c*"], &[]), [Way, No, Way, Yes]),
            (patterns(&["/b"], &["b"], &["/b/*"]), [Way, No, Yes, No]),
            (patterns(&["/a"], &["c*"], &[]), [No, No, No, No]),
        ] {
            assert_eq!(selection.choose(&table).0, choices, "{selection:?}");
        }
        let Selection::Patterns(some) = patterns(&[], &["c*", "none"], &[]) else { unreachable!() };
        assert_eq!(some.without_effect(&table).iter().map(|p| p.text()).collect::<Vec<_>>(), ["none"]);
    }
}
