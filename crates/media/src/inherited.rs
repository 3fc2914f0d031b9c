//! Kernel parameters that a rescue system takes from the machine's own command line: what the hardware may need.

/// Parameters by name; one that ends in `*` is the beginning of a name (kernel-parameters.txt).
const NAMES: [&str; 52] = [
    "acpi*",
    "add_efi_memmap",
    "amd_iommu",
    "apic",
    "biosdevname",
    "clearcpuid",
    "clocksource",
    "console",
    "dis_ucode_ldr",
    "disable_mtrr_trim",
    "earlycon",
    "earlyprintk",
    "edd",
    "efi",
    "enable_mtrr_cleanup",
    "fbcon",
    "highres",
    "hpet",
    "idle",
    "initcall_blacklist",
    "intel_iommu",
    "intremap",
    "iommu*",
    "irqfixup",
    "irqpoll",
    "lapic",
    "maxcpus",
    "mce",
    "mem",
    "memmap",
    "mitigations",
    "module_blacklist",
    "no_timer_check",
    "noapic",
    "noefi",
    "nohz",
    "noirqdebug",
    "nolapic*",
    "nomodeset",
    "nosmp",
    "notsc",
    "nox2apic",
    "nr_cpus",
    "pci*",
    "pnpacpi",
    "reboot",
    "reserve",
    "split_lock_detect",
    "swiotlb",
    "tsc",
    "video",
    "x2apic_phys",
];

/// Readers of a `NAME.PARAMETER=` that is not an option of a kernel module: programs of the restored system, and those of the
/// rescue system, for which it is not meant.
const PROGRAMS: [&str; 15] = [
    "cloud-init",
    "coreos",
    "fsck",
    "ignition",
    "lifeboat",
    "locale",
    "luks",
    "plymouth",
    "quotacheck",
    "rd",
    "resume",
    "selinux",
    "systemd",
    "udev",
    "vconsole",
];

/// The machine's consoles, hardware parameters and options of kernel modules: `nouveau.modeset=`, `libata.force=`,
/// `modprobe.blacklist=`. Without consoles there: screen and the first serial line, of which the kernel ignores the
/// one that does not exist.
pub fn parameters(command_line: &str) -> Vec<String> {
    let words = lifeboat_machine::parameters::split(command_line);
    // Everything after a lone `--` is for init (kernel-parameters.txt).
    let words = words.into_iter().take_while(|word| word != "--").filter(|word| is_hardware(word) && is_plain(word));
    let (mut consoles, others): (Vec<String>, Vec<String>) = words.partition(|word| word.starts_with("console="));
    if !consoles.iter().any(|word| word.starts_with("console=tty0")) {
        consoles.insert(0, "console=tty0".to_owned());
    }
    // The kernel's last console is /dev/console; the machine's own order is kept.
    if !consoles.iter().any(|word| word.starts_with("console=ttyS")) {
        consoles.push("console=ttyS0,115200".to_owned());
    }
    consoles.extend(others);
    consoles
}

fn is_hardware(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    let named = |known: &&str| match known.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == *known,
    };
    match name.split_once('.') {
        Some((module, parameter)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            !module.is_empty()
                && !parameter.is_empty()
                && module.chars().all(plain)
                && !PROGRAMS.contains(&module)
                // cloud-init, dracut and others have families of names.
                && !module.starts_with("systemd")
        }
        None => NAMES.iter().any(named),
    }
}

/// Quotes, control characters and what is special to a shell or a boot loader do not belong here; only `memmap=` spells
/// reserved memory with a dollar sign.
fn is_plain(word: &str) -> bool {
    let memory = word.starts_with("memmap=");
    word.chars().all(|c| c.is_ascii_graphic() && !"'\"\\`;{}|&<>".contains(c) && (c != '$' || memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn others(line: &str) -> Vec<String> {
        parameters(line).into_iter().filter(|word| !word.starts_with("console=")).collect()
    }

    #[test]
    fn what_the_hardware_may_need_comes_along() {
        for word in [
            "modprobe.blacklist=nouveau,mgag200",
            "module_blacklist=ast",
            "nouveau.modeset=0",
            "memmap=64M$0x80000000",
            "memmap=10M#2G",
            "intel_idle.max_cstate=1",
            "processor.max_cstate=1",
            "libahci.skip_host_reset=1",
            "libata.force=1.5Gbps",
            "pci=noaer,nommconf",
            "pcie_aspm=off",
            "pcie_ports=native",
            "pciehp.pciehp_force=1",
            "nvme_core.default_ps_max_latency_us=0",
            "usb-storage.quirks=1234:5678:u",
            "acpi=off",
            "acpi_osi=!Darwin",
            "net.ifnames=0",
            "nolapic_timer",
            "no_timer_check",
            "nohz=off",
            "highres=off",
            "mem=4G",
        ] {
            assert_eq!(others(&format!("root=/dev/sda1 ro {word} quiet")), [word]);
        }
    }

    #[test]
    fn what_belongs_to_the_installed_system_stays_there() {
        for word in [
            "root=UUID=1",
            "ro",
            "resume=UUID=2",
            "init=/bin/sh",
            "crashkernel=256M",
            "hugepages=1000",
            "systemd.unit=rescue.target",
            "rd.luks.uuid=luks-1",
            "rd.break",
            "udev.log_level=debug",
            "lifeboat.mode=nuke",
            "nuke",
            "fsck.mode=force",
            "acpi",
            ".x=1",
            "x.=1",
            "a/b.c=1",
        ] {
            let expected: &[&str] = if word == "acpi" { &["acpi"] } else { &[] };
            assert_eq!(others(word), expected, "{word}");
        }
        assert!(others("quiet -- nouveau.modeset=0").is_empty());
    }

    #[test]
    fn nothing_that_a_boot_loader_would_read() {
        for word in ["nomodeset;evil", "pci=$(reboot)", "nouveau.x=`id`", "console=ttyS1&", "memmap=1M${x}"] {
            assert!(others(word).is_empty(), "{word}");
        }
    }

    #[test]
    fn consoles_keep_their_order() {
        assert_eq!(parameters("console=ttyS1,57600 console=tty0"), ["console=ttyS1,57600", "console=tty0"]);
        assert_eq!(parameters("quiet"), ["console=tty0", "console=ttyS0,115200"]);
    }
}
