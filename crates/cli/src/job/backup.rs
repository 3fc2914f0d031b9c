//! Taking a backup: which trees belong to it, and its description.

use crate::command::ExcludeArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::exclusion;
use crate::output::amount;
use crate::session::Session;
use lifeboat_archive::{BackupReport, BackupRequest, FileTree, Observer, Repository};
use lifeboat_machine::manifest::FORMAT;
use lifeboat_machine::{ArchiveManifest, Machine};
use lifeboat_restore::observe::Observing;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Saves the machine below `sysroot` into `repository`; `also_exclude` are paths of the running system that the caller
/// writes to meanwhile.
pub fn backup(
    session: &Session,
    repository: &Repository,
    machine: &Machine,
    sysroot: &Path,
    exclude: &ExcludeArgs,
    also_exclude: &[PathBuf],
) -> Result<BackupReport, CommandError> {
    let report = with_request(session, machine, sysroot, exclude, also_exclude, |request, observer| {
        Ok(repository.backup(request, observer)?)
    })?;
    session.reporter.finish();
    super::room::warn(session, machine, &report.room);
    Ok(report)
}

/// Takes a backup of the machine below `sysroot` in some way; the others as for [`backup`].
pub fn with_request<T>(
    session: &Session,
    machine: &Machine,
    sysroot: &Path,
    exclude: &ExcludeArgs,
    also_exclude: &[PathBuf],
    run: impl FnOnce(&BackupRequest<'_>, &dyn Observer) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let source = source(session, machine, sysroot, exclude, also_exclude)?;
    let machine_json = machine.to_json();
    let machine_blake3 = blake3::hash(&machine_json).to_hex().to_string();
    let manifest = |entries: u64, bytes: u64| {
        serde_json::to_vec_pretty(&ArchiveManifest {
            format: FORMAT,
            lifeboat: env!("CARGO_PKG_VERSION").into(),
            machine_name: machine.name.clone(),
            machine_id: machine.machine_id.clone(),
            machine_blake3: machine_blake3.clone(),
            started_at: jiff::Timestamp::now().to_string(),
            entries,
            bytes,
        })
        .map_err(|error| error.to_string())
    };
    let observer = Observing::new(&session.reporter, "backup");
    let request = BackupRequest {
        source: &source,
        host: machine.name.clone(),
        machine_id: machine.machine_id.clone(),
        tags: vec![],
        program: concat!("lifeboat ", env!("CARGO_PKG_VERSION")).into(),
        machine: machine_json,
        beside: super::headers::read(session, machine)?,
        manifest: &manifest,
        reread: false,
        started: None,
    };
    run(&request, &observer)
}

/// The most that a backup takes in a new repository.
pub fn most_bytes(
    session: &Session,
    machine: &Machine,
    sysroot: &Path,
    exclude: &ExcludeArgs,
    also_exclude: &[PathBuf],
) -> Result<u64, CommandError> {
    let config = &session.config.backup;
    let named = [&exclude.exclude, &config.exclude, &exclude.exclude_contents, &config.exclude_contents];
    let mut excluded: BTreeSet<PathBuf> = named.into_iter().flatten().cloned().collect();
    excluded.extend(machine.layout.swap_files.iter().map(|file| file.path.as_path().to_owned()));
    excluded.extend(also_exclude.iter().filter_map(|path| below(path, sysroot)));
    let mut roots = machine.layout.roots();
    if !roots.iter().any(|root| root == Path::new("/")) {
        roots.push("/".into());
    }
    Ok(super::medium_room::of_files(sysroot, &roots, &excluded))
}

/// What belongs to a backup: every recorded mount, with btrfs subvolumes that are reached through their parents.
fn source(
    session: &Session,
    machine: &Machine,
    sysroot: &Path,
    exclude: &ExcludeArgs,
    also_exclude: &[PathBuf],
) -> Result<FileTree, CommandError> {
    let mut source = FileTree::new(sysroot);
    for root in machine.layout.roots().into_iter().filter(|root| root != Path::new("/")) {
        source = source.mount(root);
    }
    for file in &machine.layout.swap_files {
        source = source.exclude(file.path.as_path());
    }
    let config = &session.config.backup;
    for path in exclude.exclude.iter().chain(&config.exclude) {
        source = source.exclude(exclusion::checked(path)?);
        report_without_effect(session, path, sysroot, false);
    }
    for path in exclude.exclude_contents.iter().chain(&config.exclude_contents) {
        source = source.without_content(exclusion::checked(path)?);
        report_without_effect(session, path, sysroot, true);
    }
    for path in also_exclude {
        if let Some(inside) = below(path, sysroot) {
            source = source.exclude(inside);
        }
    }
    Ok(source)
}

/// Checks what is to be left out, before anything is created or asked.
pub fn check_exclusions(session: &Session, exclude: &ExcludeArgs) -> CommandResult {
    let config = &session.config.backup;
    let named = exclude.exclude.iter().chain(&exclude.exclude_contents);
    named.chain(&config.exclude).chain(&config.exclude_contents).try_for_each(|path| exclusion::checked(path).map(drop))
}

fn report_without_effect(session: &Session, path: &Path, sysroot: &Path, directory: bool) {
    if let Some(text) = exclusion::without_effect(path, sysroot, directory) {
        session.reporter.note(text);
    }
}

/// The path inside the archive of a path of the running system.
fn below(path: &Path, sysroot: &Path) -> Option<PathBuf> {
    let sysroot = std::fs::canonicalize(sysroot).ok()?;
    // The file itself may not exist yet; its folder does.
    let folder =
        std::fs::canonicalize(path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))).ok()?;
    let inside = folder.strip_prefix(&sysroot).ok()?;
    Some(Path::new("/").join(inside).join(path.file_name()?))
}

/// Reports what a backup did; problems are exit code 5.
pub fn report(session: &Session, report: &BackupReport) -> CommandResult {
    session.reporter.value(&serde_json::json!({
        "snapshot": report.snapshot, "entries": report.entries, "bytes": report.bytes, "bytes_added": report.bytes_added,
        "new": report.new, "changed": report.changed, "unchanged": report.unchanged, "problems": report.problems.len(),
    }));
    session.reporter.line(format!(
        "snapshot {}: {}; {} new, {} changed, {} unchanged files; the repository grew by {}",
        &report.snapshot[..report.snapshot.len().min(8)],
        amount(report.entries, report.bytes),
        report.new,
        report.changed,
        report.unchanged,
        lifeboat_machine::bytes::human(report.bytes_added),
    ));
    partial(report)
}

/// Exit code 5 when some entries could not be saved.
pub fn partial(report: &BackupReport) -> CommandResult {
    if report.problems.is_empty() {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Partial,
        format!(
            "the snapshot was saved, but {} could not be read or changed meanwhile (listed above)",
            crate::output::counted(report.problems.len(), "entry")
        ),
    ))
}
