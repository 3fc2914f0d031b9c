//! Whether a description holds together: what refers to each other does so from both sides, and nothing lies on nothing.

use super::{
    Array, ArrayRole, Content, Device, DeviceId, DeviceKind, JournalKind, Layout, LayoutError, Member, VolumeShape,
};
use crate::filesystem::{Filesystem, FilesystemOptions, Journal};
use std::collections::{BTreeMap, BTreeSet};

type Result = std::result::Result<(), LayoutError>;

impl Layout {
    /// Checks that ids are unique, parents come first and hold what their children are made from, members and what they
    /// belong to name each other, and mounts refer to filesystems.
    ///
    /// # Errors
    /// The first [`LayoutError`] found.
    pub fn validate(&self) -> Result {
        self.check_order()?;
        self.check_groups()?;
        for device in &self.devices {
            match &device.kind {
                DeviceKind::Disk(_) => {}
                DeviceKind::Partition(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => {
                    self.check_parents(device)?
                }
                DeviceKind::Array(array) => self.check_array(device, array)?,
            }
            self.check_content(device)?;
        }
        self.check_mounts()
    }

    fn check_order(&self) -> Result {
        let mut seen = BTreeSet::new();
        for device in &self.devices {
            if !device.id.is_valid() {
                return Err(LayoutError::Id(device.id.0.clone()));
            }
            for parent in self.parents(device) {
                if !seen.contains(parent) {
                    return Err(LayoutError::Parent { child: device.id.clone(), parent: parent.clone() });
                }
            }
            if !seen.insert(&device.id) {
                return Err(LayoutError::Twice(device.id.clone()));
            }
        }
        Ok(())
    }

    /// Each volume's group is there, and each volume lies on physical volumes of it.
    fn check_groups(&self) -> Result {
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.groups.iter().find(|group| !seen.insert(&group.id)) {
            return Err(LayoutError::GroupTwice(twice.id.clone()));
        }
        let mut used: BTreeMap<&DeviceId, Vec<(u64, u64)>> = BTreeMap::new();
        for device in &self.devices {
            let DeviceKind::Volume(volume) = &device.kind else { continue };
            let other = || volume.group.to_string();
            if self.group(&volume.group).is_none() {
                return Err(LayoutError::Unrequited { device: device.id.clone(), other: other() });
            }
            if let VolumeShape::Thin { pool } = &volume.shape {
                let in_pool = self.device(pool).is_some_and(|pool| match &pool.kind {
                    DeviceKind::Volume(pool) => {
                        pool.group == volume.group && matches!(pool.shape, VolumeShape::ThinPool { .. })
                    }
                    DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Crypt(_) => {
                        false
                    }
                });
                if !in_pool {
                    return Err(LayoutError::Content { child: device.id.clone(), parent: pool.clone() });
                }
            }
            for extents in volume.shape.extents() {
                let place = |reason| LayoutError::Place {
                    device: device.id.clone(),
                    other: extents.device.to_string(),
                    reason,
                };
                let Some(Content::Member(Member::Group { group: Some(group), extents: all, .. })) =
                    self.device(&extents.device).map(|device| &device.content)
                else {
                    return Err(LayoutError::Content { child: device.id.clone(), parent: extents.device.clone() });
                };
                let end = extents.first.checked_add(extents.count).filter(|end| end <= all);
                let Some(end) = end.filter(|_| *group == volume.group) else {
                    return Err(place(
                        "it extends past the end of the physical volume, or the physical volume belongs to another \
                         group",
                    ));
                };
                let taken = used.entry(&extents.device).or_default();
                if taken.iter().any(|(from, to)| extents.first < *to && *from < end) {
                    return Err(place("another volume has the same extents"));
                }
                taken.push((extents.first, end));
            }
        }
        Ok(())
    }

    /// What a partition, volume or mapping is made from holds what it is made from.
    fn check_parents(&self, device: &Device) -> Result {
        for parent in self.parents(device).into_iter().filter_map(|id| self.device(id)) {
            let fits = match &device.kind {
                DeviceKind::Partition(_) => matches!(parent.content, Content::Table(_)),
                // Its physical volumes and pool were checked with its group.
                DeviceKind::Volume(_) => true,
                DeviceKind::Crypt(_) => matches!(parent.content, Content::Luks(_)),
                DeviceKind::Disk(_) | DeviceKind::Array(_) => false,
            };
            if !fits {
                return Err(LayoutError::Content { child: device.id.clone(), parent: parent.id.clone() });
            }
            let rival = || self.above(&parent.id).find(|other| other.id != device.id);
            if let (DeviceKind::Crypt(_), Some(second)) = (&device.kind, rival()) {
                let (first, second) = (device.id.clone(), second.id.clone());
                return Err(LayoutError::Claimed { parent: parent.id.clone(), first, second });
            }
        }
        Ok(())
    }

    fn check_array(&self, device: &Device, array: &Array) -> Result {
        let mut slots = BTreeSet::new();
        let mut members = BTreeSet::new();
        for member in &array.members {
            let place =
                |reason| LayoutError::Place { device: member.device.clone(), other: device.id.to_string(), reason };
            match self.device(&member.device).map(|member| &member.content) {
                Some(Content::Member(Member::Array { array, .. })) if *array == device.id => {}
                _ => return Err(LayoutError::Content { child: device.id.clone(), parent: member.device.clone() }),
            }
            if !members.insert(&member.device) {
                return Err(place("it is already a member"));
            }
            if let ArrayRole::Active { slot } = member.role
                && (slot >= array.slots || !slots.insert(slot))
            {
                return Err(place("its slot is taken, or the array has no slot of that number"));
            }
        }
        Ok(())
    }

    /// What a device's content belongs to is there and names the device.
    fn check_content(&self, device: &Device) -> Result {
        let unrequited =
            |other: &dyn ToString| Err(LayoutError::Unrequited { device: device.id.clone(), other: other.to_string() });
        match &device.content {
            Content::Empty
            | Content::Table(_)
            | Content::Swap(_)
            | Content::BootLoader
            | Content::Extended
            | Content::Luks(_) => Ok(()),
            Content::Filesystem(filesystem) => self.check_filesystem(device, filesystem),
            Content::Journal(journal) => {
                let holder = self.device(&journal.filesystem).and_then(Device::filesystem);
                match holder.is_some_and(|filesystem| filesystem.further().contains(&(journal.kind, &device.id))) {
                    true => Ok(()),
                    false => unrequited(&journal.filesystem),
                }
            }
            Content::Member(Member::Array { array, .. }) => {
                let names = |kind: &DeviceKind| match kind {
                    DeviceKind::Array(array) => array.members.iter().any(|member| member.device == device.id),
                    DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => {
                        false
                    }
                };
                match self.device(array).is_some_and(|array| names(&array.kind)) {
                    true => Ok(()),
                    false => unrequited(array),
                }
            }
            Content::Member(Member::Group { group, .. }) => match group {
                Some(group) if self.group(group).is_none() => unrequited(group),
                Some(_) | None => Ok(()),
            },
            Content::Member(Member::Filesystem { filesystem, .. }) => {
                let btrfs = self.device(filesystem).and_then(Device::filesystem).map(|filesystem| &filesystem.options);
                match btrfs {
                    Some(FilesystemOptions::Btrfs(_)) => Ok(()),
                    _ => unrequited(filesystem),
                }
            }
        }
    }

    /// Its further devices are there, and those of one btrfs have numbers of their own.
    fn check_filesystem(&self, device: &Device, filesystem: &Filesystem) -> Result {
        for (kind, id) in filesystem.further() {
            let named = self.device(id).is_some_and(|further| {
                matches!(&further.content, Content::Journal(journal) if journal.kind == kind && journal.filesystem == device.id)
            });
            if !named {
                return Err(LayoutError::Unrequited { device: device.id.clone(), other: id.to_string() });
            }
        }
        let FilesystemOptions::Btrfs(btrfs) = &filesystem.options else { return Ok(()) };
        let mut devids = BTreeSet::from([btrfs.devid]);
        for further in self.content_devices(&device.id) {
            if let Content::Member(Member::Filesystem { devid, .. }) = &further.content
                && !devids.insert(*devid)
            {
                return Err(LayoutError::Place {
                    device: further.id.clone(),
                    other: device.id.to_string(),
                    reason: "another device of the filesystem has the same number",
                });
            }
        }
        Ok(())
    }

    fn check_mounts(&self) -> Result {
        for mount in &self.mounts {
            let mount_point = mount.mount_point.to_string();
            match self.device(&mount.device) {
                None => return Err(LayoutError::Mount { mount_point, device: mount.device.clone() }),
                Some(device) if device.filesystem().is_none() => {
                    return Err(LayoutError::NoFilesystem { mount_point, device: mount.device.clone() });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

impl Filesystem {
    /// The devices of its own that it names: journal, log, realtime section.
    pub fn further(&self) -> Vec<(JournalKind, &DeviceId)> {
        match &self.options {
            FilesystemOptions::Ext(ext) => match &ext.journal {
                Some(Journal::External { device }) => vec![(JournalKind::Ext, device)],
                Some(Journal::Internal { .. }) | None => vec![],
            },
            FilesystemOptions::Xfs(xfs) => {
                let log = xfs.log_device.iter().map(|device| (JournalKind::XfsLog, device));
                let realtime = xfs.realtime.iter().map(|realtime| (JournalKind::XfsRealtime, &realtime.device));
                log.chain(realtime).collect()
            }
            FilesystemOptions::Vfat(_) | FilesystemOptions::Btrfs(_) => vec![],
        }
    }
}
