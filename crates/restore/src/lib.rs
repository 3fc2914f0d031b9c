//! Drives a recovery: source → plan → rebuild → extract → make bootable → verify. Reports through
//! [`machine::EventSink`](lifeboat_machine::EventSink); it prints nothing and asks nothing itself.
//!
//! | module | holds |
//! | --- | --- |
//! | [`view`] | the files of a medium wherever it is, and the check that they are unchanged |
//! | [`boot`], [`efi`] | the check of what boots from it |
//! | [`medium`] | a medium: its manifest and machine, the check that every byte is unchanged |
//! | [`source`] | where an archive is: repository, medium file, device or mount point, place on a disk, address |
//! | [`on_disk`] | places on local disks |
//! | [`stick`], [`stick_mounts`] | sticks and images of them |
//! | [`stacks`] | md, LVM, LUKS and multipath below an archive: activated for it, released before disks are written |
//! | [`network`] | what is needed to open addresses |
//! | [`rescue`] | what the boot process left for us: parameters, embedded manifest, source |
//! | [`located_archive`] | the archive of a recovery, on the medium or elsewhere |
//! | [`archived`] | one backup in it: a snapshot, or the set of a stream |
//! | [`proof`] | the proof, before anything is wiped, that it can be restored |
//! | [`stream_name`], [`stream_place`] | where a stream is: files, a place on a disk, tapes, discs |
//! | [`discs`] | discs of a set in drives, waited for one after the other |
//! | [`mod@snapshot`] | what a snapshot says about itself, and whether it can be recovered here |
//! | [`room`] | the room that restored files need |
//! | [`startable`] | whether a backup has what its machine starts from |
//! | [`edited`] | a machine that comes back on another layout than it had |
//! | [`recovery`] | [`Recovery`]: the stages of a whole-machine recovery, each callable alone |
//! | [`keyring`] | [`Keyring`]: headers and keys of the machine's LUKS devices |
//! | [`steps`] | the steps of a plan as they are told and written down |
//! | [`journal`] | how far a recovery came: what resuming needs |
//! | [`nuke`] | the unattended mode |
//! | [`session`] | [`Session`]: what a person does in the interactive mode, one call a step; [`listed`]: the files that it lists |
//! | [`archive_places`], [`logs`], [`keyboard`] | what else it needs: other devices, saved logs, keyboard layouts |
//! | [`compare`] | the compare mode: archive against disks, read-only |
//! | [`clock`] | the machine's clock against the age of an archive |
//! | [`observe`] | turns the archive's progress into events |
//! | [`pace`] | how often progress is reported |
//! | [`failure`] | [`Failure`]: why a recovery stopped, and whether anything was touched |
//!
//! The archive is checked to be readable before anything is wiped (design, principle 3): [`medium::Medium::verify`]
//! reads every byte of the medium, then the repository is opened and its description compared with the embedded one.

pub mod archive_places;
pub mod archived;
pub mod boot;
mod boot_server;
pub mod clock;
pub mod compare;
pub mod discs;
pub mod edited;
pub mod efi;
pub mod failure;
pub mod journal;
pub mod keyboard;
pub mod keyring;
pub mod listed;
pub mod located_archive;
pub mod logs;
pub mod medium;
mod mounted;
pub mod network;
pub mod nuke;
pub mod observe;
pub mod on_disk;
pub mod pace;
pub mod proof;
pub mod recovery;
pub mod rescue;
pub mod room;
pub mod session;
pub mod snapshot;
pub mod source;
pub mod stacks;
pub mod startable;
pub mod steps;
pub mod stick;
pub mod stick_mounts;
pub mod stream_name;
pub mod stream_place;
pub mod view;

pub use failure::{Disks, Failure};
pub use journal::{Journal, Part};
pub use keyring::Keyring;
pub use lifeboat_sys::Runner;
pub use medium::Medium;
pub use mounted::Mounted;
pub use network::Network;
pub use recovery::Recovery;
pub use session::Session;
pub use source::Source;
pub use stacks::Stacks;
pub use stick::Stick;
