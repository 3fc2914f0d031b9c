//! At which console the person sits: the one on which Enter is pressed. A screen and a serial line both exist more
//! often than not, and it cannot be known from here at which of them a person sits.

use crate::report::Reporter;
use lifeboat_sys::console::terminal_of;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// In a frame: it stands below many lines that need no answer.
const QUESTION: &str = "
  +----------------------------------------------------------------------+
  |                                                                      |
  |  Press Enter on the console that you use: the recovery starts there. |
  |                                                                      |
  +----------------------------------------------------------------------+
";

/// How often a console that cannot be opened or was hung up is retried.
pub const AGAIN: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// `O_NOCTTY | O_NONBLOCK` of fcntl.h.
const FLAGS: i32 = rustix::fs::OFlags::NOCTTY.union(rustix::fs::OFlags::NONBLOCK).bits() as i32;

/// The console that a person chooses; the only one without asking.
pub fn taken(reporter: &Reporter, consoles: &[String]) -> String {
    match consoles {
        [] => "console".to_owned(),
        [only] => only.clone(),
        several => {
            let paths: Vec<PathBuf> = several.iter().map(|name| terminal_of(name)).collect();
            let files = paths.iter().map(open).collect();
            reporter.text(QUESTION);
            let taken = several[first_enter(&paths, files)].clone();
            reporter.text(&format!("The recovery now runs on {taken}; its progress is shown here as well."));
            taken
        }
    }
}

/// Opens a terminal. What was typed before the question does not count.
pub fn open(path: &PathBuf) -> Option<File> {
    let file = File::options().read(true).write(true).custom_flags(FLAGS).open(path).ok()?;
    let _ = rustix::termios::tcflush(&file, rustix::termios::QueueSelector::IFlush);
    Some(file)
}

/// Waits for a line on one of the terminals; returns its number.
fn first_enter(paths: &[PathBuf], mut files: Vec<Option<File>>) -> usize {
    loop {
        let ready = {
            let known: Vec<(usize, &File)> =
                files.iter().enumerate().filter_map(|(index, file)| Some((index, file.as_ref()?))).collect();
            let mut polled: Vec<PollFd> = known.iter().map(|(_, file)| PollFd::new(*file, PollFlags::IN)).collect();
            let count = poll(&mut polled, Some(&AGAIN)).unwrap_or(0);
            let index = polled.iter().position(|entry| !entry.revents().is_empty());
            index.filter(|_| count > 0).map(|at| known[at].0)
        };
        let Some(index) = ready else {
            for (file, path) in files.iter_mut().zip(paths).filter(|(file, _)| file.is_none()) {
                *file = open(path);
            }
            continue;
        };
        let mut buffer = [0; 256];
        match files[index].as_mut().map(|file| file.read(&mut buffer)) {
            Some(Ok(count)) if buffer[..count].iter().any(|byte| matches!(byte, b'\n' | b'\r')) => return index,
            Some(Ok(1..)) => {}
            Some(Err(error)) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // Hung up: it is reopened after a while.
            _ => files[index] = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::time::Duration;

    fn fifo(folder: &std::path::Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, rustix::fs::Mode::from_raw_mode(0o600), 0).unwrap();
        path
    }

    #[test]
    fn the_console_with_the_enter_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let paths = vec![fifo(folder.path(), "screen"), fifo(folder.path(), "serial"), folder.path().join("missing")];
        let theirs: Vec<File> =
            paths[..2].iter().map(|path| File::options().read(true).write(true).open(path).unwrap()).collect();
        let (reported, taken) = std::sync::mpsc::channel();
        std::thread::spawn(move || reported.send(first_enter(&paths, paths.iter().map(open).collect())));
        (&theirs[0]).write_all(b"noise").unwrap();
        assert!(taken.recv_timeout(Duration::from_millis(300)).is_err());
        (&theirs[1]).write_all(b"\n").unwrap();
        assert_eq!(taken.recv_timeout(Duration::from_secs(20)).unwrap(), 1);
    }
}
