//! Mount points: the walk goes on with the root of what is mounted there, or of the snapshot that stands in for it.

use super::inode::{self, Place, Stored};
use super::places::{self, Top};
use super::{Walker, look};
use crate::file_table::{Under, Xattr};
use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, StatxAttributes};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// What was found at a mount point.
pub(super) enum Entered {
    /// A mount, with its id.
    Mount(u64),
    /// A directory like any other.
    NoMount,
    /// Nothing that can be read; already reported.
    Failed,
}

impl Walker<'_> {
    /// Replaces a mount point by the root of what is mounted there; returns its mount id.
    pub(super) fn enter(&mut self, index: usize, parent: &OwnedFd, detached: bool) -> Entered {
        let path = self.walked.table.path(index);
        let opened = places::open_mount_point(&self.root, &path)
            .and_then(|fd| inode::status(&fd, OsStr::new("")).map(|status| (fd, status)));
        let (fd, status) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let cause = std::io::Error::from(error);
                self.problems.add(path, format!("cannot OPEN the mounted filesystem: {cause}"));
                return Entered::Failed;
            }
        };
        // Since Linux 5.8 the kernel distinguishes the root of a mount from other directories.
        let tells = status.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
        let record = self.walked.table.records[index].clone();
        // A subvolume has a device number of its own, even where nothing is mounted.
        let above = self.walked.table.records[record.parent as usize].filesystem;
        let above = self.walked.stand_ins.get(&above).copied().unwrap_or(above);
        let same_device = rustix::fs::makedev(status.stx_dev_major, status.stx_dev_minor) == above;
        if tells && same_device && !status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
            return Entered::NoMount;
        }
        let top = match self.source.stand_in_for(&path) {
            Some(stand_in) => match Top::stand_in(stand_in, &fd, index) {
                Ok(top) => top,
                Err(error) => {
                    let cause = std::io::Error::from(error);
                    self.problems.add(path, format!("cannot OPEN the snapshot of the filesystem: {cause}"));
                    return Entered::Failed;
                }
            },
            None => Top::new(fd, index),
        };
        let xattrs = if detached { self.xattrs_under(index, parent) } else { vec![] };
        // The copy of a mount is another mount.
        let status = inode::status(&top.fd, OsStr::new("")).unwrap_or(status);
        let mount = status.stx_mnt_id;
        let mut under = record;
        let record = &mut self.walked.table.records[index];
        inode::refresh(record, &status);
        self.walked.stand_ins.extend(top.stands_for.map(|original| (record.filesystem, original)));
        if inode::is_only_a_name(&under, parent) {
            // The snapshot above has only its name.
            under = record.clone();
        }
        self.walked.table.under.push(Under { path, record: under, xattrs });
        let record = &mut self.walked.table.records[index];
        record.is_top = true;
        self.walked.tops.push(top);
        Entered::Mount(mount)
    }

    /// Extended attributes of the directory that a mount hides; none where that is not accessible.
    fn xattrs_under(&self, index: usize, parent: &OwnedFd) -> Vec<Xattr> {
        let name = OsStr::from_bytes(self.walked.table.name(index));
        let hidden = look::open_quietly(parent, name, OFlags::RDONLY | OFlags::DIRECTORY);
        hidden.and_then(|fd| inode::xattrs(&Place::Open(&fd), &Stored::by(&fd))).unwrap_or_default()
    }
}
