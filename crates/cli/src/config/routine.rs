//! `[schedule]`, `[status]` and `[log]`: what runs by itself, when it is overdue, and how long its logs are kept.

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

/// The `[schedule]` table. Times are systemd's calendar expressions (systemd.time(7)), or `off`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// When backups run.
    pub backup: String,
    /// When to look whether the medium is out of date.
    pub medium: String,
    /// When the repository is read as a whole.
    pub verify: String,
    /// When a recovery is rehearsed.
    pub drill: String,
    /// When old snapshots are forgotten and the repository is pruned, if `[retention]` has a rule.
    pub prune: String,
    /// The most by which each is delayed at random, a time span of systemd.
    pub delay: String,
    /// The image that is kept up to date, and rehearsed.
    pub medium_file: Option<PathBuf>,
    /// The medium holds the latest snapshot; otherwise recovery reads the archive from `medium_source`.
    pub medium_archive: bool,
    /// Where recovery reads the archive from when the medium holds none; default: `repository`, where that is an address.
    pub medium_source: Option<String>,
    /// The medium carries a key, so that it recovers and is rehearsed unattended.
    pub medium_embed_key: bool,
}

impl Default for Schedule {
    fn default() -> Self {
        let text = str::to_owned;
        Schedule {
            backup: text("*-*-* 01:30:00"),
            medium: text("*-*-* 04:30:00"),
            verify: text("Sun *-*-* 05:30:00"),
            drill: text("*-*-02 06:30:00"),
            prune: text("*-*-* 03:30:00"),
            delay: text("45min"),
            medium_file: None,
            medium_archive: true,
            medium_source: None,
            medium_embed_key: false,
        }
    }
}

/// The `[status]` table: after which time each thing is overdue.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct StatusTable {
    /// The last backup.
    pub backup: Limit,
    /// The last time that the whole repository was read.
    pub verify: Option<Limit>,
    /// The medium.
    pub medium: Option<Limit>,
    /// The last rehearsal.
    pub drill: Option<Limit>,
}

impl Default for StatusTable {
    fn default() -> Self {
        StatusTable { backup: Limit::days(2), verify: None, medium: None, drill: None }
    }
}

/// The `[log]` table: how many logs of each kind are kept in `/var/log/lifeboat`, and how long.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct LogTable {
    /// Logs of earlier runs beside the last one.
    pub keep: usize,
    /// Those that are older are removed.
    pub age: Limit,
}

impl Default for LogTable {
    fn default() -> Self {
        LogTable { keep: 30, age: Limit::days(90) }
    }
}

/// An age that must not be passed: `36h`, `10d`, `2w`, or `off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit(pub Option<SignedDuration>);

impl Limit {
    /// So many days.
    pub const fn days(days: i64) -> Limit {
        Limit(Some(SignedDuration::from_hours(24 * days)))
    }

    /// Reads `36h`, `10d`, `2w` or `off`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Limit, String> {
        let wrong = || format!("'{text}': expected an age such as 36h, 10d or 2w, or off");
        if text == "off" {
            return Ok(Limit(None));
        }
        let (digits, hours) = [("h", 1), ("d", 24), ("w", 7 * 24)]
            .into_iter()
            .find_map(|(unit, hours)| Some((text.strip_suffix(unit)?.trim_end(), hours)))
            .ok_or_else(wrong)?;
        // The longest is a century: nothing that is added to it overflows.
        let number: i64 = digits.parse().ok().filter(|number| (1..=876_600).contains(number)).ok_or_else(wrong)?;
        Ok(Limit(Some(SignedDuration::from_hours(number * hours))))
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Limit::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_and_mistakes_say_what_is_expected() {
        for (text, hours) in [("36h", Some(36)), ("10d", Some(240)), ("2 w", Some(336)), ("off", None)] {
            assert_eq!(Limit::parse(text).unwrap().0.map(|age| age.as_hours()), hours, "{text}");
        }
        for text in ["", "h", "0d", "-1d", "1m", "10", "99999999999d", "1e3d"] {
            assert!(Limit::parse(text).unwrap_err().contains("36h"), "{text}");
        }
    }
}
