//! The one moment that a backup shows: commands that make programs ready for it, snapshots that are read instead of the live
//! filesystems, and filesystems that are frozen while they are read.
//!
//! Snapshots are mounted nowhere: a descriptor alone leads to them, so nobody else sees them, and the kernel lets go of them with the
//! process. What lives longer than a process (logical volumes, subvolumes, frozen filesystems) carries the name of its run, and each
//! run holds a lock while it lives: what belongs to no living run is a leftover, and is removed ([`leftover`]).
//!
//! | module | holds |
//! | --- | --- |
//! | [`policy`] | what `[snapshots]` and `[hooks]` of the configuration say |
//! | [`choice`] | pure: which filesystem is read how, and why |
//! | [`room`] | what volume groups and thin pools have left |
//! | [`mod@run`] | the name and the lock of one run |
//! | [`volume`] | snapshots of logical volumes |
//! | [`subvolume`] | snapshots of btrfs subvolumes |
//! | [`still`] | filesystems that are frozen |
//! | [`taken`] | taking all of it, looking after it, releasing it |
//! | [`leftover`] | what a run that was killed left |
//! | [`hook`] | commands before and after |
//! | [`error`] | why something failed |

pub mod choice;
pub mod error;
pub mod hook;
pub mod leftover;
pub mod policy;
pub mod room;
pub mod run;
pub mod still;
pub mod subvolume;
pub mod taken;
pub mod volume;

pub use choice::{Choice, Way};
pub use error::MomentError;
pub use hook::{Command, Hook, HookError};
pub use policy::{CowSize, Hooks, Snapshots, Use};
pub use run::Run;
pub use taken::{Context, Taken, take};
