//! Applies a recovery plan, step by step, through [`lifeboat_sys::Runner`].
//!
//! [`apply()`] takes one [`lifeboat_plan::Step`]; [`apply_together`] runs those of a plan in order, several at a time where none
//! concerns another. Whoever drives the recovery extracts the files at `Step::Extract`, which does nothing here. A plan that stopped anywhere is run again from its start: every step
//! begins with what it needs and leaves nothing behind that stops it the next time.
//!
//! | module | holds |
//! | --- | --- |
//! | [`mod@apply`] | one step done |
//! | [`together`] | the steps of a plan, several at a time |
//! | [`mod@reactivate`] | layers of a stopped recovery, active again |
//! | [`mod@check`] | what a plan needs, before its first step |
//! | [`trial`] | filesystems made without a disk: would mkfs do it? |
//! | [`read_back`] | what was made against what was planned |
//! | [`context`] | [`Context`]: what all steps need to know |
//! | [`secrets`] | [`Secrets`]: LUKS headers and keys, which no plan holds |
//! | [`wipe`] | clearing a disk, and the mark of an unfinished recovery |
//! | [`table`] | partition tables, waiting for partitions |
//! | [`sfdisk`] | the text of a partition table for sfdisk(8) |
//! | [`make`] | filesystems, subvolumes, swap: one module for each kind |
//! | [`mounts`] | the tree below the target directory, and what programs inside it need |
//! | [`adapt`] | fstab, boot loader configuration: names of devices that changed |
//! | `ready` | a device made ready for new content |
//! | `sysfs` | where sysfs shows a device |
//! | `times` | times that steps disturb |
//! | [`network`] | network configuration: cards that were exchanged |
//! | [`boot`] | boot loaders, EFI boot entries, initramfs |
//! | [`finish`] | what had to wait for the files |
//! | [`error`] | [`RebuildError`] |

// A new kind of device, content, step or layer must be thought of in every place that distinguishes kinds.
#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

pub mod adapt;
pub mod apply;
pub mod boot;
pub mod check;
pub mod context;
pub mod error;
pub mod finish;
pub mod make;
pub mod mounts;
pub mod network;
pub mod reactivate;
pub mod read_back;
mod ready;
pub mod secrets;
pub mod sfdisk;
mod sysfs;
pub mod table;
mod times;
pub mod together;
pub mod trial;
pub mod wipe;

pub use apply::apply;
pub use check::{NotReady, check};
pub use context::Context;
pub use error::{Difference, RebuildError};
pub use mounts::unmount_all;
pub use reactivate::reactivate;
pub use secrets::{NoSecrets, Secrets};
pub use together::{Watch, apply_together, usual_limit};
