//! [`Machine`]: what is protected.

use crate::boot::Boot;
use crate::layout::{Layout, LayoutError};
use crate::network::Network;
use serde::{Deserialize, Serialize};

/// The version of `machine.json` that this release writes. It reads format 1, too, which media of release 0.1.0 hold.
pub const FORMAT: u32 = 2;

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
    /// The hardware as far as it distinguishes machines.
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
    /// Modaliases of everything the machine had, sorted; reports whether other hardware needs a new initramfs.
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
        "the machine description has format {found}; this release reads formats 1 to {FORMAT}; try the release that \
         wrote it"
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
    /// [`FormatError`] when it is not JSON, of an unknown version, has unknown fields, or names devices that it does not hold.
    pub fn from_json(json: &[u8]) -> Result<Machine, FormatError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_slice(json)?;
        let machine: Machine = match version.format {
            FORMAT => serde_json::from_slice(json)?,
            1 => serde_json::from_value(from_format_1(serde_json::from_slice(json)?))?,
            found => return Err(FormatError::Version { found }),
        };
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

/// A description of format 1 as one of format 2: the journal of ext3 and ext4 was its size alone. What is not as format 1
/// has it stays, so that reading it says what is wrong.
fn from_format_1(mut machine: serde_json::Value) -> serde_json::Value {
    if let Some(object) = machine.as_object_mut() {
        object.insert("format".into(), FORMAT.into());
    }
    let devices = machine.pointer_mut("/layout/devices").and_then(serde_json::Value::as_array_mut);
    for device in devices.into_iter().flatten() {
        let Some(options) = device.pointer_mut("/content/options").and_then(serde_json::Value::as_object_mut) else {
            continue;
        };
        if let Some(bytes) = options.remove("journal_bytes") {
            let journal = match bytes.is_null() {
                true => serde_json::Value::Null,
                false => serde_json::json!({ "type": "internal", "bytes": bytes }),
            };
            options.insert("journal".into(), journal);
        }
    }
    machine
}
