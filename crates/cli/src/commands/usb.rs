//! `lifeboat media usb`: a stick, or the image of one, that boots and holds a repository that is written again.

use super::verify;
use crate::command::{FromArgs, UsbArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::contents::{self, Boots, Prepared};
use crate::job::embedded::Chosen;
use crate::job::hooks::Around;
use crate::job::medium::{Request, Workshop, timed};
use crate::job::stick::{self, Written};
use crate::job::target_disk::{TargetDisk, Wanted};
use crate::job::{backup, keys, medium_repository, medium_room, moment, place, protect};
use crate::session::Session;
use crate::state::Task;
use lifeboat_archive::{BackupReport, Secret};
use lifeboat_machine::bytes::human;
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_media::stick::{Places, StickBoot, StickLoaders};
use lifeboat_restore::Stick;
use lifeboat_sys::names::folder_of;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A rescue system on a stick, before it is built: kernel, initramfs, tools.
const RESCUE_SYSTEM: u64 = 256 << 20;
/// Both slots and what is around them, before the size of the loaders is known.
const LOADERS: u64 = 70 << 20;

/// What has to fit at least.
const LEAST: &str = "the rescue system and the archive, even compressed to half";

/// What goes into the repository of a new stick.
enum Content {
    Backup,
    Snapshot(Box<Chosen>),
    Nothing,
}

/// What is known before anything is written.
struct Plan {
    content: Content,
    machine: Machine,
    /// The machine's key.
    secret: Secret,
    /// The most that the archive takes.
    archive_bytes: u64,
}

pub fn run(session: &Session, args: &UsbArgs) -> CommandResult {
    let sysroot = &args.medium.sysroot.sysroot;
    backup::check_exclusions(session, &args.exclude)?;
    let wanted = Wanted { size: args.size.as_deref(), force: args.medium.force };
    let target = TargetDisk::look(session, &args.to, wanted)?;
    let id = contents::random_id()?;
    let saves = args.from.is_none() && !args.no_backup;
    if args.machine.is_none() && sysroot == Path::new("/") {
        // A device's name is another one's after the next boot.
        let shown = match target.is_image() {
            true => place::shown(&target.path.display().to_string()),
            false => format!("usb:{}", lifeboat_machine::stick::short_id(&id)),
        };
        session.tasks.begin(Task::Medium, shown.clone());
        if saves {
            session.tasks.begin(Task::Backup, shown);
        }
    }
    let Some(plan) = plan(session, args, &target, saves)? else { return Ok(()) };
    // From here on nothing is asked.
    let workshop = Workshop::for_stick(session, &args.medium)?;
    let own = args.medium.embed_key.then(keys::generate).transpose()?;
    let request =
        Request { key: own.as_ref(), seal: Some(&plan.secret), stick: Some(id), ..Request::of(&plan.machine) };
    let prepared = contents::prepare(session, &args.medium, &workshop, &request)?;
    let sealing = contents::sealing(&request);
    let seal = sealing.as_ref().map(|seal| seal as &lifeboat_media::Seal<'_>);
    let work = workshop.path().join("loaders");
    let inputs = prepared.inputs(&workshop, seal, sysroot, &work, &target.path);
    let boot = loaders(session, &inputs, &target, &plan)?;
    let written = write(session, args, &target, &plan, &inputs, &boot, own.as_ref(), &workshop);
    let report = match written {
        Ok(report) => report,
        Err(error) => return Err(incomplete(&target, error)),
    };
    let boots = Boots { bios: boot.bios, uefi: boot.uefi, secure_boot: boot.secure_boot };
    let shown = (target.path.as_path(), target.size_bytes);
    contents::report(session, &args.medium, &prepared, shown, boots, workshop.signing(), &boot.warnings);
    later(session, &prepared, &target);
    report.map_or(Ok(()), |report| backup::report(session, &report))
}

/// Finds out everything and asks everything. `None` when only a preview was wanted.
fn plan(session: &Session, args: &UsbArgs, target: &TargetDisk, saves: bool) -> Result<Option<Plan>, CommandError> {
    let sysroot = &args.medium.sysroot.sysroot;
    let image = target.is_image().then_some(target.path.clone());
    let (content, machine, archive_bytes, secret) = match &args.from {
        Some(from) => {
            let chosen = Chosen::open(session, (from, &args.key), args.snapshot.as_deref(), sysroot)?;
            let (machine, bytes, secret) = (chosen.machine.clone(), chosen.bytes, chosen.secret.clone());
            (Content::Snapshot(Box::new(chosen)), machine, bytes, Some(secret))
        }
        None => {
            if !args.dry_run {
                moment::clean(session);
            }
            let machine = protect::machine(session, sysroot, args.machine.as_deref(), Some(&target.path))?;
            let mut bytes = 0;
            if saves {
                let out = image.as_slice();
                moment::check(session, &machine, sysroot, out)?;
                bytes = backup::most_bytes(session, &machine, sysroot, &args.exclude, out)?;
            }
            (if saves { Content::Backup } else { Content::Nothing }, machine, bytes, None)
        }
    };
    target.check_room(LOADERS + stick::data_bytes(RESCUE_SYSTEM / 2 + archive_bytes / 2), LEAST)?;
    let most = LOADERS + stick::data_bytes(RESCUE_SYSTEM + archive_bytes);
    if most > target.size_bytes {
        let text = format!(
            "there may not be enough room: rescue system and archive may take up to {}, and {} has {}",
            human(most),
            target.path.display(),
            human(target.size_bytes)
        );
        session.reporter.emit(&Event::Warning { text });
    }
    if let Some(image) = &image {
        medium_room::check(
            folder_of(image),
            stick::data_bytes(RESCUE_SYSTEM / 2 + archive_bytes / 2),
            &image.display().to_string(),
        )?;
    }
    if args.dry_run {
        return preview(session, args, target, &machine, most).map(|()| None);
    }
    target.confirm(args.yes)?;
    let secret = secret.map_or_else(|| keys::find_or_create(&args.key, &session.config), Ok)?;
    Ok(Some(Plan { content, machine, secret, archive_bytes }))
}

fn preview(session: &Session, args: &UsbArgs, target: &TargetDisk, machine: &Machine, most: u64) -> CommandResult {
    if args.from.is_none() && !args.no_backup {
        let sysroot = &args.medium.sysroot.sysroot;
        let out = target.is_image().then_some(target.path.clone());
        backup::preview(session, machine, sysroot, &args.exclude, out.as_slice())?;
    }
    session.reporter.value(&serde_json::json!({
        "dry_run": true, "to": target.path, "bytes": target.size_bytes, "bytes_at_most": most,
    }));
    session.reporter.line(format!(
        "room: up to {} of {} on {}; nothing was written",
        human(most),
        human(target.size_bytes),
        target.path.display()
    ));
    Ok(())
}

/// What boots the stick, and where all of it goes; refuses a disk that is too small, now that sizes are known.
fn loaders(
    session: &Session,
    inputs: &lifeboat_media::MediumInputs<'_>,
    target: &TargetDisk,
    plan: &Plan,
) -> Result<StickBoot, CommandError> {
    let loaders = StickLoaders::make(inputs, target.sector_bytes, &session.runner)?;
    let layout = loaders.layout(target.size_bytes, target.sector_bytes);
    let files = lifeboat_media::image_bytes(inputs.files, false)?;
    let needed = layout.disk_bytes(stick::data_bytes(files + plan.archive_bytes / 2));
    target.check_room(needed, LEAST)?;
    let places = Places::default();
    Ok(loaders.place(&layout.table(inputs.manifest, places.slot), layout, places, inputs.out)?)
}

/// From here on the old content of the disk is lost.
#[allow(clippy::too_many_arguments)]
fn write(
    session: &Session,
    args: &UsbArgs,
    target: &TargetDisk,
    plan: &Plan,
    inputs: &lifeboat_media::MediumInputs<'_>,
    boot: &StickBoot,
    own: Option<&Secret>,
    workshop: &Workshop,
) -> Result<Option<BackupReport>, CommandError> {
    let disk = target.open()?;
    let half = target.is_image().then(|| target.path.clone());
    // Half an image looks like a whole one to a person in a hurry.
    let ending = half.map(|half| lifeboat_sys::ending::register(move || drop(std::fs::remove_file(half))));
    let written = timed(session, "stick", || start(session, &disk, target, inputs, boot))?;
    let folder = written.repository();
    let repository = medium_repository::create_with(&folder, &plan.secret, &plan.machine.name, own)?;
    let report = match &plan.content {
        Content::Nothing => None,
        Content::Snapshot(chosen) => {
            timed(session, "copy", || Ok(chosen.archive.repository.copy_snapshot(&chosen.snapshot, &repository)?))?;
            None
        }
        Content::Backup => {
            let sysroot = &args.medium.sysroot.sysroot;
            let out: Vec<PathBuf> = [workshop.path().to_owned(), target.path.clone(), written.top.clone()].into();
            let around = Around::begin(session, &plan.machine)?;
            let result = timed(session, "backup", || {
                backup::backup(session, &around, &repository, &plan.machine, sysroot, &args.exclude, &out)
            });
            let report = around.end(result)?;
            session.tasks.note(Task::Backup, |run| run.snapshot = Some(report.snapshot.clone()));
            Some(report)
        }
    };
    drop(repository);
    let stick = timed(session, "writing-out", || written.close())?;
    timed(session, "read-back", || read_back(session, args, &disk, boot, &stick))?;
    drop(ending);
    Ok(report)
}

/// Partition table, loaders, filesystem, the files of the rescue system.
fn start(
    session: &Session,
    disk: &File,
    target: &TargetDisk,
    inputs: &lifeboat_media::MediumInputs<'_>,
    boot: &StickBoot,
) -> Result<Written, CommandError> {
    boot.write(disk, &target.path)?;
    stick::reread(disk, &target.path)?;
    let stick = Stick::at(&target.path).ok_or_else(|| {
        CommandError::new(
            Kind::Failed,
            format!("cannot USE {}: its new partition table reads back wrong", target.path.display()),
        )
        .hint("another stick: this one does not keep what is written to it")
    })?;
    stick::make_filesystem(session, &stick, inputs.manifest)?;
    let written = Written::open(session, stick)?;
    lifeboat_media::stick::put_files(inputs, boot, &written.top, "lifeboat")?;
    Ok(written)
}

/// Reads everything back from the disk: loaders and tables, the filesystem, every file, every byte of the archive.
fn read_back(session: &Session, args: &UsbArgs, disk: &File, boot: &StickBoot, stick: &Stick) -> CommandResult {
    boot.check(disk, &stick.disk)?;
    stick::check_filesystem(session, stick)?;
    if args.no_verify {
        return Ok(());
    }
    verify::check(session, &FromArgs { from: Some(stick.disk.display().to_string()), key: args.key.clone() })
}

/// What is left of a stick that could not be finished.
fn incomplete(target: &TargetDisk, error: CommandError) -> CommandError {
    if error.kind == Kind::Refused {
        return error;
    }
    if target.is_image() {
        let _ = std::fs::remove_file(&target.path);
        return error;
    }
    error.hint(format!("making it again: {} is not complete, and what it held before is lost", target.path.display()))
}

/// How the stick is used from now on.
fn later(session: &Session, prepared: &Prepared, target: &TargetDisk) {
    let id = lifeboat_machine::stick::short_id(&prepared.manifest.medium_id);
    let place = if target.is_image() { target.path.display().to_string() } else { format!("usb:{id}") };
    session.reporter.note(format!(
        "later backups: lifeboat backup --to {place}; after an update of the kernel: lifeboat media refresh --out {place}"
    ));
}
