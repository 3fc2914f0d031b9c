//! What `[snapshots]` and `[hooks]` of the configuration say.

use serde::{Deserialize, Deserializer, de};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// When snapshots are taken.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Never: everything is read live.
    #[default]
    Never,
    /// Where it is possible; the rest is read live, which is reported.
    Auto,
    /// Of all that lies on logical volumes and btrfs; where one is not possible, the backup stops before it begins.
    Required,
}

/// The `[snapshots]` table.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshots {
    /// When they are taken.
    #[serde(rename = "use")]
    pub when: Use,
    /// Room for what changes in the original of a classic LVM snapshot.
    pub cow_size: CowSize,
    /// Mount points of filesystems that are read live all the same.
    pub live: Vec<PathBuf>,
    /// Mount points of filesystems without snapshots that are frozen until they are read.
    pub freeze: Vec<PathBuf>,
    /// The longest that these stay frozen, in seconds.
    pub freeze_seconds: NonZeroU32,
}

impl Default for Snapshots {
    fn default() -> Self {
        Snapshots {
            when: Use::Never,
            cow_size: CowSize::default(),
            live: vec![],
            freeze: vec![],
            freeze_seconds: FREEZE_SECONDS,
        }
    }
}

/// Programs that wait longer for a write are taken for dead by many a supervisor.
const FREEZE_SECONDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

impl Snapshots {
    /// How long filesystems stay frozen at most.
    pub fn freeze_limit(&self) -> Duration {
        Duration::from_secs(self.freeze_seconds.get().into())
    }
}

/// The size of a copy-on-write area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CowSize {
    /// In percent of the original.
    Percent(u8),
    /// In bytes.
    Bytes(u64),
}

impl Default for CowSize {
    /// What changes in a server while it is backed up is seldom a tenth of it.
    fn default() -> Self {
        CowSize::Percent(15)
    }
}

impl CowSize {
    /// Reads `15%`, `8GiB`, `512MiB`.
    pub fn parse(text: &str) -> Result<CowSize, String> {
        let wrong = || format!("'{text}': expected a share of the original such as 15%, or a size such as 8GiB");
        if let Some(percent) = text.strip_suffix('%') {
            let percent: u8 = percent.trim().parse().map_err(|_| wrong())?;
            return (1..=100).contains(&percent).then_some(CowSize::Percent(percent)).ok_or_else(wrong);
        }
        let units = [("KiB", 1_u64 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        let (number, unit) =
            units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).ok_or_else(wrong)?;
        let bytes = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?;
        (bytes > 0).then_some(CowSize::Bytes(bytes)).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for CowSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CowSize::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The `[hooks]` table.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Before anything else is done.
    pub before: Commands,
    /// Once the snapshots are taken, or at once where none are.
    pub after_snapshots: Commands,
    /// At the end, whatever the result is.
    pub after: Commands,
    /// At the end of a backup that failed, before `after`.
    pub failure: Commands,
    /// How long each command may take, in seconds.
    pub timeout_seconds: NonZeroU32,
    /// What happens when a `before` command fails.
    pub before_failed: BeforeFailed,
}

impl Default for Hooks {
    fn default() -> Self {
        Hooks {
            before: Commands::default(),
            after_snapshots: Commands::default(),
            after: Commands::default(),
            failure: Commands::default(),
            timeout_seconds: TIMEOUT_SECONDS,
            before_failed: BeforeFailed::Stop,
        }
    }
}

/// A dump of a database takes minutes; one that hangs must not cost the night.
const TIMEOUT_SECONDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(599);

impl Hooks {
    /// There is none.
    pub fn is_empty(&self) -> bool {
        [&self.before, &self.after_snapshots, &self.after, &self.failure].iter().all(|commands| commands.0.is_empty())
    }

    /// How long each command may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.get().into())
    }
}

/// What happens when a `before` command fails.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum BeforeFailed {
    /// Nothing is saved: the backup fails.
    #[default]
    Stop,
    /// The backup goes on, with a warning.
    Continue,
}

/// Commands of one hook, each a program with its arguments. No shell is involved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands(pub Vec<Vec<String>>);

impl<'de> Deserialize<'de> for Commands {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// One command, or several.
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a command, ['/path/program', 'argument'], or a list of such")]
        enum Either {
            One(Vec<String>),
            Several(Vec<Vec<String>>),
        }
        let commands = match Either::deserialize(deserializer)? {
            Either::One(command) if command.is_empty() => vec![],
            Either::One(command) => vec![command],
            Either::Several(commands) => commands,
        };
        for command in &commands {
            match command.first() {
                None => return Err(de::Error::custom("a command is empty")),
                Some(program) if !program.starts_with('/') => {
                    return Err(de::Error::custom(format!("'{program}': name the program by its whole path")));
                }
                Some(_) => {}
            }
        }
        Ok(Commands(commands))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(CowSize::parse("15%"), Ok(CowSize::Percent(15)));
        assert_eq!(CowSize::parse("8GiB"), Ok(CowSize::Bytes(8 << 30)));
        assert_eq!(CowSize::parse("512 MiB"), Ok(CowSize::Bytes(512 << 20)));
        for wrong in ["", "%", "0%", "101%", "8", "8G", "0GiB", "-1GiB", "99999999999999TiB"] {
            assert!(CowSize::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tables() {
        let read: Snapshots = toml::from_str(
            "use = 'required'\ncow_size = '2GiB'\nlive = ['/srv']\nfreeze = ['/boot']\nfreeze_seconds = 9",
        )
        .unwrap();
        assert_eq!((read.when, read.cow_size, read.freeze_seconds.get()), (Use::Required, CowSize::Bytes(2 << 30), 9));
        assert_eq!(toml::from_str::<Snapshots>("").unwrap().when, Use::Never);
        let hooks: Hooks = toml::from_str("before = ['/bin/a', 'x']\nafter = [['/bin/b'], ['/bin/c', 'y']]\n").unwrap();
        assert_eq!(hooks.before.0, [["/bin/a", "x"]]);
        assert_eq!(hooks.after.0, [vec!["/bin/b"], vec!["/bin/c", "y"]]);
        assert!(!hooks.is_empty() && Hooks::default().is_empty());
        assert_eq!(hooks.timeout(), Duration::from_secs(600));
        assert_eq!(read.freeze_limit(), Duration::from_secs(9));
        assert_eq!(Snapshots::default().freeze_limit(), Duration::from_secs(60));
        for (text, part) in [
            ("before = 'a b'", "expected a command"),
            ("before = ['a']", "whole path"),
            ("before = [[]]", "empty"),
            ("befor = []", "befor"),
            ("timeout_seconds = 0", "nonzero"),
            ("before_failed = 'ignore'", "ignore"),
        ] {
            let error = toml::from_str::<Hooks>(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
