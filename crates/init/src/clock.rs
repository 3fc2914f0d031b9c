//! Time since the kernel started. CLOCK_BOOTTIME continues during suspend and is never set.

use std::time::Duration;

/// Time since the kernel started.
pub fn now() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
