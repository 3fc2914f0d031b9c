//! Block devices of sysfs and how they stand on each other. No udev is needed.

use crate::context::Context;
use crate::report::ProbeError;
use crate::sysroot::{attribute, names};
use std::path::{Path, PathBuf};

/// A block device as sysfs shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Block {
    /// Kernel name: `sda`, `sda1`, `dm-0`.
    pub name: String,
    /// Kernel path: `/dev/sda`; a `!` in the name is a `/` there (`cciss!c0d0`).
    pub path: String,
    /// Major and minor number.
    pub number: (u32, u32),
    /// Size in bytes.
    pub size_bytes: u64,
    /// Its directory, with all symbolic links followed.
    pub directory: PathBuf,
    /// Partition number and name of the disk, for partitions.
    pub partition: Option<(u32, String)>,
    /// Names of the devices that it is made from (dm, md, bcache).
    pub slaves: Vec<String>,
    /// Names of the devices made from it.
    pub holders: Vec<String>,
    /// The device cannot be written.
    pub read_only: bool,
    /// Hidden path of a multipath NVMe namespace.
    pub hidden: bool,
}

/// What kind of block device a kernel name stands for (Documentation/admin-guide/devices.txt).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// A disk.
    Disk,
    /// A disc in a drive, a floppy disk, memory, a boot area of an MMC chip: nothing that is rebuilt.
    Ignored,
    /// A file as a disk.
    Loop,
    /// Made from other devices, or remote: what it is, for the refusal.
    Stacked(&'static str),
}

/// The family of a whole device's kernel name.
pub(crate) fn family(name: &str) -> Family {
    let base: String = name.chars().take_while(|c| !c.is_ascii_digit()).collect();
    match base.trim_end_matches('-') {
        "loop" => Family::Loop,
        "ram" | "zram" | "sr" | "scd" | "fd" | "mtdblock" | "ubiblock" | "pktcdvd" => Family::Ignored,
        "mmcblk" if name.contains("boot") || name.contains("rpmb") || name.contains("gp") => Family::Ignored,
        "dm" => Family::Stacked("a device-mapper device"),
        "md" | "md_d" => Family::Stacked("an md array"),
        "bcache" => Family::Stacked("a bcache device"),
        "zd" => Family::Stacked("a ZFS volume"),
        "drbd" => Family::Stacked("a DRBD device"),
        "nbd" | "rbd" | "rnbd" => Family::Stacked("a network block device"),
        _ => Family::Disk,
    }
}

/// All block devices, sorted by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    all: Vec<Block>,
}

impl Blocks {
    /// Reads /sys/block.
    pub fn read(context: &Context<'_>) -> Result<Blocks, ProbeError> {
        let directory = context.host("/sys/block");
        if let Err(source) = std::fs::read_dir(&directory) {
            return Err(ProbeError::Read { path: directory, source });
        }
        let mut all = vec![];
        for name in names(&directory) {
            let Some(name) = name.to_str() else { continue };
            let Ok(path) = directory.join(name).canonicalize() else { continue };
            let Some(disk) = block(&path, name, None) else { continue };
            for part in names(&path) {
                let Some(part) = part.to_str() else { continue };
                let number = attribute(path.join(part).join("partition")).and_then(|number| number.parse().ok());
                if let Some(number) = number {
                    all.extend(block(&path.join(part), part, Some((number, name.to_owned()))));
                }
            }
            all.push(disk);
        }
        all.sort_by_key(|block| natural(&block.name));
        Ok(Blocks { all })
    }

    /// All of them, sorted by name.
    pub fn all(&self) -> impl Iterator<Item = &Block> {
        self.all.iter()
    }

    /// Whole disks that can be rebuilt, without empty drives.
    pub fn disks(&self, loop_devices: bool) -> impl Iterator<Item = &Block> {
        self.all.iter().filter(move |block| {
            let wanted = match family(&block.name) {
                Family::Disk => true,
                Family::Loop => loop_devices,
                Family::Ignored | Family::Stacked(_) => false,
            };
            wanted && block.partition.is_none() && !block.hidden && block.size_bytes > 0
        })
    }

    /// Partitions of a disk in order of their numbers.
    pub fn partitions(&self, disk: &str) -> Vec<&Block> {
        let mut found: Vec<_> = self
            .all
            .iter()
            .filter(|block| block.partition.as_ref().is_some_and(|(_, parent)| parent == disk))
            .collect();
        found.sort_by_key(|block| block.partition.as_ref().map(|(number, _)| *number));
        found
    }

    /// The device of this kernel name.
    pub fn named(&self, name: &str) -> Option<&Block> {
        self.all.iter().find(|block| block.name == name)
    }

    /// The device with this number.
    pub fn numbered(&self, number: (u32, u32)) -> Option<&Block> {
        self.all.iter().find(|block| block.number == number)
    }

    /// The device that a path names: a kernel path, or a link to one such as /dev/disk/by-uuid/….
    pub fn at(&self, context: &Context<'_>, path: &str) -> Option<&Block> {
        if let Some(block) = self.all.iter().find(|block| block.path == path) {
            return Some(block);
        }
        let path = context.host(path);
        if let Ok(metadata) = path.metadata() {
            use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
            if metadata.file_type().is_block_device() {
                let number = metadata.rdev();
                return self.numbered((rustix::fs::major(number), rustix::fs::minor(number)));
            }
        }
        let real = path.canonicalize().ok()?;
        let inside = Path::new("/").join(real.strip_prefix(&context.host).ok()?);
        self.all.iter().find(|block| Path::new(&block.path) == inside)
    }

    /// The whole disks under a device, through partitions, device mapper and md.
    pub fn disks_under(&self, name: &str) -> Vec<&Block> {
        let mut todo = vec![name.to_owned()];
        let mut seen: Vec<String> = vec![];
        let mut disks = vec![];
        while let Some(name) = todo.pop() {
            if seen.contains(&name) {
                continue;
            }
            seen.push(name.clone());
            let Some(block) = self.named(&name) else { continue };
            match &block.partition {
                Some((_, disk)) => todo.push(disk.clone()),
                None if block.slaves.is_empty() => disks.push(block),
                None => todo.extend(block.slaves.iter().cloned()),
            }
        }
        disks.sort_by_key(|block| natural(&block.name));
        disks
    }

    /// Everything that a disk carries: its partitions, and what is made from it or from them.
    pub fn above(&self, disk: &str) -> Vec<&Block> {
        let mut todo = vec![disk.to_owned()];
        let mut seen: Vec<&Block> = vec![];
        while let Some(name) = todo.pop() {
            let Some(block) = self.named(&name) else { continue };
            if seen.iter().any(|known| known.name == block.name) {
                continue;
            }
            seen.push(block);
            todo.extend(block.holders.iter().cloned());
            todo.extend(self.partitions(&name).into_iter().map(|part| part.name.clone()));
        }
        seen
    }
}

impl Block {
    /// What a device that is not a disk is, for people: `the LVM volume vg0-root`. `None` for disks and partitions.
    pub fn stacked(&self) -> Option<String> {
        let Family::Stacked(kind) = family(&self.name) else { return None };
        let Some(dm_name) = attribute(self.directory.join("dm/name")) else { return Some(kind.to_owned()) };
        let uuid = attribute(self.directory.join("dm/uuid")).unwrap_or_default();
        // The prefix of the uuid tells who made it (libdm-common, "UUID prefixes").
        let kind = match uuid.split('-').next().unwrap_or_default() {
            "LVM" => "the LVM volume",
            "CRYPT" => "the encrypted (LUKS) device",
            "mpath" => "the multipath device",
            part if part.starts_with("part") => "a partition on the device-mapper device",
            "DMRAID" => "the dmraid set",
            "VDO" => "the VDO device",
            _ => "the device-mapper device",
        };
        Some(format!("{kind} {dm_name}"))
    }

    /// It is of the kinds that `lifeboat storage release` stops.
    pub fn is_released_by_us(&self) -> bool {
        let uuid = attribute(self.directory.join("dm/uuid")).unwrap_or_default();
        let maker = uuid.split('-').next().unwrap_or_default();
        self.name.starts_with("md") || ["LVM", "CRYPT", "mpath"].contains(&maker) || maker.starts_with("part")
    }
}

fn block(directory: &Path, name: &str, partition: Option<(u32, String)>) -> Option<Block> {
    let (major, minor) = attribute(directory.join("dev")).and_then(|text| number(&text))?;
    let list = |what: &str| names(&directory.join(what)).iter().filter_map(|n| n.to_str().map(str::to_owned)).collect();
    let flag = |what: &str| attribute(directory.join(what)).as_deref() == Some("1");
    Some(Block {
        name: name.to_owned(),
        path: format!("/dev/{}", name.replace('!', "/")),
        number: (major, minor),
        // Always in units of 512 bytes (Documentation/ABI/stable/sysfs-block).
        size_bytes: attribute(directory.join("size"))?.parse::<u64>().ok()?.saturating_mul(512),
        directory: directory.to_owned(),
        partition,
        slaves: list("slaves"),
        holders: list("holders"),
        read_only: flag("ro"),
        hidden: flag("hidden"),
    })
}

/// Reads `254:0`.
fn number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A key that sorts `sda2` before `sda10`, and `sdz` before `sdaa`.
pub(crate) fn natural(name: &str) -> (String, usize, String, Vec<u64>) {
    let base: String = name.chars().take_while(|c| !c.is_ascii_digit()).collect();
    let numbers = name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    // Disks of one driver share the first two letters; names with more letters come later.
    (base.chars().take(2).collect(), base.len(), base, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_people_count() {
        let mut names = vec!["sdaa", "sdb10", "sdb2", "nvme1n1", "nvme0n1p10", "nvme0n1p9", "sdb", "sdz", "vda"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["nvme0n1p9", "nvme0n1p10", "nvme1n1", "sdb", "sdb2", "sdb10", "sdz", "sdaa", "vda"]);
    }

    #[test]
    fn families() {
        for (name, expected) in [
            ("sda", Family::Disk),
            ("vda", Family::Disk),
            ("nvme0n1", Family::Disk),
            ("mmcblk0", Family::Disk),
            ("pmem0", Family::Disk),
            ("xvda", Family::Disk),
            ("dasda", Family::Disk),
            ("mmcblk0boot0", Family::Ignored),
            ("mmcblk0rpmb", Family::Ignored),
            ("sr0", Family::Ignored),
            ("zram0", Family::Ignored),
            ("loop7", Family::Loop),
            ("dm-3", Family::Stacked("a device-mapper device")),
            ("md127", Family::Stacked("an md array")),
            ("md_d0", Family::Stacked("an md array")),
            ("bcache0", Family::Stacked("a bcache device")),
            ("zd16", Family::Stacked("a ZFS volume")),
        ] {
            assert_eq!(family(name), expected, "{name}");
        }
    }
}
