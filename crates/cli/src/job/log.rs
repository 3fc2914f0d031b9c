//! The log that a run of the routine leaves behind.

use crate::record::{FOLDER, Record};
use crate::session::Session;
use crate::state;
use lifeboat_machine::{Event, EventSink as _};
use std::path::{Path, PathBuf};

/// The folder of the logs: systemd's choice for the unit, or the usual one.
pub fn folder() -> PathBuf {
    state::of_unit("LOGS_DIRECTORY").unwrap_or_else(|| PathBuf::from(FOLDER))
}

/// Keeps the output of work on this machine, which mostly runs unattended; returns the log's path. Work without a log is
/// better than none.
pub fn keep(session: &Session, name: &str, sysroot: &Path) -> Option<PathBuf> {
    if sysroot != Path::new("/") || !rustix::process::geteuid().is_root() {
        return None;
    }
    let folder = folder();
    match Record::begin(&folder, name, &session.config.log) {
        Ok(record) => {
            let path = record.path().to_owned();
            session.reporter.keep(record);
            Some(path)
        }
        Err(error) => {
            let text = format!("no log of this run is kept: cannot CREATE it in {}: {error}", folder.display());
            session.reporter.emit(&Event::Warning { text });
            None
        }
    }
}
