//! What several subcommands do.

pub mod archive;
pub mod backup;
pub mod exclusion;
pub mod keys;
pub mod medium;
pub mod network;
pub mod place;
pub mod protect;
pub mod room;
pub mod snapshot;
pub mod watch;
