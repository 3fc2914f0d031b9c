//! A description in the making.

use crate::edit::Refusal;
use crate::size::GRAIN;
use lifeboat_machine::boot::Loader;
use lifeboat_machine::filesystem::{FilesystemOptions, Journal};
use lifeboat_machine::layout::{GPT_ENTRIES, Partition, PartitionRole, TableKind, partition_path};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Layout, Machine, Member};
use std::path::Path;

/// Space before the first partition and behind the last one of a table that is made anew.
pub(super) const MARGIN: u64 = GRAIN;
/// What a GPT keeps at the end, in bytes: 128 entries and a header, with sectors of either size.
const GPT_TAIL: u64 = GRAIN;
/// Type of a partition with a Linux filesystem.
pub(super) const LINUX: (&str, &str) = ("0FC63DAF-8483-4772-8E79-3D69D8477DE4", "83");
/// Type of a member of an array.
pub(super) const RAID: (&str, &str) = ("A19D880F-05FC-4D3B-A006-743F0F84911E", "fd");
/// Type of a physical volume.
pub(super) const LVM: (&str, &str) = ("E6D6D379-F507-44C2-A23C-238F2A3DF928", "8e");
const SWAP: (&str, &str) = ("0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "82");

/// A machine that is being changed.
pub(super) struct Draft {
    pub(super) machine: Machine,
}

impl Draft {
    pub(super) fn new(machine: &Machine) -> Draft {
        Draft { machine: machine.clone() }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.machine.layout
    }

    /// The device of this id.
    pub(super) fn known(&self, id: &DeviceId) -> Result<Device, Refusal> {
        self.layout().device(id).cloned().ok_or_else(|| Refusal::of(id, "the machine has no such device"))
    }

    pub(super) fn change(&mut self, id: &DeviceId, change: impl FnOnce(&mut Device)) {
        if let Some(device) = self.machine.layout.devices.iter_mut().find(|device| device.id == *id) {
            change(device);
        }
    }

    pub(super) fn remove(&mut self, id: &DeviceId) {
        self.machine.layout.devices.retain(|device| device.id != *id);
    }

    /// An id that no device has: the name, or with a number behind it.
    pub(super) fn fresh_id(&self, name: &str) -> DeviceId {
        let plain: String =
            name.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let plain = if plain.starts_with(|c: char| c.is_ascii_lowercase()) { plain } else { format!("d{plain}") };
        let plain: String = plain.chars().take(48).collect();
        let free = |id: &DeviceId| self.layout().device(id).is_none();
        let first = DeviceId(plain.clone());
        if free(&first) {
            return first;
        }
        (1_u32..).map(|number| DeviceId(format!("{plain}_{number}"))).find(free).unwrap_or(first)
    }

    /// Hex digits that are the same for the same machine and purpose, and others for every other one: moves are repeatable, so that a
    /// plan is the same each time. FNV-1a of 128 bits.
    pub(super) fn digits(&self, purpose: &str) -> String {
        let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        let disks = self.layout().disks().filter_map(|(_, disk)| disk.serial.as_deref());
        let words = [self.machine.machine_id.as_str(), self.machine.name.as_str(), purpose].into_iter().chain(disks);
        for byte in words.flat_map(|word| word.bytes().chain([0])) {
            hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        format!("{hash:032x}")
    }

    /// The same as a UUID of version 4 in its usual form.
    pub(super) fn uuid(&self, purpose: &str) -> String {
        let d = self.digits(purpose);
        format!("{}-{}-4{}-a{}-{}", &d[..8], &d[8..12], &d[13..16], &d[17..20], &d[20..])
    }

    /// Puts what a device holds onto another one, with all that refers to it; the first is empty then.
    pub(super) fn transfer(&mut self, from: &DeviceId, to: &DeviceId) {
        let Some(content) = self.layout().device(from).map(|device| device.content.clone()) else { return };
        self.change(to, |device| device.content = content);
        self.change(from, |device| device.content = Content::Empty);
        let swap = |id: &mut DeviceId| {
            if id == from {
                *id = to.clone();
            }
        };
        for device in &mut self.machine.layout.devices {
            match &mut device.kind {
                DeviceKind::Disk(_) => {}
                DeviceKind::Partition(partition) => swap(&mut partition.parent),
                DeviceKind::Array(array) => array.members.iter_mut().for_each(|member| swap(&mut member.device)),
                DeviceKind::Volume(volume) => {
                    volume.shape.extents_mut().into_iter().for_each(|extents| swap(&mut extents.device));
                }
                DeviceKind::Crypt(crypt) => swap(&mut crypt.parent),
            }
            match &mut device.content {
                Content::Member(Member::Filesystem { filesystem, .. }) => swap(filesystem),
                Content::Journal(journal) => swap(&mut journal.filesystem),
                Content::Filesystem(filesystem) => match &mut filesystem.options {
                    FilesystemOptions::Ext(ext) => {
                        if let Some(Journal::External { device }) = &mut ext.journal {
                            swap(device);
                        }
                    }
                    FilesystemOptions::Xfs(xfs) => {
                        xfs.log_device.iter_mut().for_each(swap);
                        xfs.realtime.iter_mut().for_each(|realtime| swap(&mut realtime.device));
                    }
                    FilesystemOptions::Vfat(_) | FilesystemOptions::Btrfs(_) => {}
                },
                Content::Empty
                | Content::Table(_)
                | Content::Swap(_)
                | Content::BootLoader
                | Content::Extended
                | Content::Luks(_)
                | Content::Member(Member::Array { .. } | Member::Group { .. }) => {}
            }
        }
        self.machine.layout.mounts.iter_mut().for_each(|mount| swap(&mut mount.device));
        self.sort();
    }

    /// Parents before children, and otherwise as they were.
    pub(super) fn sort(&mut self) {
        let mut rest = std::mem::take(&mut self.machine.layout.devices);
        let all = Layout { devices: rest.clone(), ..self.machine.layout.clone() };
        let mut sorted: Vec<Device> = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            let ready =
                |device: &Device| all.parents(device).iter().all(|id| sorted.iter().any(|done| done.id == **id));
            // What goes in circles stays as it is, and is refused by the validation.
            let at = rest.iter().position(ready).unwrap_or(0);
            sorted.push(rest.remove(at));
        }
        self.machine.layout.devices = sorted;
    }

    /// Makes a device larger: a partition pushes those behind it away and its disk becomes larger, too; of others nothing is known
    /// that would have to change but the size itself.
    pub(super) fn grow(&mut self, id: &DeviceId, bytes: u64) {
        let Some(device) = self.layout().device(id).cloned() else { return };
        let Some(partition) = device.partition().cloned() else {
            self.change(id, |device| device.size_bytes += bytes);
            return self.reach(id);
        };
        let sector = self.sector(&partition.parent);
        let more = bytes.next_multiple_of(GRAIN);
        self.shift(&partition, i128::from(more / sector));
        self.change(id, |device| {
            device.size_bytes += more;
            if let DeviceKind::Partition(own) = &mut device.kind {
                own.sectors += more / sector;
            }
        });
        if partition.role == PartitionRole::Logical {
            let container = self.container(&partition.parent);
            if let Some(container) = container {
                self.change(&container, |device| {
                    device.size_bytes += more;
                    if let DeviceKind::Partition(own) = &mut device.kind {
                        own.sectors += more / sector;
                    }
                });
            }
        }
        self.grow(&partition.parent, more);
    }

    /// A GPT ends with its device.
    fn reach(&mut self, id: &DeviceId) {
        let sector = self.sector(id);
        self.change(id, |device| {
            let end = device.size_bytes / sector;
            if let Content::Table(table) = &mut device.content
                && let Some(last) = &mut table.last_lba
            {
                *last = end.saturating_sub(GPT_TAIL / sector);
            }
        });
    }

    fn container(&self, disk: &DeviceId) -> Option<DeviceId> {
        let parts = self.layout().partitions_of(disk);
        parts.iter().find(|(_, part)| part.role == PartitionRole::Extended).map(|(device, _)| device.id.clone())
    }

    /// Moves the partitions behind one by so many sectors.
    fn shift(&mut self, before: &Partition, sectors: i128) {
        for device in &mut self.machine.layout.devices {
            if let DeviceKind::Partition(other) = &mut device.kind
                && other.parent == before.parent
                && other.start_sector > before.start_sector
            {
                other.start_sector = u64::try_from(i128::from(other.start_sector) + sectors).unwrap_or(0);
            }
        }
    }

    pub(super) fn sector(&self, id: &DeviceId) -> u64 {
        let disks = self.layout().disks_under(id);
        let all = disks.iter().filter_map(|disk| disk.disk()).map(|disk| u64::from(disk.logical_sector_bytes));
        all.max().unwrap_or(512).max(512)
    }

    /// A new partition behind all others of a disk, which becomes as much larger. An empty disk gets a table.
    pub(super) fn add_partition(
        &mut self,
        disk: &DeviceId,
        bytes: u64,
        kinds: (&str, &str),
        name: Option<&str>,
    ) -> Result<DeviceId, Refusal> {
        let known = self.known(disk)?;
        let sector = self.sector(disk);
        let table = if let Content::Table(table) = &known.content {
            table.clone()
        } else if known.content == Content::Empty {
            self.make_table(disk)
        } else {
            return Err(Refusal::of(disk, "it holds something else than partitions"));
        };
        let parts = self.layout().partitions_of(disk);
        if table.kind == TableKind::Mbr && parts.iter().any(|(_, part)| part.role == PartitionRole::Extended) {
            return Err(Refusal::of(disk, "a partition cannot be added to an MBR with an extended partition"));
        }
        let limit = if table.kind == TableKind::Mbr { 4 } else { table.entries.unwrap_or(GPT_ENTRIES) };
        let number = (1..=limit).find(|number| !parts.iter().any(|(_, part)| part.number == *number));
        let number = number.ok_or_else(|| Refusal::of(disk, "its partition table is full"))?;
        let end = parts.iter().map(|(_, part)| (part.start_sector + part.sectors) * sector).max().unwrap_or(0);
        let start = end.max(MARGIN).next_multiple_of(GRAIN);
        let size = bytes.next_multiple_of(GRAIN);
        let id = self.fresh_id(&format!("{disk}p{number}"));
        let gpt = table.kind == TableKind::Gpt;
        let partition = Partition {
            parent: disk.clone(),
            number,
            start_sector: start / sector,
            sectors: size / sector,
            type_id: if gpt { kinds.0 } else { kinds.1 }.to_owned(),
            uuid: gpt.then(|| self.uuid(&format!("partition {id}")).to_ascii_uppercase()),
            name: name.filter(|_| gpt).map(str::to_owned),
            attributes: None,
            bootable: false,
            role: PartitionRole::Primary,
        };
        let path = partition_path(Path::new(&known.path), number).to_string_lossy().into_owned();
        let kind = DeviceKind::Partition(partition);
        self.machine.layout.devices.push(Device {
            id: id.clone(),
            path,
            size_bytes: size,
            kind,
            content: Content::Empty,
        });
        let needed = start + size + MARGIN;
        if known.content == Content::Empty {
            // As large as what is on it: the size solver gives it the rest of the disk that is found.
            self.change(disk, |device| device.size_bytes = needed);
        } else if needed > known.size_bytes {
            self.grow(disk, needed - known.size_bytes);
        }
        self.reach(disk);
        self.sort();
        Ok(id)
    }

    /// Gives an empty disk the kind of table that the machine's others have.
    fn make_table(&mut self, disk: &DeviceId) -> lifeboat_machine::layout::PartitionTable {
        let kinds = self
            .layout()
            .devices
            .iter()
            .filter_map(|device| if let Content::Table(table) = &device.content { Some(table.kind) } else { None });
        let kind = kinds.min_by_key(|kind| *kind == TableKind::Mbr).unwrap_or(TableKind::Gpt);
        let sector = self.sector(disk);
        let size = self.layout().device(disk).map_or(0, |device| device.size_bytes);
        let gpt = kind == TableKind::Gpt;
        let table = lifeboat_machine::layout::PartitionTable {
            kind,
            id: self.table_id(disk, kind),
            first_lba: gpt.then_some(MARGIN / sector),
            last_lba: gpt.then(|| (size / sector).saturating_sub(GPT_TAIL / sector)),
            entries: gpt.then_some(GPT_ENTRIES),
            boot_code: None,
        };
        self.change(disk, |device| device.content = Content::Table(table.clone()));
        table
    }

    /// The id of a table that a disk did not have.
    pub(super) fn table_id(&self, disk: &DeviceId, kind: TableKind) -> String {
        let purpose = format!("table {disk}");
        match kind {
            TableKind::Gpt => self.uuid(&purpose).to_ascii_uppercase(),
            TableKind::Mbr => format!("0x{}", &self.digits(&purpose)[..8]),
        }
    }

    /// Removes a partition of which nothing is made; those behind it move up. A disk without partitions has no table then.
    pub(super) fn remove_partition(&mut self, id: &DeviceId) {
        let Some(partition) = self.layout().device(id).and_then(Device::partition).cloned() else { return };
        self.remove(id);
        self.machine.boot.efi_entries.retain(|entry| entry.device != *id);
        let parts = self.layout().partitions_of(&partition.parent);
        let chained = parts.iter().any(|(_, part)| part.role != PartitionRole::Primary);
        if parts.is_empty() {
            return self.change(&partition.parent, |device| device.content = Content::Empty);
        }
        if !chained {
            let sector = self.sector(&partition.parent);
            let less = partition.sectors * sector / GRAIN * GRAIN / sector;
            self.shift(&partition, -i128::from(less));
        }
    }

    /// The type of a partition follows what it holds; those of boot loaders stay.
    pub(super) fn typed(&mut self, id: &DeviceId) {
        let Some(device) = self.layout().device(id) else { return };
        let kinds = match &device.content {
            Content::Member(Member::Array { .. }) => RAID,
            Content::Member(Member::Group { .. }) => LVM,
            Content::Swap(_) => SWAP,
            Content::Filesystem(filesystem) if matches!(filesystem.options, FilesystemOptions::Vfat(_)) => return,
            Content::Filesystem(_) | Content::Luks(_) | Content::Empty | Content::Journal(_) => LINUX,
            Content::Member(Member::Filesystem { .. }) => LINUX,
            Content::Table(_) | Content::BootLoader | Content::Extended => return,
        };
        self.retype(id, kinds);
    }

    /// Gives a partition one of two types: GPT's, and that of an MBR.
    pub(super) fn retype(&mut self, id: &DeviceId, kinds: (&str, &str)) {
        let kind = if self.is_in_gpt(id) { kinds.0 } else { kinds.1 }.to_owned();
        self.change(id, |device| {
            if let DeviceKind::Partition(partition) = &mut device.kind {
                partition.type_id = kind;
            }
        });
    }

    /// A partition of a GPT.
    pub(super) fn is_in_gpt(&self, id: &DeviceId) -> bool {
        let disk = self.layout().partition_disk(id).map(|disk| &disk.content);
        matches!(disk, Some(Content::Table(table)) if table.kind == TableKind::Gpt)
    }

    /// Drops disks on which nothing is left but what starts a machine from them, and that held something before.
    pub(super) fn drop_idle_disks(&mut self, before: &Machine) {
        let disks: Vec<DeviceId> = self.layout().disks().map(|(disk, _)| disk.id.clone()).collect();
        for disk in disks {
            let Some(device) = self.layout().device(&disk) else { continue };
            let idle_parts = |layout: &Layout| {
                let idle =
                    |part: &Device| matches!(part.content, Content::BootLoader | Content::Empty | Content::Extended);
                layout.partitions_of(&disk).iter().all(|(part, _)| idle(part))
            };
            let is_table = |device: &Device| matches!(device.content, Content::Table(_));
            let idle = device.content == Content::Empty || (is_table(device) && idle_parts(self.layout()));
            let held = before.layout.device(&disk).is_some_and(|device| device.content != Content::Empty);
            // What was idle before is somebody's choice.
            let was_idle = before.layout.device(&disk).is_some_and(is_table) && idle_parts(&before.layout);
            // What starts the machine from there stays, unless another disk starts it, too.
            let starts =
                |loader: &Loader| matches!(loader, Loader::GrubBios { disks, .. } if disks[..] == [disk.clone()]);
            let last = self.layout().disks().count() == 1;
            if !idle || !held || was_idle || last || self.machine.boot.loaders.iter().any(starts) {
                continue;
            }
            let parts: Vec<DeviceId> =
                self.layout().partitions_of(&disk).iter().map(|(part, _)| part.id.clone()).collect();
            self.machine.layout.devices.retain(|device| device.id != disk && !parts.contains(&device.id));
            self.machine.boot.efi_entries.retain(|entry| !parts.contains(&entry.device));
            for loader in &mut self.machine.boot.loaders {
                if let Loader::GrubBios { disks, .. } = loader {
                    disks.retain(|other| *other != disk);
                }
            }
        }
    }

    /// The finished description.
    pub(super) fn finish(mut self, before: &Machine, about: DeviceId) -> Result<Machine, Refusal> {
        self.drop_idle_disks(before);
        self.sort();
        let refuse = |reason: String| Refusal { device: about.clone(), reason };
        self.machine.layout.validate().map_err(|error| refuse(error.to_string()))?;
        if let Some(lost) = super::name::lost(before, &self.machine) {
            return Err(refuse(format!("{lost} would have no place")));
        }
        super::disk::bootable(before, &self.machine).map_err(refuse)?;
        Ok(self.machine)
    }
}
