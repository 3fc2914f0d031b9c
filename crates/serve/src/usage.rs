//! What lies in the store: counted once by a walk, then kept as running sums. From these come quotas and the status page, neither of which
//! needs a repository's key.

mod walk;

use crate::folder::Known;
use crate::path::{Kind, Repo};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use walk::{latest, walk};

/// Seconds of a day.
pub const DAY: i64 = 24 * 3600;
/// For how many days growth is kept.
const DAYS: i64 = 15;
/// Above a quota so many bytes may still be added as locks: without its lock no client can read, nor remove anything.
const ROOM_FOR_LOCKS: u64 = 1 << 20;

/// What a repository holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All of its files, in bytes.
    pub bytes: u64,
    /// How many snapshots.
    pub snapshots: u64,
    /// The newest snapshot.
    pub last: Option<Known>,
    /// What was written to `data` and `index` between the snapshot before and the newest, in bytes.
    pub added_by_last: u64,
    /// The same since the newest.
    pub added_since: u64,
    /// Bytes written to `data` and `index` by day, in days since 1970.
    pub days: BTreeMap<i64, u64>,
}

impl Counted {
    fn add_to_day(&mut self, modified: i64, bytes: u64) {
        let day = modified.div_euclid(DAY);
        *self.days.entry(day).or_default() += bytes;
        // A file dated in the future, or of last year, takes no room of those that count.
        while self.days.len() > usize::try_from(2 * DAYS).unwrap_or(0) {
            self.days.pop_first();
        }
    }

    /// Bytes written in the last days, the day of `now` last.
    pub fn growth(&self, now: i64, days: i64) -> Vec<u64> {
        let today = now.div_euclid(DAY);
        (today - days.min(DAYS) + 1..=today).map(|day| self.days.get(&day).copied().unwrap_or(0)).collect()
    }
}

/// The most that may lie below a path of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The path; `None`: all of the store.
    pub path: Option<Repo>,
    /// Bytes.
    pub bytes: u64,
}

impl Quota {
    fn covers(&self, repo: &Repo) -> bool {
        self.path.as_ref().is_none_or(|path| repo.is_within(path))
    }
}

/// A quota is used up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the quota of {} for {} is used up: {} are there, {} were to come",
    lifeboat_machine::bytes::human(quota.bytes),
    quota.path.as_ref().map_or("the store", |path| path.as_str()),
    lifeboat_machine::bytes::human(*used),
    lifeboat_machine::bytes::human(*wanted)
)]
pub struct Full {
    /// The quota.
    pub quota: Quota,
    /// What lies there, with what is arriving, in bytes.
    pub used: u64,
    /// What was to be added, in bytes.
    pub wanted: u64,
}

#[derive(Debug, Default)]
struct Sums {
    repos: BTreeMap<Repo, Counted>,
    /// What is arriving, in bytes.
    arriving: BTreeMap<Repo, u64>,
    /// Counts changes.
    changes: u64,
}

/// The sums of a store.
#[derive(Debug, Default)]
pub struct Usage(Mutex<Sums>);

impl Usage {
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often something has changed, to be shown to [`Usage::recounted`].
    pub fn changes(&self) -> u64 {
        self.sums().changes
    }

    /// Takes over what a walk has found, unless something changed since `changes`. Reports whether it was taken.
    pub fn recounted(&self, found: BTreeMap<Repo, Counted>, changes: u64) -> bool {
        let mut sums = self.sums();
        let unchanged = sums.changes == changes && sums.arriving.is_empty();
        if unchanged {
            sums.repos = found;
        }
        unchanged
    }

    /// All repositories at a path and below it.
    pub fn within(&self, path: Option<&Repo>) -> Vec<(Repo, Counted)> {
        within(&self.sums().repos, path).map(|(repo, counted)| (repo.clone(), counted.clone())).collect()
    }

    /// Bytes at a path and below it.
    pub fn bytes(&self, path: Option<&Repo>) -> u64 {
        within(&self.sums().repos, path).map(|(_, counted)| counted.bytes).sum()
    }

    /// How many repositories there are below a path, or at it.
    pub fn repositories(&self, path: &Repo) -> usize {
        within(&self.sums().repos, Some(path)).count()
    }

    /// Whether a repository was created.
    pub fn has(&self, repo: &Repo) -> bool {
        self.sums().repos.contains_key(repo)
    }

    /// Begins to count a file that arrives for `repo`, where these quotas hold.
    pub fn arrival(self: &Arc<Self>, repo: &Repo, kind: Option<Kind>, quotas: &[Quota]) -> Arrival {
        let mut quotas: Vec<Quota> = quotas.iter().filter(|quota| quota.covers(repo)).cloned().collect();
        if kind == Some(Kind::Locks) {
            quotas.iter_mut().for_each(|quota| quota.bytes = quota.bytes.saturating_add(ROOM_FOR_LOCKS));
        }
        Arrival { usage: self.clone(), repo: repo.clone(), quotas, bytes: 0 }
    }

    /// A file was removed.
    pub fn removed(&self, repo: &Repo, bytes: u64) {
        let mut sums = self.sums();
        sums.changes += 1;
        if let Some(counted) = sums.repos.get_mut(repo) {
            counted.bytes = counted.bytes.saturating_sub(bytes);
        }
    }

    /// These snapshots are left after one was removed.
    pub fn snapshots_left(&self, repo: &Repo, snapshots: u64, last: Option<Known>) {
        if let Some(counted) = self.sums().repos.get_mut(repo) {
            (counted.snapshots, counted.last) = (snapshots, last);
        }
    }

    /// A repository was created, with nothing in it.
    pub fn created(&self, repo: &Repo) {
        let mut sums = self.sums();
        sums.changes += 1;
        sums.repos.entry(repo.clone()).or_default();
    }
}

fn within<'a>(
    repos: &'a BTreeMap<Repo, Counted>,
    path: Option<&'a Repo>,
) -> Box<dyn Iterator<Item = (&'a Repo, &'a Counted)> + 'a> {
    match path {
        None => Box::new(repos.iter()),
        // `a-b` lies between `a` and `a/b`.
        Some(path) => Box::new(
            repos
                .range(path..)
                .take_while(move |(repo, _)| repo.as_str().starts_with(path.as_str()))
                .filter(move |(repo, _)| repo.is_within(path)),
        ),
    }
}

/// A file that arrives. Its bytes count from the moment they are announced; dropped, they don't any more.
#[derive(Debug)]
pub struct Arrival {
    usage: Arc<Usage>,
    repo: Repo,
    quotas: Vec<Quota>,
    bytes: u64,
}

impl Arrival {
    /// Counts so many bytes more.
    ///
    /// # Errors
    /// [`Full`]; nothing is counted then.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Full> {
        let mut sums = self.usage.sums();
        for quota in &self.quotas {
            let there: u64 = within(&sums.repos, quota.path.as_ref()).map(|(_, counted)| counted.bytes).sum();
            let coming = sums.arriving.iter().filter(|(repo, _)| quota.covers(repo)).map(|(_, bytes)| bytes);
            let used = there.saturating_add(coming.sum());
            if used.saturating_add(bytes) > quota.bytes {
                return Err(Full { quota: quota.clone(), used, wanted: bytes });
            }
        }
        *sums.arriving.entry(self.repo.clone()).or_default() += bytes;
        self.bytes += bytes;
        Ok(())
    }

    /// Bytes that were announced.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file is there.
    pub fn arrived(self, kind: Option<Kind>, known: Known) {
        {
            let mut sums = self.usage.sums();
            sums.changes += 1;
            let counted = sums.repos.entry(self.repo.clone()).or_default();
            counted.bytes = counted.bytes.saturating_add(known.size);
            match kind {
                Some(Kind::Data | Kind::Index) => {
                    counted.added_since = counted.added_since.saturating_add(known.size);
                    counted.add_to_day(known.modified, known.size);
                }
                Some(Kind::Snapshots) => {
                    counted.snapshots += 1;
                    counted.last = Some(known);
                    counted.added_by_last = std::mem::take(&mut counted.added_since);
                }
                _ => {}
            }
        }
        // Dropped, it takes back what was announced.
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let mut sums = self.usage.sums();
        if let Some(bytes) = sums.arriving.get_mut(&self.repo) {
            *bytes = bytes.saturating_sub(self.bytes);
            if *bytes == 0 {
                sums.arriving.remove(&self.repo);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(text: &str) -> Repo {
        text.parse().unwrap()
    }

    fn known(size: u64, modified: i64) -> Known {
        Known { size, modified }
    }

    #[test]
    fn a_quota_counts_what_is_there_and_what_is_coming() {
        let usage = Arc::new(Usage::default());
        let quotas = [Quota { path: Some(repo("m/a")), bytes: 100 }, Quota { path: None, bytes: 150 }];
        let mut one = usage.arrival(&repo("m/a"), Some(Kind::Data), &quotas);
        one.grow(60).unwrap();
        let mut two = usage.arrival(&repo("m/a/deep"), Some(Kind::Data), &quotas);
        let full = two.grow(41).unwrap_err();
        assert_eq!((full.used, full.quota.bytes), (60, 100));
        assert!(full.to_string().contains("the quota of 100 B for m/a is used up"), "{full}");
        two.grow(40).unwrap();
        drop(two);
        one.arrived(Some(Kind::Data), known(60, 0));
        assert_eq!(usage.bytes(Some(&repo("m/a"))), 60);
        // A neighbour whose name begins alike has its own, and all have the store's.
        let mut other = usage.arrival(&repo("m/a-b"), Some(Kind::Data), &quotas);
        assert_eq!(other.grow(91).unwrap_err().quota.path, None);
        other.grow(90).unwrap();
        assert_eq!(usage.bytes(Some(&repo("m/a"))), 60);
        // A lock is taken although all is full.
        let mut lock = usage.arrival(&repo("m/a"), Some(Kind::Locks), &quotas);
        lock.grow(1000).unwrap();
        assert!(lock.grow(ROOM_FOR_LOCKS).is_err());
        drop((other, lock));
        usage.removed(&repo("m/a"), 60);
        assert_eq!(usage.bytes(None), 0);
    }

    #[test]
    fn what_a_backup_added_is_known_with_its_snapshot() {
        let usage = Arc::new(Usage::default());
        let arrive = |kind, size, at| {
            let mut arrival = usage.arrival(&repo("a"), Some(kind), &[]);
            arrival.grow(size).unwrap();
            arrival.arrived(Some(kind), known(size, at));
        };
        for (kind, size, at) in [
            (Kind::Data, 100, DAY),
            (Kind::Index, 10, DAY),
            (Kind::Snapshots, 1, DAY + 1),
            (Kind::Locks, 5, 2 * DAY),
            (Kind::Data, 7, 2 * DAY),
            (Kind::Snapshots, 2, 2 * DAY),
            (Kind::Data, 3, 3 * DAY),
        ] {
            arrive(kind, size, at);
        }
        let counted = usage.within(Some(&repo("a"))).remove(0).1;
        assert_eq!((counted.snapshots, counted.last), (2, Some(known(2, 2 * DAY))));
        assert_eq!((counted.added_by_last, counted.added_since, counted.bytes), (7, 3, 128));
        assert_eq!(counted.growth(3 * DAY + 5, 4), [0, 110, 7, 3]);
        // A walk that something overtook does not count.
        let changes = usage.changes();
        arrive(Kind::Locks, 5, 0);
        assert!(!usage.recounted(BTreeMap::new(), changes));
        assert!(usage.recounted(BTreeMap::new(), usage.changes()));
        assert_eq!(usage.bytes(None), 0);
    }
}
