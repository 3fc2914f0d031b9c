//! What every command gets.

use crate::config::Config;
use crate::output::Reporter;
use lifeboat_sys::SystemRunner;

/// One call of a command: its configuration, where it prints, how it runs programs.
pub struct Session {
    /// `/etc/lifeboat.toml`.
    pub config: Config,
    /// Where progress and results go.
    pub reporter: Reporter,
    /// Runs programs.
    pub runner: SystemRunner,
}
