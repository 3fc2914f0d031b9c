//! Swap areas and swap files.

use crate::bytes::Name;
use serde::{Deserialize, Serialize};

/// A swap area (mkswap(8)).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// UUID, lower case.
    pub uuid: Option<String>,
    /// Label, empty when none.
    pub label: Name,
    /// Page size of the area in bytes.
    pub page_bytes: u32,
}

/// A swap file: its blocks are not saved, it is made anew. Links that lead to it are saved as links.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapFile {
    /// Absolute path, no part of which is a link.
    pub path: Name,
    /// Size in bytes.
    pub size_bytes: u64,
    /// The area in it.
    pub swap: Swap,
    /// Permissions, as chmod(2) takes them.
    #[serde(default = "private")]
    pub mode: u32,
    /// Owner.
    #[serde(default)]
    pub uid: u32,
    /// Group.
    #[serde(default)]
    pub gid: u32,
    /// Extended attributes by name, such as the SELinux label without which a policy forbids swapping to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<(String, Name)>,
}

/// What swapon(8) wants a swap file to be; descriptions of the first format do not record it.
fn private() -> u32 {
    0o600
}
