//! Builds the rescue system from a root filesystem: kernel, small initramfs with a stored `root.squashfs`, `tools.img`.
//!
//! All decisions are made here, so that init only matches and loads. Two steps, because the initramfs embeds the manifest
//! of the medium, which names the hashes of the other files:
//!
//! 1. [`build`] gathers modules, firmware and programs with their libraries, and packs `root.squashfs`;
//! 2. [`write_initramfs`] puts init, the modules that a compressed root needs, what the caller embeds, and the packed
//!    root into one cpio.
//!
//! No program of the protected machine is run: libraries are found by reading ELF, as the dynamic linker would find them.
//! Equal inputs give equal bytes.
//!
//! | module | holds |
//! | --- | --- |
//! | [`inputs`] | what to build from |
//! | [`system`] | [`build`], [`RescueSystem`] |
//! | [`initramfs`] | [`write_initramfs`] |
//! | [`sysroot`] | a root filesystem in a folder; links are followed inside it |
//! | [`tree`] | what goes into an image, and why |
//! | [`kernel`] | kernel image, release and configuration |
//! | [`rules`] | where each module travels: the initramfs, tools.img, or not at all |
//! | [`modules`] | which modules, with their dependencies; trimmed indexes |
//! | [`index`] | the binary indexes that modprobe reads |
//! | [`module_file`] | unpacking modules, reading their `.modinfo` |
//! | [`firmware`] | the firmware that modules name |
//! | [`tools`] | what goes into tools.img |
//! | [`programs`] | the table of programs for a person at 3 a.m. |
//! | [`gather`] | programs with all that they need, udev, configuration |
//! | [`elf`], [`closure`] | libraries |
//! | [`etc`] | configuration files |
//! | [`cpio`], [`squashfs`] | the formats |
//! | [`look`] | what is inside a finished image, and why |

pub mod closure;
pub mod cpio;
pub mod elf;
pub mod error;
pub mod etc;
pub mod firmware;
pub mod gather;
pub mod index;
pub mod initramfs;
pub mod inputs;
pub mod kernel;
pub mod look;
pub mod module_file;
pub mod modules;
pub mod packing;
pub mod programs;
pub mod rules;
pub mod squashfs;
pub mod sysroot;
pub mod system;
pub mod tools;
pub mod tree;

pub use closure::{MissingLibrary, check_closure};
pub use error::RescueError;
pub use initramfs::{Embedded, Initramfs, write_initramfs};
pub use inputs::{Compression, Extra, Inputs};
pub use system::{RescueSystem, Root, build};
pub use tree::Content;
