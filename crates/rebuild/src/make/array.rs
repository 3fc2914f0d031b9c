//! md arrays: mdadm(8).

use crate::context::Context;
use crate::error::RebuildError;
use crate::read_back;
use crate::ready::ready;
use crate::sysfs::{class, kernel_name};
use crate::table::await_device;
use crate::wipe::clear;
use lifeboat_machine::layout::{Array, ArrayLevel};
use lifeboat_plan::ArrayDevice;
pub use lifeboat_storage::md;
use lifeboat_storage::{Layer, LayerKind, record};
use lifeboat_sys::Invocation;
use lifeboat_sys::program::MDADM;
use std::path::Path;

/// Makes an array, empty, and wipes it: what an older owner of its members left at the same place would appear in it. It may
/// go on synchronising for hours, and is used meanwhile.
///
/// # Errors
/// What mdadm says, or what came out otherwise than planned.
pub fn make(
    context: &Context,
    node: &Path,
    size_bytes: u64,
    array: &Array,
    members: &[ArrayDevice],
) -> Result<Vec<String>, RebuildError> {
    let runner = context.runner;
    for member in members {
        let device = Path::new(&member.device);
        if context.chroot_mounts {
            await_device(device)?;
            // Left by a step that stopped: the disks below were chosen to be wiped, and nothing else lies on them.
            for holder in holders(device) {
                runner.run(&Invocation::new(MDADM).args(["--stop", &format!("/dev/{holder}")]))?;
            }
        }
        ready(context, device)?;
    }
    let places: Vec<(&str, u64)> =
        members.iter().map(|member| (member.device.as_str(), member.data_offset_bytes)).collect();
    runner.run(&md::make(&node.to_string_lossy(), array, &places))?;
    if !context.chroot_mounts {
        return Ok(vec![]);
    }
    await_device(node)?;
    let real = node.canonicalize().map_err(RebuildError::io("FIND", node))?;
    let layer = Layer { kind: LayerKind::Md, name: real.to_string_lossy().into_owned() };
    record::add(&context.run, std::slice::from_ref(&layer))?;
    clear(runner, &real)?;
    flags(&real, array, members)?;
    read_back::array(runner, &real, size_bytes, array, members)?;
    Ok(unsynchronised(node, array).into_iter().collect())
}

/// A RAID 6 that lacks one member is made as it is: what its second parity covers nobody has computed, and a further loss could not
/// be made good from it. With two missing there is nothing to compute; a RAID 5 that lacks one has no parity left either.
fn unsynchronised(node: &Path, array: &Array) -> Option<String> {
    let half = array.level == ArrayLevel::Raid6 && array.missing() == 1;
    half.then(|| {
        format!(
            "{}: it lacks a member, so its second parity is not synchronised by itself; when the restored machine runs, add a disk to it, \
             or run 'mdadm --action=repair' on it: until then it does not survive the loss of another disk",
            node.display()
        )
    })
}

/// Sets what mdadm sets for all members that follow only.
fn flags(node: &Path, array: &Array, members: &[ArrayDevice]) -> Result<(), RebuildError> {
    for (member, place) in array.members.iter().zip(members) {
        let words = [(member.write_mostly, "writemostly"), (member.fail_fast, "failfast")];
        for (_, word) in words.into_iter().filter(|(set, _)| *set) {
            let state =
                class(node).join("md").join(format!("dev-{}", kernel_name(Path::new(&place.device)))).join("state");
            std::fs::write(&state, word).map_err(RebuildError::io("WRITE", &state))?;
        }
    }
    Ok(())
}

/// Arrays that are made from a device.
fn holders(device: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(class(device).join("holders")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("md")).collect()
}
