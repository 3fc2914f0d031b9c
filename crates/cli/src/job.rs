//! What several subcommands do.

pub mod advice;
pub mod archive;
pub mod backup;
pub mod boot_check;
pub mod compared;
pub mod exclusion;
pub mod failure;
pub mod headers;
pub mod keys;
pub mod medium;
pub mod medium_repository;
pub mod medium_room;
pub mod network;
pub mod place;
pub mod protect;
pub mod restored;
pub mod room;
pub mod scratch;
pub mod signing;
pub mod snapshot;
pub mod stream;
pub mod tapes;
pub mod watch;
