//! Disk images: blank ones, overlays, raw copies.

use crate::DrillError;
use lifeboat_sys::program::QEMU_IMG;
use lifeboat_sys::{Invocation, Runner};
use std::path::Path;

/// Makes a sparse raw image of `size_bytes`, all zeros; replaces an existing file.
///
/// # Errors
/// When it cannot be written.
pub fn blank(path: &Path, size_bytes: u64) -> Result<(), DrillError> {
    let file = std::fs::File::create(path).map_err(DrillError::io("CREATE", path))?;
    file.set_len(size_bytes).map_err(DrillError::io("CREATE", path))
}

/// Makes a qcow2 image whose unwritten parts come from the raw image `base`, which must not change while it is used.
///
/// # Errors
/// When qemu-img is missing or fails.
pub fn overlay(runner: &dyn Runner, base: &Path, path: &Path) -> Result<(), DrillError> {
    let call = Invocation::new(QEMU_IMG).args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(base).arg(path);
    runner.run(&call)?;
    Ok(())
}

/// Writes a qcow2 image with everything below it as a sparse raw image.
///
/// # Errors
/// When qemu-img is missing or fails.
pub fn flatten(runner: &dyn Runner, qcow2: &Path, raw: &Path) -> Result<(), DrillError> {
    let call = Invocation::new(QEMU_IMG).args(["convert", "-f", "qcow2", "-O", "raw"]).arg(qcow2).arg(raw);
    runner.run(&call)?;
    Ok(())
}
