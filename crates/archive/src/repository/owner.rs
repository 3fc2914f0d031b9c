//! Who owns a snapshot, and when it was written in relation to others: marks that are kept as tags, the only part of a snapshot
//! that every `restic tag`, `copy` and `rewrite` keeps.
//!
//! A machine is known by the id of its system (machine-id(5)), because names can repeat. The order is a number that only grows: the
//! seconds of the clock, but always more than that of every existing snapshot. So a clock that was once ahead, or is at 1970
//! today, does not make an old snapshot the latest one. Snapshots of earlier releases have no marks: their manifest says
//! who owns them, their time gives the order, unless it is in the future.

use super::blobs::Blobs;
use super::index::Index;
use super::snapshot::SnapshotInfo;
use super::store::Store;
use super::{Repository, load};
use crate::{ArchiveError, Observer};
use std::collections::BTreeMap;
use std::path::Path;

/// A machine, as snapshots name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The id of its system, machine-id(5); empty when it has none.
    pub id: String,
    /// Its name. It decides only where one of two machines has no id.
    pub name: String,
}

impl Owner {
    /// A machine.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Owner {
        Owner { id: id.into(), name: name.into() }
    }

    /// Reports whether both are the same machine.
    pub fn is(&self, other: &Owner) -> bool {
        if self.id.is_empty() || other.id.is_empty() { self.name == other.name } else { self.id == other.id }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.id.as_str() {
            "" => write!(f, "'{}'", self.name),
            id => write!(f, "'{}' ({id})", self.name),
        }
    }
}

/// The number of a snapshot that is written now.
pub(crate) fn next_order(snapshots: &[SnapshotInfo], now_seconds: i64) -> u64 {
    let last = snapshots.iter().filter_map(|snapshot| snapshot.marks.order).max().unwrap_or(0);
    // The largest that is taken for a mark: behind one that somebody set there the time decides.
    (last + 1).max(u64::try_from(now_seconds).unwrap_or(0)).min(super::marks::ORDER_MAX)
}

/// Reads the owner of a snapshot from its manifest.
struct Manifests<'a> {
    store: &'a Store,
    blobs: Blobs<'a>,
}

impl Manifests<'_> {
    /// `None` when Lifeboat did not write it.
    fn owner(&mut self, snapshot: &SnapshotInfo) -> Result<Option<Owner>, ArchiveError> {
        let path = Path::new("/.lifeboat/manifest.json");
        let Some(json) = load::file(self.store, &mut self.blobs, snapshot.tree, path)? else { return Ok(None) };
        let value: serde_json::Value =
            serde_json::from_slice(&json).map_err(|error| self.store.damaged("a manifest", error))?;
        let text = |field: &str| value.get(field).and_then(serde_json::Value::as_str);
        let name = text("machine_name").unwrap_or(&snapshot.host);
        Ok(Some(Owner::new(text("machine_id").unwrap_or_default(), name)))
    }
}

/// Determines the owners of snapshots; the index is read only when one has no mark.
pub(crate) struct Owners<'a> {
    store: &'a Store,
    index: std::cell::OnceCell<Index>,
}

impl<'a> Owners<'a> {
    pub(crate) fn new(store: &'a Store) -> Owners<'a> {
        Owners { store, index: std::cell::OnceCell::new() }
    }

    /// The owner of a snapshot; `None` when Lifeboat did not write it, or that cannot be read.
    pub(crate) fn of(&self, snapshot: &SnapshotInfo) -> Option<Owner> {
        if let Some(machine) = &snapshot.marks.machine {
            return Some(Owner::new(machine.clone(), snapshot.host.clone()));
        }
        let index = match self.index.get() {
            Some(index) => index,
            None => {
                let index = self.store.load_index().ok()?;
                self.index.get_or_init(|| index)
            }
        };
        let blobs = Blobs::new(self.store, index).ok()?;
        Manifests { store: self.store, blobs }.owner(snapshot).ok().flatten()
    }
}

impl Repository {
    /// The owner of a snapshot; `None` when Lifeboat did not write it, or that cannot be read.
    pub fn owner(&self, snapshot: &SnapshotInfo) -> Option<Owner> {
        Owners::new(&self.store).of(snapshot)
    }

    /// All snapshots of one machine, in the order in which they were written.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn snapshots_of(&self, machine: &Owner) -> Result<Vec<SnapshotInfo>, ArchiveError> {
        let owners = Owners::new(&self.store);
        let mut list = self.snapshots()?;
        list.retain(|snapshot| owners.of(snapshot).is_some_and(|owner| owner.is(machine)));
        Ok(list)
    }

    /// The snapshot of one machine that was written last.
    ///
    /// # Errors
    /// [`ArchiveError::Snapshot`] when it has none, with the machines that have some.
    pub fn latest_of(&self, machine: &Owner) -> Result<SnapshotInfo, ArchiveError> {
        let snapshots = self.snapshots()?;
        let owners = Owners::new(&self.store);
        if let Some(latest) = latest(&owners, &snapshots, machine) {
            return Ok(latest.clone());
        }
        Err(ArchiveError::Snapshot {
            wanted: format!("of machine {machine}"),
            cause: match machines(&owners, snapshots) {
                list if list.is_empty() => "the repository holds none of any machine".to_owned(),
                list => format!("the repository has snapshots of {}; try naming one by its id", listed(&list)),
            },
        })
    }

    /// The machines that have snapshots here, each with its latest one.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn machines(&self) -> Result<Vec<(Owner, SnapshotInfo)>, ArchiveError> {
        Ok(machines(&Owners::new(&self.store), self.snapshots()?))
    }
}

/// A snapshot from the future shows that a clock was wrong, or is.
pub(crate) fn warn_of_the_future(snapshots: &[SnapshotInfo], now: jiff::Timestamp, observer: &dyn Observer) {
    if let Some(ahead) = snapshots.iter().rfind(|snapshot| snapshot.ahead_of(now)) {
        observer.warning(&format!(
            "snapshot {} of '{}' is dated {}, but this machine's clock says {now}: one of the two clocks is or was \
             wrong; the order of snapshots does not depend on it, but rules of `forget` that count days do",
            ahead.short_id(),
            ahead.host,
            ahead.time,
        ));
    }
}

/// The latest of one machine.
pub(crate) fn latest<'s>(
    owners: &Owners<'_>,
    snapshots: &'s [SnapshotInfo],
    machine: &Owner,
) -> Option<&'s SnapshotInfo> {
    snapshots.iter().rfind(|snapshot| owners.of(snapshot).is_some_and(|owner| owner.is(machine)))
}

fn machines(owners: &Owners<'_>, snapshots: Vec<SnapshotInfo>) -> Vec<(Owner, SnapshotInfo)> {
    let mut last: BTreeMap<String, (Owner, SnapshotInfo)> = BTreeMap::new();
    for snapshot in snapshots {
        if let Some(owner) = owners.of(&snapshot) {
            let key = if owner.id.is_empty() { owner.name.clone() } else { owner.id.clone() };
            last.insert(key, (owner, snapshot));
        }
    }
    last.into_values().collect()
}

/// "'web1' (id; latest snapshot 0123abcd of 2026-11-24T…), …"
pub fn listed(machines: &[(Owner, SnapshotInfo)]) -> String {
    let machine = |(owner, latest): &(Owner, SnapshotInfo)| {
        format!("{owner}, the latest {} of {}", latest.short_id(), latest.time)
    };
    machines.iter().map(machine).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::marks::Marks;
    use super::super::snapshot;
    use super::*;

    fn named(name: &str, seconds: i64, order: Option<u64>) -> SnapshotInfo {
        SnapshotInfo {
            id: name.to_owned(),
            marks: Marks { machine: None, order },
            nanoseconds: i128::from(seconds) * 1_000_000_000,
            ..SnapshotInfo::default()
        }
    }

    #[test]
    fn the_order_is_that_of_writing() {
        let mut list = vec![
            named("clock ahead, marked", 9_000, Some(9_000)),
            named("after it", 1_100, Some(9_001)),
            named("at 1970", 5, Some(9_002)),
            named("before the marks", 900, None),
            named("before the marks, ahead", 8_000, None),
            named("first", 800, None),
            named("first marked", 1_000, Some(1_000)),
        ];
        snapshot::sort(&mut list, 1_200);
        let names: Vec<&str> = list.iter().map(|snapshot| snapshot.id.as_str()).collect();
        assert_eq!(
            names,
            [
                "before the marks, ahead",
                "first",
                "before the marks",
                "first marked",
                "clock ahead, marked",
                "after it",
                "at 1970"
            ]
        );
        assert_eq!(next_order(&list, 1_200), 9_003);
        assert_eq!(next_order(&list, 10_000), 10_000);
        assert_eq!(next_order(&[], -5), 1);
    }

    #[test]
    fn machines_are_the_same_by_id_and_else_by_name() {
        let owner = Owner::new;
        assert!(owner("1", "a").is(&owner("1", "renamed")));
        assert!(!owner("1", "a").is(&owner("2", "a")));
        assert!(owner("", "a").is(&owner("2", "a")) && !owner("", "a").is(&owner("", "b")));
    }
}
