//! The LVM volume groups on the disks in use.

use crate::prober::{Prober, is_read};
use crate::report::Findings;
use lifeboat_machine::layout::{GroupId, Volume, VolumeGroup, VolumeShape};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Member};
use lifeboat_storage::blocks::{Block, Blocks, Family, family};
use lifeboat_storage::kinds::{Mapped, mapped};
use lifeboat_storage::layer::LayerKind;
use lifeboat_storage::lvm::{self, ExaminedGroup, FoundPhysical, FoundVolume};

/// What LVM has on this machine.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    pub(crate) all: Vec<FoundGroup>,
    /// Physical volumes in no group.
    alone: Vec<(String, FoundPhysical)>,
}

/// A group with the kernel names of its physical volumes, in LVM's order.
#[derive(Debug)]
pub(crate) struct FoundGroup {
    pub(crate) id: GroupId,
    pub(crate) examined: ExaminedGroup,
    /// Kernel names; those that were not found have none.
    members: Vec<(Option<String>, FoundPhysical)>,
}

/// What is said of a physical volume whose group is not there.
const LOST: &str = "it is an LVM physical volume, and LVM knows no group of it";

impl Groups {
    /// Reads all groups, when any device bears LVM's label.
    pub(crate) fn read(prober: &Prober<'_>, blocks: &Blocks, findings: &mut Findings) -> Groups {
        if !blocks.all().any(|block| is_labelled(prober, block)) {
            return Groups::default();
        }
        let (groups, alone) = match lvm::examine(prober.runner) {
            Ok(examined) => examined,
            Err(reason) => {
                findings.refuse_with_remedy("LVM", reason, "see whether vgs, pvs and lvs work");
                return Groups::default();
            }
        };
        let name =
            |physical: &FoundPhysical| blocks.linked(&prober.host, &physical.path).map(|block| block.name.clone());
        let group = |(index, examined): (usize, ExaminedGroup)| FoundGroup {
            id: GroupId(format!("group{index}")),
            members: examined.physical.iter().map(|physical| (name(physical), physical.clone())).collect(),
            examined,
        };
        let alone = alone.into_iter().filter_map(|physical| Some((name(&physical)?, physical))).collect();
        Groups { all: groups.into_iter().enumerate().map(group).collect(), alone }
    }

    /// What a device is for LVM; `None` for one that is no physical volume that LVM knows.
    pub(crate) fn member(&self, block: &Block) -> Option<Member> {
        let of = |group: Option<GroupId>, physical: &FoundPhysical| Member::Group {
            group,
            uuid: physical.uuid.clone(),
            first_extent_bytes: physical.first_extent_bytes,
            extents: physical.extents,
        };
        let in_group = self.all.iter().find_map(|group| {
            let (_, physical) = group.members.iter().find(|(name, _)| name.as_ref() == Some(&block.name))?;
            Some(of(Some(group.id.clone()), physical))
        });
        let alone = || self.alone.iter().find(|(name, _)| *name == block.name).map(|(_, physical)| of(None, physical));
        in_group.or_else(alone)
    }
}

impl FoundGroup {
    /// Kernel names of its physical volumes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.members.iter().filter_map(|(name, _)| name.as_ref())
    }

    /// The group for the description.
    pub(crate) fn group(&self) -> VolumeGroup {
        let ExaminedGroup { name, uuid, extent_bytes, tags, .. } = &self.examined;
        let (name, uuid) = (name.clone(), uuid.clone());
        VolumeGroup { id: self.id.clone(), name, uuid, extent_bytes: *extent_bytes, tags: tags.clone() }
    }

    /// All of its physical volumes were read.
    pub(crate) fn is_ready(&self, blocks: &Blocks, devices: &[Device]) -> bool {
        self.members.iter().all(|(name, _)| name.as_ref().is_some_and(|name| is_read(name, blocks, devices)))
    }

    /// A volume with the ids of the devices that it lies on; `None` when one of them was not read.
    pub(crate) fn volume(
        &self,
        found: &FoundVolume,
        prober: &Prober<'_>,
        blocks: &Blocks,
        devices: &[Device],
    ) -> Option<Volume> {
        let device = |path: &DeviceId| -> Option<DeviceId> {
            let block = blocks.linked(&prober.host, &path.0)?;
            devices.iter().find(|device| device.path == block.path).map(|device| device.id.clone())
        };
        let mut shape = found.shape.clone();
        for extents in shape.extents_mut() {
            extents.device = device(&extents.device)?;
        }
        if let VolumeShape::Thin { pool } = &mut shape {
            let is_pool = |device: &&Device| matches!(&device.kind, DeviceKind::Volume(volume) if volume.group == self.id && volume.name == pool.0);
            *pool = devices.iter().find(is_pool)?.id.clone();
        }
        Some(Volume {
            group: self.id.clone(),
            name: found.name.clone(),
            uuid: found.uuid.clone(),
            tags: found.tags.clone(),
            read_only: found.read_only,
            shape,
        })
    }

    /// What cannot be made again, and what is left out.
    pub(crate) fn judge(&self, findings: &mut Findings) {
        let name = &self.examined.name;
        for (subject, reason) in &self.examined.refusals {
            let subject =
                if subject == name { format!("the volume group {name}") } else { format!("{name}/{subject}") };
            findings.refuse(subject, reason.as_str());
        }
        for volume in self.examined.volumes.iter().filter(|volume| has_integrity(&volume.shape)) {
            findings.refuse_with_remedy(
                format!("{name}/{}", volume.name),
                "its RAID images have integrity checksums: making such a volume stopped for minutes when it was tried, and is not trusted yet",
                format!("lvconvert --raidintegrity n {name}/{}", volume.name),
            );
        }
        for snapshot in &self.examined.snapshots {
            findings.warn(format!(
                "{name}/{snapshot} is a snapshot; it is not part of the backup, and its origin comes back without it"
            ));
        }
    }
}

fn has_integrity(shape: &VolumeShape) -> bool {
    matches!(shape.uncached().0, VolumeShape::Raid { integrity_block_bytes: Some(_), .. })
}

/// LVM's label stands in one of the first four sectors (lib/label/label.h in LVM2).
fn is_labelled(prober: &Prober<'_>, block: &Block) -> bool {
    // Neither a disc nor a floppy disk: their drives take seconds to answer.
    if matches!(family(&block.name), Family::Ignored) || block.hidden || block.size_bytes <= 4096 {
        return false;
    }
    let head = prober.read_device(&block.path, 0, 2048).unwrap_or_default();
    head.chunks(512).any(|sector| sector.starts_with(b"LABELONE"))
}

/// A logical volume, or a hidden part of one.
pub(crate) fn is_volume(block: &Block) -> bool {
    let uuid = block.mapper.as_ref().map(|(_, uuid)| mapped(uuid));
    uuid == Some(Mapped::Layer(LayerKind::Lvm))
}

/// The refusal of a physical volume that LVM does not know, for instance for its filters.
pub(crate) fn refuse_unknown(kind: Option<&str>, device: &str, findings: &mut Findings) -> bool {
    let member = kind == Some(lifeboat_storage::kinds::LVM_MEMBER);
    if member {
        let remedy = "see whether pvs lists it (filters and the devices file of LVM can hide it), or wipe it with wipefs if it is not needed";
        findings.refuse_with_remedy(device, LOST, remedy);
    }
    member
}

/// A volume that is no device of its own: what is known of it without reading it.
pub(crate) fn pool(group: &FoundGroup, found: &FoundVolume, volume: Volume, id: DeviceId) -> Device {
    Device {
        id,
        path: format!("/dev/{}/{}", group.examined.name, found.name),
        size_bytes: found.shape.shown_extents().saturating_mul(group.examined.extent_bytes),
        kind: DeviceKind::Volume(volume),
        content: Content::Empty,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::layout::RaidSettings;

    #[test]
    fn integrity_checksums_are_refused_with_the_way_to_take_them_off() {
        let volume = |name: &str, integrity_block_bytes| FoundVolume {
            name: name.into(),
            uuid: String::new(),
            tags: vec![],
            read_only: false,
            number: None,
            origin: None,
            shape: VolumeShape::Raid {
                segment_type: "raid1".into(),
                data_stripes: 1,
                stripe_bytes: None,
                region_bytes: 2 << 20,
                images: vec![],
                integrity_block_bytes,
                settings: RaidSettings::default(),
            },
        };
        let examined = ExaminedGroup {
            name: "vg0".into(),
            uuid: String::new(),
            extent_bytes: 4 << 20,
            tags: vec![],
            physical: vec![],
            volumes: vec![volume("plain", None), volume("checked", Some(512))],
            snapshots: vec![],
            refusals: vec![],
        };
        let mut findings = Findings { refusals: vec![], warnings: vec![] };
        FoundGroup { id: GroupId("group0".into()), examined, members: vec![] }.judge(&mut findings);
        let refused: Vec<&str> = findings.refusals.iter().map(|refusal| refusal.subject.as_str()).collect();
        assert_eq!(refused, ["vg0/checked"]);
        let remedy = findings.refusals[0].remedy.as_ref().unwrap().as_str();
        assert_eq!(remedy, "lvconvert --raidintegrity n vg0/checked");
    }
}
