//! Limits that count for the whole process and the programs that it starts.

use crate::config::{IoPriority, LimitsTable};
use crate::error::{CommandError, Kind};
use lifeboat_remote::Limits;
use lifeboat_sys::priority::{self, DiskPriority};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Applies what concerns processors and disks; before threads are started.
///
/// # Errors
/// Kind `Failed` when the system refuses.
pub fn apply(limits: &LimitsTable) -> Result<(), CommandError> {
    let failed =
        |what: &str, error: std::io::Error| CommandError::new(Kind::Failed, format!("cannot LIMIT {what}: {error}"));
    if let Some(count) = limits.threads {
        let allowed = sched_getaffinity(None).map_err(|error| failed("the processors", error.into()))?;
        let mut chosen = CpuSet::new();
        let there = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number));
        there.take(usize::from(count)).for_each(|number| chosen.set(number));
        sched_setaffinity(None, &chosen).map_err(|error| failed("the processors", error.into()))?;
    }
    let priority = match limits.io_priority {
        Some(IoPriority::Low) => Some(DiskPriority::Low),
        Some(IoPriority::Idle) => Some(DiskPriority::Idle),
        Some(IoPriority::Normal) | None => None,
    };
    match priority {
        Some(priority) => priority::set(priority).map_err(|error| failed("the use of disks", error)),
        None => Ok(()),
    }
}

/// Limits of the network; none where none are set.
pub fn of_network(limits: &LimitsTable) -> Limits {
    let bytes = |kib: Option<u32>| kib.map(|kib| u64::from(kib) << 10);
    Limits::new(bytes(limits.upload), bytes(limits.download))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_processors_are_fewer_threads() {
        // In a thread of its own: the others keep theirs.
        std::thread::spawn(|| {
            apply(&LimitsTable { threads: Some(1), ..LimitsTable::default() }).unwrap();
            assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
        })
        .join()
        .unwrap();
    }
}
