//! Partition tables, and waiting for the kernel to show the partitions.

use crate::context::Context;
use crate::error::RebuildError;
use crate::read_back;
use crate::sfdisk::script;
use crate::sysfs::class;
use crate::wipe::{clear_marks, open, sync, write as write_at};
use base64::Engine as _;
use lifeboat_machine::layout::{Partition, PartitionTable, partition_path};
use lifeboat_sys::program::{PARTX, SFDISK, UDEVADM};
use lifeboat_sys::{Invocation, block};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the kernel may take to show a partition.
const DEADLINE: Duration = Duration::from_secs(10);
/// After this the kernel is asked again.
const SECOND_TRY: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);
/// Boot code in sector 0 ends before the disk signature.
pub(crate) const BOOT_CODE: usize = 440;

/// Writes a partition table and waits for its partitions; then the disk is known by its table and needs no mark.
///
/// # Errors
/// What sfdisk reports, or the partition that did not appear.
pub fn write(
    context: &Context,
    disk: &Path,
    table: &PartitionTable,
    entries: &[Partition],
    partitions: &[String],
) -> Result<(), RebuildError> {
    let call = Invocation::new(SFDISK)
        .args(["--no-reread", "--wipe", "always", "--wipe-partitions", "always"])
        .arg(disk)
        .stdin(script(table, entries));
    context.runner.run(&call)?;
    if let Some(code) = &table.boot_code {
        let mut bytes =
            base64::engine::general_purpose::STANDARD.decode(code).map_err(|error| RebuildError::Unsupported {
                what: "boot code".into(),
                device: disk.display().to_string(),
                reason: format!("it is not base64: {error}"),
            })?;
        bytes.truncate(BOOT_CODE);
        let file = open(disk)?;
        // A disk takes whole sectors only through the page cache, which this write goes through.
        write_at(&file, disk, &bytes, 0)?;
        sync(&file, disk)?;
    }
    sync(&open(disk)?, disk)?;
    clear_marks(disk)?;
    if context.chroot_mounts {
        read_back::table(context.runner, disk, table, entries)?;
    }
    // Last, for whenever a disk that was open for writing is closed, udevd makes the kernel read its table again, and for a
    // moment there are no partitions (udev, 60-block.rules and `synthesize_change`).
    await_partitions(context, disk, partitions, entries)?;
    // udevd opens new partitions to look at them, too, and mkfs refuses what is open exclusively elsewhere. It answers
    // when it has done all that it knew of before it was asked.
    if !partitions.is_empty() && Path::new("/run/udev/control").exists() && context.runner.has(UDEVADM) {
        context.runner.run(&Invocation::new(UDEVADM).args(["settle", "--timeout=10"]).accept(1))?;
        await_partitions(context, disk, partitions, entries)?;
    }
    Ok(())
}

/// Waits for a device that a step before has made: udev may look at it again at any time, and it is gone meanwhile.
///
/// # Errors
/// [`RebuildError::Timeout`] when it does not come.
pub fn await_device(device: &Path) -> Result<(), RebuildError> {
    let begun = Instant::now();
    while !device.exists() {
        if begun.elapsed() > DEADLINE {
            return Err(RebuildError::Timeout {
                what: format!("the device {}", device.display()),
                seconds: DEADLINE.as_secs(),
                hint: "it was present before; try dmesg",
            });
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn await_partitions(
    context: &Context,
    disk: &Path,
    partitions: &[String],
    entries: &[Partition],
) -> Result<(), RebuildError> {
    let begun = Instant::now();
    let sector = sector_bytes(disk);
    let mut asked_again = false;
    for path in partitions {
        let number: Option<u32> = trailing_number(path);
        let entry = number.and_then(|number| entries.iter().find(|entry| entry.number == number));
        let start = entry.map(|entry| entry.start_sector * sector / 512);
        while !shown(Path::new(path), start) {
            link(disk, Path::new(path), number);
            if begun.elapsed() > DEADLINE {
                return Err(RebuildError::Timeout {
                    what: format!("partition {path}"),
                    seconds: DEADLINE.as_secs(),
                    hint: "the kernel did not read the new table; try dmesg",
                });
            }
            if begun.elapsed() > SECOND_TRY && !asked_again {
                asked_again = true;
                ask_again(context, disk);
            }
            std::thread::sleep(POLL);
        }
    }
    Ok(())
}

fn ask_again(context: &Context, disk: &Path) {
    let reread = open(disk).map(|file| block::reread_partitions(&file));
    if !matches!(reread, Ok(Ok(()))) && context.runner.has(PARTX) {
        // The wait goes on whatever it says, and its deadline names what is missing.
        if let Err(error) = context.runner.run(&Invocation::new(PARTX).arg("--update").arg(disk)) {
            tracing::debug!(%error, "partx");
        }
    }
}

/// Partitions of an array get the kernel's name; the links beside the array's own, `/dev/md/data1`, come from rules of udev
/// that the rescue system does not have (mdadm, udev-md-raid-arrays.rules).
pub(crate) fn link(disk: &Path, path: &Path, number: Option<u32>) {
    let (Ok(real), Some(number)) = (disk.canonicalize(), number) else { return };
    let partition = partition_path(&real, number);
    if real != disk && partition.exists() && std::fs::symlink_metadata(path).is_err() {
        // Whoever waits says what is missing.
        let _ = std::os::unix::fs::symlink(&partition, path);
    }
}

/// The node is there, and the partition begins where it should: not one of the table before.
fn shown(path: &Path, start: Option<u64>) -> bool {
    let known = std::fs::read_to_string(class(path).join("start"));
    let known: Option<u64> = known.ok().and_then(|text| text.trim().parse().ok());
    path.exists() && (start.is_none() || known == start)
}

fn sector_bytes(disk: &Path) -> u64 {
    let path = class(disk).join("queue/logical_block_size");
    std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(512)
}

fn trailing_number(path: &str) -> Option<u32> {
    let digits = path.len() - path.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    path[path.len() - digits..].parse().ok()
}
