//! Thin Linux layer: everything that touches the running system goes through here, and the only `unsafe` code is here.
//!
//! | module | holds |
//! | --- | --- |
//! | [`program`] | the one table of external programs |
//! | [`runner`] | [`Runner`]: runs them; [`SystemRunner`] for real, [`FakeRunner`] for tests |
//! | [`mount`] | mount, umount, the mount table |
//! | [`block`] | block device ioctls and sizes |
//! | [`usage`] | what a finished child used |
//! | [`modules`] | kernel modules: depmod's index, modprobe.d, loading by modalias |

pub mod block;
pub mod modules;
pub mod mount;
pub mod program;
pub mod runner;
pub mod usage;

pub use program::Program;
pub use runner::{FakeRunner, Invocation, Output, RunError, Runner, SystemRunner};
