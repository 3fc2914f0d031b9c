//! How the machine boots: firmware, loaders, EFI boot entries, initramfs tool.

use crate::efi::{self, LoadOption, PartitionPath};
use crate::loaders;
use crate::os;
use crate::prober::Prober;
use crate::report::Findings;
use crate::sysroot::{Sysroot, attribute, names};
use base64::Engine as _;
use lifeboat_machine::boot::{Boot, EfiEntry, Firmware, InitramfsTool, Loader};
use lifeboat_machine::layout::{DeviceId, ESP_TYPE, TableKind};
use lifeboat_machine::{Content, Layout};
use std::path::{Path, PathBuf};

/// Reads everything about booting. `whole`: the layout is the machine's, so a missing loader can be determined.
pub(crate) fn boot(prober: &Prober<'_>, layout: &Layout, whole: bool, findings: &mut Findings) -> Boot {
    let sysroot = prober.sysroot;
    let efi_entries = if sysroot.is_running_system() { efi_entries(prober, layout) } else { vec![] };
    let esps = esps(sysroot, layout);
    let mut any_program = false;
    let mut found = vec![];
    for esp in &esps {
        let (on_esp, any) = loaders::on_esp(sysroot, esp);
        any_program |= any;
        found.extend(on_esp);
    }
    let firmware = firmware(prober, &found);
    let grub_disks: Vec<DeviceId> = boot_sectors(prober, layout)
        .into_iter()
        .filter(|(_, sector)| loaders::grub_boot_code(sector))
        .map(|(id, _)| id)
        .collect();
    let bios = loaders::grub_bios(sysroot, grub_disks);
    sort_by_entries(&mut found, &efi_entries);
    match firmware {
        Firmware::Bios => found.splice(0..0, bios).for_each(drop),
        // Left over from another day when its modules are gone; then nothing could install it again.
        Firmware::Uefi { .. } => found.extend(bios.filter(|_| sysroot.exists("/usr/lib/grub/i386-pc"))),
    }
    // Where no disk could be read, its refusal says more.
    if whole && layout.devices.iter().any(|device| device.content != Content::Empty) {
        judge(layout, firmware, &found, any_program || !efi_entries.is_empty(), findings);
    }
    Boot {
        firmware,
        loaders: found,
        efi_entries,
        initramfs: initramfs(sysroot),
        kernel: os::kernel(sysroot, &prober.host),
        command_line: command_line(prober),
    }
}

/// Would the machine start again?
fn judge(layout: &Layout, firmware: Firmware, found: &[Loader], efi_program: bool, findings: &mut Findings) {
    let usable = |loader: &Loader| match (firmware, loader) {
        (Firmware::Bios, Loader::GrubBios { .. }) => true,
        (Firmware::Bios, _) => false,
        (Firmware::Uefi { .. }, Loader::GrubBios { .. }) => false,
        (Firmware::Uefi { .. }, _) => true,
    };
    if found.iter().any(usable) {
        return;
    }
    match firmware {
        Firmware::Uefi { .. } if efi_program => findings.warn(
            "the EFI system partition starts a program other than GRUB and systemd-boot; its files and boot entries \
             are restored as they are",
        ),
        Firmware::Uefi { .. } if has_esp(layout) => findings.refuse_with_remedy(
            "boot loader",
            "no boot loader was found on the EFI system partition, so the recovered machine would not boot",
            "mount the EFI system partition (usually on /boot/efi) and install GRUB or systemd-boot there",
        ),
        Firmware::Bios if other_boot_code(layout) => findings.refuse_with_remedy(
            "boot loader",
            "the disks' boot sectors hold a boot loader other than GRUB 2, so the recovered machine would not boot",
            "install GRUB with grub-install",
        ),
        // Nothing on any disk could start it: a kernel given to the virtual machine, or a network boot.
        Firmware::Uefi { .. } | Firmware::Bios => findings.warn(
            "there is no boot loader on the machine's disks: its kernel is started from outside, and must be after a \
             recovery as well",
        ),
    }
}

/// First sectors of the recorded disks.
fn boot_sectors(prober: &Prober<'_>, layout: &Layout) -> Vec<(DeviceId, Vec<u8>)> {
    let read = |path: &str| prober.read_device(path, 0, 512).unwrap_or_default();
    layout.disks().map(|(device, _)| (device.id.clone(), read(&device.path))).collect()
}

/// A disk's boot sector has code. A filesystem on a whole disk may begin with its superblock, which is none.
fn other_boot_code(layout: &Layout) -> bool {
    layout.disks().any(|(device, _)| matches!(&device.content, Content::Table(table) if table.boot_code.is_some()))
}

fn is_esp(layout: &Layout, id: &DeviceId) -> bool {
    layout
        .device(id)
        .and_then(|device| device.partition())
        .is_some_and(|partition| partition.type_id == ESP_TYPE || partition.type_id == "ef")
}

fn has_esp(layout: &Layout) -> bool {
    layout.devices.iter().any(|device| is_esp(layout, &device.id))
}

/// Where EFI system partitions are mounted; without a layout, where they usually are.
fn esps(sysroot: &Sysroot, layout: &Layout) -> Vec<PathBuf> {
    let usual = ["/boot/efi", "/efi", "/boot"];
    let mut found: Vec<PathBuf> = layout
        .mounts
        .iter()
        .filter(|mount| {
            is_esp(layout, &mount.device) || usual.iter().any(|usual| mount.mount_point.0 == usual.as_bytes())
        })
        .filter(|mount| {
            layout
                .device(&mount.device)
                .and_then(|device| device.filesystem())
                .is_some_and(|fs| fs.options.mount_type() == "vfat")
        })
        .map(|mount| mount.mount_point.as_path().to_owned())
        .collect();
    if layout.devices.is_empty() {
        found = usual.iter().map(PathBuf::from).filter(|path| sysroot.exists(path.join("EFI"))).collect();
    }
    found
}

fn firmware(prober: &Prober<'_>, found: &[Loader]) -> Firmware {
    let running = prober.sysroot.is_running_system();
    let efi = prober.host("/sys/firmware/efi");
    if !running {
        // The system's own loaders report how it boots, not the machine that holds it for the moment.
        let shim = |loader: &Loader| matches!(loader, Loader::GrubEfi { shim: true, .. });
        return match found.is_empty() {
            true => Firmware::Bios,
            false => Firmware::Uefi { secure_boot: found.iter().any(shim) },
        };
    }
    if !efi.exists() {
        return Firmware::Bios;
    }
    let variable = std::fs::read(efi.join("efivars").join(format!("SecureBoot-{}", efi::GLOBAL)));
    Firmware::Uefi { secure_boot: variable.is_ok_and(|file| efi::parse_flag(&file)) }
}

/// The boot entries that point to partitions of the layout, in boot order; those outside of the order come last.
fn efi_entries(prober: &Prober<'_>, layout: &Layout) -> Vec<EfiEntry> {
    let directory = prober.host("/sys/firmware/efi/efivars");
    let read = |name: &str| std::fs::read(directory.join(format!("{name}-{}", efi::GLOBAL))).unwrap_or_default();
    let order = efi::parse_boot_order(&read("BootOrder"));
    let mut numbers: Vec<u16> = names(&directory).iter().filter_map(|name| boot_number(name.to_str()?)).collect();
    numbers.sort_by_key(|number| order.iter().position(|known| known == number).unwrap_or(order.len()));
    let entry = |number: u16| {
        let option = efi::parse_load_option(&read(&format!("Boot{number:04X}")))?;
        let device = device_of(&option, layout)?;
        let arguments = (!option.optional_data.is_empty())
            .then(|| base64::engine::general_purpose::STANDARD.encode(&option.optional_data));
        // An entry without a file is the firmware's own, and made again by it.
        (!option.loader.is_empty()).then_some(EfiEntry {
            label: option.label,
            device,
            loader: option.loader,
            arguments,
        })
    };
    numbers.into_iter().filter_map(entry).collect()
}

/// `Boot0003-8be4df61-…` is 3.
fn boot_number(name: &str) -> Option<u16> {
    let number = name.strip_prefix("Boot")?.strip_suffix(efi::GLOBAL)?.strip_suffix('-')?;
    (number.len() == 4).then(|| u16::from_str_radix(number, 16).ok()).flatten()
}

fn device_of(option: &LoadOption, layout: &Layout) -> Option<DeviceId> {
    let partition = option.partition.as_ref()?;
    let matches = |device: &&lifeboat_machine::Device| {
        let Some(entry) = device.partition() else { return false };
        match partition {
            PartitionPath::Gpt(guid) => entry.uuid.as_deref() == Some(guid),
            PartitionPath::Mbr { number, signature } => {
                let id = layout.device(&entry.parent).and_then(|disk| match &disk.content {
                    Content::Table(table) if table.kind == TableKind::Mbr => Some(table.id.as_str()),
                    _ => None,
                });
                entry.number == *number && id.is_some_and(|id| id == format!("0x{signature:08x}"))
            }
        }
    };
    layout.devices.iter().find(matches).map(|device| device.id.clone())
}

/// The loader that the firmware tries first comes first.
fn sort_by_entries(loaders: &mut [Loader], entries: &[EfiEntry]) {
    let place = |loader: &Loader| {
        let directory = match loader {
            Loader::GrubEfi { vendor, .. } => format!("\\efi\\{}\\", vendor.to_ascii_lowercase()),
            Loader::SystemdBoot { .. } => "\\efi\\systemd\\".to_owned(),
            Loader::GrubBios { .. } => return entries.len() + 1,
        };
        let found = entries.iter().position(|entry| entry.loader.to_ascii_lowercase().starts_with(&directory));
        found.unwrap_or(entries.len())
    };
    loaders.sort_by_key(place);
}

fn initramfs(sysroot: &Sysroot) -> InitramfsTool {
    let has =
        |name: &str| ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].iter().any(|d| sysroot.exists(Path::new(d).join(name)));
    // Debian's dracut brings an update-initramfs of its own, but no mkinitramfs.
    if has("update-initramfs") && (has("mkinitramfs") || !has("dracut")) {
        InitramfsTool::InitramfsTools
    } else if has("dracut") {
        InitramfsTool::Dracut
    } else if has("mkinitcpio") {
        InitramfsTool::Mkinitcpio
    } else {
        InitramfsTool::None
    }
}

fn command_line(prober: &Prober<'_>) -> String {
    if prober.sysroot.is_running_system() {
        return attribute(prober.host("/proc/cmdline")).unwrap_or_default();
    }
    prober.sysroot.text("/etc/kernel/cmdline").unwrap_or_default().trim().to_owned()
}
