//! Which entries of a snapshot are selected.

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
        match self {
            Selection::Everything => Selection::Everything,
            Selection::Paths(paths) => {
                let below = |path: &Path| path.parent().is_some_and(are);
                Selection::Paths(paths.iter().filter(|path| !below(path)).cloned().collect())
            }
        }
    }

    /// The choice for each record of a table, and the paths that match nothing.
    pub(crate) fn choose(&self, table: &FileTable) -> (Vec<Choice>, Vec<PathBuf>) {
        let mut choices = vec![Choice::No; table.records.len()];
        let mut unknown = vec![];
        let everything = [PathBuf::from("/")];
        let paths: &[PathBuf] = match self {
            Selection::Everything => &everything,
            Selection::Paths(paths) => paths,
        };
        for path in paths {
            match table.follow(path) {
                Some(index) => select(table, &mut choices, index),
                None => unknown.push(path.clone()),
            }
        }
        if let Some(own) = table.child_of_root(OWN_DIRECTORY) {
            mark(table, &mut choices, own, Choice::No);
        }
        (choices, unknown)
    }
}

fn select(table: &FileTable, choices: &mut [Choice], index: usize) {
    mark(table, choices, index, Choice::Yes);
    let mut parent = index;
    while parent != 0 {
        parent = table.records[parent].parent as usize;
        if choices[parent] == Choice::No {
            choices[parent] = Choice::Way;
        }
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
}
