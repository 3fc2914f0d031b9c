//! Taking a backup: which trees belong to it, and its description.

use crate::command::ExcludeArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::hooks::Around;
use crate::job::{exclusion, moment};
use crate::output::amount;
use crate::session::Session;
use lifeboat_archive::{BackupReport, BackupRequest, FileTree, Observer, Pattern, Repository};
use lifeboat_machine::manifest::FORMAT;
use lifeboat_machine::{ArchiveManifest, Machine};
use lifeboat_restore::observe::Observing;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Saves the machine below `sysroot` into `repository`; `also_exclude` are paths of the running system that the caller
/// writes to meanwhile. Snapshots are taken for it, and released after it.
pub fn backup(
    session: &Session,
    around: &Around<'_>,
    repository: &Repository,
    machine: &Machine,
    sysroot: &Path,
    exclude: &ExcludeArgs,
    also_exclude: &[PathBuf],
) -> Result<BackupReport, CommandError> {
    let run = |request: &BackupRequest<'_>, observer: &dyn Observer| Ok(repository.backup(request, observer)?);
    let report = with_request(session, around, machine, (sysroot, exclude, also_exclude), run)?;
    session.reporter.finish();
    super::room::warn(session, machine, &report.room);
    Ok(report)
}

/// Takes a backup of the machine below a root in some way, leaving out some paths; the others as for [`backup`].
pub fn with_request(
    session: &Session,
    around: &Around<'_>,
    machine: &Machine,
    (sysroot, exclude, also_exclude): (&Path, &ExcludeArgs, &[PathBuf]),
    run: impl FnOnce(&BackupRequest<'_>, &dyn Observer) -> Result<BackupReport, CommandError>,
) -> Result<BackupReport, CommandError> {
    let mut source = source(session, machine, sysroot, exclude, also_exclude)?;
    let beside = super::headers::read(session, machine)?;
    let taken = moment::take(session, machine, sysroot, also_exclude)?;
    around.snapshots_taken(&taken)?;
    for (path, directory) in taken.stand_ins() {
        source = source.stand_in(path, directory);
    }
    for path in taken.excludes() {
        source = source.exclude(path);
    }
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
        beside,
        manifest: &manifest,
        reread: false,
        started: None,
    };
    let mut report = run(&request, &observer)?;
    session.reporter.finish();
    for problem in moment::end(session, taken) {
        observer.problem(&problem);
        report.problems.push(problem);
    }
    Ok(report)
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
    let contents = exclude.exclude_contents.iter().chain(&config.exclude_contents);
    let mut excluded: BTreeSet<PathBuf> = exclude.all().chain(&config.exclude).chain(contents).cloned().collect();
    excluded.extend(machine.layout.swap_files.iter().map(|file| file.path.as_path().to_owned()));
    excluded.extend(also_exclude.iter().filter_map(|path| below(path, sysroot)));
    let mut roots = machine.layout.roots();
    if !roots.iter().any(|root| root == Path::new("/")) {
        roots.push("/".into());
    }
    let patterns = exclude.all().chain(&config.exclude).filter_map(|path| {
        // What is none was refused before.
        exclusion::pattern(path, sysroot).ok().flatten()
    });
    let patterns: Vec<Pattern> = patterns.collect();
    let is_out = |path: &Path| excluded.contains(path) || patterns.iter().any(|pattern| pattern.matches(path));
    Ok(super::medium_room::of_files(sysroot, &roots, &is_out))
}

/// Shows what a backup would save and what it would leave out; nothing is written.
pub fn preview(
    session: &Session,
    machine: &Machine,
    sysroot: &Path,
    exclude: &ExcludeArgs,
    also_exclude: &[PathBuf],
) -> Result<u64, CommandError> {
    let source = source(session, machine, sysroot, exclude, also_exclude)?;
    let observer = Observing::new(&session.reporter, "measure");
    let measured = lifeboat_archive::measure::measure(&source, &observer)?;
    session.reporter.finish();
    let mut sum = (0_u64, 0_u64);
    for root in &measured.room.roots {
        sum = (sum.0 + root.entries, sum.1.saturating_add(root.bytes));
        let (path, size) = (root.root(), amount(root.entries, root.bytes));
        session.reporter.line(format!("saved: {} with {size} on the disk", path.display()));
    }
    for path in &source.excludes {
        session.reporter.line(format!("left out: {}", path.display()));
    }
    for pattern in &source.patterns {
        session.reporter.line(format!("left out: what fits '{}'", pattern.text()));
    }
    for path in &source.without_content {
        session.reporter.line(format!("left out: what is in {}", path.display()));
    }
    for path in not_saved(machine, sysroot) {
        session.reporter.line(format!("left out: {}, another filesystem", path.display()));
    }
    for entry in &measured.encrypted {
        session.reporter.warning(entry.at_backup());
    }
    session.reporter.value(&serde_json::json!({
        "dry_run": true, "entries": sum.0, "disk_bytes": sum.1, "excluded": source.excludes,
        "patterns": source.patterns.iter().map(Pattern::text).collect::<Vec<_>>(),
    }));
    Ok(sum.1)
}

/// Filesystems with files that are mounted, and that the machine's description does not have: of servers, and foreign disks.
fn not_saved(machine: &Machine, sysroot: &Path) -> Vec<PathBuf> {
    if sysroot != Path::new("/") {
        return vec![];
    }
    let roots = machine.layout.roots();
    // Without the table nothing is known.
    let mounts = lifeboat_sys::mount::table().unwrap_or_default();
    let holds_files = |kind: &str| {
        [
            "nfs",
            "nfs4",
            "cifs",
            "smb3",
            "fuse.sshfs",
            "ceph",
            "9p",
            "ext2",
            "ext3",
            "ext4",
            "xfs",
            "btrfs",
            "vfat",
            "ntfs3",
        ]
        .contains(&kind)
    };
    let foreign = mounts.into_iter().filter(|mount| holds_files(&mount.kind) && !roots.contains(&mount.mount_point));
    foreign.map(|mount| mount.mount_point).collect()
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
    let (mut patterns, mut paths) = (vec![], vec![]);
    for path in exclude.all().chain(&config.exclude) {
        if let Some(pattern) = exclusion::pattern(path, sysroot)? {
            patterns.push(pattern.clone());
            source = source.exclude_pattern(pattern);
            continue;
        }
        paths.push(path);
        source = source.exclude(exclusion::checked(path)?);
        report_without_effect(session, path, sysroot, false);
    }
    for path in exclude.exclude_contents.iter().chain(&config.exclude_contents) {
        source = source.without_content(exclusion::checked(path)?);
        report_without_effect(session, path, sysroot, true);
        paths.push(path);
    }
    let is_left_out = |inside: &Path| {
        patterns.iter().any(|pattern| pattern.matches(inside)) || paths.iter().any(|path| inside.starts_with(path))
    };
    if let Some(text) = exclusion::unbootable(&exclusion::needed(sysroot, &is_left_out)) {
        session.reporter.warning(text);
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
    let contents = exclude.exclude_contents.iter().chain(&config.exclude_contents);
    contents.map(PathBuf::as_path).try_for_each(|path| exclusion::checked(path).map(drop))?;
    let named = exclude.all().chain(&config.exclude);
    named.map(PathBuf::as_path).try_for_each(|path| match exclusion::pattern(path, Path::new("/"))? {
        Some(_) => Ok(()),
        None => exclusion::checked(path).map(drop),
    })
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
    let folder = std::fs::canonicalize(lifeboat_sys::names::folder_of(path)).ok()?;
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
