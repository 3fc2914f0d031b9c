//! What distinguishes disks, read from sysfs alone: in the rescue system no udev may run.

use crate::hardware_path::{Lookup, hardware_path, scsi_address};
use crate::prober::{Prober, sector_bytes};
use crate::sysroot::{attribute, names};
use lifeboat_machine::layout::Disk;
use lifeboat_storage::blocks::Block;
use std::path::{Path, PathBuf};

/// Reads the identity and geometry of a whole disk.
pub(crate) fn disk(prober: &Prober<'_>, block: &Block) -> Disk {
    let directory = &block.directory;
    let device = directory.join("device");
    let devices = prober.host("/sys/devices");
    let devices = devices.canonicalize().unwrap_or(devices);
    let controlled = controller(directory);
    let place = controlled.as_deref().unwrap_or(directory);
    let place = place.strip_prefix(&devices).ok().and_then(Path::to_str).unwrap_or_default().to_owned();
    let number = |name: &str| attribute(directory.join("queue").join(name)).and_then(|text| text.parse().ok());
    let logical_sector_bytes = sector_bytes(block);
    let wwid = attribute(directory.join("wwid")).or_else(|| attribute(device.join("wwid")));
    Disk {
        wwn: wwid.as_deref().and_then(wwn),
        serial: serial(directory, &device, &place, &devices),
        hardware_path: hardware_path(&place, &Sysfs { devices }),
        model: model(&device),
        transport: transport(&block.name, &place).map(str::to_owned),
        logical_sector_bytes,
        physical_sector_bytes: number("physical_block_size").unwrap_or(logical_sector_bytes),
        rotational: number("rotational") == Some(1),
        removable: attribute(directory.join("removable")).as_deref() == Some("1"),
    }
}

/// The World Wide Name of a `wwid` attribute, where it is one: SCSI's `naa.…` as udev writes it (`0x…`), NVMe's as they
/// are. A `t10.…` name is made of vendor, model and serial number, and often not unique.
pub(crate) fn wwn(wwid: &str) -> Option<String> {
    let wwid = wwid.trim();
    if let Some(naa) = wwid.strip_prefix("naa.") {
        let zero = naa.chars().all(|c| c == '0');
        return (!zero).then(|| format!("0x{}", naa.to_ascii_lowercase()));
    }
    let known = ["eui.", "uuid.", "nvme."].iter().any(|prefix| wwid.starts_with(prefix));
    let zero = wwid.split_once('.').is_none_or(|(_, rest)| rest.chars().all(|c| c == '0' || c == '-'));
    (known && !zero).then(|| wwid.to_owned())
}

/// The serial number of a unit serial number page (SPC-4, 7.8.15): 4 bytes of header, then ASCII.
pub(crate) fn vpd_serial(page: &[u8]) -> Option<String> {
    let length = usize::from(*page.get(2)?) << 8 | usize::from(*page.get(3)?);
    let text = String::from_utf8_lossy(page.get(4..)?.get(..length).unwrap_or(page.get(4..)?)).into_owned();
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    (!text.is_empty()).then(|| text.to_owned())
}

/// The bus of a disk from its name and its place in sysfs, as lsblk's TRAN.
pub(crate) fn transport(name: &str, place: &str) -> Option<&'static str> {
    let parts: Vec<&str> = place.split('/').collect();
    let any = |test: &dyn Fn(&str) -> bool| parts.iter().any(|part| test(part));
    let numbered = |part: &str, prefix: &str| {
        part.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if name.starts_with("nvme") {
        Some("nvme")
    } else if name.starts_with("mmcblk") {
        Some("mmc")
    } else if name.starts_with("pmem") {
        Some("nvdimm")
    } else if name.starts_with("xvd") {
        Some("xen")
    } else if any(&|part| numbered(part, "usb")) {
        Some("usb")
    } else if any(&|part| numbered(part, "virtio")) {
        Some("virtio")
    } else if any(&|part| numbered(part, "ata")) {
        Some("sata")
    } else if any(&|part| part.starts_with("end_device-")) {
        Some("sas")
    } else if any(&|part| part.starts_with("rport-")) {
        Some("fc")
    } else if any(&|part| numbered(part, "session")) {
        Some("iscsi")
    } else if any(&|part| scsi_address(part).is_some()) {
        Some("scsi")
    } else {
        None
    }
}

/// Where an NVMe disk with native multipath would be without it: it stands below the virtual `nvme-subsystem`, beside
/// links to its controllers.
fn controller(directory: &Path) -> Option<PathBuf> {
    let subsystem = directory.parent()?;
    if !subsystem.file_name()?.to_str()?.starts_with("nvme-subsys") {
        return None;
    }
    let controllers = names(subsystem).into_iter().filter(|name| {
        name.to_str()
            .and_then(|name| name.strip_prefix("nvme"))
            .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    });
    controllers
        .filter_map(|name| subsystem.join(name).canonicalize().ok())
        .min()
        .map(|c| c.join(directory.file_name().unwrap_or_default()))
}

fn serial(directory: &Path, device: &Path, place: &str, devices: &Path) -> Option<String> {
    // virtio-blk has it on the disk, NVMe and MMC on the device, SCSI and ATA in a page of vital product data.
    attribute(directory.join("serial"))
        .or_else(|| attribute(device.join("serial")))
        .or_else(|| std::fs::read(device.join("vpd_pg80")).ok().as_deref().and_then(vpd_serial))
        .or_else(|| usb_serial(place, devices))
}

/// A USB disk without such a page has the serial number of the USB device that it sits in.
fn usb_serial(place: &str, devices: &Path) -> Option<String> {
    let parts: Vec<&str> = place.split('/').collect();
    let interface = parts.iter().rposition(|part| part.contains('-') && part.contains(':') && part.contains('.'))?;
    let usb_device = parts.get(..interface)?.join("/");
    attribute(devices.join(usb_device).join("serial"))
}

fn model(device: &Path) -> Option<String> {
    let vendor = attribute(device.join("vendor")).filter(|vendor| vendor != "ATA" && !vendor.starts_with("0x"));
    let model = attribute(device.join("model")).or_else(|| attribute(device.join("name")))?;
    Some(vendor.map_or(model.clone(), |vendor| format!("{vendor} {model}")))
}

struct Sysfs {
    devices: PathBuf,
}

impl Lookup for Sysfs {
    fn ata_port(&self, directory: &str) -> Option<String> {
        let name = directory.rsplit('/').next()?;
        attribute(self.devices.join(directory).join("ata_port").join(name).join("port_no"))
    }

    fn host_offset(&self, parent: &str, host: u32) -> u32 {
        let lowest = names(&self.devices.join(parent))
            .iter()
            .filter_map(|name| name.to_str()?.strip_prefix("host")?.parse::<u32>().ok())
            .min();
        host.saturating_sub(lowest.unwrap_or(host))
    }

    fn sas_phy(&self, directory: &str) -> Option<String> {
        let name = directory.rsplit('/').next()?;
        attribute(self.devices.join(directory).join("sas_device").join(name).join("phy_identifier"))
    }

    fn nvme_namespace(&self, directory: &str) -> Option<String> {
        attribute(self.devices.join(directory).join("nsid"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn world_wide_names() {
        for (wwid, expected) in [
            ("naa.5000C500A1B2C3D4", Some("0x5000c500a1b2c3d4")),
            ("naa.0000000000000000", None),
            ("eui.0025385b71b0d9c3", Some("eui.0025385b71b0d9c3")),
            ("uuid.4c4c4544-0035-4b10-8034-b7c04f4d3532", Some("uuid.4c4c4544-0035-4b10-8034-b7c04f4d3532")),
            ("nvme.1b36-64656164-51454d55-00000001", Some("nvme.1b36-64656164-51454d55-00000001")),
            ("eui.0000000000000000", None),
            ("t10.ATA     QEMU HARDDISK                           QM00001", None),
            ("", None),
        ] {
            assert_eq!(wwn(wwid).as_deref(), expected, "{wwid}");
        }
    }

    #[test]
    fn serial_pages() {
        assert_eq!(vpd_serial(b"\0\x80\0\x14     S1Z2ABCD       \n").as_deref(), Some("S1Z2ABCD"));
        assert_eq!(vpd_serial(b"\0\x80\0\xffshort").as_deref(), Some("short"));
        assert_eq!(vpd_serial(b"\0\x80"), None);
        assert_eq!(vpd_serial(b"\0\x80\0\x04    "), None);
    }

    #[test]
    fn buses() {
        for (name, place, expected) in [
            ("sda", "pci0000:00/0000:00:1f.2/ata5/host4/target4:0:0/4:0:0:0/block/sda", Some("sata")),
            ("vda", "pci0000:00/0000:00:02.0/virtio1/block/vda", Some("virtio")),
            ("nvme0n1", "pci0000:00/0000:00:03.0/nvme/nvme0/nvme0n1", Some("nvme")),
            ("sdb", "pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb", Some("usb")),
            ("sdc", "platform/host7/session1/target7:0:0/7:0:0:1/block/sdc", Some("iscsi")),
            ("sdd", "pci0000:00/0000:00:04.0/host0/target0:2:0/0:2:0:0/block/sdd", Some("scsi")),
            ("loop0", "virtual/block/loop0", None),
        ] {
            assert_eq!(transport(name, place), expected, "{place}");
        }
    }
}
