//! What probing gives beside the machine: refusals, warnings, errors.

use lifeboat_machine::Machine;
use std::path::PathBuf;

/// A machine, and what is to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// The machine. Complete only when there is no refusal.
    pub machine: Machine,
    /// What Lifeboat could not rebuild; the machine must not be backed up while there is one.
    pub refusals: Vec<Refusal>,
    /// What a person should know: what is not part of the backup, what looks odd.
    pub warnings: Vec<String>,
}

/// Something that Lifeboat could not rebuild (design, principle 2: refuse, never drop).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about: a device, `/dev/sda3`, or a mount point, `/srv`.
    pub subject: String,
    /// Why: `it is an LVM physical volume`.
    pub reason: String,
    /// What a person can do about it; `None` when nothing.
    pub remedy: Option<Remedy>,
}

/// What a person can do about a refusal. It is never empty, so that nobody reads "remedy:" with nothing behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy(String);

impl Remedy {
    /// `None` for a blank text.
    pub fn new(text: impl Into<String>) -> Option<Remedy> {
        Some(text.into()).filter(|text| !text.trim().is_empty()).map(Remedy)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Refusal {
    /// The lines for people: what is refused and why, and a remedy where there is one.
    pub fn lines(&self) -> Vec<String> {
        let refused = format!("refused: {}: {}", self.subject, self.reason);
        let remedy = self.remedy.as_ref().map(|remedy| format!("  remedy: {}", remedy.0));
        std::iter::once(refused).chain(remedy).collect()
    }
}

/// Why a machine could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A file or directory that everything depends on.
    #[error("cannot READ {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The description does not hold together: a fault of Lifeboat.
    #[error("the machine that was read is inconsistent: {0}; please report this")]
    Inconsistent(#[from] lifeboat_machine::layout::LayoutError),
}

/// Collects refusals and warnings while the machine is read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub refusals: Vec<Refusal>,
    pub warnings: Vec<String>,
}

impl Findings {
    /// Notes a refusal about which nobody can do anything; one subject is not refused twice for the same reason.
    pub fn refuse(&mut self, subject: impl ToString, reason: impl Into<String>) {
        self.add(Refusal { subject: subject.to_string(), reason: reason.into(), remedy: None });
    }

    /// Notes a refusal with its remedy, which is left out when it is blank.
    pub fn refuse_with_remedy(&mut self, subject: impl ToString, reason: impl Into<String>, remedy: impl Into<String>) {
        self.add(Refusal { subject: subject.to_string(), reason: reason.into(), remedy: Remedy::new(remedy) });
    }

    fn add(&mut self, refusal: Refusal) {
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    /// Notes a warning.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_a_remedy_line_or_none() {
        let mut findings = Findings::default();
        findings.refuse("/dev/sda1", "it cannot be rebuilt");
        findings.refuse_with_remedy("/dev/sda2", "it is not mounted", "mount it");
        findings.refuse_with_remedy("/dev/sda3", "it has a strange flag", " ");
        findings.refuse("/dev/sda1", "it cannot be rebuilt");
        let lines: Vec<String> = findings.refusals.iter().flat_map(Refusal::lines).collect();
        let expected = [
            "refused: /dev/sda1: it cannot be rebuilt",
            "refused: /dev/sda2: it is not mounted",
            "  remedy: mount it",
            "refused: /dev/sda3: it has a strange flag",
        ];
        assert_eq!(lines, expected);
    }
}
