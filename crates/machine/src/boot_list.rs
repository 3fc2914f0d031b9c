//! The list of what boots from a medium, `/lifeboat/boot.json`: everything that runs before the initramfs can check anything, and
//! that the manifest in the initramfs can therefore not cover.
//!
//! It names the files outside of the manifest with their hashes, and the parts of the image that are no files: boot sector,
//! partition tables, directories, El Torito catalogue, EFI system partition. A seal made with the machine's key binds it, so that
//! who has that key notices a list that somebody else wrote.

use crate::manifest::{FileDigest, ManifestError, read};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Its path below `/lifeboat/`.
pub const BOOT_LIST: &str = "boot.json";
/// The manifest names this file; what boots names it, too, so that the list stands for itself.
pub const KERNEL: &str = "lifeboat/kernel";
/// On a signed medium, below `/lifeboat/`: the certificate, PEM, that belongs to the key.
pub const SIGNING_CERTIFICATE: &str = "signing.crt";
/// Name of the range that firmware starts by UEFI.
pub const EFI_PARTITION: &str = "the EFI system partition";
/// What the seal is for; part of the derivation of its key.
pub const SEAL_CONTEXT: &str = "lifeboat 2026-11 seal of the boot list of a medium";

/// `boot.json` of a medium.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootList {
    /// [`crate::manifest::FORMAT`].
    pub format: u32,
    /// The release that wrote it.
    pub lifeboat: String,
    /// The medium that it belongs to.
    pub medium_id: String,
    /// Size of the image that it was written into.
    pub image_bytes: u64,
    /// Each file that the manifest does not name, and the kernel, by its path from the top of the medium, without leading slash.
    pub files: BTreeMap<String, FileDigest>,
    /// Parts of the image that are no files.
    pub ranges: Vec<BootRange>,
    /// Authentication of all of the above with the machine's key, hex; `None` when there was no key.
    pub seal: Option<String>,
}

/// Part of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootRange {
    /// What it is, for people.
    pub name: String,
    /// Where it begins.
    pub offset: u64,
    /// Its digest.
    pub digest: FileDigest,
}

impl BootList {
    /// Reads it. Blanks at its end do not count: the file has its length before its content is known.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn from_json(json: &[u8]) -> Result<BootList, ManifestError> {
        read(json)
    }

    /// Its JSON, with one newline at the end.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and numbers always have a JSON form.
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// What the seal authenticates: the list without it, in the one form that equal lists have.
    pub fn sealed_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&BootList { seal: None, ..self.clone() }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> BootList {
        let digest = FileDigest { size_bytes: 3, blake3: "ab".repeat(32) };
        BootList {
            format: 1,
            lifeboat: "0.1.0".into(),
            medium_id: "0f".repeat(16),
            image_bytes: 1 << 20,
            files: BTreeMap::from([("boot/grub/grub.cfg".into(), digest.clone())]),
            ranges: vec![BootRange { name: "the boot sector".into(), offset: 0, digest }],
            seal: Some("cd".repeat(32)),
        }
    }

    #[test]
    fn it_is_read_as_it_was_written_and_padded() {
        let mut json = list().to_json();
        json.extend([b' '; 5000]);
        assert_eq!(BootList::from_json(&json).unwrap(), list());
        assert!(BootList::from_json(&json[..100]).is_err());
        let more = String::from_utf8(json).unwrap().replace("\"seal\"", "\"more\": 1, \"seal\"");
        assert!(BootList::from_json(more.as_bytes()).is_err());
    }

    #[test]
    fn each_change_changes_what_is_sealed_but_the_seal_itself() {
        let whole = list().sealed_bytes();
        assert_eq!(BootList { seal: None, ..list() }.sealed_bytes(), whole);
        let mut changed = list();
        changed.ranges[0].offset = 1;
        assert_ne!(changed.sealed_bytes(), whole);
        let mut changed = list();
        changed.files.insert("EFI/BOOT/BOOTX64.EFI".into(), changed.ranges[0].digest.clone());
        assert_ne!(changed.sealed_bytes(), whole);
        assert_ne!(BootList { medium_id: "00".repeat(16), ..list() }.sealed_bytes(), whole);
    }
}
