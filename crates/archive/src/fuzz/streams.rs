//! Parts of streams.

use crate::Secret;
use crate::stream::testing;

/// Reads the last block of a volume; returns whether it is a trailer.
pub fn trailer(block: &[u8]) -> bool {
    testing::trailer(block, &Secret::from_bytes(&[7; 32]))
}

/// Reads what is before a frame, and looks for the next one.
pub fn frames(plaintext: &[u8]) -> Option<usize> {
    testing::frames(plaintext)
}

/// Reads the table of a set; returns the paths in it.
///
/// # Errors
/// What is wrong with it.
pub fn catalogue(bytes: &[u8]) -> Result<Vec<std::path::PathBuf>, String> {
    testing::catalogue(bytes)
}

/// Reads the headers of tar members, extended ones and their records; returns their paths.
pub fn members(tar: &[u8]) -> Vec<Vec<u8>> {
    testing::members(tar)
}
