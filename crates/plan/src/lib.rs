//! Pure recovery planning: machine × found hardware × policy → [`Plan`].
//!
//! Nothing here touches the system. [`fn@plan`] computes everything that will be wiped, made or resized before the first
//! byte is written; `rebuild` applies the steps. A plan prints as what a person must know before saying yes.
//!
//! | module | holds |
//! | --- | --- |
//! | [`policy`] | what may be done to it |
//! | [`step`] | [`Step`]: one action as a value |

pub mod policy;
pub mod step;

pub use policy::Policy;
pub use step::{Plan, Step, Target};
