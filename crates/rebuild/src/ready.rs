//! A device made ready for new content.

use crate::context::Context;
use crate::error::RebuildError;
use crate::table::await_device;
use crate::wipe::{clear, known_by_content};
use std::path::Path;

/// Waits for a device that is to get new content, and clears it.
///
/// # Errors
/// When it does not appear, or wipefs fails.
pub(crate) fn ready(context: &Context, device: &Path) -> Result<(), RebuildError> {
    if context.chroot_mounts {
        await_device(device)?;
    }
    clear(context.runner, device)?;
    known_by_content(context, device)
}
