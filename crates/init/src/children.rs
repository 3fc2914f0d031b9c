//! Children of PID 1. Every process without a parent becomes one, so one place collects all that end and notifies those who
//! wait; nothing in this program may use `Child::wait` of the standard library.

use crate::report::locked;
use lifeboat_sys::child::{Setup, prepare};
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::HashMap;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStdout, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Slot {
    status: Mutex<Option<ExitStatus>>,
    changed: Condvar,
}

/// All children that somebody waits for.
#[derive(Default)]
pub struct Children {
    closed: AtomicBool,
    slots: Mutex<HashMap<u32, Arc<Slot>>>,
}

/// A started child.
pub struct Running {
    pid: u32,
    slot: Arc<Slot>,
    /// Its standard output, when piped.
    pub stdout: Option<ChildStdout>,
}

impl Children {
    /// Starts a program.
    pub fn spawn(&self, mut command: Command, setup: Setup) -> io::Result<Running> {
        prepare(&mut command, setup);
        // With the lock held nobody collects the child before it is known here.
        let mut slots = locked(&self.slots);
        if self.is_closed() {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "the system is about to end"));
        }
        let mut child = command.spawn()?;
        let slot = Arc::new(Slot::default());
        slots.insert(child.id(), Arc::clone(&slot));
        Ok(Running { pid: child.id(), slot, stdout: child.stdout.take() })
    }

    /// Starts nothing from now on, because the system is ending. False when that was already decided.
    pub fn close(&self) -> bool {
        // The lock waits for a child that is being started, so that the signal to all processes reaches it.
        let _slots = locked(&self.slots);
        !self.closed.swap(true, Ordering::SeqCst)
    }

    /// True once nothing may be started any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Waits until there is no child at all; false at the deadline.
    pub fn wait_for_none(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            self.collect();
            // `wait` fails with ECHILD when there is none. The end of a child that nobody registered has no event here.
            if self.has_none() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn has_none(&self) -> bool {
        let options = rustix::process::WaitIdOptions::EXITED
            | rustix::process::WaitIdOptions::NOHANG
            | rustix::process::WaitIdOptions::NOWAIT;
        matches!(rustix::process::waitid(rustix::process::WaitId::All, options), Err(rustix::io::Errno::CHILD))
    }

    /// Collects every child that has ended. Called at each SIGCHLD.
    pub fn collect(&self) {
        let mut slots = locked(&self.slots);
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = u32::try_from(pid.as_raw_nonzero().get()).unwrap_or(0);
            if let Some(slot) = slots.remove(&pid) {
                *locked(&slot.status) = Some(ExitStatus::from_raw(status.as_raw()));
                slot.changed.notify_all();
            }
        }
    }
}

impl Running {
    /// Waits for its end, at most until the deadline; `None` when it is still running then.
    pub fn wait(&self, patience: Option<Duration>) -> Option<ExitStatus> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut status = locked(&self.slot.status);
        loop {
            if status.is_some() {
                return *status;
            }
            status = match deadline {
                None => self.slot.changed.wait(status).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.slot.changed.wait_timeout(status, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Ends it and what it started, when it leads a session of its own ([`Setup::new_session`]) and has not ended yet.
    pub fn kill_session(&self) {
        if let Some(pid) = self.pid() {
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }

    /// `None` once its status was collected: then the number may belong to someone else.
    fn pid(&self) -> Option<Pid> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.filter(|_| locked(&self.slot.status).is_none())
    }
}

/// How a child ended, as text: `with code 1`, `with signal 9 (killed)`.
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => {
            let name = match signal {
                2 => ", interrupt",
                6 => ", abort",
                7 => ", bus error",
                9 => "; the kernel log shows whether memory ran out",
                11 => ", segmentation fault",
                15 => ", terminated",
                _ => "",
            };
            format!("was killed (signal {signal}{name})")
        }
        (None, None) => format!("ended with status {:#x}", status.into_raw()),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::sync::OnceLock;

    /// One registry for all tests, because it collects every child of the process.
    pub fn children() -> &'static Arc<Children> {
        static CHILDREN: OnceLock<Arc<Children>> = OnceLock::new();
        CHILDREN.get_or_init(|| {
            let children = Arc::new(Children::default());
            let collector = Arc::clone(&children);
            std::thread::spawn(move || {
                loop {
                    collector.collect();
                    std::thread::sleep(Duration::from_millis(5));
                }
            });
            children
        })
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn endings_are_reported_to_the_one_who_waits() {
        let code = children().spawn(shell("exit 7"), Setup::default()).unwrap();
        let signal = children().spawn(shell("kill -9 $$"), Setup::default()).unwrap();
        assert_eq!(ending(code.wait(None).unwrap()), "exited with code 7");
        assert!(ending(signal.wait(None).unwrap()).starts_with("was killed (signal 9;"));
    }

    #[test]
    fn a_wait_has_a_deadline() {
        let slow = children().spawn(shell("exec sleep 60"), Setup::default()).unwrap();
        assert!(slow.wait(Some(Duration::from_millis(30))).is_none());
        slow.signal(Signal::KILL);
        assert!(slow.wait(Some(Duration::from_secs(20))).is_some());
        slow.signal(Signal::KILL);
    }

    #[test]
    fn nothing_starts_once_the_system_ends() {
        let children = Children::default();
        assert!(children.close());
        assert!(!children.close());
        assert!(children.spawn(shell("true"), Setup::default()).is_err());
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        let error = children().spawn(Command::new("/nonexistent"), Setup::default()).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
