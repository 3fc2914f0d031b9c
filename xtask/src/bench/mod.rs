//! `make bench`: whole programs against each other, in the same run on the same tree, several rounds in turn, medians;
//! then the rescue image and its boot.
//!
//! | module | holds |
//! | --- | --- |
//! | [`measure`] | one run: wall time and peak memory |
//! | [`contest`] | the programs and their calls |
//! | [`tree`] | the tree: a real Debian root |
//! | [`disk`] | fresh filesystems to restore to |
//! | [`folder`] | folders to work in |
//! | [`million`] | a million empty files |
//! | [`image`] | building the rescue image, booting it |
//! | [`kernel`] | the kernel's time to /init, compared with an empty initramfs |
//! | [`mounted`] | copying out of an archive that is shown as a folder |
//! | [`paired`] | an earlier revision against this one; nested folders against tar |
//! | [`planning`] | planning for many disks and volumes |
//! | [`together`] | steps of a recovery at the same time |
//! | [`report`] | report.json, the tables, the limits |

mod contest;
mod disk;
mod folder;
mod image;
mod kernel;
mod measure;
mod million;
mod mounted;
mod paired;
mod planning;
mod report;
mod together;
mod tree;

use crate::workspace;
use anyhow::{Context as _, bail};
use contest::{Contestant, Place};
use folder::empty;
use measure::{Measured, median};
use report::{Report, Seconds};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Rounds; each program runs once in each
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only these programs: lifeboat, stream, tar_zstd_t2, tar_zstd, restic, borg, cp; may be repeated
    #[arg(long, value_name = "PROGRAM")]
    only: Vec<String>,
    /// Measure with this tree instead of a Debian root; it is only read
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Leave the comparison with other programs out
    #[arg(long)]
    no_contest: bool,
    /// Leave the million files out
    #[arg(long)]
    no_million: bool,
    /// Leave the rescue image and its boot out
    #[arg(long)]
    no_image: bool,
    /// Build the rescue image, but do not boot it
    #[arg(long)]
    no_boot: bool,
    /// Only compare with this revision of Lifeboat, which is built for it
    #[arg(long, value_name = "REVISION")]
    base: Option<String>,
    /// Exit with 0 even when a limit is missed
    #[arg(long)]
    lenient: bool,
}

/// Measures, prints the table and writes report.json.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let directory = workspace::scratch("bench")?;
    let tree = match &options.tree {
        Some(tree) => tree.clone(),
        None => tree::make(&directory)?,
    };
    let (entries, bytes) = tree::count(&tree)?;
    println!(
        "{}: {entries} entries, {:.2} GB; {} rounds, warm cache",
        tree.display(),
        bytes as f64 / 1e9,
        options.rounds
    );
    if options.tree.is_none() && (entries < 25_000 || bytes < 1_000_000_000) {
        bail!("the tree is smaller than a fair comparison needs: 25,000 entries and 1 GB");
    }
    let mut report = match options.no_contest || options.base.is_some() {
        true => Report::default(),
        false => compare(options, &directory, &tree, (entries, bytes))?,
    };
    if let Some(revision) = &options.base {
        let base = paired::build(&directory, revision)?;
        report.paired = Some(paired::measure(&directory, &tree, &base, options.rounds)?);
    }
    if options.base.is_none() {
        report.planning = Some(planning::measure(&directory)?);
        report.together = Some(together::measure(&directory)?);
    }
    if !options.no_million && options.base.is_none() {
        report.million_files = Some(million::measure(&directory)?);
    }
    if !options.no_image && options.base.is_none() {
        report.image = Some(image::build(&directory, &tree)?);
        report.boot = if options.no_boot { None } else { Some(image::boot(&directory, &tree)?) };
    }
    report.judge();
    let path = directory.join("report.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("cannot WRITE {}", path.display()))?;
    println!("\n{}\nwritten to {}", report.table(), path.display());
    let missed = report.missed();
    if missed > 0 && !options.lenient {
        bail!("{missed} of {} limits are missed", report.limits.len());
    }
    Ok(())
}

/// Runs of one contest, by program.
type Runs = BTreeMap<&'static str, Vec<Measured>>;

fn compare(options: &Options, directory: &Path, tree: &Path, size: (u64, u64)) -> anyhow::Result<Report> {
    let contestants: Vec<&Contestant> = contest::ALL
        .iter()
        .filter(|c| options.only.is_empty() || options.only.iter().any(|name| name == c.name))
        .collect();
    let [mut first, mut second, mut restore, mut copy] = std::array::from_fn(|_| Runs::new());
    let work = directory.join("work");
    for round in 0..options.rounds as usize {
        empty(&work)?;
        std::fs::write(work.join("machine.json"), tree::machine(tree)?.to_json())?;
        // Each round begins with another program, so that none always follows the same one.
        let turn = round % contestants.len().max(1);
        for contestant in contestants[turn..].iter().chain(&contestants[..turn]) {
            let fresh = disk::Fresh::ext4(&work, size.1 * 2 + (2 << 30))?;
            let place = Place {
                tree: tree.to_owned(),
                own: work.join(contestant.name),
                restored: fresh.folder()?,
                lifeboat: workspace::program("lifeboat")?,
            };
            empty(&place.own)?;
            let log = directory.join(format!("{}.log", contestant.name));
            if let Some(prepare) = (contestant.prepare)(&place) {
                prepare.measure(&log)?;
            }
            if let Some(backup) = contestant.backup {
                for (runs, what) in [(&mut first, "first backup"), (&mut second, "second backup")] {
                    timed(runs, contestant.name, what, tree, || backup(&place).measure(&log))?;
                }
            }
            let from = if contestant.backup.is_some() { place.own.as_path() } else { tree };
            timed(&mut restore, contestant.name, "restore", from, || (contestant.restore)(&place).measure(&log))?;
            whole(contestant.name, &place.restored, size)?;
            drop(fresh);
            if let Some(mount) = &contestant.mount {
                let fresh = disk::Fresh::ext4(&work, size.1 * 2 + (2 << 30))?;
                fresh.folder()?;
                timed(&mut copy, contestant.name, "cp from mount", from, || mounted::copy(mount, &place, &log))?;
                whole(contestant.name, &place.restored, size)?;
            }
            empty(&place.own)?;
        }
    }
    std::fs::remove_dir_all(&work).with_context(|| format!("cannot REMOVE {}", work.display()))?;
    let ours = [&first, &second, &restore, &copy].map(|runs| runs.get("lifeboat"));
    let peak = ours.into_iter().flatten().flatten();
    Ok(Report {
        peak_memory_bytes: peak.map(|run| run.peak_memory_bytes).max().unwrap_or(0),
        first_backup: medians(&first),
        second_backup: medians(&second),
        restore: medians(&restore),
        copy_from_mount: medians(&copy),
        ..Report::default()
    })
}

/// Nothing is missing from what came back.
fn whole(name: &str, restored: &Path, size: (u64, u64)) -> anyhow::Result<()> {
    let (entries, bytes) = tree::count(restored)?;
    if (entries, bytes) != size {
        bail!("{name} restored {entries} entries with {bytes} bytes instead of {} with {}", size.0, size.1);
    }
    Ok(())
}

fn timed(
    runs: &mut Runs,
    name: &'static str,
    what: &str,
    reads: &Path,
    run: impl FnOnce() -> anyhow::Result<Measured>,
) -> anyhow::Result<()> {
    // The same for all: what they read is in the page cache, and what others wrote is not flushed in their time.
    tree::warm(reads)?;
    std::process::Command::new("sync").status().context("cannot RUN sync")?;
    let measured = run()?;
    println!(
        "{name:<11} {what:<14} {:>7.2} s {:>6.0} MiB",
        measured.seconds,
        measured.peak_memory_bytes as f64 / (1024.0 * 1024.0)
    );
    runs.entry(name).or_default().push(measured);
    Ok(())
}

fn medians(runs: &Runs) -> Seconds {
    runs.iter().map(|(name, runs)| (*name, median(&runs.iter().map(|run| run.seconds).collect::<Vec<_>>()))).collect()
}
