//! md arrays (md(4), mdadm(8)).
//!
//! | module | holds |
//! | --- | --- |
//! | [`mod@examine`] | what an active array is, from sysfs and mdadm |
//! | [`mod@make`] | the calls that make one |
//! | [`mod@activate`] | arrays of other disks, assembled read-only |

pub mod activate;
pub mod examine;
pub mod make;

pub use activate::activate;
pub use examine::{Examined, FoundMember, examine};
pub use make::make;
