//! Folders to work in.

use anyhow::Context as _;
use std::path::Path;

/// Creates an empty directory, replacing an existing one.
pub fn empty(directory: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot REMOVE {}", directory.display()));
        }
        _ => {}
    }
    std::fs::create_dir_all(directory).with_context(|| format!("cannot MAKE {}", directory.display()))
}
