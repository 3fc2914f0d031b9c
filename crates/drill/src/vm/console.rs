//! A serial console: the whole log is kept, and can be waited for.

use super::pattern::Pattern;
use super::terminal::TerminalFilter;
use crate::DrillError;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How much of the end of a console goes into an error message.
const TAIL_BYTES: usize = 1500;

#[derive(Debug, Default)]
struct Heard {
    /// Text without terminal control.
    text: Vec<u8>,
    /// When each chunk arrived: length of `text` after it.
    arrivals: Vec<(usize, Instant)>,
    /// The other end is gone.
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Heard>,
    more: Condvar,
}

/// One end of a serial line.
#[derive(Debug)]
pub struct Console {
    shared: Arc<Shared>,
    writer: UnixStream,
    path: PathBuf,
    /// Everything before this was already matched or skipped.
    cursor: usize,
}

/// A match on a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The matched text.
    pub text: String,
    /// What came before it, since the previous match.
    pub before: String,
    /// When its end arrived.
    pub at: Instant,
}

impl Console {
    /// Listens on a connected socket from now on.
    ///
    /// # Errors
    /// When the socket cannot be shared with the listener.
    pub fn new(stream: UnixStream, path: impl Into<PathBuf>) -> Result<Console, DrillError> {
        let path = path.into();
        let mut reader = stream.try_clone().map_err(DrillError::io("OPEN", &path))?;
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut filter = TerminalFilter::default();
            let mut buffer = [0; 4096];
            loop {
                let count = match reader.read(&mut buffer) {
                    Ok(count) => count,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(_) => 0,
                };
                let mut heard = locked(&ours.heard);
                if count == 0 {
                    heard.closed = true;
                } else {
                    filter.push(&buffer[..count], &mut heard.text);
                    let length = heard.text.len();
                    heard.arrivals.push((length, Instant::now()));
                }
                drop(heard);
                ours.more.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Ok(Console { shared, writer: stream, path, cursor: 0 })
    }

    /// Waits until one of `patterns` appears after the previous match, and returns which.
    ///
    /// # Errors
    /// [`DrillError::Deadline`] or, when the line was closed, [`DrillError::Ended`]; both with the end of the console.
    pub fn wait_for_any(&mut self, patterns: &[&Pattern], deadline: Duration) -> Result<(usize, Match), DrillError> {
        let end = Instant::now() + deadline;
        let shared = Arc::clone(&self.shared);
        let mut heard = locked(&shared.heard);
        loop {
            let unread = heard.text.get(self.cursor..).unwrap_or_default();
            // The first in the text counts, not the first in the list.
            let found = patterns.iter().enumerate().filter_map(|(i, p)| p.find(unread).map(|place| (place, i))).min();
            if let Some(((start, stop), index)) = found {
                let text = String::from_utf8_lossy(&unread[start..stop]).into_owned();
                let before = String::from_utf8_lossy(&unread[..start]).into_owned();
                self.cursor += stop;
                let arrived = heard.arrivals.iter().find(|(length, _)| *length >= self.cursor);
                let at = arrived.map_or_else(Instant::now, |(_, at)| *at);
                return Ok((index, Match { text, before, at }));
            }
            let awaited = || {
                let shown: Vec<_> = patterns.iter().map(|pattern| format!("{:?}", pattern.shown())).collect();
                format!("{} on the console", shown.join(" or "))
            };
            let left = end.saturating_duration_since(Instant::now());
            if heard.closed {
                let status = "its console was closed".to_owned();
                return Err(DrillError::Ended { status, awaited: awaited(), tail: tail(&heard.text) });
            }
            if left.is_zero() {
                return Err(DrillError::Deadline { awaited: awaited(), deadline, tail: tail(&heard.text) });
            }
            (heard, _) = self.shared.more.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits until more text arrives, the line is closed, or the time is over.
    pub fn wait_for_more(&self, deadline: Duration) {
        let heard = locked(&self.shared.heard);
        let known = heard.text.len();
        let nothing_new = |heard: &mut Heard| heard.text.len() == known && !heard.closed;
        drop(self.shared.more.wait_timeout_while(heard, deadline, nothing_new).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for one pattern.
    ///
    /// # Errors
    /// As [`Console::wait_for_any`].
    pub fn wait_for(&mut self, pattern: &Pattern, deadline: Duration) -> Result<Match, DrillError> {
        self.wait_for_any(&[pattern], deadline).map(|(_, found)| found)
    }

    /// Types bytes.
    ///
    /// # Errors
    /// When the line is closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), DrillError> {
        self.writer.write_all(bytes).map_err(DrillError::io("WRITE", &self.path))
    }

    /// Types a line and Enter.
    ///
    /// # Errors
    /// When the line is closed.
    pub fn send_line(&mut self, line: &str) -> Result<(), DrillError> {
        self.send(format!("{line}\r").as_bytes())
    }

    /// All output so far, without terminal control.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&locked(&self.shared.heard).text).into_owned()
    }

    /// The end of the output.
    pub fn tail(&self) -> String {
        tail(&locked(&self.shared.heard).text)
    }

    /// Whether there was any output.
    pub fn is_silent(&self) -> bool {
        locked(&self.shared.heard).text.is_empty()
    }

    /// Every line so far, with the time at which its end arrived.
    pub fn lines(&self) -> Vec<(Instant, String)> {
        let heard = locked(&self.shared.heard);
        let mut lines = Vec::new();
        let mut start = 0;
        for (end, _) in heard.text.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            let index = heard.arrivals.partition_point(|(length, _)| *length <= end);
            if let Some((_, at)) = heard.arrivals.get(index) {
                lines.push((*at, String::from_utf8_lossy(&heard.text[start..end]).into_owned()));
            }
            start = end + 1;
        }
        lines
    }

    /// Skips the output so far: only later text is matched.
    pub fn skip(&mut self) {
        self.cursor = locked(&self.shared.heard).text.len();
    }
}

fn locked(mutex: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tail(text: &[u8]) -> String {
    let start = text.len().saturating_sub(TAIL_BYTES);
    let tail = String::from_utf8_lossy(&text[start..]).into_owned();
    match tail.split_once('\n') {
        // Begin with a whole line.
        Some((_, rest)) if start > 0 && !rest.is_empty() => rest.to_owned(),
        _ => tail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Console, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Console::new(ours, "test").unwrap(), theirs)
    }

    #[test]
    fn matches_are_consumed_in_order_and_may_be_split() {
        let (mut console, mut guest) = pair();
        guest.write_all(b"one two \x1b[1mlog").unwrap();
        let one = console.wait_for(&Pattern::text("two").unwrap(), Duration::from_secs(5)).unwrap();
        assert_eq!(one.before, "one ");
        guest.write_all(b"in\x1b[0m: one").unwrap();
        let login = console.wait_for(&Pattern::regex("log[a-z]+:").unwrap(), Duration::from_secs(5)).unwrap();
        assert_eq!(login.text, "login:");
        let patterns = [&Pattern::text("never").unwrap(), &Pattern::text("one").unwrap()];
        assert_eq!(console.wait_for_any(&patterns, Duration::from_secs(5)).unwrap().0, 1);
    }

    #[test]
    fn a_deadline_names_what_was_awaited_and_shows_the_end() {
        let (mut console, mut guest) = pair();
        guest.write_all(b"Kernel panic").unwrap();
        console.wait_for(&Pattern::text("Kernel").unwrap(), Duration::from_secs(5)).unwrap();
        let error = console.wait_for(&Pattern::text("login:").unwrap(), Duration::from_millis(50)).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("timed out after 0 s waiting for \"login:\" on the console"), "{message}");
        assert!(message.ends_with("Kernel panic"), "{message}");
    }

    #[test]
    fn a_closed_line_ends_the_wait() {
        let (mut console, guest) = pair();
        drop(guest);
        let error = console.wait_for(&Pattern::text("login:").unwrap(), Duration::from_secs(60)).unwrap_err();
        assert!(matches!(error, DrillError::Ended { .. }), "{error}");
    }
}
