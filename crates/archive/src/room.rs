//! The room that a restore of a snapshot needs, as `.lifeboat/room.json` in it.
//!
//! What files are in sum says little where they share blocks or are compressed, and what a filesystem has in use says
//! little where they will not be so any more. A snapshot without this file was made by an earlier release.

use crate::report::Problems;
use crate::repository::node;
use crate::shared;
use crate::table::{Kind, Table};
use crate::walk::extents::Compressed;
use crate::walk::places::Top;
use crate::{ArchiveError, Encrypted, Observer, Progress, Source, walk};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Version of the format.
const FORMAT: u32 = 1;
/// Smaller files of btrfs lie in its tree (max_inline).
const INLINE_BYTES: u64 = 2048;

/// What the files of a snapshot need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    format: u32,
    /// For each mount point and subvolume that was archived.
    pub roots: Vec<RootRoom>,
}

/// What the files of one mount point or subvolume need, without those of other ones below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootRoom {
    /// Its absolute path in the archive, escaped as names in restic's trees are.
    root: String,
    /// Entries in it.
    pub entries: u64,
    /// Bytes of whole blocks that its files have, each inode once, without holes.
    pub bytes: u64,
    /// How many of these they share with other files of the same filesystem that come before them.
    #[serde(default)]
    pub shared_bytes: u64,
    /// How many of those not shared are compressed because the files say so.
    #[serde(default)]
    pub compressed_bytes: u64,
    /// What these take.
    #[serde(default)]
    pub compressed_stored: u64,
    /// How many of those not shared are compressed for another reason: options of the mount, or a command that once ran.
    #[serde(default)]
    pub squeezed_bytes: u64,
    /// What these take.
    #[serde(default)]
    pub squeezed_stored: u64,
}

impl RootRoom {
    /// Its absolute path in the archive.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(node::unquote(&self.root).unwrap_or_default()))
    }

    /// Bytes that its files take when they share blocks and are compressed as far as they can be; `mounted_compressed` tells
    /// that the filesystem is mounted so that it compresses.
    pub fn restored(&self, mounted_compressed: bool) -> u64 {
        let mut bytes = self.bytes.saturating_sub(self.shared_bytes);
        bytes = bytes.saturating_sub(self.compressed_bytes).saturating_add(self.compressed_stored);
        if mounted_compressed {
            bytes = bytes.saturating_sub(self.squeezed_bytes).saturating_add(self.squeezed_stored);
        }
        bytes
    }

    /// Bytes that they take on a filesystem that shares blocks, but does not compress.
    pub fn expanded(&self) -> u64 {
        self.bytes.saturating_sub(self.shared_bytes)
    }
}

/// What looking at a file tree found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// What its files need.
    pub room: Room,
    /// What its filesystem encrypts.
    pub encrypted: Vec<Encrypted>,
}

/// Looks at a file tree without reading content: what a backup of it would say. What cannot be read is not counted.
///
/// # Errors
/// When the source's root cannot be opened.
pub fn measure(source: &Source, observer: &dyn Observer) -> Result<Measured, ArchiveError> {
    /// Passes on progress alone: a backup tells what it cannot read.
    struct ProgressOnly<'a>(&'a dyn Observer);
    impl Observer for ProgressOnly<'_> {
        fn progress(&self, progress: &Progress) {
            self.0.progress(progress);
        }
    }
    let observer = ProgressOnly(observer);
    let mut walked = walk::walk_with_extents(source, &observer, &Problems::new(&observer))?;
    let extents = walked.extents.take().unwrap_or_default();
    Ok(Measured { room: extents.finish(&mut walked.table, &walked.tops), encrypted: walked.encrypted })
}

impl Room {
    /// The same for a tree whose root is mounted at `mount` in the archive.
    pub fn below(mut self, mount: &Path) -> Room {
        for root in &mut self.roots {
            let path = root.root();
            let inside = path.strip_prefix("/").unwrap_or(&path);
            let whole = if inside.as_os_str().is_empty() { mount.to_owned() } else { mount.join(inside) };
            root.root = node::quote(whole.as_os_str().as_encoded_bytes());
        }
        self
    }

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn from_json(json: &[u8]) -> Result<Option<Room>, String> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if version.format != FORMAT {
            // It only helps: what another release says in it is no reason to refuse a snapshot.
            return Ok(None);
        }
        serde_json::from_slice(json).map(Some).map_err(|error| error.to_string())
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Counts a walked table; `of_top` gives the top of each record, `compressed` what is compressed and not shared with any file, by
    /// itself and otherwise.
    pub(crate) fn of(table: &Table, tops: &[Top], of_top: &[usize], compressed: &[[Compressed; 2]]) -> Room {
        let blocks: Vec<u64> = tops
            .iter()
            .map(|top| rustix::fs::fstatfs(&top.fd).map_or(4096, |status| status.f_bsize as u64).clamp(512, 1 << 20))
            .collect();
        let mut roots: Vec<RootRoom> = tops
            .iter()
            .map(|top| RootRoom {
                root: node::quote(table.path(top.record).as_os_str().as_encoded_bytes()),
                ..RootRoom::default()
            })
            .collect();
        let mut seen = HashSet::new();
        let mut is_first = vec![false; table.records.len()];
        for (index, record) in table.records.iter().enumerate().filter(|(_, record)| !record.left_out) {
            let (root, block) = (&mut roots[of_top[index]], blocks[of_top[index]]);
            root.entries += 1;
            is_first[index] = record.link_key().is_none_or(|key| seen.insert(key));
            if record.kind == Kind::File && is_first[index] {
                let bytes = table.stored(index);
                root.bytes += if bytes <= INLINE_BYTES { bytes } else { bytes.next_multiple_of(block) };
            }
        }
        let shares = shared::shared_bytes(table);
        for (record, share) in &shares {
            roots[of_top[*record]].shared_bytes += share.length;
        }
        let mut compressed = compressed.to_vec();
        let mut shares = shares.iter().peekable();
        for stretch in table.shared.all().iter().filter(|stretch| stretch.is_compressed()) {
            let (record, end) = (stretch.record as usize, stretch.offset + stretch.length);
            let mut taken = 0;
            while let Some((of, share)) = shares.peek() {
                if *of > record || (*of == record && share.offset >= end) {
                    break;
                }
                if *of == record {
                    let (from, until) = (share.offset.max(stretch.offset), (share.offset + share.length).min(end));
                    taken += until.saturating_sub(from);
                    if share.offset + share.length > end {
                        break;
                    }
                }
                shares.next();
            }
            let own = stretch.length.saturating_sub(taken);
            let part = u128::from(stretch.stored) * u128::from(own) / u128::from(stretch.length.max(1));
            let itself = crate::walk::extents::by_itself(&table.records[record], table.xattrs(record));
            let sum = &mut compressed[of_top[record]][usize::from(!itself)];
            sum.bytes += own;
            sum.stored += u64::try_from(part).unwrap_or(u64::MAX);
        }
        for (root, [itself, other]) in roots.iter_mut().zip(&compressed) {
            (root.compressed_bytes, root.compressed_stored) = (itself.bytes, itself.stored);
            (root.squeezed_bytes, root.squeezed_stored) = (other.bytes, other.stored);
        }
        Room { format: FORMAT, roots }
    }
}
