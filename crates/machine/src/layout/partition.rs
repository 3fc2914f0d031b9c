//! Partition tables and their entries.

use super::id::DeviceId;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// GPT's type of an EFI system partition (UEFI specification, 5.3.3).
pub const ESP_TYPE: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
/// GPT's type of the partition that holds GRUB's core image (GRUB manual, "BIOS installation").
pub const BIOS_BOOT_TYPE: &str = "21686148-6449-6E6F-744E-656564454649";
/// Entries of a GPT, unless its maker chose another number.
pub const GPT_ENTRIES: u32 = 128;

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

impl Partition {
    /// Its name has characters that take two units of UTF-16, of which sfdisk writes none of the name.
    pub fn has_unwritable_name(&self) -> bool {
        self.name.as_deref().is_some_and(|name| name.chars().any(|c| c.len_utf16() > 1))
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
    fn partition_names() {
        assert_eq!(partition_path(Path::new("/dev/sda"), 1), Path::new("/dev/sda1"));
        assert_eq!(partition_path(Path::new("/dev/nvme0n1"), 12), Path::new("/dev/nvme0n1p12"));
        assert_eq!(partition_path(Path::new("/dev/mmcblk0"), 2), Path::new("/dev/mmcblk0p2"));
    }
}
