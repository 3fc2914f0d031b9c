//! md arrays.

use super::Work;
use crate::error::PlanError;
use crate::step::{ArrayDevice, Step};
use lifeboat_machine::{Device, DeviceKind, Member};

impl Work<'_> {
    /// The step that makes an array in its new size.
    pub(super) fn array(&self, device: &Device) -> Result<Step, PlanError> {
        let wrong = |what: &str| PlanError::Description(format!("{}, {what}", device.id));
        let DeviceKind::Array(array) = &device.kind else { return Err(wrong("which is no array")) };
        let members = array.members.iter().map(|member| {
            let recorded = self.machine.layout.device(&member.device).and_then(Device::member);
            let Some(Member::Array { data_offset_bytes, .. }) = recorded else {
                return Err(wrong("whose members hold something else"));
            };
            let node = self.nodes.get(&member.device)?.to_owned();
            Ok(ArrayDevice { device: node, data_offset_bytes: *data_offset_bytes })
        });
        Ok(Step::MakeArray {
            node: self.nodes.get(&device.id)?.to_owned(),
            size_bytes: device.size_bytes,
            array: array.clone(),
            members: members.collect::<Result<_, _>>()?,
        })
    }
}
