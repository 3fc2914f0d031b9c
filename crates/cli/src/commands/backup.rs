//! `lifeboat backup`

use crate::command::BackupArgs;
use crate::error::{CommandError, CommandResult};
use crate::job::hooks::Around;
use crate::job::place::{self, Making};
use crate::job::stream::StreamPlace;
use crate::job::{archive, backup, keys, log, moment, network, protect, watch};
use crate::session::Session;
use crate::state::Task;
use lifeboat_archive::{Repository, RepositoryOptions};
use lifeboat_machine::bytes::human;
use lifeboat_machine::{Event, EventSink as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub fn run(session: &Session, args: &BackupArgs) -> CommandResult {
    let address = match (&args.to, &session.config.repository) {
        (Some(to), _) => to.clone(),
        (None, Some(configured)) => configured.display().to_string(),
        (None, None) => {
            return Err(CommandError::usage("no repository was named; name it with --to REPO")
                .hint(format!("set 'repository' in {}", crate::config::PATH)));
        }
    };
    backup::check_exclusions(session, &args.exclude)?;
    let sysroot = &args.sysroot.sysroot;
    if args.dry_run {
        return preview(session, args, &address);
    }
    let log = log::keep(session, Task::Backup.name(), sysroot);
    if args.machine.is_none() && sysroot == Path::new("/") {
        session.tasks.begin(Task::Backup, place::shown(&address));
    }
    moment::clean(session);
    if let Some(target) = StreamPlace::parse(&address)? {
        return super::streams::backup(session, args, &target, log);
    }
    if args.force {
        return Err(
            CommandError::usage("--force is for tapes").hint("without it: nothing in a repository is overwritten")
        );
    }
    let _watch = watch::over(session, &address)?;
    let target = network::target(session, &address)?;
    let machine = protect::machine(session, sysroot, args.machine.as_deref(), target.place.folder())?;
    let folder = target.place.folder();
    let saved = folder.and_then(|folder| place::on_saved(folder, &machine, sysroot));
    let own: Vec<PathBuf> = folder.map(Path::to_owned).into_iter().chain(log).collect();
    let found = if place::is_repository(&target.place)? {
        let secret = keys::find(&args.key, &session.config)?;
        let repository = Repository::open_at(&target.place, &secret).map_err(archive::explain)?;
        archive::report_damage(session, &repository);
        Some(repository)
    } else {
        place::may_be_made(&target.place, saved.as_deref(), Making { init: args.init, own_disk: args.own_disk })?;
        None
    };
    moment::check(session, &machine, sysroot, &own)?;
    // What can fail without it has not: programs are stopped for as short a time as possible.
    let around = Around::begin(session, &machine)?;
    let work = || {
        let mut repository = match found {
            Some(repository) => repository,
            None => made(session, args, &target)?,
        };
        if let (Some(folder), Some(saved)) = (folder, &saved) {
            session.reporter.emit(&Event::Warning { text: place::warning(folder, saved) });
        }
        if let Some(level) = args.compression.or(session.limits.compression) {
            repository.compress_at(level);
        }
        repository.wait_for_locks(Duration::from_secs(60 * u64::from(args.wait_lock)));
        backup::backup(session, &around, &repository, &machine, sysroot, &args.exclude, &own)
    };
    let result = work();
    let report = around.end(result)?;
    target.close()?;
    session.tasks.note(Task::Backup, |run| run.snapshot = Some(report.snapshot.clone()));
    backup::report(session, &report)
}

/// A new repository.
fn made(session: &Session, args: &BackupArgs, target: &network::Target) -> Result<Repository, CommandError> {
    let secret = keys::find_or_create(&args.key, &session.config)?;
    let made = Repository::init_at(&target.place, &secret, &RepositoryOptions::default());
    let made = made.map_err(archive::explain)?;
    session.reporter.note(format!("a new repository was made at {}", target.place.label().display()));
    Ok(made)
}

/// What a backup would do. Its place is looked at when it is a folder; a key is not needed.
fn preview(session: &Session, args: &BackupArgs, address: &str) -> CommandResult {
    let sysroot = &args.sysroot.sysroot;
    let folder = match StreamPlace::parse(address)? {
        Some(target) => target.folder().map(Path::to_owned),
        None => network::target(session, address)?.place.folder().map(Path::to_owned),
    };
    let folder = folder.as_deref();
    let machine = protect::machine(session, sysroot, args.machine.as_deref(), folder)?;
    let own: Vec<PathBuf> = folder.map(Path::to_owned).into_iter().collect();
    let bytes = backup::preview(session, &machine, sysroot, &args.exclude, &own)?;
    let Some(folder) = folder else { return Ok(()) };
    // It, or the folder that it would be made in.
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let Ok(filesystem) = rustix::fs::statvfs(there) else { return Ok(()) };
    let free = filesystem.f_bavail.saturating_mul(filesystem.f_frsize);
    let free_text = human(free);
    session.reporter.line(format!("room: {free_text} free in {}", there.display()));
    if free < bytes {
        session.reporter.warning(format!(
            "a first backup takes up to {}, usually half of it or less, and {} has {free_text} free",
            human(bytes),
            there.display()
        ));
    }
    Ok(())
}
