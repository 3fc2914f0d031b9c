//! Sizes: what snapshots hold, what of it is stored, and what compression and equal contents save.

use super::Repository;
use super::blobs::Blobs;
use super::index_file::BlobKind;
use super::snapshot::SnapshotInfo;
use crate::file_table::{Id, Kind};
use crate::{ArchiveError, Selection};
use std::collections::{HashMap, HashSet};

/// Sizes of one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotSizes {
    /// Its id, hex.
    pub id: String,
    /// Entries, with the root directory.
    pub entries: u64,
    /// Regular files.
    pub files: u64,
    /// Sum of the sizes of regular files, each hard link, in bytes.
    pub bytes: u64,
    /// The same without holes, each inode once: what a restore writes.
    pub data_bytes: u64,
    /// Bytes that its contents and directories take in the repository.
    pub stored_bytes: u64,
    /// Those that no other snapshot needs: what its removal would free.
    pub own_bytes: u64,
    /// Directories that could not be read: their entries are not counted.
    pub lost: u64,
}

/// Sizes of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositorySizes {
    /// Of each snapshot, in the order that was asked for.
    pub snapshots: Vec<SnapshotSizes>,
    /// Different pieces of content and directories that these snapshots need.
    pub blobs: u64,
    /// Bytes of these, uncompressed.
    pub unique_bytes: u64,
    /// The part of it that is names and attributes: the trees of folders.
    pub tree_bytes: u64,
    /// How many of the blobs are trees.
    pub trees: u64,
    /// Bytes that these take in the repository.
    pub stored_bytes: u64,
    /// Pack files in the whole repository, and their bytes as far as its index knows them.
    pub packs: u64,
    /// Bytes of the packs.
    pub pack_bytes: u64,
}

impl Repository {
    /// Measures snapshots. Contents are not read, directories are.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn sizes(&self, snapshots: &[SnapshotInfo]) -> Result<RepositorySizes, ArchiveError> {
        let mut sizes = RepositorySizes::default();
        let mut needed: HashMap<(BlobKind, Id), (usize, bool)> = HashMap::new();
        let mut index = self.store.load_index()?;
        let mut blobs = Blobs::new(&self.store, &index)?;
        let mut known = HashMap::new();
        for (number, snapshot) in snapshots.iter().enumerate() {
            let loaded =
                super::load::table(&self.store, &mut blobs, (snapshot.tree, snapshot.entries), &Selection::Everything)?;
            let trees = trees(&mut blobs, &mut known, snapshot.tree);
            let table = &loaded.table;
            let links = crate::links::Links::of(table, |index| !table.records[index].left_out);
            let mut one = SnapshotSizes {
                id: snapshot.id.clone(),
                entries: table.len(),
                bytes: table.bytes(),
                lost: loaded.lost.len() as u64,
                ..SnapshotSizes::default()
            };
            for (at, record) in table.records.iter().enumerate() {
                if record.kind == Kind::File && !record.left_out {
                    one.files += 1;
                    if links.first(at) == at {
                        one.data_bytes = one.data_bytes.saturating_add(table.stored(at));
                    }
                }
            }
            let contents = table.ids.iter().map(|id| (BlobKind::Data, *id));
            let all: HashSet<(BlobKind, Id)> =
                contents.chain(trees.into_iter().map(|id| (BlobKind::Tree, id))).collect();
            for key in all {
                let stored = index.get(key.0, &key.1).map_or(0, |location| u64::from(location.length));
                one.stored_bytes += stored;
                needed.entry(key).and_modify(|(_, shared)| *shared = true).or_insert((number, false));
            }
            sizes.snapshots.push(one);
        }
        for ((kind, id), (number, shared)) in &needed {
            let Some(location) = index.get(*kind, id) else { continue };
            let stored = u64::from(location.length);
            let plain = match location.uncompressed_length {
                0 => stored.saturating_sub(super::crypto::OVERHEAD as u64),
                length => length.into(),
            };
            sizes.blobs += 1;
            sizes.stored_bytes += stored;
            sizes.unique_bytes += plain;
            if *kind == BlobKind::Tree {
                sizes.trees += 1;
                sizes.tree_bytes += plain;
            }
            if !shared {
                sizes.snapshots[*number].own_bytes += stored;
            }
        }
        sizes.packs = index.packs.len() as u64;
        sizes.pack_bytes = std::mem::take(&mut index.lengths).iter().sum();
        Ok(sizes)
    }
}

/// All trees of a snapshot that can be read. `known` has the trees below those that were read: snapshots share most of them.
fn trees(blobs: &mut Blobs<'_>, known: &mut HashMap<Id, Vec<Id>>, root: Id) -> HashSet<Id> {
    let mut seen = HashSet::from([root]);
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        let below = known.entry(id).or_insert_with(|| below(blobs, &id));
        open.extend(below.iter().copied().filter(|subtree| seen.insert(*subtree)));
    }
    seen
}

/// The trees directly below one.
fn below(blobs: &mut Blobs<'_>, id: &Id) -> Vec<Id> {
    let mut found = vec![];
    let Ok(tree) = blobs.get(BlobKind::Tree, id) else { return found };
    // What cannot be understood was counted as lost.
    let _ = super::node::for_each(tree, &mut |node| {
        found.extend(node.subtree.as_ref().map(|subtree| subtree.0));
        Ok(())
    });
    found
}
