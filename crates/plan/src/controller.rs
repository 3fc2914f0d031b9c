//! Storage controllers by their modalias, and how people call them.

/// A modalias of something that a disk can be behind: PCI class 01, virtio block and SCSI, USB storage, and the
/// paravirtual ones (Documentation of each bus in the kernel's file2alias.c).
pub(crate) fn is_storage(alias: &str) -> bool {
    if alias.starts_with("pci:") {
        return alias.contains("bc01sc");
    }
    let usb = alias.starts_with("usb:") && alias.contains("ic08isc");
    // Device ids 2 and 8: linux/virtio_ids.h. The GUIDs: SCSI and IDE of linux/hyperv.h.
    let virtio = alias.starts_with("virtio:d00000002") || alias.starts_with("virtio:d00000008");
    let vmbus = alias == "vmbus:d96361baa104294db60572e2ffb1dc7f" || alias == "vmbus:32264132cb86a2449b5c50d1417354f5";
    usb || virtio || vmbus || alias == "xen:vbd" || alias.starts_with("mmc:")
}

/// What a storage controller is, for people, with the numbers by which its maker knows it.
pub(crate) fn name(alias: &str) -> String {
    let kind = kind(alias);
    match pci_numbers(alias) {
        Some(numbers) => format!("{kind} (PCI {numbers})"),
        None => kind.to_owned(),
    }
}

fn kind(alias: &str) -> &'static str {
    if alias.starts_with("pci:") {
        // Sub-classes of mass storage (PCI Code and ID Assignment Specification, 1.2).
        let class = alias.find("bc01sc").and_then(|at| alias.get(at + 6..at + 8)).unwrap_or_default();
        return match class {
            "00" => "a SCSI controller",
            "01" => "an IDE controller",
            "04" => "a RAID controller",
            "05" => "an ATA controller",
            "06" => "a SATA controller",
            "07" => "a SAS controller",
            "08" => "an NVMe controller",
            "09" => "a UFS controller",
            _ => "a storage controller",
        };
    }
    match alias.split(':').next().unwrap_or_default() {
        "usb" => "a USB disk",
        "virtio" if alias.starts_with("virtio:d00000008") => "a virtio SCSI controller",
        "virtio" => "a virtio disk",
        "vmbus" => "a Hyper-V disk controller",
        "xen" => "a Xen disk",
        "mmc" => "a memory card reader",
        _ => "a storage controller",
    }
}

/// `1b36:0010` of `pci:v00001B36d00000010sv…`.
fn pci_numbers(alias: &str) -> Option<String> {
    let rest = alias.strip_prefix("pci:v")?;
    let (vendor, rest) = (rest.get(..8)?, rest.get(8..)?);
    let device = rest.strip_prefix('d')?.get(..8)?;
    let short = |number: &str| u32::from_str_radix(number, 16).ok().map(|number| format!("{number:04x}"));
    Some(format!("{}:{}", short(vendor)?, short(device)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_people_know() {
        for (alias, expected) in [
            ("pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02", "an NVMe controller (PCI 1b36:0010)"),
            ("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", "a SATA controller (PCI 8086:2922)"),
            ("pci:v00001000d0000005Dsv00001028sd00001F49bc01sc04i00", "a RAID controller (PCI 1000:005d)"),
            ("pci:v00001000d00000012sv0sd0bc01sc80i00", "a storage controller (PCI 1000:0012)"),
            ("pci:vZZ", "a storage controller"),
            ("virtio:d00000002v00001AF4", "a virtio disk"),
            ("virtio:d00000008v00001AF4", "a virtio SCSI controller"),
            ("usb:v0781p5567d0126dc00dsc00dp00ic08isc06ip50in00", "a USB disk"),
            ("xen:vbd", "a Xen disk"),
            ("vmbus:d96361baa104294db60572e2ffb1dc7f", "a Hyper-V disk controller"),
        ] {
            assert_eq!(name(alias), expected, "{alias}");
        }
    }

    #[test]
    fn any_alias_has_a_name() {
        use proptest::prelude::*;
        proptest!(|(alias in "(pci:v|virtio:|usb:)?\\PC{0,40}")| {
            prop_assert!(!name(&alias).is_empty());
        });
    }
}
