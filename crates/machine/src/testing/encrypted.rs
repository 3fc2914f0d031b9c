//! A machine whose root is encrypted.

use super::{GIB, MIB, Maker, disk, ext4, gpt, id};
use crate::layout::{Crypt, DeviceKind, HeaderBackup, LuksHeader, Mount, PartitionRole};
use crate::{Content, Device, Machine, Name};

const BIOS_BOOT: &str = "21686148-6449-6E6F-744E-656564454649";
const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// A header of LUKS2 as cryptsetup makes it; its backup is `blake3`'s.
pub fn luks(uuid: &str, blake3: &str) -> LuksHeader {
    LuksHeader {
        version: 2,
        uuid: uuid.into(),
        label: Name::from("safe"),
        subsystem: Name::default(),
        cipher: "aes-xts-plain64".into(),
        sector_bytes: 512,
        data_offset_bytes: 16 * MIB,
        integrity: None,
        backup: Some(HeaderBackup { size_bytes: 16 * MIB, blake3: blake3.into() }),
    }
}

/// A disk of 20 GiB with GRUB's partition and a LUKS device (disk0p2), whose mapping crypt0 (`vda2_crypt`) holds the root with 2 GiB in
/// use.
pub fn encrypted_machine() -> Machine {
    let size = 20 * GIB;
    let rest = size - 3 * MIB;
    let header = luks("64f0a6d1-0000-4000-8000-000000000001", "00");
    let mut machine = Maker::new()
        .disk(0, "/dev/vda", size, disk("SER1"), gpt(size))
        .part(1, 2048, 2048, BIOS_BOOT, PartitionRole::Primary, Content::BootLoader)
        .part(2, 4096, rest / 512, LINUX, PartitionRole::Primary, Content::Luks(header))
        .machine;
    let bytes = rest - 16 * MIB;
    machine.layout.devices.push(Device {
        id: id("crypt0"),
        path: "/dev/dm-0".into(),
        size_bytes: bytes,
        kind: DeviceKind::Crypt(Crypt { parent: id("disk0p2"), name: "vda2_crypt".into(), key_file: None }),
        content: ext4("root", "aaaaaaaa-0000-0000-0000-000000000001", bytes, 2 * GIB),
    });
    let mount_point = Name::from("/");
    machine.layout.mounts.push(Mount { device: id("crypt0"), mount_point, options: vec![], subvolume: None });
    machine
}
