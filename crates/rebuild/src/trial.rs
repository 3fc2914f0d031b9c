//! Filesystems tried out without a disk: the very calls that will be made, on a file that needs no room. What mkfs at hand does
//! not know, or makes otherwise, is found before anything is wiped.

use crate::context::Context;
use crate::error::RebuildError;
use crate::make::{btrfs, ext, fat, swap as make_swap, xfs};
use crate::read_back;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, Journal};
use lifeboat_machine::layout::Swap;
use lifeboat_plan::FurtherDevice;
use std::path::{Path, PathBuf};

/// Up to this size FAT is really made: its tables are written, and memory is what the scratch directory lies in.
const LARGEST_FAT: u64 = 4 << 30;
/// A swap area's header is all that counts.
const SWAP_BYTES: u64 = 1 << 20;
/// Where the kernel gives UUIDs away (random(4)).
const RANDOM_UUID: &str = "/proc/sys/kernel/random/uuid";

/// A file that goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    /// `None` where no file of this size can be: on a filesystem that has a smaller limit.
    fn new(context: &Context, size_bytes: u64) -> Option<Scratch> {
        Scratch::named(context, "trial", size_bytes)
    }

    fn named(context: &Context, name: &str, size_bytes: u64) -> Option<Scratch> {
        let path = context.scratch.join(format!("lifeboat-{name}-{}", std::process::id()));
        let made = std::fs::File::create(&path).and_then(|file| file.set_len(size_bytes));
        let scratch = Scratch(path);
        match made {
            Ok(()) => Some(scratch),
            Err(error) => {
                tracing::debug!(path = %scratch.0.display(), %error, "no trial possible");
                None
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Tries to make a filesystem: an ext without its external journal, a btrfs without the profiles that need several devices.
///
/// # Errors
/// What mkfs reports; what would come out otherwise than planned.
pub fn filesystem(
    context: &Context,
    filesystem: &Filesystem,
    resized: bool,
    further: &[FurtherDevice],
) -> Result<(), RebuildError> {
    if !context.chroot_mounts {
        return Ok(());
    }
    let Some(scratch) = Scratch::new(context, filesystem.size_bytes) else { return Ok(()) };
    let (runner, path) = (context.runner, scratch.0.as_path());
    match &filesystem.options {
        FilesystemOptions::Ext(options) => {
            // The first call makes it, those behind it change it.
            let mut options = options.clone();
            if matches!(options.journal, Some(Journal::External { .. })) {
                options.journal = None;
                options.features.retain(|feature| feature != "has_journal");
            }
            if let Some(mut mke2fs) = ext::commands(path, filesystem, &options, resized, &[])?.into_iter().next() {
                mke2fs.arguments.insert(0, "-n".into());
                runner.run(&mke2fs)?;
            }
        }
        FilesystemOptions::Xfs(options) => {
            let log_bytes = options.log_blocks * u64::from(options.block_bytes);
            let log = options.log_device.as_ref().and_then(|_| Scratch::named(context, "trial-log", log_bytes));
            let place = |log: &Scratch| FurtherDevice {
                device: log.0.to_string_lossy().into_owned(),
                journal: further.iter().find_map(|further| further.journal.clone()),
            };
            let log_device: Vec<FurtherDevice> = log.iter().map(place).collect();
            let mut mkfs = xfs::mkfs(path, filesystem, &xfs::whole(runner, options), resized, &log_device)?;
            mkfs.arguments.insert(0, "-N".into());
            runner.run(&mkfs)?;
        }
        FilesystemOptions::Vfat(options) if filesystem.size_bytes <= LARGEST_FAT => {
            fat::make(runner, path, filesystem, options)?;
            made(context, path, filesystem, resized)?;
        }
        FilesystemOptions::Vfat(_) => {}
        FilesystemOptions::Btrfs(options) => {
            // The disks that are to be wiped bear the UUID still, and mkfs.btrfs makes none a second time.
            let random =
                std::fs::read_to_string(RANDOM_UUID).map_err(RebuildError::io("READ", Path::new(RANDOM_UUID)))?;
            let mut other = filesystem.clone();
            other.uuid = random.trim().to_owned();
            let mut options = options.clone();
            (options.device_uuid, options.metadata_uuid) = (None, None);
            if !further.is_empty() {
                (options.data_profile, options.metadata_profile) = (String::new(), String::new());
            }
            btrfs::make(context, path, &other, &options, &[])?;
            other.options = FilesystemOptions::Btrfs(options);
            made(context, path, &other, resized)?;
        }
    }
    Ok(())
}

fn made(context: &Context, path: &Path, filesystem: &Filesystem, resized: bool) -> Result<(), RebuildError> {
    read_back::filesystem(context.runner, path, filesystem, resized).map(|_| ()).map_err(|mut error| {
        if let RebuildError::NotAsPlanned { device, .. } = &mut error {
            *device = format!("a trial of {} \"{}\"", filesystem.options.mount_type(), filesystem.label);
        }
        error
    })
}

/// Tries to make a swap area.
///
/// # Errors
/// What mkswap reports; what would come out otherwise than planned.
pub fn swap(context: &Context, swap: &Swap) -> Result<(), RebuildError> {
    if !context.chroot_mounts {
        return Ok(());
    }
    let Some(scratch) = Scratch::new(context, SWAP_BYTES) else { return Ok(()) };
    make_swap::write(context.runner, &scratch.0, swap)?;
    read_back::swap(context.runner, &scratch.0, swap)
}
