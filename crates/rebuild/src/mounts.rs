//! The tree below the target directory, and what programs inside it need of the running system.

use crate::context::Context;
use crate::error::RebuildError;
use crate::make::btrfs::{register, subvolume_id};
use lifeboat_machine::Name;
use lifeboat_sys::mount;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

/// Mounts a filesystem of the restored system below the target; makes the mount point.
///
/// Of the recorded options only those count that change what is stored; all others wait for the restored system's own
/// fstab, for a noexec /var would stop its programs in the middle of the recovery.
///
/// # Errors
/// When the mount point cannot be made or the mount fails.
pub fn mount(
    context: &Context,
    device: &Path,
    mount_point: &Name,
    kind: &str,
    options: &[String],
    subvolume: Option<&Name>,
) -> Result<(), RebuildError> {
    let place = context.inside(mount_point.as_path());
    std::fs::create_dir_all(&place).map_err(RebuildError::io("MAKE the directory", &place))?;
    let mut chosen = mount_options(kind, options);
    if kind == "btrfs" {
        register(context, device)?;
    }
    if let Some(subvolume) = subvolume {
        chosen.push(format!("subvolid={}", subvolume_id(context.runner, device, &place, subvolume)?));
    }
    let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
    mount::mount(device, &place, kind, &chosen).map_err(Into::into)
}

/// The options under which files are restored.
pub fn mount_options(kind: &str, recorded: &[String]) -> Vec<String> {
    let stored: &[&str] = match kind {
        // Without it the kernel does not find a log that is on a device of its own.
        "xfs" => &["logdev"],
        "btrfs" => &["compress", "compress-force", "nodatacow", "nodatasum"],
        // Owners and modes are not stored on FAT: without its masks every file would differ from the archive.
        "vfat" => &[
            "codepage",
            "iocharset",
            "utf8",
            "shortname",
            "uni_xlate",
            "uid",
            "gid",
            "umask",
            "fmask",
            "dmask",
            "allow_utime",
            "quiet",
            "sys_immutable",
        ],
        _ => &[],
    };
    let mut chosen = vec!["noatime".to_owned()];
    if kind == "ext4" {
        // The kernel would zero inode tables beside the restore; it does so on the first boot as well.
        chosen.push("noinit_itable".into());
    }
    let counts = |option: &&String| stored.contains(&option.split('=').next().unwrap_or_default());
    chosen.extend(recorded.iter().filter(counts).cloned());
    chosen
}

/// Unmounts everything at and below the target, last mounted first.
///
/// # Errors
/// The first unmount that failed; the others are done all the same.
pub fn unmount_all(context: &Context) -> Result<(), RebuildError> {
    mount::unmount_below(&context.target).map_err(Into::into)
}

/// Runs `work` with a filesystem mounted at the target, which must be free.
pub(crate) fn mounted_at_target<T>(
    context: &Context,
    device: &Path,
    kind: &str,
    options: &[&str],
    work: impl FnOnce(&Path) -> Result<T, RebuildError>,
) -> Result<T, RebuildError> {
    // Filesystems are made several at a time. What a step that panicked left mounted, the mount itself refuses.
    let _alone = context.at_target.lock().unwrap_or_else(PoisonError::into_inner);
    let place = &context.target;
    std::fs::create_dir_all(place).map_err(RebuildError::io("MAKE the directory", place))?;
    if kind == "btrfs" {
        register(context, device)?;
    }
    mount::mount(device, place, kind, options)?;
    let result = work(place);
    let unmounted = mount::unmount(place);
    let value = result?;
    unmounted?;
    Ok(value)
}

/// Runs `work` while /dev, /proc, /sys and /run of the running system are visible inside the target.
pub(crate) fn in_chroot<T>(
    context: &Context,
    work: impl FnOnce() -> Result<T, RebuildError>,
) -> Result<T, RebuildError> {
    if !context.chroot_mounts {
        return work();
    }
    let mut made: Vec<PathBuf> = vec![];
    let result = bind(context, &mut made).and_then(|()| work());
    let mut unmounted = Ok(());
    for place in made.iter().rev() {
        let one = mount::unmount_below(place);
        if unmounted.is_ok() {
            unmounted = one;
        }
    }
    let value = result?;
    unmounted?;
    Ok(value)
}

fn bind(context: &Context, made: &mut Vec<PathBuf>) -> Result<(), RebuildError> {
    for source in ["/dev", "/proc", "/sys", "/run"] {
        let place = context.inside(Path::new(source));
        std::fs::create_dir_all(&place).map_err(RebuildError::io("MAKE the directory", &place))?;
        mount::mount(source, &place, "none", &["rbind"])?;
        // Where mounts are shared, unmounting the copy would unmount the original too (mount_namespaces(7)).
        use rustix::mount::MountPropagationFlags;
        rustix::mount::mount_change(&place, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(|errno| RebuildError::io("SEPARATE the mounts of", &place)(errno.into()))?;
        made.push(place);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fat_keeps_the_masks_that_its_files_were_recorded_under() {
        let recorded = ["fmask=0077", "dmask=0077", "errors=remount-ro"].map(str::to_owned);
        assert_eq!(mount_options("vfat", &recorded), ["noatime", "fmask=0077", "dmask=0077"]);
    }
}
