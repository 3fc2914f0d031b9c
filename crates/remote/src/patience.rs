//! Waits for a lost server, says so, and continues when it is back or gives up at a deadline.

use crate::{Fault, Limits};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Receives one line when a server is lost, and one when it is back.
pub type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// A server that does not answer for this long is reported. A single attempt waits no longer than this either.
pub const SILENCE: Duration = Duration::from_secs(20);
/// How long to wait for a lost server: time to restart a machine, or to find a cable.
pub const DEADLINE: Duration = Duration::from_secs(600);
/// How long to wait for a server that has never answered: mostly its name is mistyped, but it may be starting.
pub const FIRST_DEADLINE: Duration = Duration::from_secs(60);
/// A lost server is tried again after this time.
const POLL: Duration = Duration::from_secs(2);

/// Patience with one server, shared by all who access it.
#[derive(Clone)]
pub struct Patience {
    shared: Arc<Shared>,
}

struct Shared {
    host: String,
    silence: Duration,
    deadline: Duration,
    listener: Listener,
    outage: Mutex<Option<Outage>>,
    known: AtomicBool,
    given_up: OnceLock<String>,
    back: Condvar,
    limits: Arc<Limits>,
}

/// The server does not answer.
struct Outage {
    since: Instant,
    reported: bool,
}

impl std::fmt::Debug for Patience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patience").field("host", &self.shared.host).finish_non_exhaustive()
    }
}

impl Patience {
    /// Patience with `host`, up to the usual deadline.
    pub fn new(host: impl Into<String>, listener: Listener) -> Patience {
        Patience::with(host, listener, SILENCE, DEADLINE)
    }

    /// The same with other times.
    pub fn with(host: impl Into<String>, listener: Listener, silence: Duration, deadline: Duration) -> Patience {
        let (outage, known, back) = (Mutex::new(None), AtomicBool::new(false), Condvar::new());
        let given_up = OnceLock::new();
        let host = host.into();
        let limits = Arc::default();
        Patience {
            shared: Arc::new(Shared { host, silence, deadline, listener, outage, known, given_up, back, limits }),
        }
    }

    /// The same times and listener for another host.
    pub fn for_host(&self, host: impl Into<String>) -> Patience {
        Patience::with(host, Arc::clone(&self.shared.listener), self.shared.silence, self.shared.deadline)
            .limited(Arc::clone(&self.shared.limits))
    }

    /// The same for a connection that keeps to limits. Only before it is shared.
    pub fn limited(mut self, limits: Arc<Limits>) -> Patience {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.limits = limits;
        }
        self
    }

    /// How fast bytes may come and go.
    pub fn limits(&self) -> &Arc<Limits> {
        &self.shared.limits
    }

    /// How long a single attempt may wait for an answer.
    pub fn attempt(&self) -> Duration {
        self.shared.silence
    }

    /// Does something until it succeeds, fails for good, or the deadline is over. `once` must be repeatable.
    ///
    /// # Errors
    /// The final fault; a transient one becomes final at the deadline.
    pub fn insist<T>(&self, mut once: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
        loop {
            // Callers after the deadline would only wait for nothing again.
            if let Some(text) = self.given_up() {
                return Err(Fault::Final(text));
            }
            let began = Instant::now();
            match once() {
                Err(Fault::Passing(cause)) => self.lost(began, &cause)?,
                other => {
                    self.answered();
                    return other;
                }
            }
        }
    }

    /// Why nothing is retried any more, once the deadline was reached.
    pub fn given_up(&self) -> Option<String> {
        self.shared.given_up.get().cloned()
    }

    fn outage(&self) -> MutexGuard<'_, Option<Outage>> {
        self.shared.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure of an attempt, and waits before the next one.
    fn lost(&self, began: Instant, cause: &str) -> Result<(), Fault> {
        let shared = &self.shared;
        let mut outage = self.outage();
        let current = outage.get_or_insert(Outage { since: began, reported: false });
        let silent = current.since.elapsed();
        let known = shared.known.load(Ordering::Relaxed);
        let deadline = if known { shared.deadline } else { shared.deadline.min(FIRST_DEADLINE) };
        if silent >= deadline {
            let text = format!("no answer from {} for {} s, giving up: {cause}", shared.host, silent.as_secs());
            let _ = shared.given_up.set(text.clone());
            return Err(Fault::Final(text));
        }
        if silent >= shared.silence && !current.reported {
            current.reported = true;
            let until = jiff::Zoned::now() + (deadline - silent);
            let text = format!(
                "no answer from {} for {} s, waiting until {} ({cause})",
                shared.host,
                silent.as_secs(),
                until.strftime("%H:%M:%S %Z"),
            );
            (shared.listener)(&text);
        }
        // The first to get an answer wakes the others.
        let pause = POLL.min(shared.silence / 4);
        drop(shared.back.wait_timeout(outage, pause).unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn answered(&self) {
        self.shared.known.store(true, Ordering::Relaxed);
        let ended = self.outage().take();
        if let Some(outage) = ended {
            if outage.reported {
                let seconds = outage.since.elapsed().as_secs();
                (self.shared.listener)(&format!("{} answers again after {seconds} s, going on", self.shared.host));
            }
            self.shared.back.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(deadline: Duration) -> (Patience, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(vec![]));
        let reported = Arc::clone(&lines);
        let listener: Listener = Arc::new(move |line: &str| reported.lock().unwrap().push(line.to_owned()));
        (Patience::with("nas", listener, Duration::from_millis(40), deadline), lines)
    }

    #[test]
    fn a_server_that_comes_back() {
        let (patience, lines) = patience(Duration::from_secs(20));
        let began = Instant::now();
        let result = patience.insist(|| match began.elapsed() {
            passed if passed < Duration::from_millis(150) => Err(Fault::Passing("connection refused".into())),
            _ => Ok(7),
        });
        assert_eq!(result, Ok(7));
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("no answer from nas for 0 s, waiting until ") && lines[0].contains("refused"));
        assert!(lines[1].starts_with("nas answers again"));
    }

    #[test]
    fn a_short_silence_is_not_spoken_of() {
        let (patience, lines) = patience(Duration::from_secs(20));
        let mut first = true;
        let once = || if std::mem::take(&mut first) { Err(Fault::Passing("reset".into())) } else { Ok(()) };
        assert_eq!(patience.insist(once), Ok(()));
        assert!(lines.lock().unwrap().is_empty());
    }

    #[test]
    fn the_deadline_ends_it() {
        let (patience, lines) = patience(Duration::from_millis(120));
        let result: Result<(), Fault> = patience.insist(|| Err(Fault::Passing("refused".into())));
        let Err(Fault::Final(text)) = result else { panic!("{result:?}") };
        assert!(text.starts_with("no answer from nas for 0 s, giving up: refused"), "{text}");
        assert_eq!(lines.lock().unwrap().len(), 1);
        assert_eq!(patience.insist(|| Ok(())), Err(Fault::Final(text)), "nothing is tried any more");
        let patience = patience.for_host("other");
        let missing: Result<(), Fault> = patience.insist(|| Err(Fault::Missing("x".into())));
        assert_eq!(missing, Err(Fault::Missing("x".into())));
    }
}
