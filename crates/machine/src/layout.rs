//! Storage as a graph: devices with what they hold, mounts, swap.
//!
//! A device is identified inside one description by its [`DeviceId`]; kernel names are kept as information only, for
//! they change from boot to boot. A device names what it is made from through its [`DeviceKind`], so md arrays, LUKS
//! and LVM become further kinds whose parents are several devices.

use crate::bytes::Name;
use crate::filesystem::{Filesystem, FilesystemOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Name of a device inside one machine description: `disk0`, `disk0p2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub String);

impl DeviceId {
    /// It names a variable of a shell on the page that tells how to recover by hand, and such a name is no place for syntax. In
    /// small letters it is none of the variables that a shell has already.
    pub fn is_valid(&self) -> bool {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        self.0.starts_with(|c: char| c.is_ascii_lowercase()) && self.0.len() <= 64 && self.0.chars().all(word)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All storage of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Devices, parents before children.
    pub devices: Vec<Device>,
    /// What was mounted of these devices, parents before children (`/` first).
    pub mounts: Vec<Mount>,
    /// Swap files in use.
    pub swap_files: Vec<SwapFile>,
}

/// One block device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its name in this description.
    pub id: DeviceId,
    /// Kernel path when recorded, `/dev/sda1`. Never used to find it again.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What it is.
    pub kind: DeviceKind,
    /// What it holds.
    pub content: Content,
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DeviceKind {
    /// A whole disk.
    Disk(Disk),
    /// A partition of a device.
    Partition(Partition),
}

/// Identity and geometry of a disk; identity in the order in which it is trusted (design, principle 4).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// World Wide Name, e.g. `0x5000c500a1b2c3d4`, `eui.…`, `uuid.…`.
    pub wwn: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// Path through the hardware as udev's `ID_PATH`, e.g. `pci-0000:00:1f.2-ata-1`.
    pub hardware_path: Option<String>,
    /// Vendor and model as the disk reports them.
    pub model: Option<String>,
    /// Bus: `sata`, `nvme`, `virtio`, `scsi`, `usb`, …
    pub transport: Option<String>,
    /// Logical sector size in bytes, 512 or 4096.
    pub logical_sector_bytes: u32,
    /// Physical sector size in bytes.
    pub physical_sector_bytes: u32,
    /// Spinning disk.
    pub rotational: bool,
    /// Removable medium.
    pub removable: bool,
}

/// A partition table entry. Attribute and type strings are sfdisk's (sfdisk(8), "Input formats").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// The device whose table has it.
    pub parent: DeviceId,
    /// Number in the table, from 1; MBR logical partitions from 5.
    pub number: u32,
    /// First sector, in logical sectors of the disk.
    pub start_sector: u64,
    /// Length in logical sectors of the disk.
    pub sectors: u64,
    /// GPT type GUID, upper case, or MBR type in lower-case hex without prefix.
    pub type_id: String,
    /// GPT partition GUID, upper case. MBR partitions have none of their own.
    pub uuid: Option<String>,
    /// GPT partition name.
    pub name: Option<String>,
    /// GPT attributes as sfdisk writes them: `RequiredPartition LegacyBIOSBootable GUID:63`.
    pub attributes: Option<String>,
    /// MBR active flag.
    pub bootable: bool,
    /// Place in an MBR; `Primary` on GPT.
    pub role: PartitionRole,
}

/// Place of a partition in an MBR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionRole {
    /// In the table itself.
    Primary,
    /// Container of the logical ones.
    Extended,
    /// In the extended partition.
    Logical,
}

/// What a device holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Content {
    /// Nothing that anyone recognises, and nothing mounted: left empty on recovery.
    Empty,
    /// A partition table.
    Table(PartitionTable),
    /// A filesystem.
    Filesystem(Filesystem),
    /// A swap area.
    Swap(Swap),
    /// Space for a boot loader that its installer fills (bios_grub).
    BootLoader,
    /// The container of MBR logical partitions.
    Extended,
}

/// A partition table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionTable {
    /// GPT or MBR.
    pub kind: TableKind,
    /// GPT disk GUID (upper case) or MBR disk signature (`0x1234abcd`).
    pub id: String,
    /// GPT first usable sector; `None` on MBR.
    pub first_lba: Option<u64>,
    /// GPT last usable sector; `None` on MBR.
    pub last_lba: Option<u64>,
    /// GPT number of entries; `None` on MBR.
    pub entries: Option<u32>,
    /// First 440 bytes of sector 0, base64: boot code, reinstalled by the boot loader's own installer or, when none is
    /// known, written back as it was. `None` when all zero.
    pub boot_code: Option<String>,
}

/// Kind of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableKind {
    /// GUID partition table (UEFI specification, chapter 5).
    Gpt,
    /// Master boot record.
    Mbr,
}

/// A swap area (mkswap(8)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// UUID, lower case.
    pub uuid: Option<String>,
    /// Label, empty when none.
    pub label: Name,
    /// Page size of the area in bytes.
    pub page_bytes: u32,
}

/// A swap file: its blocks are not saved, it is made anew. Links that lead to it are saved as links.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapFile {
    /// Absolute path, no part of which is a link.
    pub path: Name,
    /// Size in bytes.
    pub size_bytes: u64,
    /// The area in it.
    pub swap: Swap,
    /// Permissions, as chmod(2) takes them.
    #[serde(default = "private")]
    pub mode: u32,
    /// Owner.
    #[serde(default)]
    pub uid: u32,
    /// Group.
    #[serde(default)]
    pub gid: u32,
    /// Extended attributes by name, such as the SELinux label without which a policy forbids swapping to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<(String, Name)>,
}

/// What swapon(8) wants a swap file to be; descriptions of the first format do not tell.
fn private() -> u32 {
    0o600
}

/// A mounted filesystem of a recorded device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The device that holds it.
    pub device: DeviceId,
    /// Absolute mount point.
    pub mount_point: Name,
    /// Mount options needed to make it accessible in the same way, e.g. `noatime`; without `rw`.
    pub options: Vec<String>,
    /// btrfs: path of the mounted subvolume inside the filesystem, without leading slash; empty for the top level.
    pub subvolume: Option<Name>,
}

/// Why a layout is inconsistent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LayoutError {
    /// An id that could not be the name of a variable.
    #[error("{0:?} is no id of a device: it begins with a small letter, and has small letters, digits and _")]
    Id(String),
    /// Two devices with one id.
    #[error("device {0} is described twice")]
    Twice(DeviceId),
    /// A parent that is missing or comes later.
    #[error("device {child} is made from {parent}, which is not described before it")]
    Parent {
        /// The device.
        child: DeviceId,
        /// What it refers to.
        parent: DeviceId,
    },
    /// A mount of an unknown device.
    #[error("{mount_point} is mounted from {device}, which is not described")]
    Mount {
        /// The mount point.
        mount_point: String,
        /// What it refers to.
        device: DeviceId,
    },
    /// A mount of something that is no filesystem.
    #[error("{mount_point} is mounted from {device}, which holds no filesystem")]
    NoFilesystem {
        /// The mount point.
        mount_point: String,
        /// What it refers to.
        device: DeviceId,
    },
}

impl Device {
    /// The devices that it is made from.
    pub fn parents(&self) -> Vec<&DeviceId> {
        match &self.kind {
            DeviceKind::Disk(_) => vec![],
            DeviceKind::Partition(partition) => vec![&partition.parent],
        }
    }

    /// Its partition table entry.
    pub fn partition(&self) -> Option<&Partition> {
        match &self.kind {
            DeviceKind::Partition(partition) => Some(partition),
            DeviceKind::Disk(_) => None,
        }
    }

    /// Its disk identity.
    pub fn disk(&self) -> Option<&Disk> {
        match &self.kind {
            DeviceKind::Disk(disk) => Some(disk),
            DeviceKind::Partition(_) => None,
        }
    }

    /// Its filesystem.
    pub fn filesystem(&self) -> Option<&Filesystem> {
        match &self.content {
            Content::Filesystem(filesystem) => Some(filesystem),
            _ => None,
        }
    }
}

impl Partition {
    /// Its name has characters that take two units of UTF-16, of which sfdisk writes none of the name.
    pub fn has_unwritable_name(&self) -> bool {
        self.name.as_deref().is_some_and(|name| name.chars().any(|c| c.len_utf16() > 1))
    }
}

impl Layout {
    /// The device with this id.
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == *id)
    }

    /// All whole disks with their identity.
    pub fn disks(&self) -> impl Iterator<Item = (&Device, &Disk)> {
        self.devices.iter().filter_map(|device| device.disk().map(|disk| (device, disk)))
    }

    /// The partitions of a device, in order of their number.
    pub fn partitions_of(&self, id: &DeviceId) -> Vec<(&Device, &Partition)> {
        let mut found: Vec<_> = self
            .devices
            .iter()
            .filter_map(|device| device.partition().filter(|p| p.parent == *id).map(|p| (device, p)))
            .collect();
        found.sort_by_key(|(_, partition)| partition.number);
        found
    }

    /// The disk that a device lies on, for devices that lie on one.
    pub fn disk_of(&self, id: &DeviceId) -> Option<&Device> {
        let mut device = self.device(id)?;
        while let Some(parent) = device.parents().first() {
            device = self.device(parent)?;
        }
        Some(device)
    }

    /// The mount at exactly this path.
    pub fn mount_at(&self, mount_point: &str) -> Option<&Mount> {
        self.mounts.iter().find(|mount| mount.mount_point.0 == mount_point.as_bytes())
    }

    /// Every path at which a filesystem or subvolume begins that belongs to the machine: the mount points, and the btrfs
    /// subvolumes that are reached through a mounted one. `/` first.
    pub fn roots(&self) -> Vec<PathBuf> {
        let mut roots = Vec::new();
        for mount in &self.mounts {
            roots.push(mount.mount_point.as_path().to_owned());
            let options = self.device(&mount.device).and_then(Device::filesystem).map(|filesystem| &filesystem.options);
            let Some(FilesystemOptions::Btrfs(btrfs)) = options else { continue };
            let top = mount.subvolume.as_ref().map_or(&b""[..], |name| &name.0);
            roots.extend(btrfs.subvolumes.iter().filter_map(|subvolume| {
                let rest = subvolume.path.0.strip_prefix(top)?;
                let rest = if top.is_empty() { rest } else { rest.strip_prefix(b"/")? };
                (!rest.is_empty()).then(|| mount.mount_point.as_path().join(Name(rest.to_vec()).as_path()))
            }));
        }
        roots.sort();
        roots.dedup();
        roots
    }

    /// Checks that ids are unique, parents come first, and mounts refer to filesystems.
    ///
    /// # Errors
    /// The first [`LayoutError`] found.
    pub fn validate(&self) -> Result<(), LayoutError> {
        let mut seen = BTreeSet::new();
        for device in &self.devices {
            if !device.id.is_valid() {
                return Err(LayoutError::Id(device.id.0.clone()));
            }
            for parent in device.parents() {
                if !seen.contains(parent) {
                    return Err(LayoutError::Parent { child: device.id.clone(), parent: parent.clone() });
                }
            }
            if !seen.insert(&device.id) {
                return Err(LayoutError::Twice(device.id.clone()));
            }
        }
        for mount in &self.mounts {
            let mount_point = mount.mount_point.to_string();
            match self.device(&mount.device) {
                None => return Err(LayoutError::Mount { mount_point, device: mount.device.clone() }),
                Some(device) if device.filesystem().is_none() => {
                    return Err(LayoutError::NoFilesystem { mount_point, device: mount.device.clone() });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// The path of a partition of a disk: `/dev/sda1`, `/dev/nvme0n1p1`, by the kernel's rule that a name that ends in a
/// digit gets a `p` (block/partitions/core.c, `add_partition`).
pub fn partition_path(disk: &Path, number: u32) -> PathBuf {
    let mut name = disk.as_os_str().to_owned();
    if name.to_string_lossy().ends_with(|c: char| c.is_ascii_digit()) {
        name.push("p");
    }
    name.push(number.to_string());
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_syntax_are_refused() {
        for id in ["disk0", "disk0p12", "md_127"] {
            assert!(DeviceId(id.into()).is_valid(), "{id}");
        }
        for id in ["", "0disk", "PATH", "a b", "x:=$(reboot)", "x}\"; reboot; \"${y", "disk\n", "dïsk", &"a".repeat(65)]
        {
            assert!(!DeviceId(id.into()).is_valid(), "{id}");
        }
    }

    #[test]
    fn partition_names() {
        assert_eq!(partition_path(Path::new("/dev/sda"), 1), Path::new("/dev/sda1"));
        assert_eq!(partition_path(Path::new("/dev/nvme0n1"), 12), Path::new("/dev/nvme0n1p12"));
        assert_eq!(partition_path(Path::new("/dev/mmcblk0"), 2), Path::new("/dev/mmcblk0p2"));
    }
}
