//! What runs left that were killed: recognised by their names, and by a lock that nobody holds any more.

use crate::error::MomentError;
use crate::run;
use crate::subvolume::TopLevel;
use crate::volume;
use lifeboat_sys::mount::MountInfo;
use lifeboat_sys::program::LVM;
use lifeboat_sys::{Runner, freeze, signal};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What was removed or thawed, as sentences.
    pub removed: Vec<String>,
    /// What was not, with the reason.
    pub left: Vec<String>,
}

/// Removes what belongs to no living run. `table` is the mount table, for its btrfs.
///
/// # Errors
/// When it cannot be looked for.
pub fn remove(runner: &dyn Runner, folder: &Path, table: &[MountInfo]) -> Result<Found, MomentError> {
    let mut found = Found::default();
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| MomentError::system("CREATE", folder, error))?;
    // Nobody begins a run meanwhile, or removes the same.
    let _looking = run::looking(folder)?;
    for (file, frozen) in run::dead(folder) {
        for mount_point in frozen {
            // EINVAL: it is not frozen, for its watcher did its work.
            if File::open(&mount_point).is_ok_and(|directory| freeze::thaw(&directory).is_ok()) {
                found
                    .removed
                    .push(format!("{} was frozen by a run that was killed, and is thawed", mount_point.display()));
            }
        }
        let _ = std::fs::remove_file(file);
    }
    let is_dead = |name: &str| run::id_of(name).is_some_and(|id| !run::lives(folder, id));
    if has_volumes(Path::new("/sys/block")) && runner.has(LVM) {
        for snapshot in volume::all(runner)?.iter().filter(|snapshot| is_dead(&snapshot.name)) {
            let name = snapshot.full_name();
            match volume::remove(runner, snapshot) {
                Ok(()) => found.removed.push(format!("the snapshot {name} of a run that was killed is removed")),
                Err(error) => {
                    found.left.push(format!("the snapshot {name} of a run that was killed was left: {error}"))
                }
            }
        }
    }
    for source in sources(table) {
        // One that cannot be mounted for writing has nothing that can be removed.
        let Ok(top) = TopLevel::open(&source) else { continue };
        for name in top.of_runs().iter().filter(|name| is_dead(name)) {
            let shown = format!("the snapshot {name} on {} of a run that was killed", source.display());
            match top.remove(name) {
                Ok(()) => found.removed.push(format!("{shown} is removed")),
                Err(error) => found.left.push(format!("{shown} was left: {error}")),
            }
        }
    }
    Ok(found)
}

/// Logical volumes are active: LVM is worth asking.
pub fn has_volumes(blocks: &Path) -> bool {
    let entries = std::fs::read_dir(blocks).into_iter().flatten().filter_map(Result::ok);
    let mut ids = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("dm/uuid")).ok());
    ids.any(|id| id.starts_with("LVM-"))
}

/// A device of each btrfs that is mounted.
fn sources(table: &[MountInfo]) -> BTreeSet<PathBuf> {
    let of_btrfs = table.iter().filter(|mount| mount.kind == "btrfs");
    of_btrfs.map(|mount| PathBuf::from(&mount.source)).filter(|source| source.starts_with("/dev")).collect()
}

/// The life of a keeper, a process that was started by a run: when its input ends without a byte, the run was killed, and what
/// belongs to it is removed.
///
/// # Errors
/// When the run's end cannot be seen, or nothing can be looked for.
pub fn keep(runner: &dyn Runner, folder: &Path, id: &str, mut input: impl std::io::Read) -> Result<Found, MomentError> {
    // Whatever ends the run must not end this.
    signal::ignore_requests_to_end();
    let mut byte = [0];
    if matches!(input.read(&mut byte), Ok(1)) {
        return Ok(Found::default());
    }
    run::await_end(folder, id)?;
    let table =
        lifeboat_sys::mount::table().map_err(|error| MomentError::system("READ", "/proc/self/mountinfo", error))?;
    remove(runner, folder, &table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_seen_in_sysfs() {
        let blocks = tempfile::tempdir().unwrap();
        let uuid = |name: &str, text: &str| {
            std::fs::create_dir_all(blocks.path().join(name).join("dm")).unwrap();
            std::fs::write(blocks.path().join(name).join("dm/uuid"), text).unwrap();
        };
        std::fs::create_dir(blocks.path().join("sda")).unwrap();
        uuid("dm-0", "CRYPT-LUKS2-x\n");
        assert!(!has_volumes(blocks.path()));
        uuid("dm-1", "LVM-abc\n");
        assert!(has_volumes(blocks.path()));
    }

    #[test]
    fn one_device_of_each_btrfs() {
        let table = lifeboat_sys::mount::parse_mountinfo(
            b"50 1 0:50 /@ / rw - btrfs /dev/sda1 rw\n51 1 0:50 /@home /home rw - btrfs /dev/sda1 rw\n\
              52 1 8:2 / /x rw - ext4 /dev/sda2 rw\n",
        );
        assert_eq!(sources(&table), BTreeSet::from([PathBuf::from("/dev/sda1")]));
    }
}
