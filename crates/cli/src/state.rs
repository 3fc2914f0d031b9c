//! What the last runs did: a small file that `backup`, `verify`, `media`, `rescue` and `drill` write and `status` reads. The repository
//! knows its snapshots best; this file knows what a repository cannot: failures, media, rehearsals. It is written as a whole or not at
//! all, and one that is damaged costs its content only.

use lifeboat_sys::durable;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The version of the file.
pub const FORMAT: u32 = 1;
/// Where it is kept; systemd names another folder by `STATE_DIRECTORY` (systemd.exec(5)).
pub const FOLDER: &str = "/var/lib/lifeboat";
const NAME: &str = "state.json";
/// A larger file is not ours.
const LARGEST: u64 = 1 << 20;
/// Another run writes for a few milliseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// Characters of an error that are kept.
const ERROR: usize = 2000;

/// What runs by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// A backup into the repository, or onto a medium.
    Backup,
    /// A medium.
    Medium,
    /// The whole repository, or medium, was read.
    Verify,
    /// A rehearsal.
    Drill,
    /// Old snapshots were forgotten, and what nobody needs was pruned.
    Prune,
}

impl Task {
    /// All of them, in the order in which people think of them.
    pub const ALL: [Task; 5] = [Task::Backup, Task::Medium, Task::Verify, Task::Drill, Task::Prune];

    /// Its name, in units, logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Task::Backup => "backup",
            Task::Medium => "medium",
            Task::Verify => "verify",
            Task::Drill => "drill",
            Task::Prune => "prune",
        }
    }

    /// An exit code after which the task counts as done: a backup with entries that could not be read is one.
    fn is_done(self, code: u8) -> bool {
        code == 0 || (code == 5 && matches!(self, Task::Backup | Task::Medium))
    }
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// When it began, RFC 3339 in UTC.
    pub at: String,
    /// How long it took.
    pub seconds: f64,
    /// Its exit code; `None` while it runs, or when it did not come to its end.
    pub code: Option<u8>,
    /// Its process.
    pub pid: u32,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The repository or file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The snapshot that was written, or put onto the medium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The medium that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<Medium>,
    /// What its phases took, in seconds: how long they may take next time.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub phases: BTreeMap<String, f64>,
}

/// What a medium was made from, as far as the medium itself does not say it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Medium {
    /// Its id.
    pub id: String,
    /// Digest of the boot loaders' files of this machine.
    pub loaders: String,
}

/// The last run of a task, and the last one that was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runs {
    /// The last one.
    pub last: Option<Run>,
    /// The last one that was done.
    pub done: Option<Run>,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// [`FORMAT`].
    pub format: u32,
    /// Tasks that ever ran.
    #[serde(default)]
    pub tasks: BTreeMap<Task, Runs>,
}

/// The folder of the file: systemd's choice for the unit, or [`FOLDER`].
pub fn folder() -> PathBuf {
    of_unit("STATE_DIRECTORY").unwrap_or_else(|| PathBuf::from(FOLDER))
}

/// A folder that systemd made for the unit: the first of those that a variable lists.
pub fn of_unit(variable: &str) -> Option<PathBuf> {
    let value = std::env::var(variable).ok()?;
    let first = value.split(':').next()?;
    first.starts_with('/').then(|| PathBuf::from(first))
}

impl State {
    /// The runs of a task.
    pub fn runs(&self, task: Task) -> Runs {
        self.tasks.get(&task).cloned().unwrap_or_default()
    }

    /// Reads the file. One that is missing is empty; one that cannot be used is, too, with a warning.
    pub fn load(folder: &Path) -> (State, Option<String>) {
        let path = folder.join(NAME);
        let empty = |why: &dyn std::fmt::Display| {
            (State::default(), Some(format!("the record of earlier runs, {}, is ignored: {why}", path.display())))
        };
        match lifeboat_sys::bounded::read(&path, LARGEST) {
            Ok(bytes) => match serde_json::from_slice::<State>(&bytes) {
                Ok(state) if state.format == FORMAT => (state, None),
                Ok(state) => empty(&format!("it has format {}, this release reads {FORMAT}", state.format)),
                Err(error) => empty(&error),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (State::default(), None),
            Err(error) => empty(&error),
        }
    }

    /// Records a run: its beginning, and later the same run with its end.
    pub fn record(&mut self, task: Task, mut run: Run) {
        run.error = run.error.map(|error| error.chars().take(ERROR).collect());
        let runs = self.tasks.entry(task).or_default();
        if run.code.is_some_and(|code| task.is_done(code)) {
            runs.done = Some(run.clone());
        }
        runs.last = Some(run);
    }
}

/// Changes the file. A damaged one is kept beside the new one as `state.json.damaged`; that of a newer release is not replaced.
///
/// # Errors
/// The system's error.
pub fn update(folder: &Path, change: impl FnOnce(&mut State)) -> std::io::Result<()> {
    durable::make_directories(folder, 0o700)?;
    let lock = std::fs::File::options().create(true).truncate(false).write(true).open(folder.join("state.lock"))?;
    let began = Instant::now();
    while let Err(error) = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if began.elapsed() >= LOCK_DEADLINE {
            return Err(std::io::Error::other(format!("state.lock is held by another process: {error}")));
        }
        std::thread::sleep(LOOK);
    }
    let path = folder.join(NAME);
    let (mut state, unusable) = State::load(folder);
    if let Some(why) = unusable {
        if is_newer(&path) {
            return Err(std::io::Error::other(why));
        }
        std::fs::rename(&path, folder.join("state.json.damaged"))?;
    }
    state.format = FORMAT;
    change(&mut state);
    let mut json = serde_json::to_vec_pretty(&state)?;
    json.push(b'\n');
    durable::write(&path, &folder.join(".state.json.new"), &json, 0o600)
}

fn is_newer(path: &Path) -> bool {
    let state = lifeboat_sys::bounded::read(path, LARGEST).ok();
    let state = state.and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    state.is_some_and(|state| state["format"].as_u64().is_some_and(|format| format > u64::from(FORMAT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(code: Option<u8>) -> Run {
        Run { at: "2026-11-30T01:00:00Z".into(), code, ..Run::default() }
    }

    #[test]
    fn a_run_that_failed_does_not_hide_the_last_one_that_was_done() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        for (task, code) in
            [(Task::Backup, Some(5)), (Task::Backup, Some(1)), (Task::Drill, Some(1)), (Task::Verify, None)]
        {
            update(&folder, |state| state.record(task, run(code))).unwrap();
        }
        let (state, warning) = State::load(&folder);
        assert_eq!(warning, None);
        let codes = |task: Task| {
            let runs = state.runs(task);
            (runs.last.and_then(|run| run.code), runs.done.and_then(|run| run.code))
        };
        assert_eq!(codes(Task::Backup), (Some(1), Some(5)));
        assert_eq!(codes(Task::Drill), (Some(1), None));
        assert_eq!(codes(Task::Verify), (None, None));
        assert_eq!(codes(Task::Medium), (None, None));
    }

    #[test]
    fn damage_costs_the_content_and_a_newer_format_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        for damaged in ["", "{", "[]", "{\"format\":1,\"tasks\":{\"backup\":7}}", "\u{0}\u{0}"] {
            std::fs::write(&path, damaged).unwrap();
            let (state, warning) = State::load(folder.path());
            assert!(state.tasks.is_empty() && warning.unwrap().contains("is ignored"), "{damaged:?}");
            update(folder.path(), |state| state.record(Task::Drill, run(Some(0)))).unwrap();
            assert!(State::load(folder.path()).0.runs(Task::Drill).done.is_some(), "{damaged:?}");
            assert_eq!(std::fs::read_to_string(folder.path().join("state.json.damaged")).unwrap(), damaged);
        }
        std::fs::write(&path, "{\"format\":2,\"new\":true}").unwrap();
        assert!(State::load(folder.path()).1.unwrap().contains("format 2"));
        assert!(update(folder.path(), |_| ()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"format\":2,\"new\":true}");
    }

    #[test]
    fn two_that_write_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for task in Task::ALL {
                let folder = folder.path();
                scope.spawn(move || {
                    for _ in 0..5 {
                        update(folder, |state| state.record(task, run(Some(0)))).unwrap();
                    }
                });
            }
        });
        assert_eq!(State::load(folder.path()).0.tasks.len(), 5);
    }
}
