//! What init and a recovery report: lines on the console, JSON lines on the virtio-serial port `org.lifeboat.events`.
//!
//! The console contract (design, section 4) is spelled by [`Event::console_line`] and nowhere else.

use crate::bytes::{human, printable};
use crate::parameters::Mode;
use serde::{Deserialize, Serialize};

/// Name of the virtio-serial port that carries events as JSON lines.
pub const EVENT_PORT: &str = "org.lifeboat.events";

/// Where events go. Implementations never fail: a broken console must not stop a recovery.
pub trait EventSink: Sync {
    /// Reports one event.
    fn emit(&self, event: &Event);
}

impl<S: EventSink + ?Sized> EventSink for Box<S> {
    fn emit(&self, event: &Event) {
        (**self).emit(event);
    }
}

/// Anything that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// A boot or recovery stage ended.
    Stage {
        /// `foundation`, `essential-modules`, …, `plan`, `rebuild`, `extract`, `boot`, `verify`.
        name: String,
        /// What it took.
        seconds: f64,
    },
    /// A mode waits for a person.
    Ready {
        /// The mode.
        mode: Mode,
    },
    /// Something worth a line.
    Note {
        /// The line.
        text: String,
    },
    /// Something that a person should know, but that stops nothing.
    Warning {
        /// The line.
        text: String,
    },
    /// A step of the plan begins.
    Step {
        /// From 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// What it does.
        text: String,
    },
    /// Long work goes on.
    Progress {
        /// `verify`, `extract`, `compare`, …
        phase: String,
        /// Entries done.
        entries: u64,
        /// Entries in all, 0 when not known.
        entries_total: u64,
        /// Bytes done.
        bytes: u64,
        /// Bytes in all, 0 when not known.
        bytes_total: u64,
        /// Since the phase began.
        seconds: f64,
    },
    /// An entry that could not be read, restored, or that differs.
    Entry {
        /// Its path, printable.
        path: String,
        /// What is wrong with it.
        text: String,
    },
    /// The recovery is done.
    Restored {
        /// Entries restored.
        entries: u64,
        /// Since the mode began.
        seconds: f64,
    },
    /// Compare mode is done.
    Compared {
        /// Entries compared.
        entries: u64,
        /// Entries that differ.
        differences: u64,
        /// Since the mode began.
        seconds: f64,
    },
    /// The recovery ended without success.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
}

impl Event {
    /// The line that the console shows, without the newline; always one line.
    pub fn console_line(&self) -> String {
        match self {
            Event::Stage { name, seconds } => format!("lifeboat: stage {name} {seconds:.2}"),
            Event::Ready { mode } => format!("lifeboat: ready {mode}"),
            Event::Note { text } => format!("lifeboat: {}", one_line(text)),
            Event::Warning { text } => format!("lifeboat: warning: {}", one_line(text)),
            Event::Step { number, total, text } => format!("lifeboat: step {number}/{total} {}", one_line(text)),
            Event::Progress { phase, entries, entries_total, bytes, bytes_total, seconds } => {
                progress_line(phase, (*entries, *entries_total), (*bytes, *bytes_total), *seconds)
            }
            Event::Entry { path, text } => format!("lifeboat: entry {}: {}", one_line(path), one_line(text)),
            Event::Restored { entries, seconds } => format!("lifeboat: RESTORED {entries} entries in {seconds:.1} s"),
            Event::Compared { entries, differences, seconds } => {
                format!("lifeboat: COMPARED {entries} entries, {differences} differ, in {seconds:.1} s")
            }
            Event::Failed { reason } => format!("lifeboat: FAILED {}", one_line(reason)),
        }
    }

    /// The event as one JSON line, without the newline.
    pub fn json_line(&self) -> String {
        // Proof: only strings, numbers and unit variants.
        #[allow(clippy::expect_used)]
        serde_json::to_string(self).expect("an event serialises")
    }

    /// True for the events of which a recovery ends with exactly one.
    pub fn is_final(&self) -> bool {
        matches!(self, Event::Restored { .. } | Event::Compared { .. } | Event::Failed { .. })
    }
}

fn one_line(text: &str) -> String {
    // Newlines of an error chain become "; ", other control characters are spelled out.
    let joined = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    printable(joined.as_bytes()).replace("\\\\", "\\")
}

fn progress_line(phase: &str, entries: (u64, u64), bytes: (u64, u64), seconds: f64) -> String {
    let mut line = format!("lifeboat: progress {phase} {}", entries.0);
    if entries.1 > 0 {
        line.push_str(&format!("/{}", entries.1));
    }
    line.push_str(&format!(" entries, {}", human(bytes.0)));
    if bytes.1 > 0 {
        let percent = bytes.0 as f64 * 100.0 / bytes.1 as f64;
        line.push_str(&format!(" of {}, {percent:.0} %", human(bytes.1)));
    }
    if seconds > 0.5 && bytes.0 > 0 {
        let rate = bytes.0 as f64 / seconds;
        line.push_str(&format!(", {}/s", human(rate as u64)));
        if bytes.1 > bytes.0 {
            line.push_str(&format!(", {:.0} s left", (bytes.1 - bytes.0) as f64 / rate));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn console_contract() {
        let failed = Event::Failed { reason: "cannot OPEN /dev/sda: no\nsuch device\u{1b}[2J".into() };
        assert_eq!(failed.console_line(), "lifeboat: FAILED cannot OPEN /dev/sda: no; such device\\x1b[2J");
        let restored = Event::Restored { entries: 28_000, seconds: 61.04 };
        assert_eq!(restored.console_line(), "lifeboat: RESTORED 28000 entries in 61.0 s");
        assert_eq!(Event::Ready { mode: Mode::Expert }.console_line(), "lifeboat: ready expert");
        let stage = Event::Stage { name: "foundation".into(), seconds: 0.127 };
        assert_eq!(stage.console_line(), "lifeboat: stage foundation 0.13");
    }

    #[test]
    fn progress_has_rate_and_remaining_time() {
        let progress = Event::Progress {
            phase: "extract".into(),
            entries: 10,
            entries_total: 20,
            bytes: 50 << 20,
            bytes_total: 100 << 20,
            seconds: 5.0,
        };
        assert_eq!(
            progress.console_line(),
            "lifeboat: progress extract 10/20 entries, 50.0 MiB of 100.0 MiB, 50 %, 10.0 MiB/s, 5 s left"
        );
    }

    #[test]
    fn json_lines_read_back() {
        let event = Event::Step { number: 1, total: 9, text: "wipe /dev/vda".into() };
        assert_eq!(serde_json::from_str::<Event>(&event.json_line()).unwrap(), event);
    }
}
