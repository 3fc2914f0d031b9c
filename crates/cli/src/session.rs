//! What every command gets.

use crate::config::{Config, LimitsTable};
use crate::output::Reporter;
use crate::runs::Tasks;
use lifeboat_restore::stream_place::StreamAt;
use lifeboat_sys::SystemRunner;
use std::sync::Mutex;

/// One call of a command: its configuration, where it prints, how it runs programs.
pub struct Session {
    /// `/etc/lifeboat.toml`.
    pub config: Config,
    /// Where progress and results go.
    pub reporter: Reporter,
    /// Runs programs.
    pub runner: SystemRunner,
    /// How much of the machine the work may take.
    pub limits: LimitsTable,
    /// What is recorded for `status`.
    pub tasks: Tasks,
    /// Disks that are mounted for a stream, until the command ends.
    pub held: Mutex<Vec<StreamAt>>,
}
