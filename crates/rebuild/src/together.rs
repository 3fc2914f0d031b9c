//! [`apply_together`]: the steps of a plan, several at a time where none concerns another.

use crate::apply;
use crate::context::Context;
use crate::error::RebuildError;
use lifeboat_plan::Schedule;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Steps at work at the same time at least, whatever the processors: most of the time they wait for their disks.
const FEWEST: usize = 6;
/// And at most: each mkfs holds tens of MiB, and the rescue system's memory is that of the smallest machine.
const MOST: usize = 8;

/// How many steps are at work at the same time.
pub fn usual_limit() -> usize {
    std::thread::available_parallelism().map_or(FEWEST, usize::from).clamp(FEWEST, MOST)
}

/// Is told what happens, all of it by the thread that called [`apply_together`].
pub trait Watch {
    /// A step begins; they begin in the plan's order.
    fn begins(&mut self, index: usize);
    /// A step has been at work for this long.
    fn lasts(&mut self, index: usize, since: Duration);
    /// A step ended, with what a person should know about it or with why it failed; they end in any order.
    fn ended(&mut self, index: usize, result: Result<Vec<String>, RebuildError>);
}

/// Does those steps of a range of the context's plan that are not `done`, at most `limit` at a time. When one fails, none begins any
/// more, and those at work are waited for: each is told as done or as failed. `beat` is how often a step that lasts is told of.
///
/// Gives true when all were done.
pub fn apply_together(
    context: &Context,
    range: Range<usize>,
    done: impl IntoIterator<Item = usize>,
    limit: usize,
    beat: Duration,
    watch: &mut dyn Watch,
) -> bool {
    let steps = &context.plan.steps;
    let mut schedule = Schedule::new(steps, range, done, limit);
    let mut at_work: BTreeMap<usize, (Instant, Instant)> = BTreeMap::new();
    let mut failed = false;
    let (sender, ends) = channel();
    std::thread::scope(|scope| {
        loop {
            while !failed && let Some(index) = schedule.begin() {
                watch.begins(index);
                let now = Instant::now();
                at_work.insert(index, (now, now + beat));
                let sender = sender.clone();
                // The receiver lives longer than every thread of the scope.
                scope.spawn(move || {
                    let guard = Ending { index, sender };
                    let result = apply(&steps[index], context);
                    guard.ended(result);
                });
            }
            let Some(next) = at_work.values().map(|(_, next)| *next).min() else { return !failed };
            match ends.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok((index, result)) => {
                    at_work.remove(&index);
                    match result {
                        Some(result) => {
                            failed |= result.is_err();
                            watch.ended(index, result);
                        }
                        // Its thread panicked: the scope passes that on.
                        None => failed = true,
                    }
                    schedule.end(index);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = Instant::now();
                    for (index, (since, next)) in at_work.iter_mut().filter(|(_, (_, next))| *next <= now) {
                        *next = now + beat;
                        watch.lasts(*index, since.elapsed());
                    }
                }
                // This thread holds a sender.
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    })
}

type End = (usize, Option<Result<Vec<String>, RebuildError>>);

/// Reports the end of a step even when its thread panics.
struct Ending {
    index: usize,
    sender: std::sync::mpsc::Sender<End>,
}

impl Ending {
    fn ended(self, result: Result<Vec<String>, RebuildError>) {
        // Nobody waits any more only when the waiting thread panicked.
        let _ = self.sender.send((self.index, Some(result)));
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.sender.send((self.index, None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::layout::Swap;
    use lifeboat_machine::testing::machine;
    use lifeboat_plan::{Plan, Step};
    use lifeboat_sys::program::Program;
    use lifeboat_sys::{Invocation, Output, RunError, Runner};
    use std::collections::BTreeSet;
    use std::sync::{Condvar, Mutex};

    /// A runner whose calls last until as many are at work as there must be.
    #[derive(Default)]
    struct Meeting {
        needed: usize,
        state: Mutex<(usize, usize)>,
        changed: Condvar,
        fails: BTreeSet<&'static str>,
    }

    impl Runner for Meeting {
        fn run(&self, call: &Invocation) -> Result<Output, RunError> {
            let line = call.command_line();
            if !line.contains("mkswap") {
                return Ok(Output::default());
            }
            let mut state = self.state.lock().unwrap();
            state.0 += 1;
            state.1 = state.1.max(state.0);
            self.changed.notify_all();
            let deadline = Duration::from_secs(20);
            let (mut state, waited) =
                self.changed.wait_timeout_while(state, deadline, |state| state.1 < self.needed).unwrap();
            state.0 -= 1;
            assert!(!waited.timed_out(), "never {} at work", self.needed);
            match self.fails.iter().any(|name| line.ends_with(name)) {
                true => Err(RunError::Missing { name: "mkswap", package: "util-linux" }),
                false => Ok(Output::default()),
            }
        }

        fn has(&self, _: &'static Program) -> bool {
            true
        }
    }

    #[derive(Default)]
    struct Seen {
        begun: Vec<usize>,
        done: BTreeSet<usize>,
        failed: Vec<usize>,
        /// How many had begun when the first one failed.
        begun_at_failure: Option<usize>,
        lasted: usize,
    }

    impl Watch for Seen {
        fn begins(&mut self, index: usize) {
            self.begun.push(index);
        }
        fn lasts(&mut self, _: usize, _: Duration) {
            self.lasted += 1;
        }
        fn ended(&mut self, index: usize, result: Result<Vec<String>, RebuildError>) {
            match result {
                Ok(_) => drop(self.done.insert(index)),
                Err(_) => {
                    self.begun_at_failure.get_or_insert(self.begun.len());
                    self.failed.push(index);
                }
            }
        }
    }

    fn run(runner: &Meeting, devices: usize, done: &[usize], limit: usize) -> (bool, Seen) {
        let swap = |device: usize| Step::MakeSwap {
            device: format!("/dev/none{device}"),
            swap: Swap { uuid: None, label: "".into(), page_bytes: 4096 },
        };
        let plan = Plan { targets: vec![], steps: (0..devices).map(swap).collect(), moved: vec![], notes: vec![] };
        let machine = machine();
        let context = Context { chroot_mounts: false, ..Context::new(runner, "/nonexistent", &machine, &plan) };
        let mut seen = Seen::default();
        let beat = Duration::from_millis(1);
        let all = apply_together(&context, 0..devices, done.iter().copied(), limit, beat, &mut seen);
        (all, seen)
    }

    #[test]
    fn several_at_a_time_and_no_more_than_allowed() {
        let runner = Meeting { needed: 4, ..Meeting::default() };
        let (all, seen) = run(&runner, 12, &[2], 4);
        assert!(all);
        let rest: Vec<usize> = (0..12).filter(|index| *index != 2).collect();
        assert_eq!(seen.begun, rest, "they begin in order");
        assert_eq!(seen.done, rest.into_iter().collect());
        assert_eq!(runner.state.lock().unwrap().1, 4);
    }

    #[test]
    fn a_failure_lets_the_others_end() {
        let runner = Meeting { needed: 3, fails: ["none1"].into(), ..Meeting::default() };
        let (all, seen) = run(&runner, 9, &[], 3);
        assert!(!all);
        assert_eq!(seen.failed, [1]);
        // Each that began is told as done or failed, and none begins after that.
        assert_eq!(seen.begun.len(), seen.done.len() + 1);
        assert_eq!(seen.begun_at_failure, Some(seen.begun.len()));
        assert!(seen.done.contains(&0) && seen.done.contains(&2));
    }

    #[test]
    fn one_at_a_time_when_so_limited() {
        let runner = Meeting { needed: 1, ..Meeting::default() };
        let (all, _) = run(&runner, 5, &[], 1);
        assert!(all);
        assert_eq!(runner.state.lock().unwrap().1, 1);
    }
}
