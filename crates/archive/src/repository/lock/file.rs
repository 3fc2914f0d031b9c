//! Lock files as restic writes them (internal/restic/lock.go), and the folder they are in.

use crate::ArchiveError;
use crate::file_table::Id;
use crate::repository::store::Store;
use crate::repository::{clock, crypto, pack};
use lifeboat_remote::{Fault, Kind};
use lifeboat_sys::{beneath, bounded};
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A lock that has not been refreshed for this long is stale (restic's `StaleLockTimeout`).
pub(super) const STALE: Duration = Duration::from_secs(30 * 60);
/// The content of a lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockFile {
    pub(super) time: String,
    #[serde(default)]
    pub(super) exclusive: bool,
    #[serde(default)]
    pub(super) hostname: String,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) pid: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) uid: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) gid: u32,
    /// Names this holder for as long as it lives, for a lock is rewritten under other ids. Who writes it knows packs that are marked for
    /// removal; restic ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lifeboat: Option<String>,
    /// It prunes without an exclusive lock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) lifeboat_prunes: bool,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

/// The name of this host, as used in locks.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl LockFile {
    /// A lock of this process, of the holder that `token` names.
    pub(super) fn new(exclusive: bool, prunes: bool, token: &str) -> LockFile {
        let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        LockFile {
            time: clock::now(),
            exclusive,
            hostname: host(),
            username: if uid == 0 { "root".to_owned() } else { uid.to_string() },
            pid: std::process::id().into(),
            uid,
            gid,
            lifeboat: Some(token.to_owned()),
            lifeboat_prunes: prunes,
        }
    }

    /// The holder, the same however often the lock is rewritten.
    pub(super) fn holder_id(&self) -> String {
        match &self.lifeboat {
            Some(token) => token.clone(),
            None => format!("{} {}", self.hostname, self.pid),
        }
    }

    /// How old it is; nothing when its time is unreadable or is in the future.
    pub(super) fn age(&self, now: jiff::Timestamp) -> Option<Duration> {
        let time: jiff::Timestamp = self.time.parse().ok()?;
        u64::try_from(now.as_second().checked_sub(time.as_second())?).ok().map(Duration::from_secs)
    }

    /// Its program is gone, by restic's rules: it is old, or from this host and without a process.
    pub(super) fn is_stale(&self, now: jiff::Timestamp) -> bool {
        self.age(now).is_some_and(|age| age > STALE) || self.is_gone()
    }

    /// It is old even if clocks differ, and its process is gone: it can be removed.
    pub(super) fn is_left_over(&self, now: jiff::Timestamp) -> bool {
        self.age(now).is_some_and(|age| age > STALE) && self.is_gone()
    }

    fn is_gone(&self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        self.hostname == host() && pid.is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
    }

    /// Who holds it, for people.
    pub(super) fn holder(&self, now: jiff::Timestamp) -> String {
        let since = match self.age(now).map(|age| age.as_secs()) {
            Some(seconds) if seconds < 120 => format!("{seconds} s"),
            Some(seconds) if seconds < 7200 => format!("{} min", seconds / 60),
            Some(seconds) => format!("{} h", seconds / 3600),
            None => {
                return format!("process {} of {} on {}, since {}", self.pid, self.username, self.hostname, self.time);
            }
        };
        format!("process {} of {} on {}, refreshed {since} ago", self.pid, self.username, self.hostname)
    }
}

/// The lock files of a repository.
#[derive(Clone)]
pub(super) struct LockFiles(pub(super) Store);

/// Why a lock could not be written.
pub(super) struct Unwritable {
    /// Nobody may write there.
    pub(super) read_only: bool,
    pub(super) error: ArchiveError,
}

impl LockFiles {
    fn folder(&self) -> Option<PathBuf> {
        Some(self.0.folder.as_ref()?.join(Kind::Lock.directory()))
    }

    fn path(&self, id: &Id) -> Option<PathBuf> {
        Some(self.0.folder.as_ref()?.join(below(id)))
    }

    fn failed(&self, action: &'static str, cause: impl ToString) -> ArchiveError {
        self.0.failed(action, format!("its locks: {}", cause.to_string()))
    }

    /// Ids of all locks. Files without content are not locks: an upload was cut off; restic does the same.
    pub(super) fn list(&self) -> Result<Vec<Id>, ArchiveError> {
        let names: Vec<(String, u64)> = match (&self.0.remote, self.folder()) {
            (Some(remote), _) => remote.list(Kind::Lock).map_err(|fault| self.failed("LIST", fault))?,
            (None, Some(folder)) => local_list(&folder).map_err(|error| self.failed("LIST", error))?,
            (None, None) => vec![],
        };
        let is_lock = |size: u64| (1..=Kind::Lock.largest()).contains(&size);
        Ok(names.into_iter().filter(|(_, size)| is_lock(*size)).filter_map(|(name, _)| crypto::unhex(&name)).collect())
    }

    /// One lock; `None` when it is gone, or is not a lock: damaged, or not of this repository.
    pub(super) fn read(&self, id: &Id) -> Result<Option<LockFile>, ArchiveError> {
        let bytes = match (&self.0.remote, self.path(id)) {
            (Some(remote), _) => match remote.read(Kind::Lock, &crypto::hex(id)) {
                Err(Fault::Missing(_) | Fault::Impossible(_)) => return Ok(None),
                other => other.map_err(|fault| self.failed("READ", fault))?,
            },
            (None, Some(path)) => match bounded::read(&path, Kind::Lock.largest()) {
                // What was replaced by a pipe or a giant file since it was listed is not a lock, either; nor is what somebody keeps from being
                // read by a lease (fcntl(2), F_SETLEASE): only its owner can, and whoever writes locks does not.
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Other | ErrorKind::WouldBlock) =>
                {
                    return Ok(None);
                }
                other => other.map_err(|error| self.failed("READ", error))?,
            },
            (None, None) => return Ok(None),
        };
        Ok(self.0.open_file("a lock", id, bytes).ok().and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// Writes a lock; returns its id.
    pub(super) fn write(&self, lock: &LockFile) -> Result<Id, Unwritable> {
        let unwritable = |read_only, cause: String| Unwritable { read_only, error: self.failed("WRITE", cause) };
        let failed = |cause: String| unwritable(false, cause);
        let json = serde_json::to_vec(lock).map_err(|error| failed(error.to_string()))?;
        let sealed = pack::seal_file(&self.0.key, &json).map_err(|error| failed(error.to_string()))?;
        let id = crypto::hash(&sealed);
        match (&self.0.remote, &self.0.folder) {
            (Some(remote), _) => match remote.write(Kind::Lock, &crypto::hex(&id), &sealed) {
                Ok(()) => Ok(id),
                // Transient errors are waited for, and reported in `given_up`: what is left is a missing permission to write.
                Err(fault) => Err(unwritable(remote.given_up().is_none(), fault.to_string())),
            },
            // Not synced: after a power cut nobody holds it, and a file without content is not a lock.
            (None, Some(folder)) => match beneath::write(folder, &below(&id), &sealed, 0o600) {
                Ok(_) => Ok(id),
                Err(error) => Err(unwritable(is_read_only(&error), error.to_string())),
            },
            (None, None) => Err(failed("it has no location".to_owned())),
        }
    }

    /// Removes a lock; it may be gone already.
    pub(super) fn remove(&self, id: &Id) -> Result<(), ArchiveError> {
        match (&self.0.remote, &self.0.folder) {
            (Some(remote), _) => match remote.remove(Kind::Lock, &crypto::hex(id)) {
                Ok(()) | Err(Fault::Missing(_)) => Ok(()),
                Err(fault) => Err(self.failed("CHANGE", fault)),
            },
            (None, Some(folder)) => match beneath::remove(folder, &below(id)) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed("CHANGE", error)),
                _ => Ok(()),
            },
            (None, None) => Ok(()),
        }
    }
}

/// Where a lock is, below the repository's folder.
fn below(id: &Id) -> PathBuf {
    Kind::Lock.path(&crypto::hex(id)).into()
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied)
}

fn local_list(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        other => other?,
    };
    let mut list = vec![];
    for entry in entries {
        let entry = entry?;
        // What is gone by now is no longer a lock; what is not a file is not one either.
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() => {
                list.push((entry.file_name().to_string_lossy().into_owned(), metadata.len()));
            }
            _ => {}
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(host: &str, pid: i64, time: &str) -> LockFile {
        LockFile { hostname: host.to_owned(), pid, time: time.to_owned(), ..LockFile::new(false, false, "t") }
    }

    #[test]
    fn what_restic_wrote_is_read() {
        // restic 0.14, `restic cat lock ID`.
        let json = r#"{"time":"2026-11-28T22:51:02.123456789+01:00","exclusive":true,"hostname":"nas","username":"root","pid":4242}"#;
        let read: LockFile = serde_json::from_str(json).unwrap();
        assert!(read.exclusive && read.pid == 4242 && read.uid == 0);
        let now: jiff::Timestamp = "2026-11-28T21:56:02Z".parse().unwrap();
        assert_eq!(read.age(now), Some(Duration::from_secs(300)));
        assert_eq!(read.holder(now), "process 4242 of root on nas, refreshed 5 min ago");
        assert!(!read.is_stale(now), "another host's process may live");
    }

    #[test]
    fn locks_are_stale_by_age_or_without_a_process() {
        let now: jiff::Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        let (ours, own) = (host(), i64::from(std::process::id()));
        // A child that was waited for has freed its number, if not for long.
        let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
        let dead = i64::from(child.id());
        child.wait().unwrap();
        for (host, pid, time, stale, left_over) in [
            (ours.as_str(), own, "2026-11-28T11:40:00Z", false, false),
            (&ours, own, "2026-11-28T11:29:00Z", true, false),
            (&ours, dead, "2026-11-28T11:59:00Z", true, false),
            (&ours, dead, "2026-11-28T11:29:00Z", true, true),
            ("another-host", dead, "2026-11-28T11:59:00Z", false, false),
            ("another-host", dead, "2026-11-28T11:29:00Z", true, false),
            // A clock that was ahead.
            ("another-host", dead, "2036-11-28T11:29:00Z", false, false),
            (&ours, dead, "2036-11-28T11:29:00Z", true, false),
            ("another-host", 1, "no time", false, false),
        ] {
            let lock = lock(host, pid, time);
            assert_eq!((lock.is_stale(now), lock.is_left_over(now)), (stale, left_over), "{lock:?}");
        }
    }
}
