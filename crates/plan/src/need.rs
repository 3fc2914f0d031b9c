//! What a step needs of the system that carries it out. All needs of a plan are checked before its first step, by
//! `lifeboat_rebuild::check`: what would fail in the middle is refused while nothing is touched.

use crate::step::{FurtherDevice, Step};
use lifeboat_machine::filesystem::Filesystem;
use lifeboat_machine::layout::array::member_uuid;
use lifeboat_machine::layout::{Array, LuksHeader, Swap, TableKind, Volume, VolumeGroup};
use std::borrow::Cow;

/// One thing that a step needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Need<'a> {
    /// A disk of which nothing is in use.
    Free {
        /// The disk.
        disk: &'a str,
    },
    /// A partition table of this kind can be written, and its partitions be shown.
    Table {
        /// GPT or MBR.
        kind: TableKind,
    },
    /// A filesystem can be made with every property that was recorded.
    Filesystem {
        /// Where.
        device: &'a str,
        /// What.
        filesystem: &'a Filesystem,
        /// Some counts are left to mkfs.
        resized: bool,
        /// Its devices beside its own.
        further: &'a [FurtherDevice],
    },
    /// An array can be made so, and the restored system assembles it.
    Array {
        /// What.
        array: &'a Array,
    },
    /// A volume group can be made, and no other one that stays connected has its name.
    Group {
        /// What.
        group: &'a VolumeGroup,
    },
    /// A physical volume can be made.
    Physical,
    /// A volume of this shape can be made.
    Volume {
        /// What.
        volume: &'a Volume,
    },
    /// A header can be put back, and its cipher is known here.
    Luks {
        /// What.
        header: &'a LuksHeader,
    },
    /// A key is at hand that opens a device.
    Key {
        /// UUID of its header.
        uuid: &'a str,
        /// The device.
        device: &'a str,
    },
    /// A swap area can be made so.
    Swap {
        /// What.
        swap: &'a Swap,
    },
    /// btrfs subvolumes can be made.
    Subvolumes,
    /// The kernel mounts filesystems of this type.
    Driver {
        /// As mount(2) names it.
        kind: &'a str,
    },
    /// Nothing that stays connected is a part of what the machine no longer has.
    Gone {
        /// The UUID of its parts as blkid prints it.
        uuid: Cow<'a, str>,
        /// What it was, for people: `the LVM volume group vg0`.
        what: String,
    },
    /// Nothing that stays connected bears this UUID.
    Alone {
        /// The UUID as blkid prints it.
        uuid: Cow<'a, str>,
        /// The type of what bears it, for people: `ext4`, `swap`.
        kind: &'a str,
        /// The device that will bear it.
        device: &'a str,
    },
}

impl Step {
    /// What it needs before the first step of its plan may be done. What the restored system itself must have, such as its
    /// boot loader's installer, comes with the files and is none of it.
    pub fn needs(&self) -> Vec<Need<'_>> {
        match self {
            Step::WipeDisk { disk, .. } => vec![Need::Free { disk }],
            Step::WriteTable { table, .. } => vec![Need::Table { kind: table.kind }],
            Step::MakeArray { node, array, .. } => vec![
                Need::Array { array },
                Need::Alone { uuid: array.member_uuid().into(), kind: "md array", device: node },
            ],
            Step::MakeGroup { group, physical, .. } => {
                let alone = physical.iter().map(|physical| Need::Alone {
                    uuid: (&physical.uuid).into(),
                    kind: "LVM physical volume",
                    device: &physical.device,
                });
                [Need::Group { group }].into_iter().chain(alone).collect()
            }
            Step::MakePhysicalVolume { physical } => vec![
                Need::Physical,
                Need::Alone { uuid: (&physical.uuid).into(), kind: "LVM physical volume", device: &physical.device },
            ],
            Step::MakeVolume { volume, .. } => vec![Need::Volume { volume }],
            Step::MakeLuks { device, header } => {
                vec![Need::Luks { header }, Need::Alone { uuid: (&header.uuid).into(), kind: "LUKS device", device }]
            }
            Step::OpenLuks { device, uuid, .. } => vec![Need::Key { uuid, device }],
            Step::MakeFilesystem { device, filesystem, resized, further, .. } => {
                let kind = filesystem.options.mount_type();
                let journals = further.iter().filter_map(|further| {
                    let uuid = further.journal.as_ref()?.uuid.as_deref()?.into();
                    Some(Need::Alone { uuid, kind: "external journal", device: &further.device })
                });
                let own = [
                    Need::Filesystem { device, filesystem, resized: *resized, further },
                    Need::Alone { uuid: (&filesystem.uuid).into(), kind, device },
                ];
                own.into_iter().chain(journals).collect()
            }
            Step::MakeSubvolumes { .. } => vec![Need::Subvolumes, Need::Driver { kind: "btrfs" }],
            Step::MakeSwap { device, swap } => {
                let uuid = swap.uuid.as_deref().map(|uuid| Need::Alone { uuid: uuid.into(), kind: "swap", device });
                [Need::Swap { swap }].into_iter().chain(uuid).collect()
            }
            Step::Mount { kind, .. } => vec![Need::Driver { kind }],
            Step::MakeSwapFile { file } => vec![Need::Swap { swap: &file.swap }],
            // The restored system would assemble it beside what took its place, with the same filesystems.
            Step::AdaptStorage { moved } => {
                let arrays = moved.disbanded.iter();
                let arrays = arrays
                    .map(|uuid| Need::Gone { uuid: member_uuid(uuid).into(), what: format!("the md array {uuid}") });
                // A volume group would be activated with volumes whose filesystems are there twice then.
                let physical = moved.given_up.iter().map(|(uuid, group)| Need::Gone {
                    uuid: uuid.into(),
                    what: format!("the LVM volume group {group}"),
                });
                arrays.chain(physical).collect()
            }
            Step::Extract
            | Step::AdaptConfiguration { .. }
            | Step::AdaptFilesystems { .. }
            | Step::RebuildInitramfs { .. }
            | Step::InstallLoader { .. }
            | Step::MakeEfiEntry { .. }
            | Step::Finish => vec![],
        }
    }
}

impl Step {
    /// Device nodes that it works on: each is a target's disk, or was made by a step before.
    pub fn uses(&self) -> Vec<&str> {
        match self {
            Step::WipeDisk { disk, .. } | Step::WriteTable { disk, .. } | Step::MakeEfiEntry { disk, .. } => vec![disk],
            Step::MakeArray { members, .. } => members.iter().map(|member| member.device.as_str()).collect(),
            Step::MakeGroup { physical, .. } => physical.iter().map(|physical| physical.device.as_str()).collect(),
            Step::MakePhysicalVolume { physical } => vec![&physical.device],
            Step::MakeVolume { physical, fast, .. } => physical.iter().chain(fast).map(String::as_str).collect(),
            Step::MakeLuks { device, .. }
            | Step::OpenLuks { device, .. }
            | Step::MakeSubvolumes { device, .. }
            | Step::MakeSwap { device, .. }
            | Step::Mount { device, .. } => vec![device],
            Step::MakeFilesystem { device, further, .. } => {
                [device.as_str()].into_iter().chain(further.iter().map(|further| further.device.as_str())).collect()
            }
            Step::InstallLoader { disks, .. } => disks.iter().map(String::as_str).collect(),
            Step::Extract
            | Step::MakeSwapFile { .. }
            | Step::AdaptConfiguration { .. }
            | Step::AdaptFilesystems { .. }
            | Step::AdaptStorage { .. }
            | Step::RebuildInitramfs { .. }
            | Step::Finish => vec![],
        }
    }

    /// Device nodes that are there after it and were not before.
    pub fn makes(&self) -> Vec<&str> {
        match self {
            Step::WriteTable { partitions, .. } => partitions.iter().map(String::as_str).collect(),
            Step::MakeArray { node, .. } | Step::MakeVolume { node, .. } | Step::OpenLuks { node, .. } => vec![node],
            Step::MakeGroup { .. }
            | Step::MakeLuks { .. }
            | Step::MakePhysicalVolume { .. }
            | Step::WipeDisk { .. }
            | Step::MakeFilesystem { .. }
            | Step::MakeSubvolumes { .. }
            | Step::MakeSwap { .. }
            | Step::Mount { .. }
            | Step::Extract
            | Step::MakeSwapFile { .. }
            | Step::AdaptConfiguration { .. }
            | Step::AdaptFilesystems { .. }
            | Step::AdaptStorage { .. }
            | Step::RebuildInitramfs { .. }
            | Step::InstallLoader { .. }
            | Step::MakeEfiEntry { .. }
            | Step::Finish => vec![],
        }
    }

    /// The device node and the UUID of what it makes there, by which the restored system knows it; `None` for what has no
    /// UUID.
    pub fn made_uuid(&self) -> Option<(&str, &str)> {
        match self {
            Step::MakeFilesystem { device, filesystem, .. } => Some((device, &filesystem.uuid)),
            Step::MakeSwap { device, swap } => swap.uuid.as_deref().map(|uuid| (device.as_str(), uuid)),
            Step::MakeLuks { device, header } => Some((device, &header.uuid)),
            // Others know arrays and volumes by what they hold, or by their names.
            Step::MakeArray { .. }
            | Step::MakeGroup { .. }
            | Step::MakePhysicalVolume { .. }
            | Step::MakeVolume { .. }
            | Step::OpenLuks { .. }
            | Step::WipeDisk { .. }
            | Step::WriteTable { .. }
            | Step::MakeSubvolumes { .. }
            | Step::Mount { .. }
            | Step::Extract
            | Step::MakeSwapFile { .. }
            | Step::AdaptConfiguration { .. }
            | Step::AdaptFilesystems { .. }
            | Step::AdaptStorage { .. }
            | Step::RebuildInitramfs { .. }
            | Step::InstallLoader { .. }
            | Step::MakeEfiEntry { .. }
            | Step::Finish => None,
        }
    }
}
