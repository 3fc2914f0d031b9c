//! What is compared, and how differences are reported.

use crate::command::CompareArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::output::entries_of;
use crate::session::Session;
use lifeboat_archive::{CompareReport, Selection};
use lifeboat_machine::Name;

/// What is compared.
pub fn selection(args: &CompareArgs) -> Selection {
    if args.paths.is_empty() { Selection::Everything } else { Selection::Paths(args.paths.clone()) }
}

/// Lists what differs.
pub fn report(session: &Session, report: &CompareReport) -> CommandResult {
    session.reporter.finish();
    for difference in &report.differences {
        let path = Name::from(difference.path.as_path()).to_string();
        session.reporter.value(&serde_json::json!({"path": path, "difference": difference.detail}));
        session.reporter.line(format!("{path}: {}", difference.detail));
    }
    if let Some(text) = report.copied() {
        session.reporter.note(text);
    }
    let count = report.differences.len() + report.problems.len();
    if count > 0 {
        return Err(CommandError::new(
            Kind::Differences,
            format!("{} in {}", crate::output::counted(count, "difference"), entries_of(report.entries)),
        ));
    }
    session.reporter.value(&serde_json::json!({"entries": report.entries, "differences": 0}));
    session.reporter.line(match report.entries {
        1 => "1 entry is equal".to_owned(),
        entries => format!("{} are equal", entries_of(entries)),
    });
    Ok(())
}
