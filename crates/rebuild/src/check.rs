//! [`check()`]: what the steps of a plan need, asked before the first of them.

use crate::context::Context;
use crate::error::RebuildError;
use crate::{trial, wipe};
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions};
use lifeboat_plan::Need;
use lifeboat_probe::{Bearer, ProbeError, bearers, mountable};
use lifeboat_sys::program::{
    BLKID, BTRFS, BTRFSTUNE, DUMPE2FS, MKE2FS, MKFS_BTRFS, MKFS_FAT, MKFS_XFS, MKSWAP, SFDISK, TUNE2FS, WIPEFS,
    XFS_ADMIN, XFS_DB,
};
use lifeboat_sys::{Program, RunError};
use std::path::Path;

/// Why a step would fail.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A program is not here.
    #[error(transparent)]
    Program(RunError),
    /// It cannot be made here, or something is in use.
    #[error(transparent)]
    Step(#[from] RebuildError),
    /// The kernel cannot mount what would be made.
    #[error(
        "cannot MOUNT {kind}: this kernel, {release}, has no driver for it; try a rescue medium that was made with the machine's own kernel"
    )]
    Driver {
        /// The type.
        kind: String,
        /// The kernel.
        release: String,
    },
    /// Something that stays connected bears the UUID.
    #[error(
        "cannot MAKE {kind} on {device} with its UUID {uuid}: {bearer} has the same UUID, so the two could not be \
         told apart; try unplugging {unplug}, or detaching it with 'echo 1 > /sys/block/{name}/device/delete', or \
         removing the UUID with 'wipefs --all {bearer}' if its content is not needed",
        name = .unplug.trim_start_matches("/dev/").replace('/', "!")
    )]
    Taken {
        /// The type.
        kind: String,
        /// Where it would be made.
        device: String,
        /// The UUID.
        uuid: String,
        /// Who bears it.
        bearer: String,
        /// What to unplug.
        unplug: String,
    },
    /// The hardware could not be read.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

/// Why a plan is not begun: all that its steps lack.
#[derive(Debug)]
pub struct NotReady(pub Vec<Problem>);

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reasons: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&reasons.join("; "))
    }
}

impl std::error::Error for NotReady {}

/// Asks for everything that the context's plan needs. Writes to no disk: filesystems are tried out in the scratch
/// directory.
///
/// # Errors
/// [`NotReady`] with each reason once.
pub fn check(context: &Context) -> Result<(), NotReady> {
    let mut checker = Checker { context, problems: vec![], bearers: None };
    for need in context.plan.steps.iter().flat_map(lifeboat_plan::Step::needs) {
        if let Err(problem) = checker.need(need) {
            checker.add(problem);
        }
    }
    if checker.problems.is_empty() { Ok(()) } else { Err(NotReady(checker.problems)) }
}

struct Checker<'c, 'a> {
    context: &'c Context<'a>,
    problems: Vec<Problem>,
    /// Read once, and only when something asks.
    bearers: Option<Vec<Bearer>>,
}

impl Checker<'_, '_> {
    fn add(&mut self, problem: Problem) {
        let text = problem.to_string();
        if !self.problems.iter().any(|known| known.to_string() == text) {
            self.problems.push(problem);
        }
    }

    fn need(&mut self, need: Need<'_>) -> Result<(), Problem> {
        match need {
            Need::Free { disk } => Ok(wipe::refuse_in_use(Path::new(disk))?),
            Need::Table { .. } => self.programs(&[SFDISK, WIPEFS, BLKID]),
            Need::Filesystem { filesystem, resized, .. } => {
                self.programs(makers(filesystem))?;
                Ok(trial::filesystem(self.context, filesystem, resized)?)
            }
            Need::Swap { swap } => {
                self.programs(&[MKSWAP, WIPEFS])?;
                Ok(trial::swap(self.context, swap)?)
            }
            Need::Subvolumes => self.programs(&[BTRFS]),
            Need::Driver { kind } => match !self.context.chroot_mounts || mountable(kind) {
                true => Ok(()),
                false => Err(Problem::Driver { kind: kind.to_owned(), release: release() }),
            },
            Need::Alone { uuid, kind, device } => self.alone(uuid, kind, device),
        }
    }

    fn programs(&self, programs: &[&'static Program]) -> Result<(), Problem> {
        match programs.iter().find(|program| !self.context.runner.has(program)) {
            None => Ok(()),
            Some(missing) => Err(Problem::Program(RunError::Missing { name: missing.name, package: missing.package })),
        }
    }

    fn alone(&mut self, uuid: &str, kind: &str, device: &str) -> Result<(), Problem> {
        // A FAT without serial number says nothing by it.
        if !self.context.chroot_mounts || uuid.chars().all(|c| matches!(c, '0' | '-')) {
            return Ok(());
        }
        if self.bearers.is_none() {
            let targets: Vec<&str> = self.context.plan.targets.iter().map(|target| target.path.as_str()).collect();
            self.bearers = Some(bearers(self.context.runner, &targets)?);
        }
        let known = self.bearers.iter().flatten();
        match known.into_iter().find(|bearer| bearer.uuid.eq_ignore_ascii_case(uuid)) {
            None => Ok(()),
            Some(bearer) => {
                let unplug = bearer.disk.clone().unwrap_or_else(|| bearer.path.clone());
                Err(Problem::Taken {
                    kind: kind.to_owned(),
                    device: device.to_owned(),
                    uuid: uuid.to_owned(),
                    bearer: bearer.path.clone(),
                    unplug,
                })
            }
        }
    }
}

/// The programs that make a filesystem and read it back.
fn makers(filesystem: &Filesystem) -> &'static [&'static Program] {
    match &filesystem.options {
        FilesystemOptions::Ext(_) => &[MKE2FS, TUNE2FS, DUMPE2FS],
        FilesystemOptions::Xfs(xfs) if xfs.metadata_uuid.is_some() => &[MKFS_XFS, XFS_DB, XFS_ADMIN],
        FilesystemOptions::Xfs(_) => &[MKFS_XFS, XFS_DB],
        FilesystemOptions::Vfat(_) => &[MKFS_FAT],
        FilesystemOptions::Btrfs(btrfs) if btrfs.metadata_uuid.is_some() => &[MKFS_BTRFS, BTRFS, BTRFSTUNE],
        FilesystemOptions::Btrfs(_) => &[MKFS_BTRFS, BTRFS],
    }
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}
