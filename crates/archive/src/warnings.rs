//! Turns warnings that libraries only log into problems that are counted.
//!
//! rustic_core and its backends report some failures only through `log::warn!` and `log::error!`. A logger can be
//! installed once per process, so the program does it at its start, by [`capture`]; each operation of this crate then
//! takes what was logged meanwhile into its list of problems. Without it such warnings are lost, as in any program
//! that installs no logger. Everything else is passed on to `tracing`.

use crate::report::{Problem, Problems, locked};
use std::path::PathBuf;
use std::sync::Mutex;

struct Capture;

static CAPTURED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// More are not kept: something is very wrong by then, and they are still counted.
const KEPT: usize = 10_000;

impl log::Log for Capture {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.level() <= log::Level::Warn && record.target().starts_with("rustic") {
            let mut captured = locked(&CAPTURED);
            if captured.len() < KEPT {
                captured.push(record.args().to_string());
            }
        } else {
            tracing::debug!(target: "log", from = record.target(), "{}", record.args());
        }
    }

    fn flush(&self) {}
}

/// Installs the capture; to be called once, early, by the program. Returns `false` when there is already another logger.
pub fn capture() -> bool {
    let installed = log::set_logger(&Capture).is_ok();
    if installed {
        log::set_max_level(log::LevelFilter::Info);
    }
    installed
}

/// Takes what was captured so far.
pub(crate) fn take() -> Vec<String> {
    std::mem::take(&mut *locked(&CAPTURED))
}

/// The list of problems, with what libraries logged meanwhile.
pub(crate) fn added_to(problems: Problems<'_>) -> Vec<Problem> {
    for warning in take() {
        problems.add(PathBuf::new(), warning);
    }
    problems.into_list()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_warning_is_kept_until_taken() {
        assert!(super::capture());
        assert!(!super::capture());
        log::warn!(target: "rustic_core::x", "lost {}", 1);
        log::warn!(target: "elsewhere", "not ours");
        assert_eq!(super::take(), ["lost 1"]);
        assert!(super::take().is_empty());
    }
}
