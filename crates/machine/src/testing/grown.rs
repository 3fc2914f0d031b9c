//! Machines of any shape, grown from decisions: disks, tables, arrays, groups, encryption, filesystems on several devices,
//! external journals, upon each other in any order.

use super::{GIB, MIB, btrfs_options, disk, ext4, gpt, id, machine};
use crate::filesystem::{FilesystemOptions, Journal};
use crate::layout::{
    Array, ArrayLevel, ArrayMember, ArrayMetadata, ArrayRole, Cache, CacheKind, Consistency, Crypt, Extents, GroupId,
    HeaderBackup, JournalDevice, JournalKind, LuksHeader, Mount, Partition, PartitionRole, RaidImage, RaidSettings,
    TableKind, Volume, VolumeGroup, VolumeShape, partition_path,
};
use crate::{Content, Device, DeviceId, DeviceKind, Machine, Member, Name};
use std::path::Path;

/// One decision: what is made next, of which devices that are still free.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// What: 0 and 1 a partition table, 2 an array, 3 a volume group, 4 encryption, 5 a filesystem on several devices,
    /// 6 a filesystem with an external journal, 7 swap, 8 an unmounted filesystem, 9 nothing.
    pub what: u8,
    /// The first device, among those that are free.
    pub which: u16,
    /// How many more, or how many parts.
    pub count: u16,
}

/// Layers upon each other at most.
const DEEPEST: usize = 5;
/// Smaller devices get no further layer.
const LEAST: u64 = 2 * GIB;
const EXTENT: u64 = 4 * MIB;
const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// A machine with disks of these sizes in GiB. What no decision takes gets a filesystem, the first one `/`.
pub fn grown(disk_gib: &[u16], decisions: &[Decision]) -> Machine {
    let mut grower = Grower { machine: machine(), free: vec![], serial: 0 };
    grower.machine.boot.loaders.clear();
    for (number, gib) in disk_gib.iter().enumerate() {
        let identity = disk(&format!("SER{number}"));
        let path = format!("/dev/sd{}", char::from(b'a' + number as u8));
        grower.add(&format!("disk{number}"), &path, u64::from(*gib) * GIB, 0, DeviceKind::Disk(identity));
    }
    for decision in decisions {
        grower.decide(*decision);
    }
    grower.finish()
}

struct Free {
    id: DeviceId,
    depth: usize,
}

struct Grower {
    machine: Machine,
    free: Vec<Free>,
    serial: u32,
}

impl Grower {
    fn add(&mut self, name: &str, path: &str, size_bytes: u64, depth: usize, kind: DeviceKind) {
        let device = Device { id: id(name), path: path.into(), size_bytes, kind, content: Content::Empty };
        self.free.push(Free { id: device.id.clone(), depth });
        self.machine.layout.devices.push(device);
    }

    fn uuid(&mut self) -> String {
        self.serial += 1;
        format!("bbbbbbbb-0000-4000-8000-{:012}", self.serial)
    }

    fn device(&mut self, id: &DeviceId) -> &mut Device {
        self.machine.layout.devices.iter_mut().find(|device| device.id == *id).unwrap()
    }

    fn size(&self, id: &DeviceId) -> u64 {
        self.machine.layout.device(id).unwrap().size_bytes
    }

    fn set(&mut self, id: &DeviceId, content: Content) {
        self.device(id).content = content;
    }

    /// Takes up to `count` free devices that can carry a layer.
    fn take(&mut self, decision: Decision, count: usize) -> Vec<Free> {
        let mut taken: Vec<Free> = vec![];
        for _ in 0..count {
            let fits: Vec<usize> = (0..self.free.len())
                .filter(|index| self.free[*index].depth < DEEPEST && self.size(&self.free[*index].id) >= LEAST)
                .collect();
            let Some(index) = fits.get(usize::from(decision.which) % fits.len().max(1)) else { break };
            taken.push(self.free.remove(*index));
        }
        taken
    }

    fn decide(&mut self, decision: Decision) {
        let few = 1 + usize::from(decision.count % 4);
        match decision.what {
            0 | 1 => self.table(decision, few),
            2 => self.array(decision, few),
            3 => self.group(decision, few),
            4 => self.crypt(decision),
            5 => self.several(decision, few),
            6 => self.external_journal(decision),
            7 => {
                for free in self.take(decision, 1) {
                    let swap =
                        crate::layout::Swap { uuid: Some(self.uuid()), label: Name::default(), page_bytes: 4096 };
                    self.set(&free.id, Content::Swap(swap));
                }
            }
            8 => {
                for free in self.take(decision, 1) {
                    let content = self.filesystem(&free.id);
                    self.set(&free.id, content);
                }
            }
            _ => drop(self.take(decision, 1)),
        }
    }

    fn filesystem(&mut self, id: &DeviceId) -> Content {
        let size = self.size(id) / 4096 * 4096;
        let uuid = self.uuid();
        ext4("", &uuid, size, size / 4)
    }

    fn table(&mut self, decision: Decision, parts: usize) {
        let Some(parent) = self.take(decision, 1).pop() else { return };
        let size = self.size(&parent.id);
        let uuid = self.uuid();
        let mut table = gpt(size);
        if let Content::Table(table) = &mut table {
            debug_assert_eq!(table.kind, TableKind::Gpt);
            table.id = uuid.to_uppercase();
        }
        self.set(&parent.id, table);
        let each = (size - 2 * MIB) / parts as u64 / MIB * MIB;
        let path = self.device(&parent.id).path.clone();
        for number in 1..=parts as u32 {
            let kind = DeviceKind::Partition(Partition {
                parent: parent.id.clone(),
                number,
                start_sector: (MIB + u64::from(number - 1) * each) / 512,
                sectors: each / 512,
                type_id: LINUX.into(),
                uuid: Some(self.uuid().to_uppercase()),
                name: None,
                attributes: None,
                bootable: false,
                role: PartitionRole::Primary,
            });
            let node = partition_path(Path::new(&path), number).to_string_lossy().into_owned();
            self.add(&format!("{}p{number}", parent.id), &node, each, parent.depth + 1, kind);
        }
    }

    fn array(&mut self, decision: Decision, members: usize) {
        let members = self.take(decision, members);
        let Some(depth) = members.iter().map(|m| m.depth).max() else { return };
        let number = self.serial;
        let name = id(&format!("array{number}"));
        for member in &members {
            let member_of = Member::Array { array: name.clone(), data_offset_bytes: MIB };
            self.set(&member.id, Content::Member(member_of));
        }
        use ArrayLevel::{Linear, Raid0, Raid1, Raid5, Raid6, Raid10};
        let level = match (members.len(), decision.count / 5 % 4) {
            (4.., 0) => Raid6,
            (3.., 1) => Raid5,
            (2.., 2) => Raid10,
            (_, 3) => [Raid0, Linear][usize::from(decision.which % 2)],
            _ => Raid1,
        };
        // One member may be missing.
        let missing = level.is_redundant() && level != Raid10 && decision.count.is_multiple_of(5);
        let mut array = Array {
            uuid: format!("{:08x}:00000000:00000000:00000000", self.serial),
            name: Some(format!("a{number}")),
            home_host: None,
            level,
            metadata: ArrayMetadata::V1_2,
            slots: members.len() as u32 + u32::from(missing),
            chunk_bytes: matches!(level, Raid0 | Raid5 | Raid6 | Raid10).then_some(512 << 10),
            layout: (level == Raid10).then(|| "near=2".to_owned()),
            consistency: if level.is_redundant() { Consistency::Resync } else { Consistency::None },
            member_bytes: None,
            logical_block_bytes: None,
            members: (0..)
                .zip(&members)
                .map(|(slot, member)| ArrayMember {
                    device: member.id.clone(),
                    role: ArrayRole::Active { slot },
                    write_mostly: false,
                    fail_fast: false,
                })
                .collect(),
        };
        let each: Vec<u64> = members.iter().map(|member| self.size(&member.id) - MIB).collect();
        let smallest = each.iter().copied().min().unwrap_or(0);
        array.member_bytes = level.is_redundant().then(|| array.used_of(smallest));
        let size = array.data_bytes(&each);
        self.serial += 1;
        self.add(&name.0, &format!("/dev/md{number}"), size, depth + 1, DeviceKind::Array(array));
    }

    fn group(&mut self, decision: Decision, members: usize) {
        let members = self.take(decision, members);
        let Some(depth) = members.iter().map(|member| member.depth).max() else { return };
        let group = GroupId(format!("group{}", self.serial));
        let uuid = self.uuid();
        self.machine.layout.groups.push(VolumeGroup {
            id: group.clone(),
            name: group.0.clone(),
            uuid,
            extent_bytes: EXTENT,
            tags: vec![],
        });
        let mut extents = vec![];
        for member in &members {
            let count = (self.size(&member.id) - MIB) / EXTENT;
            extents.push((member.id.clone(), count));
            let uuid = self.uuid();
            let member_of = Member::Group { group: Some(group.clone()), uuid, first_extent_bytes: MIB, extents: count };
            self.set(&member.id, Content::Member(member_of));
        }
        // A half of each physical volume for each of two volumes: both lie on all of them. The first is of any kind.
        for (number, half) in [0, 1].into_iter().enumerate() {
            let extents: Vec<Extents> = extents
                .iter()
                .map(|(device, count)| Extents { device: device.clone(), first: half * (count / 2), count: count / 2 })
                .collect();
            let shape = if number == 0 { Self::shape(decision, extents) } else { VolumeShape::Linear { extents } };
            let shown = shape.shown_extents();
            let thin = matches!(shape, VolumeShape::ThinPool { .. });
            let name = format!("{group}_lv{number}");
            self.volume(&name, &group, &format!("lv-{number}"), shape, shown * EXTENT, depth + 1);
            if thin {
                self.free.retain(|free| free.id.0 != name);
                let shape = VolumeShape::Thin { pool: id(&name) };
                self.volume(&format!("{group}_thin"), &group, "thin", shape, shown * EXTENT, depth + 2);
            }
        }
    }

    /// A shape on one stretch of each physical volume.
    fn shape(decision: Decision, mut extents: Vec<Extents>) -> VolumeShape {
        let least = extents.iter().map(|extents| extents.count).min().unwrap_or(0);
        let cut = |list: &mut Vec<Extents>, count: u64| list.iter_mut().for_each(|extents| extents.count = count);
        match decision.count / 4 % 6 {
            1 if extents.len() > 1 => {
                cut(&mut extents, least);
                VolumeShape::Striped { stripe_bytes: 65_536, extents }
            }
            kind @ (2 | 4) if extents.len() > 1 => {
                // One extent of each for its metadata, and more for checksums.
                let integrity_extents = if kind == 4 { least / 8 } else { 0 };
                cut(&mut extents, least - 1 - integrity_extents);
                let image = |extents| RaidImage { extents: vec![extents], write_mostly: false };
                let integrity_mode = (kind == 4).then(|| "journal".to_owned());
                VolumeShape::Raid {
                    segment_type: "raid1".into(),
                    data_stripes: 1,
                    stripe_bytes: None,
                    region_bytes: 2 * MIB,
                    images: extents.into_iter().map(image).collect(),
                    integrity_block_bytes: (kind == 4).then_some(512),
                    settings: RaidSettings { integrity_mode, integrity_extents, ..RaidSettings::default() },
                }
            }
            5 if extents.len() > 1 => {
                let mut fast = extents.split_off(extents.len() - 1);
                let kind = [CacheKind::Pool, CacheKind::Volume, CacheKind::Writecache][usize::from(decision.which % 3)];
                // Two extents for the metadata of a pool.
                fast[0].count -= 2;
                let is_cache = kind != CacheKind::Writecache;
                let cache = Cache {
                    kind,
                    name: "fast".into(),
                    chunk_bytes: if is_cache { 65_536 } else { 4096 },
                    mode: is_cache.then(|| "writethrough".into()),
                    policy: is_cache.then(|| "smq".into()),
                    metadata_format: is_cache.then_some(2),
                    metadata_bytes: (kind == CacheKind::Pool).then_some(EXTENT),
                    settings: vec![],
                    extents: fast,
                };
                VolumeShape::Cached { origin: Box::new(VolumeShape::Linear { extents }), cache }
            }
            3 => {
                extents.iter_mut().for_each(|extents| extents.count -= 2);
                let (chunk_bytes, metadata_bytes) = (65_536, 4 * MIB);
                VolumeShape::ThinPool { chunk_bytes, metadata_bytes, zero: true, discards: "passdown".into(), extents }
            }
            _ => VolumeShape::Linear { extents },
        }
    }

    fn volume(&mut self, name: &str, group: &GroupId, lv: &str, shape: VolumeShape, size: u64, depth: usize) {
        let uuid = self.uuid();
        let volume = Volume { group: group.clone(), name: lv.into(), uuid, tags: vec![], read_only: false, shape };
        let path = format!("/dev/dm-{}", self.serial);
        self.add(name, &path, size, depth, DeviceKind::Volume(volume));
    }

    fn crypt(&mut self, decision: Decision) {
        let Some(parent) = self.take(decision, 1).pop() else { return };
        let uuid = self.uuid();
        let header = LuksHeader {
            version: 2,
            uuid,
            label: Name::default(),
            subsystem: Name::default(),
            cipher: "aes-xts-plain64".into(),
            sector_bytes: 512,
            data_offset_bytes: 16 * MIB,
            integrity: None,
            backup: Some(HeaderBackup { size_bytes: 16 * MIB, blake3: String::new() }),
        };
        self.set(&parent.id, Content::Luks(header));
        let kind = DeviceKind::Crypt(Crypt {
            parent: parent.id.clone(),
            name: format!("{}_crypt", parent.id),
            key_file: None,
        });
        let size = self.size(&parent.id) - 16 * MIB;
        self.add(
            &format!("{}_crypt", parent.id),
            &format!("/dev/mapper/{}_crypt", parent.id),
            size,
            parent.depth + 1,
            kind,
        );
    }

    /// btrfs on several devices.
    fn several(&mut self, decision: Decision, count: usize) {
        let members = self.take(decision, count);
        let Some((first, further)) = members.split_first() else { return };
        let size = members.iter().map(|member| self.size(&member.id)).sum::<u64>() / 4096 * 4096;
        let uuid = self.uuid();
        let mut content = ext4("", &uuid, size, size / 4);
        if let Content::Filesystem(filesystem) = &mut content {
            filesystem.options = FilesystemOptions::Btrfs(btrfs_options());
        }
        self.set(&first.id, content);
        for (devid, member) in (2..).zip(further) {
            let uuid = Some(self.uuid());
            let member_of = Member::Filesystem { filesystem: first.id.clone(), devid, uuid };
            self.set(&member.id, Content::Member(member_of));
        }
        self.mount(&first.id);
    }

    fn external_journal(&mut self, decision: Decision) {
        let taken = self.take(decision, 2);
        let [holder, journal] = taken.as_slice() else {
            self.free.extend(taken);
            return;
        };
        let mut content = self.filesystem(&holder.id);
        if let Content::Filesystem(filesystem) = &mut content
            && let FilesystemOptions::Ext(ext) = &mut filesystem.options
        {
            ext.journal = Some(Journal::External { device: journal.id.clone() });
        }
        self.set(&holder.id, content);
        let device = JournalDevice {
            kind: JournalKind::Ext,
            uuid: Some(self.uuid()),
            filesystem: holder.id.clone(),
            size_bytes: self.size(&journal.id),
        };
        self.set(&journal.id, Content::Journal(device));
        self.mount(&holder.id);
    }

    fn mount(&mut self, device: &DeviceId) {
        let mounts = &mut self.machine.layout.mounts;
        let point = if mounts.is_empty() { "/".to_owned() } else { format!("/srv/{}", mounts.len()) };
        mounts.push(Mount {
            device: device.clone(),
            mount_point: Name::from(point.as_str()),
            options: vec![],
            subvolume: None,
        });
    }

    fn finish(mut self) -> Machine {
        for free in std::mem::take(&mut self.free) {
            let content = self.filesystem(&free.id);
            self.set(&free.id, content);
            self.mount(&free.id);
        }
        self.machine
    }
}
