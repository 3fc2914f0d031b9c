//! Signals as a file descriptor (signalfd(2)).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd as _, OwnedFd};

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// SIGCHLD: a child ended.
    Child,
    /// SIGINT: Ctrl-Alt-Del, for PID 1.
    Interrupt,
    /// SIGTERM, or SIGPWR from a failing power supply.
    Terminate,
    /// Any other.
    Other(u32),
}

/// Delivers SIGCHLD, SIGINT, SIGTERM and SIGPWR to anyone who reads.
#[derive(Debug)]
pub struct Signals {
    descriptor: OwnedFd,
}

impl Signals {
    /// Blocks the signals for this thread and those it starts, and begins to collect them. Call it before any thread exists.
    ///
    /// # Errors
    /// The system's error.
    pub fn collect() -> io::Result<Signals> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set, sigaddset changes it; both get a valid pointer and existing signals.
        let set = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in [libc::SIGCHLD, libc::SIGINT, libc::SIGTERM, libc::SIGPWR] {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            set.assume_init()
        };
        // SAFETY: the set is initialised; the old mask is not asked for.
        let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if result != 0 {
            return Err(io::Error::from_raw_os_error(result));
        }
        // SAFETY: -1 asks for a new descriptor; the set is initialised.
        let descriptor = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and has no other owner.
        Ok(Signals { descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) } })
    }

    /// Waits for the next signal. Several SIGCHLD may come as one: collect all children that ended.
    ///
    /// # Errors
    /// The system's error.
    pub fn next(&self) -> io::Result<Received> {
        // `struct signalfd_siginfo` begins with the signal's number, a u32.
        let mut buffer = [0_u8; size_of::<libc::signalfd_siginfo>()];
        loop {
            match rustix::io::read(&self.descriptor, &mut buffer) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let number = u32::from_ne_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]);
        Ok(match i32::try_from(number).unwrap_or(0) {
            libc::SIGCHLD => Received::Child,
            libc::SIGINT => Received::Interrupt,
            libc::SIGTERM | libc::SIGPWR => Received::Terminate,
            _ => Received::Other(number),
        })
    }
}

/// Clears the signal mask of this thread; for children between fork and exec.
///
/// # Errors
/// The system's error.
pub fn unblock_all() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before it is used; the old mask is not asked for.
    let result = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets this program, and those it starts, live on when their terminal is hung up (SIGHUP is ignored).
pub fn ignore_hangup() {
    // SAFETY: SIG_IGN is a valid disposition and SIGHUP a signal that can be ignored; no handler is installed.
    unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
}

/// Ignores what asks a process to end (SIGINT, SIGTERM, SIGHUP): for one that cleans up after another.
pub fn ignore_requests_to_end() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: SIG_IGN is a valid disposition and these signals can be ignored; no handler is installed.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
