//! What a child of PID 1 needs between fork and exec, and the environment of programs that need more than the fixed one.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Variables for programs that find their own configuration, agent or terminal: ssh(1), qemu(1). No secret has one of
/// these names; the passwords that are meant for us (restic's, Amazon's) are not for other programs.
const ORDINARY: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "SSH_AUTH_SOCK",
    "KRB5CCNAME",
];

/// Gives a program the caller's environment without anything that might be a secret.
pub fn ordinary_environment(command: &mut Command) -> &mut Command {
    command.env_clear();
    for name in ORDINARY {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// How a child starts.
#[derive(Debug, Default)]
pub struct Setup {
    /// It leads a new session (setsid(2)).
    pub new_session: bool,
    /// Its standard input becomes the controlling terminal of that session.
    pub controlling_terminal: bool,
    /// A descriptor of ours that it gets as that number.
    pub descriptor: Option<(OwnedFd, i32)>,
}

/// Arranges `setup` for the child, and clears its signal mask, which it would inherit.
pub fn prepare(command: &mut Command, setup: Setup) {
    let before_exec = move || {
        if setup.new_session {
            rustix::process::setsid()?;
        }
        if setup.controlling_terminal {
            // SAFETY: TIOCSCTTY takes an int by value; 1 takes the terminal from a session that died without giving it back.
            if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 1) } != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        if let Some((from, to)) = &setup.descriptor {
            // dup2 of a descriptor onto itself would leave close-on-exec set.
            let done = if from.as_raw_fd() == *to {
                // SAFETY: changes the flags of a descriptor that `setup` owns.
                unsafe { libc::fcntl(*to, libc::F_SETFD, 0) }
            } else {
                // SAFETY: `from` is open; whatever the child inherited under the number `to` is meant to be replaced.
                unsafe { libc::dup2(from.as_raw_fd(), *to) }
            };
            if done < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        crate::signal::unblock_all()
    };
    // SAFETY: the closure makes only system calls that are async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(before_exec) };
}
