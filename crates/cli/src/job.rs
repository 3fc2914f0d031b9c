//! What several subcommands do.

pub mod archive;
pub mod backup;
pub mod keys;
pub mod medium;
pub mod network;
pub mod protect;
pub mod room;
