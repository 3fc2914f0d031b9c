//! What operations report: progress while they run, problems as they occur, a report at the end.

use std::path::PathBuf;
use std::sync::Mutex;

/// How far an operation is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being done: `walk`, `read`, `store`, `restore`, `attributes`, `compare`, `verify`.
    pub phase: &'static str,
    /// Entries done.
    pub entries: u64,
    /// Entries in all; 0 while unknown.
    pub entries_total: u64,
    /// Bytes of content done; holes have none.
    pub bytes: u64,
    /// Bytes of content in all; 0 while unknown.
    pub bytes_total: u64,
}

/// One entry that could not be read or restored, or only in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The entry, as an absolute path in the archive; empty when it concerns none.
    pub path: PathBuf,
    /// What happened, e.g. `cannot READ: Input/output error`.
    pub message: String,
}

/// Gets reports of progress and problems; called from several threads, problems as they occur, progress a few times a second.
pub trait Observer: Sync {
    /// How far it is.
    fn progress(&self, _progress: &Progress) {}
    /// A problem that the report will count.
    fn problem(&self, _problem: &Problem) {}
    /// Something that concerns no entry and does no harm, but should be known.
    fn warning(&self, _text: &str) {}
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {}

/// What a backup did.
#[derive(Clone, Debug, Default)]
pub struct BackupReport {
    /// Snapshot id, hex.
    pub snapshot: String,
    /// Entries in the snapshot, with the root directory, without `.lifeboat`.
    pub entries: u64,
    /// Sum of the sizes of regular files, in bytes.
    pub bytes: u64,
    /// Bytes that the repository grew by.
    pub bytes_added: u64,
    /// Regular files that the previous snapshot does not have.
    pub new: u64,
    /// Regular files that differ from the previous snapshot.
    pub changed: u64,
    /// Regular files taken over from the previous snapshot without reading them.
    pub unchanged: u64,
    /// Packs of the repository that are missing or cut short.
    pub lost_packs: u64,
    /// Packs in which something cannot be read.
    pub damaged_packs: u64,
    /// Blobs that only they had, and that were stored again.
    pub stored_again: u64,
    /// The room that a restore of it needs.
    pub room: crate::Room,
    /// What its filesystem encrypts, and is missing or not so encrypted in the snapshot.
    pub encrypted: Vec<crate::Encrypted>,
    /// Everything that could not be read, or changed meanwhile.
    pub problems: Vec<Problem>,
}

/// What a restore did.
#[derive(Clone, Debug, Default)]
pub struct RestoreReport {
    /// Entries restored.
    pub entries: u64,
    /// Bytes of file content restored, holes included.
    pub bytes: u64,
    /// Entries whose protecting flags wait for [`Repository::protect`](crate::Repository::protect).
    pub unprotected: u64,
    /// Hard links that became copies, because no link to their first name is possible: it is on another filesystem.
    pub copies: Vec<PathBuf>,
    /// Everything that could not be restored, or only in part.
    pub problems: Vec<Problem>,
}

impl RestoreReport {
    /// Hard links that became copies, for people; `None` when there are none.
    pub fn copied(&self) -> Option<String> {
        copied(&self.copies)
    }
}

/// Names hard links that are copies.
pub(crate) fn copied(copies: &[PathBuf]) -> Option<String> {
    let what =
        if copies.len() == 1 { "1 hard link was restored as a copy" } else { "hard links were restored as copies" };
    let count = if copies.len() == 1 { String::new() } else { format!("{} ", copies.len()) };
    let some = some_of(copies.get(..NAMED).unwrap_or(copies), copies.len());
    (!copies.is_empty()).then(|| format!("{count}{what}, because the first name is on another filesystem: {some}"))
}

/// How many of many paths are listed.
pub(crate) const NAMED: usize = 5;

/// Some paths of `total` ones, for people: "/a, /b and 5 more".
pub(crate) fn some_of(paths: &[PathBuf], total: usize) -> String {
    let named: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let rest = total.saturating_sub(named.len());
    let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    format!("{}{more}", named.join(", "))
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Snapshots in the repository.
    pub snapshots: u64,
    /// Pack files read.
    pub packs: u64,
    /// Blobs decrypted and hashed.
    pub blobs: u64,
    /// Bytes of the repository that were read.
    pub bytes: u64,
    /// Entries of all snapshots.
    pub entries: u64,
    /// Everything that is damaged or missing; empty for a good repository.
    pub problems: Vec<Problem>,
}

/// Counts and passes on problems; shared by threads.
pub(crate) struct Problems<'a> {
    observer: &'a dyn Observer,
    list: Mutex<Vec<Problem>>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(observer: &'a dyn Observer) -> Self {
        Problems { observer, list: Mutex::new(vec![]) }
    }

    pub(crate) fn add(&self, path: impl Into<PathBuf>, message: impl Into<String>) {
        let problem = Problem { path: path.into(), message: message.into() };
        self.observer.problem(&problem);
        locked(&self.list).push(problem);
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.list.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Locks; a poisoned lock only means that another thread panicked, which is reported separately.
pub(crate) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
