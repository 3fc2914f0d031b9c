//! Operations that are stopped in the middle.

use super::Warnings;
use lifeboat_archive::{Observer, Progress};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Nothing takes longer.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Stops an operation in the middle, once, until it is asked to go on.
pub struct Gate {
    phase: &'static str,
    passed: AtomicBool,
    reached: Sender<()>,
    go_on: Mutex<Receiver<()>>,
    warnings: Warnings,
}

impl Observer for Gate {
    fn progress(&self, progress: &Progress) {
        if progress.phase == self.phase && !self.passed.swap(true, Ordering::SeqCst) {
            self.reached.send(()).unwrap();
            self.go_on.lock().unwrap().recv_timeout(DEADLINE).unwrap();
        }
    }

    fn warning(&self, text: &str) {
        self.warnings.warning(text);
    }
}

/// Does something while an operation is in its middle; gives what the operation gave, and its warnings.
pub fn in_the_middle<T: Send>(
    phase: &'static str,
    operation: impl FnOnce(&Gate) -> T + Send,
    meanwhile: impl FnOnce(),
) -> (T, String) {
    let ((reached, is_reached), (go, go_on)) = (channel(), channel());
    let (passed, go_on) = (AtomicBool::new(false), Mutex::new(go_on));
    let gate = Gate { phase, passed, reached, go_on, warnings: Warnings::default() };
    let result = std::thread::scope(|scope| {
        let running = scope.spawn(|| operation(&gate));
        is_reached.recv_timeout(DEADLINE).unwrap();
        meanwhile();
        go.send(()).unwrap();
        running.join().unwrap()
    });
    (result, gate.warnings.text())
}
