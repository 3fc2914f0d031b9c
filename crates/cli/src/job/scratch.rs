//! Where things are mounted temporarily.

use std::path::PathBuf;

/// A folder for mount points: /run, which no backup contains. Users who may mount may write there.
pub fn scratch() -> PathBuf {
    if rustix::process::geteuid().is_root() { "/run".into() } else { std::env::temp_dir() }
}
