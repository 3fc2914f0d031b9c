//! The directories of the previous snapshot, read while the source is walked: decoding them takes about as long as half of the walk.

use super::*;
use crate::file_table::Time;
use crate::repository::index::IdMap;
use crate::repository::node::Node;
use std::ops::Range;

/// The most entries that are kept, about 40 MB. What comes after them is read when it is looked up.
const MOST: usize = 1 << 18;

/// What a directory of a snapshot lists about one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) inode: u64,
    /// `None` when it cannot be read.
    pub(super) mtime: Option<Time>,
    pub(super) ctime: Option<Time>,
    name: Range<u32>,
    /// Content of a file, or the tree of a directory.
    ids: Range<u32>,
}

/// Entries, with all names and all ids together: three allocations instead of two for each.
#[derive(Debug, Default)]
pub(super) struct List {
    entries: Vec<Listed>,
    names: Vec<u8>,
    ids: Vec<Id>,
}

impl List {
    /// Adds an entry, unless it is one that no file tree can have.
    pub(super) fn add(&mut self, node: &Node<'_>) {
        let Some((kind, name)) = node.kind().zip(node::unquote(&node.name)) else { return };
        let (names, ids) = (self.names.len() as u32, self.ids.len() as u32);
        self.names.extend_from_slice(&name);
        match kind {
            Kind::File => self.ids.extend(node.content.iter().flatten().map(|id| id.0)),
            _ => self.ids.extend(node.subtree.map(|subtree| subtree.0)),
        }
        self.entries.push(Listed {
            kind,
            size: node.size,
            inode: node.inode,
            mtime: node.mtime.as_deref().and_then(node::parse_time),
            ctime: node.ctime.as_deref().and_then(node::parse_time),
            name: names..self.names.len() as u32,
            ids: ids..self.ids.len() as u32,
        });
    }

    /// The last entry that was added.
    pub(super) fn last(&self) -> Option<&Listed> {
        self.entries.last()
    }

    pub(super) fn name(&self, listed: &Listed) -> &[u8] {
        &self.names[listed.name.start as usize..listed.name.end as usize]
    }

    /// Content of a file, or the tree of a directory.
    pub(super) fn ids(&self, listed: &Listed) -> &[Id] {
        &self.ids[listed.ids.start as usize..listed.ids.end as usize]
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.names.clear();
        self.ids.clear();
    }
}

/// Directories by the ids of their trees.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) list: List,
    trees: IdMap<Range<usize>>,
}

impl Before {
    /// Reads the directories below a root. Those that cannot be read are missing: whoever looks them up reads them again, and reports it.
    pub(super) fn read(store: &Store, index: &Index, root: Id) -> Self {
        Self::up_to(MOST, store, index, root)
    }

    fn up_to(most: usize, store: &Store, index: &Index, root: Id) -> Self {
        let mut before = Before::default();
        let Ok(mut blobs) = Blobs::new(store, index) else { return before };
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            if before.trees.contains_key(&id) {
                continue;
            }
            let Ok(tree) = blobs.get(BlobKind::Tree, &id) else { continue };
            let start = before.list.entries.len();
            let read = node::for_each(tree, &mut |node| {
                before.list.add(&node);
                match before.list.entries.len() > most {
                    true => Err("there are too many".to_owned()),
                    false => Ok(()),
                }
            });
            if before.list.entries.len() > most {
                break;
            }
            if read.is_ok() {
                let entries = start..before.list.entries.len();
                let directories = before.list.entries[entries.clone()].iter().rev();
                let directories = directories.filter(|listed| listed.kind == Kind::Directory);
                open.extend(directories.flat_map(|listed| before.list.ids(listed)));
                before.trees.insert(id, entries);
            }
        }
        before
    }

    /// The entries of a directory, by its tree.
    pub(super) fn get(&self, tree: &Id) -> Option<&[Listed]> {
        self.list.entries.get(self.trees.get(tree)?.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &List) -> Vec<(&[u8], &[Id])> {
        list.entries.iter().map(|listed| (list.name(listed), list.ids(listed))).collect()
    }

    #[test]
    fn each_entry_has_its_own_name_and_ids() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let tree = format!(
            r#"{{"nodes":[{{"name":"a\\tb","type":"file","content":["{one}","{two}"]}},{{"name":"c","type":"dir","subtree":"{two}"}},
            {{"name":"d","type":"symlink"}},{{"name":"e","type":"nonsense"}},{{"name":"f","type":"file","content":null}}]}}"#
        );
        let mut list = List::default();
        let read = node::for_each(tree.as_bytes(), &mut |node| {
            list.add(&node);
            Ok(())
        });
        read.unwrap();
        let (one, two) = ([0x11; 32], [0x22; 32]);
        assert_eq!(entries(&list), [(&b"a\tb"[..], &[one, two][..]), (b"c", &[two]), (b"d", &[]), (b"f", &[])]);
        assert_eq!(list.last().map(|listed| listed.kind), Some(Kind::File));
        list.clear();
        assert!(list.last().is_none() && list.names.is_empty() && list.ids.is_empty());
    }
}
