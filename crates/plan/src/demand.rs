//! The pass from the contents down to the disks: what a device must have for what lies on it, however many layers above.

use crate::groups;
use crate::resize::{maximum_bytes, minimum_bytes};
use crate::several;
use crate::size::{GRAIN, Give};
use lifeboat_machine::layout::{Array, ArrayLevel, ArrayRole, LuksHeader, PartitionRole, VolumeGroup, VolumeShape};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Layout, Member};

/// How a device may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// The least that will do, in bytes.
    pub(crate) minimum: u64,
    /// The most that can be used, in bytes.
    pub(crate) maximum: u64,
    /// How far it may change.
    pub(crate) give: Give,
}

impl Demand {
    fn fixed(size: u64) -> Demand {
        Demand { minimum: size, maximum: size, give: Give::Fixed }
    }
}

/// What a recorded device must have for what it holds. Without `resize` all keep their sizes.
pub(crate) fn demand(layout: &Layout, device: &Device, resize: bool) -> Demand {
    let size = device.size_bytes;
    if let DeviceKind::Volume(volume) = &device.kind {
        match &volume.shape {
            VolumeShape::ThinPool { .. } => return pool(layout, device, resize),
            // It takes what it holds, whatever size it pretends to have.
            VolumeShape::Thin { .. } => {
                let holder = match device.member() {
                    Some(Member::Filesystem { filesystem, .. }) => filesystem,
                    Some(Member::Array { .. } | Member::Group { .. }) | None => &device.id,
                };
                let own = || device.filesystem().map_or(size, minimum_bytes);
                let minimum = several::share(layout, holder, device).unwrap_or_else(own);
                return Demand { minimum, ..Demand::fixed(size) };
            }
            VolumeShape::Linear { .. }
            | VolumeShape::Striped { .. }
            | VolumeShape::Raid { .. }
            | VolumeShape::Cached { .. } => {}
        }
    }
    match &device.content {
        Content::Filesystem(filesystem) => {
            if let Some(share) = share(layout, &device.id, device, resize) {
                return share;
            }
            let maximum = maximum_bytes(filesystem).max(size);
            // What is on a device that is larger than its filesystem needs no more than the filesystem.
            let minimum = minimum_bytes(filesystem);
            if !resize || maximum == size {
                return Demand { minimum: filesystem.size_bytes.min(size), ..Demand::fixed(size) };
            }
            Demand { minimum, maximum, give: give(layout, &device.id) }
        }
        Content::Member(Member::Array { array: id, data_offset_bytes }) => match layout.device(id) {
            Some(above) => member(layout, device, above, *data_offset_bytes, resize),
            None => Demand::fixed(size),
        },
        Content::Luks(header) => luks(layout, device, header, resize),
        // A table on a whole disk is laid out by itself; this is one on an array.
        Content::Table(_) => table(layout, device, resize),
        Content::Empty
        | Content::Swap(_)
        | Content::BootLoader
        | Content::Extended
        | Content::Journal(_)
        | Content::Member(Member::Group { group: None, .. }) => Demand::fixed(size),
        Content::Member(Member::Filesystem { filesystem, .. }) => {
            share(layout, filesystem, device, resize).unwrap_or_else(|| Demand::fixed(size))
        }
        Content::Member(Member::Group { group: Some(group), first_extent_bytes, extents, .. }) => {
            match layout.group(group) {
                Some(group) => physical(layout, device, group, *first_extent_bytes, *extents, resize),
                None => Demand::fixed(size),
            }
        }
    }
}

/// A physical volume: as much of what its group must have as it has of the group.
fn physical(layout: &Layout, device: &Device, group: &VolumeGroup, first: u64, extents: u64, resize: bool) -> Demand {
    let needs = groups::demand_of(layout, group, resize);
    let extents_of = |device: &Device| match device.member() {
        Some(Member::Group { extents, .. }) => *extents,
        Some(Member::Array { .. } | Member::Filesystem { .. }) | None => 0,
    };
    let all: u64 = layout.group_members(&group.id).map(extents_of).sum();
    let extent = group.extent_bytes.max(1);
    let share = u128::from(needs.minimum.div_ceil(extent)) * u128::from(extents) / u128::from(all.max(1));
    let share = u64::try_from(share).unwrap_or(u64::MAX).saturating_add(1).min(extents);
    let minimum = (first + share.saturating_mul(extent)).min(device.size_bytes);
    match needs.give {
        Give::Fixed => Demand { minimum, ..Demand::fixed(device.size_bytes) },
        give @ (Give::Unused | Give::Reluctant | Give::Free) => {
            Demand { minimum, maximum: needs.maximum.max(device.size_bytes), give }
        }
    }
}

/// One of the devices of a btrfs on several ones.
fn share(layout: &Layout, holder: &DeviceId, device: &Device, resize: bool) -> Option<Demand> {
    let minimum = several::share(layout, holder, device)?;
    Some(match resize {
        true => Demand { minimum, maximum: u64::MAX, give: give(layout, holder) },
        false => Demand::fixed(device.size_bytes),
    })
}

/// A LUKS device: its header, and what its mapping must have.
fn luks(layout: &Layout, device: &Device, header: &LuksHeader, resize: bool) -> Demand {
    let Some(mapping) = layout.above(&device.id).next() else { return Demand::fixed(device.size_bytes) };
    let inner = demand(layout, mapping, resize);
    let outer = |bytes: u64| bytes.saturating_add(header.data_offset_bytes);
    let minimum = outer(inner.minimum).min(device.size_bytes);
    match inner.give {
        Give::Fixed => Demand { minimum, ..Demand::fixed(device.size_bytes) },
        give @ (Give::Unused | Give::Reluctant | Give::Free) => {
            Demand { minimum, maximum: outer(inner.maximum).max(device.size_bytes), give }
        }
    }
}

/// What lies in a thin pool: the files of its volumes, not the sizes that those pretend to have.
fn pool(layout: &Layout, device: &Device, resize: bool) -> Demand {
    let inside = layout.above(&device.id).map(|volume| demand(layout, volume, resize).minimum);
    let minimum = inside.sum::<u64>().min(device.size_bytes);
    if !resize {
        return Demand::fixed(device.size_bytes);
    }
    Demand { minimum, maximum: u64::MAX, give: Give::Free }
}

/// A member of an array: its part of what the array must have.
fn member(layout: &Layout, device: &Device, above: &Device, offset: u64, resize: bool) -> Demand {
    let fixed = Demand::fixed(device.size_bytes);
    let DeviceKind::Array(array) = &above.kind else { return fixed };
    if array.members.iter().any(|member| member.device == device.id && member.role == ArrayRole::Journal) {
        return fixed;
    }
    let inner = demand(layout, above, resize);
    let own = overhead(layout, array, offset);
    let part = |bytes: u64| match array.level {
        // As much of each as it has of the whole.
        ArrayLevel::Linear | ArrayLevel::Raid0 => {
            let mine = u128::from(device.size_bytes.saturating_sub(own));
            let share = u128::from(bytes) * mine / u128::from(above.size_bytes.max(1));
            let chunk = array.chunk_bytes.unwrap_or(GRAIN).max(1);
            u64::try_from(share).unwrap_or(u64::MAX).div_ceil(chunk).saturating_mul(chunk)
        }
        ArrayLevel::Raid1 | ArrayLevel::Raid4 | ArrayLevel::Raid5 | ArrayLevel::Raid6 | ArrayLevel::Raid10 => {
            array.member_bytes_for(bytes)
        }
    };
    let minimum = part(inner.minimum).saturating_add(own).min(device.size_bytes);
    if inner.give == Give::Fixed {
        return Demand { minimum, ..fixed };
    }
    let maximum = match inner.maximum {
        u64::MAX => u64::MAX,
        bytes => part(bytes).saturating_add(own).max(device.size_bytes),
    };
    Demand { minimum, maximum, give: inner.give }
}

/// Bytes of each member that are no data: before its data offset, and behind the data where the superblock lies there.
pub(crate) fn overhead(layout: &Layout, array: &Array, offset: u64) -> u64 {
    if !array.metadata.is_at_end() {
        return offset;
    }
    let Some(used) = array.member_bytes else { return offset + GRAIN };
    // The member with the least left has no more than what mdadm keeps for itself.
    let left =
        array.members.iter().filter(|member| matches!(member.role, ArrayRole::Active { .. })).filter_map(|member| {
            let device = layout.device(&member.device)?;
            device.size_bytes.checked_sub(used)
        });
    left.min().unwrap_or(GRAIN)
}

/// A partition table on an array: what its partitions can spare.
fn table(layout: &Layout, device: &Device, resize: bool) -> Demand {
    let parts = layout.partitions_of(&device.id);
    let parts = parts.iter().filter(|(_, partition)| partition.role != PartitionRole::Extended);
    let demands: Vec<(u64, Demand)> = parts.map(|(part, _)| (part.size_bytes, demand(layout, part, resize))).collect();
    let spare = |(size, demand): &(u64, Demand)| match demand.give {
        Give::Fixed => 0,
        Give::Unused | Give::Reluctant | Give::Free => size.saturating_sub(demand.minimum) / GRAIN * GRAIN,
    };
    let minimum = device.size_bytes - demands.iter().map(spare).sum::<u64>().min(device.size_bytes);
    let any = |give: Give| demands.iter().any(|(_, demand)| demand.give == give);
    let give = [Give::Free, Give::Reluctant].into_iter().find(|give| any(*give)).unwrap_or(Give::Fixed);
    let maximum = if any(Give::Free) { u64::MAX } else { device.size_bytes };
    Demand { minimum, maximum, give }
}

/// Filesystems of the boot loader keep their size as long as they can, those that nobody mounted too.
fn give(layout: &Layout, id: &DeviceId) -> Give {
    let points: Vec<&[u8]> =
        layout.mounts.iter().filter(|mount| mount.device == *id).map(|mount| &*mount.mount_point.0).collect();
    let boot = |point: &&[u8]| *point == b"/efi" || *point == b"/boot" || point.starts_with(b"/boot/");
    if points.is_empty() || points.iter().any(boot) { Give::Reluctant } else { Give::Free }
}
