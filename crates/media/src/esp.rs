//! The EFI system partition as a FAT image, made without root rights or mounts.

use crate::error::MediaError;
use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::Path;

/// Everything is dated 1980-01-01, where FAT's time begins, so that equal files give equal images.
#[derive(Debug)]
struct Epoch;

impl TimeProvider for Epoch {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

static EPOCH: Epoch = Epoch;

/// Space beside the files: tables, directories, and a bit for a person who adds something.
const SPARE_BYTES: u64 = 1 << 20;
/// FAT16 needs 4085 clusters; smaller images would be FAT12, which some firmware does not read.
const LEAST_BYTES: u64 = 12 << 20;

/// The bytes of a FAT image with these files (paths with `/`).
///
/// # Errors
/// Names that FAT cannot hold.
pub fn image(files: &BTreeMap<String, Vec<u8>>, volume_id: u32) -> Result<Vec<u8>, MediaError> {
    let fail = |path: &str| MediaError::io("MAKE", &Path::new("the EFI system partition").join(path));
    let content: u64 = files.values().map(|bytes| (bytes.len() as u64).next_multiple_of(4096)).sum();
    let size = (content + SPARE_BYTES).max(LEAST_BYTES).next_multiple_of(1 << 20);
    let mut disk = Cursor::new(vec![0; usize::try_from(size).unwrap_or(usize::MAX)]);
    let options = FormatVolumeOptions::new()
        .bytes_per_cluster(2048)
        .fat_type(fatfs::FatType::Fat16)
        .volume_id(volume_id)
        .volume_label(*b"LIFEBOAT   ");
    fatfs::format_volume(&mut disk, options).map_err(fail(""))?;
    {
        let filesystem = FileSystem::new(&mut disk, FsOptions::new().time_provider(&EPOCH)).map_err(fail(""))?;
        let root = filesystem.root_dir();
        for (path, bytes) in files {
            let mut parent = String::new();
            for part in path.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev() {
                parent = if parent.is_empty() { part.to_owned() } else { format!("{parent}/{part}") };
                root.create_dir(&parent).map_err(fail(&parent))?;
            }
            let mut file = root.create_file(path).map_err(fail(path))?;
            file.write_all(bytes).and_then(|()| file.flush()).map_err(fail(path))?;
        }
    }
    let mut bytes = disk.into_inner();
    plain_dots(&mut bytes);
    Ok(bytes)
}

/// Takes the long names from the entries `.` and `..`: fatfs 0.3 writes some, the specification allows none ("FAT32 File
/// System Specification", 6.5), and fsck.vfat calls the directories damaged.
fn plain_dots(image: &mut [u8]) {
    const ENTRY: usize = 32;
    const LONG_NAME: u8 = 0x0f;
    const DIRECTORY: u8 = 0x10;
    const DELETED: u8 = 0xe5;
    for start in (0..image.len()).step_by(512) {
        let Some(entries) = image.get_mut(start..start + 4 * ENTRY) else { break };
        let kind = |number: usize| entries[number * ENTRY + 11];
        let name = |number: usize| &entries[number * ENTRY..number * ENTRY + 11];
        let dots = name(1) == b".          " && name(3) == b"..         ";
        if dots && [0, 2].map(kind) == [LONG_NAME; 2] && [1, 3].map(kind) == [DIRECTORY; 2] {
            entries.copy_within(ENTRY..2 * ENTRY, 0);
            entries.copy_within(3 * ENTRY..4 * ENTRY, ENTRY);
            entries[2 * ENTRY] = DELETED;
            entries[3 * ENTRY] = DELETED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn files() -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            ("EFI/BOOT/BOOTX64.EFI".to_owned(), vec![7; 1_500_000]),
            ("EFI/BOOT/grubx64.efi".to_owned(), b"grub".to_vec()),
            ("EFI/debian/grub.cfg".to_owned(), b"x\n".to_vec()),
            ("boot/grub/grub.cfg".to_owned(), vec![]),
        ])
    }

    #[test]
    fn stock_tools_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("esp.img");
        std::fs::write(&path, image(&files(), 0x1234_abcd).unwrap()).unwrap();
        let check = Command::new("/usr/sbin/fsck.vfat").arg("-n").arg(&path).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
        let read = Command::new("mtype").arg("-i").arg(&path).arg("::EFI/debian/grub.cfg").output().unwrap();
        assert_eq!(read.stdout, b"x\n");
        let read = Command::new("mtype").arg("-i").arg(&path).arg("::EFI/BOOT/BOOTX64.EFI").output().unwrap();
        assert_eq!(read.stdout.len(), 1_500_000);
    }

    #[test]
    fn equal_files_give_equal_images() {
        assert_eq!(image(&files(), 1).unwrap(), image(&files(), 1).unwrap());
    }
}
