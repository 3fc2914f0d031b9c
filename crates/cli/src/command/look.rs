//! Commands that look into archives: `list`, `ls`, `find`, `diff`, `dump`, `stats`, `mount`, `browse`.

use super::from::FromArgs;
use clap::Args;
use std::path::PathBuf;

/// Which snapshots.
#[derive(Args, Clone, Debug, Default)]
pub struct SnapshotsArgs {
    /// Use only this snapshot: 'latest', or the beginning of an id; may be repeated
    #[arg(long, short = 's', value_name = "ID")]
    pub snapshot: Vec<String>,
    /// Use the snapshots of this machine
    #[arg(long, visible_alias = "host", value_name = "NAME", conflicts_with = "snapshot")]
    pub machine: Option<String>,
    /// Use the snapshots of all machines
    #[arg(long, conflicts_with_all = ["snapshot", "machine"])]
    pub all_machines: bool,
}

/// `list`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct ListArgs {
    #[command(flatten)]
    pub from: FromArgs,
    /// List only snapshots of this machine; not with --long, where the snapshot says it
    #[arg(long, visible_alias = "host", value_name = "NAME", conflicts_with = "long")]
    pub machine: Option<String>,
    /// List what is in a snapshot, as 'lifeboat ls' does: SNAPSHOT [PATH]...
    #[arg(long, short = 'l')]
    pub long: bool,
    /// With --long: the snapshot ('latest', or the beginning of an id), then paths in it
    #[arg(value_name = "SNAPSHOT", requires = "long")]
    pub what: Vec<String>,
}

/// What the help of `list` ends with.
pub const LIST_NOTE: &str = "\
DISK is what the files took on the machine's disks, SIZE what their lengths add up to, NEW what the repository grew by.";

/// `ls`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct LsArgs {
    /// The snapshot, 'latest' or the beginning of an id [default: latest], then absolute paths in it [default: /]
    #[arg(value_name = "SNAPSHOT")]
    pub what: Vec<String>,
    #[command(flatten)]
    pub from: FromArgs,
    /// Show one line for each entry, with mode, owner, size and time
    #[arg(long, short = 'l')]
    pub long: bool,
    /// List everything below, too
    #[arg(long, short = 'R')]
    pub recursive: bool,
    /// Show a folder itself instead of what is in it
    #[arg(long, short = 'd')]
    pub directory: bool,
    /// Show numbers instead of the names that the archived machine has for owners and groups
    #[arg(long, short = 'n')]
    pub numeric: bool,
}

/// `find`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct FindArgs {
    /// Names or paths to find; * and ? stand for characters of a name, ** for any folders
    #[arg(value_name = "PATTERN", required = true)]
    pub patterns: Vec<String>,
    #[command(flatten)]
    pub from: FromArgs,
    #[command(flatten)]
    pub which: SnapshotsArgs,
    /// Ignore the difference between upper and lower case
    #[arg(long, short = 'i', visible_alias = "iname")]
    pub ignore_case: bool,
    /// Show one line for each entry, with mode, owner, size and time
    #[arg(long, short = 'l')]
    pub long: bool,
    /// Find only entries that were modified at this time or later, e.g. 2026-11-30 or '2026-11-30 14:00'
    #[arg(long, value_name = "TIME")]
    pub oldest: Option<String>,
    /// Find only entries that were modified at this time or earlier
    #[arg(long, value_name = "TIME")]
    pub newest: Option<String>,
    /// Find only files of this size or more, e.g. 100M
    #[arg(long, value_name = "SIZE")]
    pub larger: Option<String>,
    /// Find only files of this size or less
    #[arg(long, value_name = "SIZE")]
    pub smaller: Option<String>,
}

/// `diff`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct DiffArgs {
    /// The older snapshot
    #[arg(value_name = "A")]
    pub old: String,
    /// The newer snapshot
    #[arg(value_name = "B")]
    pub new: String,
    /// Compare only this path and what is below it
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,
    #[command(flatten)]
    pub from: FromArgs,
    /// Show only what came, went, or has other content; not what differs in mode, owner, times or attributes alone
    #[arg(long)]
    pub content: bool,
}

/// What the help of `diff` ends with.
pub const DIFF_NOTE: &str = "\
Signs: + only in B, - only in A, M other content, U other metadata, T another type of entry.
Exit code 4 says that there are differences, 0 that there are none.";

/// `dump`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct DumpArgs {
    /// The snapshot: 'latest', or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub snapshot: String,
    /// The file or folder, as an absolute path
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    #[command(flatten)]
    pub from: FromArgs,
    /// Write to this new file instead of standard output
    #[arg(long, short = 't', visible_alias = "out", value_name = "FILE")]
    pub target: Option<PathBuf>,
    /// Write a single file as a tar archive, too
    #[arg(long)]
    pub tar: bool,
}

/// `stats`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct StatsArgs {
    #[command(flatten)]
    pub from: FromArgs,
    #[command(flatten)]
    pub which: SnapshotsArgs,
}

/// What the help of `stats` ends with.
pub const STATS_NOTE: &str = "\
SIZE is what the lengths of all files add up to, DATA the same without holes and with hard links once, STORED what that takes in
the repository, OWN the part of it that no other listed snapshot needs.";

/// `mount`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct MountArgs {
    /// The folder in which they are shown; it must be empty
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    #[command(flatten)]
    pub from: FromArgs,
    #[command(flatten)]
    pub which: SnapshotsArgs,
    /// Let other users look in, as far as the modes of the files allow; for snapshots of this machine alone
    #[arg(long)]
    pub allow_other: bool,
    /// Memory for decoded content
    #[arg(long, value_name = "MIB", default_value_t = 128)]
    pub cache: u32,
}

/// What the help of `mount` ends with.
pub const MOUNT_NOTE: &str = "\
It has a folder for each machine, in it one for each snapshot and 'latest'; cp -a keeps attributes and holes. The folder is read-only, and set-id
bits and devices have no effect in it. It needs root or the package fuse3.";

/// `browse`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct BrowseArgs {
    #[command(flatten)]
    pub from: FromArgs,
    /// Offer this folder as the place to restore to
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
}
