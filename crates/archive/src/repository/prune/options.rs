//! What a prune is asked for, and what it did.

use std::time::Duration;

/// How much that nobody needs may stay in packs that are partly needed, because rewriting them costs more than it frees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxUnused {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths of what is there afterwards.
    Percent(f64),
    /// Nothing is rewritten.
    Unlimited,
}

impl MaxUnused {
    /// The same in bytes, beside so many that are needed.
    pub(super) fn beside(self, needed: u64) -> u64 {
        match self {
            MaxUnused::Bytes(bytes) => bytes,
            MaxUnused::Percent(percent) if percent >= 100.0 => u64::MAX,
            MaxUnused::Percent(percent) => (needed as f64 * percent.max(0.0) / (100.0 - percent.max(0.0))) as u64,
            MaxUnused::Unlimited => u64::MAX,
        }
    }
}

/// What a prune is asked for.
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// What may stay; restic's default is 5 %, too.
    pub max_unused: MaxUnused,
    /// Bytes that are copied out of packs at most.
    pub max_repack: Option<u64>,
    /// How long packs are marked before they are removed: as long as programs may write that take no locks, such as rustic.
    pub grace: Duration,
    /// Only decide, and change nothing.
    pub dry_run: bool,
}

impl PruneOptions {
    /// Rustic's time for the same: a day, less what nightly runs differ by.
    pub const GRACE: Duration = Duration::from_secs(23 * 3600);

    /// Reports whether the time of grace is over for what was marked at a time.
    pub(super) fn is_over(&self, marked: &str) -> bool {
        let Ok(marked) = marked.parse::<jiff::Timestamp>() else { return false };
        let age = jiff::Timestamp::now().duration_since(marked);
        // What is dated in the future was marked by a clock that was ahead, or ours is behind.
        u64::try_from(age.as_millis()).is_ok_and(|age| u128::from(age) >= self.grace.as_millis())
    }
}

impl Default for PruneOptions {
    fn default() -> Self {
        PruneOptions {
            max_unused: MaxUnused::Percent(5.0),
            max_repack: None,
            grace: PruneOptions::GRACE,
            dry_run: false,
        }
    }
}

/// Some packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub packs: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a prune did, or, in a dry run, would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Snapshots that were read.
    pub snapshots: u64,
    /// All packs, before.
    pub all: Amount,
    /// Bytes in them that snapshots need.
    pub needed: u64,
    /// Packs that no snapshot needs, found by this run.
    pub useless: Amount,
    /// Packs that snapshots need little of: that is copied into new ones.
    pub rewritten: Amount,
    /// Bytes that are copied out of these.
    pub copied: u64,
    /// Marked by this run, to be removed by a later one: useless and rewritten ones.
    pub marked: Amount,
    /// Marked earlier, and removed.
    pub removed: Amount,
    /// Marked earlier, and not yet removed.
    pub waiting: Amount,
    /// Marked earlier, but needed again: back in the index.
    pub put_back: Amount,
    /// Bytes that nobody needs in packs that stay.
    pub unused: u64,
    /// Packs that stay because what they hold, or what the index says of them, is not understood.
    pub not_understood: u64,
}
