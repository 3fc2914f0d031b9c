//! Installs boot loaders: GRUB for BIOS with its own installer; those for UEFI are files, which are restored already.

use super::esp;
use super::keep::Kept;
use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::in_chroot;
use lifeboat_machine::boot::Loader;
use lifeboat_sys::Invocation;
use lifeboat_sys::program::{GRUB_INSTALL, GRUB2_INSTALL, Program};
use std::path::Path;

/// Installs a loader; reports what was done beyond that.
///
/// # Errors
/// When the restored system lacks the loader or its installer, or what the installer reports.
pub fn install(context: &Context, loader: &Loader, disks: &[String]) -> Result<Vec<String>, RebuildError> {
    match loader {
        Loader::GrubBios { directory, .. } => {
            let program = grub_install(context)?;
            // grub-install puts `grub` below it, grub2-install `grub2`.
            let boot = directory.as_path().parent().unwrap_or(Path::new("/boot")).to_owned();
            let own = context.resolved(directory.as_path());
            let kept = Kept::read(&own)?;
            in_chroot(context, || {
                for disk in disks {
                    let call = Invocation::new(program).args(["--target=i386-pc", "--recheck"]);
                    let call = call.arg(format!("--boot-directory={}", boot.display())).arg(disk);
                    context.runner.run(&call.in_root(&context.target))?;
                }
                Ok(())
            })?;
            kept.give_back(&own)?;
            Ok(vec![])
        }
        Loader::GrubEfi { esp, removable, .. } | Loader::SystemdBoot { esp, removable } => {
            let directory = context.resolved(esp.as_path());
            let suffix = esp::suffix(&context.machine.architecture);
            if esp::main_file(loader, &directory, suffix).is_none() {
                return Err(RebuildError::Boot {
                    what: name(loader),
                    reason: format!(
                        "{esp} of the restored system does not contain it; try checking that {esp} was \
                     backed up"
                    ),
                });
            }
            // Without a boot entry the removable path is the only way in.
            let entries = context.machine.boot.efi_entries.is_empty() || !context.efivars.is_dir();
            if !*removable && entries && esp::ensure_removable(loader, &directory, suffix)? {
                return Ok(vec![format!("{} is now also at the removable path EFI/BOOT", name(loader))]);
            }
            Ok(vec![])
        }
    }
}

/// A loader for people.
pub fn name(loader: &Loader) -> String {
    match loader {
        Loader::GrubBios { .. } => "GRUB for BIOS".into(),
        Loader::GrubEfi { vendor, .. } => format!("GRUB for UEFI ({vendor})"),
        Loader::SystemdBoot { .. } => "systemd-boot".into(),
    }
}

/// The installer of the restored system, by whichever name.
fn grub_install(context: &Context) -> Result<&'static Program, RebuildError> {
    let found = [GRUB_INSTALL, GRUB2_INSTALL].into_iter().find(|program| program.find(&context.target).is_some());
    found.ok_or_else(|| RebuildError::Boot {
        what: "GRUB for BIOS".into(),
        reason:
            "the restored system has neither grub-install nor grub2-install; try installing its package grub2-common \
                 and its modules for i386-pc from a rescue shell"
                .into(),
    })
}
