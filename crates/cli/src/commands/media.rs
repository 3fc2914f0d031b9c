//! `lifeboat media`

use super::{label, netboot, refresh, rescue, set, tape, usb};
use crate::command::{IsoArgs, MediaCommand, RescueArgs};
use crate::error::{CommandError, CommandResult};
use crate::job::boot_check::OwnKey;
use crate::job::embedded::Chosen;
use crate::job::medium::{self, Request, Workshop};
use crate::job::{elsewhere, keys, place, protect};
use crate::session::Session;
use crate::state::Task;
use lifeboat_machine::on_disk::OnDisk;
use std::path::Path;

pub fn run(session: &Session, command: &MediaCommand) -> CommandResult {
    match command {
        MediaCommand::Iso(args) => iso(session, args),
        MediaCommand::Usb(args) => usb::run(session, args),
        MediaCommand::Netboot(args) => netboot::run(session, args),
        MediaCommand::Tape(args) => tape::run(session, args),
        MediaCommand::Set(args) => set::run(session, args),
        MediaCommand::Label(args) => label::run(session, args),
        MediaCommand::Refresh(args) => refresh::run(session, args),
    }
}

/// `media iso`
pub fn iso(session: &Session, args: &IsoArgs) -> CommandResult {
    if args.machine.is_none() && args.medium.sysroot.sysroot == Path::new("/") {
        session.tasks.begin(Task::Medium, place::shown(&args.out.display().to_string()));
    }
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
                dry_run: false,
                out: args.out.clone(),
                machine: args.machine.clone(),
                medium: args.medium.clone(),
                key: args.key.clone(),
                exclude: args.exclude.clone(),
            },
        ),
        None => Err(CommandError::usage("no content for the medium was chosen")
            .hint("--from REPO for its latest snapshot, --backup to take one now, --rescue-only for no archive")),
    }
}

fn rescue_only(session: &Session, args: &IsoArgs) -> CommandResult {
    let source = args.source.as_deref();
    source.map_or(Ok(()), elsewhere::understood)?;
    if args.medium.embed_key && source.is_none() {
        return Err(CommandError::usage("--embed-key needs an archive, on the medium or named by --source"));
    }
    let on_disk = source.map(|text| text.strip_prefix("stream:").unwrap_or(text));
    let on_disk = on_disk.filter(|text| OnDisk::is_meant(text)).and_then(|text| OnDisk::parse(text).ok());
    let place = on_disk.and_then(|place| lifeboat_restore::on_disk::mounted_path(&place, &session.runner));
    let machine = protect::machine(
        session,
        &args.medium.sysroot.sysroot,
        args.machine.as_deref(),
        Some(place.as_deref().unwrap_or(&args.out)),
    )?;
    let known = OwnKey::find(session, &args.key)?.secret;
    let key = match (args.medium.embed_key, known.clone()) {
        (false, _) => None,
        (true, Some(key)) => Some(key),
        (true, None) => Some(keys::find(&args.key, &session.config)?),
    };
    if let Some(source) = source {
        elsewhere::check(session, &args.key, source, &machine);
    }
    let workshop = Workshop::open(session, &args.medium, &args.out, 0)?;
    let mut medium = args.medium.clone();
    medium.append.extend(args.source.iter().map(|source| format!("lifeboat.source={source}")));
    let credentials = key.is_some();
    let request = Request { key: key.as_ref(), seal: known.as_ref(), credentials, ..Request::of(&machine) };
    medium::write_iso(session, &medium, &workshop, &request, &args.out)
}

/// Embeds one snapshot of a repository.
fn from_repository(session: &Session, args: &IsoArgs, from: &str) -> CommandResult {
    let chosen = Chosen::open(session, (from, &args.key), args.snapshot.as_deref(), &args.medium.sysroot.sysroot)?;
    let workshop = Workshop::open(session, &args.medium, &args.out, chosen.bytes)?;
    let (archive, own) = chosen.copy(session, &workshop, args.medium.embed_key)?;
    let request = Request {
        archive: Some(archive),
        key: own.as_ref(),
        seal: Some(&chosen.secret),
        ..Request::of(&chosen.machine)
    };
    medium::write_iso(session, &args.medium, &workshop, &request, &args.out)
}
