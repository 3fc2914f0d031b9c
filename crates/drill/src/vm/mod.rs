//! Virtual machines: QEMU with a serial console, an event port and a monitor.
//!
//! | module | holds |
//! | --- | --- |
//! | [`spec`] | [`VmSpec`]: what a machine is made of |
//! | [`arguments`] | the same as QEMU's command line |
//! | [`acceleration`] | hardware virtualisation or emulation, by trying |
//! | [`machine`](mod@machine) | [`Vm`]: a running machine |
//! | [`console`], [`pattern`], [`terminal`] | the serial line: wait for text, type |
//! | [`event_port`] | events of the rescue system |
//! | [`qmp`] | QEMU's monitor: screenshots, keys, reset, eject |
//! | [`keys`] | an owner's key in the firmware |
//! | [`image`] | blank disks and overlays |

pub mod acceleration;
pub mod arguments;
pub mod console;
pub mod event_port;
pub mod image;
pub mod keys;
pub mod machine;
pub mod pattern;
mod probe;
pub mod qmp;
pub mod spec;
pub mod terminal;

pub use acceleration::Acceleration;
pub use arguments::DISC_DRIVE;
pub use console::{Console, Match};
pub use event_port::{Arrived, EventPort};
pub use machine::Vm;
pub use pattern::Pattern;
pub use qmp::Qmp;
pub use spec::{Board, BootFrom, Controller, DirectKernel, Format, Nic, VmDisk, VmFirmware, VmSpec};
