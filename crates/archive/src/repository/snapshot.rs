//! Snapshot files: what was backed up and when, and the tree that holds it.

use super::crypto::{self, hex_id};
use super::marks::Marks;
use super::store::{self, Store};
use crate::ArchiveError;
use crate::file_table::Id;
use rustic_core::FileType;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Clocks of machines differ by less.
const TOLERANCE_NANOSECONDS: i128 = 600 * 1_000_000_000;

/// A snapshot file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotFile {
    pub(crate) time: String,
    #[serde(with = "optional_id", default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<Id>,
    #[serde(with = "hex_id")]
    pub(crate) tree: Id,
    #[serde(default)]
    pub(crate) paths: Vec<String>,
    #[serde(default)]
    pub(crate) hostname: String,
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) program_version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<Summary>,
}

/// Counts, as restic writes them since 0.17.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    pub(crate) backup_start: String,
    pub(crate) backup_end: String,
    pub(crate) files_new: u64,
    pub(crate) files_changed: u64,
    pub(crate) files_unmodified: u64,
    pub(crate) dirs_new: u64,
    pub(crate) dirs_changed: u64,
    pub(crate) dirs_unmodified: u64,
    pub(crate) data_blobs: u64,
    pub(crate) tree_blobs: u64,
    pub(crate) data_added: u64,
    pub(crate) data_added_packed: u64,
    pub(crate) total_files_processed: u64,
    pub(crate) total_bytes_processed: u64,
    /// Not restic's: entries in all, with the root directory, without `.lifeboat`.
    pub(crate) lifeboat_entries: u64,
    /// Not restic's: bytes of whole blocks that the files take, each inode once, without holes.
    pub(crate) lifeboat_disk_bytes: u64,
}

mod optional_id {
    use super::Id;
    use crate::repository::crypto::{hex, unhex};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(id: &Option<Id>, serializer: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.serialize_str(&hex(id)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Id>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.as_deref().and_then(unhex))
    }
}

/// One backup in a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Id, hex.
    pub id: String,
    /// When the backup began, RFC 3339.
    pub time: String,
    /// Host that was backed up.
    pub host: String,
    /// Paths that were backed up; `/` for a machine.
    pub paths: Vec<String>,
    /// Tags, without Lifeboat's own.
    pub tags: Vec<String>,
    /// Program that made it, e.g. `lifeboat 0.1.0`.
    pub program: String,
    /// Entries, with the root directory; 0 when made by another program that does not record it.
    pub entries: u64,
    /// Sum of the sizes of regular files, in bytes; 0 when made by another program that does not record it.
    pub bytes: u64,
    /// Bytes of whole blocks that the files took on the disk, each inode once, without holes; 0 when that is not recorded.
    pub disk_bytes: u64,
    /// Bytes that the repository grew by.
    pub bytes_added: u64,
    /// Regular files that the previous snapshot does not have; 0 when that is not recorded.
    pub files_new: u64,
    /// Regular files that differ from the previous snapshot.
    pub files_changed: u64,
    pub(crate) tree: Id,
    /// Its owner, and its place in the order of writing.
    pub(crate) marks: Marks,
    /// Its time.
    pub(crate) nanoseconds: i128,
}

impl SnapshotInfo {
    /// The first eight digits of the id, as restic shows it.
    pub fn short_id(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }

    /// It is in the future, by more than clocks differ.
    pub fn is_ahead(&self) -> bool {
        self.ahead_of(jiff::Timestamp::now())
    }

    pub(crate) fn ahead_of(&self, now: jiff::Timestamp) -> bool {
        self.nanoseconds > now.as_nanosecond().saturating_add(TOLERANCE_NANOSECONDS)
    }

    fn new(id: &Id, file: SnapshotFile) -> Result<Self, String> {
        let time: jiff::Timestamp = file.time.parse().map_err(|error: jiff::Error| error.to_string())?;
        let summary = file.summary.unwrap_or_default();
        let mut tags = file.tags.unwrap_or_default();
        let marks = Marks::take(&mut tags);
        Ok(SnapshotInfo {
            id: crypto::hex(id),
            time: file.time,
            host: file.hostname,
            paths: file.paths,
            tags,
            program: file.program_version,
            entries: summary.lifeboat_entries,
            bytes: summary.total_bytes_processed,
            disk_bytes: summary.lifeboat_disk_bytes,
            bytes_added: summary.data_added_packed,
            files_new: summary.files_new,
            files_changed: summary.files_changed,
            tree: file.tree,
            marks,
            nanoseconds: time.as_nanosecond(),
        })
    }
}

/// A snapshot that exists, but cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableSnapshot {
    /// Id, hex.
    pub id: String,
    /// Why it cannot be read, with its name.
    pub cause: String,
}

/// A snapshot from the text of its file.
pub(crate) fn parse(id: &Id, json: &[u8]) -> Result<SnapshotInfo, String> {
    let file = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    SnapshotInfo::new(id, file)
}

/// One snapshot.
pub(crate) fn one(store: &Store, id: &Id) -> Result<SnapshotInfo, ArchiveError> {
    opened(store, id, &store.read_file(FileType::Snapshot, id)?)
}

fn opened(store: &Store, id: &Id, json: &[u8]) -> Result<SnapshotInfo, ArchiveError> {
    parse(id, json).map_err(|cause| store.damaged(store::name(FileType::Snapshot, id), cause))
}

/// Sorts snapshots as they were written, oldest first.
pub(crate) fn sort(snapshots: &mut [SnapshotInfo], now_seconds: i64) {
    snapshots.sort_by_cached_key(|snapshot| {
        let by_clock = (snapshot.nanoseconds / 1_000_000_000) as i64;
        let by_clock = if by_clock > now_seconds { 0 } else { u64::try_from(by_clock).unwrap_or(0) };
        (snapshot.marks.order.unwrap_or(by_clock), snapshot.nanoseconds, snapshot.id.clone())
    });
}

/// All snapshots in the order of writing, oldest first; and those that cannot be read, which do not affect the others.
pub(crate) fn all(store: &Store) -> Result<(Vec<SnapshotInfo>, Vec<UnreadableSnapshot>), ArchiveError> {
    let (mut list, mut unreadable) = (vec![], vec![]);
    for listed in store.list_with_sizes(FileType::Snapshot)? {
        let read = store.read_listed_file(FileType::Snapshot, &listed);
        match read.and_then(|json| opened(store, &listed.0, &json)) {
            Ok(snapshot) => list.push(snapshot),
            Err(error) => match store.lost() {
                Some(lost) => return Err(lost),
                None => unreadable.push(UnreadableSnapshot { id: crypto::hex(&listed.0), cause: error.to_string() }),
            },
        }
    }
    if !unreadable.is_empty() {
        // What somebody removed since it was listed is no damage.
        let there: HashSet<String> = store.list(FileType::Snapshot)?.iter().map(|id| crypto::hex(id)).collect();
        unreadable.retain(|snapshot| there.contains(&snapshot.id));
    }
    sort(&mut list, jiff::Timestamp::now().as_second());
    Ok((list, unreadable))
}

/// The snapshot that `wanted` names.
pub(crate) fn find(list: Vec<SnapshotInfo>, wanted: &str) -> Result<SnapshotInfo, ArchiveError> {
    let fail = |cause: &str| ArchiveError::Snapshot { wanted: wanted.to_owned(), cause: cause.to_owned() };
    if list.is_empty() {
        return Err(fail("the repository holds none"));
    }
    if wanted.is_empty() || wanted == "latest" {
        return list.into_iter().next_back().ok_or_else(|| fail("the repository holds none"));
    }
    let mut fitting = list.into_iter().filter(|snapshot| snapshot.id.starts_with(wanted));
    match (fitting.next(), fitting.next()) {
        (Some(snapshot), None) => Ok(snapshot),
        (None, _) => Err(fail("no id begins like that; try `lifeboat list`")),
        _ => Err(fail("several ids begin like that; try more digits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(first: u8) -> SnapshotInfo {
        let json = format!(
            "{{\"time\":\"2026-11-24T08:00:{:02}.5+01:00\",\"tree\":\"{}\",\"paths\":[\"/\"],\"hostname\":\"h\"}}",
            first,
            "ab".repeat(32)
        );
        SnapshotInfo::new(&[first; 32], serde_json::from_str(&json).unwrap()).unwrap()
    }

    #[test]
    fn finding() {
        let list = || vec![info(1), info(2), info(0x21)];
        assert_eq!(find(list(), "latest").unwrap().id, info(0x21).id);
        assert_eq!(find(list(), "02").unwrap().id, info(2).id);
        assert!(find(list(), "0").unwrap_err().to_string().contains("several"));
        assert!(find(list(), "ff").unwrap_err().to_string().contains("no id"));
        assert!(find(vec![], "latest").unwrap_err().to_string().contains("holds none"));
    }
}
