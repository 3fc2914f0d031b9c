//! Events and lines for all watchers: every console, the log file, the kernel log, the virtio-serial port.
//!
//! No watcher can stop the boot: each has a queue and a thread of its own, and a queue that is full loses its
//! oldest line.

use lifeboat_machine::{Event, EventSink};
use lifeboat_sys::console::Console;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines that wait for one watcher, at most.
const QUEUE_LINES: usize = 2000;
/// Events kept for watchers that come later.
const HISTORY_EVENTS: usize = 1000;
/// How long a console may be blocked before its line is lost: at 9600 baud a line of 80 takes 0.1 s.
const PATIENCE: Duration = Duration::from_secs(2);

/// Locks, also after another thread panicked: a broken watcher must not stop the boot.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Lines,
    Json,
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    lines: VecDeque<Arc<[u8]>>,
    writing: bool,
}

struct Watcher {
    name: String,
    format: Format,
    queue: Arc<Queue>,
    muted: bool,
    /// The final event, when it came while muted.
    missed: Option<Event>,
}

/// Sends events to all watchers.
#[derive(Default)]
pub struct Reporter {
    watchers: Mutex<Vec<Watcher>>,
    history: Mutex<VecDeque<Event>>,
    log: Mutex<Option<File>>,
    kernel_log: Mutex<Option<File>>,
    ended: AtomicBool,
}

impl Reporter {
    /// Adds a console by its kernel name and path.
    pub fn add_console(&self, name: &str, path: &Path) -> std::io::Result<()> {
        let console = Console::open(path)?;
        self.add(name, Format::Lines, console, path);
        Ok(())
    }

    /// Adds the virtio-serial port; it gets what happened so far.
    pub fn add_port(&self, name: &str, path: &Path) -> std::io::Result<()> {
        if locked(&self.watchers).iter().any(|watcher| watcher.name == name) {
            return Ok(());
        }
        let port = Console::open(path)?;
        self.add(name, Format::Json, port, path);
        Ok(())
    }

    fn add(&self, name: &str, format: Format, console: Console, path: &Path) {
        let queue = Arc::new(Queue::default());
        // The lock on the history is held until the watcher is in the list, so that no event is reported twice or never.
        let history = locked(&self.history);
        for event in history.iter() {
            push(&queue, render(event, format));
        }
        let (writer, path) = (Arc::clone(&queue), path.to_owned());
        let started = std::thread::Builder::new()
            .name(format!("to {name}"))
            .spawn(move || write(&writer, console, &path, format));
        if started.is_ok() {
            locked(&self.watchers).push(Watcher { name: name.to_owned(), format, queue, muted: false, missed: None });
        }
    }

    /// Starts the log, with what happened so far.
    pub fn open_log(&self, path: &Path) {
        let history = locked(&self.history);
        if let Ok(mut file) = File::options().append(true).create(true).mode(0o600).open(path) {
            for event in history.iter() {
                let _ = writeln!(file, "{}", event.console_line());
            }
            *locked(&self.log) = Some(file);
        }
        *locked(&self.kernel_log) = File::options().write(true).open("/dev/kmsg").ok();
    }

    /// A line for the log alone, such as a child's output.
    pub fn log(&self, line: &[u8]) {
        if let Some(file) = locked(&self.log).as_mut() {
            let _ = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        }
    }

    /// Text for people, such as a page of help: consoles only.
    pub fn text(&self, text: &str) {
        for watcher in locked(&self.watchers).iter().filter(|w| w.format == Format::Lines && !w.muted) {
            for line in text.lines() {
                push(&watcher.queue, format!("{line}\r\n").into_bytes().into());
            }
        }
    }

    /// Keeps lines away from a console while a program draws on it. The final line comes afterwards.
    pub fn mute(&self, name: &str, muted: bool) {
        for watcher in locked(&self.watchers).iter_mut().filter(|watcher| watcher.name == name) {
            watcher.muted = muted;
            if let Some(event) = watcher.missed.take_if(|_| !muted) {
                push(&watcher.queue, render(&event, watcher.format));
            }
        }
    }

    /// Something worth a line.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(&Event::Note { text: text.into() });
    }

    /// Something a person should know.
    pub fn warn(&self, text: impl Into<String>) {
        self.emit(&Event::Warning { text: text.into() });
    }

    /// Waits until everything is written, or watchers are blocked.
    pub fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let queues: Vec<_> = locked(&self.watchers).iter().map(|watcher| Arc::clone(&watcher.queue)).collect();
        for queue in queues {
            let mut state = locked(&queue.state);
            while !state.lines.is_empty() || state.writing {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                state = queue.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

impl EventSink for Reporter {
    fn emit(&self, event: &Event) {
        // Exactly one final line, ever: what a late child or thread adds goes to the log alone.
        if event.is_final() && self.ended.swap(true, Ordering::SeqCst) {
            self.log(format!("after the end: {}", event.console_line()).as_bytes());
            return;
        }
        let line = event.console_line();
        let mut history = locked(&self.history);
        if !matches!(event, Event::Progress { .. }) {
            if history.len() == HISTORY_EVENTS {
                history.pop_front();
            }
            history.push_back(event.clone());
        }
        for watcher in locked(&self.watchers).iter_mut() {
            if !watcher.muted {
                push(&watcher.queue, render(event, watcher.format));
            } else if event.is_final() {
                watcher.missed = Some(event.clone());
            }
        }
        drop(history);
        self.log(line.as_bytes());
        if let Some(file) = locked(&self.kernel_log).as_mut() {
            // Level 7 (debug), so that the kernel does not print it onto the consoles a second time.
            let _ = file.write_all(format!("<7>{line}\n").as_bytes());
        }
    }
}

fn render(event: &Event, format: Format) -> Arc<[u8]> {
    match format {
        // A terminal may be in raw mode: the line feed alone would not go back to the first column.
        Format::Lines => format!("{}\r\n", event.console_line()).into_bytes().into(),
        Format::Json => format!("{}\n", event.json_line()).into_bytes().into(),
    }
}

fn push(queue: &Queue, line: Arc<[u8]>) {
    let mut state = locked(&queue.state);
    if state.lines.len() == QUEUE_LINES {
        state.lines.pop_front();
    }
    state.lines.push_back(line);
    queue.changed.notify_all();
}

fn write(queue: &Queue, mut console: Console, path: &Path, format: Format) {
    let mut patience = PATIENCE;
    loop {
        let line = {
            let mut state = locked(&queue.state);
            loop {
                if let Some(line) = state.lines.pop_front() {
                    state.writing = true;
                    break line;
                }
                state = queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        let mut result = console.write_all(&line, patience);
        // A program on the other end of the port may connect at any time; half a JSON line would be worse than a late one.
        while format == Format::Json && result.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::TimedOut) {
            result = console.write_all(&line, PATIENCE);
        }
        // When a shell with this controlling terminal ends, the kernel hangs up all its descriptors, including ours.
        if result.as_ref().is_err_and(|error| error.kind() != std::io::ErrorKind::TimedOut)
            && let Ok(opened) = Console::open(path)
        {
            console = opened;
            result = console.write_all(&line, patience);
        }
        // After a line was blocked once, we do not wait for it until it accepts data again.
        patience = if result.is_ok() { PATIENCE } else { Duration::ZERO };
        locked(&queue.state).writing = false;
        queue.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_muted_console_gets_the_final_line_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let console = folder.path().join("console");
        File::create(&console).unwrap();
        let reporter = Reporter::default();
        reporter.add_console("x", &console).unwrap();
        reporter.mute("x", true);
        reporter.note("hidden");
        reporter.emit(&Event::Failed { reason: "one".into() });
        reporter.mute("x", false);
        reporter.note("shown");
        reporter.flush(Duration::from_secs(5));
        assert_eq!(std::fs::read_to_string(&console).unwrap(), "lifeboat: FAILED one\r\nlifeboat: shown\r\n");
    }

    #[test]
    fn late_watchers_hear_everything_and_the_end_comes_once() {
        let folder = tempfile::tempdir().unwrap();
        let (console, port, log) =
            (folder.path().join("console"), folder.path().join("port"), folder.path().join("log"));
        for path in [&console, &port] {
            File::create(path).unwrap();
        }
        let reporter = Reporter::default();
        reporter.add_console("ttyS0", &console).unwrap();
        reporter.note("first");
        reporter.add_port("vport0p1", &port).unwrap();
        reporter.open_log(&log);
        reporter.emit(&Event::Failed { reason: "one".into() });
        reporter.emit(&Event::Restored { entries: 1, seconds: 1.0 });
        reporter.flush(Duration::from_secs(5));
        assert_eq!(std::fs::read_to_string(&console).unwrap(), "lifeboat: first\r\nlifeboat: FAILED one\r\n");
        assert_eq!(
            std::fs::read_to_string(&port).unwrap(),
            "{\"event\":\"note\",\"text\":\"first\"}\n{\"event\":\"failed\",\"reason\":\"one\"}\n"
        );
        let mode = std::os::unix::fs::PermissionsExt::mode(&log.metadata().unwrap().permissions());
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(
            std::fs::read_to_string(&log).unwrap(),
            "lifeboat: first\nlifeboat: FAILED one\nafter the end: lifeboat: RESTORED 1 entries in 1.0 s\n"
        );
    }
}
