//! [`check()`]: what the steps of a plan need, asked before the first of them.

use crate::context::Context;
use crate::error::RebuildError;
use crate::{trial, wipe};
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions};
use lifeboat_machine::layout::{Array, ArrayMetadata, CacheKind, LuksHeader, Volume, VolumeGroup, VolumeShape};
use lifeboat_plan::Need;
use lifeboat_probe::{Bearer, ProbeError, bearers, has_module, has_raid_level, mountable};
use lifeboat_storage::{Blocks, luks, lvm};
use lifeboat_sys::program::{
    BLKID, BTRFS, BTRFSTUNE, CRYPTSETUP, DUMPE2FS, LVM, MDADM, MKE2FS, MKFS_BTRFS, MKFS_FAT, MKFS_XFS, MKSWAP, SFDISK,
    TUNE2FS, WIPEFS, XFS_ADMIN, XFS_DB,
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
    /// The kernel lacks the driver for a level of RAID or a kind of volume.
    #[error(
        "cannot MAKE storage of the kind {level}: this kernel, {release}, has no driver for it; try a rescue medium that was made with \
         the machine's own kernel"
    )]
    Level {
        /// The level, or the kernel's module.
        level: &'static str,
        /// The kernel.
        release: String,
    },
    /// The kernel lacks a cipher.
    #[error(
        "cannot OPEN a LUKS device with the cipher {cipher}: this kernel, {release}, does not have it; try a rescue medium that was made \
         with the machine's own kernel"
    )]
    Cipher {
        /// As cryptsetup names it.
        cipher: String,
        /// The kernel.
        release: String,
    },
    /// Another volume group of the name stays connected.
    #[error(
        "cannot MAKE the volume group {group}: {device} belongs to another group of that name, and nobody could tell their volumes apart; unplug \
         {disk}, or give the other group another name (vgrename)"
    )]
    GroupTaken {
        /// The name.
        group: String,
        /// A physical volume of the other one.
        device: String,
        /// Its disk.
        disk: String,
    },
    /// The restored system's kernel would not assemble what this one makes.
    #[error(
        "cannot MAKE a {level} array: what this kernel, {made}, writes to an array is not assembled by kernels up to 6.18, and the \
         restored system starts {restored}; try a rescue medium that was made with that kernel"
    )]
    OlderKernel {
        /// The level.
        level: &'static str,
        /// The kernel here.
        made: String,
        /// The kernel of the restored system.
        restored: String,
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
    /// A part of what the machine no longer has stays connected.
    #[error(
        "cannot LEAVE OUT {what}: {bearer} is a part of it, and the restored system would find its filesystems twice; try unplugging \
         {unplug}, or 'wipefs --all {bearer}' if its content is not needed"
    )]
    Remains {
        /// What.
        what: String,
        /// The part.
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
            Need::Filesystem { filesystem, resized, further, .. } => {
                self.programs(makers(filesystem))?;
                Ok(trial::filesystem(self.context, filesystem, resized, further)?)
            }
            Need::Array { array } => self.array(array),
            Need::Group { group } => {
                self.programs(&[LVM, WIPEFS, BLKID])?;
                self.only_group(group)
            }
            Need::Physical => self.programs(&[LVM, WIPEFS, BLKID]),
            Need::Volume { volume } => self.volume(volume),
            Need::Luks { header } => self.luks(header),
            Need::Key { uuid, device } => match self.context.secrets.key(uuid) {
                Some(_) => Ok(()),
                None => Err(RebuildError::Locked { device: device.to_owned() }.into()),
            },
            Need::Swap { swap } => {
                self.programs(&[MKSWAP, WIPEFS])?;
                Ok(trial::swap(self.context, swap)?)
            }
            Need::Subvolumes => self.programs(&[BTRFS]),
            Need::Driver { kind } => match !self.context.chroot_mounts || mountable(kind) {
                true => Ok(()),
                false => Err(Problem::Driver { kind: kind.to_owned(), release: release() }),
            },
            Need::Alone { uuid, kind, device } => self.alone(&uuid, kind, device),
            Need::Gone { uuid, what } => match self.bearer(&uuid)? {
                None => Ok(()),
                Some(bearer) => Err(Problem::Remains { what, unplug: bearer.unplug().to_owned(), bearer: bearer.path }),
            },
        }
    }

    fn programs(&self, programs: &[&'static Program]) -> Result<(), Problem> {
        match programs.iter().find(|program| !self.context.runner.has(program)) {
            None => Ok(()),
            Some(missing) => Err(Problem::Program(RunError::Missing { name: missing.name, package: missing.package })),
        }
    }

    /// mdadm is here, this kernel has the level, and the restored one assembles what this one makes.
    fn array(&self, array: &Array) -> Result<(), Problem> {
        self.programs(&[MDADM, WIPEFS, BLKID])?;
        if !self.context.chroot_mounts {
            return Ok(());
        }
        let level = array.level.name();
        if !has_raid_level(array.level) {
            return Err(Problem::Level { level, release: release() });
        }
        let (made, restored) = (release(), &self.context.machine.boot.kernel);
        if array.metadata != ArrayMetadata::V0_90 && is_locked_out(&made, restored) {
            return Err(Problem::OlderKernel { level, made, restored: restored.clone() });
        }
        Ok(())
    }

    /// cryptsetup and the kernel can open it, and the archive has its header.
    fn luks(&self, header: &LuksHeader) -> Result<(), Problem> {
        self.programs(&[CRYPTSETUP, WIPEFS])?;
        if self.context.chroot_mounts && !has_module("dm-crypt") {
            return Err(Problem::Level { level: "dm-crypt", release: release() });
        }
        let mut lacking = false;
        for call in luks::make::try_cipher(&header.cipher).iter().filter(|_| self.context.chroot_mounts) {
            lacking = luks::make::lacks_cipher(&self.context.runner.run(call).map_err(RebuildError::from)?);
            if !lacking {
                break;
            }
        }
        if lacking {
            return Err(Problem::Cipher { cipher: header.cipher.clone(), release: release() });
        }
        self.context.secrets.header(header)?;
        Ok(())
    }

    /// No other group of its name stays connected: the nodes of their volumes would be the same.
    fn only_group(&self, group: &VolumeGroup) -> Result<(), Problem> {
        if !self.context.chroot_mounts {
            return Ok(());
        }
        let groups = lvm::activate::list(self.context.runner).map_err(RebuildError::from)?;
        let blocks = Blocks::listed(Path::new("/sys")).map_err(RebuildError::from)?;
        let target = |path: &str| self.context.plan.targets.iter().any(|target| target.path == path);
        for device in groups.into_iter().filter(|other| other.name == group.name).flat_map(|other| other.volumes) {
            let disks = blocks.at(&device).map(|block| blocks.disks_under(&block.name)).unwrap_or_default();
            if !disks.iter().any(|disk| target(&disk.path)) {
                let disk = disks.first().map_or_else(|| device.clone(), |disk| disk.path.clone());
                return Err(Problem::GroupTaken { group: group.name.clone(), device, disk });
            }
        }
        Ok(())
    }

    /// The kernel has the device-mapper target.
    fn volume(&self, volume: &Volume) -> Result<(), Problem> {
        self.programs(&[LVM, WIPEFS])?;
        let missing = modules(&volume.shape).into_iter().find(|module| !has_module(module));
        match missing.filter(|_| self.context.chroot_mounts) {
            None => Ok(()),
            Some(level) => Err(Problem::Level { level, release: release() }),
        }
    }

    /// What stays connected and bears a UUID.
    fn bearer(&mut self, uuid: &str) -> Result<Option<Bearer>, Problem> {
        // A FAT without serial number says nothing by it.
        if !self.context.chroot_mounts || uuid.chars().all(|c| matches!(c, '0' | '-')) {
            return Ok(None);
        }
        if self.bearers.is_none() {
            let targets: Vec<&str> = self.context.plan.targets.iter().map(|target| target.path.as_str()).collect();
            self.bearers = Some(bearers(self.context.runner, &targets)?);
        }
        let mut known = self.bearers.iter().flatten();
        Ok(known.find(|bearer| bearer.uuid.eq_ignore_ascii_case(uuid)).cloned())
    }

    fn alone(&mut self, uuid: &str, kind: &str, device: &str) -> Result<(), Problem> {
        match self.bearer(uuid)? {
            None => Ok(()),
            Some(bearer) => Err(Problem::Taken {
                kind: kind.to_owned(),
                device: device.to_owned(),
                uuid: uuid.to_owned(),
                unplug: bearer.unplug().to_owned(),
                bearer: bearer.path,
            }),
        }
    }
}

/// The kernel's modules for a volume.
fn modules(shape: &VolumeShape) -> Vec<&'static str> {
    match shape {
        VolumeShape::Linear { .. } | VolumeShape::Striped { .. } => vec!["dm-mod"],
        VolumeShape::Raid { segment_type, .. } if segment_type == "mirror" => vec!["dm-mirror"],
        VolumeShape::Raid { integrity_block_bytes: Some(_), .. } => vec!["dm-raid", "dm-integrity"],
        VolumeShape::Raid { .. } => vec!["dm-raid"],
        VolumeShape::ThinPool { .. } | VolumeShape::Thin { .. } => vec!["dm-thin-pool"],
        VolumeShape::Cached { origin, cache } => {
            let cached: &[_] = match (cache.kind, cache.policy.as_deref()) {
                (CacheKind::Writecache, _) => &["dm-writecache"],
                (CacheKind::Pool | CacheKind::Volume, Some("smq")) => &["dm-cache", "dm-cache-smq"],
                (CacheKind::Pool | CacheKind::Volume, _) => &["dm-cache"],
            };
            modules(origin).into_iter().chain(cached.iter().copied()).collect()
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

/// An array with metadata 1.x that was written to by the first kernel is refused by the second: since 6.19 superblocks say the
/// logical block size, in a field that older ones take for damage (drivers/md/md.c; measured with 7.2 and 6.12).
fn is_locked_out(made: &str, restored: &str) -> bool {
    const LAST_WITHOUT: (u32, u32) = (6, 18);
    let series = |release: &str| -> Option<(u32, u32)> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    };
    match (series(made), series(restored)) {
        (Some(made), Some(restored)) => made > LAST_WITHOUT && restored <= LAST_WITHOUT,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_locked_out;

    #[test]
    fn newer_kernels_lock_older_ones_out() {
        for (made, restored, expected) in [
            ("6.1.0-18-amd64", "6.1.0-18-amd64", false),
            ("7.2.12+deb14-amd64", "6.12.117+deb13-amd64", true),
            ("6.19.1", "6.18.3", true),
            ("6.18.3", "6.1.0", false),
            ("7.2.12", "7.2.12", false),
            ("7.2.12", "", false),
        ] {
            assert_eq!(is_locked_out(made, restored), expected, "{made} {restored}");
        }
    }
}
