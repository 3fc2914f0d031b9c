//! Filesystems that are frozen: whoever writes to one waits until it is thawed (ioctl_fsfreeze, `FIFREEZE` and `FITHAW` in linux/fs.h).
//!
//! A filesystem that nobody thaws stops the machine. So a process of its own watches over each freeze: it thaws what was frozen when
//! the time is up, and when the process that froze it is gone, however it ended.

use rustix::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::ioctl::opcode;
use rustix::process::{Pid, WaitOptions};
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// linux/fs.h: `_IOWR('X', 119, int)`.
const FIFREEZE: libc::Ioctl = opcode::read_write::<libc::c_int>(b'X', 119) as libc::Ioctl;
/// linux/fs.h: `_IOWR('X', 120, int)`.
const FITHAW: libc::Ioctl = opcode::read_write::<libc::c_int>(b'X', 120) as libc::Ioctl;

/// The watcher's exit code when the time was up.
const LATE: i32 = 1;
/// Its exit code when the process that it watches was gone.
const GONE: i32 = 2;

/// Freezes the filesystem that an open directory is on; what was being written is on its device then.
///
/// # Errors
/// EBUSY when it is frozen already, EOPNOTSUPP when it cannot be frozen, EPERM without CAP_SYS_ADMIN.
pub fn freeze(directory: impl AsFd) -> Result<(), Errno> {
    call(directory.as_fd(), FIFREEZE)
}

/// Thaws it.
///
/// # Errors
/// EINVAL when it is not frozen.
pub fn thaw(directory: impl AsFd) -> Result<(), Errno> {
    call(directory.as_fd(), FITHAW)
}

fn call(directory: BorrowedFd<'_>, code: libc::Ioctl) -> Result<(), Errno> {
    // SAFETY: both calls ignore their argument (fs/ioctl.c, `ioctl_fsfreeze`), and the descriptor is open.
    match unsafe { libc::ioctl(directory.as_raw_fd(), code, 0) } {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

/// What a watcher had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Nothing: it was told in time.
    InTime,
    /// It thawed what it watched over, for the time was up.
    Late,
}

/// A process that thaws filesystems in the last resort. Dropped without [`Watchdog::finish`] it thaws them at once.
#[derive(Debug)]
pub struct Watchdog {
    pid: Pid,
    /// When this is closed without a byte, the process thaws.
    alive: Option<OwnedFd>,
}

impl Watchdog {
    /// Starts it, before anything is frozen, for the filesystems of these open directories.
    ///
    /// # Errors
    /// When no pipe or process can be made.
    pub fn start(directories: &[BorrowedFd<'_>], limit: Duration) -> io::Result<Watchdog> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let thawed: Vec<RawFd> = directories.iter().map(|directory| directory.as_raw_fd()).collect();
        // All that the child needs is made here: it must not allocate.
        let mut kept: Vec<RawFd> = thawed.iter().copied().chain([read.as_raw_fd()]).collect();
        kept.sort_unstable();
        kept.dedup();
        let milliseconds = libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: the child makes only system calls that are async-signal-safe and ends with _exit(2).
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => watch(read.as_raw_fd(), &thawed, &kept, milliseconds),
            pid => {
                let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::from(Errno::CHILD))?;
                Ok(Watchdog { pid, alive: Some(write) })
            }
        }
    }

    /// Ends it: everything is thawed already.
    pub fn finish(mut self) -> Watched {
        if let Some(alive) = self.alive.take() {
            // When it has ended already there is no reader (EPIPE; Rust programs ignore SIGPIPE).
            let _ = rustix::io::write(&alive, b"d");
        }
        match self.wait() {
            Some(LATE) => Watched::Late,
            _ => Watched::InTime,
        }
    }

    fn wait(&self) -> Option<i32> {
        // It ends at once, for its pipe is closed or has a byte.
        loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Err(Errno::INTR) => {}
                Ok(ended) => return ended.and_then(|(_, status)| status.exit_status()),
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if self.alive.take().is_some() {
            self.wait();
        }
    }
}

/// The life of the watcher. `kept` is sorted and holds `thawed` and `pipe`.
fn watch(pipe: RawFd, thawed: &[RawFd], kept: &[RawFd], milliseconds: libc::c_int) -> ! {
    // SAFETY: only async-signal-safe calls (signal-safety(7)), on descriptors that this process has and on values on its stack;
    // close_range(2) is a plain system call, and where it is missing nothing but some descriptors is kept.
    unsafe {
        // What ends the process that is watched must not end the watcher: neither a signal to all processes of a service or
        // terminal, nor the handlers that it inherited.
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::setsid();
        // Locks and pipes that it inherited would outlive their owner. One of them is the other end of our pipe.
        let mut first: libc::c_long = 0;
        for fd in kept {
            let fd = libc::c_long::from(*fd);
            if fd > first {
                libc::syscall(libc::SYS_close_range, first, fd - 1, 0);
            }
            first = fd + 1;
        }
        libc::syscall(libc::SYS_close_range, first, libc::c_long::from(u32::MAX), 0);
        let mut poll = libc::pollfd { fd: pipe, events: libc::POLLIN, revents: 0 };
        let code = loop {
            match libc::poll(&raw mut poll, 1, milliseconds) {
                0 => break LATE,
                -1 if *libc::__errno_location() == libc::EINTR => {}
                _ => {
                    let mut byte = 0_u8;
                    match libc::read(pipe, (&raw mut byte).cast(), 1) {
                        1 => libc::_exit(0),
                        _ => break GONE,
                    }
                }
            }
        };
        for fd in thawed {
            libc::ioctl(*fd, FITHAW, 0);
        }
        libc::_exit(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_that_is_told_does_nothing_and_one_that_is_not_is_late() {
        let directory = std::fs::File::open("/proc").unwrap();
        let start = |limit| Watchdog::start(&[directory.as_fd()], limit).unwrap();
        assert_eq!(start(Duration::from_secs(60)).finish(), Watched::InTime);
        let late = start(Duration::from_millis(1));
        // It ends by itself; this waits for that, and does not guess how long it takes.
        let pidfd = rustix::process::pidfd_open(late.pid, rustix::process::PidfdFlags::empty()).unwrap();
        let mut poll = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        let most = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut poll, Some(&most)), Ok(1));
        assert_eq!(late.finish(), Watched::Late);
        let dropped = start(Duration::from_secs(60));
        let pid = dropped.pid;
        drop(dropped);
        assert!(rustix::process::test_kill_process(pid).is_err(), "it ended and was collected");
    }

    #[test]
    fn what_cannot_be_frozen_is_an_error() {
        let directory = std::fs::File::open("/proc").unwrap();
        assert!(freeze(&directory).is_err());
        assert!(thaw(&directory).is_err());
    }
}
