//! How a machine boots.

use crate::bytes::Name;
use crate::layout::DeviceId;
use serde::{Deserialize, Serialize};

/// Firmware, loaders and initramfs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// What the firmware booted through.
    pub firmware: Firmware,
    /// Every boot loader found, in the order of preference.
    pub loaders: Vec<Loader>,
    /// EFI boot entries that point to this machine's disks, in boot order.
    pub efi_entries: Vec<EfiEntry>,
    /// What makes the initramfs.
    pub initramfs: InitramfsTool,
    /// Release of the running kernel.
    pub kernel: String,
    /// The running kernel's command line.
    pub command_line: String,
}

/// Firmware interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI.
    Uefi {
        /// Secure Boot was enforced.
        secure_boot: bool,
    },
}

/// An installed boot loader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Loader {
    /// GRUB 2 for BIOS, its core image in the MBR gap or a bios_grub partition.
    GrubBios {
        /// Disks whose boot sector starts it.
        disks: Vec<DeviceId>,
        /// GRUB's directory: `/boot/grub` or `/boot/grub2`.
        directory: Name,
    },
    /// GRUB 2 for UEFI.
    GrubEfi {
        /// Mount point of the ESP.
        esp: Name,
        /// Directory on the ESP below `EFI/`, e.g. `debian`.
        vendor: String,
        /// A signed shim starts it.
        shim: bool,
        /// It is installed at the removable path `EFI/BOOT/BOOTX64.EFI`, too.
        removable: bool,
        /// GRUB's directory: `/boot/grub` or `/boot/grub2`.
        directory: Name,
    },
    /// systemd-boot.
    SystemdBoot {
        /// Mount point of the ESP.
        esp: Name,
        /// It is installed at the removable path `EFI/BOOT/BOOTX64.EFI`, too.
        removable: bool,
    },
}

/// A `Boot####` variable (UEFI specification, 3.1.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EfiEntry {
    /// Description shown by the firmware.
    pub label: String,
    /// The partition it points to.
    pub device: DeviceId,
    /// Loader path with backslashes: `\EFI\debian\shimx64.efi`.
    pub loader: String,
    /// Optional data passed to the loader, base64: the kernel's command line where the firmware starts a kernel itself.
    pub arguments: Option<String>,
}

/// What rebuilds the initramfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitramfsTool {
    /// `update-initramfs` (Debian, Ubuntu).
    InitramfsTools,
    /// `dracut`.
    Dracut,
    /// `mkinitcpio`.
    Mkinitcpio,
    /// None: the kernel has all it needs, or the image comes ready made.
    None,
}
