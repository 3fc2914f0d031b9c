//! Reads a running machine into a [`Machine`](lifeboat_machine::Machine), and the rescue system's hardware into
//! [`FoundHardware`](lifeboat_machine::FoundHardware).
//!
//! Everything that Lifeboat could not rebuild is a [`Refusal`] with its name and remedy, never left out silently. The
//! parsers are pure functions over text and bytes; what they are given is read by the files that bear a verb's work:
//! [`fn@probe`] and [`found_hardware`].
//!
//! | module | holds |
//! | --- | --- |
//! | `sysroot` | [`Sysroot`]: files of a system below a directory |
//! | `report` | [`Probed`], [`Refusal`], [`ProbeError`] |
//! | `prober` | what reading needs; little helpers for bytes |
//! | `probe` | [`fn@probe`]: brings everything together |
//! | `identity`, `hardware_path` | what distinguishes disks, from sysfs alone |
//! | `table` | partition tables: sfdisk's JSON, the first sector |
//! | `signature` | blkid's answers |
//! | `used`, `layout`, `content` | what is in use; its disks, their partitions and what those hold |
//! | `arrays`, `groups`, `crypts` | md arrays, volume groups and LUKS mappings on those disks |
//! | `left_out` | disks that a person leaves out |
//! | `further` | the other devices of filesystems that have several |
//! | [`mod@fields`] | what becomes of each field that is read |
//! | `ext`, `xfs`, `vfat`, `btrfs`, `subvolumes` | what mkfs needs to know, per filesystem |
//! | `swap` | swap headers, /proc/swaps, fstab |
//! | `mounts`, `again` | which mounts are real, visible and local; where their files show once more |
//! | `boot`, `loaders`, `efi` | firmware, boot loaders, EFI variables |
//! | `network`, `hardware`, `os` | how it is reached, what it is, what runs |
//! | `device` | [`content_of`], [`table_of`]: one device, unmounted |
//! | `bearers` | [`bearers()`]: who bears a UUID now |
//! | `found` | [`found_hardware`] |

mod again;
mod arrays;
mod bearers;
mod boot;
mod btrfs;
mod content;
mod crypts;
mod device;
mod efi;
mod ext;
pub mod fields;
mod found;
mod further;
mod groups;
mod hardware;
mod hardware_path;
mod identity;
mod layout;
mod left_out;
mod loaders;
mod mounts;
mod network;
mod os;
mod probe;
mod prober;
mod report;
mod signature;
mod subvolumes;
mod swap;
mod sysroot;
mod table;
mod used;
mod vfat;
mod xfs;

#[cfg(test)]
mod fake_host;
#[cfg(test)]
mod scenarios;

pub use bearers::{Bearer, bearers};
pub use device::{content_of, table_of};
pub use found::{found_hardware, has_module, has_raid_level, mountable};
pub use hardware::modaliases;
pub use os::identity;
pub use probe::{probe, probe_with};
pub use prober::Options;
pub use report::{ProbeError, Probed, Refusal, Remedy};
pub use sysroot::Sysroot;
