//! Why a recovery stopped.

use lifeboat_remote::tree::LARGEST_DOCUMENT;
use lifeboat_sys::bounded;
use std::path::PathBuf;

/// What a failure left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disks {
    /// Nothing was written.
    Untouched,
    /// They were being written.
    Written,
    /// Everything is in place except for what is listed.
    Rebuilt,
}

/// Why a recovery stopped. Everything but [`Failure::Rebuild`], [`Failure::Extract`] and [`Failure::Incomplete`]
/// happens before the first byte is written to a disk.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file could not be read.
    #[error("cannot READ {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot WRITE {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Not what was expected at this place.
    #[error("cannot USE {what}: {reason}")]
    Unusable {
        /// What.
        what: String,
        /// Why, and what to try.
        reason: String,
    },
    /// An archive may be on an encrypted device.
    #[error(
        "cannot FIND {what} yet: {} encrypted (LUKS) and may hold it; try typing the passphrase in the interactive \
         mode, or opening it in a shell: {}",
        list(.devices),
        unlocking(.devices)
    )]
    Locked {
        /// What is looked for.
        what: String,
        /// What is locked.
        devices: Vec<lifeboat_storage::Locked>,
    },
    /// md, LVM, LUKS or multipath could not be used.
    #[error(transparent)]
    Stack(#[from] lifeboat_storage::StorageError),
    /// The machine description cannot be used.
    #[error(transparent)]
    Machine(#[from] lifeboat_machine::FormatError),
    /// A file of the medium has changed since the medium was made.
    #[error("the medium is damaged: {file} {problem}; the disks were not touched; try another copy of the medium")]
    Damaged {
        /// Path below /lifeboat/.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Part of what a recovery needs is damaged.
    #[error(
        "the archive at {place} is damaged: {} cannot be restored, the first: {}; the disks were not touched; try another copy of it, or recovering all the rest: lifeboat.damaged=restore on the kernel command line, or 'lifeboat restore --damaged'",
        entries(.lost.len()), first(.lost)
    )]
    Lost {
        /// The repository.
        place: String,
        /// Directories that are lost completely, and files.
        lost: Vec<lifeboat_archive::Problem>,
    },
    /// Medium, rescue system and archive do not belong together.
    #[error("{0}; the disks were not touched")]
    Mismatch(String),
    /// Mistyped kernel parameters.
    #[error("the kernel command line has errors: {}; the disks were not touched", .0.join("; "))]
    Parameters(Vec<String>),
    /// The policy of unattended runs stops at warnings.
    #[error(
        "the plan has warnings, and the policy is to stop at warnings: {}; the disks were not touched; try \
         lifeboat.warnings=go-on to continue in spite of them",
        .0.join("; ")
    )]
    Warnings(Vec<String>),
    /// No volume could be found on a tape.
    #[error(transparent)]
    Tape(#[from] lifeboat_sys::tape::TapeError),
    /// A place on the network cannot be used.
    #[error(transparent)]
    Network(#[from] lifeboat_remote::Fault),
    /// The archive engine failed.
    #[error(transparent)]
    Archive(#[from] lifeboat_archive::ArchiveError),
    /// The hardware could not be read.
    #[error(transparent)]
    Probe(#[from] lifeboat_probe::ProbeError),
    /// There is no plan that is allowed and fits.
    #[error("{0}; the disks were not touched")]
    Plan(#[from] lifeboat_plan::PlanError),
    /// What the plan's steps need is missing.
    #[error("{0}; the disks were not touched")]
    NotReady(#[from] lifeboat_rebuild::NotReady),
    /// A step failed; the disks were being written.
    #[error("step '{step}' failed: {source}")]
    Rebuild {
        /// The step.
        step: String,
        /// Why.
        source: lifeboat_rebuild::RebuildError,
    },
    /// Extraction stopped; the disks were being written.
    #[error("the files could not be restored: {0}")]
    Extract(lifeboat_archive::ArchiveError),
    /// A mount failed.
    #[error(transparent)]
    Mount(#[from] lifeboat_sys::mount::MountError),
    /// A program failed.
    #[error(transparent)]
    Run(#[from] lifeboat_sys::RunError),
    /// What was restored could not be compared with the archive.
    #[error("the restored files could not be compared with the archive: {0}; the machine was not made bootable")]
    Verify(lifeboat_archive::ArchiveError),
    /// Done, but not everything was restored.
    #[error(
        "{problems} of {entries} entries could not be restored or differ (listed in {log}, the first of them on the \
         consoles as well); the rest was restored and the machine was made bootable"
    )]
    Incomplete {
        /// How many.
        problems: u64,
        /// Of how many.
        entries: u64,
        /// Where the list is.
        log: String,
    },
}

/// "3 files or whole directories".
pub(crate) fn entries(count: usize) -> String {
    if count == 1 { "1 file or whole directory".to_owned() } else { format!("{count} files or whole directories") }
}

/// Path and reason of the first.
pub(crate) fn first(lost: &[lifeboat_archive::Problem]) -> String {
    lost.first().map_or(String::new(), |problem| {
        format!("{}: {}", lifeboat_machine::Name::from(problem.path.as_path()), problem.message)
    })
}

/// "lifeboat storage unlock /dev/sdb2", with "or" between several.
fn unlocking(devices: &[lifeboat_storage::Locked]) -> String {
    let calls: Vec<String> =
        devices.iter().map(|locked| format!("lifeboat storage unlock {}", locked.device)).collect();
    calls.join(" or ")
}

/// "/dev/sdb2 is", "/dev/sdb2 and /dev/sdc are".
pub(crate) fn list(devices: &[lifeboat_storage::Locked]) -> String {
    let names: Vec<&str> = devices.iter().map(|locked| locked.device.as_str()).collect();
    format!("{} {}", names.join(" and "), if names.len() == 1 { "is" } else { "are" })
}

impl Failure {
    /// The state in which it left the disks.
    pub fn disks(&self) -> Disks {
        match self {
            Failure::Rebuild { .. } | Failure::Extract(_) | Failure::Verify(_) => Disks::Written,
            Failure::Incomplete { .. } => Disks::Rebuilt,
            _ => Disks::Untouched,
        }
    }

    /// True when the disks were written before this happened.
    pub fn touched_disks(&self) -> bool {
        self.disks() != Disks::Untouched
    }

    /// Reads a document, such as those on a medium, which may come from anybody.
    ///
    /// # Errors
    /// [`Failure::Read`]; also for what is not a regular file or is larger than [`LARGEST_DOCUMENT`].
    pub fn read(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
        bounded::read(path, LARGEST_DOCUMENT).map_err(|source| Failure::Read { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_archive::ArchiveError;

    #[test]
    fn all_that_is_locked_is_named() {
        let locked = |device: &str| lifeboat_storage::Locked { device: device.into(), uuid: String::new() };
        let failure =
            Failure::Locked { what: "disk:LABEL=x:/".into(), devices: vec![locked("/dev/a"), locked("/dev/b")] };
        let text = failure.to_string();
        assert!(text.contains("/dev/a and /dev/b are encrypted"), "{text}");
        assert!(text.ends_with("lifeboat storage unlock /dev/a or lifeboat storage unlock /dev/b"), "{text}");
    }

    #[test]
    fn what_is_left_of_the_disks() {
        let archive = || ArchiveError::NotInSnapshot { path: "/x".into(), snapshot: "ab".into() };
        for (failure, disks) in [
            (Failure::Archive(archive()), Disks::Untouched),
            (Failure::Mismatch("other".into()), Disks::Untouched),
            (Failure::Extract(archive()), Disks::Written),
            (Failure::Verify(archive()), Disks::Written),
            (Failure::Incomplete { problems: 1, entries: 2, log: "log".into() }, Disks::Rebuilt),
        ] {
            assert_eq!(failure.disks(), disks, "{failure}");
            assert_eq!(failure.touched_disks(), disks != Disks::Untouched, "{failure}");
        }
    }
}
