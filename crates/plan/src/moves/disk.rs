//! Partitions onto other disks, disks that come and go, and whether the machine starts afterwards.

use super::draft::{Draft, LINUX};
use super::kind::SecondDisk;
use crate::edit::Refusal;
use crate::size::GRAIN;
use lifeboat_machine::boot::{InitramfsTool, Loader};
use lifeboat_machine::layout::{BIOS_BOOT_TYPE, Disk, PartitionRole, TableKind};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Machine};
use std::path::Path;

/// GRUB's own partition on a GPT.
const BIOS_BOOT: (&str, &str) = (BIOS_BOOT_TYPE, "");

impl Draft {
    /// The disk that takes part, made where it is new; of at least so many bytes.
    pub(super) fn second_disk(&mut self, second: &SecondDisk, bytes: Option<u64>) -> Result<DeviceId, Refusal> {
        let (identity, size) = match second {
            SecondDisk::Known(id) => {
                let device = self.known(id)?;
                if device.disk().is_none() || device.content != Content::Empty {
                    return Err(Refusal::of(id, "it is no empty disk; name one that holds nothing, or a new one"));
                }
                return Ok(id.clone());
            }
            SecondDisk::New { identity, size_bytes } => (identity.clone(), *size_bytes),
        };
        let first = self.layout().disks().next().map(|(device, disk)| (device.size_bytes, disk.clone()));
        let Some((first_size, like)) = first else {
            return Err(Refusal::of(&DeviceId("disk".into()), "the machine has no disk"));
        };
        let number = (0_usize..).find(|number| self.layout().device(&DeviceId(format!("disk{number}"))).is_none());
        let id = self.fresh_id(&format!("disk{}", number.unwrap_or(0)));
        let is_wwn = |text: &&String| ["0x", "eui.", "naa.", "uuid."].iter().any(|start| text.starts_with(start));
        let disk = Disk {
            wwn: identity.as_ref().filter(is_wwn).cloned(),
            serial: identity.filter(|text| !is_wwn(&text)),
            hardware_path: None,
            model: None,
            removable: false,
            ..like
        };
        self.machine.layout.devices.push(Device {
            path: format!("/dev/{id}"),
            id: id.clone(),
            size_bytes: size.or(bytes).unwrap_or(first_size),
            kind: DeviceKind::Disk(disk),
            content: Content::Empty,
        });
        self.sort();
        Ok(id)
    }

    /// A partition, or all that is on a disk, goes to another disk.
    pub(super) fn move_to_disk(&mut self, id: &DeviceId, disk: &DeviceId) -> Result<(), Refusal> {
        let device = self.known(id)?;
        if self.known(disk)?.disk().is_none() {
            return Err(Refusal::of(disk, "it is no disk"));
        }
        match &device.kind {
            DeviceKind::Partition(partition) if partition.parent == *disk => {
                return Err(Refusal::of(id, "it is on that disk already"));
            }
            DeviceKind::Partition(_) => self.partition_to_disk(&device, disk)?,
            DeviceKind::Disk(_) if id == disk => return Err(Refusal::of(id, "it cannot go onto itself")),
            DeviceKind::Disk(_) if device.content == Content::Empty => return Err(Refusal::of(id, "it is empty")),
            DeviceKind::Disk(_) if matches!(device.content, Content::Table(_)) => {
                let parts: Vec<Device> =
                    self.layout().partitions_of(id).into_iter().map(|(part, _)| part.clone()).collect();
                for part in parts {
                    if !matches!(part.content, Content::BootLoader | Content::Extended | Content::Empty) {
                        self.partition_to_disk(&part, disk)?;
                    }
                }
                self.grub_to_disk(id, disk)?;
            }
            DeviceKind::Disk(_) => {
                let new = self.add_partition(disk, device.size_bytes, LINUX, None)?;
                self.transfer(id, &new);
                self.typed(&new);
            }
            DeviceKind::Array(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => {
                return Err(Refusal::of(id, "it is neither a partition nor a disk; move what it lies on"));
            }
        }
        self.apart()
    }

    fn partition_to_disk(&mut self, part: &Device, disk: &DeviceId) -> Result<(), Refusal> {
        let DeviceKind::Partition(old) = &part.kind else { return Ok(()) };
        if matches!(part.content, Content::BootLoader | Content::Extended) {
            return Err(Refusal::of(&part.id, "it belongs to its disk; move what is on the disk"));
        }
        if part.content == Content::Empty {
            return Err(Refusal::of(&part.id, "it holds nothing"));
        }
        let new = self.add_partition(disk, part.size_bytes, LINUX, old.name.as_deref())?;
        self.transfer(&part.id, &new);
        self.machine.boot.efi_entries.iter_mut().for_each(|entry| {
            if entry.device == part.id {
                entry.device = new.clone();
            }
        });
        // What names it by its partition's UUID finds it there, too.
        if self.is_in_gpt(&part.id) && self.is_in_gpt(&new) {
            let (uuid, type_id, attributes) = (old.uuid.clone(), old.type_id.clone(), old.attributes.clone());
            self.change(&new, |device| {
                if let DeviceKind::Partition(partition) = &mut device.kind {
                    (partition.uuid, partition.type_id, partition.attributes) = (uuid, type_id, attributes);
                }
            });
        } else {
            self.typed(&new);
        }
        match old.role {
            PartitionRole::Primary => self.remove_partition(&part.id),
            PartitionRole::Logical | PartitionRole::Extended => {}
        }
        Ok(())
    }

    /// GRUB for BIOS of a disk that is given up.
    fn grub_to_disk(&mut self, from: &DeviceId, to: &DeviceId) -> Result<(), Refusal> {
        let of = |loader: &Loader| matches!(loader, Loader::GrubBios { disks, .. } if disks.contains(from));
        if !self.machine.boot.loaders.iter().any(of) {
            return Ok(());
        }
        let gpt = matches!(&self.known(to)?.content, Content::Table(table) if table.kind == TableKind::Gpt);
        let own = self.layout().partitions_of(to).iter().any(|(part, _)| part.content == Content::BootLoader);
        if gpt && !own {
            let new = self.add_partition(to, GRAIN, BIOS_BOOT, None)?;
            self.change(&new, |device| device.content = Content::BootLoader);
        }
        for loader in &mut self.machine.boot.loaders {
            if let Loader::GrubBios { disks, .. } = loader
                && disks.contains(from)
                && !disks.contains(to)
            {
                disks.push(to.clone());
            }
        }
        Ok(())
    }

    /// Redundancy on one disk is none.
    fn apart(&self) -> Result<(), Refusal> {
        for device in &self.layout().devices {
            let DeviceKind::Array(array) = &device.kind else { continue };
            let mut seen: Vec<&DeviceId> = vec![];
            for member in &array.members {
                for disk in self.layout().disks_under(&member.device) {
                    if seen.contains(&&disk.id) && array.level.is_redundant() {
                        let text = format!("two of its members would be on {}; drop the array first", disk.id);
                        return Err(Refusal::of(&device.id, text));
                    }
                    seen.push(&disk.id);
                }
            }
        }
        Ok(())
    }
}

/// Whether the boot loaders still find a place and what they read; the reason when they do not.
pub(crate) fn bootable(before: &Machine, after: &Machine) -> Result<(), String> {
    let layout = &after.layout;
    for loader in &after.boot.loaders {
        let directory = match loader {
            Loader::GrubBios { disks, directory } => {
                if disks.is_empty() && !before.boot.loaders.contains(loader) {
                    return Err("no disk is left that GRUB was installed on; move what is on that disk as a whole \
                                (--move disk0:disk1)"
                        .into());
                }
                for disk in disks {
                    let Some(device) = layout.device(disk) else { continue };
                    let had = before.layout.device(disk).is_none_or(|old| room_for_grub(before, old));
                    if had && !room_for_grub(after, device) {
                        return Err(format!("GRUB would have no place on {disk}"));
                    }
                }
                directory
            }
            Loader::GrubEfi { directory, shim, .. } => {
                if !shim && stack(before, directory.as_path()) != stack(after, directory.as_path()) {
                    return Err(format!(
                        "GRUB for UEFI is not reinstalled, and may not find {directory} on what lies below it then; \
                         give /boot a filesystem of its own that stays as it is"
                    ));
                }
                directory
            }
            // The kernel lies on the ESP, or on FAT beside it.
            Loader::SystemdBoot { .. } => continue,
        };
        for path in [directory.as_path(), Path::new("/boot")] {
            let encrypted = |machine: &Machine| stack(machine, path).contains(&"LUKS");
            if encrypted(after) && !encrypted(before) {
                return Err(format!(
                    "GRUB reads {} and would have to open it; give /boot a partition of its own first, and record the \
                     machine again",
                    path.display()
                ));
            }
        }
    }
    let more = |path: &str| {
        let layers = |machine: &Machine| stack(machine, Path::new(path));
        layers(after).into_iter().any(|layer| !layers(before).contains(&layer))
    };
    if !["/", "/usr"].into_iter().any(more) || after.boot.loaders.is_empty() {
        return Ok(());
    }
    match after.boot.initramfs {
        InitramfsTool::InitramfsTools | InitramfsTool::Dracut => Ok(()),
        // What its images hold is a matter of hooks in its configuration, which nothing here adds or can check.
        InitramfsTool::Mkinitcpio => Err("mkinitcpio adds what opens the root only when its configuration has the hooks for it; make \
                                          such changes with initramfs-tools or dracut, or on devices other than those of / and /usr"
            .into()),
        InitramfsTool::None => Err("the machine has no tool that adds what opens its root to the initramfs".into()),
    }
}

/// The layers below a path, from the disks up; disks and partitions themselves do not count.
pub(crate) fn stack(machine: &Machine, path: &Path) -> Vec<&'static str> {
    let Some(mount) = machine.layout.mount_holding(path) else { return vec![] };
    let below = machine.layout.below(&mount.device);
    below
        .into_iter()
        .filter_map(|device| match &device.kind {
            DeviceKind::Array(_) => Some("md"),
            DeviceKind::Volume(_) => Some("LVM"),
            DeviceKind::Crypt(_) => Some("LUKS"),
            DeviceKind::Disk(_) | DeviceKind::Partition(_) => None,
        })
        .collect()
}

/// GRUB for BIOS lies behind an MBR, or in a partition of its own on a GPT.
fn room_for_grub(machine: &Machine, disk: &Device) -> bool {
    let Content::Table(table) = &disk.content else { return false };
    let own = || machine.layout.partitions_of(&disk.id).iter().any(|(part, _)| part.content == Content::BootLoader);
    table.kind == TableKind::Mbr || own()
}
