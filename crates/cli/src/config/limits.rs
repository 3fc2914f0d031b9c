//! `[limits]`: how much of the machine and its network the work may take.

use clap::ValueEnum;
use serde::Deserialize;

/// The `[limits]` table; options on the command line win.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// KiB/s to servers.
    pub upload: Option<u32>,
    /// KiB/s from servers.
    pub download: Option<u32>,
    /// Processors that are used at most.
    pub threads: Option<u16>,
    /// How reading and writing disks yields to others.
    pub io_priority: Option<IoPriority>,
    /// zstd level of what a backup stores.
    pub compression: Option<i32>,
}

/// How reading and writing disks yields to others (ionice(1)).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IoPriority {
    /// As every program.
    Normal,
    /// After all programs with normal priority.
    Low,
    /// Only when nothing else uses the disk; on a busy machine that may be never.
    Idle,
}
