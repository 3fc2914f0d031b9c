//! Which filesystem is read how, and why: pure, from the layout of the machine, the policy, and what LVM has left.

use crate::policy::{CowSize, Snapshots, Use};
use crate::room::Rooms;
use lifeboat_machine::bytes::human;
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::graph::mount_holding;
use lifeboat_machine::layout::{Volume, VolumeShape};
use lifeboat_machine::{Device, DeviceId, DeviceKind, Layout, Name};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The least that a copy-on-write area is given, in bytes: one that is smaller is full within seconds on a busy machine.
const LEAST_COW_BYTES: u64 = 64 << 20;
/// The least share of its original, in percent, that it is worth trying with.
const LEAST_COW_PERCENT: u64 = 3;
/// A thin pool that is fuller than this, in percent, gets no snapshot: when it is full, all its volumes stop.
const FULLEST_POOL: f64 = 90.0;

/// A filesystem, and how it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The device that holds it.
    pub device: DeviceId,
    /// Its path, such as `/dev/mapper/vg-root`.
    pub path: String,
    /// As what it is mounted.
    pub kind: String,
    /// Where it, or its subvolumes, begin in the tree of the machine; the shortest path first.
    pub roots: Vec<Root>,
    /// How it is read.
    pub way: Way,
}

/// A place at which a filesystem or subvolume begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its path in the tree of the machine.
    pub at: PathBuf,
    /// btrfs: the subvolume, as a path inside the filesystem; empty for the top level.
    pub subvolume: Name,
}

/// How a filesystem is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// From a snapshot of its logical volume.
    Volume {
        /// The volume group.
        group: String,
        /// The volume.
        volume: String,
        /// Bytes for what changes meanwhile in the original; `None` for a thin volume, whose pool has the room.
        cow_bytes: Option<u64>,
    },
    /// From snapshots of its subvolumes.
    Subvolumes,
    /// Frozen while it is read.
    Frozen,
    /// As it is at each moment.
    Live {
        /// Why, as a clause about it.
        why: String,
        /// It lies on a logical volume or btrfs, so that a snapshot could be expected.
        expected: bool,
    },
}

impl Choice {
    /// Its first mount point.
    pub fn mount_point(&self) -> &Path {
        self.roots.first().map_or(Path::new("/"), |root| root.at.as_path())
    }

    /// It is read from a snapshot.
    pub fn has_snapshot(&self) -> bool {
        matches!(self.way, Way::Volume { .. } | Way::Subvolumes)
    }

    /// As a line for people: `/home: from an LVM snapshot of data/home with 3.0 GiB for changes`.
    pub fn line(&self) -> String {
        let roots: Vec<String> = self.roots.iter().map(|root| Name::from(root.at.as_path()).to_string()).collect();
        let how = match &self.way {
            Way::Volume { group, volume, cow_bytes: Some(bytes) } => {
                format!("from an LVM snapshot of {group}/{volume} with {} for changes", human(*bytes))
            }
            Way::Volume { group, volume, cow_bytes: None } => format!("from a thin LVM snapshot of {group}/{volume}"),
            Way::Subvolumes => "from btrfs snapshots".to_owned(),
            Way::Frozen => "frozen while it is read".to_owned(),
            Way::Live { why, .. } => format!("read live: {why}"),
        };
        format!("{}: {how}", roots.join(", "))
    }
}

/// Decides for each filesystem of a machine.
pub fn choose(layout: &Layout, policy: &Snapshots, rooms: &Rooms) -> Vec<Choice> {
    let mut choices: Vec<Choice> = vec![];
    for (device, roots) in filesystems(layout) {
        let Some(filesystem) = device.filesystem() else { continue };
        let mut way = way(layout, policy, device, rooms);
        let asked = |paths: &[PathBuf]| roots.iter().any(|root| paths.contains(&root.at));
        if policy.when != Use::Never && asked(&policy.live) {
            way = Way::Live { why: "as 'live' of [snapshots] says".into(), expected: false };
        }
        if matches!(way, Way::Live { .. }) && asked(&policy.freeze) {
            way = Way::Frozen;
        }
        choices.push(Choice {
            device: device.id.clone(),
            path: device.path.clone(),
            kind: filesystem.options.mount_type().to_owned(),
            roots,
            way,
        });
    }
    fit(&mut choices, layout, rooms);
    choices.sort_by(|one, other| one.mount_point().cmp(other.mount_point()));
    choices
}

/// The filesystems that are mounted, each with the places at which it or its subvolumes begin.
fn filesystems(layout: &Layout) -> Vec<(&Device, Vec<Root>)> {
    let mut found: Vec<(&Device, Vec<Root>)> = vec![];
    for mount in &layout.mounts {
        let Some(device) = layout.device(&mount.device) else { continue };
        let position = found.iter().position(|(known, _)| known.id == device.id).unwrap_or_else(|| {
            found.push((device, vec![]));
            found.len() - 1
        });
        let roots = &mut found[position].1;
        let top = mount.subvolume.clone().unwrap_or_default();
        roots.push(Root { at: mount.mount_point.as_path().to_owned(), subvolume: top.clone() });
        let Some(FilesystemOptions::Btrfs(btrfs)) = device.filesystem().map(|filesystem| &filesystem.options) else {
            continue;
        };
        for subvolume in &btrfs.subvolumes {
            let Ok(rest) = subvolume.path.as_path().strip_prefix(top.as_path()) else { continue };
            let at = mount.mount_point.as_path().join(rest);
            // Another mount may hide it, or be what is at this path.
            let leads_here = mount_holding(&layout.mounts, &at).is_some_and(|holder| holder == mount);
            if !rest.as_os_str().is_empty() && leads_here {
                roots.push(Root { at, subvolume: subvolume.path.clone() });
            }
        }
    }
    for (_, roots) in &mut found {
        roots.sort_by(|one, other| one.at.cmp(&other.at));
    }
    found
}

fn live(why: impl Into<String>) -> Way {
    Way::Live { why: why.into(), expected: true }
}

fn way(layout: &Layout, policy: &Snapshots, device: &Device, rooms: &Rooms) -> Way {
    let off = Way::Live { why: "snapshots are off".into(), expected: false };
    let Some(filesystem) = device.filesystem() else { return off };
    if policy.when == Use::Never {
        return off;
    }
    let several = layout.content_devices(&device.id).len() > 1;
    match &filesystem.options {
        FilesystemOptions::Btrfs(_) => return Way::Subvolumes,
        FilesystemOptions::Vfat(_) => {
            return Way::Live { why: "it is FAT, which cannot be brought to rest".into(), expected: false };
        }
        FilesystemOptions::Xfs(_) if several => {
            return live("its log or realtime section is on another device, which the snapshot would not have");
        }
        FilesystemOptions::Ext(ext) if ext.features.iter().any(|feature| feature == "encrypt") => {
            return live(
                "it has encrypted directories, and what is unlocked is so only in the filesystem that is mounted",
            );
        }
        FilesystemOptions::Xfs(_) | FilesystemOptions::Ext(_) => {}
    }
    match &device.kind {
        DeviceKind::Volume(volume) => of_volume(layout, policy, device, volume, rooms),
        DeviceKind::Crypt(crypt) if is_volume(layout, &crypt.parent) => {
            live("it is encrypted above its logical volume, and a snapshot would be locked")
        }
        DeviceKind::Partition(partition) if is_volume(layout, &partition.parent) => {
            live("it is on a partition of a logical volume")
        }
        DeviceKind::Crypt(_) | DeviceKind::Partition(_) | DeviceKind::Disk(_) | DeviceKind::Array(_) => {
            Way::Live { why: "it is on no logical volume".into(), expected: false }
        }
    }
}

fn is_volume(layout: &Layout, id: &DeviceId) -> bool {
    layout.device(id).is_some_and(|device| matches!(device.kind, DeviceKind::Volume(_)))
}

fn of_volume(layout: &Layout, policy: &Snapshots, device: &Device, volume: &Volume, rooms: &Rooms) -> Way {
    let Some(group) = layout.group(&volume.group) else { return live("its volume group is not known") };
    let of = |cow_bytes| Way::Volume { group: group.name.clone(), volume: volume.name.clone(), cow_bytes };
    if let VolumeShape::Thin { pool } = &volume.shape {
        let name = layout.device(pool).and_then(|device| match &device.kind {
            DeviceKind::Volume(pool) => Some(pool.name.clone()),
            DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Crypt(_) => None,
        });
        let room = name.as_ref().and_then(|name| rooms.pools.get(&(group.name.clone(), name.clone())));
        let Some(room) = room else { return live("how full its thin pool is is not known") };
        let used = room.data_percent.max(room.metadata_percent);
        if used > FULLEST_POOL {
            return live(format!("its thin pool is {used:.0} % full, and a snapshot would fill it further"));
        }
        return of(None);
    }
    let Some(room) = rooms.groups.get(&group.name).filter(|room| room.extent_bytes > 0) else {
        return live("how much room its volume group has is not known");
    };
    let wanted = match policy.cow_size {
        CowSize::Percent(percent) => (device.size_bytes / 100).saturating_mul(u64::from(percent)).max(LEAST_COW_BYTES),
        CowSize::Bytes(bytes) => bytes,
    };
    of(Some(extents(wanted.min(largest(device.size_bytes)), room.extent_bytes) * room.extent_bytes))
}

/// All that can change, with LVM's records of it: lvcreate(8) makes no larger one.
fn largest(original_bytes: u64) -> u64 {
    original_bytes.saturating_add(original_bytes / 50).saturating_add(8 << 20)
}

/// Whole extents.
fn extents(bytes: u64, extent_bytes: u64) -> u64 {
    bytes.div_ceil(extent_bytes).max(1)
}

/// Gives each copy-on-write area of a group a share of what is free there. Where it is too little for all, the largest go without.
fn fit(choices: &mut [Choice], layout: &Layout, rooms: &Rooms) {
    for (name, room) in &rooms.groups {
        loop {
            let wanted: BTreeMap<usize, u64> = choices
                .iter()
                .enumerate()
                .filter_map(|(index, choice)| match &choice.way {
                    Way::Volume { group, cow_bytes: Some(bytes), .. } if group == name => Some((index, *bytes)),
                    Way::Volume { .. } | Way::Subvolumes | Way::Frozen | Way::Live { .. } => None,
                })
                .collect();
            let sum: u64 = wanted.values().sum();
            if sum <= room.free_bytes || wanted.is_empty() {
                break;
            }
            let share = |bytes: u64| {
                let bytes = u128::from(bytes) * u128::from(room.free_bytes) / u128::from(sum);
                u64::try_from(bytes).unwrap_or(u64::MAX) / room.extent_bytes * room.extent_bytes
            };
            let original = |index: &usize| layout.device(&choices[*index].device).map_or(0, |device| device.size_bytes);
            let least =
                |index: &usize, bytes: u64| bytes.min(LEAST_COW_BYTES.max(original(index) / 100 * LEAST_COW_PERCENT));
            if wanted.iter().all(|(index, bytes)| share(*bytes) >= least(index, *bytes)) {
                for (index, bytes) in &wanted {
                    if let Way::Volume { cow_bytes, .. } = &mut choices[*index].way {
                        *cow_bytes = Some(share(*bytes));
                    }
                }
                break;
            }
            let Some((index, bytes)) = wanted.into_iter().max_by_key(|(_, bytes)| *bytes) else { break };
            choices[index].way = live(format!(
                "the volume group {name} has {} free, too little for what changes meanwhile ({} were planned)",
                human(room.free_bytes),
                human(bytes)
            ));
        }
    }
}
