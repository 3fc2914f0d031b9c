//! `lifeboat rescue`: the main job in one go.

use crate::command::{MenuMode, RescueArgs};
use crate::error::CommandResult;
use crate::job::hooks::Around;
use crate::job::medium::{self, Request, Workshop};
use crate::job::{backup, headers, keys, medium_repository, moment, place, protect};
use crate::session::Session;
use crate::state::Task;
use lifeboat_machine::manifest::ArchiveRef;
use std::path::Path;

pub fn run(session: &Session, args: &RescueArgs) -> CommandResult {
    let sysroot = &args.medium.sysroot.sysroot;
    backup::check_exclusions(session, &args.exclude)?;
    if !args.dry_run && args.machine.is_none() && sysroot == Path::new("/") {
        let place = place::shown(&args.out.display().to_string());
        session.tasks.begin(Task::Backup, place.clone());
        session.tasks.begin(Task::Medium, place);
    }
    if !args.dry_run {
        moment::clean(session);
    }
    let machine = protect::machine(session, sysroot, args.machine.as_deref(), Some(&args.out))?;
    if args.medium.mode == MenuMode::Nuke {
        headers::warn_of_passphrases(session, &machine, sysroot);
    }
    moment::check(session, &machine, sysroot, std::slice::from_ref(&args.out))?;
    let archive_bytes = backup::most_bytes(session, &machine, sysroot, &args.exclude, std::slice::from_ref(&args.out))?;
    if args.dry_run {
        backup::preview(session, &machine, sysroot, &args.exclude, std::slice::from_ref(&args.out))?;
        return Workshop::preview(session, &args.medium, &args.out, archive_bytes);
    }
    let workshop = Workshop::open(session, &args.medium, &args.out, archive_bytes)?;
    let secret = keys::find_or_create(&args.key, &session.config)?;
    let (repository, own) =
        medium_repository::create(&workshop.repository(), &secret, &machine.name, args.medium.embed_key)?;
    let out_of_backup = [workshop.path().to_owned(), args.out.clone()];
    let around = Around::begin(session, &machine)?;
    let result = medium::timed(session, "backup", || {
        backup::backup(session, &around, &repository, &machine, sysroot, &args.exclude, &out_of_backup)
    });
    let report = around.end(result)?;
    session.tasks.note(Task::Backup, |run| run.snapshot = Some(report.snapshot.clone()));
    let archive = ArchiveRef {
        snapshot: report.snapshot.clone(),
        repository: repository.id(),
        entries: report.entries,
        bytes: report.bytes,
    };
    drop(repository);
    medium_repository::keep_spare(&workshop.repository())?;
    let request = Request { archive: Some(archive), key: own.as_ref(), seal: Some(&secret), ..Request::of(&machine) };
    medium::write_iso(session, &args.medium, &workshop, &request, &args.out)?;
    backup::report(session, &report)
}
