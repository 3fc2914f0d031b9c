//! A step that takes minutes reports that it is still running: some of the restored system's own tools print nothing until
//! they end.

use lifeboat_machine::{Event, EventSink};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Rare enough for a serial console, often enough for somebody who waits.
pub const INTERVAL: Duration = Duration::from_secs(15);

/// One step of a plan.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// From 1.
    pub number: usize,
    /// How many there are.
    pub total: usize,
    /// What it does.
    pub text: &'a str,
}

impl Step<'_> {
    fn event(self, text: String) -> Event {
        Event::Step { number: self.number, total: self.total, text }
    }
}

/// Reports the step and does it; reports it again every `interval` until it is done, with the time since it began.
pub fn during<T>(step: Step<'_>, interval: Duration, sink: &dyn EventSink, work: impl FnOnce() -> T) -> T {
    sink.emit(&step.event(step.text.to_owned()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let (at_work, done) = channel::<()>();
        scope.spawn(move || {
            while done.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                sink.emit(&step.event(format!("{} (at work for {} s)", step.text, began.elapsed().as_secs())));
            }
        });
        let result = work();
        // Ends the thread at once, also when the work panics.
        drop(at_work);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};

    /// Counts events, and wakes whoever waits for them.
    #[derive(Default)]
    struct Counting {
        events: Mutex<Vec<Event>>,
        more: Condvar,
    }

    impl EventSink for Counting {
        fn emit(&self, event: &Event) {
            self.events.lock().unwrap().push(event.clone());
            self.more.notify_all();
        }
    }

    #[test]
    fn long_work_is_heard_of() {
        let sink = Counting::default();
        let step = Step { number: 8, total: 9, text: "rebuild the initramfs" };
        let result = during(step, Duration::from_millis(1), &sink, || {
            // The work lasts until its heart has beaten three times.
            let events = sink.events.lock().unwrap();
            drop(sink.more.wait_while(events, |events| events.len() < 4).unwrap());
            7
        });
        assert_eq!(result, 7);
        let events = sink.events.into_inner().unwrap();
        assert_eq!(events[0], step.event("rebuild the initramfs".into()));
        for event in &events[1..] {
            let line = event.console_line();
            assert!(line.starts_with("lifeboat: step 8/9 rebuild the initramfs (at work for "), "{line}");
        }
    }

    #[test]
    fn short_work_is_reported_once() {
        let sink = Counting::default();
        let step = Step { number: 1, total: 1, text: "wipe" };
        during(step, Duration::from_secs(3600), &sink, || ());
        assert_eq!(sink.events.into_inner().unwrap().len(), 1);
    }
}
