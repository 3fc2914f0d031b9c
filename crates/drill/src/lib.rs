//! Rehearsed recoveries in virtual machines, and the harness that the end-to-end tests share with them.
//!
//! | module | holds |
//! | --- | --- |
//! | [`vm`] | QEMU machines: description, console, events, monitor |
//! | [`guest`] | a shell in a guest, files in and out |
//! | [`lab`] | lab machines and scenarios for tests, the demonstration and the benchmarks |
//! | [`error`] | [`DrillError`] |

pub mod error;
pub mod guest;
pub mod lab;
pub mod vm;

pub use error::DrillError;
