//! The whole command line. Help texts are written for someone who reads them under stress: what it does first, then what
//! it needs.

mod dev;
mod from;
mod key;
mod storage;

pub use dev::{DevCommand, DevImageArgs, DevShowArgs};
pub use from::{FromArgs, KeyArgs};
pub use key::{KeyAddArgs, KeyCommand, KeyFileArgs, KeyRemoveArgs, KeyShowArgs};
pub use storage::{StorageActivateArgs, StorageCommand, StorageLoginArgs, StorageUnlockArgs};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Shown by `lifeboat` without arguments.
pub const INTRODUCTION: &str = "\
Lifeboat brings a dead Linux machine back. It backs a running machine up, builds rescue media from the machine's own
kernel and tools, and from such a medium rebuilds the disks, restores the files and makes the result boot.

The three commands that matter:
  lifeboat check                     can this machine be protected?
  lifeboat rescue --out rescue.iso   check, backup, and one bootable medium with everything
  lifeboat drill rescue.iso          rehearse the recovery in a virtual machine

'lifeboat help' lists all commands, 'lifeboat help COMMAND' explains one.
";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, about = "Bare-metal backup and recovery for Linux", propagate_version = false)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 refused (nothing was touched), 4 differences found, \
5 done but some entries could not be read or restored.")]
pub struct Cli {
    /// Log more to standard error; given twice, log the programs that are run as well
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// Write JSON lines instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Read this configuration instead of /etc/lifeboat.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
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
    List(FromArgs),
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
    /// Rehearse a recovery from a medium in a virtual machine
    Drill(DrillArgs),
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

/// Reads another root than the running system's.
#[derive(Args, Clone, Debug)]
pub struct SysrootArgs {
    /// Work on the root filesystem in this folder: kernel, modules and programs are taken from there
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub sysroot: PathBuf,
}

/// What a backup leaves out.
#[derive(Args, Clone, Debug)]
pub struct ExcludeArgs {
    /// Leave this path out, with everything below it; may be repeated
    #[arg(long, value_name = "PATH")]
    pub exclude: Vec<PathBuf>,
    /// Keep this directory but leave out what it holds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub exclude_contents: Vec<PathBuf>,
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
    /// The repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a stream: stream:FILE,
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
}

/// `media`
#[derive(Debug, Subcommand)]
pub enum MediaCommand {
    /// A disc image that boots on BIOS and UEFI, from discs and USB sticks
    Iso(IsoArgs),
}

/// What every medium takes.
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct MediumArgs {
    #[command(flatten)]
    pub sysroot: SysrootArgs,
    /// Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke
    #[arg(long)]
    pub embed_key: bool,
    /// Kernel release to boot [default: the running one, or the newest below --sysroot]
    #[arg(long, value_name = "RELEASE")]
    pub kernel: Option<String>,
    /// Mode that the menu starts by itself; nuke erases disks without asking
    #[arg(long, value_name = "MODE", value_enum, default_value_t = MenuMode::Interactive)]
    pub mode: MenuMode,
    /// Seconds before the menu starts its default [default: 30 for a harmless one, 10 for --mode]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u32>,
    /// More kernel parameters, e.g. "lifeboat.after=poweroff"; may be repeated
    #[arg(long, value_name = "PARAMETERS", allow_hyphen_values = true)]
    pub append: Vec<String>,
    /// Leave firmware files out of the rescue system
    #[arg(long)]
    pub no_firmware: bool,
    /// zstd level of the rescue system, 1 to 22
    #[arg(long, value_name = "LEVEL", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=22))]
    pub compression: u32,
    /// Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when
    /// /var/tmp is too small]
    #[arg(long, value_name = "DIR")]
    pub work_dir: Option<PathBuf>,
    /// Replace an existing image
    #[arg(long)]
    pub force: bool,
}

/// The modes that a menu can start by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MenuMode {
    /// Guided recovery on the screen or a serial console
    Interactive,
    /// Unattended recovery
    Nuke,
    /// Archive against disks, read-only
    Compare,
    /// A shell
    Expert,
}

/// `media iso`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct IsoArgs {
    /// The image to write
    #[arg(long, value_name = "FILE.iso")]
    pub out: PathBuf,
    /// Embed the latest snapshot of this repository
    #[arg(long, value_name = "REPO", conflicts_with_all = ["backup", "rescue_only"])]
    pub from: Option<String>,
    /// Embed this snapshot instead of the latest
    #[arg(long, value_name = "ID", requires = "from")]
    pub snapshot: Option<String>,
    /// Take a backup now and embed it
    #[arg(long, conflicts_with = "rescue_only")]
    pub backup: bool,
    /// Put no archive on the medium; recovery reads it from elsewhere
    #[arg(long)]
    pub rescue_only: bool,
    /// Where recovery reads the archive from: nfs://, http(s)://, rest:, sftp:// or s3://, or disk:UUID=…:/PATH. With --embed-key
    /// the medium carries the names and passwords for it, too
    #[arg(long, value_name = "ADDRESS", requires = "rescue_only")]
    pub source: Option<String>,
    /// Use this machine description instead of probing (for a root filesystem in a folder)
    #[arg(long, value_name = "FILE")]
    pub machine: Option<PathBuf>,
    #[command(flatten)]
    pub medium: MediumArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    #[command(flatten)]
    pub exclude: ExcludeArgs,
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
    Plan(LayoutPlanArgs),
    /// What changed since the machine was recorded
    Diff(LayoutDiffArgs),
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

/// What a recovery may do to the hardware.
#[derive(Args, Clone, Debug, Default)]
pub struct PolicyArgs {
    /// Keep all sizes, even on a larger disk
    #[arg(long)]
    pub no_resize: bool,
    /// Continue although the firmware found here starts none of the machine's boot loaders
    #[arg(long)]
    pub any_firmware: bool,
    /// Allow a disk to be wiped although it holds foreign data: WWN, serial, hardware path or /dev path; may be repeated
    #[arg(long, value_name = "DISK")]
    pub wipe: Vec<String>,
    /// Put a recorded disk onto another one, e.g. disk0:/dev/sdb; may be repeated
    #[arg(long, value_name = "DEVICE:DISK")]
    pub map: Vec<String>,
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
    #[command(flatten)]
    pub sysroot: SysrootArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// The stages of a recovery, as `restore --stage` takes them.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryStage {
    /// Show what would be done to which disks
    Plan,
    /// Wipe the disks, make partitions and filesystems, mount them below /target
    Rebuild,
    /// Restore the files and compare them with the archive
    Extract,
    /// Make it bootable, unmount it
    Boot,
}

/// `restore`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct RestoreArgs {
    /// A repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or
    /// http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Restore below this folder instead of to the original places
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Restore this snapshot instead of the latest
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// What to restore, as absolute paths; everything below a folder
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// In the rescue system: only this stage of the machine's recovery; the next one continues from there
    #[arg(long, value_name = "STAGE", value_enum, conflicts_with_all = ["to", "paths", "mode"])]
    pub stage: Option<RecoveryStage>,
    /// In the rescue system: continue a recovery where it stopped
    #[arg(long, conflicts_with_all = ["to", "paths", "mode", "stage", "snapshot", "from"])]
    pub resume: bool,
    /// In the rescue system: recover what is left of a damaged archive; what is lost is listed
    #[arg(long, conflicts_with_all = ["to", "paths", "mode"])]
    pub damaged: bool,
    /// In the rescue system: the mode that the boot process starts
    #[arg(long, value_name = "MODE", value_enum, hide = true)]
    pub mode: Option<MenuMode>,
    /// In tests: a directory with the files of a rescue system, in place of /
    #[arg(long, value_name = "DIR", hide = true, requires = "mode")]
    pub rescue_root: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `compare`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct CompareArgs {
    /// A repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or
    /// http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0
    #[arg(long, value_name = "SOURCE")]
    pub from: Option<String>,
    /// Compare this snapshot instead of the latest
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// Compare with the tree below this folder instead of /; in the rescue system, instead of the disks, which are
    /// mounted read-only for it
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// What to compare, as absolute paths; everything when none is given
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// `drill`
#[derive(Args, Clone, Debug)]
pub struct DrillArgs {
    /// The medium
    #[arg(value_name = "MEDIUM")]
    pub medium: PathBuf,
    /// Folder for the report: report.txt, report.json, report.html
    #[arg(long, value_name = "DIR", default_value = "lifeboat-drill")]
    pub report: PathBuf,
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
    /// Where to save them, in a new folder: a folder, a block device with a filesystem, or nfs://, sftp:// or s3://. No key is among
    /// them
    #[arg(long, value_name = "PLACE")]
    pub to: String,
}

/// The whole command line as clap sees it; man pages and completions are generated from it.
pub fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
