//! Times that a step disturbed and the restored machine shall have again.

use crate::error::RebuildError;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Gives an entry the times that it had when `before` was read; of a link those of the link itself.
pub(crate) fn give_back(path: &Path, before: &Metadata) -> Result<(), RebuildError> {
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time(before.atime(), before.atime_nsec()),
        last_modification: time(before.mtime(), before.mtime_nsec()),
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| RebuildError::io("WRITE the times of", path)(errno.into()))
}
