//! `lifeboat restore`

use super::{by_hand, recover};
use crate::command::RestoreArgs;
use crate::error::{CommandError, CommandResult};
use crate::job::snapshot::{self, Use};
use crate::job::{archive, restored};
use crate::session::Session;
use lifeboat_archive::{RestoreOptions, Selection};
use lifeboat_restore::observe::Observing;
use lifeboat_restore::rescue::{RescueDirectories, is_rescue_system};
use std::path::Path;

pub fn run(session: &Session, args: &RestoreArgs) -> CommandResult {
    if let Some(mode) = args.mode {
        return recover::mode(session, mode, args.rescue_root.as_deref());
    }
    let whole_machine = args.paths.is_empty() && args.to.is_none();
    if whole_machine && is_rescue_system(&RescueDirectories::default()) {
        if archive::stream(session, args.from.as_deref())?.is_some() {
            return Err(CommandError::usage(
                "a machine is recovered from a repository or a medium, and not from a stream",
            )
            .hint("--to DIR restores the files of a stream onto filesystems that are there"));
        }
        return by_hand::run(session, args);
    }
    if args.stage.is_some() || args.resume {
        return Err(CommandError::usage(
            "--stage and --resume are for the rescue system, where the whole machine is recovered",
        ));
    }
    if whole_machine {
        return Err(CommandError::usage(
            "nothing to restore was named: name paths, or a folder with --to DIR for everything",
        )
        .hint(
            "a whole machine is recovered from its medium: 'lifeboat rescue' makes one, 'lifeboat drill' rehearses it",
        ));
    }
    if let Some(path) = args.paths.iter().find(|path| !path.is_absolute()) {
        return Err(CommandError::usage(format!(
            "{}: paths are those in the archive and begin with /",
            path.display()
        )));
    }
    files(session, args)
}

fn files(session: &Session, args: &RestoreArgs) -> CommandResult {
    if let Some(from) = archive::stream(session, args.from.as_deref())? {
        return super::streams::restore(session, args, &from);
    }
    let archive = archive::open(session, args.from.as_deref(), &args.key)?;
    let what_for = if args.to.is_some() { Use::Elsewhere } else { Use::InPlace };
    let snapshot = snapshot::choose(session, &archive, args.snapshot.as_deref(), Path::new("/"), what_for)?;
    let target = args.to.as_deref().unwrap_or(Path::new("/"));
    if args.to.is_some() {
        restored::prepare(target)?;
    }
    let selection = if args.paths.is_empty() { Selection::Everything } else { Selection::Paths(args.paths.clone()) };
    restored::note_owners(session);
    let is_chosen = |path: &Path| {
        args.paths.is_empty() || args.paths.iter().any(|chosen| path.starts_with(chosen) || chosen.starts_with(path))
    };
    lifeboat_restore::room::report_encrypted(&archive.repository, &snapshot, &is_chosen, &session.reporter);
    let observer = Observing::new(&session.reporter, "restore");
    let report = archive.repository.restore(
        &snapshot,
        target,
        &selection,
        // The kernel writes it back in its own time, as it does after cp and tar; a whole machine's recovery waits.
        &RestoreOptions { overwrite: true, ..RestoreOptions::default() },
        &observer,
    )?;
    restored::report(session, &snapshot.id, &report, target)
}
