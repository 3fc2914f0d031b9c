//! What a person must read before saying yes: first what is lost, then what is made. At most 80 columns where words
//! allow it.

use crate::matched::MatchedBy;
use crate::step::{ChangedFilesystem, FurtherDevice, MovedStorage, Plan, Step, Target};
use lifeboat_machine::boot::Loader;
use lifeboat_machine::bytes::{counted, human};
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions};
use lifeboat_machine::layout::{CacheKind, JournalKind, TableKind, VolumeShape};
use std::fmt;

const COLUMNS: usize = 80;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "These disks are wiped; what they hold is lost:")?;
        for target in &self.targets {
            entry(f, "  ", &target.to_string())?;
        }
        writeln!(f, "\nThen:")?;
        for (index, step) in self.steps.iter().enumerate() {
            entry(f, &format!("{:>4} ", index + 1), &step.to_string())?;
        }
        if !self.moved.is_empty() {
            writeln!(f, "\nPartitions you moved:")?;
        }
        for text in &self.moved {
            entry(f, "  - ", text)?;
        }
        if !self.notes.is_empty() {
            writeln!(f, "\nPlease note:")?;
        }
        for note in &self.notes {
            entry(f, "  - ", note)?;
        }
        Ok(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { device, path, name, matched_by, loses, .. } = self;
        let by = if *matched_by == MatchedBy::OnlyDisk { "as" } else { "by" };
        write!(f, "{path} ({name}) in place of {device}, matched {by} {matched_by}: holds {loses}")
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::WipeDisk { disk, .. } => write!(f, "wipe {disk}"),
            Step::WriteTable { disk, table, partitions, .. } => {
                let kind = if table.kind == TableKind::Gpt { "a GPT" } else { "an MBR" };
                write!(f, "write {kind} with {} to {disk}", counted(partitions.len(), "partition"))
            }
            Step::MakeArray { node, size_bytes, array, members } => {
                let names: Vec<&str> = members.iter().map(|member| member.device.as_str()).collect();
                let missing = match array.missing() {
                    0 => String::new(),
                    1 => ", 1 member missing".to_owned(),
                    several => format!(", {several} members missing"),
                };
                let level = array.level.name();
                write!(f, "make the {level} array {node} ({}) of {}{missing}", human(*size_bytes), names.join(", "))
            }
            Step::MakeGroup { group, physical, .. } => {
                let names: Vec<&str> = physical.iter().map(|physical| physical.device.as_str()).collect();
                write!(f, "make the volume group {} of {}", group.name, names.join(", "))
            }
            Step::MakePhysicalVolume { physical } => write!(f, "make {} an LVM physical volume", physical.device),
            Step::MakeVolume { node, size_bytes, volume, .. } => {
                write!(f, "make the {} {node} ({})", volume_kind(&volume.shape), human(*size_bytes))
            }
            Step::MakeLuks { device, header } if header.backup.is_none() => {
                write!(f, "encrypt {device} with a new LUKS{} header", header.version)
            }
            Step::MakeLuks { device, header } => {
                write!(f, "encrypt {device}: put its LUKS{} header back, with its keys", header.version)
            }
            Step::OpenLuks { device, node, size_bytes, .. } => {
                write!(f, "open {device} as {node} ({})", human(*size_bytes))
            }
            Step::MakeFilesystem { device, filesystem, was: Some(was), .. } => {
                let size = human(filesystem.size_bytes);
                write!(f, "make {} in place of {was} on {device} ({size})", kind(filesystem))
            }
            Step::MakeFilesystem { device, filesystem, resized, was: None, further } => {
                let other = if *resized { ", another size than before" } else { "" };
                let size = human(filesystem.size_bytes);
                let (mut devices, mut beside) = (device.clone(), String::new());
                for FurtherDevice { device, journal } in further {
                    match journal.as_ref().map(|journal| journal.kind) {
                        None => devices += &format!(", {device}"),
                        Some(JournalKind::Ext) => beside += &format!(", its journal on {device}"),
                        Some(JournalKind::XfsLog) => beside += &format!(", its log on {device}"),
                        Some(JournalKind::XfsRealtime) => beside += &format!(", its realtime section on {device}"),
                    }
                }
                write!(f, "make {} on {devices} ({size}{other}){beside}", kind(filesystem))
            }
            Step::MakeSubvolumes { device, subvolumes, .. } => {
                let names: Vec<String> = subvolumes.iter().map(|subvolume| subvolume.path.to_string()).collect();
                write!(f, "make subvolumes on {device}: {}", names.join(", "))
            }
            Step::MakeSwap { device, .. } => write!(f, "make a swap area on {device}"),
            Step::Mount { device, mount_point, subvolume, .. } => match subvolume {
                Some(subvolume) if !subvolume.0.is_empty() => {
                    write!(f, "mount {device} at {mount_point}, subvolume {subvolume}")
                }
                _ => write!(f, "mount {device} at {mount_point}"),
            },
            Step::Extract => write!(f, "restore the files"),
            Step::MakeSwapFile { file } => write!(f, "make the swap file {} ({})", file.path, human(file.size_bytes)),
            Step::AdaptConfiguration { replacements, gone } => {
                let is_path = |name: &str| name.starts_with("/dev/") && !name.starts_with("/dev/disk/");
                let new =
                    replacements.iter().filter(|(old, _)| is_path(old)).map(|(old, new)| format!("{old} is {new}"));
                let gone = gone.iter().filter(|name| is_path(name)).map(|name| format!("{name} is gone"));
                let kernel: Vec<String> = new.chain(gone).collect();
                let what = if kernel.is_empty() { "other disk ids".to_owned() } else { kernel.join(", ") };
                write!(f, "adapt the configuration: {what}")
            }
            Step::AdaptFilesystems { changes } => {
                let one = |change: &ChangedFilesystem| match change.mount_points.first() {
                    Some(point) => format!("{point} is {}", change.to),
                    None => format!("{} is {}", change.name, change.to),
                };
                let list: Vec<String> = changes.iter().map(one).collect();
                write!(f, "adapt fstab and command lines: {}", list.join(", "))
            }
            Step::AdaptStorage { moved } => write!(f, "adapt {}", moved_storage(moved)),
            Step::RebuildInitramfs { reason } => write!(f, "rebuild the initramfs: {reason}"),
            Step::InstallLoader { loader, disks } => match loader {
                Loader::GrubBios { .. } => write!(f, "install GRUB for BIOS on {}", disks.join(", ")),
                Loader::GrubEfi { esp, vendor, .. } => write!(f, "check GRUB for UEFI at {esp}/EFI/{vendor}"),
                Loader::SystemdBoot { esp, .. } => write!(f, "check systemd-boot at {esp}/EFI"),
            },
            Step::MakeEfiEntry { entry, .. } => write!(f, "make the EFI boot entry \"{}\"", entry.label),
            Step::Finish => write!(f, "set read-only properties and unmount"),
        }
    }
}

/// The files that follow other storage, each with what changes.
fn moved_storage(moved: &MovedStorage) -> String {
    let mut list: Vec<String> = vec![];
    let mut add = |file: &str, changes: Vec<String>| {
        if !changes.is_empty() {
            list.push(format!("{file} ({})", changes.join(", ")));
        }
    };
    let closed = moved.closed.iter().map(|(name, _)| format!("without {name}"));
    let opened = moved.opened.iter().filter_map(|line| line.split(' ').next()).map(|name| format!("with {name}"));
    add("crypttab", closed.chain(opened).collect());
    let disbanded = moved.disbanded.iter().map(|uuid| format!("without {uuid}"));
    let node = |line: &String| line.split(' ').nth(1).map(|node| format!("with {node}"));
    add("mdadm.conf", disbanded.chain(moved.assembled.iter().filter_map(node)).collect());
    let new = moved.words_new.iter().map(|word| format!("with {word}"));
    add("the kernel command lines", new.collect());
    if moved.grub.is_some() {
        list.push("GRUB's configuration".to_owned());
    }
    if list.is_empty() {
        return "the configuration".to_owned();
    }
    list.join(", ")
}

fn volume_kind(shape: &VolumeShape) -> String {
    match shape {
        VolumeShape::Linear { .. } => "volume".into(),
        VolumeShape::Striped { extents, .. } => format!("volume on {} stripes", extents.len()),
        VolumeShape::Raid { segment_type, .. } => format!("{segment_type} volume"),
        VolumeShape::ThinPool { .. } => "thin pool".into(),
        VolumeShape::Thin { .. } => "thin volume".into(),
        VolumeShape::Cached { origin, cache } => {
            let what = if cache.kind == CacheKind::Writecache { "writecache" } else { "cache" };
            format!("{} with a {what}", volume_kind(origin))
        }
    }
}

fn kind(filesystem: &Filesystem) -> String {
    let kind = match &filesystem.options {
        FilesystemOptions::Vfat(vfat) => format!("FAT{}", vfat.fat_bits),
        FilesystemOptions::Ext(_) | FilesystemOptions::Xfs(_) | FilesystemOptions::Btrfs(_) => {
            filesystem.options.mount_type().to_owned()
        }
    };
    if filesystem.label.0.is_empty() { kind } else { format!("{kind} \"{}\"", filesystem.label) }
}

/// One item, its further lines indented as far as its head.
fn entry(f: &mut fmt::Formatter<'_>, head: &str, text: &str) -> fmt::Result {
    let indent = head.chars().count();
    let mut line = head.to_owned();
    let mut fresh = true;
    for word in text.split(' ') {
        if !fresh && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            writeln!(f, "{}", line.trim_end())?;
            line = " ".repeat(indent);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    writeln!(f, "{}", line.trim_end())
}
