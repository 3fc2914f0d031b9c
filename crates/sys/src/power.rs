//! The end of a boot: reboot, power off, Ctrl-Alt-Del (reboot(2)).

use rustix::system::RebootCommand;
use std::io;

/// Writes all dirty pages, then restarts the machine at once. Returns only when that failed.
pub fn reboot() -> io::Error {
    end(RebootCommand::Restart)
}

/// Writes all dirty pages, then powers the machine off. Returns only when that failed.
pub fn power_off() -> io::Error {
    end(RebootCommand::PowerOff)
}

fn end(command: RebootCommand) -> io::Error {
    rustix::fs::sync();
    match rustix::system::reboot(command) {
        Ok(()) => io::Error::other("reboot(2) returned"),
        Err(errno) => errno.into(),
    }
}

/// Makes Ctrl-Alt-Del send SIGINT to PID 1 in place of restarting at once.
///
/// # Errors
/// The system's error.
pub fn catch_ctrl_alt_del() -> io::Result<()> {
    Ok(rustix::system::reboot(RebootCommand::CadOff)?)
}

/// A signal for every process but PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Everyone {
    /// SIGTERM, and SIGHUP for shells, which ignore the former.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// Signals every process but PID 1 (kill(2), pid -1). Does nothing unless this is PID 1.
pub fn signal_everyone(signal: Everyone) {
    if std::process::id() != 1 {
        return;
    }
    let signals: &[libc::c_int] = match signal {
        Everyone::Terminate => &[libc::SIGTERM, libc::SIGHUP, libc::SIGCONT],
        Everyone::Kill => &[libc::SIGKILL],
    };
    for signal in signals {
        // SAFETY: kill takes two integers by value.
        unsafe { libc::kill(-1, *signal) };
    }
}
