//! Boot loaders and EFI boot entries.

use super::Work;
use crate::boot_copies;
use crate::error::PlanError;
use crate::step::Step;
use lifeboat_machine::Device;
use lifeboat_machine::boot::Loader;

impl Work<'_> {
    /// Boot loaders in their order, then EFI boot entries where the firmware has any.
    pub(super) fn boot(&self, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        for loader in &self.machine.boot.loaders {
            let disks = match loader {
                Loader::GrubBios { .. } => {
                    let disks = boot_copies::grub_disks(self.machine, loader);
                    disks.iter().map(|id| self.nodes.get(id).map(str::to_owned)).collect::<Result<_, _>>()?
                }
                Loader::GrubEfi { .. } | Loader::SystemdBoot { .. } => vec![],
            };
            steps.push(Step::InstallLoader { loader: loader.clone(), disks });
        }
        if !self.hardware.uefi {
            return Ok(());
        }
        for entry in boot_copies::efi_entries(self.machine) {
            let partition = self.machine.layout.device(&entry.device).and_then(Device::partition);
            let Some(partition) = partition else {
                return Err(PlanError::Description(format!(
                    "an EFI boot entry for {}, which is not a partition",
                    entry.device
                )));
            };
            let disk = self.nodes.get(&partition.parent)?.to_owned();
            steps.push(Step::MakeEfiEntry { entry, disk, partition: partition.number });
        }
        Ok(())
    }
}
