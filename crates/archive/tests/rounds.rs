//! Random rounds on one repository: two machines whose trees and clocks change, restic's prune and forget, backups that are killed or run
//! beside each other and beside a prune, files that get lost, cut short or flipped. Whatever happens: a snapshot that was reported as done
//! is readable, unless a file that it needs was damaged here, and then `verify` names that file, and the next backups store again what
//! their machines still have.
//!
//! `LIFEBOAT_ROUNDS=300` runs so many; without it the test ends after some rounds, or some time on a busy machine.
//! `LIFEBOAT_SEED` repeats a run.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::models::{Model, Random, model, wrong};
use common::{files_below, machine_manifest, machine_request, repository, restic, scratch};
use lifeboat_archive::{ArchiveError, FileTree, Observer, Owner, Quiet, Repository, Secret};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Rounds without the variable, and the time after which they end.
const ROUNDS: u32 = 60;
const TIME: Duration = Duration::from_secs(45);
/// Set for the child that is to be killed.
const CHILD: &str = "LIFEBOAT_ROUNDS_CHILD";

const MACHINES: [&str; 2] = ["machine-0", "machine-1"];
const DAY: i64 = 24 * 3600;

/// A snapshot that was reported as done, and what it must hold.
struct Done {
    id: String,
    machine: usize,
    model: Model,
    /// How often its machine's tree had changed by then.
    changes: u32,
}

struct World {
    location: PathBuf,
    key: Secret,
    trees: [PathBuf; 2],
    changes: [u32; 2],
    done: Vec<Done>,
    random: Random,
    killed: u32,
    refused: u32,
    healed: u32,
    lost: u32,
}

fn save(location: &Path, key: &Secret, tree: &Path, machine: usize, clock: i64) -> Result<String, ArchiveError> {
    let repository = Repository::open(location, key)?;
    let (source, id) = (FileTree::new(tree), MACHINES[machine]);
    let manifest = machine_manifest(id, "one name for both");
    let mut request = machine_request(&source, id, "one name for both", &manifest);
    request.started = Some(jiff::Timestamp::now() + jiff::SignedDuration::from_secs(clock));
    let report = repository.backup(&request, &Quiet as &dyn Observer)?;
    assert_eq!(report.problems, []);
    Ok(report.snapshot)
}

/// What the child runs; by itself it has nothing to do.
#[test]
fn child_backs_up() {
    let Ok(words) = std::env::var(CHILD) else { return };
    let words: Vec<&str> = words.split('\n').collect();
    let [location, key, tree, machine] = words[..] else { panic!("{words:?}") };
    save(Path::new(location), &Secret::new(key), Path::new(tree), machine.parse().unwrap(), 0).unwrap();
}

impl World {
    fn open(&self) -> Repository {
        Repository::open(&self.location, &self.key).unwrap()
    }

    fn change(&mut self, machine: usize) {
        let tree = self.trees[machine].clone();
        self.changes[machine] += 1;
        for _ in 0..1 + self.random.below(6) {
            let path = tree.join(format!("d{}/f{}", self.random.below(4), self.random.below(5)));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let size = [0, 10, 4000, 300_000, 3_000_000][self.random.below(5)];
            match self.random.below(4) {
                0 if path.exists() => std::fs::remove_file(&path).unwrap(),
                // What both machines have.
                1 => std::fs::write(&path, vec![self.random.below(3) as u8; size]).unwrap(),
                _ => std::fs::write(&path, self.random.bytes(size)).unwrap(),
            }
        }
    }

    fn done(&mut self, machine: usize, result: Result<String, ArchiveError>) {
        match result {
            Ok(id) => {
                let model = model(&self.trees[machine]);
                let repository = self.open();
                let latest = repository.latest_of(&Owner::new(MACHINES[machine], "")).unwrap();
                assert_eq!(latest.id, id, "the latest is the one that was written last");
                assert_eq!(wrong(&repository, &latest, &model), None, "just reported as done");
                self.done.push(Done { id, machine, model, changes: self.changes[machine] });
            }
            Err(ArchiveError::Locked { .. }) => self.refused += 1,
            Err(error) => panic!("{error}"),
        }
    }

    fn backup(&mut self, machine: usize) {
        let clock = [0, 0, 0, 0, 3600, 3650 * DAY, -15_000 * DAY][self.random.below(7)];
        let result = save(&self.location, &self.key, &self.trees[machine], machine, clock);
        self.done(machine, result);
    }

    fn killed(&mut self, machine: usize) {
        let (location, tree) = (self.location.to_str().unwrap(), self.trees[machine].to_str().unwrap());
        let words = [location, self.key.expose(), tree, &machine.to_string()].join("\n");
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "child_backs_up", "--quiet"]).env(CHILD, words);
        let mut child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_micros(self.random.next() % 400_000);
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        if !child.wait().unwrap().success() {
            self.killed += 1;
        }
    }

    /// restic leaves what is locked by who died, as it should.
    fn restic(&mut self, arguments: &[&str]) {
        assert!(restic(&self.location, &self.key, &["unlock"]).0);
        let (succeeded, reported) = restic(&self.location, &self.key, arguments);
        assert!(succeeded, "{arguments:?}: {reported}");
        let left: Vec<String> = self.open().snapshots().unwrap().into_iter().map(|snapshot| snapshot.id).collect();
        self.done.retain(|done| left.contains(&done.id));
    }

    fn both(&mut self) {
        let (location, key, trees) = (&self.location, &self.key, &self.trees);
        let run = |machine: usize| save(location, key, &trees[machine], machine, 0);
        let (first, second) = std::thread::scope(|scope| {
            let first = scope.spawn(|| run(0));
            (run(1), first.join().unwrap())
        });
        self.done(1, first);
        self.done(0, second);
    }

    /// One of the two refuses, or neither: they may never have met.
    fn beside_a_prune(&mut self, machine: usize) {
        let (location, key, trees) = (&self.location, &self.key, &self.trees);
        let (result, pruned) = std::thread::scope(|scope| {
            let prune = scope.spawn(|| restic(location, key, &["prune"]));
            (save(location, key, &trees[machine], machine, 0), prune.join().unwrap())
        });
        assert!(pruned.0 || pruned.1.contains("already locked"), "{}", pruned.1);
        self.done(machine, result);
    }

    fn damage(&mut self) {
        let packs = files_below(&self.location.join("data"));
        let Some(pack) = packs.get(self.random.below(packs.len().max(1))) else { return };
        let name = pack.file_name().unwrap().to_str().unwrap()[..8].to_owned();
        let mut bytes = std::fs::read(pack).unwrap();
        let flipped = match self.random.below(4) {
            0 => {
                std::fs::remove_file(pack).unwrap();
                false
            }
            1 => {
                bytes.truncate(self.random.below(bytes.len()));
                std::fs::write(pack, &bytes).unwrap();
                false
            }
            _ => {
                let at = self.random.below(bytes.len());
                bytes[at] ^= 1 << self.random.below(8);
                std::fs::write(pack, &bytes).unwrap();
                true
            }
        };
        let repository = self.open();
        let problems = repository.verify(&Quiet).unwrap().problems;
        let broken = |done: &Done| {
            let snapshot = repository.find_snapshot(&done.id).unwrap();
            wrong(&repository, &snapshot, &done.model).is_some()
        };
        let lost: Vec<String> = self.done.iter().filter(|done| broken(done)).map(|done| done.id.clone()).collect();
        if !lost.is_empty() || flipped {
            assert!(problems.iter().any(|problem| problem.message.contains(&name)), "{name}: {problems:?}");
        }
        // Nothing but a verification reads all: a pack that it names is taken away, as the handbook says.
        if flipped {
            std::fs::remove_file(pack).unwrap();
        }
        drop(repository);
        for machine in [0, 1] {
            self.backup(machine);
        }
        let repository = self.open();
        self.done.retain(|done| {
            let snapshot = repository.find_snapshot(&done.id).unwrap();
            match wrong(&repository, &snapshot, &done.model) {
                None if lost.contains(&done.id) => self.healed += 1,
                None => {}
                Some(cause) => {
                    assert!(done.changes != self.changes[done.machine], "its machine has all of it still: {cause}");
                    self.lost += 1;
                    return false;
                }
            }
            true
        });
        // What is gone for good is forgotten, so that later damage is distinguished from it.
        let all = repository.snapshots().unwrap();
        drop(repository);
        let gone: Vec<&str> = all
            .iter()
            .filter(|snapshot| !self.done.iter().any(|done| done.id == snapshot.id))
            .map(|snapshot| snapshot.id.as_str())
            .collect();
        if !gone.is_empty() {
            self.restic(&[&["forget"], &gone[..]].concat());
        }
    }

    fn all_is_well(&self) {
        let repository = self.open();
        for done in &self.done {
            let snapshot = repository.find_snapshot(&done.id).unwrap();
            assert_eq!(wrong(&repository, &snapshot, &done.model), None, "snapshot {}", &done.id[..8]);
        }
    }
}

#[test]
fn no_snapshot_that_was_reported_as_done_is_ever_unreadable() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = variable("LIFEBOAT_ROUNDS");
    let clock = jiff::Timestamp::now().as_nanosecond() as u64 | 1;
    let seed = variable("LIFEBOAT_SEED").unwrap_or(clock);
    println!("LIFEBOAT_SEED={seed}");
    let scratch = scratch();
    let location = scratch.path().join("repository");
    let (_, key) = repository(&location);
    let trees = [0, 1].map(|number| scratch.path().join(format!("tree{number}")));
    trees.iter().for_each(|tree| std::fs::create_dir(tree).unwrap());
    let random = Random(seed);
    let mut world = World {
        location,
        key,
        trees,
        changes: [0; 2],
        done: vec![],
        random,
        killed: 0,
        refused: 0,
        healed: 0,
        lost: 0,
    };
    let began = Instant::now();
    let mut round = 0;
    while rounds.map_or(round < ROUNDS && began.elapsed() < TIME, |rounds| u64::from(round) < rounds) {
        round += 1;
        let machine = world.random.below(2);
        if world.random.below(4) != 0 {
            world.change(machine);
        }
        let operation = world.random.below(16);
        println!("round {round}: operation {operation}, {} snapshots", world.done.len());
        match operation {
            0..=4 => world.backup(machine),
            5 | 6 => world.killed(machine),
            7 => world.restic(&["prune", "--max-unused", "0"]),
            8 | 9 => {
                let keep = (2 + world.random.below(5)).to_string();
                world.restic(&["forget", "--group-by", "host", "--keep-last", &keep, "--prune"]);
            }
            10 | 11 => world.both(),
            12 => world.beside_a_prune(machine),
            _ => world.damage(),
        }
        if let Some(any) = world.done.len().checked_sub(1).map(|last| world.random.below(last + 1)) {
            let (repository, done) = (world.open(), &world.done[any]);
            let snapshot = repository.find_snapshot(&done.id).unwrap();
            assert_eq!(wrong(&repository, &snapshot, &done.model), None, "snapshot {}", &done.id[..8]);
        }
        if round % 10 == 0 {
            world.all_is_well();
        }
    }
    world.all_is_well();
    println!(
        "{round} rounds in {:?}: {} killed, {} refused by locks, {} snapshots healed, {} lost with what only they had",
        began.elapsed(),
        world.killed,
        world.refused,
        world.healed,
        world.lost
    );
}
