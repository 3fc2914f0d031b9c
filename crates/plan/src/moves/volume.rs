//! Filesystems onto LVM volumes and back, and room for layers above.

use super::draft::{Draft, LVM, MARGIN};
use crate::edit::Refusal;
use crate::resize::{minimum_bytes, resized};
use crate::size::GRAIN;
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::{ArrayLevel, ArrayRole, Extents, GroupId, Volume, VolumeGroup, VolumeShape};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Member};

/// LVM's own choice (lvm.conf(5), `default_data_alignment`; vgcreate(8), `--physicalextentsize`).
const FIRST_EXTENT: u64 = GRAIN;
const EXTENT: u64 = 4 * GRAIN;

/// Names that LVM takes (lvm(8), "VALID NAMES").
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '.' | '-');
    (1..=120).contains(&name.len()) && !name.starts_with('-') && name != "." && name != ".." && name.chars().all(plain)
}

impl Draft {
    /// The content of a device goes onto a new volume.
    pub(super) fn move_to_volume(
        &mut self,
        id: &DeviceId,
        group: &str,
        volume: &str,
        disks: &[DeviceId],
    ) -> Result<(), Refusal> {
        let device = self.known(id)?;
        let refuse = |reason: &str| Err(Refusal::of(id, reason));
        match &device.content {
            Content::Filesystem(filesystem) if matches!(filesystem.options, FilesystemOptions::Vfat(_)) => {
                return refuse("firmware and other systems read FAT, and none of them reads LVM");
            }
            Content::Filesystem(_) | Content::Swap(_) | Content::Luks(_) | Content::Journal(_) => {}
            Content::Member(Member::Filesystem { .. }) => {}
            Content::Empty
            | Content::Table(_)
            | Content::BootLoader
            | Content::Extended
            | Content::Member(Member::Array { .. } | Member::Group { .. }) => {
                return refuse("it holds nothing that could be on a volume");
            }
        }
        if matches!(device.kind, DeviceKind::Volume(_)) {
            return refuse("it is on a volume already");
        }
        if !is_name(group) || !is_name(volume) {
            return refuse("names of groups and volumes have letters, digits, + _ . and - only");
        }
        let count = device.size_bytes.div_ceil(EXTENT);
        let known = self.layout().groups.iter().find(|known| known.name == group).cloned();
        let new = self.fresh_id(&format!("{group}_{volume}"));
        let (group_id, extents) = match known {
            Some(known) => {
                let named = |device: &Device| matches!(&device.kind, DeviceKind::Volume(other) if other.group == known.id && other.name == volume);
                if self.layout().devices.iter().any(named) {
                    return refuse("the group has a volume of that name");
                }
                if !disks.is_empty() {
                    return refuse("the group exists already; disks are named for a new one only");
                }
                if self
                    .layout()
                    .group_members(&known.id)
                    .any(|member| self.layout().below(&member.id).iter().any(|below| below.id == *id))
                {
                    return refuse("the group lies on it");
                }
                let count = device.size_bytes.div_ceil(known.extent_bytes.max(1));
                (known.id.clone(), vec![self.extents(&known, count)?])
            }
            None => self.new_group(&device, group, disks, count)?,
        };
        let shape = VolumeShape::Linear { extents };
        let extent = self.layout().group(&group_id).map_or(EXTENT, |group| group.extent_bytes);
        let kind = DeviceKind::Volume(Volume {
            group: group_id,
            name: volume.to_owned(),
            uuid: self.lvm_uuid(&format!("volume {group} {volume}")),
            tags: vec![],
            read_only: false,
            shape,
        });
        self.machine.layout.devices.push(Device {
            id: new.clone(),
            path: format!("/dev/{group}/{volume}"),
            size_bytes: device.size_bytes.div_ceil(extent) * extent,
            kind,
            content: Content::Empty,
        });
        // A device that becomes the physical volume itself has given its content to a place in between.
        let from = if self.layout().device(id).is_some_and(|device| device.member().is_some()) {
            DeviceId(format!("{id}_was"))
        } else {
            id.clone()
        };
        self.transfer(&from, &new);
        if from == *id {
            self.dissolve(id);
        } else {
            self.remove(&from);
            self.typed(id);
        }
        Ok(())
    }

    /// A new group with extents for a volume: on disks of its own, or on the device itself, whose content then is on a device
    /// `ID_was`.
    fn new_group(
        &mut self,
        device: &Device,
        name: &str,
        disks: &[DeviceId],
        count: u64,
    ) -> Result<(GroupId, Vec<Extents>), Refusal> {
        let id = GroupId(self.fresh_id(&format!("group_{name}")).0);
        let uuid = self.lvm_uuid(&format!("group {name}"));
        let group = VolumeGroup { id: id.clone(), name: name.to_owned(), uuid, extent_bytes: EXTENT, tags: vec![] };
        let mut physical: Vec<(DeviceId, u64)> = vec![];
        if disks.is_empty() {
            let wanted = FIRST_EXTENT + count * EXTENT;
            if let Err(reason) = self.enlarge(&device.id, wanted.saturating_sub(device.size_bytes)) {
                return Err(Refusal::of(&device.id, reason));
            }
            let aside =
                Device { id: DeviceId(format!("{}_was", device.id)), content: Content::Empty, ..device.clone() };
            let aside_id = aside.id.clone();
            self.machine.layout.devices.push(aside);
            self.transfer(&device.id, &aside_id);
            physical.push((device.id.clone(), count));
        }
        let mut missing = count;
        for (index, disk) in disks.iter().enumerate() {
            let known = self.known(disk)?;
            if known.disk().is_none() || known.content != Content::Empty {
                return Err(Refusal::of(disk, "a new group is made on empty disks; name a disk that holds nothing"));
            }
            let room = known.size_bytes.saturating_sub(2 * MARGIN + FIRST_EXTENT) / EXTENT;
            let last = index + 1 == disks.len();
            let extents = if last { room.max(missing) } else { room };
            let partition = self.add_partition(disk, FIRST_EXTENT + extents * EXTENT, LVM, None)?;
            physical.push((partition, extents));
            missing = missing.saturating_sub(extents);
        }
        let (mut list, mut left) = (vec![], count);
        for (device, extents) in physical {
            let uuid = self.lvm_uuid(&format!("physical {name} {device}"));
            let member = Member::Group { group: Some(id.clone()), uuid, first_extent_bytes: FIRST_EXTENT, extents };
            self.change(&device, |device| device.content = Content::Member(member));
            let taken = left.min(extents);
            left -= taken;
            if taken > 0 {
                list.push(Extents { device, first: 0, count: taken });
            }
        }
        self.machine.layout.groups.push(group);
        Ok((id, list))
    }

    /// So many more extents at the end of a group's last physical volume, which becomes larger.
    fn extents(&mut self, group: &VolumeGroup, count: u64) -> Result<Extents, Refusal> {
        let member = self.layout().group_members(&group.id).last().cloned();
        let Some(Device { id, content: Content::Member(Member::Group { first_extent_bytes, extents, .. }), .. }) =
            member
        else {
            return Err(Refusal::of(&DeviceId(group.id.0.clone()), "the group has no physical volume"));
        };
        let size = self.known(&id)?.size_bytes;
        let wanted = first_extent_bytes + (extents + count) * group.extent_bytes;
        self.enlarge(&id, wanted.saturating_sub(size)).map_err(|reason| Refusal::of(&id, reason))?;
        self.change(&id, |device| {
            if let Content::Member(Member::Group { extents, .. }) = &mut device.content {
                *extents += count;
            }
        });
        Ok(Extents { device: id, first: extents, count })
    }

    /// A UUID as LVM prints it.
    fn lvm_uuid(&self, purpose: &str) -> String {
        let d = self.digits(purpose);
        [&d[..6], &d[6..10], &d[10..14], &d[14..18], &d[18..22], &d[22..26], &d[26..]].join("-")
    }

    /// Makes a device larger with all that it is made of; the reason when that is not possible.
    pub(super) fn enlarge(&mut self, id: &DeviceId, bytes: u64) -> Result<(), String> {
        let Some(device) = self.layout().device(id).cloned().filter(|_| bytes > 0) else { return Ok(()) };
        let bytes = bytes.next_multiple_of(GRAIN);
        match &device.kind {
            DeviceKind::Disk(_) | DeviceKind::Partition(_) => self.grow(id, bytes),
            DeviceKind::Crypt(crypt) => {
                self.enlarge(&crypt.parent, bytes)?;
                self.change(id, |device| device.size_bytes += bytes);
            }
            DeviceKind::Array(array) if array.level == ArrayLevel::Raid1 => {
                for member in &array.members {
                    if member.role != ArrayRole::Journal {
                        self.enlarge(&member.device, bytes)?;
                    }
                }
                self.change(id, |device| {
                    device.size_bytes += bytes;
                    if let DeviceKind::Array(array) = &mut device.kind
                        && let Some(used) = &mut array.member_bytes
                    {
                        *used += bytes;
                    }
                });
            }
            DeviceKind::Volume(volume) => {
                let VolumeShape::Linear { .. } = &volume.shape else {
                    return Err("a volume of its kind cannot become larger here".into());
                };
                let group = self.layout().group(&volume.group).cloned().ok_or("its group is not described")?;
                let extents = self.extents(&group, bytes.div_ceil(group.extent_bytes)).map_err(|r| r.reason)?;
                let more = extents.count * group.extent_bytes;
                self.change(id, |device| {
                    device.size_bytes += more;
                    if let DeviceKind::Volume(Volume { shape: VolumeShape::Linear { extents: own }, .. }) =
                        &mut device.kind
                    {
                        own.push(extents);
                    }
                });
            }
            DeviceKind::Array(_) => return Err("an array of its level cannot become larger here".into()),
        }
        Ok(())
    }

    /// Makes the filesystem of a device fit its device, where that can become smaller; refuses what cannot.
    pub(super) fn fit_content(&mut self, id: &DeviceId) -> Result<(), Refusal> {
        let device = self.known(id)?;
        let filesystem = match &device.content {
            Content::Filesystem(filesystem) => filesystem,
            Content::Member(Member::Group { group, first_extent_bytes, extents, .. }) => {
                let extent = group.as_ref().and_then(|group| self.layout().group(group)).map_or(0, |g| g.extent_bytes);
                return match first_extent_bytes + extents * extent <= device.size_bytes {
                    true => Ok(()),
                    false => Err(Refusal::of(
                        id,
                        "the extents of its volume group have no room beside what lies below them then; make the group smaller \
                         (pvresize --setphysicalvolumesize), and record the machine again",
                    )),
                };
            }
            Content::Journal(journal) if journal.size_bytes > device.size_bytes => {
                return Err(Refusal::of(id, "its journal has no room for what lies below it then"));
            }
            Content::Empty
            | Content::Table(_)
            | Content::Swap(_)
            | Content::BootLoader
            | Content::Extended
            | Content::Luks(_)
            | Content::Journal(_)
            | Content::Member(Member::Array { .. } | Member::Filesystem { .. }) => return Ok(()),
        };
        if filesystem.size_bytes <= device.size_bytes {
            return Ok(());
        }
        let fixed = matches!(filesystem.options, FilesystemOptions::Vfat(_));
        if fixed || minimum_bytes(filesystem) > device.size_bytes {
            return Err(Refusal::of(id, "its filesystem has no room for what lies below it then"));
        }
        let new = resized(filesystem, device.size_bytes);
        self.change(id, |device| device.content = Content::Filesystem(new));
        Ok(())
    }

    /// The content of a volume goes onto a partition; a group without volumes is dropped.
    pub(super) fn move_from_volume(&mut self, id: &DeviceId) -> Result<(), Refusal> {
        let device = self.known(id)?;
        let refuse = |reason: &str| Err(Refusal::of(id, reason));
        let DeviceKind::Volume(volume) = &device.kind else { return refuse("it is no volume of LVM") };
        if matches!(volume.shape, VolumeShape::ThinPool { .. }) {
            return refuse("it is a pool; name one of the volumes in it");
        }
        if matches!(device.content, Content::Table(_)) {
            return refuse("it holds a partition table");
        }
        let group = volume.group.clone();
        let members: Vec<Device> = self.layout().group_members(&group).cloned().collect();
        let in_group = |device: &&Device| matches!(&device.kind, DeviceKind::Volume(other) if other.group == group);
        let volumes = self.layout().devices.iter().filter(in_group).count();
        if let ([only], 1) = (members.as_slice(), volumes) {
            let more = device.size_bytes.saturating_sub(only.size_bytes);
            self.enlarge(&only.id, more).map_err(|reason| Refusal::of(&only.id, reason))?;
            self.change(&only.id, |device| device.content = Content::Empty);
            self.transfer(id, &only.id);
            self.remove(id);
            self.machine.layout.groups.retain(|known| known.id != group);
            self.typed(&only.id);
            return Ok(());
        }
        let below: Vec<&Device> = members.iter().flat_map(|member| self.layout().below(&member.id)).collect();
        if below.iter().any(|device| matches!(device.content, Content::Luks(_))) {
            return refuse("its group is encrypted, and a partition would not be; decrypt the group's device first");
        }
        let disk = below.iter().find(|device| device.disk().is_some() && matches!(device.content, Content::Table(_)));
        let Some(disk) = disk.map(|disk| disk.id.clone()) else {
            return refuse("no disk of its group has a partition table; put the group onto one disk first");
        };
        let partition = self.add_partition(&disk, device.size_bytes, super::draft::LINUX, None)?;
        self.transfer(id, &partition);
        self.remove(id);
        self.typed(&partition);
        self.drop_pool(volume);
        if !self.layout().devices.iter().any(|device| in_group(&device)) {
            self.machine.layout.groups.retain(|known| known.id != group);
            members.iter().for_each(|member| self.dissolve(&member.id));
        }
        Ok(())
    }

    /// A pool in which no volume is left.
    fn drop_pool(&mut self, volume: &Volume) {
        let VolumeShape::Thin { pool } = &volume.shape else { return };
        let used = |device: &Device| matches!(&device.kind, DeviceKind::Volume(other) if other.shape == VolumeShape::Thin { pool: pool.clone() });
        if !self.layout().devices.iter().any(used) {
            self.remove(pool);
        }
    }
}
