//! The pass from the disks up: what is made of other devices gets its size from theirs, and then its own table or content.

use crate::demand::{demand, overhead};
use crate::edit::Changed;
use crate::error::PlanError;
use crate::ground::Ground;
use crate::groups::{self, Placed};
use crate::matching::Match;
use crate::nodes::Nodes;
use crate::policy::Policy;
use crate::resize::on_sectors;
use crate::several;
use crate::size::Give;
use crate::table::{DiskLayout, Part, lay_out_on, size_note, title, too_small};
use lifeboat_machine::bytes::human;
use lifeboat_machine::layout::{Array, ArrayRole, GroupId};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Layout, Member};
use std::collections::BTreeMap;

/// Everything that a plan lays out.
pub(crate) struct Laid {
    /// Disks in the order of their matches.
    pub(crate) disks: Vec<DiskLayout>,
    /// Devices made of others, with their new sizes, and what lies on each.
    pub(crate) upper: Vec<(Device, DiskLayout)>,
    /// Size in bytes and extents of each physical volume.
    pub(crate) physical: BTreeMap<DeviceId, (u64, u64)>,
    /// Volumes in their new sizes and places.
    pub(crate) volumes: BTreeMap<DeviceId, Placed>,
}

impl Laid {
    /// All devices with what they will hold.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.disks.iter().chain(self.upper.iter().map(|(_, layout)| layout)).flat_map(|layout| &layout.parts)
    }

    /// A device that is made of others, with what lies on it.
    pub(crate) fn made(&self, id: &DeviceId) -> Option<&(Device, DiskLayout)> {
        self.upper.iter().find(|(device, _)| device.id == *id)
    }
}

/// Lays out all devices that are made of others, parents first.
///
/// # Errors
/// When what lies on them does not fit.
pub(crate) fn lay_out(
    changed: &Changed,
    matches: &[Match],
    disks: Vec<DiskLayout>,
    nodes: &Nodes,
    policy: &Policy,
) -> Result<Laid, PlanError> {
    let mut grounds: BTreeMap<DeviceId, Ground> = BTreeMap::new();
    for m in matches {
        grounds.insert(m.device.id.clone(), Ground::of_disk(m.found));
    }
    for layout in &disks {
        add_parts(&mut grounds, layout, nodes);
    }
    let mut laid = Laid { disks, upper: vec![], physical: BTreeMap::new(), volumes: BTreeMap::new() };
    for device in &changed.machine.layout.devices {
        match &device.kind {
            DeviceKind::Disk(_) | DeviceKind::Partition(_) => {}
            DeviceKind::Crypt(crypt) => {
                let header = changed.machine.layout.luks_header(crypt);
                let (Some(header), Some(ground)) = (header, grounds.get(&crypt.parent)) else {
                    return Err(PlanError::Description(format!("{}, a mapping of what has no place", device.id)));
                };
                let mut new = device.clone();
                new.size_bytes = header.mapping_bytes(ground.size_bytes);
                let sector = ground.sector_bytes.max(u64::from(header.sector_bytes));
                laid.add(changed, &mut grounds, nodes, policy, device, new, sector)?;
            }
            DeviceKind::Array(array) => {
                let mut new = device.clone();
                let resized = resized(changed, device, array, &grounds, policy)?;
                new.size_bytes = resized.0;
                new.kind = DeviceKind::Array(resized.1);
                let sector = sector(&grounds, array.members.iter().map(|member| &member.device));
                let sector = sector.max(u64::from(array.logical_block_bytes.unwrap_or(512)));
                laid.add(changed, &mut grounds, nodes, policy, device, new, sector)?;
            }
            DeviceKind::Volume(volume) => {
                if !laid.volumes.contains_key(&device.id) {
                    laid.group(changed, &grounds, &volume.group, policy)?;
                }
                let Some(placed) = laid.volumes.get(&device.id) else {
                    return Err(PlanError::Description(format!("{}, which is in no group", device.id)));
                };
                let mut new = device.clone();
                new.size_bytes = placed.size_bytes;
                new.kind = DeviceKind::Volume(placed.volume.clone());
                let members: Vec<&Device> = changed.machine.layout.group_members(&volume.group).collect();
                let sector = sector(&grounds, members.iter().map(|member| &member.id));
                laid.add(changed, &mut grounds, nodes, policy, device, new, sector)?;
            }
        }
    }
    laid.several(&changed.machine.layout, &grounds)?;
    // Groups without volumes, and physical volumes without a group.
    for device in &changed.machine.layout.devices {
        match device.member() {
            Some(Member::Group { group: Some(group), .. }) if !laid.physical.contains_key(&device.id) => {
                laid.group(changed, &grounds, group, policy)?;
            }
            Some(Member::Group { group: None, extents, .. }) => {
                let size = grounds.get(&device.id).map_or(device.size_bytes, |ground| ground.size_bytes);
                laid.physical.insert(device.id.clone(), (size, *extents));
            }
            Some(_) | None => {}
        }
    }
    Ok(laid)
}

/// Logical sectors in bytes of what is made of these devices: the largest.
fn sector<'d>(grounds: &BTreeMap<DeviceId, Ground>, devices: impl Iterator<Item = &'d DeviceId>) -> u64 {
    devices.filter_map(|id| grounds.get(id)).map(|ground| ground.sector_bytes).max().unwrap_or(512)
}

impl Laid {
    /// Lays out what lies on a device that is made of others, in its new size.
    #[allow(clippy::too_many_arguments)]
    fn add(
        &mut self,
        changed: &Changed,
        grounds: &mut BTreeMap<DeviceId, Ground>,
        nodes: &Nodes,
        policy: &Policy,
        device: &Device,
        new: Device,
        sector_bytes: u64,
    ) -> Result<(), PlanError> {
        let path = nodes.get(&device.id)?.to_owned();
        let title = format!("{path} ({})", human(new.size_bytes));
        let ground = Ground { title, path, size_bytes: new.size_bytes, sector_bytes };
        let least = demand(&changed.machine.layout, device, !policy.no_resize).minimum;
        if new.size_bytes < least {
            return Err(too_small(device, &ground, least, !policy.no_resize));
        }
        let layout = lay_out_on(changed, &device.id, &ground, policy)?;
        grounds.insert(device.id.clone(), ground);
        add_parts(grounds, &layout, nodes);
        self.upper.push((new, layout));
        Ok(())
    }

    /// Gives filesystems on several devices the size that their devices have now: mkfs.btrfs takes all of each.
    fn several(&mut self, layout: &Layout, grounds: &BTreeMap<DeviceId, Ground>) -> Result<(), PlanError> {
        for device in &layout.devices {
            self.on_sectors(layout, grounds, device)?;
            let Some((recorded, devices)) = several::of(layout, &device.id) else { continue };
            let sizes = devices.iter().map(|device| grounds.get(&device.id).map(|ground| ground.size_bytes));
            let Some(sizes) = sizes.collect::<Option<Vec<u64>>>() else {
                let text = format!("{}, whose filesystem is on what has no place", device.id);
                return Err(PlanError::Description(text));
            };
            let (filesystem, shortage) = several::on(recorded, &sizes);
            if filesystem.size_bytes == recorded.size_bytes {
                continue;
            }
            let what = format!("{} on {}", title(recorded), device.id);
            if let Some(shortage) = shortage {
                let disk = "its devices".to_owned();
                return Err(PlanError::Room { what, disk, shortage: shortage.text() });
            }
            if let Some((part, notes)) = self.part_mut(&device.id) {
                notes.push(size_note(recorded, &filesystem, &device.id));
                part.device.content = Content::Filesystem(filesystem);
                part.resized = true;
            }
        }
        Ok(())
    }

    /// A journal or log on a device with larger sectors than the filesystem's own.
    fn on_sectors(
        &mut self,
        layout: &Layout,
        grounds: &BTreeMap<DeviceId, Ground>,
        device: &Device,
    ) -> Result<(), PlanError> {
        let Some(filesystem) = device.filesystem().filter(|filesystem| !filesystem.further().is_empty()) else {
            return Ok(());
        };
        let largest = layout.content_devices(&device.id).into_iter().filter_map(|part| grounds.get(&part.id));
        let Some(ground) = largest.max_by_key(|ground| ground.sector_bytes) else { return Ok(()) };
        let sector = u32::try_from(ground.sector_bytes).unwrap_or(u32::MAX);
        if let Some((part, notes)) = self.part_mut(&device.id)
            && let Content::Filesystem(planned) = &mut part.device.content
        {
            let (new, note) = on_sectors(planned, sector).map_err(|reason| PlanError::Geometry {
                what: format!("{} on {}", title(filesystem), device.id),
                disk: ground.title.clone(),
                reason,
            })?;
            notes.extend(note.map(|note| format!("{}: {note}", device.id)));
            *planned = new;
        }
        Ok(())
    }

    /// A device as it will be, and the notes of where it is laid out.
    fn part_mut(&mut self, id: &DeviceId) -> Option<(&mut Part, &mut Vec<String>)> {
        let mut layouts = self.disks.iter_mut().chain(self.upper.iter_mut().map(|(_, layout)| layout));
        layouts.find_map(|DiskLayout { parts, notes, .. }| {
            Some((parts.iter_mut().find(|part| part.device.id == *id)?, notes))
        })
    }

    /// Lays out a volume group: its physical volumes have their new sizes.
    fn group(
        &mut self,
        changed: &Changed,
        grounds: &BTreeMap<DeviceId, Ground>,
        id: &GroupId,
        policy: &Policy,
    ) -> Result<(), PlanError> {
        let layout = &changed.machine.layout;
        let missing = |what: String| PlanError::Description(what);
        let group = layout.group(id).ok_or_else(|| missing(format!("no group {id}")))?;
        let (mut recorded, mut now) = (vec![], vec![]);
        for device in layout.group_members(id) {
            let Some(Member::Group { first_extent_bytes, extents, .. }) = device.member() else { continue };
            let ground = grounds
                .get(&device.id)
                .ok_or_else(|| missing(format!("{id}, whose part {} has no place", device.id)))?;
            // One that was smaller than its device stays so as long as the device is the same.
            let room = ground.size_bytes.saturating_sub(*first_extent_bytes) / group.extent_bytes.max(1);
            let count = if ground.size_bytes == device.size_bytes { room.min(*extents) } else { room };
            recorded.push((device.id.clone(), *extents));
            now.push((device.id.clone(), count));
            self.physical.insert(device.id.clone(), (ground.size_bytes, count));
        }
        self.volumes.extend(groups::place(layout, group, &recorded, &now, !policy.no_resize)?);
        Ok(())
    }
}

fn add_parts(grounds: &mut BTreeMap<DeviceId, Ground>, layout: &DiskLayout, nodes: &Nodes) {
    for part in &layout.parts {
        let id = &part.device.id;
        let parent = part.device.partition().and_then(|partition| grounds.get(&partition.parent));
        let (Some(parent), Some(node)) = (parent, nodes.find(id)) else { continue };
        let ground = Ground {
            path: node.to_owned(),
            title: parent.title.clone(),
            size_bytes: part.device.size_bytes,
            sector_bytes: parent.sector_bytes,
        };
        grounds.insert(id.clone(), ground);
    }
}

/// An array's size and geometry on members of other sizes.
fn resized(
    changed: &Changed,
    device: &Device,
    array: &Array,
    grounds: &BTreeMap<DeviceId, Ground>,
    policy: &Policy,
) -> Result<(u64, Array), PlanError> {
    let layout = &changed.machine.layout;
    let mut same = true;
    let mut each = vec![];
    for member in array.members.iter().filter(|member| matches!(member.role, ArrayRole::Active { .. })) {
        let missing = || PlanError::Description(format!("{}, whose member {} has no place", device.id, member.device));
        let old = layout.device(&member.device).ok_or_else(missing)?;
        let new = grounds.get(&member.device).ok_or_else(missing)?;
        let Some(Member::Array { data_offset_bytes: offset, .. }) = old.member() else { return Err(missing()) };
        same &= old.size_bytes == new.size_bytes;
        each.push(new.size_bytes.saturating_sub(overhead(layout, array, *offset)));
    }
    let recorded = (device.size_bytes, array.clone());
    let smallest = array.used_of(each.iter().copied().min().unwrap_or(0));
    let needs = demand(layout, device, !policy.no_resize);
    let fits = array.member_bytes.map_or(array.data_bytes(&each) >= device.size_bytes, |used| smallest >= used);
    // What cannot change stays as it was on larger members, as a partition does.
    if same || (fits && needs.give == Give::Fixed) {
        return Ok(recorded);
    }
    let mut new = array.clone();
    new.member_bytes = array.member_bytes.map(|_| smallest);
    let size = new.data_bytes(&each);
    if size > needs.maximum && array.member_bytes.is_some() {
        let most = array.member_bytes_for(needs.maximum).min(smallest);
        new.member_bytes = Some(most);
        return Ok((new.data_bytes(&vec![most; each.len()]), new));
    }
    Ok((size, new))
}
