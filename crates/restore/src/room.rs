//! The room that restored files need, as a snapshot or the machine itself reports it, for each of the machine's filesystems.

use lifeboat_archive::{ArchiveError, Encrypted, Room};
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, Restored};
use lifeboat_machine::layout::Mount;
use lifeboat_machine::layout::graph::mount_holding;
use lifeboat_machine::{Content, Event, EventSink, Machine};
use lifeboat_plan::room::{Shortage, shortage};
use lifeboat_plan::table::title;
use std::path::{Path, PathBuf};

/// Sets in a machine's filesystems what a backup records of their room. One of an earlier release has no record; then the used space counts.
pub fn from_backup(machine: &mut Machine, room: Result<Option<Room>, ArchiveError>, sink: &dyn EventSink) {
    match room {
        Ok(Some(room)) => fill(machine, &room),
        Ok(None) => {}
        // It helps the plan, but is no reason to give up a recovery.
        Err(error) => {
            let text = format!("{error}; whether the files fit is judged by what was in use");
            sink.emit(&Event::Warning { text });
        }
    }
}

/// Sets in a machine's filesystems what their files need.
pub fn fill(machine: &mut Machine, room: &Room) {
    let layout = &mut machine.layout;
    for device in &mut layout.devices {
        let Content::Filesystem(filesystem) = &mut device.content else { continue };
        let compresses = |mount: &Mount| mount.options.iter().any(|option| option.starts_with("compress"));
        let mounted_compressed = layout.mounts.iter().any(|mount| mount.device == device.id && compresses(mount));
        let mut restored: Option<Restored> = None;
        for root in &room.roots {
            let path = root.root();
            if mount_holding(&layout.mounts, &path).is_none_or(|mount| mount.device != device.id) {
                continue;
            }
            let sum = restored.get_or_insert_default();
            sum.bytes = sum.bytes.saturating_add(root.restored(mounted_compressed));
            sum.expanded_bytes = sum.expanded_bytes.saturating_add(root.expanded());
            sum.apart_bytes = sum.apart_bytes.saturating_add(root.bytes);
        }
        filesystem.restored = restored;
    }
}

/// The filesystems into which their own files would not fit again, for people, with the shortfall.
pub fn shortages(machine: &Machine) -> Vec<(String, Shortage)> {
    let mut found = vec![];
    for device in &machine.layout.devices {
        let Some((filesystem, shortage)) = device.filesystem().and_then(|f| Some((f, shortage(f)?))) else { continue };
        let mount = machine.layout.mounts.iter().find(|mount| mount.device == device.id);
        let place = mount.map_or(device.path.clone(), |mount| mount.mount_point.to_string());
        found.push((format!("{place} ({} on {})", title(filesystem), device.id), shortage));
    }
    found
}

/// A tree of one filesystem's mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The uppermost mount point.
    pub top: PathBuf,
    /// The others and subvolumes, from there.
    pub mounts: Vec<PathBuf>,
}

/// For each filesystem whose files may take less than their sizes, or may be encrypted, the mounts, below the uppermost of them.
pub fn trees(machine: &Machine) -> Vec<Tree> {
    let layout = &machine.layout;
    let mut trees: Vec<Tree> = vec![];
    let roots = layout.roots();
    for device in layout.devices.iter().filter(|device| {
        device.filesystem().is_some_and(|filesystem| may_need_more(filesystem) || may_encrypt(filesystem))
    }) {
        let holds = |root: &Path| layout.is_held_by(root, &device.id);
        let mut own: Vec<Tree> = vec![];
        // Sorted, so that a mount point comes before what is below it.
        for root in roots.iter().filter(|root| holds(root)) {
            match own.iter_mut().find_map(|tree| Some((root.strip_prefix(&tree.top).ok()?.to_owned(), tree))) {
                Some((rest, tree)) => tree.mounts.push(Path::new("/").join(rest)),
                None => own.push(Tree { top: root.clone(), mounts: vec![] }),
            }
        }
        trees.append(&mut own);
    }
    trees
}

/// Whether files may take less than their sizes.
fn may_need_more(filesystem: &Filesystem) -> bool {
    match &filesystem.options {
        FilesystemOptions::Btrfs(_) => true,
        FilesystemOptions::Xfs(xfs) => xfs.features.iter().any(|(name, on)| name == "reflink" && *on),
        FilesystemOptions::Ext(_) | FilesystemOptions::Vfat(_) => false,
    }
}

/// Whether directories may be encrypted (fscrypt).
fn may_encrypt(filesystem: &Filesystem) -> bool {
    matches!(&filesystem.options, FilesystemOptions::Ext(ext) if ext.features.iter().any(|name| name == "encrypt"))
}

/// Reports which of the `wanted` entries of a snapshot were encrypted on the machine.
pub fn report_encrypted(
    found: Result<Vec<Encrypted>, ArchiveError>,
    wanted: &dyn Fn(&Path) -> bool,
    sink: &dyn EventSink,
) {
    match found {
        Ok(entries) => {
            for entry in entries.iter().filter(|entry| wanted(&entry.path)) {
                sink.emit(&Event::Warning { text: entry.at_restore() });
            }
        }
        Err(error) => {
            sink.emit(&Event::Warning { text: format!("{error}; whether something was encrypted is not known") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::filesystem::Subvolume;
    use lifeboat_machine::layout::{Device, Disk};
    use lifeboat_machine::{DeviceId, DeviceKind, Name};

    const GIB: u64 = 1 << 30;

    fn room(roots: &[(&str, u64, u64, u64, u64)]) -> Room {
        let roots = roots.iter().map(|(root, bytes, shared, squeezed, stored)| {
            serde_json::json!({"root": root, "entries": 5, "bytes": bytes, "shared_bytes": shared,
                               "squeezed_bytes": squeezed, "squeezed_stored": stored})
        });
        let json = serde_json::json!({"format": 1, "roots": roots.collect::<Vec<_>>()});
        serde_json::from_value(json).unwrap()
    }

    fn machine(options: &[&str]) -> Machine {
        let mut machine = lifeboat_machine::testing::empty_machine();
        for (id, size, points) in [("disk0", 10 * GIB, vec!["/", "/home"]), ("disk1", 20 * GIB, vec!["/home/vm"])] {
            let btrfs = lifeboat_machine::testing::btrfs_options();
            machine.layout.devices.push(Device {
                id: DeviceId(id.into()),
                path: format!("/dev/{id}"),
                size_bytes: size,
                kind: DeviceKind::Disk(Disk::default()),
                content: Content::Filesystem(Filesystem {
                    uuid: String::new(),
                    label: Name::default(),
                    size_bytes: size,
                    used_bytes: size - GIB,
                    options: FilesystemOptions::Btrfs(btrfs),
                    restored: None,
                }),
            });
            machine.layout.mounts.extend(points.into_iter().map(|point| Mount {
                device: DeviceId(id.into()),
                mount_point: Name::from(point),
                options: options.iter().map(|option| (*option).to_owned()).collect(),
                subvolume: Some(Name::default()),
            }));
        }
        machine
    }

    fn restored(machine: &Machine, device: usize) -> Restored {
        machine.layout.devices[device].filesystem().unwrap().restored.unwrap()
    }

    #[test]
    fn each_root_belongs_to_the_mount_that_leads_to_it() {
        let roots = [
            ("/", 4 * GIB, 0, 0, 0),
            ("/home", 4 * GIB, GIB, 0, 0),
            ("/home/.snapshots/1", 4 * GIB, 3 * GIB, 0, 0),
            ("/home/vm", 40 * GIB, 20 * GIB, 10 * GIB, 4 * GIB),
            ("/home/vm-of-another", GIB, 0, 0, 0),
        ];
        let mut machine = machine(&["noatime"]);
        fill(&mut machine, &room(&roots));
        assert_eq!(restored(&machine, 0), Restored { bytes: 9 * GIB, expanded_bytes: 9 * GIB, apart_bytes: 13 * GIB });
        assert_eq!(
            restored(&machine, 1),
            Restored { bytes: 20 * GIB, expanded_bytes: 20 * GIB, apart_bytes: 40 * GIB }
        );
        let found = shortages(&machine);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "/home/vm (btrfs on disk1)");
        assert_eq!(found[0].1.text(), "the restored files need 20.2 GiB, and the filesystem has 20.0 GiB");
    }

    #[test]
    fn a_mount_that_compresses_does_it_again() {
        let mut machine = machine(&["compress=zstd:3"]);
        fill(&mut machine, &room(&[("/home/vm", 40 * GIB, 20 * GIB, 10 * GIB, 4 * GIB)]));
        assert_eq!(
            restored(&machine, 1),
            Restored { bytes: 14 * GIB, expanded_bytes: 20 * GIB, apart_bytes: 40 * GIB }
        );
        assert_eq!(shortages(&machine), []);
        assert!(machine.layout.devices[0].filesystem().unwrap().restored.is_none());
    }

    #[test]
    fn trees_begin_at_the_uppermost_mounts_and_hold_subvolumes() {
        let mut machine = machine(&[]);
        let tree =
            |top: &str, mounts: &[&str]| Tree { top: top.into(), mounts: mounts.iter().map(PathBuf::from).collect() };
        assert_eq!(trees(&machine), [tree("/", &["/home"]), tree("/home/vm", &[])]);
        if let Content::Filesystem(filesystem) = &mut machine.layout.devices[1].content
            && let FilesystemOptions::Btrfs(btrfs) = &mut filesystem.options
        {
            btrfs.subvolumes = vec![Subvolume { path: Name::from("snap/1"), read_only: true, no_cow: false }];
        }
        machine.layout.mounts.retain(|mount| mount.mount_point != Name::from("/"));
        let expected = [tree("/home", &[]), tree("/home/vm", &["/snap/1"])];
        assert_eq!(trees(&machine), expected);
    }
}
