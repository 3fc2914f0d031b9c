//! `/etc/lifeboat.toml`: defaults that command-line options override. Unknown keys are errors.

mod limits;
mod notify;
mod retention;
mod routine;

pub use limits::{IoPriority, LEVELS, LimitsTable};
pub use notify::Notify;
pub use retention::{RetentionTable, tags};
pub use routine::{Limit, LogTable, Schedule, StatusTable};

use crate::error::{CommandError, Kind};
use crate::guarded;
use lifeboat_machine::unattended::UnattendedPolicy;
use lifeboat_moment::{Hooks, Snapshots};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Where the configuration is looked for.
pub const PATH: &str = "/etc/lifeboat.toml";

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Repository used when `--to` or `--from` is not given.
    pub repository: Option<PathBuf>,
    /// Key file; default `/etc/lifeboat/repository.key`.
    pub key_file: Option<PathBuf>,
    /// A command whose standard output is the key.
    pub key_command: Option<String>,
    /// What belongs to the machine.
    pub machine: MachineTable,
    /// What a backup contains.
    pub backup: Backup,
    /// Commands before and after a backup.
    pub hooks: Hooks,
    /// Snapshots that are read instead of live filesystems.
    pub snapshots: Snapshots,
    /// What the rescue system and its media hold.
    pub rescue: Rescue,
    /// How media are made.
    pub media: Media,
    /// What unattended recoveries from new media may do.
    pub unattended: Option<UnattendedPolicy>,
    /// Which snapshots `forget` keeps.
    pub retention: RetentionTable,
    /// What runs by itself, and when.
    pub schedule: Schedule,
    /// When something is overdue.
    pub status: StatusTable,
    /// Who is told of failures.
    pub notify: Notify,
    /// How long logs are kept.
    pub log: LogTable,
    /// How much of the machine the work may take.
    pub limits: LimitsTable,
}

/// The `[machine]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct MachineTable {
    /// Disks that are no part of it: paths, WWNs or serial numbers.
    pub leave_out: Vec<String>,
}

/// The `[backup]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// Absolute paths left out with everything below them.
    pub exclude: Vec<PathBuf>,
    /// Absolute paths of directories that are kept empty.
    pub exclude_contents: Vec<PathBuf>,
}

/// The `[rescue]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Rescue {
    /// Kernel release; default the running one.
    pub kernel: Option<String>,
    /// More programs, by name or absolute path.
    pub programs: Vec<String>,
    /// More files or directories.
    pub files: Vec<PathBuf>,
    /// More firmware, by name below /lib/firmware.
    pub firmware: Vec<String>,
    /// More kernel modules, by name.
    pub modules: Vec<String>,
    /// More kernel parameters for the medium's menu.
    pub append: Vec<String>,
    /// Files with public keys that may log in to the rescue system, beside root's own.
    pub authorized_keys: Vec<PathBuf>,
    /// Leave firmware files out.
    pub no_firmware: bool,
}

/// The `[media]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    /// Private key, PEM, that signs what UEFI starts.
    pub signing_key: Option<PathBuf>,
    /// Its certificate, PEM or DER, which the firmware trusts.
    pub signing_certificate: Option<PathBuf>,
}

impl Config {
    /// Reads the configuration; an absent file counts as empty unless it was named explicitly.
    ///
    /// # Errors
    /// Kind `Usage` when it cannot be read or has an unknown key; kind `Refused` when others can write to it.
    pub fn load(explicit: Option<&Path>) -> Result<Config, CommandError> {
        let path = explicit.unwrap_or(Path::new(PATH));
        let (bytes, others) = match guarded::read(path) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && explicit.is_none() => {
                return Ok(Config::default());
            }
            Err(error) => {
                return Err(CommandError::usage(format!("cannot READ the configuration {}: {error}", path.display())));
            }
        };
        guarded::refuse_writable("the configuration", path, others)?;
        let parsed = match std::str::from_utf8(&bytes) {
            Ok(text) => Config::parse(text).map_err(|error| explained(text, &error)),
            Err(error) => Err(error.to_string()),
        };
        parsed.map_err(|error| CommandError {
            kind: Kind::Usage,
            error: anyhow::anyhow!("cannot READ the configuration {}: {error}", path.display()),
            hints: vec!["man lifeboat.toml, or remove the key that is named".into()],
        })
    }

    /// Reads the text of a configuration.
    ///
    /// # Errors
    /// The error of toml, with line and column.
    pub fn parse(text: &str) -> Result<Config, toml::de::Error> {
        toml::from_str(text)
    }
}

/// What is wrong, in which line, and how it is written. The line itself may hold a password, and errors go to logs and mails.
fn explained(text: &str, error: &toml::de::Error) -> String {
    let message = without_value(error.message());
    let Some(span) = error.span() else { return message };
    let before = text.get(..span.start).unwrap_or_default();
    let number = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let key = before.rsplit('\n').next().and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let key = key.filter(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
    let form = key.and_then(|key| Some(format!("; expected {key} = {}", form(&message)?)));
    format!("line {number}: {message}{}", form.unwrap_or_default())
}

/// The message of serde without a text that was found: `invalid type: string "secret", expected a sequence`.
fn without_value(message: &str) -> String {
    let Some((before, rest)) = message.split_once(": string \"") else { return message.to_owned() };
    match rest.rsplit_once("\", expected") {
        Some((_, expected)) => format!("{before}: a text, expected{expected}"),
        None => message.to_owned(),
    }
}

/// How a value is written in TOML that serde calls so.
fn form(message: &str) -> Option<&'static str> {
    Some(match message.rsplit_once(", expected ")?.1 {
        "a sequence" => "[\"…\", \"…\"]",
        "a string" | "path string" => "\"…\"",
        "a boolean" => "true or false",
        "u16" | "u32" | "u64" | "usize" | "i32" => "a number without quotes",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_denied() {
        let error = Config::parse("[backup]\nexlude = ['/x']\n").unwrap_err().to_string();
        assert!(error.contains("exlude") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn errors_show_how_a_value_is_written_and_keep_what_was_found() {
        for (text, expected) in [
            (
                "[rescue]\nappend = 'hidden'\n",
                "line 2: invalid type: a text, expected a sequence; expected append = [\"…\", \"…\"]",
            ),
            ("repository = ['/a']", "; expected repository = \"…\""),
            ("[rescue]\nno_firmware = 'yes'", "expected a boolean; expected no_firmware = true or false"),
            ("[notify]\nwebhook_seconds = '9'", "expected u64; expected webhook_seconds = a number without quotes"),
            ("[limits]\nthreads = 'two'", "expected u16; expected threads = a number without quotes"),
            ("key_command = 7", "line 1: invalid type: integer `7`, expected a string; expected key_command = \"…\""),
        ] {
            let error = Config::parse(text).unwrap_err();
            let said = explained(text, &error);
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("hidden"), "{said}");
        }
    }

    #[test]
    fn every_key() {
        let config = Config::parse(
            "repository = '/srv/repo'\nkey_file = '/etc/k'\n[machine]\nleave_out = ['wwn-1']\n[backup]\nexclude = ['/var/cache']\nexclude_contents = ['/tmp']\n\
             [rescue]\nkernel = '6.1'\nprograms = ['nvme']\nfiles = ['/etc/x']\nappend = ['nomodeset']\nauthorized_keys = ['/k']\nno_firmware = true\n\
             [media]\nsigning_key = '/k/db.key'\nsigning_certificate = '/k/db.crt'\n\
             [hooks]\nbefore = ['/h', 'x']\nafter_snapshots = [['/h']]\nafter = ['/h']\nfailure = ['/h']\ntimeout_seconds = 9\nbefore_failed = 'continue'\n\
             [snapshots]\nuse = 'auto'\ncow_size = '20%'\nlive = ['/srv']\nfreeze = ['/boot']\nfreeze_seconds = 30\n",
        )
        .unwrap();
        assert_eq!(config.media.signing_key.as_deref(), Some(Path::new("/k/db.key")));
        assert_eq!(config.media.signing_certificate.as_deref(), Some(Path::new("/k/db.crt")));
        assert_eq!(config.backup.exclude, [PathBuf::from("/var/cache")]);
        assert!(config.rescue.no_firmware);
        assert_eq!(config.machine.leave_out, ["wwn-1"]);
        assert_eq!(config.hooks.before.0, [["/h", "x"]]);
        assert_eq!(config.snapshots.freeze_seconds.get(), 30);
    }
}
