//! Progress and results: bars on a terminal, plain lines otherwise, JSON lines with `--json`.
//!
//! Results go to standard output, progress to standard error, so that output can be piped. With `--json` all events, results and the
//! error that ends a command are lines on standard output. Texts for people pass [`terminal`], JSON is exact.

use crate::error::{CommandError, CommandResult, Kind};
use crate::journal;
use crate::meter::{Meter, Position};
use crate::record::Record;
use crate::wrap::{columns, wrapped};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
pub use lifeboat_machine::bytes::counted;
use lifeboat_machine::bytes::{human, terminal};
use lifeboat_machine::{Event, EventSink};
use lifeboat_restore::pace::Pace;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::Duration;

/// How often a plain progress line is written when standard error is not a terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// In the journal, which keeps all of them.
const JOURNAL_INTERVAL: Duration = Duration::from_secs(300);

/// Reports events of long work to the person or program that started it.
pub struct Reporter {
    json: bool,
    bar: Option<ProgressBar>,
    meter: Mutex<Meter>,
    /// Standard error is the journal of systemd.
    journal: bool,
    /// The phase whose progress was printed last, without a terminal.
    plain: Mutex<Option<(String, Pace)>>,
    /// The first result that could not be written.
    lost: Mutex<Option<io::Error>>,
    record: Mutex<Option<Record>>,
}

impl Reporter {
    /// A reporter; with `json` all events go to standard output as JSON lines.
    pub fn new(json: bool) -> Self {
        // A line cannot be written over on a terminal that is called dumb (terminfo(5)).
        let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
        let bar = (!json && !is_dumb && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(style("{msg}"));
            bar
        });
        Reporter {
            json,
            bar,
            meter: Mutex::default(),
            journal: journal::is_standard_error(),
            plain: Mutex::new(None),
            lost: Mutex::new(None),
            record: Mutex::new(None),
        }
    }

    /// JSON lines are wanted.
    pub fn json(&self) -> bool {
        self.json
    }

    /// One line of the result on standard output, even if a name in it contains newlines; nothing with `--json`.
    pub fn line(&self, text: impl AsRef<str>) {
        if !self.json {
            self.out(&terminal(text.as_ref()).replace('\n', "\\x0a"));
        }
    }

    /// A sentence of the result, broken between words on a terminal.
    pub fn sentence(&self, text: impl AsRef<str>) {
        if !self.json {
            self.out(&wrapped(&terminal(text.as_ref()).replace('\n', "\\x0a"), columns(io::stdout())));
        }
    }

    /// A text of several lines; the caller has escaped what comes from elsewhere.
    pub fn lines(&self, text: impl AsRef<str>) {
        if !self.json {
            self.out(&terminal(text.as_ref()));
        }
    }

    /// A JSON value as one line on standard output; nothing without `--json`.
    pub fn value(&self, value: &impl serde::Serialize) {
        if self.json
            && let Ok(text) = serde_json::to_string(value)
        {
            self.out(&text);
        }
    }

    fn out(&self, text: &str) {
        // Work continues when a result cannot be written; `outcome` reports it at the end.
        let print = || {
            if let Err(error) = print(&format!("{text}\n")) {
                self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
            }
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Whether all results could be written.
    ///
    /// # Errors
    /// Kind `Failed` when one was lost, but not to a reader that went away (`| head`).
    pub fn outcome(&self) -> CommandResult {
        let lost = self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        written(lost.map_or(Ok(()), Err))
    }

    /// A result could not be written: nobody will get the rest either.
    pub fn is_lost(&self) -> bool {
        self.lost.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_some()
    }

    fn err(&self, text: &str) {
        let print = || {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn line_of(&self, event: &Event) {
        let importance = if self.journal { journal::importance(event) } else { "" };
        self.err(&wrapped(&format!("{importance}{}", event.console_line()), columns(io::stderr())));
    }

    /// Shows on a terminal that work without steps goes on, until what this gives is dropped.
    /// `usual` is what it took last time, in seconds.
    pub fn working(&self, phase: &str, usual: Option<f64>) -> Working<'_> {
        if let Some(bar) = &self.bar {
            bar.reset();
            bar.set_style(style("{prefix} {spinner} {elapsed}{msg}"));
            bar.set_prefix(phase.to_owned());
            bar.set_message(usual.map_or(String::new(), |seconds| format!(", {seconds:.0} s last time")));
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Working(self)
    }

    /// Warnings beside a result that is one document: on standard error, with `--json` as JSON lines there.
    pub fn aside(&self, warnings: &[String]) {
        for text in warnings {
            let event = Event::Warning { text: text.clone() };
            match self.json {
                true => self.err(&event.json_line()),
                false => self.line_of(&event),
            }
        }
    }

    /// Keeps what is reported from now on in a log, too.
    pub fn keep(&self, record: Record) {
        *self.record.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(record);
    }

    /// Writes how the command ended into the log, when there is one.
    pub fn end_record(&self, result: &CommandResult) {
        if let Some(mut record) = self.record.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            record.end(&match result {
                Ok(()) => "lifeboat: done".to_owned(),
                Err(error) => error.text(),
            });
        }
    }

    /// Ends a phase: removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.set_message("");
            bar.finish_and_clear();
            *self.meter.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Meter::default();
        }
    }

    /// A note for the person.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(&Event::Note { text: text.into() });
    }

    /// A warning for the person.
    pub fn warning(&self, text: impl Into<String>) {
        self.emit(&Event::Warning { text: text.into() });
    }

    fn progress(&self, event: &Event) {
        let Event::Progress { phase, entries, bytes, bytes_total, seconds, .. } = event else { return };
        match &self.bar {
            Some(bar) => {
                let at = Position { entries: *entries, bytes: *bytes, bytes_total: *bytes_total, seconds: *seconds };
                let line = self.meter.lock().unwrap_or_else(std::sync::PoisonError::into_inner).line(phase, at);
                if bar.is_finished() {
                    bar.reset();
                }
                bar.disable_steady_tick();
                bar.set_style(style("{msg}"));
                bar.set_message(line);
            }
            None => {
                let mut plain = self.plain.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let due = match plain.as_ref().filter(|(of, _)| of == phase) {
                    Some((_, pace)) => pace.is_due(),
                    None => {
                        let interval = if self.journal { JOURNAL_INTERVAL } else { PLAIN_INTERVAL };
                        *plain = Some((phase.clone(), Pace::every(interval)));
                        true
                    }
                };
                if due {
                    self.line_of(event);
                }
            }
        }
    }
}

/// Work that goes on without steps.
#[must_use]
pub struct Working<'a>(&'a Reporter);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn style(template: &str) -> ProgressStyle {
    // ASCII, whatever the locale is.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).tick_chars("|/-\\ ")
}

impl EventSink for Reporter {
    fn emit(&self, event: &Event) {
        if let Some(record) = self.record.lock().unwrap_or_else(std::sync::PoisonError::into_inner).as_mut() {
            record.event(event);
        }
        if self.json {
            self.out(&event.json_line());
            return;
        }
        match event {
            Event::Progress { .. } => self.progress(event),
            // The phase is over: what follows is not drawn over its bar.
            Event::Stage { .. } => self.finish(),
            _ => self.line_of(event),
        }
    }
}

/// Writes to standard output, without panicking as `print!` does.
///
/// # Errors
/// The system's error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes to standard error, without panicking as `eprint!` does: with standard error closed there is nobody to inform.
pub fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// An error of writing results, as the command's error. A reader that went away (EPIPE) has what it wanted.
///
/// # Errors
/// Kind `Failed`.
pub fn written(result: io::Result<()>) -> CommandResult {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandError::new(Kind::Failed, format!("cannot WRITE the result to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Standard error for messages of libraries and programs: they cannot drive a terminal.
struct Printable;

impl io::Write for Printable {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().lock().write_all(terminal(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// "1 entry", "28,000 entries".
pub fn entries_of(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "entry")
}

/// "28,000 entries, 1.1 GiB".
pub fn amount(entries: u64, bytes: u64) -> String {
    format!("{}, {}", entries_of(entries), human(bytes))
}

/// Sends what the libraries trace to standard error: warnings, with `-v` notes, with `-vv` every program that is run.
pub fn start_log(verbose: u8) {
    let level = match verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(|| Printable)
        // Our own colours could not be distinguished from those of others.
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .finish();
    // Not by its `init`, which would take the logger of libraries: that is `lifeboat_archive::warnings`.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert!(written(Ok(())).is_ok());
        assert!(written(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        let error = written(Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(error.kind, Kind::Failed);
    }

    #[test]
    fn amounts_are_grouped() {
        assert_eq!(super::amount(1_234_567, 1536), "1,234,567 entries, 1.5 KiB");
        assert_eq!(super::amount(12, 0), "12 entries, 0 B");
        assert_eq!(super::amount(1, 5), "1 entry, 5 B");
    }
}
