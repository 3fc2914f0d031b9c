//! The path of a disk through the hardware, in the manner of udev's `ID_PATH` (systemd, udev-builtin-path_id.c).
//!
//! Derived from the device's place in sysfs by the same code on the healthy machine and in the rescue system, where no
//! udev runs, so that both compare equal. Numbers that the kernel hands out in order of discovery (`host3`, `ata5`)
//! never appear.

/// What the place in sysfs alone does not report.
pub(crate) trait Lookup {
    /// The port of `ataN` on its controller: `ata_port/ataN/port_no`.
    fn ata_port(&self, directory: &str) -> Option<String>;
    /// Offset of `hostN` among the SCSI hosts of its parent, lowest first.
    fn host_offset(&self, parent: &str, host: u32) -> u32;
    /// The phy of a SAS end device: `sas_device/end_device-X/phy_identifier`.
    fn sas_phy(&self, directory: &str) -> Option<String>;
    /// The namespace of an NVMe disk: `nsid`.
    fn nvme_namespace(&self, directory: &str) -> Option<String>;
}

/// The hardware path for a directory below /sys/devices, given without that prefix: `pci0000:00/…/block/sda`.
///
/// `None` for devices that stand on no hardware.
pub(crate) fn hardware_path(directory: &str, lookup: &dyn Lookup) -> Option<String> {
    let parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    if parts.first() == Some(&"virtual") && !directory.contains("/nvme-subsystem/") {
        return None;
    }
    let mut found: Vec<String> = vec![];
    let mut anchored = false;
    // From the disk upwards; the first bus with stable addresses ends the walk, as in udev.
    for index in (0..parts.len()).rev() {
        let part = parts[index];
        let here = parts[..=index].join("/");
        if let Some(token) = scsi_address(part) {
            found.push(scsi(token, &parts, index, lookup));
        } else if is_pci(part) {
            found.push(format!("pci-{part}"));
            anchored = true;
        } else if part.starts_with("nvme") && parts.get(index.wrapping_sub(1)).is_some_and(|p| p.starts_with("nvme")) {
            let namespace = lookup.nvme_namespace(&here).or_else(|| namespace_of(part));
            found.extend(namespace.map(|namespace| format!("nvme-{namespace}")));
        } else if let Some(interface) = usb_interface(part) {
            // Hubs above are part of the port number already.
            if !found.iter().any(|token| token.starts_with("usb-")) {
                found.push(format!("usb-0:{interface}"));
            }
        } else if part.starts_with("vbd-") {
            found.push(format!("xen-{part}"));
            anchored = true;
        } else if part.starts_with("namespace") && index > 0 && parts[index - 1].starts_with("region") {
            found.push(format!("{}-{part}", parts[index - 1]));
        } else if part.starts_with("mmc") && part.contains(':') {
            found.extend(part.split_once(':').map(|(_, address)| format!("mmc-{address}")));
        } else if is_vmbus(part) {
            found.push(format!("vmbus-{part}"));
            anchored = true;
        } else if index > 0 && parts[index - 1] == "platform" && !part.starts_with("ACPI") {
            found.push(format!("platform-{part}"));
            anchored = true;
        }
        if anchored {
            break;
        }
    }
    found.reverse();
    (!found.is_empty()).then(|| found.join("-"))
}

fn scsi((bus, target, lun): (u32, u32, u64), parts: &[&str], index: usize, lookup: &dyn Lookup) -> String {
    let before = &parts[..index];
    let position = |prefix: &str| {
        before.iter().rposition(|part| {
            part.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
    };
    let path_to = |position: usize| parts[..=position].join("/");
    if let Some(ata) = position("ata") {
        // Two devices on one PATA port or behind a port multiplier differ in their target.
        let port = lookup.ata_port(&path_to(ata)).unwrap_or_else(|| parts[ata][3..].to_owned());
        return if target == 0 { format!("ata-{port}") } else { format!("ata-{port}.{target}") };
    }
    if let Some(phy) = position("end_device-").and_then(|end| lookup.sas_phy(&path_to(end))) {
        let expander = before.iter().any(|part| part.starts_with("expander-"));
        return format!("sas-{}phy{phy}-lun-{lun}", if expander { "exp-" } else { "" });
    }
    let offset = position("host").map_or(0, |host| {
        let number = parts[host][4..].parse().unwrap_or(0);
        lookup.host_offset(&parts[..host].join("/"), number)
    });
    format!("scsi-{offset}:{bus}:{target}:{lun}")
}

/// Bus, target and LUN of `H:B:T:L`.
pub(crate) fn scsi_address(part: &str) -> Option<(u32, u32, u64)> {
    let mut numbers = part.split(':');
    numbers.next()?.parse::<u32>().ok()?;
    let found = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    numbers.next().is_none().then_some(found)
}

/// `0000:00:1f.2`
fn is_pci(part: &str) -> bool {
    let hex = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit());
    let Some((address, function)) = part.split_once('.') else { return false };
    let fields: Vec<&str> = address.split(':').collect();
    fields.len() == 3 && fields[0].len() >= 4 && fields.iter().all(|f| hex(f)) && function.len() == 1 && hex(function)
}

/// `1.2:1.0` of the USB interface `1-1.2:1.0`: without the bus number, which depends on the order of discovery.
fn usb_interface(part: &str) -> Option<&str> {
    let (bus, rest) = part.split_once('-')?;
    let valid = |c: char| c.is_ascii_digit() || c == '.' || c == ':';
    (bus.chars().all(|c| c.is_ascii_digit()) && !bus.is_empty() && rest.contains(':') && rest.chars().all(valid))
        .then_some(rest)
}

/// A Hyper-V channel: a GUID.
fn is_vmbus(part: &str) -> bool {
    part.len() == 36 && part.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && part.matches('-').count() == 4
}

/// `1` of `nvme0n1`, where the kernel has no `nsid`.
fn namespace_of(part: &str) -> Option<String> {
    let (_, namespace) = part.strip_prefix("nvme")?.rsplit_once('n')?;
    (!namespace.is_empty() && namespace.chars().all(|c| c.is_ascii_digit())).then(|| namespace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Lookup for Fixed {
        fn ata_port(&self, directory: &str) -> Option<String> {
            directory.ends_with("ata5").then(|| "3".to_owned())
        }
        fn host_offset(&self, parent: &str, host: u32) -> u32 {
            if parent.ends_with("virtio1") { host - 2 } else { 0 }
        }
        fn sas_phy(&self, _: &str) -> Option<String> {
            Some("7".to_owned())
        }
        fn nvme_namespace(&self, _: &str) -> Option<String> {
            None
        }
    }

    #[test]
    fn paths_of_real_machines() {
        for (directory, expected) in [
            ("pci0000:00/0000:00:02.0/virtio1/block/vda", Some("pci-0000:00:02.0")),
            (
                "pci0000:00/0000:00:05.0/virtio1/host2/target2:0:0/2:0:0:1/block/sdb",
                Some("pci-0000:00:05.0-scsi-0:0:0:1"),
            ),
            ("pci0000:00/0000:00:1f.2/ata5/host4/target4:0:0/4:0:0:0/block/sda", Some("pci-0000:00:1f.2-ata-3")),
            ("pci0000:00/0000:00:1f.2/ata6/host5/target5:0:1/5:0:1:0/block/sdb", Some("pci-0000:00:1f.2-ata-6.1")),
            ("pci0000:00/0000:00:1c.4/0000:02:00.0/nvme/nvme0/nvme0n1", Some("pci-0000:02:00.0-nvme-1")),
            (
                "pci0000:00/0000:00:14.0/usb2/2-1/2-1.4/2-1.4:1.0/host6/target6:0:0/6:0:0:0/block/sdc",
                Some("pci-0000:00:14.0-usb-0:1.4:1.0-scsi-0:0:0:0"),
            ),
            (
                "pci0000:00/0000:00:03.0/0000:03:00.0/host0/port-0:1/end_device-0:1/target0:0:1/0:0:1:0/block/sdd",
                Some("pci-0000:03:00.0-sas-phy7-lun-0"),
            ),
            ("vbd-51712/block/xvda", Some("xen-vbd-51712")),
            ("platform/fe340000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0", Some("platform-fe340000.mmc-mmc-0001")),
            (
                "LNXSYSTM:00/LNXSYBUS:00/ACPI0004:00/VMBUS:00/f8b3781a-1e82-4818-a1c3-63d806ec15bb/host0/target0:0:0/0:0:0:0/block/sda",
                Some("vmbus-f8b3781a-1e82-4818-a1c3-63d806ec15bb-scsi-0:0:0:0"),
            ),
            ("virtual/block/loop0", None),
            ("", None),
        ] {
            assert_eq!(hardware_path(directory, &Fixed).as_deref(), expected, "{directory}");
        }
    }

    #[test]
    fn any_directory_is_read() {
        use proptest::prelude::*;
        proptest!(|(text in "[a-z0-9:./-]*")| { hardware_path(&text, &Fixed); });
        proptest!(|(text in "((nvme|ata|host|end_device-|usb|mmc|vbd-)?[0-9:.n-]{0,6}/?)*")| { hardware_path(&text, &Fixed); });
    }
}
