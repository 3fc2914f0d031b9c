//! Lab machines: real Debian machines, made by the scripts in `lab/` without Lifeboat, and scenarios that lose and
//! recover them. For the end-to-end tests, the demonstration and the benchmarks.
//!
//! | module | holds |
//! | --- | --- |
//! | [`machine`](mod@machine) | [`LabMachine`]: a disk, its NVRAM, its kernel |
//! | [`scenario`] | [`Scenario`]: boot, record, lose, recover, compare, boot again |
//! | [`handbook`] | the commands that README and handbook show, and where each is run |
//! | [`lock`] | [`VmLock`]: one scenario at a time on a host |

pub mod handbook;
pub mod lock;
pub mod machine;
pub mod scenario;

pub use lock::VmLock;
pub use machine::{Lab, LabMachine};
pub use scenario::{Original, Recovered, Recovery, Scenario, Target, await_event};
