//! Discs of a set behind the first: each has one volume, and says what it is.

use crate::error::MediaError;
use crate::identity::Identity;
use crate::iso::{files_of_root, graft, write_private};
use crate::progress::{Progress, watch};
use crate::read_back::compare_volume;
use lifeboat_sys::Runner;
use lifeboat_sys::new_file::NewFile;
use std::path::Path;

/// What stands beside a volume: the filesystem, the page, and the sectors that xorriso pads an image with, since drives read ahead.
pub const OVERHEAD_BYTES: u64 = 1 << 20;

/// A disc with a volume.
pub struct DataDisc<'a> {
    /// What it is.
    pub identity: Identity<'a>,
    /// The name of the volume below `/lifeboat`.
    pub name: &'a str,
    /// The volume.
    pub volume: &'a Path,
    /// RECOVER-BY-HAND.txt.
    pub by_hand: &'a str,
    /// Directory for temporary files, which exists.
    pub work: &'a Path,
    /// The image.
    pub out: &'a Path,
    /// Called while the image grows, from another thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

impl DataDisc<'_> {
    /// Writes the image, mode 0600, and compares the volume in it with what it was made from. Returns its size.
    ///
    /// # Errors
    /// [`MediaError`]; then no image is left.
    pub fn write(&self, runner: &dyn Runner) -> Result<u64, MediaError> {
        let (work, out) = (self.work, self.out);
        let page = work.join("by-hand.txt");
        write_private(&page, self.by_hand.as_bytes())?;
        let total = self.volume.metadata().map_err(MediaError::io("READ", self.volume))?.len() + OVERHEAD_BYTES;
        let file = NewFile::for_a_program(out, 0o600).map_err(MediaError::io("WRITE", out))?;
        let image = file.path();
        let call = files_of_root(&self.identity, &image)
            .arg("-graft-points")
            .arg(graft("/RECOVER-BY-HAND.txt", &page))
            .arg(graft(&format!("/lifeboat/{}", self.name), self.volume));
        watch(&image, total, self.progress, || runner.run(&call))?;
        let size = compare_volume(&image, self.name, self.volume, out)?;
        file.finish().map_err(MediaError::io("WRITE", out))?;
        Ok(size)
    }
}
