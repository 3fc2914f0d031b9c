//! `lifeboat media`

use super::{Session, rescue};
use crate::command::{IsoArgs, MediaCommand, RescueArgs};
use crate::error::{CommandError, CommandResult};
use crate::job::medium::{self, Request, Workshop};
use crate::job::{archive, keys, protect};
use lifeboat_archive::{Repository, RepositoryOptions};
use lifeboat_machine::manifest::ArchiveRef;

pub fn run(session: &Session, command: &MediaCommand) -> CommandResult {
    match command {
        MediaCommand::Iso(args) => iso(session, args),
    }
}

fn iso(session: &Session, args: &IsoArgs) -> CommandResult {
    if args.rescue_only {
        return rescue_only(session, args);
    }
    let from = args.from.clone().or_else(|| {
        let configured = session.config.repository.as_ref().map(|path| path.display().to_string());
        configured.filter(|_| !args.backup)
    });
    match from {
        Some(from) => from_repository(session, args, &from),
        None if args.backup => rescue::run(
            session,
            &RescueArgs {
                out: args.out.clone(),
                machine: args.machine.clone(),
                medium: args.medium.clone(),
                key: args.key.clone(),
                exclude: args.exclude.clone(),
            },
        ),
        None => Err(CommandError::usage("what should the medium hold?")
            .hint("--from REPO for its latest snapshot, --backup to take one now, --rescue-only for no archive")),
    }
}

fn rescue_only(session: &Session, args: &IsoArgs) -> CommandResult {
    if args.medium.embed_key {
        return Err(CommandError::usage("--embed-key needs an archive on the medium"));
    }
    let machine = protect::machine(session, &args.medium.sysroot.sysroot, args.machine.as_deref())?;
    let workshop = Workshop::open(&args.medium, &args.out)?;
    let request = Request { machine: &machine, archive: None, key: None };
    medium::write_iso(session, &args.medium, &workshop, &request, &args.out)
}

/// Embeds one snapshot of a repository: it alone is copied, under the same key.
fn from_repository(session: &Session, args: &IsoArgs, from: &str) -> CommandResult {
    let archive = archive::open(session, Some(from), &args.key)?;
    let secret = keys::find(&args.key, &session.config, None)?;
    let snapshot = archive::snapshot(&archive, args.snapshot.as_deref())?;
    let (machine, manifest) = archive::describe(&archive.repository, &snapshot)?;
    let workshop = Workshop::open(&args.medium, &args.out)?;
    let copy =
        Repository::init(&workshop.repository(), &secret, &RepositoryOptions::default()).map_err(archive::explain)?;
    let copied = medium::timed(session, "copy", || Ok(archive.repository.copy_snapshot(&snapshot, &copy)?))?;
    let reference =
        ArchiveRef { snapshot: copied.id, repository: copy.id(), entries: manifest.entries, bytes: manifest.bytes };
    drop(copy);
    let request =
        Request { machine: &machine, archive: Some(reference), key: args.medium.embed_key.then_some(&secret) };
    medium::write_iso(session, &args.medium, &workshop, &request, &args.out)
}
