//! The server as a whole, over loopback, with raw requests and with restic.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod boot;
mod hostile;
mod killed;
mod limits;
mod netboot;
mod remote;
mod restic;
mod rights;
mod room;
mod store;
mod support;
