//! Disks in use, their partitions, what those hold, and what is mounted of them.

use crate::content;
use crate::identity;
use crate::mounts::Used;
use crate::prober::Prober;
use crate::report::Findings;
use crate::table::{self, Table};
use lifeboat_machine::layout::{Mount, Partition, PartitionRole, SwapFile, TableKind};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Layout, Name};
use lifeboat_storage::blocks::{Block, Blocks};
use lifeboat_sys::{Invocation, program};
use std::collections::BTreeSet;

/// What is in use, by kernel names of devices.
#[derive(Debug, Default)]
pub(crate) struct Use {
    /// Mounts and the device of each.
    pub mounts: Vec<(String, Used)>,
    /// Devices that are swapped to, or that fstab names for it.
    pub swaps: BTreeSet<String>,
    /// Whole disks that must be recorded.
    pub disks: BTreeSet<String>,
    /// Devices that are refused for where they are mounted.
    pub beside: BTreeSet<String>,
    /// Swap files.
    pub swap_files: Vec<SwapFile>,
}

/// Makes the layout from what is in use.
pub(crate) fn layout(prober: &Prober<'_>, blocks: &Blocks, used: &Use, findings: &mut Findings) -> Layout {
    let mut devices: Vec<Device> = vec![];
    let disks = blocks.disks(prober.options.loop_devices).filter(|disk| used.disks.contains(&disk.name));
    for (index, block) in disks.enumerate() {
        let id = DeviceId(format!("disk{index}"));
        one_disk(prober, blocks, block, &id, used, &mut devices, findings);
    }
    let path_of = |name: &str| blocks.named(name).map(|block| block.path.clone()).unwrap_or_default();
    let mut mounts = vec![];
    for (name, mount) in &used.mounts {
        let path = path_of(name);
        let Some(device) = devices.iter().find(|device| device.path == path) else { continue };
        if device.filesystem().is_none() {
            // Refused already, with its reason.
            continue;
        }
        let subvolume = (mount.kind == "btrfs").then(|| content::subvolume_name(&mount.root));
        mounts.push(Mount {
            device: device.id.clone(),
            mount_point: Name::from(mount.mount_point.as_path()),
            options: mount.options.clone(),
            subvolume,
        });
    }
    Layout { devices, groups: vec![], mounts, swap_files: used.swap_files.clone() }
}

fn one_disk(
    prober: &Prober<'_>,
    blocks: &Blocks,
    block: &Block,
    id: &DeviceId,
    used: &Use,
    devices: &mut Vec<Device>,
    findings: &mut Findings,
) {
    let disk = identity::disk(prober, block);
    let device = |content| Device {
        id: id.clone(),
        path: block.path.clone(),
        size_bytes: block.size_bytes,
        kind: DeviceKind::Disk(disk.clone()),
        content,
    };
    let Some(signature) = content::signature(prober, &block.path, findings) else {
        devices.push(device(Content::Empty));
        return;
    };
    if signature.kind.is_some() && signature.table.is_some() {
        findings.refuse_with_remedy(
            &block.path,
            "it has both a partition table and a filesystem or RAID signature",
            format!("remove the wrong one with wipefs; wipefs {} lists them", block.path),
        );
    }
    if signature.table.is_none() {
        let content = held(prober, block, &signature, used, findings);
        devices.push(device(content));
        return;
    }
    let table = match read_table(prober, &block.path, id, findings) {
        Ok(table) => table,
        Err(reason) => {
            findings.refuse(&block.path, reason);
            devices.push(device(Content::Empty));
            return;
        }
    };
    let kind = table.table.kind;
    devices.push(device(Content::Table(table.table)));
    let known = blocks.partitions(&block.name);
    for part in &known {
        let number = part.partition.as_ref().map_or(0, |(number, _)| *number);
        if !table.partitions.iter().any(|partition| partition.number == number) {
            findings.refuse_with_remedy(
                &part.path,
                "the kernel has this partition, but the partition table of its disk does not",
                "run partprobe, or restart the machine",
            );
        }
    }
    for partition in table.partitions {
        let path = lifeboat_machine::layout::partition_path(std::path::Path::new(&block.path), partition.number);
        let path = path.to_string_lossy().into_owned();
        let part = known.iter().copied().find(|part| part.path == path);
        let size_bytes = partition.sectors.saturating_mul(u64::from(disk.logical_sector_bytes));
        let content = partition_content(prober, part, &path, &partition, kind, size_bytes, used, findings);
        devices.push(Device {
            id: DeviceId(format!("{id}p{}", partition.number)),
            path,
            size_bytes,
            kind: DeviceKind::Partition(partition),
            content,
        });
    }
}

#[allow(clippy::too_many_arguments)]
fn partition_content(
    prober: &Prober<'_>,
    part: Option<&Block>,
    path: &str,
    partition: &Partition,
    kind: TableKind,
    size_bytes: u64,
    used: &Use,
    findings: &mut Findings,
) -> Content {
    if partition.role == PartitionRole::Extended {
        return Content::Extended;
    }
    if kind == TableKind::Gpt && partition.type_id == table::BIOS_BOOT {
        return Content::BootLoader;
    }
    let Some(part) = part else {
        findings.refuse_with_remedy(
            path,
            "the partition table of its disk has this partition, but the kernel does not",
            "run partprobe, or restart the machine",
        );
        return Content::Empty;
    };
    if part.size_bytes != size_bytes {
        findings.refuse_with_remedy(
            path,
            "the kernel and the partition table disagree about its size",
            "run partprobe, or restart the machine",
        );
    }
    let Some(signature) = content::signature(prober, path, findings) else { return Content::Empty };
    if signature.table.is_some() && nested(prober, path) {
        findings.refuse_with_remedy(
            path,
            "it holds a partition table of its own",
            "wipe that table with wipefs if it is not needed",
        );
        return Content::Empty;
    }
    held(prober, part, &signature, used, findings)
}

/// A table inside of a partition counts when it has entries: boot code in a filesystem's first sector has its magic too.
fn nested(prober: &Prober<'_>, path: &str) -> bool {
    let sector = prober.read_device(path, 0, 512).unwrap_or_default();
    table::entry_types(&sector).iter().any(|kind| *kind != 0)
}

/// What a disk or partition without table holds; what nothing mounted shows is refused, because it would not be saved.
fn held(
    prober: &Prober<'_>,
    block: &Block,
    signature: &crate::signature::Signature,
    used: &Use,
    findings: &mut Findings,
) -> Content {
    let mounts: Vec<&Used> = used.mounts.iter().filter(|(name, _)| *name == block.name).map(|(_, used)| used).collect();
    let content = content::read(prober, &block.path, signature, &mounts, findings);
    match &content {
        Content::Filesystem(_) if used.beside.contains(&block.name) => {}
        Content::Filesystem(filesystem) if mounts.is_empty() => findings.refuse_with_remedy(
            &block.path,
            format!(
                "it holds a filesystem ({}) that is not mounted, so its files would not be saved",
                filesystem.options.mount_type()
            ),
            "mount it, or wipe it with wipefs if it is not needed",
        ),
        Content::Empty if !mounts.is_empty() && signature.is_empty() => findings.refuse(
            &block.path,
            format!("it is mounted on {}, but blkid finds no filesystem on it", mounts[0].mount_point.display()),
        ),
        Content::Empty if signature.is_empty() && !block.holders.is_empty() => {
            findings.refuse(&block.path, format!("it is in use by {}", block.holders.join(", ")))
        }
        Content::Empty if signature.is_empty() => unknown(prober, block, findings),
        _ => {}
    }
    content
}

/// Bytes that nobody recognises: perhaps a database's raw device. Zeros, or what an empty partition has, are fine.
fn unknown(prober: &Prober<'_>, block: &Block, findings: &mut Findings) {
    match prober.read_device(&block.path, 0, 1 << 20) {
        Ok(bytes) if bytes.iter().all(|b| *b == 0) => {}
        Ok(_) => findings
            .warn(format!("{}: it holds no known filesystem but is not blank; it is recreated empty", block.path)),
        Err(error) => findings.refuse(&block.path, format!("cannot READ it: {error}")),
    }
}

/// Reads the partition table of a disk.
fn read_table(prober: &Prober<'_>, path: &str, id: &DeviceId, findings: &mut Findings) -> Result<Table, String> {
    let sector = prober.read_device(path, 0, 512).map_err(|error| format!("cannot READ its first sector: {error}"))?;
    let output = prober
        .runner
        .run(&Invocation::new(program::SFDISK).arg("--json").arg(prober.host(path)))
        .map_err(|error| error.to_string())?;
    // A damaged backup table, or a size that no longer fits, is reported there.
    for line in String::from_utf8_lossy(&output.stderr).lines().map(str::trim).filter(|line| !line.is_empty()) {
        findings.warn(format!("{path}: {line}"));
    }
    table::parse(&output.stdout, &sector, id).map_err(|error| error.to_string())
}
