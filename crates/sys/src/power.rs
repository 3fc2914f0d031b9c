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
        Ok(()) => io::Error::other("reboot(2) came back"),
        Err(errno) => errno.into(),
    }
}

/// Makes Ctrl-Alt-Del send SIGINT to PID 1 in place of restarting at once.
///
/// # Errors
/// The system's reason.
pub fn catch_ctrl_alt_del() -> io::Result<()> {
    Ok(rustix::system::reboot(RebootCommand::CadOff)?)
}
