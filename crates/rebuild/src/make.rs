//! Makes filesystems, subvolumes and swap areas as they were recorded.
//!
//! Every property is named on the command line, so that neither the configuration nor the defaults of the mkfs at hand
//! decide anything.

pub mod btrfs;
pub mod crc;
pub mod ext;
pub mod fat;
pub mod swap;
pub mod xfs;

use crate::context::Context;
use crate::error::RebuildError;
use crate::wipe::clear_marks;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions};
use std::path::Path;

/// Makes a filesystem; tells what could not be kept.
///
/// # Errors
/// What mkfs says, or the property that it does not know.
pub fn filesystem(
    context: &Context,
    device: &Path,
    filesystem: &Filesystem,
    resized: bool,
) -> Result<Vec<String>, RebuildError> {
    let notes = match &filesystem.options {
        FilesystemOptions::Ext(ext) => ext::make(context.runner, device, filesystem, ext, resized)?,
        FilesystemOptions::Xfs(xfs) => xfs::make(context.runner, device, filesystem, xfs, resized)?,
        FilesystemOptions::Vfat(vfat) => fat::make(context.runner, device, filesystem, vfat)?,
        FilesystemOptions::Btrfs(btrfs) => btrfs::make(context.runner, device, filesystem, btrfs)?,
    };
    // A disk without a partition table is known by its filesystem from now on.
    if context.plan.targets.iter().any(|target| Path::new(&target.path) == device) {
        clear_marks(device)?;
    }
    Ok(notes)
}

fn unsupported(what: impl Into<String>, device: &Path, reason: impl Into<String>) -> RebuildError {
    RebuildError::Unsupported { what: what.into(), device: device.display().to_string(), reason: reason.into() }
}
