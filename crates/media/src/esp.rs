//! The EFI system partition as a FAT image, made without root rights or mounts.

use crate::error::MediaError;
use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

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
/// FAT16 needs 4085 clusters; smaller images would be FAT12, which some firmware cannot read. Tables and directories take some more.
const LEAST_CLUSTERS: u64 = 6 << 10;
/// FAT16 has at most 65,524 clusters ("FAT32 File System Specification", 3.5); a few are left for the tables.
const MOST_CLUSTERS: u64 = 65_000;
/// Sizes of a cluster that all firmware knows (3.1 there: `BPB_SecPerClus`).
const SMALLEST_CLUSTER: u64 = 2 << 10;
const LARGEST_CLUSTER: u64 = 32 << 10;
/// Tables and directories of an image without files end before it, with the largest clusters, too.
const METADATA_BYTES: usize = 2 << 20;

/// What a file of the image holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this file holds.
    File(PathBuf),
}

impl Piece {
    fn size(&self) -> io::Result<u64> {
        match self {
            Piece::Bytes(bytes) => Ok(bytes.len() as u64),
            Piece::File(path) => Ok(path.metadata()?.len()),
        }
    }
}

/// Writes a FAT image with these files (paths with `/`) to `out`, mode 0600, for a disk with sectors of this size.
///
/// # Errors
/// Names that FAT cannot hold, more than 2 GB; the system's error.
pub fn write(out: &Path, files: &BTreeMap<String, Piece>, volume_id: u32, sector_bytes: u16) -> Result<(), MediaError> {
    let fail = |path: &str| MediaError::io("MAKE", &Path::new("the EFI system partition").join(path));
    let mut sizes = vec![];
    for (path, piece) in files {
        sizes.push(piece.size().map_err(fail(path))?);
    }
    let (size, cluster) = size_and_cluster(&sizes, sector_bytes).map_err(fail(""))?;
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(true).mode(0o600);
    let mut disk = options.open(out).map_err(MediaError::io("WRITE", out))?;
    disk.set_len(size).map_err(MediaError::io("WRITE", out))?;
    let format = FormatVolumeOptions::new()
        .bytes_per_sector(sector_bytes)
        .bytes_per_cluster(cluster)
        .fat_type(fatfs::FatType::Fat16)
        .volume_id(volume_id)
        .volume_label(*b"LIFEBOAT   ");
    fatfs::format_volume(&mut disk, format).map_err(fail(""))?;
    // The directories first: they are corrected while nothing else is there.
    let mut directories = BTreeSet::new();
    for path in files.keys() {
        directories.extend(path.match_indices('/').map(|(at, _)| &path[..at]));
    }
    {
        let filesystem = FileSystem::new(&mut disk, FsOptions::new().time_provider(&EPOCH)).map_err(fail(""))?;
        for directory in directories {
            filesystem.root_dir().create_dir(directory).map_err(fail(directory))?;
        }
    }
    let mut metadata = vec![0; METADATA_BYTES];
    disk.read_exact_at(&mut metadata, 0).map_err(fail(""))?;
    plain_dots(&mut metadata);
    disk.write_all_at(&metadata, 0).map_err(fail(""))?;
    // fatfs starts at the current position.
    disk.rewind().map_err(fail(""))?;
    let filesystem = FileSystem::new(&mut disk, FsOptions::new().time_provider(&EPOCH)).map_err(fail(""))?;
    for (path, piece) in files {
        let mut file = filesystem.root_dir().create_file(path).map_err(fail(path))?;
        match piece {
            Piece::Bytes(bytes) => file.write_all(bytes),
            Piece::File(source) => {
                let from = File::open(source).map_err(MediaError::io("READ", source))?;
                // In pieces of a cluster: each write of fatfs ends at a cluster's end.
                let mut from = io::BufReader::with_capacity(LARGEST_CLUSTER as usize, from);
                io::copy(&mut from, &mut file).map(drop)
            }
        }
        .and_then(|()| file.flush())
        .map_err(fail(path))?;
    }
    filesystem.unmount().map_err(fail(""))
}

/// Size of the image and of its clusters, in bytes.
fn size_and_cluster(files: &[u64], sector_bytes: u16) -> io::Result<(u64, u32)> {
    let mut cluster = SMALLEST_CLUSTER.max(sector_bytes.into());
    while cluster <= LARGEST_CLUSTER {
        let content: u64 = files.iter().map(|size| size.next_multiple_of(cluster)).sum();
        // Each directory takes a cluster, and there are only a few.
        let least = LEAST_CLUSTERS * cluster;
        let size = (content + SPARE_BYTES + 16 * cluster).max(least).next_multiple_of(1 << 20);
        if size / cluster <= MOST_CLUSTERS {
            return Ok((size, cluster as u32));
        }
        cluster *= 2;
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, "a FAT16 filesystem holds 2 GB"))
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

    fn files() -> BTreeMap<String, Piece> {
        let mut files: BTreeMap<String, Piece> = ["boot/grub/grub.cfg", "EFI/fedora/grub.cfg", "EFI/a/b/c"]
            .map(|path| (path.to_owned(), Piece::Bytes(vec![])))
            .into();
        files.extend([
            ("EFI/BOOT/BOOTX64.EFI".to_owned(), Piece::Bytes(vec![7; 1_500_000])),
            ("EFI/BOOT/grubx64.efi".to_owned(), Piece::Bytes(b"grub".to_vec())),
            ("EFI/debian/grub.cfg".to_owned(), Piece::Bytes(b"x\n".to_vec())),
        ]);
        files
    }

    fn check(path: &Path) {
        let check = Command::new("/usr/sbin/fsck.vfat").arg("-n").arg(path).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    }

    #[test]
    fn stock_tools_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("esp.img");
        for sector_bytes in [4096, 512] {
            write(&path, &files(), 0x1234_abcd, sector_bytes).unwrap();
            check(&path);
        }
        let read = Command::new("mtype").arg("-i").arg(&path).arg("::EFI/debian/grub.cfg").output().unwrap();
        assert_eq!(read.stdout, b"x\n");
        let read = Command::new("mtype").arg("-i").arg(&path).arg("::EFI/BOOT/BOOTX64.EFI").output().unwrap();
        assert_eq!(read.stdout.len(), 1_500_000);
    }

    #[test]
    fn a_large_program_fits_too() {
        let dir = tempfile::tempdir().unwrap();
        let (path, large) = (dir.path().join("esp.img"), dir.path().join("large"));
        // Content that looks like what is corrected in directories, at the place of an entry.
        let odd =
            [&[0; 11][..], &[0x0f], &[0; 20], b".          ", &[0x10], &[0; 52], b"..         ", &[0x10], &[0; 20]];
        std::fs::write(&large, odd.concat().repeat(1_050_000)).unwrap();
        let mut files = files();
        files.insert("EFI/BOOT/BOOTX64.EFI".to_owned(), Piece::File(large.clone()));
        write(&path, &files, 1, 512).unwrap();
        check(&path);
        let read = Command::new("mtype").arg("-i").arg(&path).arg("::EFI/BOOT/BOOTX64.EFI").output().unwrap();
        assert!(read.stdout == std::fs::read(large).unwrap());
    }

    #[test]
    fn clusters_grow_with_the_content() {
        let of = |mib: u64| size_and_cluster(&[mib << 20], 512).map(|(size, cluster)| (size >> 20, cluster)).ok();
        assert_eq!(of(1), Some((12, 2048)));
        assert_eq!(of(100), Some((102, 2048)));
        assert_eq!(of(200), Some((202, 4096)));
        assert_eq!(of(1900), Some((1902, 32768)));
        assert_eq!(of(2100), None);
        assert_eq!(size_and_cluster(&[1], 4096).ok(), Some((24 << 20, 4096)));
    }

    #[test]
    fn equal_files_give_equal_images() {
        let dir = tempfile::tempdir().unwrap();
        let image = |name: &str| {
            let path = dir.path().join(name);
            write(&path, &files(), 1, 512).unwrap();
            std::fs::read(path).unwrap()
        };
        assert_eq!(image("one"), image("two"));
    }
}
