//! A machine with two disks, and the manifest of a medium for it.

use lifeboat_machine::boot::{Boot, EfiEntry, Firmware, InitramfsTool, Loader};
use lifeboat_machine::manifest::ArchiveRef;
use lifeboat_machine::testing::{empty_machine, id};
use lifeboat_machine::{Layout, Machine, MediumManifest};
use std::collections::BTreeMap;

pub fn machine() -> Machine {
    let layout: Layout = serde_json::from_str(include_str!("../../fixtures/layout.json")).unwrap();
    layout.validate().unwrap();
    let mut machine = empty_machine();
    machine.name = "db 1'; reboot".into();
    machine.recorded_at = "2026-11-24T07:00:00Z".into();
    machine.layout = layout;
    machine.boot = Boot {
        firmware: Firmware::Uefi { secure_boot: true },
        loaders: vec![
            Loader::GrubEfi {
                esp: "/boot/efi".into(),
                vendor: "debian".into(),
                shim: true,
                removable: true,
                directory: "/boot/grub".into(),
            },
            Loader::GrubBios { disks: vec![id("disk0")], directory: "/boot/grub".into() },
        ],
        efi_entries: vec![EfiEntry {
            label: "debian".into(),
            device: id("disk0p1"),
            loader: "\\EFI\\debian\\shimx64.efi".into(),
            arguments: None,
        }],
        initramfs: InitramfsTool::InitramfsTools,
        kernel: "6.1.0-56-amd64".into(),
        command_line: "BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet console=ttyS1,57600 net.ifnames=0 nomodeset;evil"
            .into(),
    };
    machine
}

pub fn manifest() -> MediumManifest {
    MediumManifest {
        format: lifeboat_machine::manifest::FORMAT,
        lifeboat: "0.1.0".into(),
        medium_id: "0a1b2c3d4e5f60718293a4b5c6d7e8f9".into(),
        created_at: "2026-11-24T07:01:02Z".into(),
        machine_name: "db 1'; reboot".into(),
        machine_id: "0123456789abcdef0123456789abcdef".into(),
        machine_blake3: "00".repeat(32),
        kernel: "6.1.0-56-amd64".into(),
        archive: Some(ArchiveRef {
            snapshot: "5aa5".repeat(16),
            repository: "11".repeat(32),
            entries: 28_000,
            bytes: 1 << 30,
        }),
        repository: None,
        set: None,
        embedded_key: true,
        files: BTreeMap::new(),
    }
}
