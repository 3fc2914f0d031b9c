//! Physical volumes, volume groups, logical volumes.

use super::Work;
use crate::error::PlanError;
use crate::step::{PhysicalVolume, Step};
use lifeboat_machine::layout::{GroupId, Volume, VolumeShape};
use lifeboat_machine::{Device, DeviceId, DeviceKind, Member};

impl Work<'_> {
    /// The step for a physical volume that has been reached: its group, when it is the last one of it.
    pub(super) fn physical(&self, device: &Device, group: Option<&GroupId>) -> Result<Option<Step>, PlanError> {
        let Some(group) = group else {
            return Ok(Some(Step::MakePhysicalVolume { physical: self.physical_volume(&device.id)? }));
        };
        let members: Vec<&DeviceId> = self.machine.layout.group_members(group).map(|member| &member.id).collect();
        if members.last() != Some(&&device.id) {
            return Ok(None);
        }
        let Some(recorded) = self.machine.layout.group(group) else {
            return Err(PlanError::Description(format!("no group {group}")));
        };
        let physical = members.into_iter().map(|id| self.physical_volume(id)).collect::<Result<_, _>>()?;
        let volumes = self.laid.volumes.values().map(|placed| &placed.volume).filter(|volume| volume.group == *group);
        Ok(Some(Step::MakeGroup { group: recorded.clone(), physical, volumes: volumes.cloned().collect() }))
    }

    fn physical_volume(&self, id: &DeviceId) -> Result<PhysicalVolume, PlanError> {
        let member = self.machine.layout.device(id).and_then(Device::member);
        let (Some(Member::Group { uuid, first_extent_bytes, .. }), Some((size_bytes, extents))) =
            (member, self.laid.physical.get(id))
        else {
            return Err(PlanError::Description(format!("a group with {id}, which is no physical volume")));
        };
        Ok(PhysicalVolume {
            id: id.clone(),
            device: self.nodes.get(id)?.to_owned(),
            uuid: uuid.clone(),
            size_bytes: *size_bytes,
            first_extent_bytes: *first_extent_bytes,
            extents: *extents,
        })
    }

    /// The step that makes a volume in its new size.
    pub(super) fn volume(&self, device: &Device) -> Result<Step, PlanError> {
        let wrong = |what: &str| PlanError::Description(format!("{}, {what}", device.id));
        let placed = self.laid.volumes.get(&device.id).ok_or_else(|| wrong("which was not laid out"))?;
        let volume = &placed.volume;
        let group = self.machine.layout.group(&volume.group).ok_or_else(|| wrong("which is in no group"))?;
        let nodes = |ids: &[&DeviceId]| -> Result<Vec<String>, PlanError> {
            ids.iter().map(|id| self.nodes.get(id).map(str::to_owned)).collect()
        };
        let physical = nodes(&placed.physical.iter().collect::<Vec<_>>())?;
        let fast = nodes(&placed.fast.iter().collect::<Vec<_>>())?;
        let write_mostly = nodes(&volume.shape.write_mostly())?;
        Ok(Step::MakeVolume {
            node: self.nodes.get(&device.id)?.to_owned(),
            group: group.name.clone(),
            size_bytes: placed.size_bytes,
            extents: placed.extents,
            pool: self.pool(volume)?,
            volume: volume.clone(),
            physical,
            fast,
            write_mostly,
        })
    }

    /// The name of the pool that a thin volume lies in.
    fn pool(&self, volume: &Volume) -> Result<Option<String>, PlanError> {
        let VolumeShape::Thin { pool } = &volume.shape else { return Ok(None) };
        match self.machine.layout.device(pool).map(|device| &device.kind) {
            Some(DeviceKind::Volume(pool)) => Ok(Some(pool.name.clone())),
            Some(DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Crypt(_))
            | None => Err(PlanError::Description(format!("a thin volume in {pool}, which is no pool"))),
        }
    }
}
