//! Where files are restored to, and how a restore is reported.

use crate::error::{CommandError, CommandResult, Kind};
use crate::output::{amount, counted};
use crate::session::Session;
use lifeboat_archive::RestoreReport;
use std::path::Path;

/// Without root all restored files have another owner.
pub fn note_owners(session: &Session) {
    if !rustix::process::geteuid().is_root() {
        session
            .reporter
            .note("owners and groups are not restored, because that needs root: all restored files belong to you");
    }
}

/// Reports what a restore did; problems are exit code 5.
/// `replaced` and `kept`: entries that were there before.
pub fn report(
    session: &Session,
    snapshot: &str,
    report: &RestoreReport,
    target: &Path,
    (replaced, kept): (u64, u64),
) -> CommandResult {
    session.reporter.finish();
    session.reporter.value(&serde_json::json!({
        "snapshot": snapshot, "entries": report.entries, "bytes": report.bytes, "copied_links": report.copies.len(),
        "problems": report.problems.len(), "replaced": replaced, "kept": kept,
    }));
    session.reporter.line(format!("restored {} to {}", amount(report.entries, report.bytes), target.display()));
    if let Some(text) = report.copied() {
        session.reporter.note(text);
    }
    complete(report.problems.len())
}

/// Exit code 5 when entries could not be restored.
pub fn complete(problems: usize) -> CommandResult {
    match problems {
        0 => Ok(()),
        count => Err(CommandError::new(
            Kind::Partial,
            format!("{} could not be restored (listed above)", counted(count, "entry")),
        )),
    }
}

/// Creates the folder to restore into, closed to others until it has its attributes. One that others can change is refused:
/// they could replace files while they are restored.
pub fn prepare(folder: &Path) -> CommandResult {
    use lifeboat_sys::trusted::{self, OpenError};
    let shown = folder.display();
    let refused = |cause: &dyn std::fmt::Display| {
        CommandError::refused(format!("cannot RESTORE to {shown}: {cause}, who could replace restored files"))
    };
    let made = trusted::make(folder, rustix::fs::Mode::RWXU).map_err(|error| match error {
        OpenError::Untrusted { .. } | OpenError::Open { .. } => {
            refused(&error).hint("the path it leads to, without symbolic links")
        }
        OpenError::System { .. } => CommandError::new(Kind::Failed, format!("cannot CREATE {shown}: {error}")),
    })?;
    let status = rustix::fs::fstat(&made)
        .map_err(|error| CommandError::new(Kind::Failed, format!("cannot OPEN {shown}: {error}")))?;
    match trusted::open_to_held(&made, &status) {
        None => Ok(()),
        Some(who) => Err(refused(&format!("the folder can be changed by {who}"))
            .hint("a new folder, e.g. in /root; or 'chown root: DIR; chmod 700 DIR' first")),
    }
}
