//! Rebuilds the initramfs with the restored system's own tool.

use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::in_chroot;
use lifeboat_machine::Content;
use lifeboat_machine::boot::InitramfsTool;
use lifeboat_plan::Step;
use lifeboat_sys::program::{DRACUT, LSINITCPIO, LSINITRAMFS, LSINITRD, MKINITCPIO, UPDATE_INITRAMFS};
use lifeboat_sys::{Invocation, RunError};
use std::path::Path;

/// What the tools put together before they pack it, with all modules, in bytes.
const ROOM: u64 = 768 << 20;
/// Where they do so unless they are instructed otherwise (mkinitramfs(8), dracut(8)).
const USUAL: &str = "/var/tmp";
/// Where they can do so in memory: the restored system sees the rescue system's /run.
const IN_MEMORY: &str = lifeboat_machine::run::INITRAMFS;

/// Rebuilds the initramfs of every installed kernel. A tool that is missing now is a warning: what was restored may
/// well boot.
///
/// # Errors
/// What the tool reports.
pub fn rebuild(context: &Context) -> Result<Vec<String>, RebuildError> {
    let Some(call) = call(context) else { return Ok(vec![]) };
    let in_memory = context.chroot_mounts && {
        let free = |path: &Path| rustix::fs::statvfs(path).map(|status| status.f_bavail * status.f_frsize).ok();
        works_in_memory(free(&context.resolved(Path::new(USUAL))), free(Path::new("/run")))
    };
    let call = match in_memory {
        true => {
            std::fs::create_dir_all(IN_MEMORY).map_err(RebuildError::io("MAKE the directory", Path::new(IN_MEMORY)))?;
            call.env("TMPDIR", IN_MEMORY)
        }
        false => call,
    };
    let done = in_chroot(context, || {
        context.runner.run(&call.in_root(&context.target))?;
        holds(context, &programs(context))
    });
    if in_memory {
        let _ = std::fs::remove_dir_all(IN_MEMORY);
    }
    match done {
        Ok(notes) => Ok(notes),
        Err(RebuildError::Run(error @ RunError::Missing { .. })) => {
            Ok(vec![format!("the initramfs stays as it was restored: {error}")])
        }
        Err(error) => Err(error),
    }
}

/// What opens LUKS devices in an initramfs, whatever made it.
const OPENERS: [&str; 3] = ["bin/cryptsetup", "bin/systemd-cryptsetup", "/systemd/systemd-cryptsetup"];

/// The programs that the initramfs must hold: those of the layers that the root lies on now, or what opens a root that was encrypted when
/// the machine was recorded.
fn programs(context: &Context) -> Vec<String> {
    let of = |step: &Step| if let Step::AdaptStorage { moved } = step { Some(moved.initramfs.clone()) } else { None };
    let moved = context.plan.steps.iter().find_map(of);
    moved.unwrap_or_else(|| {
        let layout = &context.machine.layout;
        let root = layout.mount_at("/").map(|mount| layout.below(&mount.device)).unwrap_or_default();
        let encrypted = root.iter().any(|device| matches!(device.content, Content::Luks(_)));
        encrypted.then(|| "cryptsetup".to_owned()).into_iter().collect()
    })
}

/// The initramfs of the recorded kernel with the paths in it; why they are not known.
fn contents(context: &Context) -> Result<Result<(String, String), String>, RebuildError> {
    let kernel = &context.machine.boot.kernel;
    let places = [format!("/boot/initrd.img-{kernel}"), format!("/boot/initramfs-{kernel}.img")];
    let image = places.iter().find(|path| context.existing(Path::new(path)).is_some());
    let lister = match context.machine.boot.initramfs {
        InitramfsTool::InitramfsTools => LSINITRAMFS,
        InitramfsTool::Dracut => LSINITRD,
        InitramfsTool::Mkinitcpio => LSINITCPIO,
        InitramfsTool::None => return Ok(Err("the machine has no tool that makes one".into())),
    };
    let Some(image) = image else { return Ok(Err(format!("there is no {}", places.join(" and no ")))) };
    Ok(match context.runner.run(&Invocation::new(lister).arg(image).in_root(&context.target)) {
        Ok(output) => Ok((image.clone(), output.text())),
        Err(error) => Err(error.to_string()),
    })
}

/// Looks whether the new initramfs holds programs: without the package that adds one, the tools leave it out without a word (dracut 106 and
/// 112 without systemd-cryptsetup, initramfs-tools without cryptsetup-initramfs).
fn holds(context: &Context, programs: &[String]) -> Result<Vec<String>, RebuildError> {
    if programs.is_empty() {
        return Ok(vec![]);
    }
    let wanted = programs.join(", ");
    let (image, list) = match contents(context)? {
        Ok(found) => found,
        Err(why) => return Ok(vec![format!("whether the new initramfs has {wanted} is not known: {why}")]),
    };
    let has = |program: &str| {
        let own = format!("bin/{program}");
        let ends = |line: &str| match program {
            "cryptsetup" => OPENERS.iter().any(|opener| line.ends_with(opener)),
            _ => line.ends_with(&own),
        };
        list.lines().any(|line| ends(line.trim_end()))
    };
    match programs.iter().find(|program| !has(program)) {
        None => Ok(vec![]),
        Some(program) => Err(RebuildError::Boot {
            what: "an initramfs that mounts the root".into(),
            reason: format!(
                "{image} was rebuilt and has no {program}; try installing {} in {}, and rebuilding it",
                package(program),
                context.target.display()
            ),
        }),
    }
}

/// The package that adds a program to an initramfs, as Debian calls it.
fn package(program: &str) -> &str {
    match program {
        "cryptsetup" => "cryptsetup-initramfs (with dracut: systemd-cryptsetup)",
        "lvm" => "lvm2",
        other => other,
    }
}

fn call(context: &Context) -> Option<Invocation> {
    let debian = || Invocation::new(UPDATE_INITRAMFS).args(["-u", "-k", "all"]);
    Some(match context.machine.boot.initramfs {
        InitramfsTool::InitramfsTools => debian(),
        // Debian's dracut has that name, too. It writes the file that the boot loader starts, and runs the loader's hooks;
        // dracut by itself would choose a place by the folders that it finds.
        InitramfsTool::Dracut if UPDATE_INITRAMFS.find(&context.target).is_some() => debian(),
        InitramfsTool::Dracut => Invocation::new(DRACUT).args(["--regenerate-all", "--force"]),
        InitramfsTool::Mkinitcpio => Invocation::new(MKINITCPIO).arg("-P"),
        InitramfsTool::None => return None,
    })
}

/// Of two places, of which the restored system's own may be nearly full, the one with more room; its own when that is enough.
fn works_in_memory(own: Option<u64>, memory: Option<u64>) -> bool {
    matches!((own, memory), (Some(own), Some(memory)) if own < ROOM && memory > own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_root_is_worked_around() {
        const MIB: u64 = 1 << 20;
        for (own, memory, expected) in [
            (Some(4096 * MIB), Some(8192 * MIB), false),
            (Some(100 * MIB), Some(900 * MIB), true),
            (Some(300 * MIB), Some(200 * MIB), false),
            (Some(0), Some(0), false),
            (None, Some(900 * MIB), false),
            (Some(0), None, false),
        ] {
            assert_eq!(works_in_memory(own, memory), expected, "{own:?} {memory:?}");
        }
    }
}
