//! Why a layout is inconsistent.

use super::group::GroupId;
use super::id::DeviceId;

/// Why a layout is inconsistent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LayoutError {
    /// An id that could not be the name of a variable.
    #[error(
        "{0:?} is not a device id: an id begins with a lower-case letter and contains lower-case letters, digits and _"
    )]
    Id(String),
    /// Two devices with one id.
    #[error("device {0} is described twice")]
    Twice(DeviceId),
    /// Two volume groups with one id.
    #[error("volume group {0} is described twice")]
    GroupTwice(GroupId),
    /// A parent that is missing or comes later.
    #[error("device {child} is made from {parent}, which is not described before it")]
    Parent {
        /// The device.
        child: DeviceId,
        /// What it refers to.
        parent: DeviceId,
    },
    /// A device that is made from another one although that one holds something else.
    #[error("device {child} is made from {parent}, which holds something else")]
    Content {
        /// The device.
        child: DeviceId,
        /// What it is made from.
        parent: DeviceId,
    },
    /// Two devices that are made from one, which can carry one only.
    #[error("both {first} and {second} are made from {parent}")]
    Claimed {
        /// What they are made from.
        parent: DeviceId,
        /// A device.
        first: DeviceId,
        /// Another one.
        second: DeviceId,
    },
    /// A device that refers to another one, which is not described or does not refer back.
    #[error("{device} belongs to {other}, which is not described or does not name it")]
    Unrequited {
        /// The device.
        device: DeviceId,
        /// What it refers to.
        other: String,
    },
    /// A device that cannot be in the place where it is described.
    #[error("{device} does not fit into {other}: {reason}")]
    Place {
        /// The device.
        device: DeviceId,
        /// Where.
        other: String,
        /// Why.
        reason: &'static str,
    },
    /// A mount of an unknown device.
    #[error("{mount_point} is mounted from {device}, which is not described")]
    Mount {
        /// The mount point.
        mount_point: String,
        /// What it refers to.
        device: DeviceId,
    },
    /// A mount of something that is no filesystem.
    #[error("{mount_point} is mounted from {device}, which holds no filesystem")]
    NoFilesystem {
        /// The mount point.
        mount_point: String,
        /// What it refers to.
        device: DeviceId,
    },
}
