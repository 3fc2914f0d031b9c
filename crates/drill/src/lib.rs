//! Rehearsed recoveries in virtual machines, and the harness that the end-to-end tests share with them.
//!
//! [`drill`] does a rehearsal: read the [`medium`], boot it against blank disks, follow the recovery, boot the result,
//! write the [`report`].
//!
//! | module | holds |
//! | --- | --- |
//! | [`rehearsal`] | [`drill`]: the whole rehearsal |
//! | [`medium`] | machine, manifest and boot menu of a medium |
//! | [`chooser`] | an entry of its menu chosen over the serial line |
//! | [`phases`] | what happened when, from events |
//! | [`report`], [`html`] | the result as text, JSON and HTML |
//! | [`vm`] | QEMU machines: description, console, events, monitor |
//! | [`guest`] | a shell in a guest, files in and out |
//! | [`lab`] | lab machines and scenarios for tests, the demonstration and the benchmarks |
//! | [`error`] | [`DrillError`] |

pub mod chooser;
pub mod error;
pub mod guest;
pub mod html;
pub mod lab;
pub mod medium;
pub mod phases;
pub mod rehearsal;
pub mod report;
pub mod vm;

pub use error::DrillError;
pub use rehearsal::{DrillOptions, Progress, Proof, drill};
pub use report::DrillReport;
