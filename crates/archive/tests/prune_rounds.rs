//! Random rounds on one repository: eight machines back up, all at the same time, while it is pruned and snapshots are forgotten; some
//! backups and prunes are killed, and restic prunes as well. Whatever happens, a snapshot that was reported as done is readable as a
//! whole until it is forgotten, and restic finds nothing wrong.
//!
//! `LIFEBOAT_ROUNDS=200` runs so many; without it the test ends after some rounds, or some time on a busy machine.
//! `LIFEBOAT_SEED` repeats the choices of a run.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::models::{Model, Random, model, wrong};
use common::{files_below, machine_manifest, machine_request, repository, restic, scratch};
use lifeboat_archive::repository::{Count, MaxUnused, Policy, PruneOptions};
use lifeboat_archive::{ArchiveError, FileTree, Quiet, Repository, Secret};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Rounds without the variable, and the time after which they end.
const ROUNDS: u64 = 12;
const TIME: Duration = Duration::from_secs(40);
/// Set for the child that is to be killed.
const CHILD: &str = "LIFEBOAT_PRUNE_CHILD";

const MACHINES: usize = 8;

/// Everything that can go goes, as soon as it is marked and nobody is left who could rely on it.
fn eager() -> PruneOptions {
    PruneOptions { grace: Duration::ZERO, max_unused: MaxUnused::Bytes(0), ..PruneOptions::default() }
}

fn id(machine: usize) -> String {
    format!("machine-{machine}")
}

fn save(repository: &Repository, tree: &Path, machine: usize) -> Result<String, ArchiveError> {
    let (source, id) = (FileTree::new(tree), id(machine));
    let manifest = machine_manifest(&id, "one name for all");
    let request = machine_request(&source, &id, "one name for all", &manifest);
    let report = repository.backup(&request, &Quiet)?;
    assert_eq!(report.problems, []);
    assert_eq!((report.lost_packs, report.damaged_packs), (0, 0));
    Ok(report.snapshot)
}

/// What the child runs; by itself it has nothing to do.
#[test]
fn child_works() {
    let Ok(words) = std::env::var(CHILD) else { return };
    let words: Vec<&str> = words.split('\n').collect();
    let repository = Repository::open(Path::new(words[0]), &Secret::new(words[1])).unwrap();
    match words[2..] {
        ["prune"] => drop(repository.prune(&eager(), &Quiet)),
        [tree, machine] => drop(save(&repository, Path::new(tree), machine.parse().unwrap())),
        _ => panic!("{words:?}"),
    }
}

/// A snapshot that was reported as done, and what it must hold.
struct Done {
    id: String,
    model: Model,
}

#[derive(Debug, Default)]
struct Counts {
    backups: u64,
    prunes: u64,
    refused: u64,
    killed: u64,
    removed: u64,
    put_back: u64,
    forgotten: u64,
}

struct World {
    location: PathBuf,
    key: Secret,
    trees: Vec<PathBuf>,
    machines: Vec<Repository>,
    keeper: Repository,
    done: Vec<Done>,
    random: Random,
    counts: Counts,
}

impl World {
    fn change(&mut self, machine: usize) {
        let tree = self.trees[machine].clone();
        for _ in 0..1 + self.random.below(5) {
            let path = tree.join(format!("d{}/f{}", self.random.below(4), self.random.below(6)));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let size = [0, 10, 4_000, 60_000, 900_000][self.random.below(5)];
            match self.random.below(5) {
                0 if path.exists() => std::fs::remove_file(&path).unwrap(),
                // What others have, had, or will have: it goes and comes back.
                1 | 2 => {
                    let content = Random(1 + self.random.below(12) as u64).bytes(200_000);
                    std::fs::write(&path, content).unwrap();
                }
                _ => std::fs::write(&path, self.random.bytes(size)).unwrap(),
            }
        }
    }

    fn child(&self, words: &[&str]) -> Child {
        let words = [&[self.location.to_str().unwrap(), self.key.expose()], words].concat().join("\n");
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_works", "--quiet"]).env(CHILD, words);
        child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn round(&mut self) {
        let count = 1 + self.random.below(MACHINES);
        let start = self.random.below(MACHINES);
        let busy: Vec<usize> = (0..count).map(|number| (start + number) % MACHINES).collect();
        for machine in &busy {
            if self.random.below(5) != 0 {
                self.change(*machine);
            }
        }
        // One that is killed works on a tree of its own machine, which does nothing else.
        let idle = (start + count) % MACHINES;
        let victim = match self.random.below(4) {
            0 if count < MACHINES => {
                self.change(idle);
                let tree = self.trees[idle].to_str().unwrap().to_owned();
                Some(self.child(&[&tree, &idle.to_string()]))
            }
            1 => Some(self.child(&["prune"])),
            _ => None,
        };
        let life = Duration::from_micros(self.random.next() % 900_000);
        let forgets = self.random.below(3) == 0;
        let keep = Policy { last: Count::Some(1 + self.random.below(3) as u32), ..Policy::default() };
        let with_restic = self.random.below(6) == 0;
        let World { location, key, trees, machines, keeper, .. } = &*self;
        let over = AtomicBool::new(false);
        let (results, prunes, gone, killed) = std::thread::scope(|scope| {
            let backups: Vec<_> = busy
                .iter()
                .map(|machine| scope.spawn(|| save(&machines[*machine], &trees[*machine], *machine)))
                .collect();
            let pruning = scope.spawn(|| {
                let mut all = vec![];
                while !over.load(Ordering::SeqCst) || all.is_empty() {
                    all.push(keeper.prune(&eager(), &Quiet));
                }
                all
            });
            let restic = scope.spawn(|| with_restic.then(|| restic(location, key, &["prune", "--max-unused", "0"])));
            let forgetting = scope.spawn(|| {
                let mut gone = vec![];
                if forgets {
                    for group in machines[0].groups().unwrap() {
                        let fates = group.fates(&keep).into_iter().filter(|fate| fate.reasons.is_empty());
                        gone.extend(fates.map(|fate| fate.snapshot));
                    }
                    if let Err(error) = machines[0].forget(&gone) {
                        assert!(
                            matches!(error, ArchiveError::Locked { .. } | ArchiveError::LockLost { .. }),
                            "{error}"
                        );
                        gone.clear();
                    }
                }
                gone
            });
            let killed = victim.is_some_and(|mut victim| {
                let deadline = Instant::now() + life;
                while Instant::now() < deadline && victim.try_wait().unwrap().is_none() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let _ = victim.kill();
                !victim.wait().unwrap().success()
            });
            let results: Vec<_> = backups.into_iter().map(|backup| backup.join().unwrap()).collect();
            let gone = forgetting.join().unwrap();
            if let Some((pruned, reported)) = restic.join().unwrap() {
                assert!(pruned || reported.contains("already locked"), "{reported}");
            }
            over.store(true, Ordering::SeqCst);
            (results, pruning.join().unwrap(), gone, killed)
        });
        self.counts.killed += u64::from(killed);
        self.counts.forgotten += gone.len() as u64;
        self.done.retain(|done| !gone.iter().any(|snapshot| snapshot.id == done.id));
        for (machine, result) in busy.iter().zip(results) {
            match result {
                Ok(id) => {
                    self.counts.backups += 1;
                    if !gone.iter().any(|snapshot| snapshot.id == id) {
                        self.done.push(Done { id, model: model(&self.trees[*machine]) });
                    }
                }
                Err(ArchiveError::Locked { exclusive: true, .. }) if with_restic => self.counts.refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
        for pruned in prunes {
            match pruned {
                Ok(report) => {
                    self.counts.prunes += 1;
                    self.counts.removed += report.removed.packs;
                    self.counts.put_back += report.put_back.packs;
                }
                // restic, or a prune that is to be killed.
                Err(ArchiveError::Locked { .. }) => self.counts.refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn check(&self, done: &Done) {
        let snapshot = self.keeper.find_snapshot(&done.id).unwrap();
        assert_eq!(wrong(&self.keeper, &snapshot, &done.model), None, "snapshot {}", &done.id[..8]);
    }

    fn all_is_well(&self, restic_arguments: &[&str]) {
        self.done.iter().for_each(|done| self.check(done));
        assert_eq!(self.keeper.verify(&Quiet).unwrap().problems, []);
        // What was killed left locks, and our own readers hold some.
        files_below(&self.location.join("locks")).iter().for_each(|lock| drop(std::fs::remove_file(lock)));
        let (whole, reported) = restic(&self.location, &self.key, restic_arguments);
        assert!(whole, "{reported}");
    }
}

#[test]
fn eight_machines_lose_nothing_while_the_repository_is_pruned() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = variable("LIFEBOAT_ROUNDS");
    let clock = jiff::Timestamp::now().as_nanosecond() as u64 | 1;
    let seed = variable("LIFEBOAT_SEED").unwrap_or(clock);
    println!("LIFEBOAT_SEED={seed}");
    let scratch = scratch();
    let location = scratch.path().join("repository");
    let (keeper, key) = repository(&location);
    let trees: Vec<PathBuf> = (0..MACHINES).map(|number| scratch.path().join(format!("tree{number}"))).collect();
    trees.iter().for_each(|tree| std::fs::create_dir(tree).unwrap());
    let machines = (0..MACHINES).map(|_| Repository::open(&location, &key).unwrap()).collect();
    let random = Random(seed);
    let mut world = World { location, key, trees, machines, keeper, done: vec![], random, counts: Counts::default() };
    let began = Instant::now();
    let mut round = 0;
    while rounds.map_or(round < ROUNDS && began.elapsed() < TIME, |rounds| round < rounds) {
        round += 1;
        world.round();
        println!("round {round}: {} snapshots, {:?}", world.done.len(), world.counts);
        for _ in 0..3 {
            if let Some(last) = world.done.len().checked_sub(1) {
                let any = world.random.below(last + 1);
                world.check(&world.done[any]);
            }
        }
        if round % 10 == 0 {
            world.all_is_well(&["check"]);
        }
    }
    world.all_is_well(&["check", "--read-data"]);
    // Now that nobody else is there, everything that is useless goes.
    for _ in 0..2 {
        world.keeper.prune(&eager(), &Quiet).unwrap();
    }
    let last = world.keeper.prune(&eager(), &Quiet).unwrap();
    assert_eq!((last.removed.packs, last.marked.packs, last.waiting.packs), (0, 0, 0), "{last:?}");
    world.all_is_well(&["check", "--read-data"]);
    println!("{round} rounds in {:?}: {:?}", began.elapsed(), world.counts);
}
