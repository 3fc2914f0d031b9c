//! Removes what no snapshot needs, in two runs and without an exclusive lock (docs/decisions/0036-prune.md).
//!
//! | module | holds |
//! | --- | --- |
//! | [`options`] | what is asked for, and what was done |
//! | [`needed`] | what snapshots need: every tree is read |
//! | [`plan`] | which packs stay, are rewritten, wait, or go |
//! | [`ripe`] | which marks are old enough |
//! | [`headers`] | what packs list themselves: nothing goes because of what an index says alone |
//! | [`rewrite`] | copies out of packs, the new index, and the marks |
//!
//! A run first decides, then copies out of packs that are mostly useless, then writes an index without the packs that nobody needs and
//! marks these, and at last removes those that an earlier run has marked. Between the two at least the time of grace passes, all who
//! held a lock at the time of marking have ended, and whatever has come to be needed again is put back into the index. At every
//! moment all that a snapshot needs is there, and in the index.

mod headers;
pub(super) mod needed;
mod options;
mod plan;
mod rewrite;
mod ripe;

pub use options::{Amount, MaxUnused, PruneOptions, PruneReport};

use super::Repository;
use super::index_file::{IndexFile, IndexPack};
use super::lock::{Lock, Mode};
use super::notes::Looked;
use super::snapshot::{self, SnapshotInfo};
use super::store::Store;
use crate::file_table::Id;
use crate::report::locked;
use crate::{ArchiveError, Observer};
use needed::Needed;
use plan::{Plan, Shelf};
use rayon::prelude::*;
use rustic_core::FileType;
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};

impl Repository {
    /// Removes what no snapshot needs.
    ///
    /// # Errors
    /// [`ArchiveError::Unsafe`] when it cannot be known what snapshots need, [`ArchiveError::AppendOnly`] where nothing can be removed,
    /// [`ArchiveError::Locked`] beside those who do not know what is marked; when the repository cannot be read or written.
    pub fn prune(&self, options: &PruneOptions, observer: &dyn Observer) -> Result<PruneReport, ArchiveError> {
        self.removal_is_allowed()?;
        // Our own lock is not waited for.
        drop(locked(&self.reading).take());
        if options.dry_run {
            self.hold_for_reading()?;
            return Ok(decided(self, options, None, observer)?.report);
        }
        let lock = Lock::take(&self.store, Mode::Pruning, "PRUNE", self.lock_patience)?;
        lock.confirm("PRUNE")?;
        let pruned = decided(self, options, Some(&lock), observer)?;
        apply(self, &lock, pruned, observer)
    }

    /// Refuses where nothing can be removed.
    pub(crate) fn removal_is_allowed(&self) -> Result<(), ArchiveError> {
        let refused = |cause: String| ArchiveError::AppendOnly { path: self.store.path.clone(), cause };
        if self.store.sealed {
            return Err(refused("it belongs to a medium, which stays as it was made".to_owned()));
        }
        let Some(files) = &self.store.remote else { return Ok(()) };
        // A file that nobody has: a server that adds only refuses before it looks (rest-server, rclone).
        match files.remove(lifeboat_remote::Kind::Index, &"0".repeat(64)) {
            Ok(()) | Err(lifeboat_remote::Fault::Missing(_)) => Ok(()),
            Err(lifeboat_remote::Fault::Final(cause)) => Err(refused(cause)),
            Err(fault) => Err(self.store.lost().unwrap_or_else(|| self.store.failed("CHANGE", fault))),
        }
    }
}

/// What a run found and decided.
struct Decided {
    snapshots: Vec<SnapshotInfo>,
    shelf: Shelf,
    needed: Needed,
    plan: Plan,
    report: PruneReport,
}

fn decided(
    repository: &Repository,
    options: &PruneOptions,
    lock: Option<&Lock>,
    observer: &dyn Observer,
) -> Result<Decided, ArchiveError> {
    let store = &repository.store;
    let refused = |cause: String| ArchiveError::Unsafe { path: store.path.clone(), cause };
    // Who is gone by now has written its snapshots: they are listed after this.
    let ripe = ripe::marks(&store.read_indexes()?, lock, options)?;
    let (snapshots, unreadable) = snapshot::all(store)?;
    if let Some(first) = unreadable.first() {
        unreadable.iter().skip(1).for_each(|snapshot| observer.warning(&snapshot.cause));
        return Err(refused(format!(
            "what {} needs is not known: {}",
            snapshots_text(unreadable.len(), &first.id),
            first.cause
        )));
    }
    let shelf = Shelf::read(store)?;
    if let Some(broken) = shelf.index.unreadable.first() {
        shelf.index.unreadable.iter().skip(1).for_each(|broken| observer.warning(&broken.cause));
        return Err(refused(format!("{}; a backup writes what it listed again", broken.cause)));
    }
    let mut needed = Needed::default();
    let mut lost = needed::read(store, &shelf.index, &snapshots, &mut needed, observer)?;
    shelf.settle(&mut needed);
    if lost.is_empty() && needed.has_lost() {
        lost = needed::missing(repository, &shelf.index, &snapshots, &needed)?;
    }
    if let Some((first, more)) = lost.split_first() {
        more.iter().for_each(|text| observer.warning(text));
        return Err(refused(first.clone()));
    }
    let plan = shelf.plan(&needed, &ripe, options);
    let report = plan.report(&shelf, &needed, snapshots.len() as u64);
    Ok(Decided { snapshots, shelf, needed, plan, report })
}

/// "snapshot 1a2b3c4d", "3 snapshots".
fn snapshots_text(count: usize, first: &str) -> String {
    match count {
        1 => format!("snapshot {}", first.get(..8).unwrap_or(first)),
        count => format!("{count} snapshots"),
    }
}

/// There is no room, or no quota.
fn is_full(error: &ArchiveError) -> bool {
    let codes = [Errno::NOSPC, Errno::DQUOT].map(|errno| format!("(os error {})", errno.raw_os_error()));
    matches!(error, ArchiveError::Store { cause, .. } if codes.iter().any(|code| cause.contains(code)))
}

fn apply(
    repository: &Repository,
    lock: &Lock,
    decided: Decided,
    observer: &dyn Observer,
) -> Result<PruneReport, ArchiveError> {
    let store = &repository.store;
    let Decided { snapshots, shelf, needed, mut plan, mut report } = decided;
    let mut sure = headers::checked(store, &shelf, &needed, &plan)?;
    sure.kept.iter().for_each(|text| observer.warning(text));
    report.not_understood += sure.kept.len() as u64;
    let copied = match rewrite::copy(store, &shelf.index, &sure.copy, observer) {
        // What nobody needs can go all the same, and then there is room.
        Err(error) if is_full(&error) => {
            observer.warning(&format!(
                "{error}; packs of which something is needed stay as they are; try pruning again when others are gone"
            ));
            rewrite::Copied { bytes: 0, failed: sure.copy.iter().copied().collect() }
        }
        copied => copied?,
    };
    repository.note_damage(&shelf.index, Looked::Part, observer);
    report.copied = copied.bytes;
    sure.without(&copied.failed);
    plan.put_back.extend(sure.put_back.iter().copied());
    let going: Vec<IndexPack> = sure.going.iter().map(|number| shelf.listed(*number, &sure.contents)).collect();
    let is_going: HashSet<Id> = going.iter().map(|pack| pack.id).collect();
    report.marked = shelf.amount(sure.going.iter());
    report.put_back = shelf.amount(plan.put_back.iter());
    let named: Vec<IndexPack> =
        plan.put_back.iter().chain(&plan.to_name).map(|number| shelf.listed(*number, &sure.contents)).collect();
    let settled: HashSet<Id> =
        shelf.settled_marks().chain(plan.put_back.iter().map(|number| shelf.index.packs[*number as usize])).collect();
    let gone = is_going.iter().copied().chain(plan.missing.iter().map(|number| shelf.index.packs[*number as usize]));
    let changes = rewrite::Changes { gone: gone.collect(), settled, named, marks: going };
    rewrite::swap(store, &shelf.index, lock, changes)?;
    if !is_going.is_empty() {
        let again = put_back_for_new(store, &snapshots, observer)?;
        report.put_back.packs += again.packs;
        report.put_back.bytes += again.bytes;
    }
    let done = remove(store, &shelf, lock, &sure.ripe)?;
    report.removed = shelf.amount(done.iter());
    let left: Vec<u32> = sure.ripe.iter().copied().filter(|number| !done.contains(number)).collect();
    let waits = plan.waiting.iter().chain(&left).filter(|number| !plan.put_back.contains(number));
    report.waiting = shelf.amount(waits);
    Ok(report)
}

/// Puts back into the index what snapshots need that appeared since; their own backups may have looked just before it was marked.
fn put_back_for_new(store: &Store, known: &[SnapshotInfo], observer: &dyn Observer) -> Result<Amount, ArchiveError> {
    let known: HashSet<&str> = known.iter().map(|snapshot| snapshot.id.as_str()).collect();
    let (mut snapshots, _) = snapshot::all(store)?;
    snapshots.retain(|snapshot| !known.contains(snapshot.id.as_str()));
    if snapshots.is_empty() {
        return Ok(Amount::default());
    }
    let shelf = Shelf::read(store)?;
    let mut needed = Needed::default();
    for text in needed::read(store, &shelf.index, &snapshots, &mut needed, observer)? {
        observer.warning(&text);
    }
    shelf.settle(&mut needed);
    let back = shelf.waiting_and_needed(&needed);
    if !back.is_empty() {
        let packs = back.iter().map(|number| shelf.listed(*number, &HashMap::new())).collect();
        store.write_packs(packs, |packs| IndexFile { packs, ..IndexFile::default() })?;
    }
    Ok(shelf.amount(back.iter()))
}

/// Removes packs that were marked by an earlier run, unless somebody has put them back into the index meanwhile.
fn remove(store: &Store, shelf: &Shelf, lock: &Lock, ripe: &[u32]) -> Result<Vec<u32>, ArchiveError> {
    if ripe.is_empty() {
        return Ok(vec![]);
    }
    let index = store.read_indexes()?;
    if let Some(unreadable) = index.unreadable.first() {
        // What it names may be among what is to go: somebody has put it back.
        return Err(store.unsafe_now(format!("{}; nothing more was removed", unreadable.cause)));
    }
    let named: HashSet<Id> = index.packs.into_iter().collect();
    lock.prove()?;
    let ids = ripe.iter().map(|number| (*number, shelf.index.packs[*number as usize]));
    let ids: Vec<(u32, Id)> = ids.filter(|(_, id)| !named.contains(id)).collect();
    ids.par_iter().try_for_each(|(_, id)| store.remove_if_there(FileType::Pack, id))?;
    Ok(ids.into_iter().map(|(number, _)| number).collect())
}

impl Store {
    /// Removes a file; somebody else may have been faster.
    pub(super) fn remove_if_there(&self, kind: FileType, id: &Id) -> Result<(), ArchiveError> {
        match self.remove(kind, id) {
            Err(error) if self.lost().is_some() || self.list(kind)?.contains(id) => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
