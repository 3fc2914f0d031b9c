//! `lifeboat media set`: a backup on several discs, of which the first boots.

use super::streams::{self, Done};
use crate::command::{BackupArgs, FromArgs, MenuMode, SetArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::job::contents::{self, Boots};
use crate::job::disc_set::{self, LEAST_VOLUME, Press, StagingSink, Target, Written};
use crate::job::medium::{Request, Workshop, timed};
use crate::job::stream::StreamPlace;
use crate::job::{backup, headers, keys, log, moment, place, protect, snapshot};
use crate::output::counted;
use crate::session::Session;
use crate::state::Task;
use lifeboat_machine::Machine;
use lifeboat_machine::bytes::human;
use lifeboat_media::identity::image_name;
use lifeboat_media::set::OVERHEAD_BYTES;
use lifeboat_media::{Identity, IsoReport};
use std::path::{Path, PathBuf};

pub fn run(session: &Session, args: &SetArgs) -> CommandResult {
    let sysroot = &args.medium.sysroot.sysroot;
    backup::check_exclusions(session, &args.exclude)?;
    let size = disc_set::disc_bytes(&args.size)?;
    let target = Target::of(args)?;
    if let Some(folder) = target.folder() {
        guarded::refuse_folder("--out", folder)?;
    }
    if let Target::Images(folder, Some(stem)) = &target {
        refuse_existing(args, folder, stem)?;
    }
    let shown = match &target {
        Target::Images(folder, _) => place::shown(&folder.display().to_string()),
        Target::Drives(drives) => drives.iter().map(|drive| drive.name()).collect::<Vec<_>>().join(", "),
    };
    let log = (!args.dry_run).then(|| log::keep(session, Task::Backup.name(), sysroot)).flatten();
    if !args.dry_run && args.machine.is_none() && sysroot == Path::new("/") {
        session.tasks.begin(Task::Backup, shown.clone());
        session.tasks.begin(Task::Medium, shown.clone());
    }
    if !args.dry_run {
        moment::clean(session);
    }
    let machine = protect::machine(session, sysroot, args.machine.as_deref(), target.folder())?;
    if args.medium.mode == MenuMode::Nuke {
        headers::warn_of_passphrases(session, &machine, sysroot);
    }
    let written: Vec<PathBuf> = target.folder().map(Path::to_owned).into_iter().collect();
    moment::check(session, &machine, sysroot, &written)?;
    let archive_bytes = backup::most_bytes(session, &machine, sysroot, &args.exclude, &[])?;
    let staged = size.min(archive_bytes);
    if args.dry_run {
        backup::preview(session, &machine, sysroot, &args.exclude, &[])?;
        Workshop::preview_set(session, &args.medium, target.folder(), (archive_bytes, staged))?;
        session.reporter.line(at_most(archive_bytes, size));
        return Ok(());
    }
    let workshop = Workshop::for_set(session, &args.medium, target.folder(), (archive_bytes, staged))?;
    let secret = keys::find_or_create(&args.key, &session.config)?;
    let set = contents::random_id()?;
    let request = Request {
        key: args.medium.embed_key.then_some(&secret),
        seal: Some(&secret),
        set: Some(set.clone()),
        ..Request::of(&machine)
    };
    let prepared = contents::prepare(session, &args.medium, &workshop, &request)?;
    let stem = match &target {
        Target::Images(_, Some(stem)) => stem.clone(),
        _ => Identity::of(&prepared.manifest).stem(),
    };
    let press = Press {
        session,
        args,
        workshop: &workshop,
        prepared: &prepared,
        request: &request,
        target: &target,
        stem: &stem,
        size,
    };
    let room = room(session, &press)?;
    session.reporter.note(at_most(archive_bytes, size));
    let images = target.folder().map(|folder| disc_set::own_files(folder, &stem)).unwrap_or_default();
    let out: Vec<PathBuf> = images.into_iter().chain(log).chain([workshop.path().to_owned()]).collect();
    let (done, discs, report) = write(session, args, &press, (&set, room), out)?;
    let boots = Boots { bios: report.bios, uefi: report.uefi, secure_boot: report.secure_boot };
    let first = match &target {
        Target::Images(folder, _) => folder.join(image_name(&stem, 1)),
        Target::Drives(drives) => drives.first().map(|drive| drive.path()).unwrap_or_default(),
    };
    let shown_first = (first.as_path(), report.size_bytes);
    contents::report(session, &args.medium, &prepared, shown_first, boots, workshop.signing(), &report.warnings);
    if let Target::Images(folder, _) = &target {
        remove_surplus(folder, &stem, discs.len());
    }
    finish(session, &set, &machine, &discs);
    // Each disc was read back when it was written; of images the archive is read as a whole, too.
    if let (Target::Images(..), false) = (&target, args.no_verify) {
        let from = FromArgs { from: None, key: args.key.clone() };
        let this = snapshot::this_machine(sysroot)?;
        streams::verify(session, &from, &StreamPlace::Images(first), (&this, shown))?;
    }
    done.partial
}

/// What a set comes to at most.
fn at_most(archive_bytes: u64, size: u64) -> String {
    let most = archive_bytes.div_ceil(size.saturating_sub(OVERHEAD_BYTES).max(1)).saturating_add(1);
    format!(
        "the set comes to at most {} of {}, mostly to half of that; the last one is known when it is written",
        counted(usize::try_from(most).unwrap_or(usize::MAX), "disc"),
        human(size)
    )
}

fn refuse_existing(args: &SetArgs, folder: &Path, stem: &str) -> CommandResult {
    match disc_set::images(folder, stem).first() {
        Some((_, image)) if !args.medium.force => {
            Err(CommandError::usage(format!("{} exists", image.display())).hint("--force, or another name"))
        }
        _ => Ok(()),
    }
}

/// Images of an earlier set with the same name that had more discs.
fn remove_surplus(folder: &Path, stem: &str, discs: usize) {
    for (number, image) in disc_set::images(folder, stem) {
        if number as usize > discs {
            let _ = std::fs::remove_file(image);
        }
    }
}

/// The room for the volumes of the first disc and of the others. The first disc is made once without its volume: nothing else tells its
/// size, and what keeps it from being made is known before the backup.
fn room(session: &Session, press: &Press<'_>) -> Result<(u64, u64), CommandError> {
    let trial = press.workshop.path().join("trial.iso");
    let bytes = timed(session, "image", || press.boots(&trial, None))?.size_bytes;
    let _ = std::fs::remove_file(&trial);
    let size = press.size;
    let first = size.saturating_sub(bytes).saturating_sub(OVERHEAD_BYTES);
    if first < LEAST_VOLUME {
        let text = format!("the rescue system takes {}, and {} fit on the first disc", human(bytes), human(size));
        return Err(CommandError::new(Kind::Failed, text)
            .hint("larger discs; --no-firmware, if the machine needs none; or --compression 19"));
    }
    if let Target::Drives(drives) = press.target {
        // Before the backup: minutes of work are not lost because of a disc that is not blank.
        for drive in drives {
            press.look(drive, bytes)?;
        }
    }
    Ok((first, size - OVERHEAD_BYTES))
}

/// Takes the backup, and makes a disc of each of its volumes.
fn write(
    session: &Session,
    args: &SetArgs,
    press: &Press<'_>,
    (set, room): (&str, (u64, u64)),
    out: Vec<PathBuf>,
) -> Result<(Done, Vec<Written>, IsoReport), CommandError> {
    let backup = BackupArgs {
        to: None,
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
    let label = press.target.folder().map_or_else(|| PathBuf::from("the discs"), Path::to_owned);
    let place = match press.target.folder() {
        Some(folder) => StreamPlace::Images(folder.to_owned()),
        None => StreamPlace::Drives(None),
    };
    let (sink, volumes) = StagingSink::new(set, press.workshop.path(), room, label);
    let (done, pressed) = std::thread::scope(|scope| {
        let pressing = scope.spawn(move || press.run(volumes));
        let done = streams::backup_into(session, &backup, &place, Box::new(sink), out);
        let pressed =
            pressing.join().unwrap_or_else(|_| Err(Some(CommandError::new(Kind::Failed, "an internal error"))));
        (done, pressed)
    });
    match (done, pressed) {
        (Ok(done), Ok((discs, report))) => Ok((done, discs, report)),
        // Why a disc could not be written is why the backup stopped.
        (_, Err(Some(error))) | (Err(error), Err(None)) => Err(error),
        (Err(error), Ok((discs, _))) => {
            disc_set::remove(&discs);
            Err(error)
        }
        (Ok(_), Err(None)) => Err(CommandError::new(Kind::Failed, "the backup has no end")),
    }
}

fn finish(session: &Session, set: &str, machine: &Machine, discs: &[Written]) {
    let bytes: u64 = discs.iter().map(|disc| disc.bytes).sum();
    for disc in discs {
        session.reporter.value(&serde_json::json!({
            "set": set, "disc": disc.number, "discs": discs.len(), "file": disc.image, "bytes": disc.bytes,
        }));
    }
    session.reporter.line(format!(
        "set {} of {}: {}, {}; disc 1 boots, and asks for the others",
        disc_set::shown(set),
        machine.name,
        counted(discs.len(), "disc"),
        human(bytes)
    ));
}
