//! Disks in use, their partitions, what those hold, and what is mounted of them.

use crate::arrays::{self, Arrays, FoundArray};
use crate::content;
use crate::crypts::{self, Crypts, FoundCrypt};
use crate::groups::{self, FoundGroup};
use crate::identity;
use crate::mounts::Used;
use crate::prober::{Prober, sector_bytes};
use crate::report::Findings;
use crate::table::{self, Table};
use crate::used::Use;
use lifeboat_machine::layout::{BIOS_BOOT_TYPE, Mount, Partition, PartitionRole, TableKind, VolumeGroup, VolumeShape};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Layout, Name};
use lifeboat_storage::blocks::{Block, Blocks};
use lifeboat_sys::{Invocation, program};

/// What to do about a device in use that is missing in the description.
const UNRECORDED: &str = "see the other refusals; if there are none, please report this with the output of lsblk";

/// Makes the layout from what is in use.
pub(crate) fn layout(prober: &Prober<'_>, blocks: &Blocks, used: &Use, findings: &mut Findings) -> Layout {
    let arrays = Arrays::read(prober, blocks, used, findings);
    let crypts = Crypts::read(prober, blocks, used, findings);
    let mut layer = Layer { prober, blocks, used, arrays: &arrays, crypts: &crypts, devices: vec![] };
    let disks = blocks.disks(prober.options.loop_devices).filter(|disk| used.disks.contains(&disk.name));
    for (index, block) in disks.enumerate() {
        let kind = DeviceKind::Disk(identity::disk(prober, block));
        layer.whole(block, &DeviceId(format!("disk{index}")), kind, findings);
    }
    let groups = layer.upper(findings);
    let mut devices = layer.devices;
    used.further.link(blocks, &mut devices, findings);
    let path_of = |name: &str| blocks.named(name).map(|block| block.path.clone()).unwrap_or_default();
    let mut mounts = vec![];
    for (name, mount) in &used.mounts {
        let path = path_of(name);
        let Some(device) = devices.iter().find(|device| device.path == path) else {
            // Whatever the reason is: what is mounted must not be left out.
            findings.refuse_with_remedy(
                mount.mount_point.display(),
                format!("its device, {path}, could not be recorded"),
                UNRECORDED,
            );
            continue;
        };
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
    for name in used.swaps.iter().filter(|name| !crypts.is_volatile(name)) {
        let path = path_of(name);
        if !devices.iter().any(|device| device.path == path) {
            findings.refuse_with_remedy(&path, "it is swap, and could not be recorded", UNRECORDED);
        }
    }
    Layout { devices, groups, mounts, swap_files: used.swap_files.clone() }
}

/// What devices are read with, and those that were read.
struct Layer<'a> {
    prober: &'a Prober<'a>,
    blocks: &'a Blocks,
    used: &'a Use,
    arrays: &'a Arrays,
    crypts: &'a Crypts,
    devices: Vec<Device>,
}

impl Layer<'_> {
    /// What a device holds that something else is made from, or that belongs to something else: a member of an array, of a volume group or
    /// of a filesystem, a LUKS header, a journal.
    fn below(&self, block: &Block) -> Option<Content> {
        let member = || self.arrays.member(block).or_else(|| self.used.groups.member(block)).map(Content::Member);
        member().or_else(|| self.crypts.content(block)).or_else(|| self.used.further.content(block))
    }

    /// Everything that is made of other devices, as soon as all of those were read; gives the groups among it.
    fn upper(&mut self, findings: &mut Findings) -> Vec<VolumeGroup> {
        let mut arrays: Vec<&FoundArray> = self.arrays.all.iter().collect();
        let on_used = |group: &&FoundGroup| group.names().any(|name| self.is_used(name));
        let mut crypts: Vec<&FoundCrypt> = self.crypts.all.iter().collect();
        let mut groups: Vec<&FoundGroup> = self.used.groups.all.iter().filter(on_used).collect();
        let mut made = vec![];
        loop {
            if let Some(index) = arrays.iter().position(|array| array.is_ready(self.blocks, &self.devices)) {
                let array = arrays.remove(index);
                let kind = DeviceKind::Array(array.with_members(self.blocks, &self.devices));
                self.whole(&array.block, &array.id, kind, findings);
            } else if let Some(index) = crypts.iter().position(|crypt| crypt.is_ready(self.blocks, &self.devices)) {
                let found = crypts.remove(index);
                if let Some(crypt) = found.crypt(self.blocks, &self.devices) {
                    self.whole(&found.block, &found.id, DeviceKind::Crypt(crypt), findings);
                }
            } else if let Some(index) = groups.iter().position(|group| group.is_ready(self.blocks, &self.devices)) {
                let group = groups.remove(index);
                group.judge(findings);
                self.volumes(group, findings);
                made.push(group.group());
            } else {
                break;
            }
        }
        let subjects = arrays.iter().map(|array| array.block.path.clone());
        let subjects = subjects.chain(crypts.iter().map(|crypt| crypt.block.path.clone()));
        let groups = groups.iter().map(|group| format!("the volume group {}", group.examined.name));
        for subject in subjects.chain(groups) {
            findings.refuse(subject, "it is on devices that are not part of this machine, or that were refused");
        }
        made
    }

    /// A device lies on the disks in use.
    fn is_used(&self, name: &str) -> bool {
        self.blocks.disks_under(name).iter().any(|disk| self.used.disks.contains(&disk.name))
    }

    fn volumes(&mut self, group: &FoundGroup, findings: &mut Findings) {
        for found in &group.examined.volumes {
            let subject = format!("{}/{}", group.examined.name, found.name);
            let block = found.number.and_then(|number| self.blocks.numbered(number)).cloned();
            let mounted =
                block.as_ref().is_some_and(|block| self.used.mounts.iter().any(|(name, _)| *name == block.name));
            if let (Some(origin), false) = (&found.origin, mounted) {
                findings
                    .warn(format!("{subject} is a snapshot of {origin}; it is not mounted and not part of the backup"));
                continue;
            }
            let Some(volume) = group.volume(found, self.prober, self.blocks, &self.devices) else {
                findings.refuse(subject, "it lies on devices that were not found");
                continue;
            };
            let count = self.devices.iter().filter(|device| matches!(device.kind, DeviceKind::Volume(_))).count();
            let id = DeviceId(format!("volume{count}"));
            if matches!(volume.shape, VolumeShape::ThinPool { .. }) {
                self.devices.push(groups::pool(group, found, volume, id));
                continue;
            }
            let Some(block) = block else {
                let remedy = format!("activate it (lvchange -ay {subject}), or remove it if it is not needed");
                findings.refuse_with_remedy(subject, "it is not active, so nobody can tell what it holds", remedy);
                continue;
            };
            self.whole(&block, &id, DeviceKind::Volume(volume), findings);
        }
    }

    /// A disk or an array: its table and partitions, or what it holds itself.
    fn whole(&mut self, block: &Block, id: &DeviceId, kind: DeviceKind, findings: &mut Findings) {
        let (prober, blocks) = (self.prober, self.blocks);
        let device = |content| Device {
            id: id.clone(),
            path: block.path.clone(),
            size_bytes: block.size_bytes,
            kind: kind.clone(),
            content,
        };
        if let Some(content) = self.below(block) {
            // With its superblock at the end a member begins like the array, be it with a partition table.
            self.devices.push(device(content));
            return;
        }
        let Some(signature) = content::signature(prober, &block.path, findings) else {
            self.devices.push(device(Content::Empty));
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
            let content = held(prober, block, &signature, self.used, findings);
            self.devices.push(device(content));
            return;
        }
        if matches!(kind, DeviceKind::Volume(_) | DeviceKind::Crypt(_)) {
            findings.refuse_with_remedy(
                &block.path,
                "it has a partition table of its own, such as the disk of a virtual machine, whose files would not be saved",
                "save the virtual machine from its inside, and keep its disk on other storage",
            );
            self.devices.push(device(Content::Empty));
            return;
        }
        let table = match read_table(prober, &block.path, id, findings) {
            Ok(table) => table,
            Err(reason) => {
                findings.refuse(&block.path, reason);
                self.devices.push(device(Content::Empty));
                return;
            }
        };
        let table_kind = table.table.kind;
        self.devices.push(device(Content::Table(table.table)));
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
            let size_bytes = partition.sectors.saturating_mul(u64::from(sector_bytes(block)));
            let content = match part.and_then(|part| self.below(part)) {
                Some(content) => content,
                None => partition_content(prober, part, &path, &partition, table_kind, size_bytes, self.used, findings),
            };
            self.devices.push(Device {
                id: DeviceId(format!("{id}p{}", partition.number)),
                path,
                size_bytes,
                kind: DeviceKind::Partition(partition),
                content,
            });
        }
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
    if kind == TableKind::Gpt && partition.type_id == BIOS_BOOT_TYPE {
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
    let kind = signature.kind.as_deref();
    if arrays::refuse_inactive(kind, &block.path, findings)
        || groups::refuse_unknown(kind, &block.path, findings)
        || crypts::refuse_closed(kind, &block.path, findings)
    {
        return Content::Empty;
    }
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
