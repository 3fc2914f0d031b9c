//! `lifeboat backup`

use super::Session;
use crate::command::BackupArgs;
use crate::error::{CommandError, CommandResult};
use crate::job::{archive, backup, keys, protect};
use lifeboat_archive::{Repository, RepositoryOptions};
use std::path::PathBuf;

pub fn run(session: &Session, args: &BackupArgs) -> CommandResult {
    let place = match (&args.to, &session.config.repository) {
        (Some(to), _) if to.contains("://") => {
            return Err(CommandError::usage(format!(
                "{to}: this release writes to folders; mount the share and name the folder"
            )));
        }
        (Some(to), _) => PathBuf::from(to),
        (None, Some(configured)) => configured.clone(),
        (None, None) => {
            return Err(CommandError::usage("which repository? name it with --to REPO")
                .hint(format!("set 'repository' in {}", crate::config::PATH)));
        }
    };
    let machine = protect::machine(session, &args.sysroot.sysroot, args.machine.as_deref())?;
    let repository = if Repository::is_repository(&place) {
        let secret = keys::find(&args.key, &session.config, None)?;
        Repository::open(&place, &secret).map_err(archive::explain)?
    } else {
        let secret = keys::find_or_create(&args.key, &session.config)?;
        Repository::init(&place, &secret, &RepositoryOptions::default()).map_err(archive::explain)?
    };
    let report = backup::backup(session, &repository, &machine, &args.sysroot.sysroot, &args.exclude, &[place])?;
    backup::tell(session, &report)
}
