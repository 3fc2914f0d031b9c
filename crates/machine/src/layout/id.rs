//! Names of devices inside one machine description.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Name of a device inside one machine description: `disk0`, `disk0p2`, `array0`, `group0_root`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub String);

impl DeviceId {
    /// It names a variable of a shell on the page about recovery by hand, so it must not contain syntax. In
    /// lower case it clashes with no variable that a shell has already.
    pub fn is_valid(&self) -> bool {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        self.0.starts_with(|c: char| c.is_ascii_lowercase()) && self.0.len() <= 64 && self.0.chars().all(word)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_are_syntax_are_refused() {
        for id in ["disk0", "disk0p12", "md_127"] {
            assert!(DeviceId(id.into()).is_valid(), "{id}");
        }
        for id in ["", "0disk", "PATH", "a b", "x:=$(reboot)", "x}\"; reboot; \"${y", "disk\n", "dïsk", &"a".repeat(65)]
        {
            assert!(!DeviceId(id.into()).is_valid(), "{id}");
        }
    }
}
