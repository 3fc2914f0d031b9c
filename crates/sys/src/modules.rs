//! Kernel modules: what `depmod` wrote, what `modprobe.d` says, and loading them (modprobe(8), modprobe.d(5), depmod(8)).
//!
//! | module | holds |
//! | --- | --- |
//! | [`pattern`] | fnmatch(3) as module aliases need it, and the spelling of names |
//! | [`alias`] | [`AliasTable`]: from a modalias to module names, fast for tens of thousands of patterns |
//! | [`index`] | [`Index`]: modules.dep, .alias, .softdep, .builtin, .builtin.modinfo, .devname of one kernel release |
//! | [`config`] | [`Config`]: modprobe.d and the kernel command line |
//! | [`plan`] | [`LoadPlan`]: which modules to load for a name or modalias, in which order; a pure function |
//! | [`load`] | [`Loader`]: does it, from many threads at once |

pub mod alias;
pub mod config;
pub mod index;
pub mod load;
pub mod pattern;
pub mod plan;

pub use alias::AliasTable;
pub use config::Config;
pub use index::{Index, IndexError, Module};
pub use load::{LoadError, Loader};
pub use pattern::{fnmatch, module_name, normalise};
pub use plan::{LoadPlan, LoadStep};
