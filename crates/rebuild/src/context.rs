//! What all steps need to know.

use crate::secrets::{NoSecrets, Secrets};
use lifeboat_machine::Machine;
use lifeboat_plan::Plan;
use lifeboat_sys::{Runner, confined};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A recovery in progress.
pub struct Context<'a> {
    /// Runs programs.
    pub runner: &'a dyn Runner,
    /// Where the restored system is put together, `/target` in the rescue system.
    pub target: PathBuf,
    /// The recorded machine.
    pub machine: &'a Machine,
    /// The plan whose steps are applied.
    pub plan: &'a Plan,
    /// Where the firmware's variables are.
    pub efivars: PathBuf,
    /// Where the kernel shows network cards.
    pub network_devices: PathBuf,
    /// Where udev keeps the names of disks that are made of their identity.
    pub by_id: PathBuf,
    /// Where layers that are made are written down, so that they are stopped before their disks are wiped anew and at the
    /// end ([`lifeboat_storage::record`]).
    pub run: PathBuf,
    /// LUKS headers and keys.
    pub secrets: Arc<dyn Secrets>,
    /// Where filesystems are tried out, in files that need no room.
    pub scratch: PathBuf,
    /// Give programs inside the target /dev, /proc, /sys and /run of the running system, wait for devices, and read back
    /// what was made. Off only where nothing is really run.
    pub chroot_mounts: bool,
    /// Held by the step that has the target to itself for a moment.
    pub at_target: Mutex<()>,
}

impl<'a> Context<'a> {
    /// A context for the running system.
    pub fn new(runner: &'a dyn Runner, target: impl Into<PathBuf>, machine: &'a Machine, plan: &'a Plan) -> Self {
        Context {
            runner,
            target: target.into(),
            machine,
            plan,
            efivars: PathBuf::from("/sys/firmware/efi/efivars"),
            network_devices: PathBuf::from("/sys/class/net"),
            by_id: PathBuf::from("/dev/disk/by-id"),
            run: PathBuf::from(lifeboat_machine::run::DIRECTORY),
            secrets: Arc::new(NoSecrets),
            scratch: PathBuf::from("/run"),
            chroot_mounts: true,
            at_target: Mutex::new(()),
        }
    }

    /// An absolute path of the restored system as a path here.
    pub fn inside(&self, path: &Path) -> PathBuf {
        confined::outside(&self.target, path)
    }

    /// The same with links followed as the restored system follows them; [`Context::inside`] for what is not there.
    pub(crate) fn resolved(&self, path: &Path) -> PathBuf {
        self.existing(path).unwrap_or_else(|| self.inside(path))
    }

    /// The same for what is there; `None` for what is not, or whose links lead in a circle.
    pub(crate) fn existing(&self, path: &Path) -> Option<PathBuf> {
        let resolved = confined::resolve(&self.target, path).ok()?;
        resolved.exists.then(|| resolved.outside(&self.target))
    }
}
