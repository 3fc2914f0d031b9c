//! `lifeboat layout show|plan|diff|edit`

use super::moves;
use crate::command::{LayoutCommand, LayoutDiffArgs, LayoutPlanArgs, LayoutShowArgs, PolicyArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{self, archive, place, protect};
use crate::session::Session;
use lifeboat_machine::boot::{Firmware, Loader};
use lifeboat_machine::bytes::{human, printable};
use lifeboat_machine::layout::{Array, ArrayMember, ArrayRole, CacheKind, VolumeShape};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Machine};
use lifeboat_plan::{Change, Policy};
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem, is_rescue_system};
use std::fmt::Write as _;
use std::path::Path;

pub fn run(session: &Session, command: &LayoutCommand) -> CommandResult {
    match command {
        LayoutCommand::Show(args) => show(session, args),
        LayoutCommand::Plan(args) => plan(session, args),
        LayoutCommand::Diff(args) => diff(session, args),
        LayoutCommand::Edit(args) => moves::edit(session, args),
    }
}

fn show(session: &Session, args: &LayoutShowArgs) -> CommandResult {
    let (root, lost) = (&args.sysroot.sysroot, lost(args.from.as_deref())?);
    if args.from.is_some() || lost.is_some() {
        let machine = match lost {
            Some(machine) => machine,
            None => archive::machine(session, args.from.as_deref(), args.snapshot.as_deref(), &args.key, root)?,
        };
        session.reporter.value(&machine);
        session.reporter.lines(text(&machine));
        return Ok(());
    }
    let probed = protect::probe(session, &args.sysroot.sysroot, place::configured_folder(&session.config).as_deref())?;
    // The output can be passed to --machine: one description and nothing else.
    session.reporter.aside(&probed.warnings);
    session.reporter.value(&probed.machine);
    session.reporter.lines(text(&probed.machine));
    protect::refuse(session, &probed)
}

/// In the rescue system, when no archive was named: the machine that it was made for. It needs no key.
fn lost(from: Option<&str>) -> Result<Option<Machine>, CommandError> {
    let directories = RescueDirectories::default();
    if from.is_some() || !is_rescue_system(&directories) {
        return Ok(None);
    }
    Ok(Some(RescueSystem::open(directories)?.machine))
}

fn plan(session: &Session, args: &LayoutPlanArgs) -> CommandResult {
    let edited = args.layout.is_some() || args.onto.is_some();
    let here = edited && args.from.is_none() && !is_rescue_system(&RescueDirectories::default());
    let machine = match lost(args.from.as_deref())? {
        Some(machine) => machine,
        // On the healthy machine it is this one.
        None if here => {
            let probed = protect::probe(session, Path::new("/"), place::configured_folder(&session.config).as_deref())?;
            protect::refuse(session, &probed)?;
            probed.machine
        }
        None => archive::machine_with_room(session, args.from.as_deref(), args.snapshot.as_deref(), &args.key)?,
    };
    let layout = args.layout.as_deref().map(job::layout::read).transpose()?;
    let onto = args.onto.as_deref().map(|path| moves::onto(path, &machine)).transpose()?;
    let (description, hardware) = moves::planned(layout, onto);
    let description = description.unwrap_or_else(|| machine.clone());
    let hardware = match hardware {
        Some(hardware) => hardware,
        // The disks of a running machine are in use: those of the description count.
        None if here => moves::own_disks(&description),
        None => lifeboat_probe::found_hardware(&session.runner, &[])?,
    };
    if here {
        job::layout::check_packages(&machine, &description, Path::new("/"))?;
    }
    let plan = lifeboat_plan::plan_as(&machine, &description, &hardware, &policy(&args.policy)?)
        .map_err(|error| CommandError::refused(as_options(&error.to_string())))?;
    session.reporter.value(&plan);
    session.reporter.lines(plan.to_string());
    Ok(())
}

fn diff(session: &Session, args: &LayoutDiffArgs) -> CommandResult {
    let root = &args.sysroot.sysroot;
    let recorded = archive::machine(session, args.from.as_deref(), args.snapshot.as_deref(), &args.key, root)?;
    let probed = protect::probe(session, &args.sysroot.sysroot, place::configured_folder(&session.config).as_deref())?;
    let mut changes = lifeboat_plan::diff(&recorded, &probed.machine);
    // What cannot be rebuilt is in no description, and was not there when this one was saved.
    changes.extend(probed.refusals.iter().map(|refusal| Change {
        place: format!("layout {}", refusal.subject),
        old: None,
        new: Some(format!("it cannot be protected any more: {}", refusal.reason)),
    }));
    changes.retain(|change| change.is_storage() || !args.storage);
    let what = if args.storage { "the storage layout of " } else { "" };
    let name = &probed.machine.name;
    for change in &changes {
        session.reporter.value(&serde_json::json!({
            "change": change.to_string(), "place": change.place, "old": change.old, "new": change.new,
        }));
        session.reporter.line(change.to_string());
    }
    session.reporter.value(&serde_json::json!({
        "machine": name, "since": recorded.recorded_at, "storage_only": args.storage, "changes": changes.len(),
    }));
    if changes.is_empty() {
        let since = crate::listing::local_text(&recorded.recorded_at);
        session.reporter.line(format!("no differences of {what}{name} since {since}"));
        return Ok(());
    }
    let count = crate::output::counted(changes.len(), "difference");
    let since = crate::listing::local_text(&recorded.recorded_at);
    let error = CommandError::new(Kind::Differences, format!("{count} of {what}{name} since {since}"));
    Err(match probed.refusals.is_empty() {
        true => error.hint("lifeboat rescue, so that the medium has the new layout"),
        false => error.hint("lifeboat check, which says what can be done about it: no backup is possible until then"),
    })
}

/// What a message says about kernel parameters, in the options of the command line.
fn as_options(text: &str) -> String {
    [("map", "--map"), ("wipe", "--wipe")].iter().fold(text.to_owned(), |text, (name, option)| {
        let parameter = format!("lifeboat.{name}");
        let text = text.replace(&format!("{parameter} ({option})"), option);
        text.replace(&format!("{parameter}="), &format!("{option} ")).replace(&parameter, option)
    })
}

/// The policy of the command line.
pub fn policy(args: &PolicyArgs) -> Result<Policy, CommandError> {
    let mut map = Vec::new();
    for pair in &args.map {
        let (device, disk) = pair
            .split_once(':')
            .filter(|(device, disk)| !device.is_empty() && !disk.is_empty())
            .ok_or_else(|| CommandError::usage(format!("--map {pair}: expected DEVICE:DISK, as in disk0:/dev/sdb")))?;
        map.push((DeviceId(device.to_owned()), disk.to_owned()));
    }
    Ok(Policy {
        no_resize: args.no_resize,
        wipe: args.wipe.clone(),
        map,
        any_firmware: args.any_firmware,
        ..Policy::default()
    })
}

/// A machine for people.
pub(super) fn text(machine: &Machine) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let shown = |text: &str| printable(text.as_bytes());
    let (name, system) = (shown(&machine.name), shown(&machine.os.pretty_name));
    let _ = writeln!(out, "{name} · {system} · {}", shown(&machine.architecture));
    let recorded = crate::listing::local_text(&machine.recorded_at);
    let _ = writeln!(out, "recorded {recorded}, kernel {}", shown(&machine.boot.kernel));
    for disk in &machine.layout.devices {
        let names = match &disk.kind {
            DeviceKind::Disk(identity) => vec![
                identity.model.clone(),
                identity.serial.clone().map(|serial| format!("serial {serial}")),
                identity.wwn.clone().map(|wwn| format!("WWN {wwn}")),
                identity.transport.clone(),
            ],
            DeviceKind::Array(array) => vec![
                Some(array.level.name().to_owned()),
                array.name.as_ref().map(|name| format!("name {name}")),
                Some(members(array)),
            ],
            DeviceKind::Volume(volume) => vec![
                machine.layout.group(&volume.group).map(|group| format!("{}/{}", group.name, volume.name)),
                Some(shape(&volume.shape)),
            ],
            // With the disk or array that has their table.
            DeviceKind::Partition(_) | DeviceKind::Crypt(_) => continue,
        };
        let _ = writeln!(
            out,
            "\n{} {} {} ({})",
            disk.id,
            disk.path,
            human(disk.size_bytes),
            shown(&names.into_iter().flatten().collect::<Vec<_>>().join(", "))
        );
        let _ = writeln!(out, "  {}", content(machine, disk));
        for (partition, entry) in machine.layout.partitions_of(&disk.id) {
            let name = entry
                .name
                .as_deref()
                .filter(|name| !name.is_empty())
                .map_or(String::new(), |n| format!(" '{}'", shown(n)));
            let _ = writeln!(
                out,
                "  {:<3} {:>10}  {}{name}",
                entry.number,
                human(partition.size_bytes),
                content(machine, partition)
            );
        }
    }
    for file in &machine.layout.swap_files {
        let _ = writeln!(out, "swap file {} {}", file.path, human(file.size_bytes));
    }
    let _ = writeln!(out);
    let firmware = match machine.boot.firmware {
        Firmware::Bios => "BIOS",
        Firmware::Uefi { secure_boot: true } => "UEFI with Secure Boot",
        Firmware::Uefi { secure_boot: false } => "UEFI without Secure Boot",
    };
    let _ = writeln!(out, "firmware: {firmware}");
    for loader in &machine.boot.loaders {
        let _ = writeln!(out, "boot loader: {}", shown(&loader_text(loader)));
    }
    for interface in &machine.network.interfaces {
        let _ = writeln!(
            out,
            "network: {} {} {}",
            interface.name,
            interface.mac.as_deref().unwrap_or("-"),
            match &interface.addresses[..] {
                [] => "without an address".to_owned(),
                list => list.join(" "),
            }
        );
    }
    out.trim_end().to_owned()
}

/// A boot loader in words.
fn loader_text(loader: &Loader) -> String {
    let removable = |removable: bool| if removable { ", also at EFI/BOOT" } else { "" };
    match loader {
        Loader::GrubBios { disks, directory } => {
            let disks: Vec<String> = disks.iter().map(ToString::to_string).collect();
            format!("GRUB for BIOS on {}, files in {directory}", disks.join(" and "))
        }
        Loader::GrubEfi { esp, vendor, shim, removable: also, directory } => format!(
            "GRUB for UEFI in {esp}/EFI/{vendor}{}{}, files in {directory}",
            if *shim { ", started by a signed shim" } else { "" },
            removable(*also)
        ),
        Loader::SystemdBoot { esp, removable: also } => format!("systemd-boot in {esp}{}", removable(*also)),
    }
}

/// `2 of 3 members: disk0p2, disk1p2 (spare)`
fn members(array: &Array) -> String {
    let one = |member: &ArrayMember| match member.role {
        ArrayRole::Active { .. } => member.device.to_string(),
        ArrayRole::Spare => format!("{} (spare)", member.device),
        ArrayRole::Journal => format!("{} (journal)", member.device),
    };
    let list: Vec<String> = array.members.iter().map(one).collect();
    let there = array.slots.saturating_sub(array.missing());
    format!("{there} of {} members: {}", array.slots, list.join(", "))
}

fn shape(shape: &VolumeShape) -> String {
    match shape {
        VolumeShape::Linear { .. } => "linear".into(),
        VolumeShape::Striped { .. } => "striped".into(),
        VolumeShape::Raid { segment_type, integrity_block_bytes: Some(_), .. } => {
            format!("{segment_type} with integrity")
        }
        VolumeShape::Raid { segment_type, .. } => segment_type.clone(),
        VolumeShape::ThinPool { .. } => "thin pool".into(),
        VolumeShape::Thin { .. } => "thin".into(),
        VolumeShape::Cached { origin, cache } => {
            let kind = if cache.kind == CacheKind::Writecache { "writecache" } else { "cache" };
            format!("{} with the {kind} {}", self::shape(origin), cache.name)
        }
    }
}

fn content(machine: &Machine, device: &Device) -> String {
    match &device.content {
        Content::Empty => "empty".into(),
        Content::Table(table) => format!("{:?} table {}", table.kind, table.id).to_lowercase(),
        Content::Filesystem(filesystem) => {
            let mounts: Vec<String> = machine
                .layout
                .mounts
                .iter()
                .filter(|mount| mount.device == device.id)
                .map(|mount| match &mount.subvolume {
                    Some(subvolume) => format!("{} ({subvolume})", mount.mount_point),
                    None => mount.mount_point.to_string(),
                })
                .collect();
            let label = if filesystem.label.0.is_empty() { String::new() } else { format!(" '{}'", filesystem.label) };
            format!(
                "{}{label}, {} used{}{}",
                filesystem.options.mount_type(),
                human(filesystem.used_bytes),
                if mounts.is_empty() { "" } else { ", on " },
                mounts.join(", ")
            )
        }
        Content::Swap(_) => "swap".into(),
        Content::BootLoader => match device.kind {
            DeviceKind::Partition(_) => "boot loader (bios_grub)".into(),
            DeviceKind::Disk(_) | DeviceKind::Array(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => {
                "boot loader".into()
            }
        },
        Content::Extended => "extended".into(),
        Content::Luks(header) => format!("encrypted (LUKS{})", header.version),
        Content::Journal(journal) => format!("journal of the filesystem on {}", journal.filesystem),
        Content::Member(member) => member.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_are_options() {
        let text =
            "try lifeboat.map=disk0:S1 or lifeboat.wipe (--wipe) with one; lifeboat.wipe=S2; named in lifeboat.map";
        assert_eq!(as_options(text), "try --map disk0:S1 or --wipe with one; --wipe S2; named in --map");
    }

    #[test]
    fn a_machine_is_shown_in_words() {
        let mut machine = lifeboat_machine::testing::machine();
        let directory = || "/boot/grub".into();
        machine.boot.loaders = vec![
            Loader::GrubBios {
                disks: vec![DeviceId("disk0".into()), DeviceId("disk1".into())],
                directory: directory(),
            },
            Loader::GrubEfi {
                esp: "/boot/efi".into(),
                vendor: "debian".into(),
                shim: true,
                removable: true,
                directory: directory(),
            },
            Loader::SystemdBoot { esp: "/efi".into(), removable: false },
        ];
        let text = text(&machine);
        assert!(!text.contains(['{', '}', '"']), "{text}");
        for line in [
            "boot loader: GRUB for BIOS on disk0 and disk1, files in /boot/grub",
            "boot loader: GRUB for UEFI in /boot/efi/EFI/debian, started by a signed shim, also at EFI/BOOT, files in /boot/grub",
            "boot loader: systemd-boot in /efi",
        ] {
            assert!(text.lines().any(|other| other == line), "{text}");
        }
        assert!(text.contains("firmware: "), "{text}");
    }
}
