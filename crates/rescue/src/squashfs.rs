//! Packing a directory into a squashfs with mksquashfs(1).

use crate::error::RescueError;
use crate::inputs::Compression;
use lifeboat_sys::program::MKSQUASHFS;
use lifeboat_sys::{Invocation, Runner};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A compressor of squashfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compressor {
    /// Fast to pack and to unpack.
    Zstd,
    /// Faster to unpack, larger.
    Lz4,
    /// Small, and slow both ways.
    Xz,
    /// What every squashfs has.
    Gzip,
}

impl Compressor {
    fn name(self) -> &'static str {
        match self {
            Compressor::Zstd => "zstd",
            Compressor::Lz4 => "lz4",
            Compressor::Xz => "xz",
            Compressor::Gzip => "gzip",
        }
    }
}

/// Packs `directory` into `image`, mode 0600. Equal directories give equal bytes: owner 0, all times 0, and mksquashfs
/// sorts names and orders blocks whatever the number of processors.
///
/// # Errors
/// When mksquashfs is missing or fails.
pub fn pack(
    directory: &Path,
    image: &Path,
    compressor: Compressor,
    compression: Compression,
    runner: &dyn Runner,
) -> Result<(), RescueError> {
    let mut call = Invocation::new(MKSQUASHFS)
        .arg(directory)
        .arg(image)
        .args(["-noappend", "-no-progress", "-all-root", "-no-xattrs", "-no-exports"])
        .args(["-mkfs-time", "0", "-all-time", "0"])
        .args(["-b", &compression.block_bytes.to_string()])
        .args(["-comp", compressor.name()]);
    if compressor == Compressor::Zstd {
        call = call.args(["-Xcompression-level", &compression.level.clamp(1, 22).to_string()]);
    }
    runner.run(&call)?;
    std::fs::set_permissions(image, std::fs::Permissions::from_mode(0o600)).map_err(RescueError::io("WRITE", image))
}
