//! What a command failed with: one error, its exit code, and what to try.

use crate::wrap::wrapped;
use lifeboat_machine::bytes::terminal;
use std::fmt;
use std::io::Write as _;

/// Why a command did not end with 0; the exit codes of design section 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Failed.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// Refused for safety, or the layout is not supported; nothing was touched.
    Refused,
    /// Verification found differences.
    Differences,
    /// Done, but some entries could not be read or restored.
    Partial,
}

impl Kind {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
            Kind::Differences => 4,
            Kind::Partial => 5,
        }
    }

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Failed => "failed",
            Kind::Usage => "usage",
            Kind::Refused => "refused",
            Kind::Differences => "differences",
            Kind::Partial => "partial",
        }
    }
}

/// An error on its way to the terminal.
#[derive(Debug)]
pub struct CommandError {
    /// Decides the exit code.
    pub kind: Kind,
    /// What went wrong.
    pub error: anyhow::Error,
    /// What to try, one sentence each.
    pub hints: Vec<String>,
}

impl CommandError {
    /// An error of some kind from a message.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        CommandError { kind, error: anyhow::anyhow!("{message}"), hints: vec![] }
    }

    /// The command line is wrong.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Refused; nothing was touched.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self::new(Kind::Refused, message)
    }

    /// Something in an archive is not what it was.
    pub fn is_damage(&self) -> bool {
        self.error
            .downcast_ref::<lifeboat_archive::ArchiveError>()
            .is_some_and(lifeboat_archive::ArchiveError::is_damage)
    }

    /// Adds something to try; an empty text adds nothing.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.extend(Some(hint.to_string()).filter(|hint| !hint.trim().is_empty()));
        self
    }

    /// What went wrong, with its causes, each once: many messages contain their cause.
    pub fn message(&self) -> String {
        let mut text = self.error.to_string();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        text
    }

    /// The lines for people. What an error quotes (names of files, messages of servers and programs) cannot drive a terminal.
    pub fn text(&self) -> String {
        // A newline that an error quotes cannot begin a line that looks like one of ours.
        let shown = |text: &str| terminal(text.trim_end()).replace('\n', "\n    ");
        let mut text = format!("lifeboat: {}\n", shown(&self.message()));
        for hint in &self.hints {
            text.push_str(&format!("  try: {}\n", shown(hint)));
        }
        text
    }

    /// The same on a terminal of so many columns. What to try is mostly a command, which is copied: it stays in one piece.
    fn broken(&self, columns: Option<usize>) -> String {
        let text = self.text();
        let lines: Vec<String> = text
            .split('\n')
            .map(|line| if line.starts_with("  try: ") { line.to_owned() } else { wrapped(line, columns) })
            .collect();
        lines.join("\n")
    }

    /// The last line of `--json`.
    pub fn json(&self) -> String {
        json(self.kind, &self.message(), &self.hints)
    }

    /// Prints it: for people to standard error, and with `json` as a line to standard output, where all JSON lines go.
    pub fn print(&self, json: bool) {
        if json {
            let _ = writeln!(std::io::stdout().lock(), "{}", self.json());
        }
        let text = match crate::journal::is_standard_error() {
            true => crate::journal::error(&self.text()),
            false => self.broken(crate::wrap::columns(std::io::stderr())),
        };
        // With standard error closed there is nobody to inform.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

/// An error as a JSON line.
pub fn json(kind: Kind, error: &str, hints: &[String]) -> String {
    serde_json::json!({"event": "error", "kind": kind.name(), "code": kind.code(), "error": error, "try": hints})
        .to_string()
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    fn from(error: E) -> Self {
        CommandError { kind: Kind::Failed, error: error.into(), hints: vec![] }
    }
}

/// What every command returns.
pub type CommandResult = Result<(), CommandError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_hint_is_none() {
        let error = CommandError::refused("no").hint("").hint("  ").hint("yes");
        assert_eq!(error.text(), "lifeboat: no\n  try: yes\n");
    }

    #[test]
    fn a_cause_is_reported_once() {
        let cause = || std::io::Error::from_raw_os_error(30);
        let inside = CommandError::from(lifeboat_archive::ArchiveError::io("WRITE", "/mnt", cause()));
        assert_eq!(inside.message(), "cannot WRITE /mnt: Read-only file system (os error 30)");
        let beside = CommandError::from(anyhow::Error::from(cause()).context("cannot SAVE the report"));
        assert_eq!(beside.message(), "cannot SAVE the report: Read-only file system (os error 30)");
    }

    #[test]
    fn what_an_error_quotes_does_not_drive_the_terminal() {
        let error = CommandError::usage("cannot OPEN a\u{1b}[2Jb: none").hint("c\u{7}\nd");
        assert_eq!(error.text(), "lifeboat: cannot OPEN a\\x1b[2Jb: none\n  try: c\\x07\n    d\n");
        let read: serde_json::Value = serde_json::from_str(&error.json()).unwrap();
        assert_eq!(read["error"], "cannot OPEN a\u{1b}[2Jb: none", "JSON stays exact");
        assert_eq!((read["kind"].as_str(), read["code"].as_u64()), (Some("usage"), Some(2)));
    }
}
