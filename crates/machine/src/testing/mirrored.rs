//! A machine on two mirrors.

use super::{GIB, MIB, Maker, disk, esp, ext4, gpt, id};
use crate::boot::{EfiEntry, Firmware, Loader};
use crate::layout::{
    Array, ArrayLevel, ArrayMember, ArrayMetadata, ArrayRole, Consistency, DeviceKind, Mount, PartitionRole,
};
use crate::{Content, Device, Machine, Member, Name};

const RAID: &str = "A19D880F-05FC-4D3B-A006-743F0F84911E";
const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

fn member(array: &str, offset: u64) -> Content {
    Content::Member(Member::Array { array: id(array), data_offset_bytes: offset })
}

fn mirror(number: u32, name: &str, metadata: ArrayMetadata, part: u32, member_bytes: u64, content: Content) -> Device {
    let members = (0..2).map(|slot| ArrayMember {
        device: id(&format!("disk{slot}p{part}")),
        role: ArrayRole::Active { slot },
        write_mostly: false,
        fail_fast: false,
    });
    let array = Array {
        uuid: format!("0000000{number}:00000000:00000000:00000000"),
        name: Some(name.into()),
        home_host: Some("box".into()),
        level: ArrayLevel::Raid1,
        metadata,
        slots: 2,
        chunk_bytes: None,
        layout: None,
        consistency: Consistency::Resync,
        member_bytes: Some(member_bytes),
        logical_block_bytes: None,
        members: members.collect(),
    };
    Device {
        id: id(&format!("array{number}")),
        path: format!("/dev/md12{}", 7 - number),
        size_bytes: member_bytes,
        kind: DeviceKind::Array(array),
        content,
    }
}

/// Two disks of 20 GiB with a mirrored root (array1) of 2 GiB in use; the first partitions are for GRUB, or mirror the EFI system
/// partition (array0) with its superblock at the end. Only the first disk was known to the boot loader.
pub fn mirrored_machine(uefi: bool) -> Machine {
    let size = 20 * GIB;
    let first = 512 * MIB;
    let rest = size - 2 * MIB - first;
    let mut maker = Maker::new();
    for number in 0..2 {
        let path = format!("/dev/sd{}", if number == 0 { 'a' } else { 'b' });
        let (kind, content) = if uefi { (ESP, member("array0", 0)) } else { (BIOS_BOOT, Content::BootLoader) };
        maker = maker.disk(number, &path, size, disk(&format!("SER{}", number + 1)), gpt(size));
        let primary = PartitionRole::Primary;
        maker = maker.part(1, 2048, first / 512, kind, primary, content);
        maker = maker.part(2, 2048 + first / 512, rest / 512, RAID, primary, member("array1", MIB));
    }
    let mut machine = maker.machine;
    for (number, device) in machine.layout.devices.iter_mut().filter(|device| device.disk().is_some()).enumerate() {
        if let Content::Table(table) = &mut device.content {
            table.id = format!("{number}1111111-2222-3333-4444-555555555555");
        }
    }
    let mut mount = |device: &str, point: &str| {
        let mount_point = Name::from(point);
        machine.layout.mounts.push(Mount { device: id(device), mount_point, options: vec![], subvolume: None });
    };
    mount("array1", "/");
    if uefi {
        mount("array0", "/boot/efi");
        let member_bytes = first - 64 * 1024;
        let mut device = mirror(0, "esp", ArrayMetadata::V1_0, 1, member_bytes, esp(member_bytes));
        device.size_bytes = member_bytes;
        machine.layout.devices.push(device);
        machine.boot.firmware = Firmware::Uefi { secure_boot: false };
        machine.boot.loaders = vec![Loader::GrubEfi {
            esp: Name::from("/boot/efi"),
            vendor: "debian".into(),
            shim: false,
            removable: false,
            directory: Name::from("/boot/grub"),
        }];
        machine.boot.efi_entries = vec![EfiEntry {
            label: "debian".into(),
            device: id("disk0p1"),
            loader: "\\EFI\\debian\\grubx64.efi".into(),
            arguments: None,
        }];
    }
    let bytes = rest - MIB;
    let root = ext4("root", "aaaaaaaa-0000-0000-0000-000000000001", bytes, 2 * GIB);
    machine.layout.devices.push(mirror(1, "root", ArrayMetadata::V1_2, 2, bytes, root));
    machine
}
