//! [`Machine`]: what is protected.

use crate::boot::Boot;
use crate::layout::{Layout, LayoutError};
use crate::network::Network;
use serde::{Deserialize, Serialize};

/// The version of `machine.json` that this release writes. It reads this one and no other.
pub const FORMAT: u32 = 1;

/// A machine as recorded on its healthy day; the content of `machine.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Version of this description, [`FORMAT`].
    pub format: u32,
    /// Host name, as in /etc/hostname.
    pub name: String,
    /// /etc/machine-id, 32 hex digits; empty when the machine has none (machine-id(5)).
    pub machine_id: String,
    /// As `uname -m` prints it: `x86_64`.
    pub architecture: String,
    /// When this was recorded, RFC 3339 in UTC.
    pub recorded_at: String,
    /// The operating system.
    pub os: Os,
    /// The hardware as far as it tells machines apart.
    pub hardware: Hardware,
    /// Storage.
    pub layout: Layout,
    /// How it boots.
    pub boot: Boot,
    /// How it is reached.
    pub network: Network,
}

/// From os-release(5).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Os {
    /// `ID`, e.g. `debian`.
    pub id: String,
    /// `VERSION_ID`, e.g. `12`; empty where the distribution has none.
    pub version_id: String,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
}

/// From /sys/class/dmi/id; empty strings where the platform has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// `sys_vendor`.
    pub vendor: String,
    /// `product_name`.
    pub product: String,
    /// `product_serial`.
    pub serial: String,
    /// Modaliases of everything the machine had, sorted; tells whether other hardware needs a new initramfs.
    pub modaliases: Vec<String>,
    /// Main memory in bytes.
    pub memory_bytes: u64,
}

/// Why a description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Not JSON, or not of the expected shape.
    #[error("cannot READ the machine description: {0}")]
    Json(#[from] serde_json::Error),
    /// Another version.
    #[error(
        "the machine description has format {found}, this Lifeboat reads format {FORMAT}; use the release that wrote it"
    )]
    Version {
        /// The version found.
        found: u32,
    },
    /// The graph does not hold together.
    #[error("the machine description is inconsistent: {0}")]
    Layout(#[from] LayoutError),
}

impl Machine {
    /// Reads `machine.json` and validates it.
    ///
    /// # Errors
    /// [`FormatError`] when it is not JSON, of another version, has unknown fields, or names devices that it does not hold.
    pub fn from_json(json: &[u8]) -> Result<Machine, FormatError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_slice(json)?;
        if version.format != FORMAT {
            return Err(FormatError::Version { found: version.format });
        }
        let machine: Machine = serde_json::from_slice(json)?;
        machine.layout.validate()?;
        Ok(machine)
    }

    /// The bytes of `machine.json`: pretty JSON with a final newline, stable for equal machines.
    pub fn to_json(&self) -> Vec<u8> {
        // Proof: the model has string keys only and no fallible Serialize implementation.
        #[allow(clippy::expect_used)]
        let mut json = serde_json::to_vec_pretty(self).expect("the model serialises");
        json.push(b'\n');
        json
    }
}
