//! `lifeboat drill`

use crate::command::DrillArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::job::boot_check::{self, OwnKey};
use crate::job::stream::StreamPlace;
use crate::job::{archive, discs, log, place, snapshot};
use crate::session::Session;
use crate::state::{self, Task};
use lifeboat_drill::{DrillOptions, Progress, Proof, drill};
use lifeboat_machine::{Event, EventSink as _, MediumManifest};
use lifeboat_remote::tree::Tree;
use lifeboat_restore::Stick;
use lifeboat_restore::view::View;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub fn run(session: &Session, args: &DrillArgs) -> CommandResult {
    let configured = session.config.schedule.medium_file.as_ref();
    let Some(medium) = args.medium.as_ref().or(configured) else {
        return Err(CommandError::usage("no medium was named")
            .hint("lifeboat drill rescue.iso")
            .hint(format!("set 'medium_file' in [schedule] of {}", crate::config::PATH)));
    };
    if args.medium.is_none() {
        log::keep(session, Task::Drill.name(), Path::new("/"));
        session.tasks.begin(Task::Drill, place::shown(&medium.display().to_string()));
    }
    let named = medium.display().to_string();
    let medium = &if Stick::is_meant(&named) { Stick::named(&named)?.disk } else { medium.clone() };
    if !medium.exists() {
        return Err(CommandError::usage(format!("{}: no such medium", medium.display())));
    }
    let (medium, further_discs) = &of_set(session, medium)?;
    prove(session, args, medium)?;
    let kept = state::folder().join("drill");
    let report_folder = match (&args.report, &args.medium) {
        (Some(folder), _) => folder.clone(),
        (None, Some(_)) => {
            let here = PathBuf::from("lifeboat-drill");
            // QEMU and we write it by its path.
            match guarded::open_folder(&here) {
                None => here,
                Some(why) => {
                    session.reporter.note(format!("the report goes to {}: {why}", kept.display()));
                    kept
                }
            }
        }
        (None, None) => kept,
    };
    guarded::own_folder("--report", &report_folder)?;
    guarded::refuse_folder("--work-dir", &args.work_dir)?;
    let options = DrillOptions {
        medium: medium.clone(),
        further_discs: further_discs.clone(),
        report: report_folder.clone(),
        scratch: args.work_dir.clone(),
        cache: cache(),
        memory_mib: args.memory,
        controller: None,
        size_factor: args.size_factor,
        stick: args.stick,
        proof: match (&args.command, &args.expect) {
            (Some(command), _) => Proof::Command(command.clone()),
            (None, Some(text)) => Proof::Text(text.clone()),
            (None, None) => Proof::Login,
        },
        deadline: Duration::from_secs(args.deadline),
    };
    let report = drill(&session.runner, &options, &mut |progress| match progress {
        Progress::Phase(text) => session.reporter.note(text),
        // The recovery's own end is not the drill's: it would be mistaken for ours.
        Progress::Event(event) if event.is_final() => session.reporter.note(event.console_line()),
        Progress::Event(event) => session.reporter.emit(&event),
    })?;
    session.reporter.finish();
    session.reporter.value(&report);
    session.reporter.line(report.text());
    session.reporter.line(format!("report: {}", report_folder.join("report.html").display()));
    if report.passed {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Failed,
        format!("the drill failed: {}", report.reason.as_deref().unwrap_or("see the report")),
    ))
}

/// The disc that boots, and the others of its set: of a set any of its images may be named, or their folder.
fn of_set(session: &Session, medium: &Path) -> Result<(PathBuf, Vec<PathBuf>), CommandError> {
    let Some(StreamPlace::Images(path)) = discs::meant(medium) else { return Ok((medium.to_owned(), vec![])) };
    let found = discs::images(session, &path)?;
    let Some(first) = found.files().get(&1).cloned() else {
        let text = format!("{}: there is no image of disc 1, which boots", medium.display());
        return Err(CommandError::usage(text));
    };
    Ok((first, found.files().iter().filter(|(number, _)| **number != 1).map(|(_, path)| path.clone()).collect()))
}

/// Compares what boots from the medium with its list. What is not a medium is left to the drill, which reports it.
fn prove(session: &Session, args: &DrillArgs, medium: &Path) -> CommandResult {
    if Stick::at(medium).is_some() {
        if !rustix::process::geteuid().is_root() {
            session.reporter.note("only root can compare what boots from a stick with its list");
            return Ok(());
        }
        let found = archive::find_any(session, Some(&medium.display().to_string()))?;
        let (Some(view), Some(manifest)) = (found.source.view(), found.source.manifest()) else { return Ok(()) };
        return compare(session, args, medium, &view, manifest);
    }
    let Ok(tree) = Tree::open_local(medium) else { return Ok(()) };
    let Ok(manifest) = tree.read_file("manifest.json") else { return Ok(()) };
    let manifest = lifeboat_restore::medium::parse_manifest(&manifest, "the medium's manifest")?;
    compare(session, args, medium, &View::Tree(&tree), &manifest)
}

fn compare(
    session: &Session,
    args: &DrillArgs,
    medium: &Path,
    view: &View<'_>,
    manifest: &MediumManifest,
) -> CommandResult {
    if lifeboat_restore::snapshot::owner(manifest).is(&snapshot::this_machine(Path::new("/"))?) {
        session.tasks.begin(Task::Drill, place::shown(&medium.display().to_string()));
    }
    let boot = boot_check::check(session, view, manifest, &OwnKey::find(session, &args.key)?)?;
    let [first, rest @ ..] = boot.problems.as_slice() else {
        session.reporter.note(boot_check::summary(&boot));
        return Ok(());
    };
    for text in rest {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
    Err(CommandError::new(Kind::Differences, format!("the medium was changed and was not booted: {first}"))
        .hint("another copy of the medium, or building it again"))
}

/// Where the choice of acceleration is remembered: the user's cache directory. The variables may name somebody else's where root acts for a user.
fn cache() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(state::folder());
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let folder = base.join("lifeboat");
    std::fs::create_dir_all(&folder).ok().map(|()| folder)
}
