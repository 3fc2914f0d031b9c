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
}
