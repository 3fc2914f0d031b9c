//! `lifeboat rescue`: the main job in one go.

use super::Session;
use crate::command::RescueArgs;
use crate::error::CommandResult;
use crate::job::medium::{self, Request, Workshop};
use crate::job::{archive, backup, keys, protect};
use lifeboat_archive::{Repository, RepositoryOptions};
use lifeboat_machine::manifest::ArchiveRef;

pub fn run(session: &Session, args: &RescueArgs) -> CommandResult {
    let sysroot = &args.medium.sysroot.sysroot;
    backup::check_exclusions(session, &args.exclude)?;
    let machine = protect::machine(session, sysroot, args.machine.as_deref(), Some(&args.out))?;
    let workshop = Workshop::open(&args.medium, &args.out)?;
    let secret = keys::find_or_create(&args.key, &session.config)?;
    let repository =
        Repository::init(&workshop.repository(), &secret, &RepositoryOptions::default()).map_err(archive::explain)?;
    let out_of_backup = [workshop.path().to_owned(), args.out.clone()];
    let report = medium::timed(session, "backup", || {
        backup::backup(session, &repository, &machine, sysroot, &args.exclude, &out_of_backup)
    })?;
    let archive = ArchiveRef {
        snapshot: report.snapshot.clone(),
        repository: repository.id(),
        entries: report.entries,
        bytes: report.bytes,
    };
    drop(repository);
    let request = Request {
        machine: &machine,
        archive: Some(archive),
        key: args.medium.embed_key.then_some(&secret),
        credentials: false,
    };
    medium::write_iso(session, &args.medium, &workshop, &request, &args.out)?;
    backup::tell(session, &report)
}
