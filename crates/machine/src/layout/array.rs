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

impl Array {
    /// Its UUID as blkid prints it of a member: `0f94ed54-43b7-25a2-6bb1-7c3a1c1a7e44`.
    pub fn member_uuid(&self) -> String {
        member_uuid(&self.uuid)
    }

    /// Its active members by slot; `None` where one is missing.
    pub fn active(&self) -> Vec<Option<&ArrayMember>> {
        let in_slot = |wanted: u32| {
            self.members.iter().find(|member| matches!(member.role, ArrayRole::Active { slot } if slot == wanted))
        };
        (0..self.slots).map(in_slot).collect()
    }

    /// Slots that no member is in.
    pub fn missing(&self) -> u32 {
        u32::try_from(self.active().iter().filter(|member| member.is_none()).count()).unwrap_or(u32::MAX)
    }

    /// Slots whose data counts: all of them but those that hold parity.
    fn data_slots(&self) -> u64 {
        let parity = match self.level {
            ArrayLevel::Linear | ArrayLevel::Raid0 | ArrayLevel::Raid1 | ArrayLevel::Raid10 => 0,
            ArrayLevel::Raid4 | ArrayLevel::Raid5 => 1,
            ArrayLevel::Raid6 => 2,
        };
        u64::from(self.slots).saturating_sub(parity)
    }

    /// Copies of each chunk with RAID 10: near ones, and far or offset ones (drivers/md/raid10.c, `setup_geo`).
    fn copies(&self) -> (u64, u64) {
        let layout = self.layout.as_deref().unwrap_or("near=2");
        let (kind, count) = layout.split_once('=').unwrap_or((layout, "2"));
        let count = count.parse::<u64>().unwrap_or(2).max(1);
        if kind == "near" { (count, 1) } else { (1, count) }
    }

    /// What it uses of a member that has `bytes` behind its data offset: whole chunks, whole KiB.
    pub fn used_of(&self, bytes: u64) -> u64 {
        let unit = self.chunk_bytes.filter(|chunk| *chunk > 0).unwrap_or(1024).max(1024);
        bytes / unit * unit
    }

    /// Its size in bytes when its active members have so many bytes for it, in the order of their slots (drivers/md,
    /// the `size` function of each personality). Levels with redundancy use as much of each member as the smallest has.
    pub fn data_bytes(&self, members: &[u64]) -> u64 {
        let smallest = self.used_of(members.iter().copied().min().unwrap_or(0));
        match self.level {
            ArrayLevel::Linear | ArrayLevel::Raid0 => members.iter().map(|bytes| self.used_of(*bytes)).sum(),
            ArrayLevel::Raid1 => smallest,
            ArrayLevel::Raid4 | ArrayLevel::Raid5 | ArrayLevel::Raid6 => smallest * self.data_slots(),
            ArrayLevel::Raid10 => {
                let chunk = self.chunk_bytes.filter(|chunk| *chunk > 0).unwrap_or(1024);
                let (near, far) = self.copies();
                smallest / chunk / far * u64::from(self.slots) / near * chunk
            }
        }
    }

    /// Bytes that each member must have for the array to have `bytes`; the least that will do, in whole chunks.
    pub fn member_bytes_for(&self, bytes: u64) -> u64 {
        let chunk = self.chunk_bytes.filter(|chunk| *chunk > 0).unwrap_or(1024).max(1024);
        let chunks = bytes.div_ceil(chunk);
        let each = match self.level {
            ArrayLevel::Raid1 => chunks,
            ArrayLevel::Linear | ArrayLevel::Raid0 => chunks.div_ceil(u64::from(self.slots).max(1)),
            ArrayLevel::Raid4 | ArrayLevel::Raid5 | ArrayLevel::Raid6 => chunks.div_ceil(self.data_slots().max(1)),
            ArrayLevel::Raid10 => {
                let (near, far) = self.copies();
                (chunks * near).div_ceil(u64::from(self.slots).max(1)) * far
            }
        };
        each * chunk
    }
}

/// The UUID of an array as blkid prints it of a member, from mdadm's form.
pub fn member_uuid(uuid: &str) -> String {
    let mut text = String::with_capacity(36);
    for (index, digit) in uuid.chars().filter(char::is_ascii_hexdigit).enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit.to_ascii_lowercase());
    }
    text
}

/// mdadm of every release makes an array and its node with this name: what is portable to POSIX, of at most 32 characters (mdadm
/// 4.4, `is_name_posix_compatible`).
pub fn is_portable_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=32).contains(&name.len()) && !name.starts_with(['-', '.']) && name.chars().all(plain)
}

impl ArrayLevel {
    /// The level that mdadm and the kernel (`md/level`) call so.
    pub fn named(name: &str) -> Option<ArrayLevel> {
        use ArrayLevel::{Linear, Raid0, Raid1, Raid4, Raid5, Raid6, Raid10};
        [Linear, Raid0, Raid1, Raid4, Raid5, Raid6, Raid10].into_iter().find(|level| level.name() == name)
    }

    /// The array survives the loss of a member.
    pub fn is_redundant(self) -> bool {
        match self {
            ArrayLevel::Linear | ArrayLevel::Raid0 => false,
            ArrayLevel::Raid1 | ArrayLevel::Raid4 | ArrayLevel::Raid5 | ArrayLevel::Raid6 | ArrayLevel::Raid10 => true,
        }
    }

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
    /// The version that mdadm and the kernel (`md/metadata_version`) call so.
    pub fn named(name: &str) -> Option<ArrayMetadata> {
        use ArrayMetadata::{V0_90, V1_0, V1_1, V1_2};
        [V0_90, V1_0, V1_1, V1_2].into_iter().find(|version| version.name() == name)
    }

    /// The superblock lies at the end of a member, which begins like the array.
    pub fn is_at_end(self) -> bool {
        match self {
            ArrayMetadata::V0_90 | ArrayMetadata::V1_0 => true,
            ArrayMetadata::V1_1 | ArrayMetadata::V1_2 => false,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn array(level: ArrayLevel, slots: u32, layout: Option<&str>, chunk_bytes: Option<u64>) -> Array {
        Array {
            uuid: "0f94ed54:43b725a2:6bb17c3a:1c1a7e44".into(),
            name: None,
            home_host: None,
            level,
            metadata: ArrayMetadata::V1_2,
            slots,
            chunk_bytes,
            layout: layout.map(str::to_owned),
            consistency: Consistency::None,
            member_bytes: None,
            logical_block_bytes: None,
            members: vec![],
        }
    }

    #[test]
    fn sizes_as_the_kernel_computes_them() {
        let chunk = Some(512 << 10);
        for (level, slots, layout, chunk, members, expected) in [
            (ArrayLevel::Raid1, 2, None, None, vec![100 * MIB + 700, 101 * MIB], 100 * MIB),
            (ArrayLevel::Raid0, 2, None, chunk, vec![100 * MIB + 700, 50 * MIB], 150 * MIB),
            (ArrayLevel::Linear, 2, None, None, vec![100 * MIB, 50 * MIB + 1], 150 * MIB),
            (ArrayLevel::Raid5, 3, None, chunk, vec![100 * MIB; 3], 200 * MIB),
            (ArrayLevel::Raid6, 5, None, chunk, vec![100 * MIB; 5], 300 * MIB),
            (ArrayLevel::Raid10, 4, Some("near=2"), chunk, vec![100 * MIB; 4], 200 * MIB),
            (ArrayLevel::Raid10, 3, Some("near=2"), chunk, vec![100 * MIB; 3], 150 * MIB),
            (ArrayLevel::Raid10, 4, Some("far=2"), chunk, vec![101 * MIB - 1; 4], 200 * MIB),
            (ArrayLevel::Raid10, 2, Some("offset=2"), chunk, vec![100 * MIB; 2], 100 * MIB),
        ] {
            let array = array(level, slots, layout, chunk);
            assert_eq!(array.data_bytes(&members), expected, "{level:?} {layout:?}");
            // What is needed of each member for that size is no more than what they had.
            let each = array.member_bytes_for(expected);
            assert!(array.data_bytes(&vec![each; members.len()]) >= expected, "{level:?} {layout:?}");
            assert!(each <= *members.iter().max().unwrap(), "{level:?} {layout:?}");
        }
    }

    #[test]
    fn uuid_of_members() {
        assert_eq!(array(ArrayLevel::Raid1, 2, None, None).member_uuid(), "0f94ed54-43b7-25a2-6bb1-7c3a1c1a7e44");
    }
}
