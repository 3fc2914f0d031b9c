//! The guest's end of `org.lifeboat.events`, and the same events read from console lines.

use crate::DrillError;
use lifeboat_machine::{Event, Mode};
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longer lines are not events.
const LINE_LIMIT: usize = 1 << 20;

/// An event with the time at which it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrived {
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}

#[derive(Debug, Default)]
struct Received {
    events: Vec<Arrived>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    received: Mutex<Received>,
    more: Condvar,
}

/// Collects events as they come.
#[derive(Debug)]
pub struct EventPort {
    shared: Arc<Shared>,
}

impl EventPort {
    /// Listens on a connected socket from now on.
    ///
    /// # Errors
    /// When the socket cannot be read.
    pub fn new(stream: UnixStream, path: &Path) -> Result<EventPort, DrillError> {
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        let stream = stream.try_clone().map_err(DrillError::io("OPEN", path))?;
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            loop {
                line.clear();
                let read = std::io::Read::take(&mut reader, LINE_LIMIT as u64).read_until(b'\n', &mut line);
                let end = !matches!(read, Ok(count) if count > 0);
                let event = serde_json::from_slice::<Event>(&line);
                let mut received = locked(&ours.received);
                received.closed = end;
                match event {
                    Ok(event) => received.events.push(Arrived { at: Instant::now(), event }),
                    Err(error) if !end => tracing::debug!(%error, "a line that is no event"),
                    Err(_) => {}
                }
                drop(received);
                ours.more.notify_all();
                if end {
                    return;
                }
            }
        });
        Ok(EventPort { shared })
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Arrived> {
        locked(&self.shared.received).events.clone()
    }

    /// Waits for the first event, from the start, that satisfies `wanted`.
    ///
    /// # Errors
    /// [`DrillError::Deadline`], or [`DrillError::Ended`] when the machine is gone; `awaited` names what was awaited.
    pub fn wait_for(
        &self,
        awaited: &str,
        deadline: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Arrived, DrillError> {
        let end = Instant::now() + deadline;
        let mut received = locked(&self.shared.received);
        loop {
            if let Some(found) = received.events.iter().find(|arrived| wanted(&arrived.event)) {
                return Ok(found.clone());
            }
            let lines: Vec<_> = received.events.iter().rev().take(8).map(|a| a.event.console_line()).collect();
            let tail = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
            if received.closed {
                let status = "its event port was closed".to_owned();
                return Err(DrillError::Ended { status, awaited: awaited.to_owned(), tail });
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(DrillError::Deadline { awaited: awaited.to_owned(), deadline, tail });
            }
            (received, _) = self.shared.more.wait_timeout(received, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn locked(mutex: &Mutex<Received>) -> MutexGuard<'_, Received> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a line of the console contract back into its event; `None` for all other lines.
///
/// For guests without a virtio-serial port: steps and progress are not read back, because nothing waits for them.
pub fn from_console(line: &str) -> Option<Event> {
    // The kernel may have left half a line of its own before it.
    let text = line.get(line.find("lifeboat: ")?..)?.strip_prefix("lifeboat: ")?.trim_end();
    let (word, rest) = text.split_once(' ')?;
    match word {
        "stage" => {
            let (name, seconds) = rest.split_once(' ')?;
            Some(Event::Stage { name: name.to_owned(), seconds: seconds.parse().ok()? })
        }
        "ready" => Some(Event::Ready { mode: Mode::from_name(rest)? }),
        "RESTORED" => {
            let (entries, rest) = rest.split_once(" entries in ")?;
            Some(Event::Restored { entries: entries.parse().ok()?, seconds: rest.strip_suffix(" s")?.parse().ok()? })
        }
        "COMPARED" => {
            let (entries, rest) = rest.split_once(" entries, ")?;
            let (differences, rest) = rest.split_once(" differ, in ")?;
            Some(Event::Compared {
                entries: entries.parse().ok()?,
                differences: differences.parse().ok()?,
                seconds: rest.strip_suffix(" s")?.parse().ok()?,
            })
        }
        "FAILED" => Some(Event::Failed { reason: rest.to_owned() }),
        "warning:" => Some(Event::Warning { text: rest.to_owned() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn events_arrive_and_noise_is_left_out() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let port = EventPort::new(ours, Path::new("test")).unwrap();
        theirs.write_all(b"garbage\n{\"event\":\"stage\",\"name\":\"found").unwrap();
        theirs.write_all(b"ation\",\"seconds\":0.25}\n{\"event\":\"failed\",\"reason\":\"x\"}\n").unwrap();
        let last = port.wait_for("the end", Duration::from_secs(5), Event::is_final).unwrap();
        assert_eq!(last.event, Event::Failed { reason: "x".into() });
        assert_eq!(port.events().len(), 2);
        drop(theirs);
        let error = port.wait_for("more", Duration::from_secs(5), |_| false).unwrap_err();
        assert!(matches!(error, DrillError::Ended { .. }), "{error}");
    }

    #[test]
    fn console_lines_are_the_same_events() {
        for event in [
            Event::Stage { name: "foundation".into(), seconds: 0.25 },
            Event::Ready { mode: Mode::Expert },
            Event::Restored { entries: 28_000, seconds: 61.5 },
            Event::Compared { entries: 28_000, differences: 2, seconds: 61.5 },
            Event::Failed { reason: "two blank disks fit equally".into() },
            Event::Warning { text: "a".into() },
        ] {
            assert_eq!(from_console(&format!("[  1.5] {}", event.console_line())), Some(event));
        }
        assert_eq!(from_console("lifeboat: stage foundation soon"), None);
        assert_eq!(from_console("systemd: FAILED"), None);
    }
}
