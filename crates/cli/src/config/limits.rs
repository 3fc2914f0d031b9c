//! `[limits]`: how much of the machine and its network the work may take.

use clap::ValueEnum;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::ops::RangeInclusive;

/// The levels of zstd that a backup may store at.
pub const LEVELS: RangeInclusive<i32> = -7..=22;

/// The `[limits]` table; options on the command line win.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// KiB/s to servers.
    #[serde(deserialize_with = "at_least_one")]
    pub upload: Option<u32>,
    /// KiB/s from servers.
    #[serde(deserialize_with = "at_least_one")]
    pub download: Option<u32>,
    /// Processors that are used at most.
    #[serde(deserialize_with = "at_least_one")]
    pub threads: Option<u16>,
    /// How reading and writing disks yields to others.
    pub io_priority: Option<IoPriority>,
    /// zstd level of what a backup stores.
    #[serde(deserialize_with = "level")]
    pub compression: Option<i32>,
}

/// How reading and writing disks yields to others (ionice(1)).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IoPriority {
    /// As every program.
    Normal,
    /// After all programs with normal priority.
    Low,
    /// Only when nothing else uses the disk; on a busy machine that may be never.
    Idle,
}

/// What the options refuse, the configuration refuses as well.
fn at_least_one<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialOrd + From<u8>,
{
    let number = T::deserialize(deserializer)?;
    match number >= T::from(1) {
        true => Ok(Some(number)),
        false => Err(D::Error::custom("0 is no limit that work can be done with; expected 1 or more, or no such key")),
    }
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
    let level = i32::deserialize(deserializer)?;
    match LEVELS.contains(&level) {
        true => Ok(Some(level)),
        false => {
            Err(D::Error::custom(format!("zstd has no level {level}; expected {} to {}", LEVELS.start(), LEVELS.end())))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn limits_that_cannot_be_are_refused() {
        for (text, part) in [
            ("compression = 23", "zstd has no level 23; expected -7 to 22"),
            ("compression = -8", "zstd has no level -8"),
            ("compression = 'best'", "expected i32"),
            ("threads = 0", "expected 1 or more"),
            ("threads = 70000", "expected u16"),
            ("upload = 0", "expected 1 or more"),
            ("download = 0", "expected 1 or more"),
            ("download = -1", "expected u32"),
            ("io_priority = 'highest'", "expected one of `normal`, `low`, `idle`"),
        ] {
            let error = Config::parse(&format!("[limits]\n{text}\n")).unwrap_err();
            assert!(error.message().contains(part), "{text}: {error}");
            assert_eq!(error.span().map(|span| span.start), text.find('=').map(|at| 9 + at + 2), "{text}");
        }
        let whole = "[limits]\ncompression = -7\nthreads = 1\nupload = 1\ndownload = 4000000000\nio_priority = 'idle'";
        assert_eq!(Config::parse(whole).unwrap().limits.compression, Some(-7));
        assert_eq!(Config::parse("[limits]").unwrap().limits.threads, None);
    }
}
