//! One action of a recovery as a value, and the plan made of them.

use crate::matched::MatchedBy;
use lifeboat_machine::boot::{EfiEntry, Loader};
use lifeboat_machine::filesystem::{Filesystem, Subvolume};
use lifeboat_machine::layout::{
    Array, JournalDevice, LuksHeader, Partition, PartitionTable, Swap, SwapFile, Volume, VolumeGroup,
};
use lifeboat_machine::{DeviceId, Name};
use serde::{Deserialize, Serialize};

/// Everything that a recovery will do, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Where each recorded disk goes.
    pub targets: Vec<Target>,
    /// What is done.
    pub steps: Vec<Step>,
    /// Partitions that lie elsewhere than recorded, for people.
    #[serde(default)]
    pub moved: Vec<String>,
    /// What a person should know: resized filesystems, disks matched by size only, changed boot path.
    pub notes: Vec<String>,
}

/// A recorded disk and the disk that takes its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The recorded disk.
    pub device: DeviceId,
    /// Kernel path of the found disk.
    pub path: String,
    /// What the found disk is, for people: model, serial number, size.
    pub name: String,
    /// By what they were matched.
    pub matched_by: MatchedBy,
    /// The found disk's World Wide Name.
    pub wwn: Option<String>,
    /// The found disk's serial number.
    pub serial: Option<String>,
    /// What it holds now and loses, for people.
    pub loses: String,
    /// Recorded and found size in bytes.
    pub size_bytes: (u64, u64),
}

/// A device that becomes a member of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayDevice {
    /// Its node.
    pub device: String,
    /// Where the array's data begins on it, in bytes.
    pub data_offset_bytes: u64,
}

/// A device that becomes a physical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhysicalVolume {
    /// Its name in the description.
    pub id: DeviceId,
    /// Its node.
    pub device: String,
    /// UUID.
    pub uuid: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Where its first extent begins, in bytes.
    pub first_extent_bytes: u64,
    /// Extents that it has.
    pub extents: u64,
}

/// A device that becomes part of a filesystem on another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FurtherDevice {
    /// Its node.
    pub device: String,
    /// The journal or log that it is; `None` for one of several devices of a btrfs.
    pub journal: Option<JournalDevice>,
}

/// One action. Paths are kernel paths of the found hardware; mount points are those of the restored system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// Remove all signatures of a disk and its partitions, and its first and last MiB. Leaves the mark of an unfinished
    /// recovery ([`lifeboat_machine::marker`]) until the disk holds a table or filesystem again.
    WipeDisk {
        /// The disk.
        disk: String,
        /// The recorded disk whose place it takes.
        device: DeviceId,
    },
    /// Write a partition table and wait for the kernel to show its partitions.
    WriteTable {
        /// The disk.
        disk: String,
        /// The table; its boot code only when no boot loader's installer will write it.
        table: PartitionTable,
        /// Its entries, in the order of their numbers, in sectors of the disk.
        entries: Vec<Partition>,
        /// Partition paths that must appear.
        partitions: Vec<String>,
    },
    /// Make an md array, wipe it, and wait for its node.
    MakeArray {
        /// The node that it gets, `/dev/md/root`.
        node: String,
        /// Its size in bytes.
        size_bytes: u64,
        /// What to make.
        array: Array,
        /// Its members' devices, in the order of [`Array::members`].
        members: Vec<ArrayDevice>,
    },
    /// Make physical volumes and their volume group, with those volumes that are but extents of them.
    MakeGroup {
        /// What to make.
        group: VolumeGroup,
        /// Its physical volumes, in the order of the description.
        physical: Vec<PhysicalVolume>,
        /// Its volumes in their new places.
        volumes: Vec<Volume>,
    },
    /// Make a physical volume that belongs to no group.
    MakePhysicalVolume {
        /// What to make.
        physical: PhysicalVolume,
    },
    /// Make a logical volume, or activate one that came with its group, wipe it, and wait for its node.
    MakeVolume {
        /// The node that it gets, `/dev/mapper/vg-root`.
        node: String,
        /// The name of its group.
        group: String,
        /// Its size in bytes.
        size_bytes: u64,
        /// The same in extents of its group.
        extents: u64,
        /// What to make.
        volume: Volume,
        /// The physical volumes that it may lie on.
        physical: Vec<String>,
        /// The name of its thin pool.
        pool: Option<String>,
        /// The physical volumes that the cache in front of it may lie on.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fast: Vec<String>,
        /// The physical volumes of its write-mostly images.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        write_mostly: Vec<String>,
    },
    /// Put a LUKS header back with its key slots and tokens.
    MakeLuks {
        /// The device.
        device: String,
        /// What the header says.
        header: LuksHeader,
    },
    /// Open a LUKS device, wipe the mapping, and wait for its node.
    OpenLuks {
        /// The encrypted device.
        device: String,
        /// UUID of its header.
        uuid: String,
        /// Name of the mapping below /dev/mapper.
        name: String,
        /// Its node.
        node: String,
        /// Its size in bytes.
        size_bytes: u64,
    },
    /// Make a filesystem.
    MakeFilesystem {
        /// The device.
        device: String,
        /// What to make; `size_bytes` and block counts are those that it will have.
        filesystem: Filesystem,
        /// The size differs from the recorded one: XFS allocation groups, reserved GDT blocks and other counts that follow
        /// from the size are left to mkfs.
        resized: bool,
        /// The type that was recorded, when this one takes its place.
        #[serde(default)]
        was: Option<String>,
        /// Its devices beside this one.
        #[serde(default)]
        further: Vec<FurtherDevice>,
    },
    /// Make btrfs subvolumes and choose the default one.
    MakeSubvolumes {
        /// The device.
        device: String,
        /// Parents before children.
        subvolumes: Vec<Subvolume>,
        /// Path of the default one, empty for the top level.
        default: Name,
    },
    /// Make a swap area.
    MakeSwap {
        /// The device.
        device: String,
        /// What to make.
        swap: Swap,
    },
    /// Mount a filesystem below the target directory.
    Mount {
        /// The device.
        device: String,
        /// Mount point in the restored system.
        mount_point: Name,
        /// Type for mount(2).
        kind: String,
        /// Options.
        options: Vec<String>,
        /// btrfs subvolume.
        subvolume: Option<Name>,
    },
    /// Restore the files.
    Extract,
    /// Make a swap file.
    MakeSwapFile {
        /// What to make.
        file: SwapFile,
    },
    /// Rewrite identities that changed in fstab, crypttab, boot loader configuration.
    AdaptConfiguration {
        /// Old and new kernel paths of disks and partitions, also those below /dev/disk/by-id and by-path; partitions
        /// before their disk. Where a content is elsewhere, its old names and `UUID=…`.
        replacements: Vec<(String, String)>,
        /// Names of devices that are no more: what fstab and crypttab do with them is done no more.
        gone: Vec<String>,
    },
    /// Adapt fstab and the kernel command lines to filesystems that are now of another kind.
    AdaptFilesystems {
        /// Which.
        changes: Vec<ChangedFilesystem>,
    },
    /// Adapt crypttab, mdadm.conf and the kernel command lines to storage that the machine did not have, and have the
    /// restored system write its boot loader's configuration anew.
    AdaptStorage {
        /// What changed.
        moved: MovedStorage,
    },
    /// Rebuild the initramfs with the system's own tool.
    RebuildInitramfs {
        /// Why.
        reason: String,
    },
    /// Install a boot loader.
    InstallLoader {
        /// Which.
        loader: Loader,
        /// Disks for BIOS boot code, as kernel paths.
        disks: Vec<String>,
    },
    /// Make an EFI boot entry.
    MakeEfiEntry {
        /// The entry.
        entry: EfiEntry,
        /// The disk and partition number that it points to.
        disk: String,
        /// Partition number.
        partition: u32,
    },
    /// Set read-only properties and flags that had to wait until all else was written; unmount everything.
    Finish,
}

/// What a restored system must know about storage that it did not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedStorage {
    /// Mappings of LUKS that are no more: name, and UUID of the header.
    pub closed: Vec<(String, String)>,
    /// New lines of crypttab(5).
    pub opened: Vec<String>,
    /// UUIDs of arrays that are no more, as mdadm prints them.
    pub disbanded: Vec<String>,
    /// Physical volumes that are no more: their UUIDs as LVM prints them, and the names of their groups.
    pub given_up: Vec<(String, String)>,
    /// New lines of mdadm.conf(5).
    pub assembled: Vec<String>,
    /// Words that go from kernel command lines.
    pub words_gone: Vec<String>,
    /// Words that kernel command lines get.
    pub words_new: Vec<String>,
    /// Programs that the initramfs must hold now: `mdadm`, `lvm`, `cryptsetup`.
    pub initramfs: Vec<String>,
    /// GRUB's directory, whose configuration is written anew by the restored system's own program.
    pub grub: Option<Name>,
}

/// A filesystem that takes the place of one of another kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFilesystem {
    /// The type that was recorded, as mount(8) names it.
    pub from: String,
    /// The type that it has now.
    pub to: String,
    /// Where it is mounted.
    pub mount_points: Vec<Name>,
    /// How fstab may call it: `UUID=…`, `PARTUUID=…`, `LABEL=…`, kernel paths.
    pub names: Vec<String>,
    /// The name that holds good: `UUID=…`.
    pub name: String,
    /// Its label, when it was cut and names it no more.
    pub lost_label: Option<Name>,
}
