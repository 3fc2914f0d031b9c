//! `lifeboat drill`

use super::Session;
use crate::command::DrillArgs;
use crate::error::{CommandError, CommandResult, Kind};
use lifeboat_drill::{DrillOptions, Progress, Proof, drill};
use lifeboat_machine::EventSink as _;
use std::path::PathBuf;
use std::time::Duration;

pub fn run(session: &Session, args: &DrillArgs) -> CommandResult {
    if !args.medium.exists() {
        return Err(CommandError::usage(format!("{}: no such medium", args.medium.display())));
    }
    let options = DrillOptions {
        medium: args.medium.clone(),
        report: args.report.clone(),
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
        // The recovery's own end is not the drill's: it would read as ours.
        Progress::Event(event) if event.is_final() => session.reporter.note(event.console_line()),
        Progress::Event(event) => session.reporter.emit(&event),
    })?;
    session.reporter.finish();
    session.reporter.value(&report);
    session.reporter.line(report.text());
    session.reporter.line(format!("report: {}", args.report.join("report.html").display()));
    if report.passed {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Failed,
        format!("the drill failed: {}", report.reason.as_deref().unwrap_or("see the report")),
    ))
}

/// Where the choice of acceleration is remembered: the user's cache directory.
fn cache() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let folder = base.join("lifeboat");
    std::fs::create_dir_all(&folder).ok().map(|()| folder)
}
