//! What binds machine, archive and rescue system together.
//!
//! The *archive manifest* travels in the snapshot as `.lifeboat/manifest.json`: it counts what the archive must hold.
//! The *medium manifest* lies on the medium as `/lifeboat/manifest.json` and, byte for byte the same, in the
//! initramfs. It names each file of the medium with its hash (except the initramfs, which holds it), so recovery
//! proves the archive whole before anything is wiped, and refuses a medium put together from two machines.

use crate::bytes::printable;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of both manifests.
pub const FORMAT: u32 = 1;

/// `.lifeboat/manifest.json` in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The release that wrote it.
    pub lifeboat: String,
    /// Name of the machine.
    pub machine_name: String,
    /// /etc/machine-id of the machine.
    pub machine_id: String,
    /// BLAKE3 of `machine.json`, hex.
    pub machine_blake3: String,
    /// When the backup began, RFC 3339 in UTC.
    pub started_at: String,
    /// Entries that the walk found: files, directories, links, devices, with the root directory, without `.lifeboat`.
    pub entries: u64,
    /// Sum of the sizes of regular files, in bytes.
    pub bytes: u64,
}

/// `manifest.json` on a medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The release that wrote it.
    pub lifeboat: String,
    /// Random 128 bits in hex; names this medium, and the disc's volume id ends in its first 8 digits.
    pub medium_id: String,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// Name of the machine.
    pub machine_name: String,
    /// /etc/machine-id of the machine.
    pub machine_id: String,
    /// BLAKE3 of `machine.json`, hex.
    pub machine_blake3: String,
    /// Release of the kernel on the medium.
    pub kernel: String,
    /// The archive on the medium; `None` for rescue-only media.
    pub archive: Option<ArchiveRef>,
    /// On a medium that is written again, the folder of its repository, from the top of the medium. Its files are not in [`Self::files`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// On the first disc of a set: the id of the set of volumes, of which the first is on this disc. It is not in [`Self::files`]: a volume
    /// says itself whether it is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The medium holds the key of the archive.
    pub embedded_key: bool,
    /// Each file of the medium below `/lifeboat/`, by its path there, except `manifest.json` and `initrd.img`.
    pub files: BTreeMap<String, FileDigest>,
}

/// Names an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveRef {
    /// Snapshot id, hex.
    pub snapshot: String,
    /// Repository id, hex.
    pub repository: String,
    /// Entries in the snapshot.
    pub entries: u64,
    /// Sum of the sizes of regular files, in bytes.
    pub bytes: u64,
}

/// Size and hash of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Size in bytes.
    pub size_bytes: u64,
    /// BLAKE3, hex.
    pub blake3: String,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not of the expected shape.
    #[error("it is damaged or not a manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// Another version.
    #[error(
        "it has format {found} and was written by {release}; this is Lifeboat {this}, which reads format {FORMAT}; \
         try {release}, or a medium made with it",
        this = env!("CARGO_PKG_VERSION")
    )]
    Format {
        /// The version found.
        found: u32,
        /// The release that wrote it: `Lifeboat 0.1.0`.
        release: String,
    },
}

impl ArchiveManifest {
    /// Reads it.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn from_json(json: &[u8]) -> Result<ArchiveManifest, ManifestError> {
        read(json)
    }
}

impl MediumManifest {
    /// An archive is on the medium: one snapshot, a repository that later backups go into, or the beginning of a set of discs.
    pub fn has_archive(&self) -> bool {
        self.archive.is_some() || self.repository.is_some() || self.set.is_some()
    }

    /// The file below `/lifeboat` that is the first volume of a set, on its first disc.
    pub fn first_volume(&self) -> Option<&'static str> {
        self.set.as_ref().map(|_| "volume-001")
    }

    /// The folder of the repository, from the top of the medium, and nothing that leads out of it.
    pub fn repository_folder(&self) -> Option<&str> {
        let is_plain = |folder: &&str| !folder.is_empty() && !folder.starts_with('.') && !folder.contains(['/', '\0']);
        self.repository.as_deref().filter(is_plain)
    }

    /// What stands above the menu of the medium. GRUB's menu shows 74 characters of a line on the text screen of a BIOS, and cuts the rest:
    /// a machine's name of up to 64 characters is shortened.
    pub fn title(&self) -> String {
        const LONGEST_NAME: usize = 32;
        let day = self.created_at.split(['T', ' ']).next().unwrap_or_default();
        let mut name: String = printable(self.machine_name.as_bytes());
        if name.chars().count() > LONGEST_NAME {
            name = name.chars().take(LONGEST_NAME - 3).chain("...".chars()).collect();
        }
        let mut title = format!("Lifeboat: {name}, {day}");
        if let Some(archive) = &self.archive {
            let short: String = archive.snapshot.chars().take(8).collect();
            title.push_str(&format!(", snapshot {short}"));
        }
        if let Some(set) = &self.set {
            let short: String = set.chars().take(8).collect();
            title.push_str(&format!(", disc 1 of {short}"));
        }
        title
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn from_json(json: &[u8]) -> Result<MediumManifest, ManifestError> {
        read(json)
    }
}

/// The format is looked at first: what another release adds is no damage.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, ManifestError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
        #[serde(default)]
        lifeboat: String,
    }
    let version: Version = serde_json::from_slice(json)?;
    if version.format != FORMAT {
        let release = match version.lifeboat.as_str() {
            "" => "another release of Lifeboat".to_owned(),
            release => format!("Lifeboat {release}"),
        };
        return Err(ManifestError::Format { found: version.format, release });
    }
    Ok(serde_json::from_slice(json)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_format_is_named_whatever_else_it_holds() {
        let ours = r#"{"format": 1, "lifeboat": "0.1.0", "machine_name": "db7", "machine_id": "", "machine_blake3": "",
                       "started_at": "", "entries": 1, "bytes": 2}"#;
        assert_eq!(ArchiveManifest::from_json(ours.as_bytes()).unwrap().entries, 1);
        let newer = ours.replace(r#""format": 1"#, r#""format": 2, "parts": []"#).replace("0.1.0", "9.4.0");
        let error = ArchiveManifest::from_json(newer.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("it has format 2 and was written by Lifeboat 9.4.0; this is Lifeboat "), "{error}");
        assert!(error.ends_with("which reads format 1; try Lifeboat 9.4.0, or a medium made with it"), "{error}");
        assert!(matches!(MediumManifest::from_json(newer.as_bytes()), Err(ManifestError::Format { found: 2, .. })));
        let odd = ours.replace("db7\"", "db7\", \"more\": 1");
        for damaged in [&ours[..40], "[]", &odd] {
            let error = ArchiveManifest::from_json(damaged.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("it is damaged or not a manifest: "), "{error}");
        }
    }
}
