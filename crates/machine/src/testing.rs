//! Machines and hardware for tests, of this crate and of others (feature `testing`).

// Helpers of tests count as tests; their names say what they make.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub mod encrypted;
pub mod grown;
pub mod mirrored;

pub use encrypted::{encrypted_machine, luks};
pub use grown::{Decision, grown};
pub use mirrored::mirrored_machine;

use crate::boot::{Boot, Firmware, InitramfsTool, Loader};
use crate::filesystem::{BtrfsOptions, ExtOptions, Filesystem, FilesystemOptions, Journal, VfatOptions, XfsOptions};
use crate::layout::{Disk, Mount, Partition, PartitionRole, PartitionTable, Swap, TableKind, partition_path};
use crate::machine::{FORMAT, Hardware, Os};
use crate::network::Network;
use crate::{Content, Device, DeviceId, DeviceKind, DiskContent, FoundDisk, FoundHardware, Layout, Machine, Name};

pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;
pub const TABLE: &str = "11111111-2222-3333-4444-555555555555";

/// A machine with neither disks nor boot loaders.
pub fn empty_machine() -> Machine {
    Machine {
        format: FORMAT,
        name: "box".into(),
        machine_id: "0123456789abcdef0123456789abcdef".into(),
        architecture: "x86_64".into(),
        recorded_at: "2026-01-01T00:00:00Z".into(),
        os: Os { id: "debian".into(), version_id: "12".into(), pretty_name: "Debian GNU/Linux 12 (bookworm)".into() },
        hardware: Hardware::default(),
        layout: Layout::default(),
        boot: Boot {
            firmware: Firmware::Bios,
            loaders: vec![],
            efi_entries: vec![],
            initramfs: InitramfsTool::None,
            kernel: String::new(),
            command_line: String::new(),
        },
        network: Network::default(),
    }
}

/// A virtual machine with GRUB on `disk0` and no disks yet.
pub fn machine() -> Machine {
    let mut machine = empty_machine();
    machine.hardware = Hardware {
        vendor: "QEMU".into(),
        product: "Standard PC".into(),
        serial: String::new(),
        modaliases: vec!["virtio:d00000002v00001AF4".into()],
        memory_bytes: 2 * GIB,
    };
    machine.boot.loaders = vec![Loader::GrubBios { disks: vec![id("disk0")], directory: Name::from("/boot/grub") }];
    machine.boot.initramfs = InitramfsTool::InitramfsTools;
    machine.boot.kernel = "6.1.0-18-amd64".into();
    machine
}

pub fn id(text: &str) -> DeviceId {
    DeviceId(text.into())
}

pub fn disk(serial: &str) -> Disk {
    Disk {
        serial: (!serial.is_empty()).then(|| serial.to_owned()),
        hardware_path: Some("pci-0000:00:04.0".into()),
        transport: Some("virtio".into()),
        logical_sector_bytes: 512,
        physical_sector_bytes: 512,
        ..Disk::default()
    }
}

pub fn ext4(label: &str, uuid: &str, size: u64, used: u64) -> Content {
    let options = ExtOptions {
        generation: 4,
        features: [
            "64bit",
            "dir_index",
            "extent",
            "filetype",
            "flex_bg",
            "has_journal",
            "metadata_csum",
            "resize_inode",
        ]
        .map(str::to_owned)
        .to_vec(),
        block_bytes: 4096,
        cluster_bytes: None,
        inode_bytes: 256,
        inodes: size / 16384,
        blocks: size / 4096,
        reserved_blocks: size / 4096 / 20,
        reserved_uid: 0,
        reserved_gid: 0,
        blocks_per_group: 32768,
        inodes_per_group: 8192,
        flex_group_blocks: Some(16),
        journal: Some(Journal::Internal { bytes: 64 * MIB }),
        default_mount_options: vec!["user_xattr".into(), "acl".into()],
        extended_mount_options: String::new(),
        errors: "continue".into(),
        max_mount_count: -1,
        check_interval_seconds: 0,
        hash_algorithm: Some("half_md4".into()),
        hash_seed: Some("5ba335b6-e31a-4fd0-a188-e1e8dd590db8".into()),
        raid_stride: None,
        raid_stripe_width: None,
        mmp_interval_seconds: None,
        checksum_seed: None,
        encoding: None,
        encoding_flags: None,
        quotas: vec![],
        desired_extra_inode_bytes: Some(32),
        reserved_gdt_blocks: Some(256),
        backup_superblocks: None,
        orphan_file_bytes: None,
        fast_commit_blocks: None,
    };
    Content::Filesystem(Filesystem {
        uuid: uuid.into(),
        label: Name::from(label),
        size_bytes: size,
        used_bytes: used,
        options: FilesystemOptions::Ext(options),
        restored: None,
    })
}

/// As mkfs.xfs makes it on `size` bytes, perhaps with its log on a device of its own.
pub fn xfs_options(size: u64, log_device: Option<DeviceId>) -> XfsOptions {
    XfsOptions {
        block_bytes: 4096,
        sector_bytes: 512,
        inode_bytes: 512,
        allocation_groups: 4,
        allocation_group_blocks: size / 4096 / 4,
        blocks: size / 4096,
        max_inode_percent: 25,
        stripe_unit_blocks: 0,
        stripe_width_blocks: 0,
        directory_block_bytes: 4096,
        log_blocks: 16384,
        log_device,
        realtime: None,
        log_version: 2,
        log_sector_bytes: 512,
        log_stripe_unit_blocks: 1,
        lazy_count: true,
        features: [("crc", true), ("sparse", true), ("ftype", true)].map(|(name, on)| (name.to_owned(), on)).to_vec(),
        metadata_uuid: None,
    }
}

/// As mkfs.btrfs makes it on one device, without subvolumes.
pub fn btrfs_options() -> BtrfsOptions {
    BtrfsOptions {
        node_bytes: 16_384,
        sector_bytes: 4096,
        checksum: "crc32c".into(),
        features: vec![],
        data_profile: "single".into(),
        metadata_profile: "dup".into(),
        mixed: false,
        device_uuid: None,
        devid: 1,
        metadata_uuid: None,
        subvolumes: vec![],
        default_subvolume: Name::default(),
    }
}

pub fn esp(size: u64) -> Content {
    let options = VfatOptions {
        fat_bits: 32,
        sector_bytes: 512,
        cluster_sectors: 8,
        reserved_sectors: 32,
        fats: 2,
        root_entries: 0,
        media: 0xf8,
        hidden_sectors: 2048,
        backup_boot_sector: Some(6),
        drive_number: 0x80,
        heads: 255,
        track_sectors: 63,
        boot_label: None,
    };
    Content::Filesystem(Filesystem {
        uuid: "1234-ABCD".into(),
        label: Name::from("EFI"),
        size_bytes: size,
        used_bytes: 6 * MIB,
        options: FilesystemOptions::Vfat(options),
        restored: None,
    })
}

pub fn swap() -> Content {
    Content::Swap(Swap {
        uuid: Some("aaaaaaaa-0000-0000-0000-000000000001".into()),
        label: Name::default(),
        page_bytes: 4096,
    })
}

pub struct Maker {
    pub machine: Machine,
}

impl Default for Maker {
    fn default() -> Maker {
        Maker::new()
    }
}

/// Puts disks and partitions into a machine.
impl Maker {
    pub fn new() -> Maker {
        Maker { machine: machine() }
    }

    pub fn disk(mut self, number: usize, path: &str, size: u64, identity: Disk, content: Content) -> Maker {
        let device = Device {
            id: id(&format!("disk{number}")),
            path: path.into(),
            size_bytes: size,
            kind: DeviceKind::Disk(identity),
            content,
        };
        self.machine.layout.devices.push(device);
        self
    }

    pub fn part(
        mut self,
        number: u32,
        start: u64,
        sectors: u64,
        kind: &str,
        role: PartitionRole,
        content: Content,
    ) -> Maker {
        let disk = self.machine.layout.disks().last().unwrap().0.clone();
        let gpt = matches!(&disk.content, Content::Table(table) if table.kind == TableKind::Gpt);
        let partition = Partition {
            parent: disk.id.clone(),
            number,
            start_sector: start,
            sectors,
            type_id: kind.into(),
            uuid: gpt.then(|| format!("{number:08}-0000-0000-0000-000000000000")),
            name: (gpt && number == 2).then(|| "a \"b\"".to_owned()),
            attributes: None,
            bootable: !gpt && number == 1,
            role,
        };
        self.machine.layout.devices.push(Device {
            id: id(&format!("{}p{number}", disk.id)),
            path: partition_path(std::path::Path::new(&disk.path), number).to_string_lossy().into_owned(),
            size_bytes: sectors * 512,
            kind: DeviceKind::Partition(partition),
            content,
        });
        self
    }

    pub fn mount(mut self, device: &str, point: &str) -> Maker {
        self.machine.layout.mounts.push(Mount {
            device: id(device),
            mount_point: Name::from(point),
            options: vec!["relatime".into(), "ro".into()],
            subvolume: None,
        });
        self
    }
}

pub fn gpt(size: u64) -> Content {
    Content::Table(PartitionTable {
        kind: TableKind::Gpt,
        id: TABLE.into(),
        first_lba: Some(34),
        last_lba: Some(size / 512 - 34),
        entries: Some(128),
        boot_code: None,
    })
}

pub fn mbr() -> Content {
    Content::Table(PartitionTable {
        kind: TableKind::Mbr,
        id: "0xdeadbeef".into(),
        first_lba: None,
        last_lba: None,
        entries: None,
        boot_code: Some("AAAA".into()),
    })
}

/// GPT: bios_grub, root to the end; 10 GiB with 3 GiB used.
pub fn gpt_machine() -> Machine {
    let size = 10 * GIB;
    let root = (size - 3 * MIB) / 512;
    Maker::new()
        .disk(0, "/dev/vda", size, disk("SER1"), gpt(size))
        .part(1, 2048, 2048, "21686148-6449-6E6F-744E-656564454649", PartitionRole::Primary, Content::BootLoader)
        .part(
            2,
            4096,
            root,
            "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
            PartitionRole::Primary,
            ext4("root", "aaaaaaaa-0000-0000-0000-000000000002", root * 512, 3 * GIB),
        )
        .mount("disk0p2", "/")
        .machine
}

/// Debian's own MBR layout: root, and swap in an extended partition at the end.
pub fn mbr_machine() -> Machine {
    let root = 18_874_368;
    Maker::new()
        .disk(0, "/dev/sda", 10 * GIB, disk("SER1"), mbr())
        .part(
            1,
            2048,
            root,
            "83",
            PartitionRole::Primary,
            ext4("", "aaaaaaaa-0000-0000-0000-000000000002", root * 512, 2 * GIB),
        )
        .part(2, root + 4094, 2_093_058, "5", PartitionRole::Extended, Content::Extended)
        .part(5, root + 4096, 2_093_056, "82", PartitionRole::Logical, swap())
        .mount("disk0p1", "/")
        .machine
}

pub fn found(path: &str, size: u64, serial: &str) -> FoundDisk {
    let mut disk = disk(serial);
    disk.hardware_path = Some(format!("pci-{path}"));
    FoundDisk { path: path.into(), size_bytes: size, disk, content: DiskContent::Blank, lock: None }
}

pub fn holding(mut disk: FoundDisk, content: DiskContent) -> FoundDisk {
    disk.content = content;
    disk
}

pub fn locked(mut disk: FoundDisk, reason: &str) -> FoundDisk {
    disk.lock = Some(reason.into());
    disk
}

pub fn table(id: &str) -> DiskContent {
    DiskContent::Table {
        id: id.into(),
        partition_uuids: vec![],
        content_uuids: vec![],
        summary: "gpt, 1 partition: ntfs \"Windows\"".into(),
    }
}

pub fn hardware(disks: Vec<FoundDisk>) -> FoundHardware {
    FoundHardware {
        disks,
        uefi: false,
        modaliases: vec!["virtio:d00000002v00001AF4".into()],
        filesystems: ["ext2", "ext3", "ext4", "xfs", "btrfs"].map(str::to_owned).to_vec(),
    }
}

/// A disk of 10 GiB: bios_grub, root of 4 GiB with 1 GiB used, swap of 1 GiB, unmounted data of 3 GiB, home with 200 MiB
/// used.
pub fn five_partitions(home_bytes: u64) -> Machine {
    const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
    let size = 10 * GIB;
    let at = |mib: u64| mib * MIB / 512;
    let fs = |label: &str, n: u32, size, used| ext4(label, &format!("aaaaaaaa-0000-0000-0000-{n:012}"), size, used);
    Maker::new()
        .disk(0, "/dev/vda", size, disk("SER1"), gpt(size))
        .part(1, at(1), at(1), "21686148-6449-6E6F-744E-656564454649", PartitionRole::Primary, Content::BootLoader)
        .part(2, at(2), at(4096), LINUX, PartitionRole::Primary, fs("root", 2, 4 * GIB, GIB))
        .part(3, at(4098), at(1024), "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", PartitionRole::Primary, swap())
        .part(4, at(5122), at(3072), LINUX, PartitionRole::Primary, fs("spare", 4, 3 * GIB, 3 * GIB))
        .part(5, at(8194), at(home_bytes / MIB), LINUX, PartitionRole::Primary, fs("home", 5, home_bytes, 200 * MIB))
        .mount("disk0p2", "/")
        .mount("disk0p5", "/home")
        .machine
}

/// The manifest of a stick.
pub fn medium_manifest() -> crate::MediumManifest {
    crate::MediumManifest {
        format: crate::manifest::FORMAT,
        lifeboat: "0.1.0".into(),
        medium_id: "0a1b2c3d4e5f60718293a4b5c6d7e8f9".into(),
        created_at: "2026-11-24T07:01:02Z".into(),
        machine_name: "box".into(),
        machine_id: "0123456789abcdef0123456789abcdef".into(),
        machine_blake3: "00".repeat(32),
        kernel: "6.1.0-56-amd64".into(),
        archive: None,
        repository: Some(crate::stick::REPOSITORY.into()),
        set: None,
        embedded_key: false,
        files: std::collections::BTreeMap::new(),
    }
}
