//! What snapshots need: every tree below every snapshot is read once.

use super::super::blobs::Blobs;
use super::super::index::{IdMap, Index};
use super::super::index_file::BlobKind;
use super::super::snapshot::SnapshotInfo;
use super::super::store::Store;
use super::super::{Repository, crypto, load, node};
use crate::file_table::Id;
use crate::report::Progress;
use crate::{ArchiveError, Observer, Quiet, Selection};
use std::collections::hash_map::Entry;

/// Of a blob that is nowhere.
pub(in crate::repository) const NOWHERE: u32 = u32::MAX;
/// Problems that are listed.
const NAMED: usize = 20;
/// Trees between two reports of progress.
const STEP: u64 = 256;

/// Every blob that a snapshot needs, with the number of the pack that is to keep it.
#[derive(Default)]
pub(in crate::repository) struct Needed {
    data: IdMap<u32>,
    trees: IdMap<u32>,
}

impl Needed {
    fn map(&self, kind: BlobKind) -> &IdMap<u32> {
        if kind == BlobKind::Data { &self.data } else { &self.trees }
    }

    /// Where a blob is to stay; `None` when no snapshot needs it.
    pub(super) fn home(&self, kind: BlobKind, id: &Id) -> Option<u32> {
        self.map(kind).get(id).copied()
    }

    /// Goes through all of them; what is returned is their home from now on.
    pub(in crate::repository) fn for_each(&mut self, each: &mut dyn FnMut(BlobKind, &Id, u32) -> u32) {
        for (kind, map) in [(BlobKind::Data, &mut self.data), (BlobKind::Tree, &mut self.trees)] {
            map.iter_mut().for_each(|(id, home)| *home = each(kind, id, *home));
        }
    }

    /// Something is nowhere.
    pub(super) fn has_lost(&self) -> bool {
        self.data.values().chain(self.trees.values()).any(|home| *home == NOWHERE)
    }
}

/// Adds what snapshots need; returns what cannot be read, with the snapshots that need it.
pub(in crate::repository) fn read(
    store: &Store,
    index: &Index,
    snapshots: &[SnapshotInfo],
    needed: &mut Needed,
    observer: &dyn Observer,
) -> Result<Vec<String>, ArchiveError> {
    let mut blobs = Blobs::new(store, index)?;
    let mut problems = vec![];
    let mut trees = 0_u64;
    for snapshot in snapshots {
        let mut open = vec![snapshot.tree];
        let mut unread = vec![];
        while let Some(id) = open.pop() {
            match needed.trees.entry(id) {
                Entry::Occupied(_) => continue,
                Entry::Vacant(entry) => entry.insert(NOWHERE),
            };
            trees += 1;
            if trees.is_multiple_of(STEP) {
                observer.progress(&Progress { phase: "trees", entries: trees, ..Progress::default() });
            }
            let tree = blobs.get(BlobKind::Tree, &id);
            let read = tree.map_err(|error| error.to_string()).and_then(|tree| {
                let Needed { data, .. } = &mut *needed;
                node::for_each(tree, &mut |node| {
                    node.content.iter().flatten().for_each(|id| {
                        data.entry(id.0).or_insert(NOWHERE);
                    });
                    open.extend(node.subtree.map(|id| id.0));
                    Ok(())
                })
                .map_err(|error| store.damaged(format!("tree {}", crypto::hex(&id[..4])), error).to_string())
            });
            if let Err(cause) = read {
                if let Some(lost) = store.lost() {
                    return Err(lost);
                }
                unread.push(format!("what snapshot {} needs is not known: {cause}", snapshot.short_id()));
            }
        }
        if !unread.is_empty() {
            let paths = named(store, &mut blobs, snapshot)?;
            problems.extend(if paths.is_empty() { unread } else { paths });
        }
    }
    Ok(problems)
}

/// The directories of a snapshot that cannot be read, by their paths.
fn named(store: &Store, blobs: &mut Blobs<'_>, snapshot: &SnapshotInfo) -> Result<Vec<String>, ArchiveError> {
    let loaded = match load::table(store, blobs, (snapshot.tree, snapshot.entries), &Selection::Everything) {
        Ok(loaded) => loaded,
        // Its root cannot be read: there are no paths.
        Err(error) => return store.lost().map_or(Ok(vec![]), |_| Err(error)),
    };
    let id = snapshot.short_id();
    let named = |lost: &load::Lost| format!("what snapshot {id} needs is not known: {lost}");
    Ok(loaded.lost.iter().take(NAMED).map(named).collect())
}

/// The snapshots that lack something, with the files that are known to be affected.
pub(super) fn missing(
    repository: &Repository,
    index: &Index,
    snapshots: &[SnapshotInfo],
    needed: &Needed,
) -> Result<Vec<String>, ArchiveError> {
    let mut texts = vec![];
    for snapshot in snapshots {
        let mut own = Needed::default();
        read(&repository.store, index, std::slice::from_ref(snapshot), &mut own, &Quiet)?;
        let mut lacks = false;
        own.for_each(&mut |kind, id, home| {
            lacks |= needed.home(kind, id) == Some(NOWHERE);
            home
        });
        if !lacks {
            continue;
        }
        let id = snapshot.short_id();
        texts.push(format!("snapshot {id} needs what is in no pack that is whole"));
        let files = repository.missing(snapshot)?.into_iter();
        texts.extend(files.map(|file| format!("snapshot {id}: {}: {}", file.path.display(), file.message)).take(NAMED));
    }
    Ok(texts)
}
