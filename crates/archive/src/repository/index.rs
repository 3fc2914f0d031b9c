//! Where blobs are: the map that is made of index files.

use super::index_file::{BlobKind, IndexFile, IndexPack, Notes};
use crate::file_table::Id;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Where one blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    /// Number of the pack in [`Index::packs`].
    pub(crate) pack: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) uncompressed_length: u32,
}

/// Ids are hashes already: their first bytes suffice.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    // The length of the array, which is always the same.
    fn write_usize(&mut self, _: usize) {}
}

pub(crate) type IdMap<V> = HashMap<Id, V, BuildHasherDefault<IdHasher>>;

/// Bytes of a pack's header beside its entries: its encryption, and the length at the very end (restic's doc/design.rst).
const HEADER: u64 = super::crypto::OVERHEAD as u64 + 4;
/// Bytes of an entry in a pack's header.
const ENTRY: u64 = 37;
/// The same for a blob that is compressed.
const ENTRY_COMPRESSED: u64 = 41;

/// An index file that cannot be read.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    pub(crate) id: Id,
    pub(crate) cause: String,
    /// Its bytes were read and are damaged: they are useless.
    pub(crate) is_damaged: bool,
}

/// A pack that waits to be removed.
#[derive(Clone, Debug)]
pub(crate) struct Marked {
    /// The index file that says so.
    pub(crate) file: Id,
    pub(crate) pack: IndexPack,
    /// See [`IndexFile::lifeboat_holders`].
    pub(crate) holders: Option<BTreeSet<String>>,
}

/// Where all blobs of a repository are.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) packs: Vec<Id>,
    /// End of the last blob that is known in each pack.
    pub(crate) ends: Vec<u32>,
    /// Length of each pack with the header that lists these blobs.
    pub(crate) lengths: Vec<u64>,
    data: IdMap<Location>,
    trees: IdMap<Location>,
    /// Index files that could not be read.
    pub(crate) unreadable: Vec<Unreadable>,
    /// What was found damaged, and the files that record it.
    pub(crate) damaged: Notes,
    pub(crate) note_files: Vec<Id>,
    /// The index files that were read.
    pub(crate) files: HashSet<Id>,
    /// Packs that wait to be removed, unless an index file names them otherwise.
    pub(crate) marked: HashMap<Id, Marked>,
    /// Packs that no index file names have been searched.
    pub(crate) complete: bool,
    /// Further copies of blobs; there are few.
    copies: HashMap<(BlobKind, Id), Vec<Location>>,
}

impl Index {
    /// Adds which packs an index file marks for removal.
    pub(crate) fn add_marked(&mut self, id: &Id, file: &IndexFile) {
        for pack in &file.packs_to_delete {
            let marked = Marked { file: *id, pack: pack.clone(), holders: file.lifeboat_holders.clone() };
            self.marked.insert(pack.id, marked);
        }
    }

    /// Adds the packs that wait to be removed and are there.
    pub(crate) fn add_waiting(&mut self, sizes: &[(Id, u64)]) {
        let named: HashSet<Id> = self.packs.iter().copied().collect();
        let there = |id: &Id| sizes.binary_search_by_key(id, |(id, _)| *id).is_ok();
        let waiting = self.marked.values().filter(|marked| !named.contains(&marked.pack.id) && there(&marked.pack.id));
        let mut packs: Vec<IndexPack> = waiting.map(|marked| marked.pack.clone()).collect();
        packs.sort_unstable_by_key(|pack| pack.id);
        self.add_behind(packs);
    }

    /// Adds the content of an index file.
    pub(crate) fn add(&mut self, file: IndexFile) {
        file.note_into(&mut self.damaged);
        self.add_packs(file.packs, false);
    }

    /// Adds packs whose blobs are read from there only if they are nowhere else.
    pub(crate) fn add_behind(&mut self, packs: Vec<IndexPack>) {
        self.add_packs(packs, true);
    }

    fn add_packs(&mut self, packs: Vec<IndexPack>, behind: bool) {
        for pack in packs {
            let number = self.packs.len() as u32;
            self.packs.push(pack.id);
            let (mut last, mut header) = (0, HEADER);
            for blob in pack.blobs {
                last = last.max(blob.offset.saturating_add(blob.length));
                header += if blob.uncompressed_length == 0 { ENTRY } else { ENTRY_COMPRESSED };
                let location = Location {
                    pack: number,
                    offset: blob.offset,
                    length: blob.length,
                    uncompressed_length: blob.uncompressed_length,
                };
                let copy = match self.map_mut(blob.kind).entry(blob.id) {
                    Entry::Vacant(entry) => {
                        entry.insert(location);
                        continue;
                    }
                    Entry::Occupied(_) if behind => location,
                    Entry::Occupied(mut entry) => entry.insert(location),
                };
                self.copies.entry((blob.kind, blob.id)).or_default().push(copy);
            }
            self.ends.push(last);
            self.lengths.push(u64::from(last) + header);
        }
    }

    /// Other places of a blob than that of [`Index::get`].
    pub(crate) fn copies(&self, kind: BlobKind, id: &Id) -> &[Location] {
        self.copies.get(&(kind, *id)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Forgets all places in packs that are not `good`, numbered as in [`Index::packs`]; returns the blobs that have no other.
    pub(crate) fn keep_packs(&mut self, good: &dyn Fn(u32) -> bool) -> Vec<(BlobKind, Id)> {
        self.keep(&|_, _, location| good(location.pack))
    }

    /// Forgets all places that are not `good`; returns the blobs that have no other.
    pub(crate) fn keep(&mut self, good: &dyn Fn(BlobKind, &Id, &Location) -> bool) -> Vec<(BlobKind, Id)> {
        self.copies.retain(|(kind, id), places| {
            places.retain(|location| good(*kind, id, location));
            !places.is_empty()
        });
        let mut lost = vec![];
        for kind in [BlobKind::Data, BlobKind::Tree] {
            let bad = self.map_mut(kind).iter().filter(|(id, location)| !good(kind, id, location));
            let bad: Vec<Id> = bad.map(|(id, _)| *id).collect();
            for id in bad {
                match self.copies.get_mut(&(kind, id)).and_then(Vec::pop) {
                    Some(location) => {
                        self.map_mut(kind).insert(id, location);
                    }
                    None => {
                        self.map_mut(kind).remove(&id);
                        lost.push((kind, id));
                    }
                }
            }
        }
        lost
    }

    /// Everything that is in some packs, in the order of positions.
    pub(crate) fn lying_in(&self, packs: &std::collections::HashSet<u32>) -> Vec<(Location, BlobKind, Id)> {
        let mut found: Vec<_> = self.places().filter(|(place, _, _)| packs.contains(&place.pack)).collect();
        found.sort_unstable();
        found
    }

    /// Every place of every blob, in no order.
    pub(crate) fn places(&self) -> impl Iterator<Item = (Location, BlobKind, Id)> + '_ {
        let first = [(BlobKind::Data, &self.data), (BlobKind::Tree, &self.trees)];
        let first = first.into_iter().flat_map(|(kind, map)| map.iter().map(move |(id, place)| (*place, kind, *id)));
        let further =
            self.copies.iter().flat_map(|((kind, id), places)| places.iter().map(|place| (*place, *kind, *id)));
        first.chain(further)
    }

    /// Forgets all trees that are not `good`; returns them.
    pub(crate) fn keep_trees(&mut self, good: &dyn Fn(&Id) -> bool) -> Vec<Id> {
        let mut lost = vec![];
        self.trees.retain(|id, _| {
            let stays = good(id);
            if !stays {
                lost.push(*id);
            }
            stays
        });
        lost
    }

    pub(crate) fn get(&self, kind: BlobKind, id: &Id) -> Option<Location> {
        match kind {
            BlobKind::Data => self.data.get(id).copied(),
            BlobKind::Tree => self.trees.get(id).copied(),
        }
    }

    fn map_mut(&mut self, kind: BlobKind) -> &mut IdMap<Location> {
        match kind {
            BlobKind::Data => &mut self.data,
            BlobKind::Tree => &mut self.trees,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::index_file::IndexBlob;
    use super::*;

    #[test]
    fn an_index_as_restic_writes_it() {
        // doc/design.rst, "Indexing"
        let text = r#"{"supersedes":["ed54ae36197f4745ebc4b54d10e0f623eaaaedd03013eb7ae90df881b7781452"],"packs":[{
            "id":"73d04e6125cf3c28a299cc2f3cca3b78ceac396e4fcf9575e34536b26782413c","blobs":[
            {"id":"3ec79977ef0cf5de7b08cd12b874cd0f62bbaf7f07f3497a5b1bbcc8cb39b1ce","type":"data","offset":0,"length":38,"uncompressed_length":6},
            {"id":"9ccb846e60d90d4eb915848add7aa7ea1e4bbabfc60e573db9f7bfb2789afbae","type":"tree","offset":38,"length":112,"uncompressed_length":511}]}]}"#;
        let mut index = Index::default();
        index.add(serde_json::from_str(text).unwrap());
        assert_eq!((index.packs.len(), index.ends[0]), (1, 150));
        assert_eq!(index.lengths[0], 150 + 32 + 4 + 41 * 2);
        let id =
            super::super::crypto::unhex("3ec79977ef0cf5de7b08cd12b874cd0f62bbaf7f07f3497a5b1bbcc8cb39b1ce").unwrap();
        assert_eq!(index.get(BlobKind::Data, &id).unwrap().length, 38);
        assert_eq!(index.get(BlobKind::Tree, &id), None);
    }

    #[test]
    fn a_second_copy_takes_the_place_of_a_lost_one() {
        let blob = |first: u8, offset| IndexBlob {
            id: [first; 32],
            kind: BlobKind::Data,
            offset,
            length: 40,
            uncompressed_length: 0,
        };
        let mut index = Index::default();
        index.add(IndexFile {
            packs: vec![
                IndexPack::new([1; 32], vec![blob(7, 0), blob(8, 40)]),
                IndexPack::new([2; 32], vec![blob(7, 0)]),
                IndexPack::new([3; 32], vec![blob(9, 0), blob(8, 40)]),
            ],
            ..IndexFile::default()
        });
        let ids = |packs: &[u32]| -> Vec<u8> {
            index.lying_in(&packs.iter().copied().collect()).iter().map(|(_, _, id)| id[0]).collect()
        };
        assert_eq!((ids(&[0]), ids(&[1, 2]), ids(&[])), (vec![7, 8], vec![7, 9, 8], vec![]));
        assert_eq!(index.copies(BlobKind::Data, &[7; 32])[0].pack, 0);
        let lost = index.keep_packs(&|pack| pack == 0);
        assert_eq!(lost, [(BlobKind::Data, [9; 32])]);
        let pack = |id| index.get(BlobKind::Data, &[id; 32]).map(|location| location.pack);
        assert_eq!([7, 8, 9].map(pack), [Some(0), Some(0), None]);
        assert!(index.copies(BlobKind::Data, &[7; 32]).is_empty());
    }
}
