//! What had to wait for the files: read-only subvolumes, unmounting.

use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::{mounted_at_target, unmount_all};
use lifeboat_machine::filesystem::{FilesystemOptions, Subvolume};
use lifeboat_sys::Invocation;
use lifeboat_sys::program::BTRFS;

/// Unmounts everything, then makes read-only what was read-only.
///
/// # Errors
/// What is still in use, or the subvolume that could not be changed.
pub fn finish(context: &Context) -> Result<(), RebuildError> {
    unmount_all(context)?;
    for device in &context.machine.layout.devices {
        let Some(FilesystemOptions::Btrfs(btrfs)) = device.filesystem().map(|filesystem| &filesystem.options) else {
            continue;
        };
        let read_only: Vec<&Subvolume> = btrfs.subvolumes.iter().filter(|subvolume| subvolume.read_only).collect();
        let Some(path) = context.path_of(&device.id).filter(|_| !read_only.is_empty()) else { continue };
        mounted_at_target(context, &path, "btrfs", &["subvolid=5"], |top| {
            for subvolume in read_only {
                let call = Invocation::new(BTRFS).args(["property", "set", "-ts"]);
                context.runner.run(&call.arg(top.join(subvolume.path.as_path())).args(["ro", "true"]))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}
