//! LUKS: the header with its key slots and tokens is put back, so that the same passphrases, key files and tokens open the device.

use crate::context::Context;
use crate::error::{Difference, RebuildError};
use crate::sysfs::class;
use crate::table::await_device;
use crate::wipe::{clear, clear_marks};
use lifeboat_machine::layout::{HeaderBackup, LuksHeader};
use lifeboat_storage::luks::{self, make};
use lifeboat_storage::{Layer, LayerKind, record};
use lifeboat_sys::block;
use std::path::Path;

/// Puts a header back. The device is wiped first: cryptsetup refuses a header over another one whose data begins elsewhere.
///
/// # Errors
/// When cryptsetup refuses, or the header on the device is not the one that was planned.
pub fn header(context: &Context, device: &Path, header: &LuksHeader) -> Result<(), RebuildError> {
    let backup = context.secrets.header(header)?;
    if context.chroot_mounts {
        await_device(device)?;
        // Left by a step that stopped: the disks below were chosen to be wiped, and nothing else is on them.
        for mapping in mappings(device) {
            context.runner.run(&make::close(&mapping))?;
        }
    }
    clear(context.runner, device)?;
    if context.plan.targets.iter().any(|target| Path::new(&target.path) == device) {
        clear_marks(device)?;
    }
    context.runner.run(&make::restore_header(device, &backup))?;
    if context.chroot_mounts { read_back(device, header) } else { Ok(()) }
}

fn read_back(device: &Path, planned: &LuksHeader) -> Result<(), RebuildError> {
    // cryptsetup may count up the header's sequence number, so that its digest is another one.
    let none = HeaderBackup { size_bytes: 0, blake3: String::new() };
    let of = |header: &LuksHeader| format!("{:?}", LuksHeader { backup: none.clone(), ..header.clone() });
    let found = match luks::examine(device) {
        Ok(Some(examined)) => of(&examined.header),
        Ok(None) => "none".to_owned(),
        Err(reason) => reason,
    };
    let planned = of(planned);
    if found == planned {
        return Ok(());
    }
    let differences = vec![Difference { what: "LUKS header".into(), planned, found }];
    Err(RebuildError::NotAsPlanned { device: device.display().to_string(), differences })
}

/// Names of the mappings that are made from a device.
fn mappings(device: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(class(device).join("holders")).into_iter().flatten().flatten();
    let name = |entry: std::fs::DirEntry| {
        let name = std::fs::read_to_string(entry.path().join("dm/name")).ok()?;
        Some(name.trim_end().to_owned())
    };
    entries.filter_map(name).collect()
}

/// Opens a device, and wipes the mapping: what another header's key made of the same bytes may look like a filesystem.
///
/// # Errors
/// When there is no key, cryptsetup refuses, or the mapping has another size than planned.
pub fn open(
    context: &Context,
    device: &Path,
    uuid: &str,
    name: &str,
    node: &Path,
    size_bytes: u64,
) -> Result<(), RebuildError> {
    if context.chroot_mounts {
        // Left by a step that stopped.
        for mapping in mappings(device) {
            context.runner.run(&make::close(&mapping))?;
        }
    }
    activate(context, device, uuid, name, node)?;
    clear(context.runner, node)?;
    if !context.chroot_mounts {
        return Ok(());
    }
    let found = block::size_bytes(node).map_err(RebuildError::io("READ the size of", node))?;
    if found == size_bytes {
        return Ok(());
    }
    let (planned, found) = (size_bytes.to_string(), found.to_string());
    let differences = vec![Difference { what: "size in bytes".into(), planned, found }];
    Err(RebuildError::NotAsPlanned { device: node.display().to_string(), differences })
}

/// Opens a device whose content stays.
///
/// # Errors
/// When there is no key, or cryptsetup refuses.
pub fn activate(context: &Context, device: &Path, uuid: &str, name: &str, node: &Path) -> Result<(), RebuildError> {
    let key = context.secrets.key(uuid).ok_or_else(|| RebuildError::Locked { device: device.display().to_string() })?;
    if context.chroot_mounts {
        // First, so that whoever goes on after an interruption knows of it; what is not open is no fault when it is closed.
        record::add(&context.run, &[Layer { kind: LayerKind::Luks, name: name.to_owned() }])?;
    }
    context.runner.run(&make::open(device, name, &key))?;
    if context.chroot_mounts { await_device(node) } else { Ok(()) }
}
