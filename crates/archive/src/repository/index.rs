//! Where blobs are: restic's index files, and the map made of them.

use super::crypto::hex_id;
use crate::table::Id;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Type of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BlobKind {
    /// Part of a file.
    Data,
    /// A directory.
    Tree,
}

/// An index file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct IndexFile {
    #[serde(default)]
    pub(crate) packs: Vec<IndexPack>,
}

/// A pack in an index file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IndexPack {
    #[serde(with = "hex_id")]
    pub(crate) id: Id,
    #[serde(default)]
    pub(crate) blobs: Vec<IndexBlob>,
}

/// A blob in a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexBlob {
    #[serde(with = "hex_id")]
    pub(crate) id: Id,
    #[serde(rename = "type")]
    pub(crate) kind: BlobKind,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    /// 0 when it is not compressed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) uncompressed_length: u32,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// Where one blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    /// Number of the pack in [`Index::packs`].
    pub(crate) pack: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) uncompressed_length: u32,
}

/// Ids are hashes already: their first bytes do.
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

/// Where all blobs of a repository are.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) packs: Vec<Id>,
    /// End of the last blob that is known in each pack.
    pub(crate) ends: Vec<u32>,
    data: IdMap<Location>,
    trees: IdMap<Location>,
}

impl Index {
    /// Adds what an index file says.
    pub(crate) fn add(&mut self, file: IndexFile) {
        for pack in file.packs {
            let number = self.packs.len() as u32;
            self.packs.push(pack.id);
            let mut last = 0;
            for blob in pack.blobs {
                last = last.max(blob.offset.saturating_add(blob.length));
                let location = Location {
                    pack: number,
                    offset: blob.offset,
                    length: blob.length,
                    uncompressed_length: blob.uncompressed_length,
                };
                self.map_mut(blob.kind).insert(blob.id, location);
            }
            self.ends.push(last);
        }
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
        let id =
            super::super::crypto::unhex("3ec79977ef0cf5de7b08cd12b874cd0f62bbaf7f07f3497a5b1bbcc8cb39b1ce").unwrap();
        assert_eq!(index.get(BlobKind::Data, &id).unwrap().length, 38);
        assert_eq!(index.get(BlobKind::Tree, &id), None);
    }
}
