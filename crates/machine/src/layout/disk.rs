//! Whole disks.

use serde::{Deserialize, Serialize};

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
