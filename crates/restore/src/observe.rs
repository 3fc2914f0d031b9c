//! Turns the archive's progress and problems into events.

use crate::pace::Pace;
use lifeboat_archive::{Observer, Problem, Progress};
use lifeboat_machine::{Event, EventSink};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Often enough for a bar on a terminal.
const INTERVAL: Duration = Duration::from_millis(200);
/// In the rescue system each event is a line on every console, and a serial one takes 11 KB/s at 115200 baud.
pub const CONSOLE_INTERVAL: Duration = Duration::from_secs(3);

/// Problems that are reported one by one; the rest is only counted, so that a broken disk cannot fill the console.
const LISTED: u64 = 200;

/// An observer that reports to an event sink.
pub struct Observing<'a> {
    sink: &'a dyn EventSink,
    phase: &'a str,
    pace: Pace,
    problems: AtomicU64,
}

impl<'a> Observing<'a> {
    /// Observes one phase of work.
    pub fn new(sink: &'a dyn EventSink, phase: &'a str) -> Self {
        Self::every(INTERVAL, sink, phase)
    }

    /// Observes with progress at this interval.
    pub fn every(interval: Duration, sink: &'a dyn EventSink, phase: &'a str) -> Self {
        Observing { sink, phase, pace: Pace::every(interval), problems: AtomicU64::new(0) }
    }

    /// Observes for a console that shows each event as a line.
    pub fn on_console(sink: &'a dyn EventSink, phase: &'a str) -> Self {
        Self::every(CONSOLE_INTERVAL, sink, phase)
    }

    /// Problems seen.
    pub fn problems(&self) -> u64 {
        self.problems.load(Ordering::Relaxed)
    }
}

impl Observer for Observing<'_> {
    fn progress(&self, progress: &Progress) {
        if !self.pace.is_due() {
            return;
        }
        self.sink.emit(&Event::Progress {
            phase: self.phase.to_owned(),
            entries: progress.entries,
            entries_total: progress.entries_total,
            bytes: progress.bytes,
            bytes_total: progress.bytes_total,
            seconds: self.pace.elapsed().as_secs_f64(),
        });
    }

    fn warning(&self, text: &str) {
        self.sink.emit(&Event::Warning { text: text.to_owned() });
    }

    fn problem(&self, problem: &Problem) {
        let count = self.problems.fetch_add(1, Ordering::Relaxed) + 1;
        if count <= LISTED && problem.path.as_os_str().is_empty() {
            // It does not concern an entry.
            self.sink.emit(&Event::Warning { text: problem.message.clone() });
        } else if count <= LISTED {
            self.sink.emit(&Event::Entry {
                path: lifeboat_machine::Name::from(problem.path.as_path()).to_string(),
                text: problem.message.clone(),
            });
        } else if count == LISTED + 1 {
            self.sink.emit(&Event::Warning {
                text: format!("there are more than {LISTED} problems; the others are counted but not listed"),
            });
        }
    }
}
