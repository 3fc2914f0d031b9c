//! What several commands take.

use clap::Args;
use std::path::PathBuf;

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
    /// Leave this path out, with everything below it, or all that fits a pattern, e.g. '**/*.tmp'; may be repeated
    #[arg(long, value_name = "PATH|PATTERN")]
    pub exclude: Vec<PathBuf>,
    /// Keep this directory but leave out what it holds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub exclude_contents: Vec<PathBuf>,
}
