//! Local disks as sources are named: `disk:LABEL=backup`, `disk:UUID=…:/srv/repo`, `disk:/dev/sdb1`.

use std::fmt;

/// What a disk's name begins with, as blkid(8) takes them.
const KEYS: [&str; 4] = ["LABEL", "UUID", "PARTLABEL", "PARTUUID"];

/// How a disk or partition is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskName {
    /// `/dev/sdb1`.
    Path(String),
    /// `LABEL=`, `UUID=`, `PARTLABEL=`, `PARTUUID=`, as blkid(8) takes them.
    Token {
        /// The word before `=`.
        key: &'static str,
        /// What follows it.
        value: String,
    },
}

impl DiskName {
    /// Reads what follows `disk:`.
    ///
    /// # Errors
    /// A message for people.
    pub fn parse(text: &str) -> Result<DiskName, String> {
        if text.starts_with("/dev/") {
            return Ok(DiskName::Path(text.to_owned()));
        }
        for key in KEYS {
            if let Some(value) = text.strip_prefix(key).and_then(|rest| rest.strip_prefix('='))
                && !value.is_empty()
            {
                return Ok(DiskName::Token { key, value: value.to_owned() });
            }
        }
        Err(format!("disk:{text}: expected LABEL=, UUID=, PARTLABEL=, PARTUUID= or a path below /dev"))
    }
}

impl fmt::Display for DiskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskName::Path(path) => f.write_str(path),
            DiskName::Token { key, value } => write!(f, "{key}={value}"),
        }
    }
}

/// A folder or file in a filesystem of a local disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// The filesystem's device.
    pub device: DiskName,
    /// The path below the filesystem's root, with its leading `/`.
    pub path: String,
}

impl OnDisk {
    /// True when a text is meant as a place on a local disk, right or wrong.
    pub fn is_meant(text: &str) -> bool {
        text.strip_prefix("disk:").is_some_and(|rest| rest.contains(":/"))
    }

    /// Reads `disk:LABEL=backup:/srv/repo`.
    ///
    /// # Errors
    /// A message for people.
    pub fn parse(text: &str) -> Result<OnDisk, String> {
        let rest = text.strip_prefix("disk:").unwrap_or(text);
        let (device, path) = rest.split_once(":/").ok_or_else(|| format!("{text}: expected disk:DEVICE:/PATH"))?;
        if path.split('/').any(|part| part == "..") {
            return Err(format!("{text}: the path must not contain '..'"));
        }
        Ok(OnDisk { device: DiskName::parse(device)?, path: format!("/{path}") })
    }
}

impl fmt::Display for OnDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk:{}:{}", self.device, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_on_disks() {
        for text in ["disk:LABEL=my backup:/srv/repo", "disk:/dev/sdb1:/", "disk:PARTUUID=ab-01:/x.iso"] {
            assert!(OnDisk::is_meant(text), "{text}");
            assert_eq!(OnDisk::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(OnDisk::parse("disk:/dev/sdb1:/a/b").unwrap().path, "/a/b");
        for text in ["disk", "disk:LABEL=x", "disk:/dev/sdb1", "/srv/disk:/x", "nfs://host/x"] {
            assert!(!OnDisk::is_meant(text), "{text}");
        }
        for (text, part) in [("disk:LABLE=x:/y", "expected LABEL="), ("disk:UUID=x:/a/../b", "must not contain")] {
            assert!(OnDisk::parse(text).unwrap_err().contains(part), "{text}");
        }
    }
}
