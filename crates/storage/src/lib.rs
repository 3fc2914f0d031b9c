//! Block devices of the running kernel, and storage that is made of other storage.
//!
//! Layers on disks that are not rebuilt are activated read-only, for an archive may lie on them, and a person may look at
//! them: nothing on the disks below changes, no superblock is written, no array resynchronised, no journal replayed. A
//! rebuild never assembles what it finds.
//!
//! Device nodes are made by the tools themselves (`DM_DISABLE_UDEV`, `MDADM_NO_UDEV`): the rescue system's udevd has no
//! rules that complete a cookie or assemble anything, and must not be waited for.
//!
//! | module | holds |
//! | --- | --- |
//! | [`blkid`] | what blkid prints |
//! | [`blocks`] | the graph of block devices, from sysfs and blkid |
//! | [`fields`] | what becomes of each field that is read |
//! | [`kinds`] | what they hold and what makes them: blkid's names, device-mapper's, words for people |
//! | [`mod@layer`] | a layer, and what came of activating it |
//! | [`mod@activate`] | layer upon layer, until nothing new appears |
//! | [`release`] | the way back |
//! | [`record`] | what was activated here, so that it can be released |
//! | [`md`], [`lvm`], [`luks`], [`multipath`] | one kind of layer each |
//! | [`iscsi`] | disks of a server, which are disks like others |

// A new kind of device, content, step or layer must be thought of in every place that distinguishes kinds.
#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

pub mod activate;
pub mod blkid;
pub mod blocks;
pub mod fields;
pub mod iscsi;
pub mod kinds;
pub mod layer;
pub mod luks;
pub mod lvm;
pub mod md;
pub mod multipath;
pub mod record;
pub mod release;

pub use activate::activate;
pub use blocks::{Block, Blocks};
pub use layer::{Activated, Incomplete, Layer, LayerKind, Locked, Problem, StorageError};
