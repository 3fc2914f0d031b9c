//! LVM (lvm(8)).
//!
//! | module | holds |
//! | --- | --- |
//! | [`mod@examine`] | what the groups of a running machine are |
//! | `shape` | how a volume lies on physical volumes |
//! | [`metadata`] | a group's metadata as text, for vgcfgrestore(8) |
//! | [`mod@make`] | the calls that make groups and volumes |
//! | [`mod@activate`] | groups of other disks, activated read-only |

pub mod activate;
pub mod examine;
pub mod make;
pub mod metadata;
mod shape;

pub use activate::activate;
pub use examine::{ExaminedGroup, FoundPhysical, FoundVolume, examine};

use crate::layer::tool;
use lifeboat_sys::Invocation;
use lifeboat_sys::program::LVM;

/// Settings for a rescue system: nodes are made here and now (no udev, no daemon), and neither a devices file nor a filter of the
/// machine hides what is there (lvm.conf(5)).
const HERE: &str = "activation/udev_sync=0 activation/udev_rules=0 activation/monitoring=0 devices/use_devicesfile=0 \
                    global/use_lvmpolld=0 global/thin_check_executable=\"\" global/cache_check_executable=\"\" devices/filter=[\"a|.*|\"] devices/global_filter=[\"a|.*|\"]";

/// A call of lvm with these settings and more.
pub(crate) fn lvm(command: &str, more: &str) -> Invocation {
    tool(LVM).args([command, "--config", &format!("{HERE}{more}")])
}
