//! Consoles: which ones the kernel uses, and writing to them without ever waiting for a dead line.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Reads /sys/class/tty/console/active: device names, the one behind /dev/console last.
pub fn parse_active(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split_whitespace().filter(|name| !name.contains('/')) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The terminal on which a person sits at a console: `tty0` is only another name for the visible virtual terminal,
/// and cannot be a controlling terminal.
pub fn terminal_of(name: &str) -> PathBuf {
    Path::new("/dev").join(if name == "tty0" { "tty1" } else { name })
}

/// A console for writing.
#[derive(Debug)]
pub struct Console {
    file: File,
}

impl Console {
    /// Opens a terminal for writing, without making it the controlling one and without waiting for a carrier.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(path: &Path) -> io::Result<Console> {
        let file = File::options().write(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK).open(path)?;
        Ok(Console { file })
    }

    /// Writes everything, or gives up when the line takes nothing for `patience`.
    ///
    /// # Errors
    /// `TimedOut` for a line that takes nothing, else the system's error.
    pub fn write_all(&self, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
        let mut deadline = Instant::now() + patience;
        while !bytes.is_empty() {
            match rustix::io::write(&self.file, bytes) {
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    deadline = Instant::now() + patience;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
                    if left.is_zero() || !wait_writable(&self.file, &timeout)? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

fn wait_writable(file: &File, timeout: &Timespec) -> io::Result<bool> {
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::INTR) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active_consoles() {
        assert_eq!(parse_active("tty0 ttyS0\n"), ["tty0", "ttyS0"]);
        assert_eq!(parse_active(""), Vec::<String>::new());
        assert_eq!(parse_active("ttyS0 ttyS0 ../x\n"), ["ttyS0"]);
        assert_eq!(terminal_of("tty0"), Path::new("/dev/tty1"));
        assert_eq!(terminal_of("hvc0"), Path::new("/dev/hvc0"));
    }

    #[test]
    fn a_line_that_takes_nothing_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let _reader = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let console = Console::open(&path).unwrap();
        let error = console.write_all(&vec![b'x'; 1 << 20], Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
