//! Swap areas and swap files: mkswap(8), swapon(8).

use crate::context::Context;
use crate::error::RebuildError;
use crate::read_back;
use crate::times;
use crate::wipe::{clear, known_by_content};
use lifeboat_machine::layout::{Swap, SwapFile};
use lifeboat_sys::program::{CHATTR, MKSWAP};
use lifeboat_sys::{Invocation, Runner, mount};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Where a header holds its UUID (mm/swapfile.c, union swap_header).
const UUID_OFFSET: u64 = 1036;
const UUID_BYTES: usize = 16;

/// Makes a swap area.
///
/// # Errors
/// What mkswap reports.
pub fn area(context: &Context, device: &Path, swap: &Swap) -> Result<(), RebuildError> {
    clear(context.runner, device)?;
    write(context.runner, device, swap)?;
    if context.chroot_mounts {
        read_back::swap(context.runner, device, swap)?;
    }
    known_by_content(context, device)
}

/// Makes a swap file with all its blocks, as swapon(8) wants it: no holes, no copy-on-write. Its directory, which was
/// restored before, keeps its times.
///
/// # Errors
/// When there is no room for it, or what mkswap reports.
pub fn file(context: &Context, file: &SwapFile) -> Result<(), RebuildError> {
    let (Some(parent), Some(name)) = (file.path.as_path().parent(), file.path.as_path().file_name()) else {
        return Ok(());
    };
    let parent = context.resolved(parent);
    std::fs::create_dir_all(&parent).map_err(RebuildError::io("MAKE the directory", &parent))?;
    let before = parent.metadata().map_err(RebuildError::io("READ", &parent))?;
    anew(context, &parent.join(name), file)?;
    times::give_back(&parent, &before)
}

fn anew(context: &Context, path: &Path, file: &SwapFile) -> Result<(), RebuildError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(RebuildError::io("REMOVE", path)(error));
        }
        _ => {}
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
    write(context.runner, path, &file.swap)?;
    if context.chroot_mounts {
        read_back::swap(context.runner, path, &file.swap)?;
    }
    attributes(&made, path, file)
}

/// Owner, permissions and extended attributes as they were.
fn attributes(made: &File, path: &Path, file: &SwapFile) -> Result<(), RebuildError> {
    let failed = |action| move |errno: Errno| RebuildError::io(action, path)(errno.into());
    let (uid, gid) = (rustix::fs::Uid::from_raw(file.uid), rustix::fs::Gid::from_raw(file.gid));
    rustix::fs::fchown(made, Some(uid), Some(gid)).map_err(failed("GIVE AWAY"))?;
    // After the owner, whose change takes set-user-ID bits away.
    rustix::fs::fchmod(made, rustix::fs::Mode::from_raw_mode(file.mode)).map_err(failed("SET the mode of"))?;
    for (name, value) in &file.xattrs {
        let set = rustix::fs::fsetxattr(made, name.as_str(), &value.0, rustix::fs::XattrFlags::empty());
        set.map_err(failed("WRITE the extended attributes of"))?;
    }
    Ok(())
}

/// Writes the area's header.
pub(crate) fn write(runner: &dyn Runner, path: &Path, swap: &Swap) -> Result<(), RebuildError> {
    runner.run(&mkswap(path, swap))?;
    if swap.uuid.is_some() {
        return Ok(());
    }
    // mkswap gives one to what had none. Devices that cannot be opened here exist only on paper.
    let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) else { return Ok(()) };
    file.write_all_at(&[0; UUID_BYTES], UUID_OFFSET).map_err(RebuildError::io("WRITE", path))?;
    file.sync_all().map_err(RebuildError::io("WRITE", path))
}

fn mkswap(path: &Path, swap: &Swap) -> Invocation {
    let mut call = Invocation::new(MKSWAP).arg("--force").args(["--pagesize", &swap.page_bytes.to_string()]);
    if let Some(uuid) = &swap.uuid {
        call = call.args(["--uuid", uuid]);
    }
    if !swap.label.0.is_empty() {
        call = call.arg("--label").arg(swap.label.to_os_string());
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
