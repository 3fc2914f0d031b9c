//! What the layout editor shows: partitions as they were changed, and what can be chosen for one of them.

use crate::model::Model;
use lifeboat_machine::{Device, DeviceId};
use lifeboat_plan::edit::{self, Spot};
use lifeboat_plan::{FilesystemKind, Policy};

impl Model {
    /// The partitions of a recorded disk: in the order of their numbers, or in the order that was chosen.
    pub fn on_disk(&self, disk: &DeviceId) -> Vec<DeviceId> {
        let Some(machine) = &self.machine else { return vec![] };
        if self.policy.order.is_empty() {
            return machine.layout.partitions_of(disk).into_iter().map(|(device, _)| device.id.clone()).collect();
        }
        edit::order(machine, &self.policy, disk)
    }

    /// Partitions of all recorded disks.
    pub fn partitions(&self) -> Vec<&Device> {
        let Some(machine) = &self.machine else { return vec![] };
        let ids = self.recorded().into_iter().flat_map(|disk| self.on_disk(&disk.id));
        ids.filter_map(|id| machine.layout.device(&id)).collect()
    }

    /// The partition on whose line the layout is.
    pub fn chosen_partition(&self) -> Option<&Device> {
        self.partitions().get(self.layout.at.checked_sub(1)?).copied()
    }

    /// The kinds that the chosen partition could become, possible or not: first its own. None for what no kind can
    /// replace.
    pub fn kinds(&self) -> Vec<Option<FilesystemKind>> {
        let filesystem = self.chosen_partition().and_then(Device::filesystem);
        let Some(was) = filesystem.and_then(FilesystemKind::of) else { return vec![] };
        let others = FilesystemKind::ALL.into_iter().filter(|kind| *kind != was).map(Some);
        std::iter::once(None).chain(others).collect()
    }

    /// Reports whether the chosen partition can become a kind.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check_kind(&self, kind: FilesystemKind) -> Result<(), String> {
        let (Some(machine), Some(device)) = (&self.machine, self.chosen_partition()) else { return Ok(()) };
        edit::check_filesystem(machine, &self.hardware, &self.policy, &device.id, kind)
            .map_err(|refusal| refusal.reason)
    }

    /// Places for the chosen partition, possible or not, except for its own.
    pub fn spots(&self) -> Vec<Spot> {
        let (Some(machine), Some(device)) = (&self.machine, self.chosen_partition()) else { return vec![] };
        let mut spots = vec![];
        for disk in self.recorded() {
            let order = edit::order(machine, &self.policy, &disk.id);
            let own = order.iter().position(|id| *id == device.id);
            let others =
                order.iter().enumerate().filter(|(at, id)| **id != device.id && own.is_none_or(|own| own + 1 != *at));
            spots.extend(others.map(|(_, id)| Spot::Before(id.clone())));
            if own.is_none_or(|own| own + 1 != order.len()) {
                spots.push(Spot::End(disk.id.clone()));
            }
        }
        spots
    }

    /// The order with the chosen partition at a place, or what speaks against it.
    ///
    /// # Errors
    /// Why it cannot be there, with the partition concerned if that is another one.
    pub fn moved_to(&self, place: &Spot) -> Result<Vec<(DeviceId, Vec<DeviceId>)>, String> {
        let (Some(machine), Some(device)) = (&self.machine, self.chosen_partition()) else { return Ok(vec![]) };
        let order = edit::moved(machine, &self.policy, &device.id, place);
        let policy = Policy { order: order.clone(), ..self.policy.clone() };
        match edit::check_order(machine, &policy) {
            Ok(()) => Ok(order),
            Err(refusal) if refusal.device == device.id => Err(refusal.reason),
            Err(refusal) => Err(format!("{}: {}", refusal.device, refusal.reason)),
        }
    }
}
