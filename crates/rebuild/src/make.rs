//! Makes filesystems, subvolumes and swap areas as they were recorded.
//!
//! Every property is named on the command line, so that neither the configuration nor the defaults of the mkfs at hand
//! decide anything.

pub mod array;
pub mod btrfs;
pub mod crc;
pub mod ext;
pub mod fat;
pub mod group;
pub mod luks;
pub mod swap;
pub mod xfs;

use crate::context::Context;
use crate::error::RebuildError;
use crate::read_back;
use crate::ready::ready;
use crate::wipe::{clear, known_by_content};
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions};
pub use lifeboat_plan::FurtherDevice;
use lifeboat_sys::Invocation;
use std::path::Path;

/// Makes a filesystem; reports what could not be kept.
///
/// # Errors
/// What mkfs reports, or the property that it does not know.
pub fn filesystem(
    context: &Context,
    device: &Path,
    filesystem: &Filesystem,
    resized: bool,
    further: &[FurtherDevice],
) -> Result<Vec<String>, RebuildError> {
    // A step that stopped is done anew, and mkfs.btrfs makes no UUID that it sees anywhere, be it in the same place.
    clear(context.runner, device)?;
    for device in further.iter().map(|further| Path::new(&further.device)) {
        ready(context, device)?;
    }
    let mut notes = match &filesystem.options {
        FilesystemOptions::Ext(ext) => ext::make(context.runner, device, filesystem, ext, resized, further)?,
        FilesystemOptions::Xfs(xfs) => xfs::make(context, device, filesystem, xfs, resized, further)?,
        FilesystemOptions::Vfat(vfat) => fat::make(context.runner, device, filesystem, vfat)?,
        FilesystemOptions::Btrfs(btrfs) => btrfs::make(context, device, filesystem, btrfs, further)?,
    };
    if context.chroot_mounts {
        notes.extend(read_back::filesystem(context.runner, device, filesystem, resized)?);
    }
    known_by_content(context, device)?;
    Ok(notes)
}

/// The calls that make a filesystem on a device of `device_bytes` bytes, for those kinds whose calls do not depend on
/// what the mkfs at hand knows; `None` for btrfs.
///
/// # Errors
/// A property that the programs have no option for.
pub fn commands(
    device: &Path,
    device_bytes: u64,
    filesystem: &Filesystem,
    further: &[FurtherDevice],
) -> Result<Option<Vec<Invocation>>, RebuildError> {
    Ok(match &filesystem.options {
        FilesystemOptions::Ext(options) => Some(ext::commands(device, filesystem, options, false, further)?),
        FilesystemOptions::Xfs(options) => Some(vec![xfs::mkfs(device, filesystem, options, false, further)?]),
        FilesystemOptions::Vfat(options) => {
            // mkfs.fat rounds reserved sectors up to whole clusters unless it is instructed not to align.
            let aligned = options.reserved_sectors.is_multiple_of(options.cluster_sectors.max(1));
            Some(vec![fat::mkfs(device, Some(device_bytes), filesystem, options, aligned)])
        }
        FilesystemOptions::Btrfs(_) => None,
    })
}
