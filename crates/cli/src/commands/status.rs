//! `lifeboat status`: facts from the record, the repository, the medium and the machine, and what follows from them.

use crate::command::StatusArgs;
use crate::config::Limit;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::stream::StreamPlace;
use crate::job::{archive, place, protect, refresh, snapshot, stream, watch};
use crate::session::Session;
use crate::state::{self, Run, State, Task};
use crate::status::{Facts, Layout, Repository, judge, prometheus, status, text};
use crate::units;
use jiff::Timestamp;
use lifeboat_machine::bytes::human;
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_restore::Stick;
use std::path::{Path, PathBuf};

/// When a task that a timer runs is overdue, if [status] does not say: some more than its usual interval.
const VERIFY: Limit = Limit::days(10);
const DRILL: Limit = Limit::days(40);

pub fn run(session: &Session, args: &StatusArgs) -> CommandResult {
    if !rustix::process::geteuid().is_root() && args.from.is_none() {
        return Err(CommandError::usage("'lifeboat status' reads the record of earlier runs and needs root")
            .hint("sudo lifeboat status")
            .hint("--from REPO looks into a repository alone"));
    }
    let now = Timestamp::now();
    let (state, warning) = State::load(&state::folder());
    if let Some(text) = warning {
        session.reporter.emit(&Event::Warning { text });
    }
    let this = snapshot::this_machine(Path::new("/"))?;
    let (repository, known) = look_into(session, args, &this);
    let machine = machine(session);
    let layout = layout(known.as_ref(), machine.as_ref());
    // Most do not remove anything by themselves.
    let prunes = !session.config.retention.policy().is_empty() || state.runs(Task::Prune).last.is_some();
    let items = Task::ALL.into_iter().filter(|task| prunes || *task != Task::Prune).map(|task| {
        let mut facts = facts(session, task, &state);
        match task {
            Task::Backup => of_backup(&mut facts, known.as_ref()),
            Task::Verify => facts.since = known.as_ref().and_then(|known| known.first),
            Task::Medium => of_medium(session, &mut facts, machine.as_ref().ok(), &state),
            Task::Drill => facts.since = made(&state),
            Task::Prune => {}
        }
        judge(task, &facts, now)
    });
    let result = status(this.name.clone(), now, items.collect(), layout, repository);
    if let Some(path) = &args.prometheus {
        prometheus::write(path, &prometheus::text(&result))
            .map_err(|error| CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", path.display())))?;
    }
    session.reporter.value(&result);
    session.reporter.lines(text::text(&result));
    match result.problems.len() {
        0 => Ok(()),
        1 => Err(CommandError::new(Kind::Differences, "1 thing needs attention (listed above)")),
        count => Err(CommandError::new(Kind::Differences, format!("{count} things need attention (listed above)"))),
    }
}

/// The latest snapshot of this machine.
struct Latest {
    time: Option<Timestamp>,
    /// When the first one was taken.
    first: Option<Timestamp>,
    about: String,
    machine: Result<Machine, String>,
}

/// Looks into the repository. One that cannot be read is a fact, not a failure. A tape and a pipe are looked into when they are named
/// on the command line: nobody waits for the configured tape, and the record knows of its backups.
fn look_into(
    session: &Session,
    args: &StatusArgs,
    this: &lifeboat_archive::Owner,
) -> (Option<Repository>, Option<Latest>) {
    let configured = session.config.repository.as_ref().map(|path| path.display().to_string());
    let Some(place) = args.from.clone().or(configured) else { return (None, None) };
    let found = archive::stream(session, Some(&place));
    if args.from.is_none()
        && matches!(found, Ok(Some(StreamPlace::Pipe | StreamPlace::Tape(_) | StreamPlace::Drives(_))))
    {
        return (None, None);
    }
    let look = || -> Result<Latest, CommandError> {
        if let Some(from) = found? {
            return of_stream(session, args, this, (&from, &place));
        }
        let archive = archive::open(session, Some(&place), &args.key)?;
        let snapshots = archive.repository.snapshots_of(this)?;
        let Some(latest) = snapshots.last() else {
            return Err(CommandError::new(Kind::Failed, format!("it holds no snapshot of this machine, {this}")));
        };
        let machine = archive::describe(&archive.repository, latest).map(|(machine, _)| machine);
        Ok(Latest {
            time: latest.time.parse().ok(),
            first: snapshots.first().and_then(|first| first.time.parse().ok()),
            about: format!("snapshot {}, {}, in {place}", latest.short_id(), human(latest.bytes)),
            machine: machine.map_err(|error| error.message()),
        })
    };
    match look() {
        Ok(latest) => (Some(Repository { place, error: None }), Some(latest)),
        Err(error) => (Some(Repository { error: Some(error.message()), place }), None),
    }
}

/// A stream, which holds one backup.
fn of_stream(
    session: &Session,
    args: &StatusArgs,
    this: &lifeboat_archive::Owner,
    (from, place): (&StreamPlace, &str),
) -> Result<Latest, CommandError> {
    if let Some(folder) = from.folder() {
        watch::reach(folder)?;
    }
    let mut set = stream::open(session, from, &args.key)?;
    if let [first, ..] = set.notes() {
        return Err(CommandError::new(Kind::Partial, format!("the set is not whole: {first}")));
    }
    let info = set.info();
    if !stream::owner(info).is(this) {
        return Err(CommandError::new(Kind::Failed, format!("it holds no backup of this machine, {this}")));
    }
    let time = info.time.parse().ok();
    let id = &info.set[..info.set.len().min(8)];
    let about = format!("set {id}, {}, in {place}", human(info.bytes));
    let machine = set.own_file("machine.json").map_err(|error| error.to_string());
    let machine = machine.and_then(|json| Machine::from_json(&json).map_err(|error| error.to_string()));
    Ok(Latest { time, first: time, about, machine })
}

/// This machine, or why it is not looked at.
fn machine(session: &Session) -> Result<Machine, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can read the disks".into());
    }
    let probed = protect::probe(session, Path::new("/"), place::configured_folder(&session.config).as_deref());
    probed.map(|probed| probed.machine).map_err(|error| error.message())
}

fn layout(known: Option<&Latest>, machine: Result<&Machine, &String>) -> Layout {
    let recorded = match known.map(|known| &known.machine) {
        None => return Layout::Unknown("no snapshot of this machine was read".into()),
        Some(Err(why)) => return Layout::Unknown(why.clone()),
        Some(Ok(recorded)) => recorded,
    };
    match machine {
        Err(why) => Layout::Unknown(why.clone()),
        Ok(machine) => match refresh::changes(recorded, machine) {
            changes if changes.is_empty() => Layout::Fits,
            changes => Layout::Changed(refresh::in_words(&changes)),
        },
    }
}

/// What the record and the configuration say about a task.
fn facts(session: &Session, task: Task, state: &State) -> Facts {
    let runs = state.runs(task);
    let table = &session.config.status;
    let by_timer = |limit: Limit| if units::is_on(Path::new("/"), task) { limit } else { Limit(None) };
    let limit = match task {
        Task::Backup => table.backup,
        Task::Verify => table.verify.unwrap_or_else(|| by_timer(VERIFY)),
        Task::Medium => table.medium.unwrap_or_default(),
        Task::Drill => table.drill.unwrap_or_else(|| by_timer(DRILL)),
        // A repository that is not pruned only grows.
        Task::Prune => Limit(None),
    };
    let about = runs.done.as_ref().and_then(|run| run.place.clone());
    let is_running = runs.last.as_ref().is_some_and(runs_still);
    Facts { runs, limit, about, is_running, ..Facts::default() }
}

/// The process of a run is there; a number that another program got meanwhile is no sign of it.
fn runs_still(run: &Run) -> bool {
    let command = std::fs::read(format!("/proc/{}/cmdline", run.pid)).unwrap_or_default();
    run.code.is_none() && String::from_utf8_lossy(&command).contains("lifeboat")
}

fn of_backup(facts: &mut Facts, known: Option<&Latest>) {
    if let Some(known) = known {
        facts.seen = known.time;
        facts.about = Some(known.about.clone());
    }
}

/// When the first medium could have been rehearsed.
fn made(state: &State) -> Option<Timestamp> {
    state.runs(Task::Medium).done.and_then(|run| run.at.parse().ok())
}

/// The medium itself: the one that is kept up to date, or the last one that was made, as far as it is there.
fn of_medium(session: &Session, facts: &mut Facts, machine: Option<&Machine>, state: &State) {
    let configured = session.config.schedule.medium_file.clone();
    let last = state.runs(Task::Medium).done.and_then(|run| run.place).map(PathBuf::from);
    let Some(path) = configured.clone().or(last) else { return };
    facts.about = Some(path.display().to_string());
    let named = path.display().to_string();
    let is_stick = Stick::is_meant(&named);
    let there = match is_stick {
        true => Stick::named(&named).is_ok(),
        false => crate::job::watch::reach(&path).is_ok() && path.exists(),
    };
    if !there {
        // A stick that is in a drawer is as it should be; an image that is to be kept up to date is not.
        if configured.is_some() && !is_stick {
            facts.different.push(format!("{} is not there", path.display()));
        }
        return;
    }
    match refresh::read(&path) {
        Err(why) => facts.different.push(format!("{} cannot be read: {why}", path.display())),
        Ok(known) => {
            facts.seen = known.manifest.created_at.parse().ok();
            if let Some(machine) = machine {
                facts.different = refresh::reasons(session, &known, machine, state);
            }
        }
    }
}
