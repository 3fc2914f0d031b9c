//! Snapshots and frozen filesystems of a backup: `[snapshots]`.

use crate::error::{CommandError, CommandResult, Kind};
use crate::session::Session;
use lifeboat_archive::Problem;
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_moment::leftover::{self, Found};
use lifeboat_moment::room::{self, Rooms};
use lifeboat_moment::{Choice, Context, MomentError, Snapshots, Taken, Use, choice, run, taken};
use lifeboat_sys::UninterruptedRunner;
use lifeboat_sys::child::{Setup, prepare};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

static RUNNER: UninterruptedRunner = UninterruptedRunner;

/// What is always written to: by the backup's log and temporary files, and by every other program.
const WRITTEN: [&str; 10] =
    ["/", "/etc", "/usr", "/var", "/var/log", crate::record::FOLDER, "/var/tmp", "/tmp", "/run", "/dev/shm"];

/// How each filesystem of a machine is read.
///
/// # Errors
/// When LVM cannot be asked.
pub fn choices(machine: &Machine, policy: &Snapshots) -> Result<Vec<Choice>, CommandError> {
    let has_groups = !machine.layout.groups.is_empty() && policy.when != Use::Never;
    let rooms = if has_groups { room::rooms(&RUNNER)? } else { Rooms::default() };
    Ok(choice::choose(&machine.layout, policy, &rooms))
}

/// Takes the snapshots; `written` is where the caller writes meanwhile.
///
/// # Errors
/// Kind `Refused` for a filesystem that must not be frozen, kind `Failed` for what is required and cannot be done.
pub fn take(
    session: &Session,
    machine: &Machine,
    sysroot: &Path,
    written: &[PathBuf],
) -> Result<Taken<'static>, CommandError> {
    let policy = &session.config.snapshots;
    let choices = choices(machine, policy)?;
    let written = all_written(written);
    let context = Context {
        runner: &RUNNER,
        folder: Path::new(run::FOLDER),
        sysroot,
        written: &written,
        keeper: Some(&keeper),
        warn: &|text| session.reporter.emit(&Event::Warning { text }),
    };
    let taken = lifeboat_moment::take(&context, policy, choices).map_err(explained)?;
    if policy.when != Use::Never || !policy.freeze.is_empty() {
        taken.choices.iter().for_each(|choice| session.reporter.note(choice.line()));
    }
    Ok(taken)
}

/// Reports what cannot be done as the configuration wants it, before anything is done.
///
/// # Errors
/// As [`take`].
pub fn check(session: &Session, machine: &Machine, sysroot: &Path, written: &[PathBuf]) -> CommandResult {
    let policy = &session.config.snapshots;
    if policy.when == Use::Never && policy.freeze.is_empty() {
        return Ok(());
    }
    let choices = choices(machine, policy)?;
    unknown_paths(policy, &choices)?;
    taken::check(sysroot, &all_written(written), policy, &choices).map_err(explained)
}

fn all_written(written: &[PathBuf]) -> Vec<PathBuf> {
    WRITTEN.iter().map(PathBuf::from).chain(written.iter().cloned()).collect()
}

fn explained(error: MomentError) -> CommandError {
    let kind = if matches!(error, MomentError::NotToBeFrozen { .. }) { Kind::Refused } else { Kind::Failed };
    let remedy = match error {
        MomentError::Required { .. } => {
            "use = 'auto' in [snapshots], which reads it live, or its mount point in 'live'; 'lifeboat check' shows what is possible"
        }
        _ => "",
    };
    CommandError::new(kind, error).hint(remedy)
}

/// A path in the configuration that is no mount point would be without effect.
fn unknown_paths(policy: &Snapshots, choices: &[Choice]) -> Result<(), CommandError> {
    let is_root = |path: &&PathBuf| choices.iter().flat_map(|choice| &choice.roots).any(|root| root.at == **path);
    match policy.freeze.iter().chain(&policy.live).find(|path| !is_root(path)) {
        None => Ok(()),
        Some(path) => Err(CommandError::usage(format!(
            "[snapshots] names {}, where no filesystem of this machine is mounted",
            path.display()
        ))
        .hint("a mount point as 'lifeboat layout show' lists it")),
    }
}

/// The entries that cannot be relied on, and release.
pub fn end(session: &Session, mut taken: Taken<'_>) -> Vec<Problem> {
    let faults = taken.faults();
    for text in taken.release() {
        session.reporter.emit(&Event::Warning { text: format!("{text}; the next backup tries again") });
    }
    faults.into_iter().map(|(path, message)| Problem { path, message }).collect()
}

/// Removes what runs left that were killed. That never stops a backup.
pub fn clean(session: &Session) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let table = lifeboat_sys::mount::table().unwrap_or_default();
    let warn = |text| session.reporter.emit(&Event::Warning { text });
    match leftover::remove(&RUNNER, Path::new(run::FOLDER), &table) {
        Ok(Found { removed, left }) => removed.into_iter().chain(left).for_each(warn),
        Err(error) => warn(format!("cannot LOOK for snapshots of runs that were killed: {error}")),
    }
}

/// The life of a keeper: `lifeboat dev keep RUN`.
///
/// # Errors
/// When it cannot look for what is left.
pub fn keep(id: &str) -> Result<(), CommandError> {
    leftover::keep(&RUNNER, Path::new(run::FOLDER), id, std::io::stdin())?;
    Ok(())
}

/// Starts a process that removes the snapshots of this one if it is killed.
fn keeper(id: &str) -> std::io::Result<Child> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command
        .args(["dev", "keep", id])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // It outlives a terminal, and a signal to the group of processes.
    prepare(&mut command, Setup { new_session: true, ..Setup::default() });
    command.spawn()
}
