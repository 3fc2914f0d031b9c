//! The directories of the previous snapshot, read while the source is walked: decoding them takes about as long as half of the walk.

use super::*;
use crate::file_table::Time;
use crate::repository::node::Node;

/// The most entries that are kept, about 40 MB. What comes after them is read when it is looked up.
const MOST: usize = 1 << 18;

/// What a directory of a snapshot lists about one entry.
pub(super) struct Listed {
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) inode: u64,
    /// `None` when it cannot be read.
    pub(super) mtime: Option<Time>,
    pub(super) ctime: Option<Time>,
    pub(super) content: Box<[Id]>,
    pub(super) subtree: Option<Id>,
}

impl Listed {
    /// `None` for what no file tree can have.
    pub(super) fn of(node: &Node<'_>) -> Option<Self> {
        Some(Listed {
            name: node::unquote(&node.name)?,
            kind: node.kind()?,
            size: node.size,
            inode: node.inode,
            mtime: node.mtime.as_deref().and_then(node::parse_time),
            ctime: node.ctime.as_deref().and_then(node::parse_time),
            content: node.content.iter().flatten().map(|id| id.0).collect(),
            subtree: node.subtree.map(|subtree| subtree.0),
        })
    }
}

/// Directories by the ids of their trees.
#[derive(Default)]
pub(super) struct Before {
    trees: HashMap<Id, Vec<Listed>>,
}

impl Before {
    /// Reads the directories below a root. Those that cannot be read are missing: whoever looks them up reads them again, and reports it.
    pub(super) fn read(store: &Store, index: &Index, root: Id) -> Self {
        Self::up_to(MOST, store, index, root)
    }

    fn up_to(most: usize, store: &Store, index: &Index, root: Id) -> Self {
        let mut before = Before::default();
        let Ok(mut blobs) = Blobs::new(store, index) else { return before };
        let (mut open, mut entries) = (vec![root], 0);
        while let Some(id) = open.pop() {
            if before.trees.contains_key(&id) {
                continue;
            }
            let Ok(tree) = blobs.get(BlobKind::Tree, &id) else { continue };
            let mut list = vec![];
            let read = node::for_each(tree, &mut |node| {
                entries += 1;
                if entries > most {
                    return Err("there are too many".to_owned());
                }
                list.extend(Listed::of(&node));
                Ok(())
            });
            if entries > most {
                break;
            }
            if read.is_ok() {
                // The first one next: see `Blobs`.
                open.extend(list.iter().rev().filter_map(|listed: &Listed| listed.subtree));
                before.trees.insert(id, list);
            }
        }
        before
    }

    pub(super) fn get(&self, tree: &Id) -> Option<&[Listed]> {
        self.trees.get(tree).map(Vec::as_slice)
    }
}
