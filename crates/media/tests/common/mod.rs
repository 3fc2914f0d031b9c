//! A machine with two disks, and the manifest of a medium for it.

use lifeboat_machine::boot::{Boot, EfiEntry, Firmware, InitramfsTool, Loader};
use lifeboat_machine::machine::{FORMAT, Hardware, Os};
use lifeboat_machine::manifest::ArchiveRef;
use lifeboat_machine::network::Network;
use lifeboat_machine::{Layout, Machine, MediumManifest};
use std::collections::BTreeMap;

pub fn machine() -> Machine {
    let layout: Layout = serde_json::from_str(include_str!("../../fixtures/layout.json")).unwrap();
    layout.validate().unwrap();
    let disk = lifeboat_machine::DeviceId("disk0".into());
    Machine {
        format: FORMAT,
        name: "db 1'; reboot".into(),
        machine_id: "0123456789abcdef0123456789abcdef".into(),
        architecture: "x86_64".into(),
        recorded_at: "2026-11-24T07:00:00Z".into(),
        os: Os { id: "debian".into(), version_id: "12".into(), pretty_name: "Debian GNU/Linux 12 (bookworm)".into() },
        hardware: Hardware::default(),
        layout,
        boot: Boot {
            firmware: Firmware::Uefi { secure_boot: true },
            loaders: vec![
                Loader::GrubEfi {
                    esp: "/boot/efi".into(),
                    vendor: "debian".into(),
                    shim: true,
                    removable: true,
                    directory: "/boot/grub".into(),
                },
                Loader::GrubBios { disks: vec![disk], directory: "/boot/grub".into() },
            ],
            efi_entries: vec![EfiEntry {
                label: "debian".into(),
                device: lifeboat_machine::DeviceId("disk0p1".into()),
                loader: "\\EFI\\debian\\shimx64.efi".into(),
                arguments: None,
            }],
            initramfs: InitramfsTool::InitramfsTools,
            kernel: "6.1.0-56-amd64".into(),
            command_line: "BOOT_IMAGE=/vmlinuz root=UUID=1 ro quiet console=ttyS1,57600 net.ifnames=0 nomodeset;evil"
                .into(),
        },
        network: Network::default(),
    }
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
        embedded_key: true,
        files: BTreeMap::new(),
    }
}
