//! How this process, and the programs that it starts, share disks with others: ioprio_set(2), which neither std nor rustix has.

use std::io;

/// The calling thread; threads and programs that it starts inherit its priority.
const WHO_PROCESS: libc::c_int = 1;
/// Class and level are in one number (include/uapi/linux/ioprio.h).
const CLASS_SHIFT: libc::c_int = 13;
const BEST_EFFORT: libc::c_int = 2;
const IDLE: libc::c_int = 3;

/// A priority below the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskPriority {
    /// After all others of the usual class.
    Low,
    /// Only when nobody else uses the disk.
    Idle,
}

impl DiskPriority {
    fn value(self) -> libc::c_int {
        match self {
            DiskPriority::Low => (BEST_EFFORT << CLASS_SHIFT) | 7,
            DiskPriority::Idle => IDLE << CLASS_SHIFT,
        }
    }
}

/// Sets the priority, for all that is started from this thread on.
///
/// # Errors
/// The system's error.
pub fn set(priority: DiskPriority) -> io::Result<()> {
    // SAFETY: the call takes three numbers and touches no memory of this process.
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, priority.value()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_inherit_it() {
        // In a thread of its own: it cannot be taken back without privilege.
        std::thread::spawn(|| {
            set(DiskPriority::Idle).unwrap();
            let output = std::process::Command::new("ionice").output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "idle");
            set(DiskPriority::Low).unwrap();
            let output = std::process::Command::new("ionice").output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "best-effort: prio 7");
        })
        .join()
        .unwrap();
    }
}
