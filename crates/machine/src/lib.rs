//! The typed, versioned model of a protected machine, and the words that programs exchange about it.
//!
//! No I/O happens here. Everything is serialised as JSON with unknown fields denied, so that a description written by
//! a newer Lifeboat is refused by an older one instead of being half understood (design, principle 2).
//!
//! | module | holds |
//! | --- | --- |
//! | [`machine`](mod@machine) | [`Machine`]: the root of `machine.json`, its OS and hardware |
//! | [`layout`] | the graph of block devices, their contents, mounts, swap |
//! | [`filesystem`] | what mkfs needs to make the same filesystem again |
//! | [`boot`] | firmware, boot loaders, EFI boot entries, initramfs tool |
//! | [`network`] | interfaces, addresses, name servers |
//! | [`found`] | the hardware under the rescue system, as far as a plan depends on it |
//! | [`marker`] | the mark of an unfinished recovery on a disk |
//! | [`boot_list`] | what boots from a medium, outside of what its manifest covers |
//! | [`manifest`] | what binds machine, archive and rescue system together |
//! | [`netboot`] | the boot tree: what machines start from over the network |
//! | [`gpt`] | partition tables as bytes |
//! | [`stick`] | where everything is on a USB stick |
//! | [`on_disk`] | places on local disks, as sources are named |
//! | [`parameters`] | the `lifeboat.` kernel parameters |
//! | [`run`] | names in the rescue system's run directory |
//! | [`source`] | where the boot process found medium and archive |
//! | [`unattended`] | the policy of unattended runs |
//! | [`event`] | what init and recovery report, on the console and as JSON lines |
//! | `testing` | machines and hardware for tests (feature of that name) |
//! | [`bytes`] | names that need not be UTF-8, sizes for people |

// A new kind of device, content, step or layer must be thought of in every place that distinguishes kinds.
#![cfg_attr(not(test), deny(clippy::wildcard_enum_match_arm))]

pub mod boot;
pub mod boot_list;
pub mod bytes;
pub mod event;
pub mod filesystem;
pub mod found;
pub mod gpt;
pub mod iscsi;
pub mod layout;
pub mod machine;
pub mod manifest;
pub mod marker;
pub mod netboot;
pub mod network;
pub mod on_disk;
pub mod parameters;
pub mod run;
pub mod source;
pub mod stick;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod unattended;

pub use boot_list::{BootList, BootRange};
pub use bytes::Name;
pub use event::{Event, EventSink};
pub use found::{DiskContent, FoundDisk, FoundHardware};
pub use layout::{Content, Device, DeviceId, DeviceKind, Layout, Member};
pub use machine::{FormatError, Machine};
pub use manifest::{ArchiveManifest, ManifestError, MediumManifest};
pub use parameters::network::{Mac, NetworkParameters};
pub use parameters::{Mode, Parameters};
