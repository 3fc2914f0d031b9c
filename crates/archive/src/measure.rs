//! Inspects a file tree without reading content: the room that a restore of it needs, and what is encrypted in it.

use crate::report::{Observer, Problems, Progress};
use crate::{ArchiveError, Encrypted, FileTree, Room, walk};

/// The result of inspecting a file tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// What its files need.
    pub room: Room,
    /// What its filesystem encrypts.
    pub encrypted: Vec<Encrypted>,
}

/// Inspects a file tree without reading content: what a backup of it would report. What cannot be read is not counted.
///
/// # Errors
/// When the source's root cannot be opened.
pub fn measure(source: &FileTree, observer: &dyn Observer) -> Result<Measured, ArchiveError> {
    /// Passes on only progress: a backup reports what it cannot read.
    struct ProgressOnly<'a>(&'a dyn Observer);
    impl Observer for ProgressOnly<'_> {
        fn progress(&self, progress: &Progress) {
            self.0.progress(progress);
        }
    }
    let observer = ProgressOnly(observer);
    let mut walked = walk::walk_with_extents(source, &observer, &Problems::new(&observer))?;
    let extents = walked.extents.take().unwrap_or_default();
    Ok(Measured { room: extents.finish(&mut walked.table, &walked.tops), encrypted: walked.encrypted })
}
