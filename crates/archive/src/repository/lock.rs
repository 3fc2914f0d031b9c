//! Locks like restic's, so that `restic prune` waits for a backup, and a backup for a prune: whoever reads or adds holds a
//! lock that others may hold, too; whoever removes holds an exclusive one. A lock is a file, rewritten every five minutes.
//!
//! Source: restic's internal/restic/lock.go and internal/repository/lock.go, whose times and order of steps these are.

mod file;

use super::crypto;
use super::store::Store;
use crate::ArchiveError;
use crate::file_table::Id;
use crate::report::locked;
use file::{LockFile, LockFiles, Unwritable};
use lifeboat_sys::ending;
use rustix::time::{ClockId, clock_gettime};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a lock is rewritten.
const REFRESH: Duration = Duration::from_secs(5 * 60);
/// After this time somebody's clock may say that the lock is stale: it counts as one that must be acquired again.
const REFRESHABLE: Duration = Duration::from_secs(30 * 60 - 5 * 60 * 3 / 2);
/// When the place does not answer, the next try comes after this time.
const RETRY: Duration = Duration::from_secs(20);
/// After writing a lock we check again after this time: somebody else may have written one at the same moment.
const SETTLE: Duration = Duration::from_millis(200);
/// How often to check a repository that somebody else has locked.
const POLL: Duration = Duration::from_secs(5);

/// How a repository is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// For reading and adding; others may do so, too.
    Shared,
    /// For removing; nobody else may do anything.
    Alone,
    /// For removing in two runs: beside others who know what is marked for removal, but not beside another prune.
    Pruning,
}

impl Mode {
    fn file(self, token: &str) -> LockFile {
        LockFile::new(self == Mode::Alone, self == Mode::Pruning, token)
    }

    /// Somebody else's lock is in the way.
    fn conflicts_with(self, other: &LockFile) -> bool {
        other.exclusive
            || match self {
                Mode::Shared => false,
                Mode::Alone => true,
                Mode::Pruning => other.lifeboat.is_none() || other.lifeboat_prunes,
            }
    }
}

/// A lock, held until it is dropped.
pub(crate) struct Lock {
    held: Arc<Held>,
    refresher: Option<JoinHandle<()>>,
    written: Duration,
    /// A signal that ends this program removes the lock, too.
    _registration: ending::Registration,
    _no_hangup: ending::NoHangupByOthers,
}

struct Held {
    files: LockFiles,
    mode: Mode,
    /// See [`LockFile::holder_id`].
    token: String,
    state: Mutex<State>,
    changed: Condvar,
    /// Held while the lock is rewritten, and while it is searched for.
    refreshing: Mutex<()>,
}

struct State {
    id: Id,
    /// When it was written, by [`uptime`].
    since: Duration,
    /// Why it is no longer held.
    lost: Option<String>,
    /// It is to be released.
    ended: bool,
}

/// Time since the machine started, with the time that it slept: a lock becomes stale in that time, too.
fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// A random name for a holder.
fn token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(crypto::hex(&bytes))
}

/// Waits; there is no event for what others do to files.
fn wait(time: Duration) {
    std::thread::sleep(time);
}

impl LockFiles {
    /// The first lock of others that conflicts with one of this mode. What crashed programs left long ago is removed.
    fn conflict(&self, mode: Mode, own: &[Id]) -> Result<Option<LockFile>, ArchiveError> {
        let now = jiff::Timestamp::now();
        for id in self.list()?.iter().filter(|id| !own.contains(id)) {
            let Some(other) = self.read(id)? else { continue };
            if other.is_left_over(now) {
                // Where nothing can be removed, it stays.
                let _ = self.remove(id);
            } else if mode.conflicts_with(&other) && !other.is_stale(now) {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// All locks; `None` for what is not one. One that is rewritten meanwhile has another name by the second look.
    fn all(&self) -> Result<BTreeMap<Id, Option<LockFile>>, ArchiveError> {
        let mut all = BTreeMap::new();
        for _ in 0..2 {
            for id in self.list()? {
                if let Entry::Vacant(entry) = all.entry(id) {
                    entry.insert(self.read(&id)?);
                }
            }
        }
        Ok(all)
    }

    fn is_locked(&self, other: &LockFile, action: &'static str) -> ArchiveError {
        let now = jiff::Timestamp::now();
        ArchiveError::Locked {
            action,
            path: self.0.path.clone(),
            exclusive: other.exclusive,
            holder: other.holder(now),
        }
    }
}

impl Lock {
    /// Locks a repository; waits for others no longer than `patience`. Call [`Lock::confirm`] before anything is done.
    ///
    /// # Errors
    /// [`ArchiveError::Locked`]; when the place cannot be written.
    pub(crate) fn take(
        store: &Store,
        mode: Mode,
        action: &'static str,
        patience: Duration,
    ) -> Result<Lock, ArchiveError> {
        Self::attempt(store, mode, action, patience)?.map_err(|unwritable| unwritable.error)
    }

    /// The same for reading: `None` where nothing can be written, for instance on a medium.
    ///
    /// # Errors
    /// [`ArchiveError::Locked`]; when the place cannot be read.
    pub(crate) fn take_for_reading(store: &Store) -> Result<Option<Lock>, ArchiveError> {
        if store.sealed {
            return Ok(None);
        }
        match Self::attempt(store, Mode::Shared, "READ", Duration::ZERO)? {
            Ok(lock) => Ok(Some(lock)),
            Err(unwritable) if unwritable.read_only => Ok(None),
            Err(unwritable) => Err(unwritable.error),
        }
    }

    fn attempt(
        store: &Store,
        mode: Mode,
        action: &'static str,
        patience: Duration,
    ) -> Result<Result<Lock, Unwritable>, ArchiveError> {
        let files = LockFiles(store.clone());
        let deadline = uptime() + patience;
        while let Some(other) = files.conflict(mode, &[])? {
            let left = deadline.saturating_sub(uptime());
            if left.is_zero() {
                return Err(files.is_locked(&other, action));
            }
            wait(left.min(POLL));
        }
        let written = uptime();
        let token = token().map_err(|error| files.0.failed("WRITE", format!("its lock: {error}")))?;
        let id = match files.write(&mode.file(&token)) {
            Ok(id) => id,
            Err(unwritable) => return Ok(Err(unwritable)),
        };
        let state = Mutex::new(State { id, since: written, lost: None, ended: false });
        let held = Arc::new(Held { files, mode, token, state, changed: Condvar::new(), refreshing: Mutex::new(()) });
        let refreshed = Arc::clone(&held);
        let thread = std::thread::Builder::new().name("lock".into());
        let refresher = thread.spawn(move || refreshed.refresh_until_ended()).ok();
        let ended = Arc::clone(&held);
        let registration = ending::register(move || ended.give_up());
        Ok(Ok(Lock {
            held,
            refresher,
            written,
            _registration: registration,
            _no_hangup: ending::no_hangup_by_others(),
        }))
    }

    /// Checks again whether somebody locked the repository at the same moment.
    ///
    /// # Errors
    /// [`ArchiveError::Locked`]; when the place cannot be read.
    pub(crate) fn confirm(&self, action: &'static str) -> Result<(), ArchiveError> {
        wait((self.written + SETTLE).saturating_sub(uptime()));
        // While it is rewritten there are two of it.
        let _alone = locked(&self.held.refreshing);
        let own = locked(&self.held.state).id;
        match self.held.files.conflict(self.held.mode, &[own])? {
            Some(other) => Err(self.held.files.is_locked(&other, action)),
            None => Ok(()),
        }
    }

    /// Reports whether nobody else holds a lock; when that cannot be determined, somebody may.
    pub(crate) fn is_alone(&self) -> bool {
        let own = locked(&self.held.state).id;
        matches!(self.held.files.conflict(Mode::Alone, &[own]), Ok(None))
    }

    /// Who else holds a lock, stale ones included: the names of [`LockFile::holder_id`].
    pub(crate) fn others(&self) -> Result<BTreeSet<String>, ArchiveError> {
        let all = self.held.files.all()?;
        let others = all.values().flatten().map(LockFile::holder_id).filter(|other| *other != self.held.token);
        Ok(others.collect())
    }

    /// Reports whether all of these holders are gone. What the dead among them left is removed first, as `restic unlock` does: who only
    /// slept finds its lock gone, and begins again.
    pub(crate) fn are_gone(&self, holders: &BTreeSet<String>) -> Result<bool, ArchiveError> {
        if holders.is_empty() {
            return Ok(true);
        }
        let files = &self.held.files;
        let now = jiff::Timestamp::now();
        let mut removed = false;
        for (id, lock) in files.all()? {
            let Some(other) = lock.filter(|other| holders.contains(&other.holder_id())) else { continue };
            if !other.is_stale(now) {
                return Ok(false);
            }
            files.remove(&id)?;
            removed = true;
        }
        if !removed {
            return Ok(true);
        }
        // One that was just rewriting its lock has looked for the old one after this time, or its new one is seen now.
        wait(SETTLE);
        Ok(self.others()?.is_disjoint(holders))
    }

    /// Verifies that the lock was held all the time: nobody removed it, and it never became stale without being acquired again.
    ///
    /// # Errors
    /// [`ArchiveError::LockLost`]; when the place cannot be read.
    pub(crate) fn prove(&self) -> Result<(), ArchiveError> {
        // After a signal to end, nothing more is reported.
        ending::wait_when_ending();
        let _alone = locked(&self.held.refreshing);
        let state = || {
            let state = locked(&self.held.state);
            (state.id, state.since, state.lost.clone(), state.ended)
        };
        let (_, since, lost, ended) = state();
        if lost.is_none() && !ended && uptime().saturating_sub(since) >= REFRESHABLE {
            self.held.refresh()?;
        }
        match state() {
            (_, _, Some(cause), _) => Err(self.held.lost(cause)),
            (_, _, None, true) => Err(self.held.lost("this program was asked to end".to_owned())),
            (id, _, None, false) if self.held.files.list()?.contains(&id) => Ok(()),
            _ => Err(self.held.lost(self.held.lose(REMOVED))),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.held.give_up();
        if let Some(refresher) = self.refresher.take() {
            // A panic there was reported by its hook; the lock becomes stale.
            let _ = refresher.join();
        }
    }
}

const REMOVED: &str = "somebody removed its lock";

impl Held {
    fn lost(&self, cause: String) -> ArchiveError {
        ArchiveError::LockLost { path: self.files.0.path.clone(), cause }
    }

    /// Notes why the lock is no longer held.
    fn lose(&self, cause: &str) -> String {
        locked(&self.state).lost.get_or_insert(cause.to_owned()).clone()
    }

    /// Removes the lock.
    fn give_up(&self) {
        let id = {
            let mut state = locked(&self.state);
            state.ended = true;
            state.id
        };
        self.changed.notify_all();
        // If the place no longer answers, it stays until it is stale.
        let _ = self.files.remove(&id);
    }

    fn refresh_until_ended(&self) {
        let mut pause = REFRESH;
        loop {
            let state = locked(&self.state);
            let waited = self.changed.wait_timeout_while(state, pause, |state| !state.ended && state.lost.is_none());
            let state = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            if state.ended || state.lost.is_some() {
                return;
            }
            drop(state);
            let alone = locked(&self.refreshing);
            pause = if self.refresh().is_ok() { REFRESH } else { RETRY };
            drop(alone);
        }
    }

    /// Rewrites the lock, and removes the old one; or notes why it is lost.
    fn refresh(&self) -> Result<(), ArchiveError> {
        let (old, since) = {
            let state = locked(&self.state);
            (state.id, state.since)
        };
        let age = uptime().saturating_sub(since);
        let unattended = || format!("it was not refreshed for {} minutes, and meanwhile somebody", age.as_secs() / 60);
        if !self.files.list()?.contains(&old) {
            self.lose(REMOVED);
            return Ok(());
        }
        // Somebody may consider it stale, and remove what nobody seems to need.
        let is_old = age >= REFRESHABLE;
        if is_old && self.files.conflict(self.mode, &[old])?.is_some() {
            self.lose(&format!("{} else locked it", unattended()));
            return Ok(());
        }
        let written = uptime();
        let new = self.files.write(&self.mode.file(&self.token)).map_err(|unwritable| unwritable.error)?;
        if is_old {
            wait(SETTLE);
            let is_there = self.files.list()?.contains(&old);
            if !is_there || self.files.conflict(self.mode, &[old, new])?.is_some() {
                self.lose(&format!("{} removed its lock or locked it", unattended()));
            }
        }
        let stays = {
            let mut state = locked(&self.state);
            // The end may have been faster.
            let stays = !state.ended && state.lost.is_none();
            if stays {
                (state.id, state.since) = (new, written);
            }
            stays
        };
        let gone = if stays { old } else { new };
        self.files.remove(&gone)
    }
}
