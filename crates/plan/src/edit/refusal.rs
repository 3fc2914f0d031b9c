//! Why a change of a partition cannot be made.

use crate::error::PlanError;
use lifeboat_machine::DeviceId;

/// Why a change of a partition cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The partition.
    pub device: DeviceId,
    /// Why, and what would do.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn of(device: &DeviceId, reason: impl Into<String>) -> Refusal {
        Refusal { device: device.clone(), reason: reason.into() }
    }
}

impl From<Refusal> for PlanError {
    fn from(Refusal { device, reason }: Refusal) -> PlanError {
        PlanError::Edit { device, reason }
    }
}
