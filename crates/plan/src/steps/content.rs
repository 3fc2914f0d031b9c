//! Partition tables, and what devices hold.

use super::Work;
use crate::boot_copies;
use crate::consequence::twin;
use crate::error::PlanError;
use crate::kind_changes;
use crate::step::{FurtherDevice, Step};
use crate::table::{DiskLayout, Part};
use lifeboat_machine::filesystem::{BtrfsOptions, FilesystemOptions};
use lifeboat_machine::layout::PartitionTable;
use lifeboat_machine::{Content, DeviceId, Member};

impl Work<'_> {
    /// The partition table of a disk or an array, when it has one.
    pub(super) fn table(&self, device: &DeviceId, layout: &DiskLayout) -> Result<Option<Step>, PlanError> {
        let Some(table) = layout.table.as_ref() else { return Ok(None) };
        let nodes = layout.parts.iter().map(|part| self.nodes.get(&part.device.id).map(str::to_owned));
        let loaders = &self.machine.boot.loaders;
        let installed = loaders.iter().any(|loader| boot_copies::grub_disks(self.machine, loader).contains(device));
        Ok(Some(Step::WriteTable {
            disk: self.nodes.get(device)?.to_owned(),
            table: PartitionTable { boot_code: table.boot_code.clone().filter(|_| !installed), ..table.clone() },
            entries: layout.parts.iter().filter_map(|part| part.device.partition().cloned()).collect(),
            partitions: nodes.collect::<Result<_, _>>()?,
        }))
    }

    /// What a device holds.
    pub(super) fn content(&self, part: &Part, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        let device = self.nodes.get(&part.device.id)?.to_owned();
        match &part.device.content {
            Content::Filesystem(filesystem) => {
                let was = kind_changes::was(self.recorded, &part.device).map(|kind| kind.name().to_owned());
                let recorded = twin(&self.recorded.layout, &part.device).and_then(|old| old.filesystem());
                let other = recorded.is_some_and(|recorded| recorded.size_bytes != filesystem.size_bytes);
                let resized = part.resized || was.is_some() || other;
                steps.push(Step::MakeFilesystem {
                    device: device.clone(),
                    filesystem: filesystem.clone(),
                    resized,
                    was,
                    further: self.further(&part.device.id)?,
                });
                match &filesystem.options {
                    FilesystemOptions::Btrfs(btrfs) => steps.extend(subvolumes(device, btrfs)),
                    FilesystemOptions::Ext(_) | FilesystemOptions::Xfs(_) | FilesystemOptions::Vfat(_) => {}
                }
            }
            Content::Swap(swap) => steps.push(Step::MakeSwap { device, swap: swap.clone() }),
            // A table was written with those of all disks; a boot loader's installer fills its space; the container of
            // logical partitions is an entry of its table.
            // Members are wiped and filled when their array or filesystem is made.
            Content::Empty
            | Content::Table(_)
            | Content::BootLoader
            | Content::Extended
            | Content::Journal(_)
            | Content::Member(Member::Array { .. } | Member::Filesystem { .. }) => {}
            Content::Member(Member::Group { group, .. }) => steps.extend(self.physical(&part.device, group.as_ref())?),
            Content::Luks(header) => steps.push(Step::MakeLuks { device, header: header.clone() }),
        }
        Ok(())
    }
}

impl Work<'_> {
    /// The devices of a filesystem beside its own, those of a btrfs in the order of their numbers.
    fn further(&self, holder: &DeviceId) -> Result<Vec<FurtherDevice>, PlanError> {
        let mut list = vec![];
        for device in self.machine.layout.content_devices(holder).into_iter().filter(|device| device.id != *holder) {
            let node = self.nodes.get(&device.id)?.to_owned();
            let (order, journal) = match &device.content {
                Content::Journal(journal) => (0, Some(journal.clone())),
                Content::Member(Member::Filesystem { devid, .. }) => (*devid, None),
                Content::Empty
                | Content::Table(_)
                | Content::Filesystem(_)
                | Content::Swap(_)
                | Content::BootLoader
                | Content::Extended
                | Content::Luks(_)
                | Content::Member(Member::Array { .. } | Member::Group { .. }) => continue,
            };
            list.push((order, FurtherDevice { device: node, journal }));
        }
        list.sort_by_key(|(order, _)| *order);
        Ok(list.into_iter().map(|(_, device)| device).collect())
    }
}

fn subvolumes(device: String, btrfs: &BtrfsOptions) -> Option<Step> {
    let any = !btrfs.subvolumes.is_empty() || !btrfs.default_subvolume.0.is_empty();
    any.then(|| Step::MakeSubvolumes {
        device,
        subvolumes: btrfs.subvolumes.clone(),
        default: btrfs.default_subvolume.clone(),
    })
}
