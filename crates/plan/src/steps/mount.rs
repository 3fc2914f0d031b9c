//! Mounts below the target directory.

use super::Work;
use crate::error::PlanError;
use crate::step::Step;
use lifeboat_machine::Device;
use lifeboat_machine::layout::JournalKind;

impl Work<'_> {
    /// All mounts that were recorded, parents first.
    pub(super) fn mounts(&self, steps: &mut Vec<Step>) -> Result<(), PlanError> {
        for mount in &self.machine.layout.mounts {
            let device = self.nodes.get(&mount.device)?.to_owned();
            let Some(filesystem) = self.machine.layout.device(&mount.device).and_then(Device::filesystem) else {
                return Err(PlanError::Description(format!("a mount of {}, which holds no filesystem", mount.device)));
            };
            // What was mounted read-only must be written now all the same.
            let kept = |option: &&String| *option != "ro" && !option.starts_with("logdev=");
            let mut options: Vec<String> = mount.options.iter().filter(kept).cloned().collect();
            for (kind, journal) in filesystem.further() {
                if kind == JournalKind::XfsLog {
                    options.push(format!("logdev={}", self.nodes.get(journal)?));
                }
            }
            steps.push(Step::Mount {
                device,
                mount_point: mount.mount_point.clone(),
                kind: filesystem.options.mount_type().to_owned(),
                options,
                subvolume: mount.subvolume.clone(),
            });
        }
        Ok(())
    }
}
