//! `lifeboat media refresh` of a stick: the rescue system on it is built again, its repository stays as it is.
//!
//! The new files are written beside the old ones and then take their place at once; loaders are written to the place that is not in
//! use. A stick that is pulled at any time boots.

use super::verify;
use crate::command::{FromArgs, MediumArgs, RefreshArgs, SysrootArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::boot_check::OwnKey;
use crate::job::contents::{self, Boots, Options, Prepared};
use crate::job::medium::{Request, Workshop, timed};
use crate::job::stick::Written;
use crate::job::{log, protect, refresh};
use crate::session::Session;
use crate::state::{self, State, Task};
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_media::stick::{NEXT, Places, StickBoot, StickLoaders, half_in_use, put_files};
use lifeboat_restore::{Medium, Stick};
use std::fs::File;
use std::path::Path;

/// What is known of a stick and of the machine.
struct Known {
    medium: Medium,
    machine: Machine,
    reasons: Vec<String>,
}

/// `shown` is how the stick was named.
pub fn run(session: &Session, args: &RefreshArgs, stick: Stick, shown: &str) -> CommandResult {
    if !args.show {
        session.tasks.begin(Task::Medium, shown.to_owned());
        log::keep(session, Task::Medium.name(), Path::new("/"));
    }
    let written = Written::open(session, stick)?;
    let known = look(session, args, &written)?;
    if args.show {
        return refresh::shown(session, Path::new(shown), &known.reasons);
    }
    if known.reasons.is_empty() {
        return refresh::up_to_date(session, Path::new(shown));
    }
    for reason in &known.reasons {
        session.reporter.note(format!("the rescue system on the stick is built again: {reason}"));
    }
    let options = Options::read(&written.top.join("lifeboat"));
    let medium = medium_args(options);
    let workshop = Workshop::for_stick(session, &medium)?;
    let (key, seal) = (known.medium.key()?, OwnKey::find(session, &args.key)?.secret);
    let request = Request {
        key: key.as_ref(),
        seal: seal.as_ref(),
        stick: Some(written.stick.id()),
        ..Request::of(&known.machine)
    };
    let prepared = contents::prepare(session, &medium, &workshop, &request)?;
    let boot = timed(session, "stick", || replace(session, &medium, &workshop, &request, &prepared, &written))?;
    let size_bytes = written.stick.table.size_bytes;
    let stick = written.close()?;
    let from = FromArgs { from: Some(stick.disk.display().to_string()), key: args.key.clone() };
    timed(session, "read-back", || verify::check_medium(session, &from))?;
    let boots = Boots { bios: boot.bios, uefi: boot.uefi, secure_boot: boot.secure_boot };
    let out = (stick.disk.as_path(), size_bytes);
    contents::report(session, &medium, &prepared, out, boots, workshop.signing(), &boot.warnings);
    session.reporter.value(&serde_json::json!({"medium": shown, "refreshed": true, "reasons": known.reasons}));
    session.reporter.line(format!("the rescue system on {shown} was built again; its backups are as they were"));
    Ok(())
}

fn look(session: &Session, args: &RefreshArgs, written: &Written) -> Result<Known, CommandError> {
    let medium = Medium::open(&written.top)?;
    let probed = protect::probe(session, Path::new("/"), Some(&written.repository()))?;
    protect::refuse(session, &probed)?;
    let (state, warning) = State::load(&state::folder());
    if let Some(text) = warning {
        session.reporter.emit(&Event::Warning { text });
    }
    let known = refresh::Known { manifest: medium.manifest.clone(), machine: medium.machine.clone() };
    if known.manifest.machine_id != probed.machine.machine_id {
        let text = format!(
            "{} is a stick of another machine, '{}': its rescue system would not fit its backups",
            written.stick.disk.display(),
            known.manifest.machine_name
        );
        return Err(CommandError::refused(text).hint("lifeboat media usb, which makes a stick for this machine"));
    }
    let reasons = match args.always {
        true => vec!["it was asked for".to_owned()],
        false => refresh::reasons(session, &known, &probed.machine, &state),
    };
    Ok(Known { medium, machine: probed.machine, reasons })
}

/// The options with which the stick was made.
fn medium_args(options: Options) -> MediumArgs {
    MediumArgs {
        sysroot: SysrootArgs { sysroot: "/".into() },
        embed_key: false,
        kernel: None,
        mode: options.mode(),
        timeout: options.timeout,
        append: options.append,
        no_firmware: options.no_firmware,
        compression: refresh::COMPRESSION,
        layout: None,
        work_dir: None,
        force: true,
        keep_old: true,
    }
}

/// Writes the new rescue system beside the old one and puts it in its place.
fn replace(
    session: &Session,
    medium: &MediumArgs,
    workshop: &Workshop,
    request: &Request<'_>,
    prepared: &Prepared,
    written: &Written,
) -> Result<StickBoot, CommandError> {
    let disk_path = written.stick.disk.clone();
    let sealing = contents::sealing(request);
    let seal = sealing.as_ref().map(|seal| seal as &lifeboat_media::Seal<'_>);
    let work = workshop.path().join("loaders");
    let inputs = prepared.inputs(workshop, seal, &medium.sysroot.sysroot, &work, &disk_path);
    let failed = |error: std::io::Error| {
        CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", disk_path.display()))
    };
    let disk = File::options().read(true).write(true).open(&disk_path).map_err(failed)?;
    let loaders = StickLoaders::make(&inputs, written.stick.layout.sector_bytes, &session.runner)?;
    let boot = places(&loaders, &written.stick, &disk)?;
    let next = written.top.join(NEXT);
    remove(&next).map_err(failed)?;
    put_files(&inputs, &boot, &written.top, NEXT)?;
    written.exchange(NEXT, "lifeboat")?;
    boot.update(&disk, &disk_path)?;
    remove(&next).map_err(failed)?;
    written.settle()?;
    boot.check(&disk, &disk_path)?;
    Ok(boot)
}

/// The loaders in the places that they have, if they are the same, or else in those that are not in use.
fn places(loaders: &StickLoaders, stick: &Stick, disk: &File) -> Result<StickBoot, CommandError> {
    let in_use = Places { half: half_in_use(&stick.layout, disk, &stick.disk)?, slot: stick.slot };
    let place = |places: Places| {
        let mut table = stick.table.clone();
        if let Some(efi) = table.partitions.get_mut(1) {
            (efi.offset, efi.bytes) = stick.layout.efi(places.slot);
        }
        loaders.place(&table, stick.layout, places, &stick.disk)
    };
    let boot = place(in_use)?;
    match boot.is_on(disk, &stick.disk)? {
        true => Ok(boot),
        false => Ok(place(Places { half: in_use.half ^ 1, slot: in_use.slot ^ 1 })?),
    }
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
