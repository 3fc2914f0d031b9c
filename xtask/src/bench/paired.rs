//! Lifeboat against an earlier revision of itself: the same tree, in turn, in one run; and nested folders, against tar.
//!
//! The ratios of successive runs are compared, so that a machine that is slow for a while is slow for both.

use super::folder::empty;
use super::measure::{Call, median};
use super::report::{Limit, Paired};
use super::{disk, tree};
use crate::workspace;
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How much slower a change may make it.
const LIMIT: f64 = 1.05;
/// How many folders are nested, and how much longer than tar that may take.
const DEPTH: usize = 4000;
const DEEP_LIMIT: f64 = 2.0;
/// So many such chains, so that what a program does once weighs little.
const CHAINS: usize = 25;

/// Builds the revision's `lifeboat` in a work tree of its own below `directory`; once for each commit.
pub fn build(directory: &Path, revision: &str) -> anyhow::Result<PathBuf> {
    let git = |arguments: &[&str]| -> anyhow::Result<String> {
        let output =
            Command::new("git").args(["-c", "safe.directory=*", "-C"]).arg(workspace::top()).args(arguments).output();
        let output = output.context("cannot RUN git")?;
        if !output.status.success() {
            bail!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")])?;
    let (source, target) = (directory.join(format!("base-{commit}")), directory.join(format!("base-{commit}-target")));
    let program = target.join("release/lifeboat");
    if program.is_file() {
        return Ok(program);
    }
    if !source.is_dir() {
        git(&["worktree", "prune"])?;
        git(&["worktree", "add", "--detach", &source.to_string_lossy(), &commit])?;
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "-p", "lifeboat"]).current_dir(&source);
    let status = cargo.env("CARGO_TARGET_DIR", &target).status().context("cannot RUN cargo")?;
    if !status.success() {
        bail!("cannot BUILD {revision}: cargo ended with {status}");
    }
    git(&["worktree", "remove", "--force", &source.to_string_lossy()])?;
    Ok(program)
}

/// One of the two programs.
struct Program<'a> {
    path: &'a Path,
    /// `backup` creates a repository only when it is asked to.
    init: bool,
}

impl Program<'_> {
    fn new(path: &Path) -> anyhow::Result<Program<'_>> {
        let help = Command::new(path).args(["backup", "--help"]).output();
        let help = help.with_context(|| format!("cannot RUN {}", path.display()))?;
        Ok(Program { path, init: String::from_utf8_lossy(&help.stdout).contains("--init") })
    }

    fn call(&self, own: &Path, words: &[&str]) -> Call {
        Call::new(self.path).args(words).args(["--key-file".as_ref(), own.join("key").as_os_str()])
    }

    fn backup(&self, own: &Path, tree: &Path, first: bool) -> Call {
        let words: &[&str] = if first && self.init { &["backup", "--init"] } else { &["backup"] };
        self.call(own, words)
            .args(["--to".as_ref(), own.join("repository").as_os_str()])
            .args(["--sysroot".as_ref(), tree.as_os_str()])
            .args(["--machine".as_ref(), own.with_file_name("machine.json").as_os_str()])
    }
}

/// Measures both programs in turn for as many rounds.
pub fn measure(directory: &Path, tree: &Path, base: &Path, rounds: u32) -> anyhow::Result<Paired> {
    let ours = workspace::program("lifeboat")?;
    let programs = [Program::new(&ours)?, Program::new(base)?];
    let (_, bytes) = tree::count(tree)?;
    let work = directory.join("paired");
    let log = directory.join("paired.log");
    let mut seconds: [[Vec<f64>; 2]; 3] = Default::default();
    for round in 0..rounds as usize {
        empty(&work)?;
        fs::write(work.join("machine.json"), machine(tree)?)?;
        for turn in 0..2 {
            let number = (round + turn) % 2;
            let (program, own) = (&programs[number], work.join("own"));
            empty(&own)?;
            program.call(&own, &["key", "create"]).measure(&log)?;
            let fresh = disk::Fresh::ext4(&work, bytes * 2 + (2 << 30))?;
            let restored = fresh.folder()?;
            let restore = program.call(&own, &["restore"]).args([
                "--from".as_ref(),
                own.join("repository").as_os_str(),
                "--to".as_ref(),
                restored.as_os_str(),
            ]);
            let calls = [program.backup(&own, tree, true), program.backup(&own, tree, false), restore];
            for (contest, call) in calls.iter().enumerate() {
                tree::warm(if contest < 2 { tree } else { &own })?;
                sync()?;
                seconds[contest][number].push(call.measure(&log)?.seconds);
            }
        }
        let last = |contest: usize, number: usize| seconds[contest][number].last().copied().unwrap_or(f64::NAN);
        for (contest, what) in ["first backup", "second backup", "restore"].iter().enumerate() {
            println!("{what:<14} {:>8.2} s, base {:>8.2} s", last(contest, 0), last(contest, 1));
        }
    }
    fs::remove_dir_all(&work).with_context(|| format!("cannot REMOVE {}", work.display()))?;
    let [first_backup, second_backup, restore] = seconds.map(|[ours, base]| ratio(&ours, &base));
    Ok(Paired { first_backup, second_backup, restore, deep: deep(directory, rounds)? })
}

/// The tree's description in format 1, which earlier revisions know, too: it has one disk and nothing newer.
fn machine(tree: &Path) -> anyhow::Result<String> {
    let mut machine: serde_json::Value = serde_json::from_slice(&tree::machine(tree)?.to_json())?;
    machine["format"] = 1.into();
    Ok(machine.to_string())
}

/// The median of the ratios of runs that belong together.
fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
}

/// A backup of nested folders, against tar; what each takes for an empty folder does not count.
fn deep(directory: &Path, rounds: u32) -> anyhow::Result<f64> {
    let work = directory.join("deep");
    // A path that long is removed by name only in parts, as make does it.
    if work.exists() {
        remove(&work)?;
    }
    let trees = [work.join("deep"), work.join("flat")];
    trees.iter().try_for_each(fs::create_dir_all).context("cannot MAKE folders")?;
    for chain in 0..CHAINS {
        make_chain(&trees[0].join(chain.to_string()))?;
    }
    let program = workspace::program("lifeboat")?;
    let program = Program::new(&program)?;
    let (own, log) = (work.join("own"), directory.join("deep.log"));
    fs::write(work.join("machine.json"), tree::machine(&trees[1])?.to_json())?;
    let mut ratios = vec![];
    for _ in 0..rounds {
        let mut seconds = [[0.0; 2]; 2];
        for (number, tree) in trees.iter().enumerate() {
            empty(&own)?;
            program.call(&own, &["key", "create"]).measure(&log)?;
            sync()?;
            seconds[0][number] = program.backup(&own, tree, true).measure(&log)?.seconds;
            let tar = Call::pipeline("tar --xattrs --acls --numeric-owner -C \"$1\" -cf - . | zstd -q -3 >\"$2\"");
            let tar = tar.args([tree.as_os_str(), work.join("tree.tar.zst").as_os_str()]);
            sync()?;
            seconds[1][number] = tar.measure(&log)?.seconds;
        }
        let [ours, tar] = seconds.map(|[deep, flat]| deep - flat);
        println!("{CHAINS} times {DEPTH} folders in each other {ours:>8.2} s, tar {tar:>8.2} s");
        ratios.push(ours / tar);
    }
    remove(&work)?;
    Ok(median(&ratios))
}

/// Creates nested folders, each from the one above: their whole path is longer than a system call takes.
fn make_chain(top: &Path) -> anyhow::Result<()> {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    let failed = || format!("cannot MAKE folders in {}", top.display());
    fs::create_dir_all(top).with_context(failed)?;
    let mut at: rustix::fd::OwnedFd = fs::File::open(top).with_context(failed)?.into();
    for _ in 0..DEPTH {
        mkdirat(&at, "d", Mode::RWXU).with_context(failed)?;
        at = openat(&at, "d", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).with_context(failed)?;
    }
    Ok(())
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    let status = Command::new("rm").arg("-rf").arg(folder).status().context("cannot RUN rm")?;
    if status.success() { Ok(()) } else { bail!("cannot REMOVE {}", folder.display()) }
}

fn sync() -> anyhow::Result<()> {
    Command::new("sync").status().map(drop).context("cannot RUN sync")
}

impl Paired {
    /// The limits of what changed.
    pub fn limits(&self) -> Vec<Limit> {
        let base = |what: &str, ratio| Limit::new(format!("{what} / the base's"), LIMIT, ratio, "x");
        vec![
            base("first backup", self.first_backup),
            base("second backup", self.second_backup),
            base("restore", self.restore),
            Limit::new(format!("{DEPTH} folders deep / tar's"), DEEP_LIMIT, self.deep, "x"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_runs_that_belong_together() {
        // The machine was slow in the second round, for both.
        assert_eq!(ratio(&[1.0, 20.0, 1.0], &[1.0, 10.0, 1.25]), 1.0);
        let paired = Paired { first_backup: 1.05, second_backup: 1.06, restore: 0.9, deep: 1.9 };
        let missed: Vec<String> = paired.limits().into_iter().filter(|limit| !limit.ok).map(|l| l.what).collect();
        assert_eq!(missed, ["second backup / the base's"]);
    }

    #[test]
    fn the_description_is_one_that_earlier_revisions_read() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let text = machine(folder.path()).unwrap();
        assert!(text.contains(r#""format":1"#) && !text.contains("groups") && !text.contains("boot_label"), "{text}");
        lifeboat_machine::Machine::from_json(text.as_bytes()).unwrap();
    }

    #[test]
    fn chains_are_deeper_than_paths_can_be() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let chain = folder.path().join("chain");
        make_chain(&chain).unwrap();
        let found = Command::new("find").arg(&chain).args(["-printf", "x"]).output().unwrap();
        assert_eq!(found.stdout.len(), DEPTH + 1);
        remove(&chain).unwrap();
    }
}
