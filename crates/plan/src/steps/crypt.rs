//! LUKS.

use super::Work;
use crate::error::PlanError;
use crate::step::Step;
use lifeboat_machine::Device;
use lifeboat_machine::layout::Crypt;

impl Work<'_> {
    /// The step that opens a device whose header is back.
    pub(super) fn mapping(&self, device: &Device, crypt: &Crypt) -> Result<Step, PlanError> {
        let wrong = |what: &str| PlanError::Description(format!("{}, {what}", device.id));
        let Some((new, _)) = self.laid.made(&device.id) else { return Err(wrong("which was not laid out")) };
        let header = self.machine.layout.luks_header(crypt).ok_or_else(|| wrong("a mapping of what is not LUKS"))?;
        Ok(Step::OpenLuks {
            device: self.nodes.get(&crypt.parent)?.to_owned(),
            uuid: header.uuid.clone(),
            name: crypt.name.clone(),
            node: self.nodes.get(&device.id)?.to_owned(),
            size_bytes: new.size_bytes,
        })
    }
}
