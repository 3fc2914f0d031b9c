//! Swap areas and swap files: mkswap(8), swapon(8).

use crate::context::Context;
use crate::error::RebuildError;
use crate::wipe::clear_marks;
use lifeboat_machine::layout::{Swap, SwapFile};
use lifeboat_sys::program::{CHATTR, MKSWAP};
use lifeboat_sys::{Invocation, mount};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use rustix::io::Errno;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Makes a swap area.
///
/// # Errors
/// What mkswap says.
pub fn area(context: &Context, device: &Path, swap: &Swap) -> Result<(), RebuildError> {
    context.runner.run(&mkswap(device, swap))?;
    if context.plan.targets.iter().any(|target| Path::new(&target.path) == device) {
        clear_marks(device)?;
    }
    Ok(())
}

/// Makes a swap file with all its blocks, as swapon(8) wants it: no holes, no copy-on-write. Its directory, which was
/// restored before, keeps its times.
///
/// # Errors
/// When there is no room for it, or what mkswap says.
pub fn file(context: &Context, file: &SwapFile) -> Result<(), RebuildError> {
    let path = context.inside(file.path.as_path());
    let Some(parent) = path.parent() else { return Ok(()) };
    let before = parent.metadata().ok();
    anew(context, &path, file)?;
    let Some(before) = before else { return Ok(()) };
    let times = Timestamps {
        last_access: Timespec { tv_sec: before.atime(), tv_nsec: before.atime_nsec() },
        last_modification: Timespec { tv_sec: before.mtime(), tv_nsec: before.mtime_nsec() },
    };
    rustix::fs::utimensat(CWD, parent, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|errno| RebuildError::io("WRITE the times of", parent)(errno.into()))
}

fn anew(context: &Context, path: &Path, file: &SwapFile) -> Result<(), RebuildError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(RebuildError::io("REMOVE", path)(error));
        }
        _ => {}
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(RebuildError::io("MAKE the directory", parent))?;
    }
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut made = made.map_err(RebuildError::io("MAKE", path))?;
    if on_btrfs(path) {
        // Only an empty file can lose copy-on-write.
        context.runner.run(&Invocation::new(CHATTR).arg("+C").arg(path))?;
    }
    match rustix::fs::fallocate(&made, rustix::fs::FallocateFlags::empty(), 0, file.size_bytes) {
        Ok(()) => {}
        // Filesystems without extents (ext2, ext3) reserve nothing: the blocks must be written (fallocate(2)).
        Err(Errno::OPNOTSUPP) => {
            let copied = std::io::copy(&mut std::io::repeat(0).take(file.size_bytes), &mut made);
            copied.map_err(RebuildError::io("WRITE", path))?;
        }
        Err(errno) => return Err(RebuildError::io("RESERVE the blocks of", path)(errno.into())),
    }
    made.sync_all().map_err(RebuildError::io("WRITE", path))?;
    drop(made);
    context.runner.run(&mkswap(path, &file.swap)).map(|_| ()).map_err(Into::into)
}

fn mkswap(path: &Path, swap: &Swap) -> Invocation {
    let mut call = Invocation::new(MKSWAP).arg("--force").args(["--pagesize", &swap.page_bytes.to_string()]);
    if let Some(uuid) = &swap.uuid {
        call = call.args(["--uuid", uuid]);
    }
    if !swap.label.is_empty() {
        call = call.args(["--label", &swap.label]);
    }
    call.arg(path)
}

fn on_btrfs(path: &Path) -> bool {
    let table = mount::table().unwrap_or_default();
    let nearest = table.iter().filter(|mount| path.starts_with(&mount.mount_point)).max_by_key(|mount| {
        // Of mounts on one another the last one counts.
        (mount.mount_point.as_os_str().len(), mount.id)
    });
    nearest.is_some_and(|mount| mount.kind == "btrfs")
}
