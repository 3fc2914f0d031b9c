//! LUKS: the header with its key slots and tokens is put back, so that the same passphrases, key files and tokens open the device.

use crate::context::Context;
use crate::error::{Difference, RebuildError};
use crate::ready::ready;
use crate::sysfs::class;
use crate::table::await_device;
use crate::wipe::clear;
use lifeboat_machine::layout::LuksHeader;
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
    close_left(context, device)?;
    ready(context, device)?;
    context.runner.run(&make::restore_header(device, &backup))?;
    if context.chroot_mounts { read_back(device, header) } else { Ok(()) }
}

fn read_back(device: &Path, planned: &LuksHeader) -> Result<(), RebuildError> {
    // cryptsetup may count up the header's sequence number, so that its digest is another one.
    let properties = |header: &LuksHeader| {
        [
            ("LUKS version", header.version.to_string()),
            ("LUKS UUID", header.uuid.clone()),
            ("LUKS label", header.label.to_string()),
            ("LUKS subsystem", header.subsystem.to_string()),
            ("cipher", header.cipher.clone()),
            ("encryption sector in bytes", header.sector_bytes.to_string()),
            ("beginning of data in bytes", header.data_offset_bytes.to_string()),
            ("integrity", header.integrity.clone().unwrap_or_default()),
        ]
    };
    let differences: Vec<Difference> = match luks::examine(device) {
        Ok(Some(examined)) => {
            let pairs = properties(planned).into_iter().zip(properties(&examined.header));
            let differ = pairs.filter(|((_, planned), (_, found))| planned != found);
            differ.map(|((what, planned), (_, found))| Difference { what: what.to_owned(), planned, found }).collect()
        }
        none => {
            let found = none.err().unwrap_or_else(|| "none".to_owned());
            vec![Difference { what: "LUKS header".into(), planned: planned.uuid.clone(), found }]
        }
    };
    match differences.is_empty() {
        true => Ok(()),
        false => Err(RebuildError::NotAsPlanned { device: device.display().to_string(), differences }),
    }
}

/// Closes what a step that stopped left open: the disks below were chosen to be wiped, and nothing else is on them.
fn close_left(context: &Context, device: &Path) -> Result<(), RebuildError> {
    if !context.chroot_mounts {
        return Ok(());
    }
    for holder in std::fs::read_dir(class(device).join("holders")).into_iter().flatten().flatten() {
        if let Ok(name) = std::fs::read_to_string(holder.path().join("dm/name")) {
            context.runner.run(&make::close(name.trim_end()))?;
        }
    }
    Ok(())
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
    close_left(context, device)?;
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
