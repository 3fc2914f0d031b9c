//! `lifeboat verify`

use crate::command::FromArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::boot_check::{self, OwnKey};
use crate::job::stream::StreamPlace;
use crate::job::{archive, discs, log, place, snapshot};
use crate::session::Session;
use crate::state::Task;
use lifeboat_archive::Owner;
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_restore::observe::Observing;
use lifeboat_restore::{Source, view};
use std::path::Path;

pub fn run(session: &Session, args: &FromArgs) -> CommandResult {
    // What the configuration names is this machine's own; of what is named otherwise that is known later.
    if let (None, Some(configured)) = (&args.from, &session.config.repository) {
        log::keep(session, Task::Verify.name(), Path::new("/"));
        session.tasks.begin(Task::Verify, place::shown(&configured.display().to_string()));
    }
    let this = snapshot::this_machine(Path::new("/"))?;
    let named = args.from.as_deref().map(place::shown).unwrap_or_default();
    if let Some(from) = archive::stream(session, args.from.as_deref())? {
        if let StreamPlace::Images(path) = &from
            && let Some(first) = discs::images(session, path)?.files().get(&1)
        {
            let from = FromArgs { from: Some(first.display().to_string()), key: args.key.clone() };
            check_medium(session, &from)?;
        }
        return super::streams::verify(session, args, &from, (&this, named));
    }
    verify(session, args, Some((&this, named)))
}

/// Verifies a medium or an archive that was just made; the record of verifications is left alone.
pub fn check(session: &Session, args: &FromArgs) -> CommandResult {
    verify(session, args, None)
}

/// Verifies a medium that was just refreshed, without the archive on it.
pub fn check_medium(session: &Session, args: &FromArgs) -> CommandResult {
    let found = archive::find_any(session, args.from.as_deref())?;
    medium(session, &found.source, &OwnKey::find(session, &args.key)?)
}

/// `record` is this machine, and the place as the record has it.
fn verify(session: &Session, args: &FromArgs, record: Option<(&Owner, String)>) -> CommandResult {
    let found = archive::find_any(session, args.from.as_deref())?;
    let source = &found.source;
    if let (Some((this, named)), Some(manifest)) = (&record, source.manifest())
        && lifeboat_restore::snapshot::owner(manifest).is(this)
    {
        session.tasks.begin(Task::Verify, named.clone());
    }
    let key = OwnKey::find(session, &args.key)?;
    if source.view().is_some() {
        medium(session, source, &key)?;
        if source.manifest().is_some_and(|manifest| !manifest.has_archive()) {
            session.reporter.line("the medium holds no archive (it was made with --rescue-only)");
            return Ok(());
        }
    }
    let archive = archive::unlock(session, found, &args.key, key.secret).map_err(|error| match error.is_damage() {
        // Verification failed.
        true => CommandError { kind: Kind::Differences, ..error },
        false => error,
    })?;
    let this = record.as_ref().map(|(this, _)| *this);
    if let Some((this, named)) = record
        && archive.repository.latest_of(this).is_ok()
    {
        session.tasks.begin(Task::Verify, named);
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
                crate::output::counted(report.problems.len(), "problem")
            ),
        )
        .hint(
            "another copy of the repository; 'lifeboat restore' restores everything that is not listed, and the \
         next backup stores again what it needs",
        ));
    }
    let machines = archive.repository.machines()?;
    let ours = machines.iter().find(|(owner, _)| this.is_some_and(|this| owner.is(this)));
    // Of many machines, each looks at its own.
    let latest = ours.or(if let [only] = &machines[..] { Some(only) } else { None }).map(|(_, latest)| latest);
    // Another program's snapshot describes no machine.
    if let Some(latest) = latest
        && let Ok((machine, _)) = archive::describe(&archive.repository, latest)
    {
        snapshot::warn_unless_startable(session, &archive, latest, &machine);
    }
    session.reporter.line(format!(
        "the archive is whole: {} with {}, every byte read",
        crate::output::counted(report.snapshots as usize, "snapshot"),
        crate::output::amount(report.entries, report.bytes)
    ));
    Ok(())
}

/// The medium's files against its manifest, and what boots against its list. Everything wrong is listed.
fn medium(session: &Session, source: &Source, key: &OwnKey) -> CommandResult {
    let (Some(view), Some(manifest)) = (source.view(), source.manifest()) else { return Ok(()) };
    let boot = boot_check::check(session, &view, manifest, key)?;
    let mut problems = boot.problems.clone();
    if let Err(failure) = view::verify(&view, manifest, &session.reporter) {
        problems.push(failure.to_string());
    }
    session.reporter.finish();
    session.reporter.value(&serde_json::json!({
        "medium": manifest.medium_id, "files": manifest.files.len(), "boot_files": boot.files, "boot_ranges": boot.ranges,
        "sealed": boot.sealed == lifeboat_restore::boot::Sealed::Fits, "signed_by": boot.signed_by,
        "problems": problems,
    }));
    if let [first, rest @ ..] = problems.as_slice() {
        for text in rest {
            session.reporter.emit(&Event::Warning { text: text.clone() });
        }
        let error = CommandError::new(Kind::Differences, format!("the medium was changed: {first}"));
        return Err(error.hint("another copy of the medium, or building it again"));
    }
    session.reporter.line(format!("medium {}: {} files are unchanged", manifest.medium_id, manifest.files.len()));
    session.reporter.line(boot_check::summary(&boot));
    Ok(())
}
