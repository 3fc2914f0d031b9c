//! Taking snapshots and freezing, looking after them, and releasing all of it.

use crate::choice::{Choice, Root, Way};
use crate::error::MomentError;
use crate::policy::{Snapshots, Use};
use crate::run::Run;
use crate::still::{self, Frozen};
use crate::subvolume::TopLevel;
use crate::volume::{self, VolumeSnapshot};
use lifeboat_sys::Runner;
use lifeboat_sys::freeze::Watched;
use lifeboat_sys::mount::{self, MountError};
use rustix::fd::{AsRawFd as _, OwnedFd};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

/// How long the filesystems of a group may be frozen together while their snapshots are taken. It takes a second.
const TOGETHER: Duration = Duration::from_secs(30);
/// Since this version device-mapper takes a snapshot of a filesystem that is frozen already (fs/super.c, FREEZE_MAY_NEST).
const NESTED_FREEZES: (u32, u32) = (6, 8);

/// Starts the keeper of the run with this name.
pub type Keeper<'a> = &'a dyn Fn(&str) -> std::io::Result<Child>;

/// What taking needs.
pub struct Context<'a, 'r> {
    /// Runs programs; one that signals to us do not end.
    pub runner: &'r dyn Runner,
    /// Where the runs have their files.
    pub folder: &'a Path,
    /// The root of the machine that is saved.
    pub sysroot: &'a Path,
    /// What is written to during the backup.
    pub written: &'a [PathBuf],
    /// Starts the process that removes what this one leaves, with the name of the run.
    pub keeper: Option<Keeper<'a>>,
    /// Gets what a person should know.
    pub warn: &'a dyn Fn(String),
}

/// What was taken. Dropped, it is released, silently.
pub struct Taken<'r> {
    runner: &'r dyn Runner,
    /// How each filesystem is read in the end.
    pub choices: Vec<Choice>,
    parts: Parts,
    keeper: Option<Child>,
    run: Option<Run>,
}

/// Takes what was chosen.
///
/// # Errors
/// When something that is required or asked for by name cannot be done; all is released then.
pub fn take<'r>(context: &Context<'_, 'r>, policy: &Snapshots, choices: Vec<Choice>) -> Result<Taken<'r>, MomentError> {
    let mut taken = Taken { runner: context.runner, choices, parts: Parts::default(), keeper: None, run: None };
    check(context.sysroot, context.written, policy, &taken.choices)?;
    let freezes = taken.choices.iter().any(|choice| choice.way == Way::Frozen);
    if !freezes && !taken.choices.iter().any(Choice::has_snapshot) {
        return Ok(taken);
    }
    let run = Run::begin(context.folder)?;
    if let Some(keeper) = context.keeper {
        taken.keeper = Some(
            keeper(run.id())
                .map_err(|error| MomentError::system("START what cleans up after", context.folder, error))?,
        );
    }
    let run = &*taken.run.insert(run);
    let mut work = Work { context, policy, run, number: 0 };
    work.all(&mut taken.choices, &mut taken.parts)?;
    Ok(taken)
}

/// Reports, before anything is done, what cannot be done as the policy wants it. `written` is what is written to during the backup.
///
/// # Errors
/// [`MomentError::Required`], [`MomentError::NotToBeFrozen`].
pub fn check(sysroot: &Path, written: &[PathBuf], policy: &Snapshots, choices: &[Choice]) -> Result<(), MomentError> {
    for choice in choices {
        match &choice.way {
            Way::Live { why, expected: true } if policy.when == Use::Required => return Err(required(choice, why)),
            Way::Frozen => still::allowed(&at(sysroot, choice.mount_point()), &choice.kind, written)?,
            Way::Live { .. } | Way::Volume { .. } | Way::Subvolumes => {}
        }
    }
    Ok(())
}

/// Where a path of the machine is for this process.
fn at(sysroot: &Path, path: &Path) -> PathBuf {
    sysroot.join(path.strip_prefix("/").unwrap_or(path))
}

fn required(choice: &Choice, why: &str) -> MomentError {
    MomentError::Required { path: choice.mount_point().to_owned(), why: why.to_owned() }
}

/// What has been made so far.
#[derive(Default)]
struct Parts {
    mounts: Vec<OwnedFd>,
    volumes: Vec<(VolumeSnapshot, PathBuf)>,
    tops: Vec<(TopLevel, Vec<String>)>,
    frozen: Option<(Frozen, Vec<PathBuf>)>,
    stand_ins: Vec<(PathBuf, PathBuf)>,
    excludes: Vec<PathBuf>,
}

struct Work<'w> {
    context: &'w Context<'w, 'w>,
    policy: &'w Snapshots,
    run: &'w Run,
    number: usize,
}

impl Work<'_> {
    fn all(&mut self, choices: &mut [Choice], parts: &mut Parts) -> Result<(), MomentError> {
        for choice in choices.iter_mut().filter(|choice| choice.way == Way::Subvolumes) {
            if let Err(error) = self.subvolumes(choice, parts) {
                self.failed(choice, error)?;
            }
        }
        let groups: BTreeSet<String> = choices
            .iter()
            .filter_map(|choice| match &choice.way {
                Way::Volume { group, .. } => Some(group.clone()),
                Way::Subvolumes | Way::Frozen | Way::Live { .. } => None,
            })
            .collect();
        for name in groups {
            let mut of_group: Vec<&mut Choice> = choices
                .iter_mut()
                .filter(|choice| matches!(&choice.way, Way::Volume { group, .. } if *group == name))
                .collect();
            self.group(&name, &mut of_group, parts)?;
        }
        let frozen: Vec<PathBuf> = choices
            .iter()
            .filter(|choice| choice.way == Way::Frozen)
            .map(|choice| choice.mount_point().to_owned())
            .collect();
        if !frozen.is_empty() {
            let places: Vec<PathBuf> = frozen.iter().map(|path| at(self.context.sysroot, path)).collect();
            let places: Vec<&Path> = places.iter().map(PathBuf::as_path).collect();
            parts.frozen = Some((Frozen::freeze(self.run, &places, self.policy.freeze_limit())?, frozen));
        }
        Ok(())
    }

    /// A snapshot that cannot be taken: the filesystem is read live, or the backup stops.
    fn failed(&self, choice: &mut Choice, error: MomentError) -> Result<(), MomentError> {
        let why = error.to_string();
        if self.policy.when == Use::Required {
            return Err(required(choice, &why));
        }
        (self.context.warn)(format!("{} is read live: {why}", choice.mount_point().display()));
        choice.way = Way::Live { why, expected: true };
        Ok(())
    }

    fn next(&mut self) -> usize {
        self.number += 1;
        self.number - 1
    }

    /// Snapshots of all subvolumes of a btrfs that belong to the machine, one right after another.
    fn subvolumes(&mut self, choice: &Choice, parts: &mut Parts) -> Result<(), MomentError> {
        let mut names = vec![];
        let top = TopLevel::open(Path::new(&choice.path))?;
        let result = self.snapshots(choice, &top, &mut names);
        if result.is_err() {
            // The filesystem is read live then, and would have them in it as a second copy of itself.
            names.retain(|name| top.remove(name).is_err());
        }
        let at_top = choice.roots.iter().filter(|root| root.subvolume.0.is_empty());
        parts.excludes.extend(at_top.flat_map(|root| names.iter().map(|name| root.at.join(name))));
        parts.tops.push((top, names));
        parts.stand_ins.extend(result?);
        Ok(())
    }

    /// Takes them; returns what is read instead of each root. `names` gets what may exist, whatever happens.
    fn snapshots(
        &mut self,
        choice: &Choice,
        top: &TopLevel,
        names: &mut Vec<String>,
    ) -> Result<Vec<(PathBuf, PathBuf)>, MomentError> {
        // The top level first: its snapshot then shows none of the others.
        let mut roots: Vec<&Root> = choice.roots.iter().collect();
        roots.sort_by(|one, other| one.subvolume.cmp(&other.subvolume));
        let mut stand_ins = vec![];
        let mut last: Option<(&Root, String)> = None;
        for root in roots {
            let name = match &last {
                Some((known, name)) if known.subvolume == root.subvolume => name.clone(),
                _ => {
                    let name = self.run.subvolume(self.next());
                    // Before it exists, so that it is removed whatever happens.
                    names.push(name.clone());
                    top.take(&root.subvolume, &name)?;
                    last = Some((root, name.clone()));
                    name
                }
            };
            stand_ins.push((root.at.clone(), top.path(&name)));
        }
        Ok(stand_ins)
    }

    /// Snapshots of the volumes of a group. Where there are several, all are frozen before the first is taken.
    fn group(&mut self, name: &str, choices: &mut [&mut Choice], parts: &mut Parts) -> Result<(), MomentError> {
        // The root is frozen last, and is the first that is free again.
        choices.sort_by_key(|choice| choice.mount_point() == Path::new("/"));
        let places: Vec<PathBuf> =
            choices.iter().map(|choice| at(self.context.sysroot, choice.mount_point())).collect();
        let mut together = None;
        if choices.len() > 1 {
            let places: Vec<&Path> = places.iter().map(PathBuf::as_path).collect();
            match can_nest().then(|| Frozen::freeze(self.run, &places, TOGETHER)) {
                Some(Ok(frozen)) => together = Some(frozen),
                Some(Err(error)) => self.not_together(name, &error.to_string()),
                None => self
                    .not_together(name, "this kernel takes no snapshots of frozen filesystems; Linux 6.8 and later do"),
            }
        }
        let mut failures = vec![];
        for (index, choice) in choices.iter().enumerate().rev() {
            let Way::Volume { group, volume, cow_bytes } = &choice.way else { continue };
            let snapshot =
                VolumeSnapshot { group: group.clone(), name: self.run.volume(self.next()), cow_bytes: *cow_bytes };
            // Before it exists, so that it is removed whatever happens.
            parts.volumes.push((snapshot.clone(), choice.mount_point().to_owned()));
            let result = self.context.runner.run(&snapshot.take(volume));
            if let Some(frozen) = &mut together {
                frozen.thaw_one(&places[index]);
            }
            match result {
                Ok(_) => {}
                Err(error) => failures.push((index, MomentError::from(error))),
            }
        }
        if together.is_some_and(|frozen| frozen.thaw() == Watched::Late) {
            self.not_together(name, "they were frozen for longer than 30 seconds, and were thawed");
        }
        // What is said may be written to a filesystem that was frozen until here.
        for (index, error) in failures {
            self.failed(choices[index], error)?;
        }
        for choice in choices.iter_mut() {
            let taken = parts.volumes.iter().find(|(_, at)| at == choice.mount_point()).map(|(snapshot, _)| snapshot);
            let (Way::Volume { .. }, Some(snapshot)) = (&choice.way, taken) else { continue };
            match mounted(&snapshot.device(), &choice.kind) {
                Ok(mount) => {
                    let place = PathBuf::from(format!("/proc/self/fd/{}/.", mount.as_raw_fd()));
                    parts.stand_ins.extend(choice.roots.iter().map(|root| (root.at.clone(), place.clone())));
                    parts.mounts.push(mount);
                }
                Err(error) => self.failed(choice, error.into())?,
            }
        }
        Ok(())
    }

    /// Each of them is consistent in itself, and where the kernel cannot do more, 'required' asks for no more.
    fn not_together(&self, group: &str, why: &str) {
        (self.context.warn)(format!("the snapshots in the volume group {group} are not of one moment: {why}"));
    }
}

/// Mounts a snapshot of a volume, read-only, without writing to it. Only btrfs has more than one way, and is read from subvolumes.
fn mounted(device: &Path, kind: &str) -> Result<OwnedFd, MountError> {
    mount::detached(device, kind, mount::read_only_options(kind).first().copied().unwrap_or(&["ro"]))
}

fn can_nest() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    version(&release).is_some_and(|version| version >= NESTED_FREEZES)
}

/// `6.12.43+deb13-amd64`: 6, 12.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

impl Taken<'_> {
    /// Which directory is read instead of the filesystem at a path.
    pub fn stand_ins(&self) -> &[(PathBuf, PathBuf)] {
        &self.parts.stand_ins
    }

    /// What is not the machine's: names that the snapshots have in it.
    pub fn excludes(&self) -> &[PathBuf] {
        &self.parts.excludes
    }

    /// Mount points that are read from snapshots, and those that are read live.
    pub fn mount_points(&self) -> (Vec<&Path>, Vec<&Path>) {
        let of = |snapshot: bool| {
            let chosen = self.choices.iter().filter(move |choice| choice.has_snapshot() == snapshot);
            chosen.flat_map(|choice| choice.roots.iter().map(|root| root.at.as_path())).collect()
        };
        (of(true), of(false))
    }

    /// After the reading: thaws what is frozen, and names the filesystems whose entries cannot be relied on, with the reason.
    pub fn faults(&mut self) -> Vec<(PathBuf, String)> {
        let mut found = vec![];
        if let Some((frozen, mount_points)) = self.parts.frozen.take()
            && frozen.thaw() == Watched::Late
        {
            let why = "it was thawed before it was read as a whole, for 'freeze_seconds' were over; its files may be of different moments";
            found.extend(mount_points.into_iter().map(|path| (path, why.to_owned())));
        }
        let snapshots: Vec<VolumeSnapshot> = self.parts.volumes.iter().map(|(snapshot, _)| snapshot.clone()).collect();
        let read = |snapshot: &VolumeSnapshot| {
            let at = self.parts.volumes.iter().find(|(known, _)| known == snapshot).map(|(_, at)| at);
            at.filter(|at| self.choices.iter().any(|choice| choice.has_snapshot() && choice.mount_point() == *at))
        };
        match volume::faults(self.runner, &snapshots) {
            Ok(faults) => {
                for (name, why) in faults {
                    let snapshot = snapshots.iter().find(|snapshot| snapshot.full_name() == name);
                    if let Some(at) = snapshot.and_then(read) {
                        found.push((at.clone(), format!("cannot RELY on what was read here: {why}")));
                    }
                }
            }
            Err(error) => {
                let why = format!("cannot CHECK whether its snapshot overflowed: {error}");
                found.extend(snapshots.iter().filter_map(read).map(|at| (at.clone(), why.clone())));
            }
        }
        found
    }

    /// Releases all; returns what could not be removed.
    pub fn release(mut self) -> Vec<String> {
        self.let_go()
    }

    fn let_go(&mut self) -> Vec<String> {
        drop(self.parts.frozen.take());
        self.parts.mounts.clear();
        let mut problems = vec![];
        for (snapshot, _) in self.parts.volumes.drain(..).rev() {
            if let Err(error) = volume::remove(self.runner, &snapshot) {
                problems.push(format!("the snapshot {} was left: {error}", snapshot.full_name()));
            }
        }
        for (top, names) in self.parts.tops.drain(..) {
            for name in names.iter().rev() {
                if let Err(error) = top.remove(name) {
                    problems.push(format!("the snapshot {name} was left: {error}"));
                }
            }
        }
        self.run = None;
        if let Some(mut keeper) = self.keeper.take() {
            // It has nothing left to do, unless something was left.
            if problems.is_empty()
                && let Some(mut line) = keeper.stdin.take()
            {
                let _ = line.write_all(b"d");
            }
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        problems
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for problem in self.let_go() {
            tracing::warn!("{problem}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("6.12.43+deb13-amd64"), Some((6, 12)));
        assert_eq!(version("7.0-rc1"), Some((7, 0)));
        assert_eq!(version("x"), None);
    }
}
