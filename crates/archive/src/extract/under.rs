//! Attributes of directories that mounted filesystems hide, e.g. of the root filesystem's own /boot.

use super::attributes::{self, AsMade};
use super::extraction::Extraction;
use lifeboat_sys::trusted;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Restores them where the target has a filesystem mounted at the same place; elsewhere the directory has its attributes
/// already: those of the filesystem that was mounted.
pub(super) fn restore(extraction: &Extraction<'_>) {
    let table = extraction.table;
    for under in &table.under {
        let Some(index) = table.find(&under.path).filter(|index| extraction.is_chosen(*index)) else { continue };
        match hidden(extraction, index) {
            Ok(Some(directory)) => {
                extraction.warn(
                    index,
                    attributes::set(&under.record, &under.xattrs, &directory, u32::MAX, AsMade::default()),
                );
            }
            Ok(None) => {}
            Err(error) => {
                let cause = std::io::Error::from(error);
                extraction.warn(index, vec![format!("cannot OPEN the directory below the mount: {cause}")]);
            }
        }
    }
}

/// The directory below what is mounted on a directory of the target; `None` when nothing is.
fn hidden(extraction: &Extraction<'_>, index: usize) -> Result<Option<OwnedFd>, Errno> {
    let table = extraction.table;
    let visible = extraction.directory(index)?;
    let parent = extraction.directory(table.records[index].parent as usize)?;
    let is_open = || rustix::fs::fstat(&*parent).map(|status| trusted::open_to_held(&*parent, &status).is_some());
    if !extraction.options.private && is_open()? {
        return Err(Errno::PERM);
    }
    let identity = |fd: &OwnedFd| rustix::fs::fstat(fd).map(|status| (status.st_dev, status.st_ino));
    let bare = match lifeboat_sys::mount::without_mounts(&*parent) {
        Ok(bare) => bare,
        // Without CAP_SYS_ADMIN we cannot look below mounts; without a mount there is nothing to do.
        Err(_) if identity(&parent)?.0 == identity(&visible)?.0 => return Ok(None),
        Err(error) => return Err(error),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let below = rustix::fs::openat(&bare, OsStr::from_bytes(table.name(index)), flags, Mode::empty())?;
    Ok((identity(&below)? != identity(&visible)?).then_some(below))
}
