//! `lifeboat verify`

use super::Session;
use crate::command::FromArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::archive;
use lifeboat_restore::observe::Observing;

pub fn run(session: &Session, args: &FromArgs) -> CommandResult {
    let archive = archive::open(session, args.from.as_deref(), &args.key).map_err(|error| match error.is_damage() {
        // What it should prove is not so.
        true => CommandError { kind: Kind::Differences, ..error },
        false => error,
    })?;
    if let Some(medium) = &archive.source.medium {
        medium.verify(&session.reporter).map_err(|failure| CommandError {
            kind: Kind::Differences,
            error: failure.into(),
            hints: vec!["another copy of the medium, or build it again".into()],
        })?;
        session.reporter.finish();
        session.reporter.line(format!(
            "medium {}: {} files are what they were",
            medium.manifest.medium_id,
            medium.manifest.files.len()
        ));
    }
    let observer = Observing::new(&session.reporter, "verify");
    let report = archive.repository.verify(&observer)?;
    session.reporter.finish();
    session.reporter.value(&serde_json::json!({
        "snapshots": report.snapshots, "packs": report.packs, "blobs": report.blobs, "bytes": report.bytes,
        "entries": report.entries, "problems": report.problems.len(),
    }));
    if !report.problems.is_empty() {
        return Err(CommandError::new(
            Kind::Differences,
            format!(
                "the archive is damaged: {} (each is listed above)",
                super::counted(report.problems.len(), "problem")
            ),
        )
        .hint("another copy of the repository; 'lifeboat restore' brings back all that is not listed, and the next backup stores again what it needs"));
    }
    session.reporter.line(format!(
        "the archive is whole: {} with {}, every byte read",
        super::counted(report.snapshots as usize, "snapshot"),
        crate::output::amount(report.entries, report.bytes)
    ));
    Ok(())
}
