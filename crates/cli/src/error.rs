//! What a command failed with: one error, its exit code, and what to try.

use std::fmt;

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

    /// Adds something to try.
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// What went wrong with its causes, each said once: many messages have their cause in them.
    fn text(&self) -> String {
        let mut text = self.error.to_string();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        text
    }

    /// Prints it to standard error.
    pub fn print(&self) {
        use std::io::Write as _;
        let mut err = std::io::stderr().lock();
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(err, "lifeboat: {}", self.text());
        for hint in &self.hints {
            let _ = writeln!(err, "  try: {hint}");
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for CommandError {
    fn from(error: E) -> Self {
        CommandError { kind: Kind::Failed, error: error.into(), hints: vec![] }
    }
}

/// What every command gives back.
pub type CommandResult = Result<(), CommandError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let cause = || std::io::Error::from_raw_os_error(30);
        let inside = CommandError::from(lifeboat_archive::ArchiveError::io("WRITE", "/mnt", cause()));
        assert_eq!(inside.text(), "cannot WRITE /mnt: Read-only file system (os error 30)");
        let beside = CommandError::from(anyhow::Error::from(cause()).context("cannot SAVE the report"));
        assert_eq!(beside.text(), "cannot SAVE the report: Read-only file system (os error 30)");
    }
}
