//! Takes over from the previous snapshot what has not changed.

use super::before::{Before, List, Listed};
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

/// Looks up the files of a table in a snapshot, of which some directories were read `before`. If a part of it cannot be read, more files
/// are read again.
pub(super) fn take_over(
    store: &Store,
    index: &Index,
    (parent, before): (&SnapshotInfo, &Before),
    table: &mut FileTable,
) -> Taken {
    let mut taken = Taken { known: vec![0; table.records.len() / 64 + 1], ..Taken::default() };
    let Ok(mut blobs) = Blobs::new(store, index) else { return taken };
    // A file that changed in the second in which it was read may have the same times and different content
    // ("racy" in git's terms: Documentation/technical/racy-git.txt).
    let safe_before = (parent.nanoseconds / 1_000_000_000) as i64 - 1;
    // Huge directories need no second copy.
    let mut one = List::default();
    let mut open = vec![(0, parent.tree)];
    while let Some((directory, id)) = open.pop() {
        // Equal directories have equal trees.
        if let Some(list) = before.get(&id) {
            for listed in list {
                taken.look_up(index, safe_before, (table, directory), (&before.list, listed), &mut open);
            }
            taken.trees.insert(id);
            continue;
        }
        let tree = match blobs.get(BlobKind::Tree, &id) {
            Ok(tree) => tree,
            Err(error) => {
                taken.unreadable.push((table.path(directory), error.to_string()));
                continue;
            }
        };
        let read = node::for_each(tree, &mut |node| {
            one.clear();
            one.add(&node);
            if let Some(listed) = one.last() {
                taken.look_up(index, safe_before, (table, directory), (&one, listed), &mut open);
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

impl Taken {
    /// Looks up one entry of a directory: a file's content is taken over, a directory is to be looked at.
    fn look_up(
        &mut self,
        index: &Index,
        safe_before: i64,
        (table, directory): (&mut FileTable, usize),
        (list, listed): (&List, &Listed),
        open: &mut Vec<(usize, Id)>,
    ) {
        let Some(child) = table.child(directory, list.name(listed)) else { return };
        let record = &table.records[child];
        if record.kind != listed.kind {
            return;
        }
        let content = list.ids(listed);
        match record.kind {
            Kind::Directory => open.extend(content.iter().map(|subtree| (child, *subtree))),
            Kind::File => {
                let unchanged = listed.size == record.size
                    && listed.inode == record.inode
                    && listed.mtime == Some(record.mtime)
                    && listed.ctime == Some(record.ctime);
                if !unchanged {
                    self.changed += 1;
                    return;
                }
                let is_there = content.iter().all(|id| index.get(BlobKind::Data, id).is_some());
                let is_sure = is_there && record.ctime.seconds < safe_before;
                let (start, count) = (table.ids.len(), content.len());
                table.ids.extend_from_slice(content);
                if is_sure {
                    let record = &mut table.records[child];
                    (record.start, record.count) = (start as u32, count as u32);
                    self.insert(child);
                    self.unchanged += 1;
                } else {
                    self.doubtful.insert(child, start..start + count);
                    self.changed += 1;
                }
            }
            _ => {}
        }
    }
}
