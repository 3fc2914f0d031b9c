//! Boot loaders, recognised by what they leave on disks and on the EFI system partition.

use crate::efi;
use crate::sysroot::Sysroot;
use lifeboat_machine::Name;
use lifeboat_machine::boot::Loader;
use lifeboat_machine::layout::DeviceId;
use std::path::{Path, PathBuf};

/// Architecture suffixes of EFI programs (UEFI specification 2.10, 3.5.1.1).
const SUFFIXES: [&str; 5] = ["x64", "aa64", "ia32", "riscv64", "loongarch64"];
/// Directories on an ESP that belong to no distribution.
const NO_VENDORS: [&str; 4] = ["boot", "systemd", "linux", "microsoft"];

/// A first sector starts GRUB, version 2 or legacy: boot.img says `GRUB` when it fails (grub-core/boot/i386/pc/boot.S).
pub(crate) fn grub_boot_code(sector: &[u8]) -> bool {
    sector.get(..440).is_some_and(|code| code.windows(5).any(|window| window == b"GRUB "))
}

/// GRUB's own directory: `/boot/grub`, or `/boot/grub2` as Fedora, Red Hat and SUSE name it.
pub(crate) fn grub_directory(sysroot: &Sysroot) -> Option<&'static str> {
    ["/boot/grub2", "/boot/grub"].into_iter().find(|directory| {
        ["grub.cfg", "i386-pc", "x86_64-efi", "grubenv", "fonts"]
            .iter()
            .any(|name| sysroot.exists(format!("{directory}/{name}")))
    })
}

/// GRUB for BIOS on these disks; `None` when it is not installed in the system.
pub(crate) fn grub_bios(sysroot: &Sysroot, disks: Vec<DeviceId>) -> Option<Loader> {
    let directory = grub_directory(sysroot)?;
    let legacy = sysroot.exists("/boot/grub/menu.lst") && !sysroot.exists(format!("{directory}/grub.cfg"));
    (!disks.is_empty() && !legacy).then(|| Loader::GrubBios { disks, directory: Name::from(directory) })
}

/// The loaders on an EFI system partition mounted at `esp`, and whether it holds any EFI program at all.
pub(crate) fn on_esp(sysroot: &Sysroot, esp: &Path) -> (Vec<Loader>, bool) {
    let Some(efi_directory) = find(sysroot, esp, "EFI") else { return (vec![], false) };
    let mut loaders = vec![];
    let removable = removable_program(sysroot, &efi_directory);
    let removable_bytes = removable.as_ref().and_then(|path| sysroot.read(path).ok());
    let esp_name = Name::from(esp);
    let mut removable_owned = false;

    let systemd_removable =
        removable_bytes.as_deref().and_then(efi::loader_info).is_some_and(|info| info.starts_with("systemd-boot"));
    if program(sysroot, &efi_directory.join("systemd"), "systemd-boot").is_some() || systemd_removable {
        removable_owned |= systemd_removable;
        loaders.push(Loader::SystemdBoot { esp: esp_name.clone(), removable: systemd_removable });
    }
    let directory = Name::from(grub_directory(sysroot).unwrap_or("/boot/grub"));
    for name in sysroot.list(&efi_directory) {
        let vendor = efi_directory.join(&name);
        let Some(vendor_name) = name.to_str().filter(|name| !NO_VENDORS.contains(&name.to_ascii_lowercase().as_str()))
        else {
            continue;
        };
        let Some(grub) = program(sysroot, &vendor, "grub") else { continue };
        let shim = program(sysroot, &vendor, "shim");
        // The removable path holds a copy of what the vendor's directory starts with.
        let copies = [&Some(grub), &shim].into_iter().flatten().any(|path| {
            removable_bytes.as_ref().is_some_and(|bytes| sysroot.read(path).is_ok_and(|own| own == *bytes))
        });
        let has_removable = copies || (removable_bytes.is_some() && !systemd_removable && !removable_owned);
        removable_owned |= has_removable;
        loaders.push(Loader::GrubEfi {
            esp: esp_name.clone(),
            vendor: vendor_name.to_owned(),
            shim: shim.is_some(),
            removable: has_removable,
            directory: directory.clone(),
        });
    }
    // grub-install --removable makes no directory of its own: its programs are those in EFI/BOOT.
    if let (Some(bytes), Some(path), false) = (&removable_bytes, &removable, removable_owned) {
        let beside = path.parent().and_then(|boot| program(sysroot, boot, "grub"));
        let grub = beside.is_some() || bytes.windows(4).any(|window| window == b"GRUB") || contains_grub(bytes);
        if grub && grub_directory(sysroot).is_some() {
            loaders.push(Loader::GrubEfi {
                esp: esp_name,
                vendor: "BOOT".to_owned(),
                shim: beside.is_some(),
                removable: true,
                directory,
            });
        }
    }
    let any = removable.is_some() || !loaders.is_empty() || !unified_kernels(sysroot, &efi_directory).is_empty();
    (loaders, any)
}

/// A GRUB image carries its module names and its prefix in plain text.
fn contains_grub(bytes: &[u8]) -> bool {
    [&b"/boot/grub"[..], b"grub_main", b"normal.mod"].iter().any(|text| bytes.windows(text.len()).any(|w| w == *text))
}

fn unified_kernels(sysroot: &Sysroot, efi_directory: &Path) -> Vec<PathBuf> {
    let Some(directory) = find(sysroot, efi_directory, "Linux") else { return vec![] };
    sysroot.list(&directory).into_iter().map(|name| directory.join(name)).collect()
}

/// `EFI/BOOT/BOOTX64.EFI`
fn removable_program(sysroot: &Sysroot, efi_directory: &Path) -> Option<PathBuf> {
    let boot = find(sysroot, efi_directory, "BOOT")?;
    SUFFIXES.iter().find_map(|suffix| find(sysroot, &boot, &format!("BOOT{suffix}.EFI")))
}

/// `grubx64.efi` for `grub`, of whatever architecture.
fn program(sysroot: &Sysroot, directory: &Path, name: &str) -> Option<PathBuf> {
    SUFFIXES.iter().find_map(|suffix| find(sysroot, directory, &format!("{name}{suffix}.efi")))
}

/// A name in a directory whatever its case is, as FAT sees it.
fn find(sysroot: &Sysroot, directory: &Path, name: &str) -> Option<PathBuf> {
    let found = sysroot.list(directory);
    found.into_iter().find(|entry| entry.eq_ignore_ascii_case(name)).map(|entry| directory.join(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Sysroot) {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let sysroot = Sysroot::new(directory.path());
        (directory, sysroot)
    }

    fn esp(files: &[(&str, &str)]) -> (Vec<Loader>, bool) {
        let (_keep, sysroot) = tree(files);
        on_esp(&sysroot, Path::new("/boot/efi"))
    }

    fn grub(vendor: &str, shim: bool, removable: bool) -> Loader {
        Loader::GrubEfi {
            esp: Name::from("/boot/efi"),
            vendor: vendor.into(),
            shim,
            removable,
            directory: Name::from("/boot/grub"),
        }
    }

    const GRUB: (&str, &str) = ("boot/grub/grub.cfg", "");

    #[test]
    fn debian_with_shim() {
        let vendor = [GRUB, ("boot/efi/EFI/debian/grubx64.efi", "g"), ("boot/efi/EFI/debian/shimx64.efi", "s")];
        assert_eq!(esp(&vendor), (vec![grub("debian", true, false)], true));
        let both = [vendor.as_slice(), &[("boot/efi/EFI/BOOT/BOOTX64.EFI", "s")]].concat();
        assert_eq!(esp(&both), (vec![grub("debian", true, true)], true));
        let lower = [GRUB, ("boot/efi/efi/fedora/GRUBX64.EFI", "g"), ("boot/efi/efi/boot/bootx64.efi", "g")];
        assert_eq!(esp(&lower), (vec![grub("fedora", false, true)], true));
    }

    #[test]
    fn removable_only() {
        let files = [GRUB, ("boot/efi/EFI/BOOT/BOOTX64.EFI", "MZ (,gpt2)/boot/grub")];
        assert_eq!(esp(&files), (vec![grub("BOOT", false, true)], true));
    }

    #[test]
    fn systemd_boot() {
        let magic = "#### LoaderInfo: systemd-boot 252 ####";
        let files = [
            ("boot/efi/EFI/systemd/systemd-bootx64.efi", magic),
            ("boot/efi/EFI/BOOT/BOOTX64.EFI", magic),
            ("boot/efi/EFI/Linux/x.efi", ""),
        ];
        let expected = Loader::SystemdBoot { esp: Name::from("/boot/efi"), removable: true };
        assert_eq!(esp(&files), (vec![expected], true));
        // Beside GRUB, each has what is its own.
        let files = [
            GRUB,
            ("boot/efi/EFI/systemd/systemd-bootx64.efi", magic),
            ("boot/efi/EFI/debian/grubx64.efi", "g"),
            ("boot/efi/EFI/BOOT/BOOTX64.EFI", "g"),
        ];
        let systemd = Loader::SystemdBoot { esp: Name::from("/boot/efi"), removable: false };
        assert_eq!(esp(&files).0, [systemd, grub("debian", false, true)]);
    }

    #[test]
    fn nothing_known() {
        assert_eq!(esp(&[("boot/efi/startup.nsh", "")]), (vec![], false));
        assert_eq!(esp(&[("boot/efi/EFI/Linux/arch.efi", "")]), (vec![], true));
        assert_eq!(esp(&[("boot/efi/EFI/BOOT/BOOTX64.EFI", "refind")]), (vec![], true));
    }

    #[test]
    fn boot_sectors() {
        let mut sector = vec![0; 512];
        assert!(!grub_boot_code(&sector));
        sector[0x180..0x185].copy_from_slice(b"GRUB ");
        assert!(grub_boot_code(&sector));
        let (_keep, sysroot) = tree(&[("boot/grub2/grub.cfg", "")]);
        let disks = vec![DeviceId("disk0".into())];
        let expected = Loader::GrubBios { disks: disks.clone(), directory: Name::from("/boot/grub2") };
        assert_eq!(grub_bios(&sysroot, disks.clone()), Some(expected));
        let (_keep, sysroot) = tree(&[("boot/grub/menu.lst", ""), ("boot/grub/grubenv", "")]);
        assert_eq!(grub_bios(&sysroot, disks), None);
    }
}
