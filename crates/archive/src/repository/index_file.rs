//! What an index file of restic holds: packs with their blobs; and Lifeboat's notes of what is damaged in them.

use super::crypto::{hex, hex_id, unhex};
use crate::file_table::Id;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Type of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Packs that wait to be removed: rustic's field. Nothing new may rely on them; restic does not know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) packs_to_delete: Vec<IndexPack>,
    /// Who held a lock when these were marked, see [`LockFile::holder_id`](super::lock): none of them may live when they are removed.
    /// Missing while the index files that named them may still be there, and in what rustic wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lifeboat_holders: Option<BTreeSet<String>>,
    /// What is damaged; restic does not know this field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lifeboat_damaged: Vec<Noted>,
}

/// A pack in an index file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct IndexPack {
    #[serde(with = "hex_id")]
    pub(crate) id: Id,
    #[serde(default)]
    pub(crate) blobs: Vec<IndexBlob>,
    /// When it was written, or marked for removal, RFC 3339: rustic's field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<String>,
    /// Its length in bytes: rustic's field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
}

impl IndexPack {
    pub(crate) fn new(id: Id, blobs: Vec<IndexBlob>) -> IndexPack {
        IndexPack { id, blobs, time: None, size: None }
    }
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

/// What is damaged in one pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The blobs that cannot be read; none when only its header or its name is wrong.
    pub(crate) blobs: BTreeSet<(BlobKind, Id)>,
    /// Everything that it holds is elsewhere by now: it only waits to be removed.
    pub(crate) unneeded: bool,
}

/// Damaged packs.
pub(crate) type Notes = BTreeMap<Id, Damage>;

/// A damaged pack in an index file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Noted {
    pack: String,
    #[serde(default)]
    data: Vec<String>,
    #[serde(default)]
    trees: Vec<String>,
    #[serde(default)]
    unneeded: bool,
}

impl IndexFile {
    /// An index file that only lists what is damaged.
    pub(super) fn of_notes(notes: &Notes) -> IndexFile {
        let of =
            |damage: &Damage, kind| damage.blobs.iter().filter(|(k, _)| *k == kind).map(|(_, id)| hex(id)).collect();
        let noted = |(pack, damage): (&Id, &Damage)| Noted {
            pack: hex(pack),
            data: of(damage, BlobKind::Data),
            trees: of(damage, BlobKind::Tree),
            unneeded: damage.unneeded,
        };
        IndexFile { lifeboat_damaged: notes.iter().map(noted).collect(), ..IndexFile::default() }
    }

    /// Adds its content to notes; what is not an id is ignored.
    pub(crate) fn note_into(&self, notes: &mut Notes) {
        for noted in &self.lifeboat_damaged {
            let Some(pack) = unhex(&noted.pack) else { continue };
            let damage = notes.entry(pack).or_default();
            let blobs = |ids: &[String], kind| ids.iter().filter_map(|id| Some((kind, unhex(id)?))).collect::<Vec<_>>();
            damage.blobs.extend(blobs(&noted.data, BlobKind::Data));
            damage.blobs.extend(blobs(&noted.trees, BlobKind::Tree));
            damage.unneeded |= noted.unneeded;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_from_an_index_file_and_nothing_else_is_in_it() {
        let mut notes = Notes::new();
        notes.entry([1; 32]).or_default().blobs.extend([(BlobKind::Data, [2; 32]), (BlobKind::Tree, [3; 32])]);
        notes.entry([4; 32]).or_default().unneeded = true;
        let json = serde_json::to_string(&IndexFile::of_notes(&notes)).unwrap();
        let file: IndexFile = serde_json::from_str(&json).unwrap();
        let mut read = Notes::new();
        file.note_into(&mut read);
        assert_eq!(read, notes);
        assert!(file.packs.is_empty());
        // An index of restic has no notes, and one of ours without damage looks like restic's.
        let plain: IndexFile = serde_json::from_str(r#"{"supersedes":[],"packs":[]}"#).unwrap();
        plain.note_into(&mut read);
        assert_eq!((read, serde_json::to_string(&plain).unwrap()), (notes, r#"{"packs":[]}"#.to_owned()));
    }
}
