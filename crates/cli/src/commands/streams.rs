//! The commands on streams: as those on repositories, with the same counts, errors and exit codes.

use crate::command::{BackupArgs, CompareArgs, FromArgs, RestoreArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::hooks::Around;
use crate::job::stream::{self, StreamPlace};
use crate::job::{archive, backup, compared, keys, moment, place, protect, restored};
use crate::output::{amount, counted};
use crate::session::Session;
use crate::state::Task;
use lifeboat_archive::stream::{Sink, Stream};
use lifeboat_archive::{BackupRequest, Observer, Owner, stream as streams};
use lifeboat_machine::{ArchiveManifest, Event, EventSink as _, Machine};
use lifeboat_restore::observe::Observing;
use lifeboat_restore::recovery::target_source;
use std::path::{Path, PathBuf};

/// `lifeboat backup --to stream:…`
pub fn backup(session: &Session, args: &BackupArgs, target: &StreamPlace, log: Option<PathBuf>) -> CommandResult {
    refuse_unused(args, target)?;
    target.check_writable()?;
    // First of all: from now on nothing else goes to standard output.
    let sink = target.sink(args.force)?;
    backup_into(session, args, target, sink, log.into_iter().collect())?.partial
}

/// Refuses options that would have no effect: whoever gives them expects one.
fn refuse_unused(args: &BackupArgs, target: &StreamPlace) -> CommandResult {
    let is_tape = matches!(target, StreamPlace::Tape(_));
    let unused = [
        ("--init", args.init, "a stream is always new"),
        ("--wait-lock", args.wait_lock > 0, "a stream has no locks"),
        (
            "--force",
            args.force && !is_tape,
            "existing files are never overwritten; another name, or removing them first",
        ),
    ];
    match unused.into_iter().find(|(_, given, _)| *given) {
        Some((option, _, why)) => {
            Err(CommandError::usage(format!("{option} has no effect on a stream")).hint(format!("without it: {why}")))
        }
        None => Ok(()),
    }
}

/// What was written.
pub struct Done {
    /// Volumes of the set.
    pub volumes: u32,
    /// An error when something could not be saved.
    pub partial: CommandResult,
}

/// The same into volumes that are begun already; `own` are paths that are written meanwhile and do not belong to the backup.
pub fn backup_into(
    session: &Session,
    args: &BackupArgs,
    target: &StreamPlace,
    sink: Box<dyn Sink>,
    own: Vec<PathBuf>,
) -> Result<Done, CommandError> {
    let sysroot = &args.sysroot.sysroot;
    let machine = protect::machine(session, sysroot, args.machine.as_deref(), target.folder())?;
    if let Some(folder) = target.folder()
        && let Some(saved) = place::on_saved(folder, &machine, sysroot)
    {
        session.reporter.emit(&Event::Warning {
            text: format!(
                "the stream in {} is on the filesystem of {}, which is being backed up, and would be lost with it; keep a copy \
                 elsewhere",
                folder.display(),
                saved.display()
            ),
        });
    }
    let secret = keys::find_or_create(&args.key, &session.config)?;
    let own: Vec<PathBuf> = target.own_files().into_iter().chain(own).collect();
    moment::check(session, &machine, sysroot, &own)?;
    let around = Around::begin(session, &machine)?;
    let mut volumes = 0;
    let level = args.compression.or(session.limits.compression);
    let run = |request: &BackupRequest<'_>, observer: &dyn Observer| {
        let done = streams::backup(request, sink, &secret, level, observer).map_err(archive::explain)?;
        volumes = done.volumes;
        Ok(done.report)
    };
    let result = backup::with_request(session, &around, &machine, (sysroot, &args.exclude, &own), run);
    let report = around.end(result)?;
    session.reporter.finish();
    session.tasks.note(Task::Backup, |run| run.snapshot = Some(report.snapshot.clone()));
    crate::job::room::warn(session, &machine, &report.room);
    session.reporter.value(&serde_json::json!({
        "snapshot": report.snapshot, "entries": report.entries, "bytes": report.bytes, "bytes_added": report.bytes_added,
        "volumes": volumes, "problems": report.problems.len(),
    }));
    session.reporter.line(format!(
        "set {}: {}; {} in {}",
        &report.snapshot[..report.snapshot.len().min(8)],
        amount(report.entries, report.bytes),
        lifeboat_machine::bytes::human(report.bytes_added),
        counted(volumes as usize, "volume"),
    ));
    Ok(Done { volumes, partial: backup::partial(&report) })
}

/// `lifeboat list --from stream:…`
pub fn list(session: &Session, args: &FromArgs, from: &StreamPlace) -> CommandResult {
    let stream = stream::open(session, from, &args.key)?;
    let info = stream.info();
    session.reporter.value(&serde_json::json!({
        "id": info.set, "time": info.time, "machine": info.host, "entries": info.entries, "bytes": info.bytes,
    }));
    let id = &info.set[..info.set.len().min(8)];
    session.reporter.line(format!("{id}  {}  {}  {}", info.time, info.host, amount(info.entries, info.bytes)));
    damaged(&stream)
}

/// Exit code 5 when the set is not whole.
pub fn damaged(stream: &Stream) -> CommandResult {
    match stream.notes() {
        [] => Ok(()),
        _ => Err(CommandError::new(Kind::Partial, "the set is not whole (see above)")
            .hint("'lifeboat verify' names everything that is lost; 'lifeboat restore' restores the rest")),
    }
}

/// `lifeboat verify --from stream:…`; `this` machine's own set is recorded as verified, under the name of its place.
pub fn verify(session: &Session, args: &FromArgs, from: &StreamPlace, this: (&Owner, String)) -> CommandResult {
    let (this, named) = this;
    let mut stream = stream::open(session, from, &args.key).map_err(|error| match error.is_damage() {
        true => CommandError { kind: Kind::Differences, ..error },
        false => error,
    })?;
    if stream::owner(stream.info()).is(this) {
        session.tasks.begin(Task::Verify, named);
    }
    let observer = Observing::new(&session.reporter, "verify");
    let report = stream.verify(&observer)?;
    session.reporter.finish();
    session.reporter.value(&serde_json::json!({
        "snapshots": report.snapshots, "bytes": report.bytes, "entries": report.entries, "problems": report.problems.len(),
    }));
    if !report.problems.is_empty() {
        let count = counted(report.problems.len(), "problem");
        let text = format!("the archive is damaged: {count} (each is listed above)");
        return Err(CommandError::new(Kind::Differences, text)
            .hint("another copy of the set; 'lifeboat restore' restores everything that is not listed"));
    }
    let manifest = ArchiveManifest::from_json(stream.info().manifest.as_bytes())?;
    let info = stream.info();
    if (manifest.entries, manifest.bytes) != (info.entries, info.bytes) {
        let text = format!(
            "the manifest says {}, the set holds {}",
            amount(manifest.entries, manifest.bytes),
            amount(info.entries, info.bytes)
        );
        return Err(CommandError::new(Kind::Differences, text));
    }
    let held = amount(report.entries, info.bytes);
    session.reporter.line(format!("the archive is whole: 1 snapshot with {held}, every byte read"));
    Ok(())
}

/// `lifeboat restore --from stream:… --to DIR [PATH…]`
pub fn restore(session: &Session, args: &RestoreArgs, from: &StreamPlace) -> CommandResult {
    if args.dry_run || args.inside || args.as_name.is_some() {
        return Err(CommandError::usage(
            "a stream is restored with --to, PATHs and patterns; --dry-run, --inside and --as are for repositories",
        )
        .hint("restore it into a folder of its own, and move it"));
    }
    let mut stream = stream::open(session, from, &args.source.key)?;
    stream::check_snapshot(stream.info(), args.snapshot.as_deref())?;
    let target = args.to.as_deref().unwrap_or(Path::new("/"));
    let selection = super::restore::selection(args)?;
    super::restore::patterns_fit(&selection, stream.table(), &stream.info().set)?;
    match &args.to {
        Some(target) => restored::prepare(target)?,
        None => check_machine(&stream)?,
    }
    restored::note_owners(session);
    let observer = Observing::new(&session.reporter, "restore");
    let options = super::restore::options(args.overwrite);
    let report = stream.restore(target, &selection, &options, &observer)?;
    restored::report(session, &stream.info().set, &report, target, (0, 0))
}

/// Files of another machine do not go to the places of this one unasked.
fn check_machine(set: &Stream) -> CommandResult {
    let here = crate::job::snapshot::this_machine(Path::new("/"))?;
    let info = set.info();
    if here.is(&stream::owner(info)) {
        return Ok(());
    }
    Err(CommandError::refused(format!("the stream is of machine '{}', and this one is {here}", info.host))
        .hint("--to DIR restores into a folder"))
}

/// `lifeboat compare --from stream:…`
pub fn compare(session: &Session, args: &CompareArgs, from: &StreamPlace) -> CommandResult {
    let root = args.root.as_deref().unwrap_or(Path::new("/"));
    let mut stream = stream::open(session, from, &args.source.key)?;
    stream::check_snapshot(stream.info(), args.snapshot.as_deref())?;
    let machine = Machine::from_json(&stream.own_file("machine.json")?)?;
    let source = target_source(&machine, root);
    let observer = Observing::new(&session.reporter, "compare");
    let report = stream.compare(&source, &compared::selection(args), &observer)?;
    compared::report(session, &report)
}
