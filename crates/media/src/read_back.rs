//! Compares what was written with what it was made from: a volume in an image, an image on a disc.

use crate::error::MediaError;
use lifeboat_remote::image_file::ImageFile;
use lifeboat_remote::iso::{self, ReadAt as _};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// How much is compared at a time.
const CHUNK: u64 = 4 << 20;

/// Compares the volume in an image, which will be `out`, with the file that it was made from; returns the size of the image.
///
/// # Errors
/// [`MediaError::Verify`].
pub fn compare_volume(image: &Path, name: &str, volume: &Path, out: &Path) -> Result<u64, MediaError> {
    let wrong = |reason: String| MediaError::Verify { out: out.to_owned(), reason };
    let fault = |fault: lifeboat_remote::Fault| wrong(fault.to_string());
    let written = ImageFile::open(image).map_err(fault)?;
    let files = iso::files(&written, &out.display().to_string(), "lifeboat").map_err(fault)?;
    let extents = files.get(name).ok_or_else(|| wrong(format!("it has no file lifeboat/{name}")))?;
    let length: u64 = extents.iter().map(|(_, length)| length).sum();
    let source = File::open(volume).map_err(MediaError::io("READ", volume))?;
    let expected = source.metadata().map_err(MediaError::io("READ", volume))?.len();
    if length != expected {
        return Err(wrong(format!("lifeboat/{name} has {length} bytes instead of {expected}")));
    }
    let mut at = 0;
    while at < length {
        let found = iso::read(&written, extents, at, CHUNK.min(length - at)).map_err(fault)?;
        same(&source, at, &found)
            .map_err(MediaError::io("READ", volume))?
            .then_some(())
            .ok_or_else(|| wrong(format!("lifeboat/{name} is not what was written to it, from byte {at} on")))?;
        at += found.len() as u64;
    }
    Ok(written.size())
}

/// Compares what a drive, or a file, begins with with an image.
///
/// # Errors
/// [`MediaError::Verify`].
pub fn compare_image(written: &Path, image: &Path) -> Result<(), MediaError> {
    let wrong = |reason: String| MediaError::Verify { out: written.to_owned(), reason };
    let fault = |fault: lifeboat_remote::Fault| wrong(fault.to_string());
    let disc = ImageFile::open(written).map_err(fault)?;
    let source = File::open(image).map_err(MediaError::io("READ", image))?;
    let size = source.metadata().map_err(MediaError::io("READ", image))?.len();
    let mut at = 0;
    while at < size {
        let found = disc.read_at(at, CHUNK.min(size - at)).map_err(fault)?;
        let is_same = !found.is_empty() && same(&source, at, &found).map_err(MediaError::io("READ", image))?;
        if !is_same {
            return Err(wrong(format!("it is not what was written to it, from byte {at} on")));
        }
        at += found.len() as u64;
    }
    Ok(())
}

/// Whether a file has these bytes at a place.
fn same(file: &File, at: u64, bytes: &[u8]) -> std::io::Result<bool> {
    let mut own = vec![0; bytes.len()];
    file.read_exact_at(&mut own, at)?;
    Ok(!bytes.is_empty() && own == bytes)
}
