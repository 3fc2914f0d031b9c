//! What `check` found, for people: how the machine boots, what it is made of, how large its medium may become, and what a rehearsal
//! needs beside it.

use crate::job::backup;
use crate::job::medium_room::{self, Need};
use crate::session::Session;
use crate::state::{self, State, Task};
use crate::status::text;
use jiff::Timestamp;
use lifeboat_machine::boot::{Firmware, Loader};
use lifeboat_machine::bytes::{human, printable};
use lifeboat_machine::{Content, DeviceKind, Machine};
use lifeboat_sys::Program;
use lifeboat_sys::program::{QEMU_IMG, QEMU_SYSTEM_X86_64, XORRISO};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Firmware for virtual machines of Debian's package ovmf.
const OVMF: &str = "/usr/share/OVMF";

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// `BIOS`, `UEFI, Secure Boot on`, …
    pub firmware: String,
    /// Boot loaders.
    pub loaders: Vec<String>,
    /// Disks, one line each.
    pub disks: Vec<String>,
    /// Kinds of filesystems, and where they are mounted.
    pub filesystems: BTreeMap<String, Vec<String>>,
    /// The most that the image of a medium with the archive takes.
    pub image_bytes_at_most: u64,
    /// The most that the folder for temporary files must hold while it is built.
    pub work_bytes_at_most: u64,
    /// Folders where either may go, with what they have to spare.
    pub room: Vec<(PathBuf, u64)>,
    /// When the last backup was done, as the record has it.
    pub last_backup: Option<String>,
    /// What a rehearsal on this machine lacks.
    pub missing_for_drill: Vec<String>,
}

/// Looks for it. The sizes need a walk through all files.
pub fn look(session: &Session, machine: &Machine, sysroot: &Path) -> Found {
    let nothing = crate::command::ExcludeArgs { exclude: vec![], exclude_file: vec![], exclude_contents: vec![] };
    let working = session.reporter.working("sizes", None);
    let archive = backup::most_bytes(session, machine, sysroot, &nothing, &[]).unwrap_or_default();
    drop(working);
    let firmware = !session.config.rescue.no_firmware && sysroot.join("lib/firmware").exists();
    let need = Need::new(archive, firmware, session.config.media.signing_key.is_some());
    let out = session.config.schedule.medium_file.as_deref().and_then(Path::parent);
    let folders = [Some(Path::new(medium_room::DEFAULT)), out].into_iter().flatten();
    let room = folders.filter_map(|folder| Some((folder.to_owned(), medium_room::spare(folder)?))).collect();
    let runs = State::load(&state::folder()).0.runs(Task::Backup);
    Found {
        firmware: firmware_of(machine),
        loaders: machine.boot.loaders.iter().map(loader).collect(),
        disks: disks(machine),
        filesystems: filesystems(machine),
        image_bytes_at_most: need.image(),
        work_bytes_at_most: need.work(),
        room,
        last_backup: runs.done.map(|run| run.at),
        missing_for_drill: missing_for_drill(machine),
    }
}

impl Found {
    /// The lines for people, each with its subject in front.
    pub fn lines(&self, now: Timestamp) -> Vec<String> {
        let mut lines = vec![];
        let mut line = |subject: &str, text: &str| lines.push(format!("{subject:<12} {text}"));
        line("firmware", &self.firmware);
        let loaders = if self.loaders.is_empty() { "none was found".to_owned() } else { self.loaders.join(", ") };
        line("boot loader", &loaders);
        for (number, disk) in self.disks.iter().enumerate() {
            line(if number == 0 { "disks" } else { "" }, disk);
        }
        for (number, (kind, places)) in self.filesystems.iter().enumerate() {
            line(if number == 0 { "filesystems" } else { "" }, &format!("{kind}: {}", places.join(", ")));
        }
        line("medium", &format!("at most {} with the archive, mostly half", human(self.image_bytes_at_most)));
        line("", &format!("building it needs up to {} more", human(self.work_bytes_at_most)));
        for (folder, bytes) in &self.room {
            let is_enough = if *bytes >= self.work_bytes_at_most { "" } else { ": may be too little, see --work-dir" };
            line("", &format!("{} has {} to spare{is_enough}", folder.display(), human(*bytes)));
        }
        let last = self.last_backup.as_deref().and_then(|at| at.parse::<Timestamp>().ok());
        line(
            "last backup",
            &last.map_or("none is recorded".to_owned(), |at| format!("{} ago", text::age(now.duration_since(at)))),
        );
        match self.missing_for_drill.as_slice() {
            [] => line("drill", "nothing is missing"),
            missing => line("drill", &format!("missing: {}", missing.join(", "))),
        }
        lines
    }
}

/// The firmware in a few words.
pub fn firmware_of(machine: &Machine) -> String {
    match machine.boot.firmware {
        Firmware::Bios => "BIOS".to_owned(),
        Firmware::Uefi { secure_boot } => format!("UEFI, Secure Boot {}", if secure_boot { "on" } else { "off" }),
    }
}

fn loader(loader: &Loader) -> String {
    match loader {
        Loader::GrubBios { disks, .. } => {
            let names: Vec<String> = disks.iter().map(ToString::to_string).collect();
            format!("GRUB for BIOS on {}", names.join(", "))
        }
        Loader::GrubEfi { vendor, shim, .. } => {
            format!("GRUB for UEFI (EFI/{}{})", printable(vendor.as_bytes()), if *shim { ", signed shim" } else { "" })
        }
        Loader::SystemdBoot { .. } => "systemd-boot".to_owned(),
    }
}

fn disks(machine: &Machine) -> Vec<String> {
    let of_disk = |device: &lifeboat_machine::Device| match &device.kind {
        DeviceKind::Disk(identity) => {
            let model = identity.model.as_deref().unwrap_or("unknown model");
            let known = if identity.wwn.is_some() || identity.serial.is_some() { "" } else { ", no serial number" };
            Some(format!("{} {} {}{known}", device.path, human(device.size_bytes), printable(model.trim().as_bytes())))
        }
        _ => None,
    };
    machine.layout.devices.iter().filter_map(of_disk).collect()
}

fn filesystems(machine: &Machine) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mount in &machine.layout.mounts {
        let device = machine.layout.devices.iter().find(|device| device.id == mount.device);
        let Some(Content::Filesystem(filesystem)) = device.map(|device| &device.content) else { continue };
        let place = format!("{} ({} used)", mount.mount_point, human(filesystem.used_bytes));
        let kind = filesystem.options.mount_type().to_string();
        // Of the subvolumes of one btrfs only the first says how much is used.
        let place =
            if mount.subvolume.is_some() && found.contains_key(&kind) { mount.mount_point.to_string() } else { place };
        found.entry(kind).or_default().push(place);
    }
    found
}

/// What a rehearsal lacks on the running machine.
fn missing_for_drill(machine: &Machine) -> Vec<String> {
    let lacks = |program: &&Program| program.find(Path::new("/")).is_none();
    let mut missing: Vec<String> = [QEMU_SYSTEM_X86_64, QEMU_IMG, XORRISO]
        .into_iter()
        .filter(lacks)
        .map(|program| format!("{} (package {})", program.name, program.package))
        .collect();
    if matches!(machine.boot.firmware, Firmware::Uefi { .. }) && !Path::new(OVMF).is_dir() {
        missing.push("UEFI firmware (package ovmf)".into());
    }
    if !Path::new("/dev/kvm").exists() {
        missing.push("/dev/kvm (without it a rehearsal takes much longer)".into());
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::wrapped;
    use lifeboat_machine::testing;

    fn found() -> Found {
        let machine = testing::gpt_machine();
        Found {
            firmware: firmware_of(&machine),
            loaders: machine.boot.loaders.iter().map(loader).collect(),
            disks: disks(&machine),
            filesystems: filesystems(&machine),
            image_bytes_at_most: 3 << 30,
            work_bytes_at_most: 4 << 30,
            room: vec![("/var/tmp".into(), 5 << 30), ("/mnt/nas".into(), 700 << 30)],
            last_backup: None,
            missing_for_drill: vec!["/dev/kvm (without it a rehearsal takes much longer)".into()],
        }
    }

    #[test]
    fn it_looks_so() {
        let found = found();
        let text = found.lines("2026-11-30T12:00:00Z".parse().unwrap()).join("\n");
        // The same on small and on large screens.
        assert_eq!([80, 200].map(|columns| wrapped(&text, Some(columns))), [text.clone(), text.clone()]);
        insta::assert_snapshot!("check", text);
    }

    #[test]
    fn what_was_found_is_said_line_by_line() {
        let found = Found {
            room: vec![("/var/tmp".into(), 1 << 30)],
            last_backup: Some("2026-11-29T12:00:00Z".into()),
            missing_for_drill: vec!["x (package y)".into()],
            ..found()
        };
        let lines = found.lines("2026-11-30T12:00:00Z".parse().unwrap());
        let all = lines.join("\n");
        for part in [
            "firmware ",
            "disks ",
            "filesystems ",
            "at most 3.0 GiB",
            "1.0 GiB to spare: may be too little",
            "24 hours ago",
            "missing: x",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
    }
}
