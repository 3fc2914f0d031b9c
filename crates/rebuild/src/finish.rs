//! What had to wait for the files: read-only subvolumes, unmounting.

use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::{mounted_at_target, unmount_all};
use lifeboat_machine::filesystem::Subvolume;
use lifeboat_plan::Step;
use lifeboat_sys::Invocation;
use lifeboat_sys::program::BTRFS;
use std::path::Path;

/// Unmounts everything, then makes read-only what was read-only.
///
/// # Errors
/// What is still in use, or the subvolume that could not be changed.
pub fn finish(context: &Context) -> Result<(), RebuildError> {
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
    Ok(())
}
