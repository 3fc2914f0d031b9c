//! LVM: volume groups and logical volumes (lvm(8), vgcfgbackup(8)).
//!
//! A group is described once, in [`super::Layout::groups`]; its physical volumes are the devices whose content is a
//! [`super::Member::Group`] of it, its logical volumes those whose kind is a [`Volume`] of it.

use super::id::DeviceId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Name of a volume group inside one machine description: `group0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub String);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A volume group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeGroup {
    /// Its name in this description.
    pub id: GroupId,
    /// Its name for LVM.
    pub name: String,
    /// UUID as LVM prints it, with dashes.
    pub uuid: String,
    /// Size of an extent in bytes.
    pub extent_bytes: u64,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The group that it belongs to.
    pub group: GroupId,
    /// Its name.
    pub name: String,
    /// UUID as LVM prints it.
    pub uuid: String,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Permission read-only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// How it lies on the group's physical volumes.
    pub shape: VolumeShape,
}

/// How a volume lies on physical volumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum VolumeShape {
    /// One stretch after another.
    Linear {
        /// In order.
        extents: Vec<Extents>,
    },
    /// Striped over as many stretches of one length.
    Striped {
        /// Size of a stripe in bytes.
        stripe_bytes: u64,
        /// One for each stripe.
        extents: Vec<Extents>,
    },
    /// `raid1`, `raid4`, `raid5…`, `raid6…`, `raid10…`, and the older `mirror`.
    Raid {
        /// The segment type as LVM names it: `raid1`, `raid5_ls`, `mirror`.
        segment_type: String,
        /// Stripes that hold data (`data_stripes`, what `lvcreate -i` takes); 1 for mirrors.
        data_stripes: u32,
        /// Size of a stripe in bytes; `None` for mirrors.
        stripe_bytes: Option<u64>,
        /// Size of a region in bytes.
        region_bytes: u64,
        /// Its images.
        images: Vec<RaidImage>,
        /// Block size in bytes of the integrity layer below each image, when there is one.
        integrity_block_bytes: Option<u32>,
        /// What else was chosen for it.
        #[serde(default, skip_serializing_if = "RaidSettings::is_usual")]
        settings: RaidSettings,
    },
    /// Space that thin volumes share.
    ThinPool {
        /// Chunk size in bytes.
        chunk_bytes: u64,
        /// Size of its metadata in bytes.
        metadata_bytes: u64,
        /// New chunks are zeroed.
        zero: bool,
        /// `passdown`, `nopassdown`, `ignore`.
        discards: String,
        /// Where its data lies.
        extents: Vec<Extents>,
    },
    /// A volume in a thin pool.
    Thin {
        /// The pool.
        pool: DeviceId,
    },
    /// A volume with a faster one in front of it.
    Cached {
        /// The volume itself.
        origin: Box<VolumeShape>,
        /// What is in front of it.
        cache: Cache,
    },
}

/// A stretch of extents of a physical volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extents {
    /// The physical volume.
    pub device: DeviceId,
    /// The first one, from 0.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// An image of a RAID volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaidImage {
    /// Where it lies.
    pub extents: Vec<Extents>,
    /// Read from only when nothing else is there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write_mostly: bool,
}

/// What was chosen for a RAID volume beside its level (lvmraid(7)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaidSettings {
    /// How the integrity layer below each image keeps data and checksums together: `bitmap` or `journal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integrity_mode: Option<String>,
    /// Extents beside each image for its checksums.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub integrity_extents: u64,
    /// Where a `mirror` notes what is in step: `core`, `disk`, `mirrored`; `None` for the other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror_log: Option<String>,
    /// Least and most KiB per second of a resynchronisation for each device; 0 for the usual.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_recovery_kib: u64,
    /// The same.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub max_recovery_kib: u64,
    /// Writes that may be outstanding on write-mostly images; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub write_behind: u64,
}

impl RaidSettings {
    fn is_usual(&self) -> bool {
        *self == RaidSettings::default()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A fast volume in front of another one. Its content is never saved: it is empty after a recovery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// How it is built.
    pub kind: CacheKind,
    /// Its name.
    pub name: String,
    /// Chunk size of a cache, block size of a writecache, in bytes.
    pub chunk_bytes: u64,
    /// `writethrough`, `writeback`, `passthrough`; `None` for a writecache.
    pub mode: Option<String>,
    /// `smq`, `mq`, `cleaner`; `None` for a writecache.
    pub policy: Option<String>,
    /// Version of its metadata, 1 or 2; `None` for a writecache.
    pub metadata_format: Option<u32>,
    /// Size of the metadata of a cache pool in bytes; `None` where one volume holds both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_bytes: Option<u64>,
    /// Settings of its policy or of the writecache that were chosen, each `name=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<String>,
    /// Where it lies.
    pub extents: Vec<Extents>,
}

/// How a cache is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// dm-cache with a cache pool (data and metadata apart).
    Pool,
    /// dm-cache with one volume for both.
    Volume,
    /// dm-writecache.
    Writecache,
}

/// A segment type whose images hold the same: lvm counts them as stripes, too.
pub fn is_mirror(segment_type: &str) -> bool {
    matches!(segment_type, "raid1" | "mirror")
}

impl Cache {
    /// Extents of its data, or of both where one volume holds them.
    pub fn count(&self) -> u64 {
        self.extents.iter().map(|extents| extents.count).sum()
    }
}

impl VolumeShape {
    /// The volume itself, without what is in front of it, and what that is.
    pub fn uncached(&self) -> (&VolumeShape, Option<&Cache>) {
        match self {
            VolumeShape::Cached { origin, cache } => (origin, Some(cache)),
            VolumeShape::Linear { .. }
            | VolumeShape::Striped { .. }
            | VolumeShape::Raid { .. }
            | VolumeShape::ThinPool { .. }
            | VolumeShape::Thin { .. } => (self, None),
        }
    }

    /// Parts of one length that hold data: stripes, one of a mirror; the other images of a RAID volume are copies and parity.
    pub fn data_parts(&self) -> u64 {
        match self {
            VolumeShape::Striped { extents, .. } => extents.len() as u64,
            VolumeShape::Raid { data_stripes, segment_type, .. } if !is_mirror(segment_type) => {
                u64::from(*data_stripes)
            }
            VolumeShape::Linear { .. }
            | VolumeShape::Raid { .. }
            | VolumeShape::ThinPool { .. }
            | VolumeShape::Thin { .. } => 1,
            VolumeShape::Cached { origin, .. } => origin.data_parts(),
        }
    }

    /// The extents that it shows: of a RAID volume those that hold data. None of a thin volume, which has none of its own.
    pub fn shown_extents(&self) -> u64 {
        let sum = |extents: &[Extents]| extents.iter().map(|extents| extents.count).sum::<u64>();
        match self {
            VolumeShape::Linear { extents }
            | VolumeShape::Striped { extents, .. }
            | VolumeShape::ThinPool { extents, .. } => sum(extents),
            VolumeShape::Raid { images, .. } => {
                images.first().map_or(0, |image| sum(&image.extents)) * self.data_parts()
            }
            VolumeShape::Thin { .. } => 0,
            VolumeShape::Cached { origin, .. } => origin.shown_extents(),
        }
    }

    /// The stretches of physical volumes that it takes, to be changed.
    pub fn extents_mut(&mut self) -> Vec<&mut Extents> {
        match self {
            VolumeShape::Linear { extents }
            | VolumeShape::Striped { extents, .. }
            | VolumeShape::ThinPool { extents, .. } => extents.iter_mut().collect(),
            VolumeShape::Raid { images, .. } => images.iter_mut().flat_map(|image| &mut image.extents).collect(),
            VolumeShape::Thin { .. } => vec![],
            VolumeShape::Cached { origin, cache } => {
                origin.extents_mut().into_iter().chain(&mut cache.extents).collect()
            }
        }
    }

    /// The stretches of physical volumes that it takes.
    pub fn extents(&self) -> Vec<&Extents> {
        match self {
            VolumeShape::Linear { extents }
            | VolumeShape::Striped { extents, .. }
            | VolumeShape::ThinPool { extents, .. } => extents.iter().collect(),
            VolumeShape::Raid { images, .. } => images.iter().flat_map(|image| &image.extents).collect(),
            VolumeShape::Thin { .. } => vec![],
            VolumeShape::Cached { origin, cache } => origin.extents().into_iter().chain(&cache.extents).collect(),
        }
    }

    /// The physical volumes of its write-mostly images.
    pub fn write_mostly(&self) -> Vec<&DeviceId> {
        let VolumeShape::Raid { images, .. } = self.uncached().0 else { return vec![] };
        let mostly = images.iter().filter(|image| image.write_mostly);
        mostly.flat_map(|image| &image.extents).map(|extents| &extents.device).collect()
    }

    /// What it lies on directly: physical volumes, or its thin pool; each once, in order of first use.
    pub fn lies_on(&self) -> Vec<&DeviceId> {
        let pool = match self {
            VolumeShape::Thin { pool } => Some(pool),
            VolumeShape::Linear { .. }
            | VolumeShape::Striped { .. }
            | VolumeShape::Raid { .. }
            | VolumeShape::ThinPool { .. }
            | VolumeShape::Cached { .. } => None,
        };
        let mut out: Vec<&DeviceId> = vec![];
        for id in self.extents().into_iter().map(|extents| &extents.device).chain(pool) {
            if !out.contains(&id) {
                out.push(id);
            }
        }
        out
    }
}

/// The name of a volume of a group below /dev/mapper. LVM doubles the dashes of names, so that the one between group and volume is found
/// (lvm(8), "dm device names").
pub fn mapper_name(group: &str, volume: &str) -> String {
    let dashed = |name: &str| name.replace('-', "--");
    format!("{}-{}", dashed(group), dashed(volume))
}

/// The node of a volume of a group.
pub fn mapper_node(group: &str, volume: &str) -> String {
    format!("/dev/mapper/{}", mapper_name(group, volume))
}
