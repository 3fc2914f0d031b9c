//! A part of a table as a table of its own, for restoring it elsewhere or under another name.

use super::{FileTable, Kind, More, Record};
use std::path::Path;

impl FileTable {
    /// Makes a directory the root directory: what is in it has its path from there.
    pub(crate) fn make_root(&mut self, index: usize) {
        if index == 0 || self.records[index].kind != Kind::Directory {
            return;
        }
        let old = self.path(index);
        self.take_inode(index, 0);
        self.share_more(index, 0);
        for child in self.children(0) {
            self.records[child].parent = 0;
        }
        self.below(&old, Path::new("/"));
    }

    /// Leaves one entry, with all below it, under this name in a new root directory that has no attributes of its own. The root
    /// directory itself stays as it is.
    pub(crate) fn isolate(&mut self, index: usize, name: &[u8]) {
        if index == 0 {
            return;
        }
        let old = self.path(index);
        let named = self.push(Record::new(Kind::File), name, More::default());
        let (start, length) = (self.records[named].name_start, self.records[named].name_length);
        self.records.truncate(named);
        let record = &mut self.records[index];
        (record.parent, record.name_start, record.name_length) = (0, start, length);
        let mut root = Record::new(Kind::Directory);
        (root.mode, root.start, root.count) = (0o755, index as u32, 1);
        (root.name_start, root.name_length) = (self.records[0].name_start, 0);
        self.records[0] = root;
        let new = self.path(index);
        self.below(&old, &new);
    }

    /// Moves what is known by path from one directory to another; what is elsewhere is forgotten.
    fn below(&mut self, old: &Path, new: &Path) {
        self.under.retain_mut(|under| match under.path.strip_prefix(old) {
            Ok(rest) if rest.as_os_str().is_empty() => false,
            Ok(rest) => {
                under.path = new.join(rest);
                true
            }
            Err(_) => false,
        });
        self.has_other_root = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::small;
    use crate::Selection;
    use crate::selection::Choice::{No, Way, Yes};
    use std::path::Path;

    #[test]
    fn a_directory_becomes_the_root() {
        let mut table = small();
        table.make_root(2);
        assert_eq!(table.path(3).as_os_str().as_encoded_bytes(), b"/c\xff");
        assert_eq!(Selection::Everything.choose(&table).0, [Yes, No, No, Yes]);
    }

    #[test]
    fn an_entry_gets_another_name() {
        for (index, path, inner) in [(3, "/new", "/new"), (2, "/new", "/new/c\u{fffd}")] {
            let mut table = small();
            table.isolate(index, b"new");
            assert_eq!(table.path(index), Path::new(path));
            assert_eq!(table.path(3).to_string_lossy(), inner);
            let selection = Selection::Paths(vec!["/new".into()]);
            let choices = selection.choose(&table).0;
            assert_eq!((choices[0], choices[1], choices[index], choices[3]), (Way, No, Yes, Yes));
        }
    }
}
