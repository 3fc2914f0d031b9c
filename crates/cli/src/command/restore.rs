//! `restore` and `compare`

use super::from::FromArgs;
use super::policy::{MenuMode, PolicyArgs};
use clap::Args;
use std::path::PathBuf;

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

/// What happens to what is there.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverwriteMode {
    /// Replace it
    Always,
    /// Replace what differs in type, size, modification time, owner or mode
    IfChanged,
    /// Replace what was modified later in the archive
    IfNewer,
    /// Leave it as it is
    Never,
}

/// `restore`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct RestoreArgs {
    #[command(flatten)]
    pub source: FromArgs,
    /// Restore below this folder instead of to the original places
    // As restic calls it.
    #[arg(long, value_name = "DIR", alias = "target")]
    pub to: Option<PathBuf>,
    /// Restore this snapshot instead of the latest
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// What to restore, as absolute paths; everything below a folder. A snapshot may be named before them: latest, or the beginning of an id
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Restore only what fits this pattern, with what is below it; may be repeated. * and ? stand for characters of a name, ** for
    /// any folders
    #[arg(long, short = 'i', value_name = "PATTERN")]
    pub include: Vec<String>,
    /// Leave out what fits this pattern, with what is below it; may be repeated
    #[arg(long, short = 'e', value_name = "PATTERN")]
    pub exclude: Vec<String>,
    /// Restore the single PATH under this name: into --to DIR, or beside the original
    #[arg(long = "as", value_name = "NAME", conflicts_with_all = ["include", "exclude", "inside"])]
    pub as_name: Option<std::ffi::OsString>,
    /// Restore what is in the single PATH, a folder, directly into --to DIR, without the folders that lead to it
    #[arg(long, requires = "to", conflicts_with_all = ["include", "exclude"])]
    pub inside: bool,
    /// What happens to files that are there: replace them, only those that differ in type, size, time, owner or mode, only those that are newer in the archive, or
    /// never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = OverwriteMode::Always)]
    pub overwrite: OverwriteMode,
    /// Show what would be restored and replaced, and whether there is room; nothing is written
    #[arg(long, short = 'n', conflicts_with_all = ["stage", "resume", "mode"])]
    pub dry_run: bool,
    /// In the rescue system: only this stage of the machine's recovery; the next one continues from there
    #[arg(long, value_name = "STAGE", value_enum, conflicts_with_all = ["to", "paths", "mode"])]
    pub stage: Option<RecoveryStage>,
    /// In the rescue system: continue a recovery where it stopped
    #[arg(long, conflicts_with_all = ["to", "paths", "mode", "stage", "snapshot", "from"])]
    pub resume: bool,
    /// In the rescue system: recover what is left of a damaged archive; what is lost is listed
    #[arg(long, conflicts_with_all = ["to", "paths", "mode"])]
    pub damaged: bool,
    /// In the rescue system: the layout on which the machine comes back, a description that 'lifeboat layout edit' wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to", "paths", "mode"])]
    pub layout: Option<PathBuf>,
    /// In the rescue system: the mode that the boot process starts
    #[arg(long, value_name = "MODE", value_enum, hide = true)]
    pub mode: Option<MenuMode>,
    /// In tests: a directory with the files of a rescue system, in place of /
    #[arg(long, value_name = "DIR", hide = true, requires = "mode")]
    pub rescue_root: Option<PathBuf>,
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// `compare`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct CompareArgs {
    #[command(flatten)]
    pub source: FromArgs,
    /// Compare this snapshot instead of the latest
    #[arg(long, value_name = "ID")]
    pub snapshot: Option<String>,
    /// Compare with the tree below this folder instead of /; in the rescue system, instead of the disks, which are
    /// mounted read-only for it
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// What to compare, as absolute paths; everything when none is given. A snapshot may be named before them
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}
