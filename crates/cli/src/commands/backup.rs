//! `lifeboat backup`

use super::Session;
use crate::command::BackupArgs;
use crate::error::{CommandError, CommandResult};
use crate::job::{archive, backup, keys, network, protect};
use lifeboat_archive::{Repository, RepositoryOptions};
use std::path::{Path, PathBuf};

pub fn run(session: &Session, args: &BackupArgs) -> CommandResult {
    let place = match (&args.to, &session.config.repository) {
        (Some(to), _) => to.clone(),
        (None, Some(configured)) => configured.display().to_string(),
        (None, None) => {
            return Err(CommandError::usage("which repository? name it with --to REPO")
                .hint(format!("set 'repository' in {}", crate::config::PATH)));
        }
    };
    let target = network::target(session, &place)?;
    let machine = protect::machine(session, &args.sysroot.sysroot, args.machine.as_deref(), target.place.folder())?;
    let repository = if target.place.is_repository()? {
        let secret = keys::find(&args.key, &session.config)?;
        Repository::open_at(&target.place, &secret).map_err(archive::explain)?
    } else {
        let secret = keys::find_or_create(&args.key, &session.config)?;
        Repository::init_at(&target.place, &secret, &RepositoryOptions::default()).map_err(archive::explain)?
    };
    let own: Vec<PathBuf> = target.place.folder().map(Path::to_owned).into_iter().collect();
    let report = backup::backup(session, &repository, &machine, &args.sysroot.sysroot, &args.exclude, &own)?;
    backup::tell(session, &report)
}
