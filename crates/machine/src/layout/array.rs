//! md arrays (md(4), mdadm(8)).

use super::id::DeviceId;
use serde::{Deserialize, Serialize};

/// An md array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Array {
    /// `MD_UUID` as mdadm prints it: four groups of eight hex digits with colons between them.
    pub uuid: String,
    /// Its name without the host, `root`; `None` with metadata 0.90, which has no names.
    pub name: Option<String>,
    /// The host that the name belongs to; mdadm prints `HOST:NAME`.
    pub home_host: Option<String>,
    /// Level.
    pub level: ArrayLevel,
    /// Version of the superblock, which decides where it lies.
    pub metadata: ArrayMetadata,
    /// Slots for active members ("Raid Devices"); a degraded array has fewer active members.
    pub slots: u32,
    /// Chunk size in bytes; `None` for levels without chunks.
    pub chunk_bytes: Option<u64>,
    /// Layout as mdadm names it: `left-symmetric`, `near=2`, `original`; `None` for levels without one.
    pub layout: Option<String>,
    /// How the array is made consistent after a crash.
    pub consistency: Consistency,
    /// Bytes of each member that it uses ("Used Dev Size"); `None` where members may differ (raid0, linear).
    pub member_bytes: Option<u64>,
    /// Logical block size that was set for it (sysfs `md/logical_block_size`, Linux 6.19); `None` for that of its members.
    pub logical_block_bytes: Option<u32>,
    /// Its members: active ones by slot, then spares and a journal.
    pub members: Vec<ArrayMember>,
}

/// Level of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrayLevel {
    /// One after another; gone from kernels since 6.8.
    Linear,
    /// Striped.
    Raid0,
    /// Mirrored.
    Raid1,
    /// Striped with a parity member.
    Raid4,
    /// Striped with rotating parity.
    Raid5,
    /// Striped with two rotating parities.
    Raid6,
    /// Striped and mirrored.
    Raid10,
}

/// Version of an array's superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ArrayMetadata {
    /// In the last 64 to 128 KiB.
    #[serde(rename = "0.90")]
    V0_90,
    /// Near the end: a member begins like its content, so that firmware and boot loaders read it.
    #[serde(rename = "1.0")]
    V1_0,
    /// At the very beginning.
    #[serde(rename = "1.1")]
    V1_1,
    /// 4 KiB from the beginning.
    #[serde(rename = "1.2")]
    V1_2,
}

/// What makes an array consistent after a crash ("Consistency Policy").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Consistency {
    /// Nothing: levels without redundancy.
    None,
    /// A full resync.
    Resync,
    /// A write-intent bitmap beside the superblock.
    Bitmap {
        /// Bytes that a bit stands for.
        chunk_bytes: u64,
    },
    /// A journal device, which is one of the members.
    Journal,
    /// Partial parity log.
    PartialParityLog,
}

/// A device in an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayMember {
    /// The device.
    pub device: DeviceId,
    /// What it is for.
    pub role: ArrayRole,
    /// Read from only when nothing else is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write_mostly: bool,
    /// Given up at its first error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
}

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ArrayRole {
    /// In use, in this slot.
    Active {
        /// From 0.
        slot: u32,
    },
    /// Takes the place of one that fails.
    Spare,
    /// Holds the journal.
    Journal,
}

impl ArrayLevel {
    /// As mdadm takes it.
    pub fn name(self) -> &'static str {
        match self {
            ArrayLevel::Linear => "linear",
            ArrayLevel::Raid0 => "raid0",
            ArrayLevel::Raid1 => "raid1",
            ArrayLevel::Raid4 => "raid4",
            ArrayLevel::Raid5 => "raid5",
            ArrayLevel::Raid6 => "raid6",
            ArrayLevel::Raid10 => "raid10",
        }
    }

    /// The fewest active members that an array of this level is made with (mdadm(8), `--raid-devices`).
    pub fn fewest_slots(self) -> u32 {
        match self {
            ArrayLevel::Linear | ArrayLevel::Raid0 | ArrayLevel::Raid1 => 1,
            ArrayLevel::Raid4 | ArrayLevel::Raid5 | ArrayLevel::Raid10 => 2,
            ArrayLevel::Raid6 => 4,
        }
    }
}

impl ArrayMetadata {
    /// As mdadm prints it.
    pub fn name(self) -> &'static str {
        match self {
            ArrayMetadata::V0_90 => "0.90",
            ArrayMetadata::V1_0 => "1.0",
            ArrayMetadata::V1_1 => "1.1",
            ArrayMetadata::V1_2 => "1.2",
        }
    }
}
