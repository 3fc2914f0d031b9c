//! Disks that are made of other disks (md, LVM, LUKS, multipath), in the rescue system only: activated read-only when an archive may be
//! on them, and released before the disks below are written. On a running machine they are left to the machine.

use crate::failure::{Failure, list};
use crate::on_disk::Search;
use crate::rescue::{RescueDirectories, is_rescue_system};
use lifeboat_machine::iscsi::IscsiTarget;
use lifeboat_machine::{Event, EventSink};
use lifeboat_storage::release::{self, Released};
use lifeboat_storage::{Activated, Blocks, Incomplete, Layer, Locked, StorageError, iscsi, kinds, luks, record};
use lifeboat_sys::Runner;
use std::path::{Path, PathBuf};

/// Where sysfs is.
const SYS: &str = "/sys";

/// The layers of this rescue system.
#[derive(Clone, Debug)]
pub struct Stacks {
    run: PathBuf,
}

impl Stacks {
    /// Those of the running system, if it is a rescue system.
    pub fn here() -> Option<Stacks> {
        let directories = RescueDirectories::default();
        is_rescue_system(&directories).then_some(Stacks { run: directories.run })
    }

    /// Activates everything that needs no passphrase, read-only.
    ///
    /// # Errors
    /// When the devices cannot be listed.
    pub fn activate(&self, runner: &dyn Runner, incomplete: Incomplete) -> Result<Activated, Failure> {
        Ok(lifeboat_storage::activate(runner, Path::new(SYS), &self.run, incomplete)?)
    }

    /// Every layer that is active, whoever activated it, with the disks below.
    ///
    /// # Errors
    /// When the devices cannot be listed.
    pub fn active(&self, runner: &dyn Runner) -> Result<Vec<(Layer, Vec<String>)>, Failure> {
        Ok(release::active(runner, &Blocks::listed(Path::new(SYS))?))
    }

    /// Devices that are members of something which is not active: their nodes, and of what.
    ///
    /// # Errors
    /// When the devices cannot be listed.
    pub fn inactive(&self, runner: &dyn Runner) -> Result<Vec<(String, &'static str)>, Failure> {
        let devices = Blocks::identified(runner, Path::new(SYS))?;
        let mut found = vec![];
        for kind in kinds::KINDS.iter().filter(|kind| kind.layer.is_some()) {
            let members = kind.types.iter().flat_map(|name| devices.free(name));
            found.extend(members.map(|device| (device.path.clone(), kind.holds)));
        }
        Ok(found)
    }

    /// LUKS devices that are not open.
    ///
    /// # Errors
    /// When the devices cannot be listed.
    pub fn locked(&self, runner: &dyn Runner) -> Result<Vec<Locked>, Failure> {
        Ok(luks::locked(&Blocks::identified(runner, Path::new(SYS))?))
    }

    /// Opens a LUKS device read-only.
    ///
    /// # Errors
    /// For a wrong passphrase, or when cryptsetup cannot.
    pub fn unlock(&self, runner: &dyn Runner, device: &Locked, key: &[u8]) -> Result<Layer, Failure> {
        Ok(luks::unlock(runner, &self.run, device, key)?)
    }

    /// Logs in to an iSCSI target.
    ///
    /// # Errors
    /// iscsiadm's error.
    pub fn login(&self, runner: &dyn Runner, target: &IscsiTarget) -> Result<(), Failure> {
        Ok(iscsi::login(runner, target)?)
    }

    /// What was activated here and is not yet released.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn activated(&self) -> Result<Vec<Layer>, Failure> {
        Ok(record::read(&self.run)?)
    }

    /// Releases what was activated here and is not in use, and reports it: the disks below can then be rebuilt.
    ///
    /// # Errors
    /// When the devices cannot be listed.
    pub fn release_ours(&self, runner: &dyn Runner, sink: &dyn EventSink) -> Result<(), Failure> {
        for layer in release::ours(runner, Path::new(SYS), &self.run)?.layers {
            sink.emit(&Event::Note { text: format!("released: {layer}") });
        }
        Ok(())
    }

    /// Releases everything that is not in use, whoever activated it.
    ///
    /// # Errors
    /// When the devices cannot be listed.
    pub fn release_all(&self, runner: &dyn Runner) -> Result<Released, Failure> {
        Ok(release::all(runner, Path::new(SYS), &self.run)?)
    }

    /// Of several devices with one name, those that are not part of another one: the way through multipath instead of
    /// single paths. Paths to one disk that are not joined count once.
    ///
    /// # Errors
    /// When the devices cannot be listed.
    pub fn distinct(&self, runner: &dyn Runner, found: Vec<PathBuf>) -> Result<Vec<PathBuf>, Failure> {
        if found.len() < 2 {
            return Ok(found);
        }
        let devices = Blocks::identified(runner, Path::new(SYS))?;
        Ok(distinct(&devices, found))
    }
}

fn distinct(devices: &Blocks, found: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut taken: Vec<(PathBuf, Option<String>)> = vec![];
    for path in found {
        let device = devices.at(&path.to_string_lossy());
        if device.is_some_and(|device| devices.is_held(device)) {
            continue;
        }
        let identity = device.and_then(|device| devices.identity(device));
        if identity.is_some() && taken.iter().any(|(_, other)| *other == identity) {
            continue;
        }
        taken.push((path, identity));
    }
    taken.into_iter().map(|(path, _)| path).collect()
}

/// Why the passphrase of a disk is asked for.
pub(crate) fn wanted(what: &str, devices: &[Locked], search: Search) -> String {
    let elsewhere = match search {
        Search::Asking => "was not found",
        Search::Alone => "was not found elsewhere, not even on arrays that lack a disk",
    };
    let it = if devices.len() == 1 { "It" } else { "The device that the passphrase opens" };
    format!("{what} {elsewhere}; {} encrypted (LUKS) and may hold it. {it} is opened read-only.", list(devices))
}

/// Opens the first of the devices that `unlock` opens.
///
/// # Errors
/// Why none of them is open now, for people.
pub(crate) fn open_one(
    devices: &[Locked],
    mut unlock: impl FnMut(&Locked) -> Result<(), Failure>,
) -> Result<(), String> {
    let (mut wrong, mut reasons) = (vec![], vec![]);
    for device in devices {
        match unlock(device) {
            Ok(()) => return Ok(()),
            Err(Failure::Stack(StorageError::Passphrase { device })) => wrong.push(device),
            Err(failure) => reasons.push(failure.to_string()),
        }
    }
    if !wrong.is_empty() {
        reasons.push(format!("this passphrase does not open {}; try again", wrong.join(" or ")));
    }
    Err(reasons.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(names: &[&str]) -> Vec<Locked> {
        names.iter().map(|name| Locked { device: (*name).into(), uuid: String::new() }).collect()
    }

    fn refused(device: &Locked) -> Result<(), Failure> {
        Err(StorageError::Passphrase { device: device.device.clone() }.into())
    }

    #[test]
    fn a_passphrase_is_tried_on_every_locked_device() {
        let two = locked(&["/dev/a", "/dev/b"]);
        let second = |device: &Locked| if device.device == "/dev/b" { Ok(()) } else { refused(device) };
        assert_eq!(open_one(&two, second), Ok(()));
        assert_eq!(open_one(&two, refused).unwrap_err(), "this passphrase does not open /dev/a or /dev/b; try again");
        // A problem with one device does not keep the others from being tried.
        let hindered = |device: &Locked| match device.device.as_str() {
            "/dev/a" => Err(Failure::Mismatch("out of memory".into())),
            _ => refused(device),
        };
        let reason = open_one(&two, hindered).unwrap_err();
        assert!(reason.starts_with("out of memory") && reason.ends_with("open /dev/b; try again"), "{reason}");
    }

    #[test]
    fn all_locked_devices_are_named() {
        let reason = wanted("disk:LABEL=x:/", &locked(&["/dev/a", "/dev/b"]), Search::Asking);
        assert!(reason.contains("/dev/a and /dev/b are encrypted (LUKS)"), "{reason}");
    }
}
