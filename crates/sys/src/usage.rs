//! What a finished child used: wait4(2), which std's `wait` does not report.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};

/// How a child ended, and the most memory that it held.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Largest resident set of the child and of its own waited-for children, each alone, in bytes (getrusage(2), `ru_maxrss`).
    pub peak_memory_bytes: u64,
}

/// Waits for a child's end. Its pipes must have been taken, or be read elsewhere.
///
/// # Errors
/// The system's error, as when the child was already waited for.
pub fn wait(child: Child) -> io::Result<Finished> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers lead to live, writable locals of the types that wait4(2) wants; `child` is owned, so no one
        // else waits for this pid.
        let got = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if got == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // ru_maxrss is in KiB on Linux.
    let peak_memory_bytes = u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024;
    Ok(Finished { status: ExitStatus::from_raw(status), peak_memory_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_tells_its_end_and_its_memory() {
        let finished = wait(Command::new("/bin/sh").args(["-c", "exit 3"]).spawn().unwrap()).unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert!(finished.peak_memory_bytes > 100_000, "{finished:?}");
    }
}
