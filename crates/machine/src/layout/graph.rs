//! Ways through the graph: what a device is made from, what is made from it, on which disks it lies.

use super::{
    Content, Crypt, Device, DeviceId, DeviceKind, Disk, GroupId, Layout, LuksHeader, Member, Mount, Partition,
    VolumeGroup,
};
use crate::bytes::Name;
use crate::filesystem::FilesystemOptions;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Of these mounts the one that leads to a path: the innermost.
pub fn mount_holding<'m>(mounts: &'m [Mount], path: &Path) -> Option<&'m Mount> {
    let leads = |mount: &&Mount| path.starts_with(mount.mount_point.as_path());
    mounts.iter().filter(leads).max_by_key(|mount| mount.mount_point.0.len())
}

impl Layout {
    /// The device with this id.
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == *id)
    }

    /// The volume group with this id.
    pub fn group(&self, id: &GroupId) -> Option<&VolumeGroup> {
        self.groups.iter().find(|group| group.id == *id)
    }

    /// The physical volumes of a group, in the order of the description.
    pub fn group_members<'a>(&'a self, id: &'a GroupId) -> impl Iterator<Item = &'a Device> {
        self.devices.iter().filter(
            move |device| matches!(device.member(), Some(Member::Group { group: Some(group), .. }) if group == id),
        )
    }

    /// The devices that this one is made from, each once: a partition's disk, an array's members, all physical volumes of
    /// a volume's group and its thin pool, the device below an open LUKS mapping. None for a disk.
    pub fn parents<'a>(&'a self, device: &'a Device) -> Vec<&'a DeviceId> {
        match &device.kind {
            DeviceKind::Disk(_) => vec![],
            DeviceKind::Partition(partition) => vec![&partition.parent],
            DeviceKind::Array(array) => array.members.iter().map(|member| &member.device).collect(),
            DeviceKind::Volume(volume) => {
                let mut parents: Vec<&DeviceId> = self.group_members(&volume.group).map(|member| &member.id).collect();
                for id in volume.shape.lies_on() {
                    if !parents.contains(&id) {
                        parents.push(id);
                    }
                }
                parents
            }
            DeviceKind::Crypt(crypt) => vec![&crypt.parent],
        }
    }

    /// The devices that are made from this one directly.
    pub fn above<'a>(&'a self, id: &'a DeviceId) -> impl Iterator<Item = &'a Device> {
        self.devices.iter().filter(move |device| self.parents(device).contains(&id))
    }

    /// The disks that a device is on, itself when it is one; in the order of the description. A volume is on all disks
    /// of its group, for it is lost with any of them.
    pub fn disks_under(&self, id: &DeviceId) -> Vec<&Device> {
        self.below(id).into_iter().filter(|device| device.disk().is_some()).collect()
    }

    /// Everything that a device is made from, itself among it; in the order of the description.
    pub fn below(&self, id: &DeviceId) -> Vec<&Device> {
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            // A description that was not validated may go in circles.
            if let Some(device) = self.device(next).filter(|device| seen.insert(&device.id)) {
                open.extend(self.parents(device));
            }
        }
        self.devices.iter().filter(|device| seen.contains(&device.id)).collect()
    }

    /// The device whose partition table has this partition: a disk, or an array that is partitioned.
    pub fn partition_disk(&self, id: &DeviceId) -> Option<&Device> {
        self.device(&self.device(id)?.partition()?.parent)
    }

    /// The devices that the content of a device lies on: itself first, then the further devices of its filesystem and its
    /// external journal, log or realtime section.
    pub fn content_devices(&self, id: &DeviceId) -> Vec<&Device> {
        let own = self.devices.iter().filter(|device| device.id == *id);
        let further = self.devices.iter().filter(|device| {
            let member = matches!(device.member(), Some(Member::Filesystem { filesystem, .. }) if filesystem == id);
            member || matches!(&device.content, Content::Journal(journal) if journal.filesystem == *id)
        });
        own.chain(further).collect()
    }

    /// The header of the device below an open mapping.
    pub fn luks_header(&self, crypt: &Crypt) -> Option<&LuksHeader> {
        match self.device(&crypt.parent).map(|parent| &parent.content) {
            Some(Content::Luks(header)) => Some(header),
            Some(_) | None => None,
        }
    }

    /// All whole disks with their identity.
    pub fn disks(&self) -> impl Iterator<Item = (&Device, &Disk)> {
        self.devices.iter().filter_map(|device| device.disk().map(|disk| (device, disk)))
    }

    /// The partitions of a device, in order of their number.
    pub fn partitions_of(&self, id: &DeviceId) -> Vec<(&Device, &Partition)> {
        let mut found: Vec<_> = self
            .devices
            .iter()
            .filter_map(|device| device.partition().filter(|p| p.parent == *id).map(|p| (device, p)))
            .collect();
        found.sort_by_key(|(_, partition)| partition.number);
        found
    }

    /// The mount that leads to a path: the innermost.
    pub fn mount_holding(&self, path: &Path) -> Option<&Mount> {
        mount_holding(&self.mounts, path)
    }

    /// A path lies on the filesystem of a device.
    pub fn is_held_by(&self, path: &Path, id: &DeviceId) -> bool {
        self.mount_holding(path).is_some_and(|mount| mount.device == *id)
    }

    /// The mount at exactly this path.
    pub fn mount_at(&self, mount_point: &str) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.mount_point.0 == mount_point.as_bytes())
    }

    /// Every path at which a filesystem or subvolume begins that belongs to the machine: the mount points, and the btrfs
    /// subvolumes that are reached through a mounted one. `/` first.
    pub fn roots(&self) -> Vec<PathBuf> {
        let mut roots = Vec::new();
        for mount in &self.mounts {
            roots.push(mount.mount_point.as_path().to_owned());
            let options = self.device(&mount.device).and_then(Device::filesystem).map(|filesystem| &filesystem.options);
            let Some(FilesystemOptions::Btrfs(btrfs)) = options else { continue };
            let top = mount.subvolume.as_ref().map_or(&b""[..], |name| &name.0);
            roots.extend(btrfs.subvolumes.iter().filter_map(|subvolume| {
                let rest = subvolume.path.0.strip_prefix(top)?;
                let rest = if top.is_empty() { rest } else { rest.strip_prefix(b"/")? };
                (!rest.is_empty()).then(|| mount.mount_point.as_path().join(Name(rest.to_vec()).as_path()))
            }));
        }
        roots.sort();
        roots.dedup();
        roots
    }
}
