//! The kernel parameters of the rescue system (design, section 4).
//!
//! | parameter | meaning |
//! | --- | --- |
//! | `lifeboat.mode=MODE`, or a bare mode word | nuke, interactive, compare, expert |
//! | `lifeboat.menu=SECONDS` | ask for the mode first; `lifeboat.mode` starts by itself after so many seconds |
//! | `lifeboat.source=SOURCE` | where the archive is |
//! | `lifeboat.snapshot=ID` | another snapshot than the latest |
//! | `lifeboat.resize=no` | keep all sizes |
//! | `lifeboat.eject=no` | leave the disc in |
//! | `lifeboat.after=reboot\|poweroff\|shell` | what follows |
//! | `lifeboat.layout=recorded\|FILE` | the layout as it was, or as an edited description says: a file of the rescue system, or of the medium |
//! | `lifeboat.wipe=ID[,ID…]` | disks that may be wiped though they hold foreign data: WWN, serial, hardware path or /dev path |
//! | `lifeboat.map=DEVICE:ID[,…]` | put the recorded disk DEVICE (`disk0`) onto the disk ID |
//! | `lifeboat.warnings=stop\|go-on` | whether nuke stops, before it writes, when the plan has notes |
//! | `lifeboat.damaged=restore` | recover what is left of an archive that is damaged; what is lost is listed |
//! | `lifeboat.iscsi=NAME@HOST[:PORT][,…]` | log in at iSCSI targets: their disks are there as if they were the machine's |
//! | `lifeboat.ssh` | start sshd |
//!
//! Those about the network are in [`network`]. Quoting follows the kernel's own parser (kernel-parameters.txt, lib/cmdline.c: double quotes keep spaces).

pub mod network;

use crate::iscsi::IscsiTarget;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the rescue system does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Unattended recovery.
    Nuke,
    /// The TUI.
    Interactive,
    /// Archive against disks, read-only.
    Compare,
    /// A shell.
    Expert,
}

impl Mode {
    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Mode> {
        match name {
            "nuke" => Some(Mode::Nuke),
            "interactive" => Some(Mode::Interactive),
            "compare" => Some(Mode::Compare),
            "expert" => Some(Mode::Expert),
            _ => None,
        }
    }

    /// What a menu offers it as.
    pub fn offer(self) -> &'static str {
        match self {
            Mode::Interactive => "Interactive: recover step by step; writes nothing before you confirm",
            Mode::Expert => "Expert: a shell with all tools; writes nothing by itself",
            Mode::Compare => "Compare: what differs between the archive and the disks; writes nothing",
            Mode::Nuke => "Nuke: restore the whole machine unattended (ERASES ITS DISKS)",
        }
    }

    /// Runs without a person, so that mistakes in the parameters must stop it.
    pub fn unattended(self) -> bool {
        matches!(self, Mode::Nuke | Mode::Compare)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Nuke => "nuke",
            Mode::Interactive => "interactive",
            Mode::Compare => "compare",
            Mode::Expert => "expert",
        })
    }
}

/// What follows a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// Reboot.
    Reboot,
    /// Power off.
    Poweroff,
    /// A shell on the console.
    Shell,
}

/// What nuke does when the plan has notes: disks matched by their size only, filesystems made smaller, another boot path. Without a word
/// it goes on, but not with a backup that lacks what its machine starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warnings {
    /// It stops before anything is written.
    Stop,
    /// It reports them and goes on.
    GoOn,
}

/// The parameters under `lifeboat.`, and those that are wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// `lifeboat.mode=` or a bare word; the last one counts.
    pub mode: Option<Mode>,
    /// `lifeboat.menu=`: a person is asked for the mode, for so many seconds.
    #[serde(default)]
    pub menu_seconds: Option<u32>,
    /// `lifeboat.source=`.
    pub source: Option<String>,
    /// `lifeboat.snapshot=`.
    pub snapshot: Option<String>,
    /// `lifeboat.resize=`: sizes follow the disks. `None` where it is not given: they do.
    pub resize: Option<bool>,
    /// `lifeboat.eject=no`.
    pub no_eject: bool,
    /// `lifeboat.after=`.
    pub after: Option<After>,
    /// `lifeboat.wipe=`.
    pub wipe: Vec<String>,
    /// `lifeboat.map=`: recorded device and disk.
    pub map: Vec<(String, String)>,
    /// `lifeboat.layout=`: `recorded`, or the file of an edited description.
    #[serde(default)]
    pub layout: Option<String>,
    /// `lifeboat.warnings=`.
    pub warnings: Option<Warnings>,
    /// `lifeboat.damaged=restore`: what is left of a damaged archive is wanted.
    #[serde(default)]
    pub damaged: bool,
    /// `lifeboat.iscsi=`.
    #[serde(default)]
    pub iscsi: Vec<IscsiTarget>,
    /// `lifeboat.netboot=`: the address of the boot tree from which the rescue system was started.
    #[serde(default)]
    pub netboot: Option<String>,
    /// `lifeboat.ssh`.
    pub ssh: bool,
    /// One message for each parameter under `lifeboat.` that is unknown or has an impossible value.
    pub mistakes: Vec<String>,
}

const KNOWN: [&str; 15] = [
    "mode", "menu", "source", "snapshot", "resize", "eject", "after", "wipe", "map", "layout", "warnings", "damaged",
    "iscsi", "netboot", "ssh",
];

impl Parameters {
    /// Reads a kernel command line. Never fails: what is wrong is listed in [`Parameters::mistakes`].
    pub fn parse(command_line: &str) -> Parameters {
        let mut parameters = Parameters::default();
        for word in split(command_line) {
            // Everything after a lone `--` is for init (kernel-parameters.txt); still ours.
            match word.strip_prefix("lifeboat.") {
                Some(ours) => parameters.take(ours),
                None => {
                    if let Some(mode) = Mode::from_name(&word) {
                        parameters.mode = Some(mode);
                    }
                }
            }
        }
        parameters
    }

    fn take(&mut self, word: &str) {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let wrong = |expected: &str| format!("lifeboat.{word}: {expected}");
        match (name, value) {
            ("mode", Some(value)) => match Mode::from_name(value) {
                Some(mode) => self.mode = Some(mode),
                None => self.mistakes.push(wrong("the modes are nuke, interactive, compare, expert")),
            },
            ("menu", Some(value)) => match value.parse() {
                Ok(seconds) => self.menu_seconds = Some(seconds),
                Err(_) => self.mistakes.push(wrong("the value is a number of seconds")),
            },
            ("source", Some(value)) if !value.is_empty() => self.source = Some(value.to_owned()),
            ("snapshot", Some(value)) if !value.is_empty() => self.snapshot = Some(value.to_owned()),
            ("layout", Some(value)) if !value.is_empty() => self.layout = Some(value.to_owned()),
            ("netboot", Some(value)) if !value.is_empty() => {
                self.netboot = Some(value.trim_end_matches('/').to_owned());
            }
            ("resize", Some("no")) => self.resize = Some(false),
            ("resize", Some("yes")) => self.resize = Some(true),
            ("eject", Some("no")) => self.no_eject = true,
            ("eject", Some("yes")) => self.no_eject = false,
            ("resize" | "eject", _) => self.mistakes.push(wrong("the values are yes and no")),
            ("after", Some("reboot")) => self.after = Some(After::Reboot),
            ("after", Some("poweroff")) => self.after = Some(After::Poweroff),
            ("after", Some("shell")) => self.after = Some(After::Shell),
            ("after", _) => self.mistakes.push(wrong("the values are reboot, poweroff, shell")),
            ("warnings", Some("stop")) => self.warnings = Some(Warnings::Stop),
            ("warnings", Some("go-on")) => self.warnings = Some(Warnings::GoOn),
            ("warnings", _) => self.mistakes.push(wrong("the values are stop and go-on")),
            ("damaged", Some("restore")) => self.damaged = true,
            ("damaged", _) => self.mistakes.push(wrong("the value is restore")),
            ("wipe", Some(value)) if !value.is_empty() => self.wipe.extend(value.split(',').map(str::to_owned)),
            ("map", Some(value)) => {
                for pair in value.split(',') {
                    match pair.split_once(':') {
                        Some((device, disk)) if !device.is_empty() && !disk.is_empty() => {
                            self.map.push((device.to_owned(), disk.to_owned()));
                        }
                        _ => self.mistakes.push(wrong("expected DEVICE:DISK, as in lifeboat.map=disk0:/dev/sdb")),
                    }
                }
            }
            ("iscsi", Some(value)) => {
                for target in value.split(',') {
                    match IscsiTarget::parse(target) {
                        Ok(target) => self.iscsi.push(target),
                        Err(expected) => self.mistakes.push(wrong(&expected)),
                    }
                }
            }
            ("ssh", None) => self.ssh = true,
            (known, _) if KNOWN.contains(&known) => self.mistakes.push(wrong("the value is missing or not valid")),
            (unknown, _) => {
                let near = KNOWN.iter().min_by_key(|known| distance(known, unknown));
                let hint = near.map_or(String::new(), |near| format!("; did you mean lifeboat.{near}?"));
                self.mistakes.push(format!("lifeboat.{word}: no such parameter{hint}"));
            }
        }
    }
}

/// Splits a command line as the kernel does: blanks separate, double quotes keep blanks and are dropped.
pub fn split(command_line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut any = false;
    for c in command_line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                any = true;
            }
            c if c.is_whitespace() && !quoted => {
                if any {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    if any {
        words.push(word);
    }
    words
}

/// Levenshtein distance, for "did you mean".
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_words_are_whole_words() {
        // ReaR looks for substrings, so that a word inside another parameter matches.
        let parameters = Parameters::parse("root=/dev/nuke quiet splash=expert");
        assert_eq!(parameters.mode, None);
        assert_eq!(Parameters::parse("quiet nuke").mode, Some(Mode::Nuke));
        assert_eq!(Parameters::parse("expert lifeboat.mode=compare").mode, Some(Mode::Compare));
    }

    #[test]
    fn all_parameters() {
        let parameters = Parameters::parse(
            "lifeboat.source=\"disk:LABEL=my backup\" lifeboat.snapshot=ab12 lifeboat.resize=no lifeboat.eject=no \
             lifeboat.after=poweroff lifeboat.wipe=0x5000,/dev/sdb lifeboat.map=disk0:S1,disk1:S2 lifeboat.layout=new.json lifeboat.ssh",
        );
        assert_eq!(parameters.mistakes, Vec::<String>::new());
        assert_eq!(parameters.source.as_deref(), Some("disk:LABEL=my backup"));
        assert_eq!(parameters.wipe, ["0x5000", "/dev/sdb"]);
        assert_eq!(parameters.map.len(), 2);
        assert_eq!(parameters.layout.as_deref(), Some("new.json"));
        assert_eq!(parameters.after, Some(After::Poweroff));
        assert!(parameters.resize == Some(false) && parameters.no_eject && parameters.ssh);
    }

    #[test]
    fn mistakes_are_named() {
        for (word, part) in [
            ("lifeboat.rezise=no", "did you mean lifeboat.resize?"),
            ("lifeboat.mode=nuk", "the modes are"),
            ("lifeboat.menu=soon", "number of seconds"),
            ("lifeboat.resize=maybe", "yes and no"),
            ("lifeboat.after=explode", "reboot, poweroff, shell"),
            ("lifeboat.map=disk0", "DEVICE:DISK"),
            ("lifeboat.iscsi=store@host", "NAME@HOST"),
            ("lifeboat.source", "missing or not valid"),
        ] {
            let parameters = Parameters::parse(word);
            assert_eq!(parameters.mistakes.len(), 1, "{word}");
            assert!(parameters.mistakes[0].contains(part), "{word}: {:?}", parameters.mistakes);
        }
    }

    #[test]
    fn any_command_line_is_read() {
        use proptest::prelude::*;
        proptest!(|(text in "\\PC*")| { Parameters::parse(&text); });
    }
}
