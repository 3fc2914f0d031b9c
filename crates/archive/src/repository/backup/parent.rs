//! Takes over from the previous snapshot what has not changed.

use super::*;
use std::collections::HashSet;
use std::path::PathBuf;

/// What was found in the previous snapshot.
#[derive(Default)]
pub(super) struct Taken {
    /// One bit per record: its content is known.
    known: Vec<u64>,
    /// Unchanged files.
    pub(super) unchanged: u64,
    /// Files that exist, but differ, or may differ.
    pub(super) changed: u64,
    /// Trees that were read and are intact.
    pub(super) trees: HashSet<Id>,
    /// Directories whose trees cannot be read, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
    /// Of the changed ones, files that look unchanged, but not certainly, with their previous content as a range of ids.
    pub(super) doubtful: HashMap<usize, std::ops::Range<usize>>,
}

impl Taken {
    /// Reports whether the content of a file is known.
    pub(super) fn has(&self, index: usize) -> bool {
        self.known.get(index / 64).is_some_and(|bits| bits & (1 << (index % 64)) != 0)
    }

    fn insert(&mut self, index: usize) {
        if let Some(bits) = self.known.get_mut(index / 64) {
            *bits |= 1 << (index % 64);
        }
    }
}

/// Looks up the files of a table in a snapshot. If a part of it cannot be read, more files are read again.
pub(super) fn take_over(store: &Store, index: &Index, parent: &SnapshotInfo, table: &mut FileTable) -> Taken {
    let mut taken = Taken { known: vec![0; table.records.len() / 64 + 1], ..Taken::default() };
    let Ok(mut blobs) = Blobs::new(store, index) else { return taken };
    // A file that changed in the second in which it was read may have the same times and different content
    // ("racy" in git's terms: Documentation/technical/racy-git.txt).
    let safe_before = (parent.nanoseconds / 1_000_000_000) as i64 - 1;
    let mut open = vec![(0, parent.tree)];
    while let Some((directory, id)) = open.pop() {
        // Equal directories have equal trees.
        let tree = match blobs.get(BlobKind::Tree, &id) {
            Ok(tree) => tree,
            Err(error) => {
                taken.unreadable.push((table.path(directory), error.to_string()));
                continue;
            }
        };
        let read = node::for_each(tree, &mut |node| {
            let Some(child) = node::unquote(&node.name).and_then(|name| table.child(directory, &name)) else {
                return Ok(());
            };
            let record = &table.records[child];
            if Some(record.kind) != node.kind() {
                return Ok(());
            }
            match record.kind {
                Kind::Directory => open.extend(node.subtree.map(|subtree| (child, subtree.0))),
                Kind::File => {
                    let same = |text: &Option<std::borrow::Cow<'_, str>>, time| {
                        text.as_deref().and_then(node::parse_time) == Some(time)
                    };
                    let content = node.content.as_deref().unwrap_or_default();
                    let unchanged = node.size == record.size
                        && node.inode == record.inode
                        && same(&node.mtime, record.mtime)
                        && same(&node.ctime, record.ctime);
                    if !unchanged {
                        taken.changed += 1;
                        return Ok(());
                    }
                    let is_there = content.iter().all(|id| index.get(BlobKind::Data, &id.0).is_some());
                    let is_sure = is_there && record.ctime.seconds < safe_before;
                    let (start, count) = (table.ids.len(), content.len());
                    table.ids.extend(content.iter().map(|id| id.0));
                    if is_sure {
                        let record = &mut table.records[child];
                        (record.start, record.count) = (start as u32, count as u32);
                        taken.insert(child);
                        taken.unchanged += 1;
                    } else {
                        taken.doubtful.insert(child, start..start + count);
                        taken.changed += 1;
                    }
                }
                _ => {}
            }
            Ok(())
        });
        match read {
            Ok(()) => {
                taken.trees.insert(id);
            }
            Err(error) => taken.unreadable.push((table.path(directory), error)),
        }
    }
    taken
}
