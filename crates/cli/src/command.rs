//! The whole command line. Help texts are written for someone who reads them under stress: what it does first, then what
//! it needs.

mod dev;
pub mod examples;
mod from;
mod groups;
mod key;
mod layout;
mod limits;
mod look;
mod media;
mod parts;
mod policy;
mod restore;
mod retention;
mod routine;
mod serve;
mod storage;
pub mod words;

pub use dev::{DevCommand, DevImageArgs, DevShowArgs};
pub use from::{FromArgs, KeyArgs};
pub use key::{KeyAddArgs, KeyCommand, KeyFileArgs, KeyRemoveArgs, KeyShowArgs};
pub use layout::{LayoutEditArgs, MoveArgs};
pub use limits::LimitArgs;
pub use look::{BrowseArgs, DiffArgs, DumpArgs, FindArgs, ListArgs, LsArgs, MountArgs, SnapshotsArgs, StatsArgs};
pub use media::{IsoArgs, LabelArgs, MediaCommand, MediumArgs, NetbootArgs, SetArgs, TapeArgs, UsbArgs};
pub use parts::{ExcludeArgs, SysrootArgs};
pub use policy::{MenuMode, PolicyArgs};
pub use restore::{CompareArgs, OverwriteMode, RecoveryStage, RestoreArgs};
pub use retention::{CopyArgs, ForgetArgs, KeepArgs, PruneArgs, PruneLimitArgs, StoreArgs, count};
pub use routine::{NotifyArgs, RefreshArgs, ScheduleArgs, StatusArgs};
pub use serve::ServeArgs;
pub use storage::{StorageActivateArgs, StorageCommand, StorageLoginArgs, StorageUnlockArgs};

use crate::config::LEVELS;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use lifeboat_remote::pinned::Fingerprint;
use std::path::PathBuf;

/// Shown by `lifeboat` without arguments.
pub const INTRODUCTION: &str = "\
Lifeboat brings a dead Linux machine back. It backs a running machine up, builds rescue media from the machine's own
kernel and tools, and from such a medium rebuilds the disks, restores the files and makes the result boot.

The three commands that matter:
  lifeboat check                     can this machine be protected?
  lifeboat rescue --out rescue.iso   check, backup, and one bootable medium with everything
  lifeboat drill rescue.iso          rehearse the recovery in a virtual machine

Every day: lifeboat schedule turns on what runs by itself, lifeboat status says whether all is well.

'lifeboat help' lists all commands, 'lifeboat help COMMAND' explains one.
";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, about = "Bare-metal backup and recovery for Linux", propagate_version = false)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 refused (nothing was touched), 4 differences found, or something overdue, \
5 done but some entries could not be read or restored."
)]
pub struct Cli {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitArgs,
    /// Log more to standard error; given twice, log the programs that are run as well
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Write JSON lines instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Read this configuration instead of /etc/lifeboat.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Know an HTTPS server by the SHA-256 fingerprint of its certificate, as 'lifeboat serve' prints it, and by nothing else
    #[arg(long, global = true, value_name = "SHA256", value_parser = |text: &str| text.parse::<Fingerprint>())]
    pub tls_fingerprint: Option<Fingerprint>,
    /// What to do
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check whether this machine can be protected; each refusal comes with its reason and remedy
    Check(CheckArgs),
    /// Save all local filesystems and the machine's description into a repository
    Backup(BackupArgs),
    /// List the snapshots of a repository or medium
    #[command(visible_alias = "snapshots", after_help = look::LIST_NOTE)]
    List(ListArgs),
    /// List what is in a snapshot
    Ls(LsArgs),
    /// Find files in snapshots by name, time or size
    Find(FindArgs),
    /// Show what changed from one snapshot to another
    #[command(after_help = look::DIFF_NOTE)]
    Diff(DiffArgs),
    /// Write a file of a snapshot, or a folder as a tar archive, to standard output
    Dump(DumpArgs),
    /// Show what snapshots hold, and what that takes in the repository
    #[command(after_help = look::STATS_NOTE)]
    Stats(StatsArgs),
    /// Show snapshots as a folder, read-only
    #[command(after_help = look::MOUNT_NOTE)]
    Mount(MountArgs),
    /// Search a snapshot on the screen and restore what is chosen
    Browse(BrowseArgs),
    /// Build a recovery medium
    #[command(subcommand)]
    Media(MediaCommand),
    /// Check, backup, and one bootable medium with everything, in one go
    Rescue(RescueArgs),
    /// Show the storage layout, the plan for this hardware, or what changed since a backup
    #[command(subcommand)]
    Layout(LayoutCommand),
    /// Restore files on a running machine, or the whole machine in the rescue system
    Restore(RestoreArgs),
    /// Compare an archive with this machine
    Compare(CompareArgs),
    /// Read every byte of an archive and check it against its manifest
    Verify(FromArgs),
    /// Remove snapshots by rules, or by their ids
    #[command(after_help = retention::FORGET_NOTE)]
    Forget(ForgetArgs),
    /// Free the room of what no snapshot needs, in two runs
    #[command(after_help = retention::PRUNE_NOTE)]
    Prune(PruneArgs),
    /// Copy snapshots into another repository
    #[command(after_help = retention::COPY_NOTE)]
    Copy(CopyArgs),
    /// Rehearse a recovery from a medium in a virtual machine
    Drill(DrillArgs),
    /// Say how old backup, medium and rehearsal are, whether the layout still fits, and what is overdue
    Status(StatusArgs),
    /// Turn on what runs by itself, as [schedule] in /etc/lifeboat.toml has it
    Schedule(ScheduleArgs),
    /// Report a failed unit by mail or webhook, or send a test message
    Notify(NotifyArgs),
    /// Serve a room of machines: their archives, what they boot from, and a status page
    Serve(ServeArgs),
    /// Save the logs of the rescue system to a folder, a device or a server
    Logs(LogsArgs),
    /// Create, show, add and remove repository keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// In the rescue system: md arrays, LVM, LUKS and multipath, read-only
    #[command(subcommand)]
    Storage(StorageCommand),
    /// Look inside images (for developers)
    #[command(subcommand, hide = true)]
    Dev(DevCommand),
}

/// `check`
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub sysroot: SysrootArgs,
}

/// `backup`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct BackupArgs {
    /// The repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; usb or usb:ID for a stick of 'media usb'; or a stream: stream:FILE,
    /// stream:DIR/NAME,size=650M for files of that size, stream:- for standard output, or tape:/dev/nst0
    #[arg(long, value_name = "REPO")]
    pub to: Option<String>,
    /// Make the repository when there is none. Without it a missing one is an error: its disk or share may not be mounted
    #[arg(long)]
    pub init: bool,
    /// With --init: make it even on a filesystem that is being backed up, with which it would be lost
    #[arg(long, requires = "init")]
    pub own_disk: bool,
    #[command(flatten)]
    pub sysroot: SysrootArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub exclude: ExcludeArgs,
    /// Use this machine description instead of probing (for a root filesystem in a folder)
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    /// Overwrite a tape that holds something
    #[arg(long)]
    pub force: bool,
    /// How long to wait while another program holds the repository exclusively, as `restic prune` does
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    pub wait_lock: u32,
    /// Show what would be saved and left out, and whether there is room; nothing is written
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    /// zstd level of what is stored, -7 (fast) to 22 (small) [default: 1, of a stream 3]
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(i64::from(*LEVELS.start())..=i64::from(*LEVELS.end())))]
    pub compression: Option<i32>,
}

/// `rescue`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct RescueArgs {
    /// The image to write
    #[arg(long, value_name = "FILE.iso")]
    pub out: PathBuf,
    /// Use this machine description instead of probing (for a root filesystem in a folder)
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    /// Show what would be saved and left out, and whether there is room; nothing is written
    #[arg(long, short = 'n')]
    pub dry_run: bool,
    #[command(flatten)]
    pub medium: MediumArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub exclude: ExcludeArgs,
}

/// `layout`
#[derive(Debug, Subcommand)]
pub enum LayoutCommand {
    /// The machine as text, or as JSON with --json
    Show(LayoutShowArgs),
    /// What a recovery would do to this hardware; nothing is touched
    #[command(after_help = layout::PLAN_NOTE)]
    Plan(LayoutPlanArgs),
    /// What changed since the machine was recorded
    Diff(LayoutDiffArgs),
    /// Write a description with another layout: RAID, LVM or encryption more or less, other disks; in $EDITOR without a move
    Edit(LayoutEditArgs),
}

/// `layout show`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct LayoutShowArgs {
    #[command(flatten)]
    pub sysroot: SysrootArgs,
    /// Show the machine of an archive or medium instead of this one
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Show the machine of this snapshot instead of the latest
    #[arg(long, value_name = "ID", requires = "from")]
    pub snapshot: Option<String>,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `layout plan`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct LayoutPlanArgs {
    /// The archive or medium whose machine is to be recovered
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Plan for this snapshot instead of the latest
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// Plan for the layout of this description, which 'lifeboat layout edit' wrote; without --from for this machine
    #[arg(long, value_name = "FILE")]
    pub layout: Option<PathBuf>,
    /// Plan for the disks of this description instead of those that are here: sizes, sector sizes, serial numbers as JSON; or for an
    /// edited machine description with its own disks, of which --layout takes the disks alone. Without --from for this machine
    #[arg(long, value_name = "FILE")]
    pub onto: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `layout diff`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct LayoutDiffArgs {
    /// The archive or medium to compare with
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Compare with this snapshot instead of the latest
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// Only the storage layout: disks, partitions, volumes, filesystems, mounts; not kernel, boot loader or network
    #[arg(long)]
    pub storage: bool,
    #[command(flatten)]
    pub sysroot: SysrootArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `drill`
#[derive(Args, Clone, Debug)]
pub struct DrillArgs {
    /// The medium [default: 'medium_file' in [schedule]]
    #[arg(value_name = "MEDIUM")]
    pub medium: Option<PathBuf>,
    /// Folder for the report: report.txt, report.json, report.html [default: lifeboat-drill, or /var/lib/lifeboat/drill for the
    /// medium of the routine]
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Memory of the virtual machine in MiB
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    pub memory: u32,
    /// Command to run in the recovered machine; the drill passes when it ends with 0. Needs a shell on the serial console
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
    /// Text that the recovered machine shows on its serial console when it has booted [default: its login prompt]
    #[arg(long, value_name = "REGEX", conflicts_with = "command")]
    pub expect: Option<String>,
    /// Folder for the virtual machine's disks; needs as much room as the restored files
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub work_dir: PathBuf,
    /// Make the disks this many times as large as the machine's
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub size_factor: f64,
    /// Plug the medium in as a USB stick instead of a disc
    #[arg(long)]
    pub stick: bool,
    /// Seconds that the whole drill may take
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub deadline: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub key: KeyArgs,
}

/// `logs`
#[derive(Args, Clone, Debug)]
pub struct LogsArgs {
    /// Where to save them, in a new folder: a folder, a block device with a filesystem, or nfs://, smb://, sftp:// or s3://. No key is among
    /// them
    #[arg(long, value_name = "PLACE")]
    pub to: String,
}

/// The whole command line as clap sees it; man pages and completions are generated from it.
pub fn command() -> clap::Command {
    examples::added(groups::grouped(Cli::command()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
