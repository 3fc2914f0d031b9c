//! Rebuilds the initramfs with the restored system's own tool.

use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::in_chroot;
use lifeboat_machine::boot::InitramfsTool;
use lifeboat_sys::program::{DRACUT, MKINITCPIO, UPDATE_INITRAMFS};
use lifeboat_sys::{Invocation, RunError};

/// Rebuilds the initramfs of every installed kernel. A tool that is missing now is a warning: what was restored may
/// well boot.
///
/// # Errors
/// What the tool says.
pub fn rebuild(context: &Context) -> Result<Vec<String>, RebuildError> {
    let call = match context.machine.boot.initramfs {
        InitramfsTool::InitramfsTools => Invocation::new(UPDATE_INITRAMFS).args(["-u", "-k", "all"]),
        InitramfsTool::Dracut => Invocation::new(DRACUT).args(["--regenerate-all", "--force"]),
        InitramfsTool::Mkinitcpio => Invocation::new(MKINITCPIO).arg("-P"),
        InitramfsTool::None => return Ok(vec![]),
    };
    match in_chroot(context, || Ok(context.runner.run(&call.clone().in_root(&context.target))?)) {
        Ok(_) => Ok(vec![]),
        Err(RebuildError::Run(error @ RunError::Missing { .. })) => {
            Ok(vec![format!("the initramfs stays as it was restored: {error}")])
        }
        Err(error) => Err(error),
    }
}
