//! Turns the archive's progress and problems into events.

use lifeboat_archive::{Observer, Problem, Progress};
use lifeboat_machine::{Event, EventSink};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
    began: Instant,
    interval: Duration,
    last_millis: AtomicU64,
    problems: AtomicU64,
}

impl<'a> Observing<'a> {
    /// Observes one phase of work.
    pub fn new(sink: &'a dyn EventSink, phase: &'a str) -> Self {
        Observing {
            sink,
            phase,
            began: Instant::now(),
            interval: INTERVAL,
            last_millis: AtomicU64::new(0),
            problems: AtomicU64::new(0),
        }
    }

    /// Observes with progress that often.
    pub fn every(interval: Duration, sink: &'a dyn EventSink, phase: &'a str) -> Self {
        Observing { interval, ..Self::new(sink, phase) }
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
        let now = self.began.elapsed();
        let millis = now.as_millis() as u64;
        let last = self.last_millis.load(Ordering::Relaxed);
        if millis < last + self.interval.as_millis() as u64 {
            return;
        }
        // Of several threads that come here at once, one reports.
        if self.last_millis.compare_exchange(last, millis, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        self.sink.emit(&Event::Progress {
            phase: self.phase.to_owned(),
            entries: progress.entries,
            entries_total: progress.entries_total,
            bytes: progress.bytes,
            bytes_total: progress.bytes_total,
            seconds: now.as_secs_f64(),
        });
    }

    fn warning(&self, text: &str) {
        self.sink.emit(&Event::Warning { text: text.to_owned() });
    }

    fn problem(&self, problem: &Problem) {
        let count = self.problems.fetch_add(1, Ordering::Relaxed) + 1;
        if count <= LISTED {
            self.sink.emit(&Event::Entry {
                path: lifeboat_machine::Name::from(problem.path.as_path()).to_string(),
                text: problem.message.clone(),
            });
        } else if count == LISTED + 1 {
            self.sink.emit(&Event::Warning {
                text: format!("more than {LISTED} entries have problems; the others are counted, not listed here"),
            });
        }
    }
}
