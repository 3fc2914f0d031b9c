//! The ordered steps of a plan: disks are wiped and get their tables, then one loop over all devices, parents first, makes
//! each device and then what it holds; then mounts, files, and what makes them boot.

mod adapt;
mod array;
mod boot;
mod content;
mod crypt;
mod group;
mod mount;

use crate::error::PlanError;
use crate::matching::Match;
use crate::nodes::Nodes;
use crate::step::Step;
use crate::table::Part;
use crate::upper::Laid;
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, FoundHardware, Machine, Member};
use std::collections::{BTreeMap, BTreeSet};

/// What steps are made from.
pub(crate) struct Work<'a> {
    /// The machine as it was.
    pub(crate) recorded: &'a Machine,
    /// The machine with the policy's changes, without the partitions that are left out.
    pub(crate) machine: &'a Machine,
    pub(crate) hardware: &'a FoundHardware,
    pub(crate) matches: &'a [Match<'a>],
    pub(crate) laid: &'a Laid,
    pub(crate) nodes: &'a Nodes,
}

impl Work<'_> {
    /// All of them.
    pub(crate) fn steps(&self) -> Result<Vec<Step>, PlanError> {
        let wiped = |m: &Match| Step::WipeDisk { disk: m.found.path.clone(), device: m.device.id.clone() };
        let mut steps: Vec<Step> = self.matches.iter().map(wiped).collect();
        // All tables of disks before anything else: what a disk refuses is known before the first filesystem is made.
        for (m, layout) in self.matches.iter().zip(&self.laid.disks) {
            steps.extend(self.table(&m.device.id, layout)?);
        }
        let parts: BTreeMap<&DeviceId, &Part> = self.laid.parts().map(|part| (&part.device.id, part)).collect();
        let layout = &self.machine.layout;
        let mut there: BTreeSet<&DeviceId> = BTreeSet::new();
        for device in &layout.devices {
            self.make(device, &mut steps)?;
            there.insert(&device.id);
            // A filesystem is made when the last of its devices is there, everything else with its device.
            let holder = match &device.content {
                Content::Journal(journal) => &journal.filesystem,
                Content::Member(Member::Filesystem { filesystem, .. }) => filesystem,
                Content::Filesystem(_)
                | Content::Empty
                | Content::Table(_)
                | Content::Swap(_)
                | Content::BootLoader
                | Content::Extended
                | Content::Luks(_)
                | Content::Member(Member::Array { .. } | Member::Group { .. }) => &device.id,
            };
            let complete = layout.content_devices(holder).iter().all(|part| there.contains(&part.id));
            if let Some(part) = parts.get(holder).filter(|_| complete) {
                self.content(part, &mut steps)?;
            }
        }
        self.mounts(&mut steps)?;
        steps.push(Step::Extract);
        steps.extend(self.machine.layout.swap_files.iter().map(|file| Step::MakeSwapFile { file: file.clone() }));
        self.adaptations(&mut steps);
        self.boot(&mut steps)?;
        steps.push(Step::Finish);
        Ok(steps)
    }

    /// Makes a device itself, and its partition table: disks are there, and partitions come with their table.
    fn make(&self, device: &Device, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        match &device.kind {
            DeviceKind::Disk(_) | DeviceKind::Partition(_) => Ok(()),
            DeviceKind::Array(_) => {
                let Some((new, layout)) = self.laid.made(&device.id) else {
                    return Err(PlanError::Description(format!("{}, which was not laid out", device.id)));
                };
                steps.push(self.array(new)?);
                steps.extend(self.table(&device.id, layout)?);
                Ok(())
            }
            DeviceKind::Volume(_) => {
                steps.push(self.volume(device)?);
                Ok(())
            }
            DeviceKind::Crypt(crypt) => {
                steps.push(self.mapping(device, crypt)?);
                Ok(())
            }
        }
    }
}
