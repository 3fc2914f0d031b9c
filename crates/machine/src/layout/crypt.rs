//! Encrypted devices (cryptsetup(8), LUKS1 and LUKS2 on-disk formats).

use super::id::DeviceId;
use crate::bytes::Name;
use serde::{Deserialize, Serialize};

/// The open mapping of a LUKS device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crypt {
    /// The device that holds the encrypted bytes; its content is a [`LuksHeader`].
    pub parent: DeviceId,
    /// Name of the mapping below /dev/mapper.
    pub name: String,
    /// For a device that is encrypted anew: the file of the restored system whose content opens it; `None` for a passphrase
    /// that a person types. What was recorded has its key files in crypttab(5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
}

/// A LUKS header. Key slots and tokens are kept in a backup of the header, never here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LuksHeader {
    /// 1 or 2.
    pub version: u8,
    /// UUID.
    pub uuid: String,
    /// Label (LUKS2), empty when none.
    pub label: Name,
    /// Subsystem (LUKS2), empty when none.
    pub subsystem: Name,
    /// Cipher of the data, `aes-xts-plain64`.
    pub cipher: String,
    /// Sector size of the encryption in bytes.
    pub sector_bytes: u32,
    /// Where the encrypted data begins, in bytes.
    pub data_offset_bytes: u64,
    /// Integrity of the data, as cryptsetup names it; `None` without.
    pub integrity: Option<String>,
    /// The backup of the header, which has its key slots and tokens: it is in the archive, beside this description. `None` for a
    /// device that is encrypted anew: its header is made at the recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<HeaderBackup>,
}

/// The backup of a LUKS header, as luksHeaderRestore (cryptsetup-luksHeaderRestore(8)) takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderBackup {
    /// Size in bytes.
    pub size_bytes: u64,
    /// BLAKE3, hex: another one after key slots changed.
    pub blake3: String,
}

impl LuksHeader {
    /// Name of the header's backup in the archive's own directory.
    pub fn backup_name(&self) -> String {
        format!("luks-{}.header", self.uuid)
    }

    /// Size in bytes of the open mapping on a device of `size_bytes`.
    pub fn mapping_bytes(&self, size_bytes: u64) -> u64 {
        let sector = u64::from(self.sector_bytes.max(512));
        size_bytes.saturating_sub(self.data_offset_bytes) / sector * sector
    }
}
