//! Block devices that may hold a medium.

use crate::sysfs;
use std::path::{Path, PathBuf};

/// How a device is attached; in the order in which media are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bus {
    /// An optical drive.
    Optical,
    /// USB.
    Usb,
    /// Anything else.
    Disk,
}

/// A block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// Kernel name, `sda1`.
    pub name: String,
    /// The disk that it is a partition of.
    pub partition_of: Option<String>,
    /// How it is attached.
    pub bus: Bus,
    /// Size in bytes.
    pub size_bytes: u64,
}

impl BlockDevice {
    /// Its node.
    pub fn path(&self) -> PathBuf {
        Path::new("/dev").join(&self.name)
    }

    /// The disk that it is, or is a part of.
    pub fn disk(&self) -> &str {
        self.partition_of.as_deref().unwrap_or(&self.name)
    }
}

impl Bus {
    /// `disc`, `usb` or `disk`: the word of `lifeboat.source=` and of source.json.
    pub fn word(self) -> &'static str {
        match self {
            Bus::Optical => "disc",
            Bus::Usb => "usb",
            Bus::Disk => "disk",
        }
    }
}

/// Kernel names of devices that are made of others or of memory: what they hold is found below, or is not ours.
const DERIVED: [&str; 9] = ["loop", "ram", "zram", "dm-", "md", "fd", "nbd", "mtdblock", "bcache"];

/// All block devices below `sys` (/sys) that may hold a medium, disks before their partitions, in the order of names.
pub fn list(sys: &Path) -> Vec<BlockDevice> {
    let class = sys.join("class/block");
    let mut devices: Vec<BlockDevice> = sysfs::names(&class)
        .into_iter()
        .filter(|name| !DERIVED.iter().any(|prefix| is_numbered(name, prefix)))
        .map(|name| {
            let directory = std::fs::canonicalize(class.join(&name)).unwrap_or_else(|_| class.join(&name));
            let partition_of = directory.join("partition").exists().then(|| {
                directory.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
            });
            let sectors: u64 = sysfs::attribute(&directory, "size").and_then(|s| s.parse().ok()).unwrap_or(0);
            BlockDevice { bus: bus(&name, &directory), partition_of, size_bytes: sectors * 512, name }
        })
        .collect();
    devices.sort_by(|a, b| (a.disk().len(), a.disk(), &a.name).cmp(&(b.disk().len(), b.disk(), &b.name)));
    devices
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn bus(name: &str, directory: &Path) -> Bus {
    let usb = |part: &std::ffi::OsStr| is_numbered(&part.to_string_lossy(), "usb");
    if is_numbered(name, "sr") {
        Bus::Optical
    } else if directory.iter().any(usb) {
        Bus::Usb
    } else {
        Bus::Disk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn devices_of_a_machine() {
        let sys = tempfile::tempdir().unwrap();
        let root = sys.path().join("devices");
        let class = sys.path().join("class/block");
        std::fs::create_dir_all(&class).unwrap();
        for (path, size, partition) in [
            ("pci0000:00/ata1/host0/block/sda", 2048, false),
            ("pci0000:00/ata1/host0/block/sda/sda1", 1024, true),
            ("pci0000:00/ata2/host1/block/sr0", 4, false),
            ("pci0000:00/usb1/1-1/host2/block/sdb", 8, false),
            ("virtual/block/loop0", 0, false),
            ("virtual/block/md127", 64, false),
            ("pci0000:00/nvme/nvme0/nvme0n1", 16, false),
        ] {
            let directory = root.join(path);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("size"), format!("{size}\n")).unwrap();
            if partition {
                std::fs::write(directory.join("partition"), "1\n").unwrap();
            }
            symlink(&directory, class.join(directory.file_name().unwrap())).unwrap();
        }
        let found: Vec<_> =
            list(sys.path()).into_iter().map(|d| (d.disk().to_owned(), d.name, d.bus, d.size_bytes)).collect();
        let expected = [
            ("sda", "sda", Bus::Disk, 1 << 20),
            ("sda", "sda1", Bus::Disk, 1 << 19),
            ("sdb", "sdb", Bus::Usb, 4096),
            ("sr0", "sr0", Bus::Optical, 2048),
            ("nvme0n1", "nvme0n1", Bus::Disk, 8192),
        ]
        .map(|(disk, name, bus, size)| (disk.to_owned(), name.to_owned(), bus, size));
        assert_eq!(found, expected);
    }
}
