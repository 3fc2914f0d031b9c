//! Forgetting snapshots: whose they are, which a policy keeps and why, and removing the others. What they alone needed stays until
//! [`prune`](super::prune) removes it.

use super::lock::{Lock, Mode};
use super::owner::{Owner, Owners};
use super::policy::Policy;
use super::prune::needed::{self, NOWHERE, Needed};
use super::snapshot::SnapshotInfo;
use super::{Repository, crypto};
use crate::{ArchiveError, Observer, Quiet};
use rustic_core::FileType;
use std::collections::{BTreeMap, HashSet};

/// What becomes of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The snapshot.
    pub snapshot: SnapshotInfo,
    /// Why it is kept; none when it is not.
    pub reasons: Vec<String>,
}

/// Snapshots to which a policy is applied by itself: those of one machine; or, of other programs, those of one host and the same paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The machine; `None` for snapshots of other programs.
    pub owner: Option<Owner>,
    /// Its name in the latest of them, or the host.
    pub host: String,
    /// What was saved, for snapshots of other programs.
    pub paths: Vec<String>,
    /// It is not known whose these are: all of them are kept.
    pub unknown: bool,
    /// In the order in which they were written, oldest first.
    pub snapshots: Vec<SnapshotInfo>,
}

/// What tells groups apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// A machine, by its id, or by its name where it has none.
    Machine(String, String),
    /// What another program saved: host and paths.
    Host(String, Vec<String>),
    /// What Lifeboat wrote, and whose owner cannot be read.
    Unknown,
}

impl Group {
    /// What becomes of its snapshots.
    pub fn fates(&self, policy: &Policy) -> Vec<Fate> {
        let list: Vec<&SnapshotInfo> = self.snapshots.iter().collect();
        let mut reasons = policy.reasons(&list, jiff::Timestamp::now());
        if self.unknown {
            reasons.iter_mut().for_each(|reasons| *reasons = vec!["it cannot be read whose it is".to_owned()]);
        }
        // Whatever the rules say: one without any snapshot is not protected.
        if let Some(last) = reasons.last_mut().filter(|last| last.is_empty()) {
            last.push("latest".to_owned());
        }
        let fate = |(snapshot, reasons): (&SnapshotInfo, Vec<String>)| Fate { snapshot: snapshot.clone(), reasons };
        self.snapshots.iter().zip(reasons).map(fate).collect()
    }

    /// Reports whether it is meant by a name, or by the id of a machine or its beginning.
    pub fn is_named(&self, text: &str) -> bool {
        let by_id = |owner: &Owner| text.len() >= 8 && owner.id.starts_with(text);
        self.host == text || self.owner.as_ref().is_some_and(by_id)
    }
}

impl Repository {
    /// All snapshots in groups.
    ///
    /// # Errors
    /// When the repository cannot be listed.
    pub fn groups(&self) -> Result<Vec<Group>, ArchiveError> {
        let owners = Owners::new(&self.store);
        let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
        for snapshot in self.snapshots()? {
            let owner = owners.of(&snapshot);
            let key = match &owner {
                Some(owner) if owner.id.is_empty() => Key::Machine(String::new(), owner.name.clone()),
                Some(owner) => Key::Machine(owner.id.clone(), String::new()),
                None if snapshot.program.starts_with("lifeboat") => Key::Unknown,
                None => {
                    let mut paths = snapshot.paths.clone();
                    paths.sort();
                    Key::Host(snapshot.host.clone(), paths)
                }
            };
            let group = groups.entry(key.clone()).or_default();
            group.unknown = key == Key::Unknown;
            group.host.clone_from(&snapshot.host);
            if let Key::Host(_, paths) = key {
                group.paths = paths;
            }
            group.owner = owner;
            group.snapshots.push(snapshot);
        }
        Ok(groups.into_values().collect())
    }

    /// Removes snapshots.
    ///
    /// # Errors
    /// [`ArchiveError::AppendOnly`]; [`ArchiveError::Locked`]; when one cannot be removed: those before it are gone then.
    pub fn forget(&self, snapshots: &[SnapshotInfo]) -> Result<(), ArchiveError> {
        self.removal_is_allowed()?;
        // Nobody needs an exclusive lock for it: what readers and writers rely on stays where it is.
        let lock = Lock::take(&self.store, Mode::Shared, "CHANGE", self.lock_patience)?;
        lock.confirm("CHANGE")?;
        for snapshot in snapshots {
            lock.prove()?;
            let id = crypto::unhex(&snapshot.id)
                .ok_or_else(|| self.store.failed("CHANGE", format!("{} is no id of a snapshot", snapshot.id)))?;
            self.store.remove_if_there(FileType::Snapshot, &id)?;
        }
        Ok(())
    }

    /// Bytes that only these snapshots need; `None` when something that any snapshot needs cannot be read.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn freed_by(&self, snapshots: &[SnapshotInfo], observer: &dyn Observer) -> Result<Option<u64>, ArchiveError> {
        self.try_to_hold(observer);
        let gone: HashSet<&str> = snapshots.iter().map(|snapshot| snapshot.id.as_str()).collect();
        let (all, unreadable) = self.list_snapshots()?;
        if !unreadable.is_empty() {
            return Ok(None);
        }
        let (going, staying): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|snapshot| gone.contains(snapshot.id.as_str()));
        let index = self.store.load_index()?;
        let mut needed = Needed::default();
        let mut problems = needed::read(&self.store, &index, &staying, &mut needed, observer)?;
        needed.for_each(&mut |_, _, _| 0);
        problems.extend(needed::read(&self.store, &index, &going, &mut needed, &Quiet)?);
        let mut bytes = 0;
        needed.for_each(&mut |kind, id, home| {
            if home == NOWHERE {
                bytes += index.get(kind, id).map_or(0, |place| u64::from(place.length));
            }
            home
        });
        Ok(problems.is_empty().then_some(bytes))
    }
}
