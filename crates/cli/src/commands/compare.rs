//! `lifeboat compare`

use super::by_hand;
use crate::command::CompareArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::archive;
use crate::job::snapshot::{self, Use};
use crate::session::Session;
use lifeboat_archive::{CompareReport, Selection};
use lifeboat_machine::Name;
use lifeboat_restore::observe::Observing;
use lifeboat_restore::recovery::target_source;
use lifeboat_restore::rescue::{RescueDirectories, is_rescue_system};
use std::path::Path;

/// What is compared.
pub fn selection(args: &CompareArgs) -> Selection {
    if args.paths.is_empty() { Selection::Everything } else { Selection::Paths(args.paths.clone()) }
}

pub fn run(session: &Session, args: &CompareArgs) -> CommandResult {
    let root = match &args.root {
        Some(root) => root.as_path(),
        // There, what is at / is the rescue system.
        None if is_rescue_system(&RescueDirectories::default()) => return by_hand::compare(session, args),
        None => Path::new("/"),
    };
    if let Some(from) = archive::stream(session, args.from.as_deref())? {
        return super::streams::compare(session, args, &from);
    }
    let archive = archive::open(session, args.from.as_deref(), &args.key)?;
    let snapshot = snapshot::choose(session, &archive, args.snapshot.as_deref(), root, Use::Elsewhere)?;
    let selection = selection(args);
    let observer = Observing::new(&session.reporter, "compare");
    let (machine, _) = archive::describe(&archive.repository, &snapshot)?;
    let source = target_source(&machine, root);
    let report = archive.repository.compare(&snapshot, &source, &selection, &observer)?;
    self::report(session, &report)
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
            format!("{} in {} entries", crate::output::counted(count, "difference"), report.entries),
        ));
    }
    session.reporter.value(&serde_json::json!({"entries": report.entries, "differences": 0}));
    session.reporter.line(format!("{} entries are equal", report.entries));
    Ok(())
}
