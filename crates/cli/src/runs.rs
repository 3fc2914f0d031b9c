//! Which tasks of the routine this process does: each is recorded when it begins and when the command has ended, so that `status`
//! knows of a run that failed, and of one that never came to its end.

use crate::error::CommandResult;
use crate::state::{self, Run, State, Task};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The tasks of one command.
#[derive(Debug)]
pub struct Tasks {
    began: Instant,
    at: String,
    running: Mutex<Vec<(Task, Run)>>,
    /// Why the record could not be written, once.
    lost: Mutex<Option<String>>,
}

impl Default for Tasks {
    fn default() -> Self {
        Tasks { began: Instant::now(), at: now(), running: Mutex::default(), lost: Mutex::default() }
    }
}

/// The time as the record has it.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Tasks {
    /// A task of this machine begins. Only root's runs are recorded: the record is root's.
    pub fn begin(&self, task: Task, place: impl Into<String>) {
        let running = locked(&self.running).iter().any(|(running, _)| *running == task);
        if running || !rustix::process::geteuid().is_root() {
            return;
        }
        let place = Some(place.into());
        let run = Run { at: self.at.clone(), pid: std::process::id(), place, ..Run::default() };
        locked(&self.running).push((task, run.clone()));
        self.write(vec![(task, run)]);
    }

    /// Adds to what is recorded of a task, if it was begun.
    pub fn note(&self, task: Task, note: impl FnOnce(&mut Run)) {
        if let Some((_, run)) = locked(&self.running).iter_mut().find(|(running, _)| *running == task) {
            note(run);
        }
    }

    /// A phase of the work took so long.
    pub fn phase(&self, name: &str, seconds: f64) {
        for (_, run) in locked(&self.running).iter_mut() {
            run.phases.insert(name.to_owned(), seconds);
        }
    }

    /// What a phase of what runs now took when it was done last, in seconds.
    pub fn usual(&self, name: &str) -> Option<f64> {
        let task = locked(&self.running).iter().map(|(task, _)| *task).next_back()?;
        let done = State::load(&state::folder()).0.runs(task).done?;
        done.phases.get(name).copied().filter(|seconds| seconds.is_finite())
    }

    /// The command has ended.
    pub fn end(&self, result: &CommandResult) {
        let seconds = self.began.elapsed().as_secs_f64();
        let (code, error) = match result {
            Ok(()) => (0, None),
            Err(error) => (error.kind.code(), Some(error.text().trim_end().to_owned())),
        };
        let ended = |(task, run): (Task, Run)| (task, Run { seconds, code: Some(code), error: error.clone(), ..run });
        let ended: Vec<_> = std::mem::take(&mut *locked(&self.running)).into_iter().map(ended).collect();
        if !ended.is_empty() {
            self.write(ended);
        }
    }

    /// Why runs could not be recorded; said once.
    pub fn lost(&self) -> Option<String> {
        locked(&self.lost).take()
    }

    fn write(&self, runs: Vec<(Task, Run)>) {
        let folder: PathBuf = state::folder();
        let record = |state: &mut State| {
            for (task, run) in runs {
                state.record(task, run);
            }
        };
        if let Err(error) = state::update(&folder, record) {
            *locked(&self.lost) = Some(format!(
                "this run is not recorded for 'lifeboat status': cannot WRITE in {}: {error}",
                folder.display()
            ));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
