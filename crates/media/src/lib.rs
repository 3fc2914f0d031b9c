//! Writes recovery media: hybrid ISO images for discs and USB sticks, and sticks that are written again; for BIOS and UEFI.
//!
//! | module | holds |
//! | --- | --- |
//! | [`iso`] | [`write_iso`]: the whole of an image |
//! | [`stick`] | a disk that boots and holds a repository |
//! | [`netboot`] | the boot tree |
//! | `netboot_menu`, `ipxe` | its menus for GRUB and for iPXE |
//! | [`menu`] | [`Menu`]: what the boot menu offers, as values and as grub.cfg |
//! | [`inherited`] | which kernel parameters of the machine the rescue system has, too |
//! | [`grub`] | boot loaders found in a root filesystem, and core images made from them |
//! | [`signed`] | what UEFI starts, as one signed program |
//! | [`esp`] | the EFI system partition as a FAT image |
//! | [`el_torito`] | reading an image back: does firmware find what it needs? |
//! | [`boot_list`] | the list of what boots, written into the finished image |
//! | [`digest`] | sizes and hashes of the files of a medium, for its manifest |
//! | [`by_hand`] | RECOVER-BY-HAND.txt |
//! | [`by_hand_filesystems`] | its lines that make filesystems |
//! | [`label`] | the page for the case of a medium |
//! | [`identity`] | labels, names of files and UUIDs of discs |
//! | [`set`] | the discs of a set behind the first |
//! | [`set_by_hand`] | RECOVER-BY-HAND.txt of a set |
//! | [`burn`] | burning discs |
//! | `read_back` | compares what was written with what it was made from |
//! | [`progress`] | how far the image is |
//! | [`error`] | [`MediaError`] |

pub mod boot_list;
pub mod burn;
pub mod by_hand;
mod by_hand_filesystems;
pub mod by_hand_layers;
mod by_hand_words;
pub mod digest;
pub mod el_torito;
pub mod error;
pub mod esp;
pub mod grub;
pub mod identity;
pub mod inherited;
mod ipxe;
pub mod iso;
pub mod label;
pub mod menu;
pub mod netboot;
mod netboot_menu;
pub mod progress;
mod read_back;
pub mod set;
pub mod set_by_hand;
pub mod signed;
pub mod stick;

pub use boot_list::Seal;
pub use by_hand::recover_by_hand;
pub use digest::{digest_files, digest_tree};
pub use error::MediaError;
pub use identity::Identity;
pub use iso::{IsoReport, MediumInputs, image_bytes, program_bytes, volume_id, write_iso};
pub use menu::{Menu, MenuEntry, MenuOptions};
pub use progress::Progress;
pub use signed::Signing;
