//! `lifeboat backup`

use crate::command::BackupArgs;
use crate::error::{CommandError, CommandResult};
use crate::job::place::{self, Making};
use crate::job::stream::StreamPlace;
use crate::job::{archive, backup, keys, network, protect, watch};
use crate::record::{FOLDER, Record};
use crate::session::Session;
use lifeboat_archive::{Repository, RepositoryOptions};
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
    let log = keep_log(session, sysroot);
    if let Some(target) = StreamPlace::parse(&address)? {
        return super::streams::backup(session, args, &target, log);
    }
    let _watch = watch::over(session, &address)?;
    let target = network::target(session, &address)?;
    let machine = protect::machine(session, sysroot, args.machine.as_deref(), target.place.folder())?;
    let folder = target.place.folder();
    let saved = folder.and_then(|folder| place::on_saved(folder, &machine, sysroot));
    let mut repository = if place::is_repository(&target.place)? {
        let secret = keys::find(&args.key, &session.config)?;
        let repository = Repository::open_at(&target.place, &secret).map_err(archive::explain)?;
        archive::report_damage(session, &repository);
        repository
    } else {
        place::may_be_made(&target.place, saved.as_deref(), Making { init: args.init, own_disk: args.own_disk })?;
        let secret = keys::find_or_create(&args.key, &session.config)?;
        let made = Repository::init_at(&target.place, &secret, &RepositoryOptions::default());
        let made = made.map_err(archive::explain)?;
        session.reporter.note(format!("a new repository was made at {}", target.place.label().display()));
        made
    };
    if let (Some(folder), Some(saved)) = (folder, &saved) {
        session.reporter.emit(&Event::Warning { text: place::warning(folder, saved) });
    }
    let own: Vec<PathBuf> = target.place.folder().map(Path::to_owned).into_iter().chain(log).collect();
    repository.wait_for_locks(Duration::from_secs(60 * u64::from(args.wait_lock)));
    let report = backup::backup(session, &repository, &machine, sysroot, &args.exclude, &own)?;
    backup::report(session, &report)
}

/// Keeps the output of a backup of this machine, which mostly runs unattended; returns the log's path. A backup without a log is
/// better than none.
fn keep_log(session: &Session, sysroot: &Path) -> Option<PathBuf> {
    if sysroot != Path::new("/") || !rustix::process::geteuid().is_root() {
        return None;
    }
    match Record::begin(Path::new(FOLDER), "backup") {
        Ok(record) => {
            let path = record.path().to_owned();
            session.reporter.keep(record);
            Some(path)
        }
        Err(error) => {
            let text = format!("no log of this backup is kept: cannot CREATE it in {FOLDER}: {error}");
            session.reporter.emit(&Event::Warning { text });
            None
        }
    }
}
