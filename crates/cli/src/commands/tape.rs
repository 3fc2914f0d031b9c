//! `lifeboat media tape`: a backup on tape, behind a rescue system that boots from it.

use super::streams;
use crate::command::{BackupArgs, FromArgs, MenuMode, TapeArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::job::boot_check::OwnKey;
use crate::job::medium::{self, Request, Workshop};
use crate::job::stream::StreamPlace;
use crate::job::{keys, log, moment, place, protect, snapshot, tapes};
use crate::session::Session;
use crate::state::Task;
use lifeboat_archive::Secret;
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_sys::tape::TapeName;
use std::path::{Path, PathBuf};

pub fn run(session: &Session, args: &TapeArgs) -> CommandResult {
    let name = TapeName::parse(&args.to).map_err(CommandError::usage)?;
    check_options(args)?;
    crate::job::backup::check_exclusions(session, &args.exclude)?;
    // Before the rescue system is built: a tape that must not be overwritten is no surprise after minutes of work.
    let device = tapes::check(&name, args.medium.force)?;
    let shown = format!("tape:{}", device.display());
    let target = StreamPlace::Tape(TapeName::parse(&shown).map_err(CommandError::usage)?);
    let sysroot = &args.medium.sysroot.sysroot;
    let own: Vec<PathBuf> = log::keep(session, Task::Backup.name(), sysroot).into_iter().collect();
    if args.machine.is_none() && sysroot == Path::new("/") {
        session.tasks.begin(Task::Backup, place::shown(&shown));
    }
    moment::clean(session);
    let secret = keys::find_or_create(&args.key, &session.config)?;
    let backup = BackupArgs {
        to: Some(args.to.clone()),
        init: false,
        own_disk: false,
        sysroot: args.medium.sysroot.clone(),
        key: args.key.clone(),
        exclude: args.exclude.clone(),
        machine: args.machine.clone(),
        force: args.medium.force,
        wait_lock: 0,
        dry_run: false,
        compression: None,
    };
    let done = if args.obdr {
        if !tapes::boots(&device) {
            session.reporter.emit(&Event::Warning {
                text: format!(
                    "the drive {} does not report that it boots from tapes ($DR-10); the tape holds the archive all the same, and a disc \
                     or stick made with 'lifeboat media iso --rescue-only --source tape' boots the machine",
                    device.display()
                ),
            });
        }
        let machine = protect::machine(session, sysroot, args.machine.as_deref(), None)?;
        let folder = work_folder(args)?;
        let ending = lifeboat_sys::ending::register_folder(folder.path().to_owned());
        let iso = rescue_system(session, args, &machine, &secret, folder.path())?;
        let label = format!("LIFEBOAT OBDR {} {}", machine.name, jiff::Timestamp::now());
        let sink = tapes::sink_behind(session, device, args.medium.force, &iso, &label)?;
        // Before the backup: it would be in it.
        drop((ending, folder));
        streams::backup_into(session, &backup, &target, sink, own)?
    } else {
        let sink = target.sink(args.medium.force)?;
        streams::backup_into(session, &backup, &target, sink, own)?
    };
    if args.no_verify {
        return done.partial;
    }
    if done.volumes > 1 && !tapes::is_asked() {
        session.reporter.warning("several tapes were written, and nobody can be asked for the first one: verify them with 'lifeboat verify --from tape'");
        return done.partial;
    }
    let from = FromArgs { from: Some(shown.clone()), key: args.key.clone() };
    let this = snapshot::this_machine(sysroot)?;
    // What could not be saved does not keep the rest from being verified.
    streams::verify(session, &from, &target, (&this, place::shown(&shown)))?;
    done.partial
}

/// Refuses what would be dropped: without a rescue system its options mean nothing.
fn check_options(args: &TapeArgs) -> CommandResult {
    let medium = &args.medium;
    let given = [
        ("--embed-key", medium.embed_key),
        ("--kernel", medium.kernel.is_some()),
        ("--mode", medium.mode != MenuMode::Interactive),
        ("--timeout", medium.timeout.is_some()),
        ("--append", !medium.append.is_empty()),
        ("--no-firmware", medium.no_firmware),
        ("--layout", medium.layout.is_some()),
        ("--work-dir", medium.work_dir.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given && !args.obdr) {
        Some((option, _)) => Err(CommandError::usage(format!("{option} is for the rescue system on the tape"))
            .hint("--obdr, which puts one there")),
        None => Ok(()),
    }
}

/// Where the image is until it is on the tape.
fn work_folder(args: &TapeArgs) -> Result<tempfile::TempDir, CommandError> {
    let parent = args.medium.work_dir.clone().unwrap_or_else(|| PathBuf::from(crate::job::medium_room::DEFAULT));
    guarded::refuse_folder("--work-dir", &parent)?;
    tempfile::Builder::new().prefix("lifeboat-tape-").tempdir_in(&parent).map_err(|error| {
        CommandError::new(Kind::Failed, format!("cannot CREATE a folder in {}: {error}", parent.display()))
            .hint("--work-dir DIR")
    })
}

/// The image of a rescue system that takes its archive from the tape.
fn rescue_system(
    session: &Session,
    args: &TapeArgs,
    machine: &Machine,
    secret: &Secret,
    folder: &Path,
) -> Result<PathBuf, CommandError> {
    let iso = folder.join("rescue.iso");
    let mut medium = args.medium.clone();
    medium.append.push("lifeboat.source=tape".to_owned());
    let seal = OwnKey::find(session, &args.key)?.secret;
    let workshop = Workshop::open(session, &medium, &iso, 0)?;
    let key = medium.embed_key.then_some(secret);
    let request = Request { key, seal: seal.as_ref(), ..Request::of(machine) };
    medium::write_iso(session, &medium, &workshop, &request, &iso)?;
    Ok(iso)
}
