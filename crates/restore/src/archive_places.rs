//! Block devices with a filesystem on them: where another archive may be, or logs can go.

use crate::failure::Failure;
use lifeboat_storage::{Block, Blocks, kinds};
use lifeboat_sys::Runner;
use lifeboat_sys::mount::MountInfo;
use std::path::Path;

/// A block device with a filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivePlace {
    /// Kernel path.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Filesystem type as blkid names it.
    pub kind: String,
    /// Label, empty when none.
    pub label: String,
    /// Where it is mounted.
    pub mounted: Option<String>,
    /// On a disk that can be unplugged.
    pub removable: bool,
}

/// Lists them, those that can be unplugged first.
///
/// # Errors
/// When the devices cannot be listed.
pub fn list(runner: &dyn Runner) -> Result<Vec<ArchivePlace>, Failure> {
    let blocks = Blocks::identified(runner, Path::new("/sys"))?;
    // Without the table nothing counts as mounted; the device is listed anyway.
    Ok(places(&blocks, &lifeboat_sys::mount::table().unwrap_or_default()))
}

fn places(blocks: &Blocks, mounts: &[MountInfo]) -> Vec<ArchivePlace> {
    let mut places: Vec<ArchivePlace> =
        blocks.all().filter(|block| holds_files(block)).map(|block| place(blocks, block, mounts)).collect();
    places.sort_by(|a, b| b.removable.cmp(&a.removable).then_with(|| a.path.cmp(&b.path)));
    places
}

/// Members of other layers hold no files, nor does swap; the rescue system's own images are not places.
fn holds_files(block: &Block) -> bool {
    let kind = block.holds.kind.as_str();
    !kind.is_empty() && kind != "swap" && kinds::by_type(kind).is_none() && !block.name.starts_with("loop")
}

fn place(blocks: &Blocks, block: &Block, mounts: &[MountInfo]) -> ArchivePlace {
    // btrfs shows an anonymous number and names the device as source.
    let here = |mount: &&MountInfo| mount.device == block.number || mount.source.to_string_lossy() == block.path;
    let mounted = mounts.iter().find(here).map(|mount| mount.mount_point.to_string_lossy().into_owned());
    ArchivePlace {
        path: block.path.clone(),
        size_bytes: block.size_bytes,
        kind: block.holds.kind.clone(),
        label: block.holds.label.clone(),
        mounted,
        removable: blocks.disks_under(&block.name).iter().any(|disk| disk.pluggable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;

    const BLKID: &str = "DEVNAME=/dev/vda1\nTYPE=swap\n\nDEVNAME=/dev/vda2\nLABEL=my\\ root\nTYPE=ext4\n\n\
        DEVNAME=/dev/sda1\nTYPE=vfat\n\nDEVNAME=/dev/loop0\nTYPE=squashfs\n\nDEVNAME=/dev/vdb\nTYPE=LVM2_member\n";

    #[test]
    fn what_holds_files_is_listed_sticks_first() {
        let sys = tempfile::tempdir().unwrap();
        for (path, number, removable) in [
            ("vda", "254:0", "0"),
            ("vda/vda1", "254:1", ""),
            ("vda/vda2", "254:2", ""),
            ("vdb", "254:16", "0"),
            ("sda", "8:0", "1"),
            ("sda/sda1", "8:1", ""),
            ("loop0", "7:0", "0"),
        ] {
            let directory = sys.path().join("block").join(path);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(directory.join("dev"), number).unwrap();
            std::fs::write(directory.join("size"), "14").unwrap();
            match removable {
                "" => std::fs::write(directory.join("partition"), &path[path.len() - 1..]).unwrap(),
                removable => std::fs::write(directory.join("removable"), removable).unwrap(),
            }
        }
        let runner = FakeRunner::new().answer("blkid -c /dev/null -o export", BLKID);
        let blocks = Blocks::identified(&runner, sys.path()).unwrap();
        let mounts =
            lifeboat_sys::mount::parse_mountinfo(b"36 28 8:1 / /mnt rw,relatime shared:1 - vfat /dev/sda1 rw\n");
        let places = places(&blocks, &mounts);
        let paths: Vec<&str> = places.iter().map(|place| place.path.as_str()).collect();
        assert_eq!(paths, ["/dev/sda1", "/dev/vda2"]);
        assert_eq!((places[0].mounted.as_deref(), places[0].removable), (Some("/mnt"), true));
        assert_eq!((places[1].label.as_str(), places[1].size_bytes), ("my root", 14 * 512));
    }
}
