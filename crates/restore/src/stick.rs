//! Sticks: disks, or images of them, whose last partition holds a medium and a repository that is written again
//! ([`lifeboat_machine::stick`]).

use crate::failure::Failure;
use lifeboat_machine::gpt::Gpt;
use lifeboat_machine::stick::{self, SECTORS, StickLayout};
use lifeboat_sys::block;
use std::fs::File;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A pipe in place of an image must not hang.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;
/// What a place on a stick begins with.
const NAME: &str = "usb";
/// Where sysfs lists block devices.
const CLASS: &str = "/sys/class/block";

/// A stick, known by its partition table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stick {
    /// The whole disk, or its image.
    pub disk: PathBuf,
    /// Its partition table.
    pub table: Gpt,
    /// Where everything is on it.
    pub layout: StickLayout,
    /// The slot of the EFI system partition in use.
    pub slot: usize,
}

impl Stick {
    /// The stick at a path: an image, a disk, or the data partition of one. `None` for anything else.
    pub fn at(path: &Path) -> Option<Stick> {
        let real = std::fs::canonicalize(path).ok()?;
        let disk = parent(&real).unwrap_or(real);
        let kind = std::fs::metadata(&disk).ok()?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return None;
        }
        let file = File::options().read(true).custom_flags(NONBLOCK).open(&disk).ok()?;
        let sectors = if kind.is_file() { SECTORS.to_vec() } else { vec![block::sector_bytes(&file).ok()?] };
        let (table, layout, slot) = stick::read(&file, block::size_bytes(&disk).ok()?, &sectors)?;
        Some(Stick { disk, table, layout, slot })
    }

    /// The stick that a place names: `usb` for the only one that is attached, `usb:0a1b2c3d` by the beginning of its id.
    ///
    /// # Errors
    /// [`Failure::Unusable`] when there is none, or several.
    pub fn named(text: &str) -> Result<Stick, Failure> {
        let id = text.strip_prefix(NAME).unwrap_or_default().trim_start_matches(':').to_ascii_lowercase();
        let unusable = |reason: String| Failure::Unusable { what: text.to_owned(), reason };
        let mut found = attached();
        let shown = |sticks: &[Stick]| -> String {
            let list: Vec<String> =
                sticks.iter().map(|stick| format!("usb:{} ({})", stick.short_id(), stick.disk.display())).collect();
            list.join(", ")
        };
        let others = shown(&found);
        found.retain(|stick| stick.id().starts_with(&id));
        match (found.len(), others.is_empty()) {
            (1, _) => Ok(found.swap_remove(0)),
            (0, true) => Err(unusable("no stick of 'lifeboat media usb' is attached".into())),
            (0, false) => Err(unusable(format!("this stick is not attached; attached are {others}"))),
            _ => Err(unusable(format!("several sticks are attached; name one of {}", shown(&found)))),
        }
    }

    /// A place is meant as a stick: `usb`, `usb:ID`.
    pub fn is_meant(text: &str) -> bool {
        text == NAME || text.strip_prefix(NAME).is_some_and(|rest| rest.starts_with(':'))
    }

    /// The id of the medium, hex.
    pub fn id(&self) -> String {
        self.table.disk.to_string().replace('-', "").to_ascii_lowercase()
    }

    /// Its first digits, as people know it.
    pub fn short_id(&self) -> String {
        stick::short_id(&self.id())
    }

    /// What its data partition is called: machine, day, short id.
    pub fn name(&self) -> &str {
        self.table.partitions.last().map_or("", |data| data.name.as_str())
    }

    /// The device of its data partition; `None` for an image, and where the kernel has not read its table.
    pub fn partition(&self) -> Option<PathBuf> {
        let name = self.disk.file_name()?;
        let folder = Path::new(CLASS).join(name);
        for entry in std::fs::read_dir(folder).ok()?.flatten() {
            let text = |file: &str| std::fs::read_to_string(entry.path().join(file)).ok();
            // What sysfs counts in is 512 bytes, whatever the disk's sectors are.
            let begins = text("partition").and_then(|_| text("start")?.trim().parse::<u64>().ok());
            if self.disk.starts_with("/dev") && begins == Some(self.layout.data().0 / 512) {
                return Some(Path::new("/dev").join(entry.file_name()));
            }
        }
        None
    }
}

/// All sticks that are attached.
fn attached() -> Vec<Stick> {
    let names = std::fs::read_dir("/sys/block").into_iter().flatten().flatten().map(|entry| entry.file_name());
    // What is made of other devices is found below them.
    let derived = |name: &str| {
        ["loop", "ram", "zram", "dm-", "md", "sr", "nbd", "fd"].iter().any(|prefix| name.starts_with(prefix))
    };
    let mut names: Vec<String> =
        names.filter_map(|name| name.into_string().ok()).filter(|name| !derived(name)).collect();
    names.sort();
    names.iter().filter_map(|name| Stick::at(&Path::new("/dev").join(name))).collect()
}

/// The disk of a partition.
fn parent(device: &Path) -> Option<PathBuf> {
    let folder = std::fs::canonicalize(Path::new(CLASS).join(device.file_name()?)).ok()?;
    let is_partition = device.starts_with("/dev") && folder.join("partition").exists();
    is_partition.then(|| Some(Path::new("/dev").join(folder.parent()?.file_name()?))).flatten()
}

/// The disk, or the image, of a stick whose data partition is mounted from a device.
pub(crate) fn disk_of(source: &Path) -> Option<PathBuf> {
    let behind = Path::new(CLASS).join(source.file_name()?).join("loop/backing_file");
    let path = match std::fs::read_to_string(behind) {
        Ok(text) => PathBuf::from(text.trim_end_matches('\n')),
        Err(_) => source.to_owned(),
    };
    Stick::at(&path).map(|stick| stick.disk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::testing;

    #[test]
    fn an_image_is_known_by_its_table() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stick.img");
        let layout = StickLayout { size_bytes: 256 << 20, sector_bytes: 512, slot_bytes: 32 << 20 };
        let table = layout.table(&testing::medium_manifest(), 1);
        std::fs::write(&path, table.beginning(&[])).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(256 << 20).unwrap();
        let stick = Stick::at(&path).unwrap();
        assert_eq!((stick.layout, stick.slot, stick.partition()), (layout, 1, None));
        assert_eq!((stick.short_id().as_str(), stick.name()), ("0a1b2c3d", "box 2026-11-24 0a1b2c3d"));
        std::fs::write(&path, vec![0; 1 << 20]).unwrap();
        assert_eq!(Stick::at(&path), None);
        assert_eq!(Stick::at(Path::new("/dev/null")), None);
        assert_eq!(Stick::at(dir.path()), None);
        for (text, meant) in
            [("usb", true), ("usb:0a1b", true), ("usb:", true), ("usbx", false), ("/usb", false), ("./usb", false)]
        {
            assert_eq!(Stick::is_meant(text), meant, "{text}");
        }
        let error = Stick::named("usb:ffffffffffffffffffffffffffffffff0").unwrap_err().to_string();
        assert!(error.contains("attached"), "{error}");
    }
}
