//! Standard error that leads into the journal of systemd: a message says how important it is by a number before it (sd-daemon(3)).

use lifeboat_machine::Event;
use std::os::unix::fs::MetadataExt as _;

const ERROR: &str = "<3>";
const WARNING: &str = "<4>";
const INFORMATION: &str = "<6>";

/// Whether standard error is the journal: systemd names its device and inode (systemd.exec(5), JOURNAL_STREAM).
pub fn is_standard_error() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    let stderr = std::fs::metadata("/proc/self/fd/2");
    stderr.is_ok_and(|stderr| named == format!("{}:{}", stderr.dev(), stderr.ino()))
}

/// What goes before the line of an event.
pub fn importance(event: &Event) -> &'static str {
    match event {
        Event::Failed { .. } => ERROR,
        Event::Warning { .. } | Event::Entry { .. } => WARNING,
        _ => INFORMATION,
    }
}

/// What goes before the lines of an error, each.
pub fn error(text: &str) -> String {
    text.lines().map(|line| format!("{ERROR}{line}\n")).collect()
}
