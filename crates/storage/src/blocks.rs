//! The graph of block devices: sysfs shows what is made from what, blkid what each holds. No udev is needed.

use crate::blkid;
use crate::kinds::{self, Mapped};
use crate::layer::StorageError;
use lifeboat_sys::program::BLKID;
use lifeboat_sys::{Invocation, RunError, Runner};
use std::io;
use std::path::{Path, PathBuf};

/// A block device as sysfs shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
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
    /// Hidden path of a multipath NVMe namespace, which has no node.
    pub hidden: bool,
    /// It can be unplugged: a removable medium, or a disk behind USB.
    pub pluggable: bool,
    /// What the kernel has as the identity of a disk (`wwid`): the same for each path to it.
    pub wwid: Option<String>,
    /// Device-mapper name and uuid.
    pub mapper: Option<(String, String)>,
    /// What it holds; nothing before [`Blocks::identify`].
    pub holds: Holds,
}

/// What blkid(8) knows of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// `TYPE`: `ext4`, `LVM2_member`; empty when it knows nothing.
    pub kind: String,
    /// `UUID`: of the filesystem, the array, the LUKS header, the physical volume.
    pub uuid: String,
    /// `LABEL`, empty when none.
    pub label: String,
}

/// What kind of block device a kernel name stands for (Documentation/admin-guide/devices.txt).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
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
pub fn family(name: &str) -> Family {
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
pub struct Blocks {
    all: Vec<Block>,
}

impl Blocks {
    /// Reads sysfs, which is at `sys` (/sys).
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(sys: &Path) -> io::Result<Blocks> {
        let directory = sys.join("block");
        std::fs::read_dir(&directory)?;
        let mut all = vec![];
        for name in names(&directory) {
            let Ok(path) = directory.join(&name).canonicalize() else { continue };
            let Some(disk) = block(&path, &name, None) else { continue };
            for part in names(&path) {
                let number = attribute(&path.join(&part).join("partition")).and_then(|number| number.parse().ok());
                if let Some(number) = number {
                    all.extend(block(&path.join(&part), &part, Some((number, name.clone()))));
                }
            }
            all.push(disk);
        }
        all.sort_by_key(|block| natural(&block.name));
        Ok(Blocks { all })
    }

    /// The same with what each device holds.
    ///
    /// # Errors
    /// [`StorageError::Sysfs`], or [`StorageError::Run`] when blkid fails.
    pub fn identified(runner: &dyn Runner, sys: &Path) -> Result<Blocks, StorageError> {
        let mut blocks = Blocks::listed(sys)?;
        blocks.identify(runner)?;
        Ok(blocks)
    }

    /// As [`Blocks::read`], with the error of this crate: for who asks only what is made from what, for blkid reads every device.
    ///
    /// # Errors
    /// [`StorageError::Sysfs`].
    pub fn listed(sys: &Path) -> Result<Blocks, StorageError> {
        Blocks::read(sys).map_err(|source| StorageError::Sysfs { path: sys.join("block"), source })
    }

    /// Asks blkid what each device holds, past its cache.
    ///
    /// # Errors
    /// [`RunError`] when blkid fails.
    pub fn identify(&mut self, runner: &dyn Runner) -> Result<(), RunError> {
        // 2: nothing found (blkid(8)).
        let call = Invocation::new(BLKID).args(["-c", "/dev/null", "-o", "export"]).accept(2);
        for (node, holds) in parse(&runner.run(&call)?.text()) {
            if let Some(block) = self.all.iter_mut().find(|block| block.is_at(&node)) {
                block.holds = holds;
            }
        }
        Ok(())
    }

    /// Those that were put together by hand, in tests.
    #[cfg(test)]
    pub(crate) fn of(all: Vec<Block>) -> Blocks {
        Blocks { all }
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

    /// The device at a node: its own, or the one below /dev/mapper by which tools call a device-mapper device.
    pub fn at(&self, node: &str) -> Option<&Block> {
        self.all.iter().find(|block| block.is_at(node))
    }

    /// The device that a path names: a node, or a link to one such as /dev/disk/by-uuid/…. `host` has /dev; `/` but in
    /// tests.
    pub fn linked(&self, host: &Path, path: &str) -> Option<&Block> {
        if let Some(block) = self.at(path) {
            return Some(block);
        }
        let path = host.join(path.trim_start_matches('/'));
        if let Ok(metadata) = path.metadata() {
            use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
            if metadata.file_type().is_block_device() {
                let number = metadata.rdev();
                return self.numbered((rustix::fs::major(number), rustix::fs::minor(number)));
            }
        }
        let real = path.canonicalize().ok()?;
        let inside = Path::new("/").join(real.strip_prefix(host).ok()?);
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

    /// Those that hold what blkid calls `kind`, and from which nothing is made yet.
    pub fn free(&self, kind: &str) -> Vec<&Block> {
        self.all.iter().filter(|block| block.holds.kind == kind && !self.is_held(block)).collect()
    }

    /// True when something is made from the device, or from the disk of which it is a partition: the paths of a multipath
    /// device keep the partitions that the kernel saw first.
    pub fn is_held(&self, block: &Block) -> bool {
        let disk = block.partition.as_ref().and_then(|(_, disk)| self.named(disk));
        !block.holders.is_empty() || disk.is_some_and(|disk| !disk.holders.is_empty())
    }

    /// What two paths to one disk have in common: its identity, and for a partition its number.
    pub fn identity(&self, block: &Block) -> Option<String> {
        let disk = block.partition.as_ref().and_then(|(_, disk)| self.named(disk)).unwrap_or(block);
        let part = block.partition.as_ref().map_or(0, |(number, _)| *number);
        disk.wwid.as_ref().map(|wwid| format!("{wwid} {part}"))
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
    /// True for its node, and for the one below /dev/mapper.
    fn is_at(&self, node: &str) -> bool {
        match node.strip_prefix("/dev/mapper/") {
            Some(name) => self.mapper.as_ref().is_some_and(|(mapper, _)| mapper == name),
            None => self.path == node,
        }
    }

    /// What a device that is not a disk is, for people: `the LVM volume vg0-root`. `None` for disks and partitions.
    pub fn stacked(&self) -> Option<String> {
        let Family::Stacked(kind) = family(&self.name) else { return None };
        Some(match &self.mapper {
            None => kind.to_owned(),
            Some((name, uuid)) => format!("{} {name}", kinds::mapped(uuid).title()),
        })
    }

    /// It is of the kinds that `lifeboat storage release` stops.
    pub fn is_released_by_us(&self) -> bool {
        let mapped = self.mapper.as_ref().map(|(_, uuid)| kinds::mapped(uuid));
        self.name.starts_with("md") || matches!(mapped, Some(Mapped::Layer(_) | Mapped::Partition))
    }

    /// One that was put together by hand, in tests.
    #[cfg(test)]
    pub(crate) fn holding(name: &str, kind: &str) -> Block {
        let holds = Holds { kind: kind.into(), ..Holds::default() };
        Block { name: name.into(), path: format!("/dev/{name}"), holds, ..Block::default() }
    }
}

fn block(directory: &Path, name: &str, partition: Option<(u32, String)>) -> Option<Block> {
    let (major, minor) = attribute(&directory.join("dev")).and_then(|text| number(&text))?;
    let list = |what: &str| names(&directory.join(what));
    let flag = |what: &str| attribute(&directory.join(what)).as_deref() == Some("1");
    Some(Block {
        name: name.to_owned(),
        path: format!("/dev/{}", name.replace('!', "/")),
        number: (major, minor),
        // Always in units of 512 bytes (Documentation/ABI/stable/sysfs-block).
        size_bytes: attribute(&directory.join("size"))?.parse::<u64>().ok()?.saturating_mul(512),
        directory: directory.to_owned(),
        partition,
        slaves: list("slaves"),
        holders: list("holders"),
        read_only: flag("ro"),
        hidden: flag("hidden"),
        pluggable: flag("removable") || directory.iter().any(|part| is_usb(&part.to_string_lossy())),
        // SCSI disks have it below `device`, NVMe namespaces in their own directory.
        wwid: ["device/wwid", "wwid"].iter().find_map(|file| attribute(&directory.join(file))),
        mapper: attribute(&directory.join("dm/name"))
            .map(|name| (name, attribute(&directory.join("dm/uuid")).unwrap_or_default())),
        holds: Holds::default(),
    })
}

/// A USB bus in a path of sysfs: `usb1`.
fn is_usb(part: &str) -> bool {
    part.strip_prefix("usb").is_some_and(|number| number.starts_with(|c: char| c.is_ascii_digit()))
}

/// Names in a directory, sorted; none when it cannot be read. Those of sysfs are ASCII.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// A file of sysfs as trimmed text; `None` when it is missing, unreadable or empty.
pub(crate) fn attribute(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Reads `blkid -o export`: blocks of `NAME=value` lines that begin with DEVNAME.
fn parse(text: &str) -> Vec<(String, Holds)> {
    let mut found: Vec<(String, Holds)> = vec![];
    for (key, value) in blkid::values(text) {
        match (key, found.last_mut()) {
            ("DEVNAME", _) => found.push((value, Holds::default())),
            ("TYPE", Some((_, holds))) => holds.kind = value,
            ("UUID", Some((_, holds))) => holds.uuid = value,
            ("LABEL", Some((_, holds))) => holds.label = value,
            _ => {}
        }
    }
    found
}

/// Reads `254:0`.
fn number(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// A key that sorts `sda2` before `sda10`, and `sdz` before `sdaa`.
pub fn natural(name: &str) -> (String, usize, String, Vec<u64>) {
    let base: String = name.chars().take_while(|c| !c.is_ascii_digit()).collect();
    let numbers = name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    // Disks of one driver share the first two letters; names with more letters come later.
    (base.chars().take(2).collect(), base.len(), base, numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;
    use std::os::unix::fs::symlink;

    /// Words of blkid 2.38 about a LUKS device in a volume group on an array.
    const BLKID_OUTPUT: &str = "DEVNAME=/dev/vdb1\nUUID=0f94ed54-43b7-25a2-6bb1-7c3a1c1a7e44\n\
        UUID_SUB=85f0d8dd-1d9f-1a36-0e5b-ee3b0d8ffb11\nLABEL=server:backup\nTYPE=linux_raid_member\nPARTUUID=ab-01\n\n\
        DEVNAME=/dev/md127\nUUID=Xq3yLd-7f\nTYPE=LVM2_member\n\nDEVNAME=/dev/mapper/vg-secret\nUUID=64f0\nTYPE=crypto_LUKS\n";

    #[test]
    fn a_stack_in_sysfs() {
        let root = tempfile::tempdir().unwrap();
        let class = root.path().join("block");
        std::fs::create_dir_all(&class).unwrap();
        for (path, files) in [
            ("pci/vdb", &[("device/wwid", "naa.5000c500a1b2c3d4")][..]),
            ("pci/vdb/vdb1", &[("partition", "1"), ("holders/md127", "")]),
            ("virtual/md127", &[("slaves/vdb1", ""), ("holders/dm-0", "")]),
            ("virtual/dm-0", &[("slaves/md127", ""), ("dm/name", "vg-secret"), ("dm/uuid", "LVM-abc")]),
        ] {
            let directory = root.path().join("devices").join(path);
            for (name, content) in files {
                let file = directory.join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, content).unwrap();
            }
            std::fs::write(directory.join("dev"), "8:0\n").unwrap();
            std::fs::write(directory.join("size"), "2048\n").unwrap();
            if !directory.join("partition").exists() {
                symlink(&directory, class.join(directory.file_name().unwrap())).unwrap();
            }
        }
        let runner = FakeRunner::new().answer("blkid -c /dev/null -o export", BLKID_OUTPUT);
        let devices = Blocks::identified(&runner, root.path()).unwrap();
        let kinds: Vec<_> =
            devices.all().map(|d| (d.path.clone(), d.holds.kind.as_str(), d.holds.uuid.as_str())).collect();
        assert_eq!(
            kinds,
            [
                ("/dev/dm-0".to_owned(), "crypto_LUKS", "64f0"),
                ("/dev/md127".to_owned(), "LVM2_member", "Xq3yLd-7f"),
                ("/dev/vdb".to_owned(), "", ""),
                ("/dev/vdb1".to_owned(), "linux_raid_member", "0f94ed54-43b7-25a2-6bb1-7c3a1c1a7e44"),
            ]
        );
        assert_eq!(devices.free("crypto_LUKS").len(), 1);
        assert!(devices.free("LVM2_member").is_empty());
        assert_eq!(devices.disks_under("dm-0")[0].name, "vdb");
        assert_eq!(devices.at("/dev/mapper/vg-secret").map(|block| block.name.as_str()), Some("dm-0"));
        assert_eq!(devices.named("vdb").unwrap().wwid.as_deref(), Some("naa.5000c500a1b2c3d4"));
    }

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
