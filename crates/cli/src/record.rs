//! The log of a backup, or of other work that runs by itself, kept in a file of its own: what a timer or cron ran at night is looked for
//! in the morning. Space is reserved before the work begins, so that a disk that fills up meanwhile does not take it. Earlier logs are
//! kept up to a number and an age.

use crate::config::LogTable;
use crate::runs::now;
use lifeboat_machine::Event;
use lifeboat_machine::bytes::terminal;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where logs are kept.
pub const FOLDER: &str = "/var/log/lifeboat";
/// Reserved space: some thousand lines.
const RESERVED: u64 = 256 << 10;
/// The end of a run shows why it failed: this much of the space is for it.
const FOR_THE_END: u64 = 16 << 10;
/// No more logs are looked for than this: a number that was lowered leaves none behind.
const MOST: usize = 1000;

/// A log that is being written. What cannot be written is left out: a log must not stop the work that it records.
#[derive(Debug)]
pub struct Record {
    file: File,
    path: PathBuf,
    /// A line was left out for lack of space.
    full: bool,
}

impl Record {
    /// Starts the log `NAME.log` in a folder; those of earlier runs become `NAME.log.1` and so on, as many and as old as the rules
    /// allow.
    ///
    /// # Errors
    /// The system's error.
    pub fn begin(folder: &Path, name: &str, rules: &LogTable) -> std::io::Result<Record> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let at = |number: usize| match number {
            0 => folder.join(format!("{name}.log")),
            number => folder.join(format!("{name}.log.{number}")),
        };
        for number in (0..MOST).rev().filter(|number| at(*number).symlink_metadata().is_ok()) {
            let _ = match number >= rules.keep || is_older(&at(number), rules) {
                true => std::fs::remove_file(at(number)),
                false => std::fs::rename(at(number), at(number + 1)),
            };
        }
        let path = at(0);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path)?;
        // On a disk that is full already, or a filesystem without fallocate(2), it is tried without reserving.
        let _ = rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, RESERVED);
        Ok(Record { file, path, full: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds what happened; progress is not kept.
    pub fn event(&mut self, event: &Event) {
        if !matches!(event, Event::Progress { .. }) {
            self.line(&event.console_line(), RESERVED - FOR_THE_END);
        }
    }

    /// Adds the lines that end it, and releases the unused space.
    pub fn end(&mut self, text: &str) {
        self.line(text.trim_end(), RESERVED);
        if let Ok(length) = self.file.stream_position() {
            let _ = self.file.set_len(length);
        }
        let _ = self.file.sync_all();
    }

    fn line(&mut self, text: &str, room: u64) {
        let text = format!("{} {}\n", now(), terminal(text));
        let used = self.file.stream_position().unwrap_or(0);
        if used + text.len() as u64 > room {
            if !self.full {
                self.full = true;
                let _ = self.file.write_all(b"... more lines were left out\n");
            }
            return;
        }
        let _ = self.file.write_all(text.as_bytes());
    }
}

/// It was written to longer ago than the rules allow.
fn is_older(path: &Path, rules: &LogTable) -> bool {
    let modified = path.symlink_metadata().and_then(|metadata| metadata.modified());
    let age = modified.ok().and_then(|modified| modified.elapsed().ok());
    let most = rules.age.0.and_then(|most| std::time::Duration::try_from(most).ok());
    age.zip(most).is_some_and(|(age, most)| age > most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limit;
    use std::time::{Duration, SystemTime};

    fn note(text: &str) -> Event {
        Event::Note { text: text.into() }
    }

    #[test]
    fn earlier_logs_are_kept_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("log");
        let rules = LogTable { keep: 5, ..LogTable::default() };
        for run in 0..8 {
            let mut record = Record::begin(&folder, "backup", &rules).unwrap();
            record.event(&note(&format!("run {run}")));
            record.end("done\n");
        }
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(read("backup.log").contains("run 7") && read("backup.log").ends_with(" done\n"));
        assert!(read("backup.log.5").contains("run 2"));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 6);
        // With fewer to keep the others go, and with an age the old ones.
        Record::begin(&folder, "backup", &LogTable { keep: 3, ..rules }).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
        let old = File::options().write(true).open(folder.join("backup.log.3")).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(3 * 24 * 3600)).unwrap();
        Record::begin(&folder, "backup", &LogTable { keep: 30, age: Limit::days(2) }).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 4);
        assert!(read("backup.log.2").contains("run 7") && read("backup.log.3").contains("run 6"));
    }

    #[test]
    fn the_end_has_room_whatever_came_before() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record::begin(dir.path(), "backup", &LogTable::default()).unwrap();
        for _ in 0..5000 {
            record.event(&note(&"x".repeat(100)));
        }
        record.end("lifeboat: cannot WRITE\u{1b}[2J\n  try: room\n");
        let text = std::fs::read_to_string(record.path()).unwrap();
        assert!(text.len() as u64 <= RESERVED, "{}", text.len());
        assert!(text.ends_with("lifeboat: cannot WRITE\\x1b[2J\n  try: room\n") && text.contains("left out"));
    }
}
