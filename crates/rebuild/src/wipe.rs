//! Clears a disk, and leaves the mark of an unfinished recovery on it until it holds something of its own
//! (docs/decisions/0002-interrupted-recovery.md).

use crate::context::Context;
use crate::error::RebuildError;
use crate::sysfs::class;
use lifeboat_machine::DeviceId;
use lifeboat_machine::marker::{LENGTH, Marker, offsets};
use lifeboat_sys::program::WIPEFS;
use lifeboat_sys::{Invocation, Runner, block, mount};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

/// Removes all signatures from a disk and its partitions, and zeroes its first and last MiB but for the mark.
///
/// # Errors
/// When a part of the disk is in use, or a write fails.
pub fn wipe(context: &Context, disk: &Path, device: &DeviceId) -> Result<(), RebuildError> {
    refuse_in_use(disk)?;
    let partitions = partitions(disk);
    let file = open(disk)?;
    let size = block::size_bytes(disk).map_err(RebuildError::io("READ the size of", disk))?;
    // First the mark, so that no moment from here to the new table leaves a disk that nobody would know as ours.
    let marker = Marker::of(context.machine, device).encode();
    for offset in offsets(size) {
        write(&file, disk, &marker, offset)?;
        sync(&file, disk)?;
    }
    // Inside out: the table goes last, so that a half-wiped disk is still the one it was.
    for part in &partitions {
        clear(context.runner, part)?;
    }
    clear(context.runner, disk)?;
    let head = MIB.min(size);
    let tail = size.saturating_sub(MIB).max(head);
    let marks = offsets(size);
    for (from, to) in [(0, head), (tail, size)] {
        zero(&file, disk, from, to, &marks)?;
    }
    sync(&file, disk)?;
    // Regular files and disks without partitions have nothing to drop; the next step waits for what it needs.
    if let Err(error) = block::reread_partitions(&file) {
        tracing::debug!(disk = %disk.display(), %error, "reread");
    }
    Ok(())
}

/// Removes all signatures from a device that is to get new content: what a step that stopped left there, and what an older
/// owner of the same sectors did.
///
/// # Errors
/// What wipefs reports.
pub(crate) fn clear(runner: &dyn Runner, device: &Path) -> Result<(), RebuildError> {
    runner.run(&Invocation::new(WIPEFS).args(["--all", "--force"]).arg(device)).map(|_| ()).map_err(Into::into)
}

/// A disk that holds something as a whole is known by that from now on: its marks go.
///
/// # Errors
/// When the disk cannot be read or written.
pub(crate) fn known_by_content(context: &Context, device: &Path) -> Result<(), RebuildError> {
    match context.plan.targets.iter().any(|target| Path::new(&target.path) == device) {
        true => clear_marks(device),
        false => Ok(()),
    }
}

/// Removes the marks from a disk that holds something of its own now. Bytes that are no mark stay.
///
/// # Errors
/// When the disk cannot be read or written.
pub fn clear_marks(disk: &Path) -> Result<(), RebuildError> {
    let file = open(disk)?;
    let size = block::size_bytes(disk).map_err(RebuildError::io("READ the size of", disk))?;
    let mut cleared = false;
    for offset in offsets(size) {
        let mut found = vec![0; LENGTH];
        file.read_exact_at(&mut found, offset).map_err(RebuildError::io("READ", disk))?;
        if Marker::decode(&found).is_some() {
            write(&file, disk, &vec![0; LENGTH], offset)?;
            cleared = true;
        }
    }
    if cleared { sync(&file, disk) } else { Ok(()) }
}

fn zero(file: &File, disk: &Path, from: u64, to: u64, marks: &[u64]) -> Result<(), RebuildError> {
    let zeros = vec![0; LENGTH];
    let mut at = from;
    while at < to {
        // Up to the next mark or block boundary, so that a mark is never touched.
        let step = (LENGTH as u64).min(to - at);
        let next = marks.iter().copied().filter(|mark| *mark > at).min().map_or(step, |mark| step.min(mark - at));
        if marks.contains(&at) {
            at += LENGTH as u64;
            continue;
        }
        write(file, disk, &zeros[..next as usize], at)?;
        at += next;
    }
    Ok(())
}

/// Device nodes of the partitions that the kernel knows on a disk.
fn partitions(disk: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(class(disk)) else { return vec![] };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.path().join("partition").exists())
        .map(|entry| Path::new("/dev").join(entry.file_name()))
        .filter(|node| node.exists())
        .collect();
    found.sort();
    found
}

/// Refuses a disk of which something is mounted.
pub(crate) fn refuse_in_use(disk: &Path) -> Result<(), RebuildError> {
    let partitions = partitions(disk);
    for mount in mount::table().unwrap_or_default() {
        let source = Path::new(&mount.source);
        if source == disk || partitions.iter().any(|part| part == source) {
            return Err(RebuildError::InUse {
                disk: disk.display().to_string(),
                device: source.display().to_string(),
                mount_point: mount.mount_point,
            });
        }
    }
    Ok(())
}

/// Opens a disk for reading and writing.
pub(crate) fn open(disk: &Path) -> Result<File, RebuildError> {
    OpenOptions::new().read(true).write(true).open(disk).map_err(RebuildError::io("OPEN", disk))
}

pub(crate) fn write(file: &File, disk: &Path, bytes: &[u8], offset: u64) -> Result<(), RebuildError> {
    file.write_all_at(bytes, offset).map_err(RebuildError::io("WRITE", disk))
}

pub(crate) fn sync(file: &File, disk: &Path) -> Result<(), RebuildError> {
    file.sync_all().map_err(RebuildError::io("WRITE", disk))
}
