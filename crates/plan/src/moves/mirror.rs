//! Arrays dropped, and disks mirrored.

use super::draft::Draft;
use super::kind::SecondDisk;
use crate::edit::Refusal;
use crate::size::GRAIN;
use lifeboat_machine::boot::Loader;
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::array::is_portable_name;
use lifeboat_machine::layout::{
    Array, ArrayLevel, ArrayMember, ArrayMetadata, ArrayRole, Consistency, ESP_TYPE, PartitionRole, partition_path,
};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Member};
use std::path::Path;

/// What a member keeps for its superblock: before its data, or behind it.
const SUPERBLOCK: u64 = GRAIN;
/// mdadm makes a write-intent bitmap by itself for arrays of at least 100 GB (mdadm(8), "--bitmap").
const BITMAP_FROM: u64 = 100 << 30;
const BITMAP_CHUNK: u64 = 64 << 20;
/// Type of an EFI system partition.
const ESP: (&str, &str) = (ESP_TYPE, "ef");

impl Draft {
    /// RAID 1 to one disk, and every other level, too.
    pub(super) fn array_to_disk(&mut self, id: &DeviceId, keep: Option<&DeviceId>) -> Result<(), Refusal> {
        let device = self.known(id)?;
        let DeviceKind::Array(array) = &device.kind else {
            return Err(Refusal::of(id, "it is no array"));
        };
        let active: Vec<&ArrayMember> =
            array.members.iter().filter(|member| matches!(member.role, ArrayRole::Active { .. })).collect();
        let kept = match keep {
            None => active.iter().min_by_key(|member| match member.role {
                ArrayRole::Active { slot } => slot,
                ArrayRole::Spare | ArrayRole::Journal => u32::MAX,
            }),
            Some(keep) => active.iter().find(|member| {
                member.device == *keep || self.layout().disks_under(&member.device).iter().any(|disk| disk.id == *keep)
            }),
        };
        let Some(kept) = kept.map(|member| member.device.clone()) else {
            let names: Vec<String> = active.iter().map(|member| member.device.to_string()).collect();
            return Err(Refusal::of(id, format!("name the member that stays, one of {}", names.join(", "))));
        };
        let below = self.known(&kept)?;
        if matches!(device.content, Content::Table(_)) && below.disk().is_none() {
            return Err(Refusal::of(id, "its partitions cannot lie within a partition; try an array of whole disks"));
        }
        for member in &array.members {
            self.change(&member.device, |device| device.content = Content::Empty);
        }
        if let Err(reason) = self.enlarge(&kept, device.size_bytes.saturating_sub(below.size_bytes)) {
            return Err(Refusal::of(&kept, reason));
        }
        self.transfer(id, &kept);
        self.remove(id);
        self.typed(&kept);
        let others: Vec<DeviceId> =
            array.members.iter().map(|member| member.device.clone()).filter(|other| *other != kept).collect();
        // The firmware's entry for another member starts the same files.
        if below.partition().is_some() && !self.machine.boot.efi_entries.iter().any(|entry| entry.device == kept) {
            let entries = &mut self.machine.boot.efi_entries;
            if let Some(entry) = entries.iter_mut().find(|entry| others.contains(&entry.device)) {
                entry.device = kept.clone();
            }
        }
        if self.machine.boot.efi_entries.iter().any(|entry| entry.device == kept) {
            self.retype(&kept, ESP);
        }
        for other in &others {
            self.dissolve(other);
        }
        Ok(())
    }

    /// Removes a device of which nothing is used any more, with what it is made of.
    pub(super) fn dissolve(&mut self, id: &DeviceId) {
        let Some(device) = self.layout().device(id).cloned() else { return };
        self.change(id, |device| device.content = Content::Empty);
        match &device.kind {
            DeviceKind::Disk(_) => {}
            // Numbers of the other logical partitions would change.
            DeviceKind::Partition(partition) if partition.role != PartitionRole::Primary => {}
            DeviceKind::Partition(_) => self.remove_partition(id),
            DeviceKind::Array(array) => {
                self.remove(id);
                array.members.iter().for_each(|member| self.dissolve(&member.device));
            }
            DeviceKind::Crypt(crypt) => {
                self.remove(id);
                self.dissolve(&crypt.parent);
            }
            DeviceKind::Volume(_) => self.remove(id),
        }
    }

    /// Mirrors all that lies on a disk on a second one.
    pub(super) fn mirror(&mut self, id: &DeviceId, second: &SecondDisk) -> Result<(), Refusal> {
        let disk = self.known(id)?;
        if disk.disk().is_none() {
            return Err(Refusal::of(id, "it is no disk; name the disk that gets a second one"));
        }
        if disk.content == Content::Empty {
            return Err(Refusal::of(id, "it is empty"));
        }
        let parts: Vec<Device> = if matches!(disk.content, Content::Table(_)) {
            self.layout().partitions_of(id).into_iter().map(|(part, _)| part.clone()).collect()
        } else {
            vec![disk.clone()]
        };
        let member = |part: &&Device| matches!(part.member(), Some(Member::Array { .. }));
        if let Some(part) = parts.iter().find(member) {
            return Err(Refusal::of(&part.id, "it is a part of an array already; drop that one first"));
        }
        let mut arrays = vec![];
        for part in &parts {
            let mirrored = match &part.content {
                Content::Empty | Content::Table(_) | Content::BootLoader | Content::Extended => false,
                Content::Filesystem(_)
                | Content::Swap(_)
                | Content::Luks(_)
                | Content::Journal(_)
                | Content::Member(_) => true,
            };
            if mirrored {
                arrays.push((part.id.clone(), self.wrap(part)));
            }
        }
        let size = self.known(id)?.size_bytes;
        let second = self.second_disk(second, Some(size))?;
        if second == *id {
            return Err(Refusal::of(id, "the second disk is another one"));
        }
        let twins = self.copy_table(id, &second);
        for (part, array) in arrays {
            let twin = twins.iter().find(|(of, _)| *of == part).map(|(_, twin)| twin.clone());
            let twin = twin.unwrap_or_else(|| second.clone());
            let Some(Content::Member(member)) = self.layout().device(&part).map(|device| device.content.clone()) else {
                continue;
            };
            self.change(&twin, |device| device.content = Content::Member(member));
            self.change(&array, |device| {
                if let DeviceKind::Array(array) = &mut device.kind {
                    let role = ArrayRole::Active { slot: 1 };
                    array.members.push(ArrayMember { device: twin, role, write_mostly: false, fail_fast: false });
                }
            });
        }
        for loader in &mut self.machine.boot.loaders {
            if let Loader::GrubBios { disks, .. } = loader
                && disks.contains(id)
                && !disks.contains(&second)
            {
                disks.push(second.clone());
            }
        }
        self.sort();
        Ok(())
    }

    /// Puts an array of one member below a device's content, with room for its superblock.
    fn wrap(&mut self, part: &Device) -> DeviceId {
        // Firmware and GRUB's first stage read what begins where its member begins.
        let at_end = matches!(&part.content, Content::Filesystem(f) if matches!(f.options, FilesystemOptions::Vfat(_)));
        let data = part.size_bytes / 1024 * 1024;
        let mounts = &self.layout().mounts;
        let name = match (&part.content, mounts.iter().find(|mount| mount.device == part.id)) {
            (Content::Swap(_), _) => "swap".to_owned(),
            (_, None) => part.id.0.clone(),
            (_, Some(mount)) if mount.mount_point.0 == b"/" => "root".to_owned(),
            (_, Some(mount)) => mount.mount_point.to_string().trim_matches('/').replace('/', "-"),
        };
        let taken = |name: &str| {
            self.layout()
                .devices
                .iter()
                .any(|device| matches!(&device.kind, DeviceKind::Array(array) if array.name.as_deref() == Some(name)))
        };
        let name = if is_portable_name(&name) && !taken(&name) { name } else { part.id.0.chars().take(32).collect() };
        let digits = self.digits(&format!("array {}", part.id));
        let array = Array {
            uuid: format!("{}:{}:{}:{}", &digits[..8], &digits[8..16], &digits[16..24], &digits[24..]),
            name: Some(name.clone()),
            home_host: is_portable_name(&self.machine.name).then(|| self.machine.name.clone()),
            level: ArrayLevel::Raid1,
            metadata: if at_end { ArrayMetadata::V1_0 } else { ArrayMetadata::V1_2 },
            slots: 2,
            chunk_bytes: None,
            layout: None,
            consistency: if data >= BITMAP_FROM {
                Consistency::Bitmap { chunk_bytes: BITMAP_CHUNK }
            } else {
                Consistency::Resync
            },
            member_bytes: Some(data),
            logical_block_bytes: None,
            members: vec![],
        };
        let id = self.fresh_id(&format!("array_{name}"));
        self.machine.layout.devices.push(Device {
            id: id.clone(),
            path: format!("/dev/md/{name}"),
            size_bytes: data,
            kind: DeviceKind::Array(array),
            content: Content::Empty,
        });
        self.grow(&part.id, SUPERBLOCK);
        self.transfer(&part.id, &id);
        let (own, array) = (part.id.clone(), id.clone());
        let member = Member::Array { array, data_offset_bytes: if at_end { 0 } else { SUPERBLOCK } };
        self.change(&part.id, |device| device.content = Content::Member(member));
        self.change(&id, |device| {
            if let DeviceKind::Array(array) = &mut device.kind {
                let role = ArrayRole::Active { slot: 0 };
                array.members.push(ArrayMember { device: own, role, write_mostly: false, fail_fast: false });
            }
        });
        if !at_end {
            self.typed(&part.id);
        }
        id
    }

    /// Gives a disk the table of another one, with partitions of its own; tells which is the twin of which.
    fn copy_table(&mut self, from: &DeviceId, to: &DeviceId) -> Vec<(DeviceId, DeviceId)> {
        let Some(Content::Table(mut table)) = self.layout().device(from).map(|device| device.content.clone()) else {
            return vec![];
        };
        table.id = self.table_id(to, table.kind);
        let own = self.layout().device(from).map_or(0, |device| device.size_bytes);
        let path = self.layout().device(to).map(|device| device.path.clone()).unwrap_or_default();
        self.change(to, |device| {
            device.content = Content::Table(table);
            device.size_bytes = device.size_bytes.max(own);
        });
        let parts: Vec<Device> = self.layout().partitions_of(from).into_iter().map(|(part, _)| part.clone()).collect();
        let mut twins = vec![];
        for mut part in parts {
            let DeviceKind::Partition(partition) = &mut part.kind else { continue };
            partition.parent = to.clone();
            let id = self.fresh_id(&format!("{to}p{}", partition.number));
            if partition.uuid.is_some() {
                partition.uuid = Some(self.uuid(&format!("partition {id}")).to_ascii_uppercase());
            }
            part.path = partition_path(Path::new(&path), partition.number).to_string_lossy().into_owned();
            if !matches!(part.content, Content::BootLoader | Content::Extended) {
                part.content = Content::Empty;
            }
            twins.push((std::mem::replace(&mut part.id, id.clone()), id));
            self.machine.layout.devices.push(part);
        }
        self.sort();
        twins
    }
}
