//! What had to wait for the files: read-only subvolumes, unmounting, stopping the layers that were made.

use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::{mounted_at_target, unmount_all};
use lifeboat_machine::filesystem::Subvolume;
use lifeboat_plan::Step;
use lifeboat_storage::{lvm, release};
use lifeboat_sys::Invocation;
use lifeboat_sys::program::BTRFS;
use std::path::Path;

/// Unmounts everything, makes read-only what was read-only, and stops the layers that were made, so that nothing of them is
/// left in memory; reports what had to be left as it is.
///
/// # Errors
/// What is still in use, or the subvolume that could not be changed.
pub fn finish(context: &Context) -> Result<Vec<String>, RebuildError> {
    let mut notes = vec![];
    unmount_all(context)?;
    for step in &context.plan.steps {
        let Step::MakeSubvolumes { device, subvolumes, .. } = step else { continue };
        let read_only: Vec<&Subvolume> = subvolumes.iter().filter(|subvolume| subvolume.read_only).collect();
        if read_only.is_empty() {
            continue;
        }
        let path = Path::new(device);
        mounted_at_target(context, path, "btrfs", &["subvolid=5"], |top| {
            for subvolume in read_only {
                let call = Invocation::new(BTRFS).args(["property", "set", "-ts"]);
                context.runner.run(&call.arg(top.join(subvolume.path.as_path())).args(["ro", "true"]))?;
            }
            Ok(())
        })?;
    }
    for step in &context.plan.steps {
        let Step::MakeVolume { group, volume, write_mostly, .. } = step else { continue };
        let mostly: Vec<&str> = write_mostly.iter().map(String::as_str).collect();
        if let Some(call) = lvm::make::tune(group, volume, &mostly) {
            // LVM refuses it as long as the images are synchronised.
            if let Err(error) = context.runner.run(&call) {
                notes.push(format!(
                    "the write-mostly images of {group}/{} could not be set: {error}; try '{}' when lvs shows 100 % for it",
                    volume.name,
                    lvm::make::plain(&call)
                ));
            }
        }
        if volume.read_only {
            context.runner.run(&lvm::make::read_only(group, &volume.name))?;
        }
    }
    if context.chroot_mounts {
        let released = release::ours(context.runner, Path::new("/sys"), &context.run)?;
        if let Some((layer, reason)) = released.held.into_iter().next() {
            return Err(RebuildError::Held { layer: layer.to_string(), reason });
        }
    }
    Ok(notes)
}
