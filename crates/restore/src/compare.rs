//! Compare mode: the archive against the disks. Everything is mounted read-only without replaying
//! journals, so not one byte on the disks changes.

use crate::failure::Failure;
use crate::observe::Observing;
use crate::on_disk;
use crate::recovery::{Recovery, stage, target_source};
use crate::stacks::Stacks;
use lifeboat_archive::Selection;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, XfsOptions};
use lifeboat_machine::{Content, DeviceKind, DiskContent, Event, EventSink, Machine, Member};
use lifeboat_rebuild::Secrets as _;
use lifeboat_rebuild::make::btrfs::subvolume_id;
use lifeboat_storage::Incomplete;
use lifeboat_sys::program::{BLKID, BTRFS};
use lifeboat_sys::{Invocation, Runner, mount};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Entries compared.
    pub entries: u64,
    /// Entries, partitions and filesystems that differ.
    pub differences: u64,
}

/// Compares a snapshot with the disks of this hardware. Every difference is an event and a line of `report`.
///
/// # Errors
/// When the archive cannot be read; differences are not errors.
pub fn compare(
    recovery: &Recovery,
    selection: &Selection,
    target: &Path,
    report: &Path,
    runner: &dyn Runner,
    sink: &dyn EventSink,
) -> Result<Compared, Failure> {
    let began = Instant::now();
    let machine = &recovery.description;
    let mut lines = stage(sink, "layout", || layout_differences(machine, runner))?;
    let stacks = Stacks::here();
    if let Some(stacks) = &stacks {
        stage(sink, "storage", || activate(stacks, recovery, runner, sink))?;
    }
    std::fs::create_dir_all(target).map_err(|source| Failure::Write { path: target.to_owned(), source })?;
    let mounted = stage(sink, "mount", || mount_all(machine, target, runner, Access::ReadOnly));
    let result = mounted.and_then(|missing| {
        lines.extend(missing);
        stage(sink, "compare", || {
            let observer = Observing::on_console(sink, "compare");
            let source = target_source(machine, target);
            Ok(recovery.archived().compare(&source, selection, &observer)?)
        })
    });
    if let Err(error) = mount::unmount_below(target) {
        sink.emit(&Event::Warning { text: error.to_string() });
    }
    if let Some(stacks) = &stacks {
        stacks.release_ours(runner, sink)?;
    }
    let compared = result?;
    for line in &lines {
        sink.emit(&Event::Warning { text: line.clone() });
    }
    for difference in &compared.differences {
        let path = lifeboat_machine::Name::from(difference.path.as_path()).to_string();
        lines.push(format!("{path}: {}", difference.detail));
        sink.emit(&Event::Entry { path, text: difference.detail.clone() });
    }
    if let Some(text) = compared.copied() {
        sink.emit(&Event::Note { text });
    }
    for problem in &compared.problems {
        let path = lifeboat_machine::Name::from(problem.path.as_path()).to_string();
        lines.push(format!("{path}: {}", problem.message));
    }
    write_report(report, machine, &lines, compared.entries)?;
    let outcome = Compared { entries: compared.entries, differences: lines.len() as u64 };
    sink.emit(&Event::Note { text: format!("the report is in {}", report.display()) });
    sink.emit(&Event::Compared {
        entries: outcome.entries,
        differences: outcome.differences,
        seconds: began.elapsed().as_secs_f64(),
    });
    Ok(outcome)
}

/// Activates what the machine's filesystems are on, read-only: arrays, volume groups, and encrypted devices that a key at hand opens.
fn activate(stacks: &Stacks, recovery: &Recovery, runner: &dyn Runner, sink: &dyn EventSink) -> Result<(), Failure> {
    let machine = &recovery.description;
    if machine.layout.devices.iter().all(|device| matches!(device.kind, DeviceKind::Disk(_) | DeviceKind::Partition(_)))
    {
        return Ok(());
    }
    recovery.keyring().open_by_files(runner, sink)?;
    loop {
        let activated = stacks.activate(runner, Incomplete::Start)?;
        for layer in &activated.layers {
            sink.emit(&Event::Note { text: format!("activated read-only: {layer}") });
        }
        let (mut opened, mut locked) = (false, vec![]);
        for device in &activated.locked {
            let Some(key) = recovery.keyring().key(&device.uuid) else {
                locked.push(format!("{} is encrypted, and no key for it is at hand", device.device));
                continue;
            };
            match stacks.unlock(runner, device, &key) {
                Ok(layer) => {
                    sink.emit(&Event::Note { text: format!("opened read-only: {layer}") });
                    opened = true;
                }
                // The passphrase was changed since the backup.
                Err(failure) => locked.push(failure.to_string()),
            }
        }
        // What was open comes with what is on it.
        if !opened {
            let problems = activated.problems.iter().map(ToString::to_string);
            for text in problems.chain(locked) {
                sink.emit(&Event::Warning { text });
            }
            return Ok(());
        }
    }
}

fn write_report(path: &Path, machine: &Machine, lines: &[String], entries: u64) -> Result<(), Failure> {
    let write = |source| Failure::Write { path: path.to_owned(), source };
    // Names of files reveal much about a machine.
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(write)?;
    let mut text = format!(
        "Comparison of machine '{}', recorded {}, with the disks found\n{entries} entries compared, {} differences\n\n",
        machine.name,
        machine.recorded_at,
        lines.len()
    );
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    file.write_all(text.as_bytes()).map_err(write)
}

/// What differs in partition tables: recorded tables and partitions that no disk has.
fn layout_differences(machine: &Machine, runner: &dyn Runner) -> Result<Vec<String>, Failure> {
    let hardware = lifeboat_probe::found_hardware(runner, &[])?;
    let mut lines = Vec::new();
    for (device, _) in machine.layout.disks() {
        let Content::Table(table) = &device.content else { continue };
        let found = hardware.disks.iter().find_map(|disk| match &disk.content {
            DiskContent::Table { id, partition_uuids, .. } if id.eq_ignore_ascii_case(&table.id) => {
                Some((disk, partition_uuids))
            }
            _ => None,
        });
        let Some((disk, uuids)) = found else {
            lines.push(format!("{}: no disk has its partition table {}", device.path, table.id));
            continue;
        };
        for (partition, entry) in machine.layout.partitions_of(&device.id) {
            if let Some(uuid) = &entry.uuid
                && !uuids.iter().any(|found| found.eq_ignore_ascii_case(uuid))
            {
                lines.push(format!("{}: disk {} has no partition {uuid}", partition.path, disk.path));
            }
        }
    }
    Ok(lines)
}

/// How filesystems are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Not one byte changes, not even a journal.
    ReadOnly,
    /// As the machine has them.
    Writable,
}

/// The option that names the log of an XFS on a device of its own, which the kernel does not find by itself; `None` without such a log.
fn log_option(filesystem: &Filesystem, runner: &dyn Runner) -> Result<Option<Result<String, String>>, Failure> {
    let FilesystemOptions::Xfs(XfsOptions { log_device: Some(_), .. }) = &filesystem.options else { return Ok(None) };
    let uuid = &filesystem.uuid;
    let found = on_disk::named(&format!("LOGUUID={uuid}"), runner)?;
    Ok(Some(match &found[..] {
        [device] => Ok(format!("logdev={}", device.display())),
        [] => Err(format!("the log of its filesystem {uuid} is on no disk")),
        several => Err(format!("the log of its filesystem {uuid} is on several disks: {}", list(several))),
    }))
}

fn list(devices: &[PathBuf]) -> String {
    devices.iter().map(|device| device.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Mounts all recorded filesystems that can be found; returns a line for each that cannot.
pub(crate) fn mount_all(
    machine: &Machine,
    target: &Path,
    runner: &dyn Runner,
    access: Access,
) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    if machine.layout.devices.iter().any(|device| matches!(device.member(), Some(Member::Filesystem { .. }))) {
        // Without udev nothing has shown the kernel which devices belong together.
        runner.run(&Invocation::new(BTRFS).args(["device", "scan"]).accept(1))?;
    }
    for mount in &machine.layout.mounts {
        let Some(filesystem) = machine.layout.device(&mount.device).and_then(|device| device.filesystem()) else {
            continue;
        };
        let devices = on_disk::named(&format!("UUID={}", filesystem.uuid), runner)?;
        // Each device of a btrfs on several ones bears its UUID; it is mounted by any of them.
        let several = machine.layout.content_devices(&mount.device).len() > 1;
        let devices = if several { &devices[..devices.len().min(1)] } else { &devices[..] };
        let [device] = devices else {
            lines.push(if devices.is_empty() {
                format!("{}: its filesystem {} is on no disk", mount.mount_point, filesystem.uuid)
            } else {
                let (place, uuid) = (&mount.mount_point, &filesystem.uuid);
                format!("{place}: its filesystem {uuid} is on several disks: {}", list(devices))
            });
            continue;
        };
        // A recovery may have made it as another kind than was recorded.
        let recorded_kind = filesystem.options.mount_type();
        let lookup =
            Invocation::new(BLKID).args(["-c", "/dev/null", "-o", "value", "-s", "TYPE"]).arg(device).accept(2);
        let found_kind = runner.run(&lookup)?.text().trim().to_owned();
        let as_recorded = found_kind.is_empty() || found_kind == recorded_kind;
        let inside = mount.mount_point.as_path().strip_prefix("/").unwrap_or(Path::new(""));
        let place = target.join(inside);
        let subvolume = mount.subvolume.as_ref().filter(|_| as_recorded);
        let subvolume = subvolume.map(|name| subvolume_id(runner, device, &place, name)).transpose();
        let subvolume = match subvolume {
            Ok(id) => id.map(|id| format!("subvolid={id}")),
            Err(error) => {
                lines.push(format!("{}: {error}", mount.mount_point));
                continue;
            }
        };
        let kind = if as_recorded { recorded_kind } else { &found_kind };
        // Charsets and masks decide how names and modes on FAT appear.
        let recorded = match filesystem.options {
            FilesystemOptions::Vfat(_) => lifeboat_rebuild::mounts::mount_options(kind, &mount.options),
            _ => vec![],
        };
        let log = match log_option(filesystem, runner)?.filter(|_| as_recorded) {
            None => None,
            Some(Ok(option)) => Some(option),
            Some(Err(reason)) => {
                lines.push(format!("{}: {reason}", mount.mount_point));
                continue;
            }
        };
        let of_machine = recorded.iter().map(String::as_str).filter(|option| *option != "ro");
        let of_machine: Vec<&str> = of_machine.chain(subvolume.as_deref()).chain(log.as_deref()).collect();
        let attempt = |options: &[&'static str]| {
            let options: Vec<&str> = options.iter().chain(&of_machine).copied().collect();
            mount::mount(device, &place, kind, &options)
        };
        let mounted = match access {
            Access::ReadOnly => on_disk::read_only(kind, attempt),
            Access::Writable => attempt(&["rw"]),
        };
        if let Err(error) = mounted {
            lines.push(format!("{}: {error}", mount.mount_point));
        }
    }
    Ok(lines)
}
