//! How often progress is reported: the work reports at every step, and a console, a screen or a file gets a line now and then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Lets one report through in each interval, the first when one has passed; shared by threads.
#[derive(Debug)]
pub struct Pace {
    began: Instant,
    interval: Duration,
    /// When the last one went through, in milliseconds since it began.
    last: AtomicU64,
}

impl Pace {
    /// Starts now.
    pub fn every(interval: Duration) -> Pace {
        Pace { began: Instant::now(), interval, last: AtomicU64::new(0) }
    }

    /// The time since it began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Returns whether a report is due; of several threads that ask at once, only one gets `true`.
    pub fn is_due(&self) -> bool {
        self.is_due_after(self.elapsed())
    }

    fn is_due_after(&self, elapsed: Duration) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (now, last) = (millis(elapsed), self.last.load(Ordering::Relaxed));
        now >= last.saturating_add(millis(self.interval))
            && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_each_interval() {
        let pace = Pace::every(Duration::from_secs(3));
        let due = |millis| pace.is_due_after(Duration::from_millis(millis));
        assert_eq!(
            [0, 2999, 3000, 3001, 5999, 6000, 60_000, 60_001].map(due),
            [false, false, true, false, false, true, true, false]
        );
    }

    #[test]
    fn one_of_several_threads() {
        let pace = Pace::every(Duration::from_millis(1));
        let passed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| passed.fetch_add(pace.is_due_after(Duration::from_millis(1)).into(), Ordering::Relaxed));
            }
        });
        assert_eq!(passed.into_inner(), 1);
    }
}
