//! Compression of btrfs. It affects what is written after it was set, and the flag alone chooses an algorithm: setting it
//! replaces the one that the property names (fs/btrfs/ioctl.c, `btrfs_fileattr_set`).

use super::attributes::warning;
use crate::file_table::Xattr;
use rustix::fd::AsFd;
use rustix::fs::XattrFlags;
use std::ffi::OsStr;

/// The property of btrfs-property(8).
const PROPERTY: &str = "btrfs.compression";

/// Sets the compression that a file or directory had. Returns a warning.
pub(super) fn set(xattrs: &[Xattr], file: impl AsFd) -> Option<String> {
    let property = xattrs.iter().find(|xattr| xattr.name == PROPERTY.as_bytes())?;
    let result = rustix::fs::fsetxattr(file, OsStr::new(PROPERTY), &property.value, XattrFlags::empty());
    result.err().map(|error| warning("the compression", error))
}

/// As [`set`], for a file that is still empty. What cannot be set is reported when its extended attributes are set.
pub(super) fn set_early(xattrs: &[Xattr], file: impl AsFd) {
    let _ = set(xattrs, file);
}
