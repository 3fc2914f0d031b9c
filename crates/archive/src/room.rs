//! The room that a restore of a snapshot needs, as `.lifeboat/room.json` in it.
//!
//! The sum of file sizes says little where they share blocks or are compressed, and the used space of a filesystem says
//! little where they will no longer do so. A snapshot without this file was made by an earlier release.

use crate::repository::node;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Version of the format.
const FORMAT: u32 = 1;

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
    /// The space that these take.
    #[serde(default)]
    pub compressed_stored: u64,
    /// How many of those not shared are compressed for another reason: options of the mount, or a command that once ran.
    #[serde(default)]
    pub squeezed_bytes: u64,
    /// The space that these take.
    #[serde(default)]
    pub squeezed_stored: u64,
}

impl RootRoom {
    /// For a mount point or subvolume at a path in the archive; nothing is counted yet.
    pub(crate) fn at(root: &Path) -> RootRoom {
        RootRoom { root: node::quote(root.as_os_str().as_encoded_bytes()), ..RootRoom::default() }
    }

    /// Its absolute path in the archive.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(node::unquote(&self.root).unwrap_or_default()))
    }

    /// Bytes that its files take when they share blocks and are compressed as far as they can be; `mounted_compressed` says
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

impl Room {
    /// What was counted.
    pub(crate) fn new(roots: Vec<RootRoom>) -> Room {
        Room { format: FORMAT, roots }
    }

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
            // It only helps: another release's format is no reason to refuse a snapshot.
            return Ok(None);
        }
        serde_json::from_slice(json).map(Some).map_err(|error| error.to_string())
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}
