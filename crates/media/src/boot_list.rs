//! Writes the list of what boots ([`BootList`]) into a finished image: what firmware and GRUB read can only be hashed once it is there,
//! so the list has its place beforehand, filled with spaces, and is filled in last.

use crate::el_torito::BootRecord;
use crate::error::MediaError;
use lifeboat_machine::boot_list::{BOOT_LIST, EFI_PARTITION, KERNEL};
use lifeboat_machine::manifest::{FORMAT, FileDigest};
use lifeboat_machine::{BootList, BootRange, MediumManifest};
use lifeboat_remote::image_file::ImageFile;
use lifeboat_remote::iso::{self, Extents, ReadAt};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Makes the seal of a list: from the medium's id and the bytes to be sealed.
pub type Seal<'a> = dyn Fn(&str, &[u8]) -> Result<String, String> + 'a;

/// Before the volume descriptors: boot sector and partition tables (ECMA-119, 6.2.1: the system area).
const SYSTEM_AREA: u64 = 16 * SECTOR;
const SECTOR: u64 = 2048;
/// How much is hashed at a time.
const CHUNK: u64 = 4 << 20;
/// Room for what is not a file's line: head, ranges, seal.
const HEAD_BYTES: usize = 8 << 10;
/// Room for a file's line beside its name.
const LINE_BYTES: usize = 256;

/// What stands in for the list while the image is written; `names` are the paths of the files that it will have.
pub(crate) fn placeholder<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u8> {
    // JSON escapes what is not ASCII in up to six bytes.
    let lines: usize = names.map(|name| name.len() * 6 + LINE_BYTES).sum();
    let mut blank = vec![b' '; (HEAD_BYTES + lines).next_multiple_of(SECTOR as usize)];
    if let Some(last) = blank.last_mut() {
        *last = b'\n';
    }
    blank
}

/// Whether a file below `/lifeboat` is the volume on the first disc of a set, which has a seal of its own.
pub(crate) fn is_volume(manifest: &MediumManifest, name: &str) -> bool {
    manifest.first_volume() == Some(name)
}

/// Hashes what boots from the image at `written`, which will be `out`, and writes the list in its place.
pub(crate) fn write(
    written: &Path,
    out: &Path,
    manifest: &MediumManifest,
    record: &BootRecord,
    seal: Option<&Seal<'_>>,
) -> Result<BootList, MediaError> {
    let wrong = |reason: String| MediaError::Verify { out: out.to_owned(), reason };
    let fault = |fault: lifeboat_remote::Fault| wrong(fault.to_string());
    let image = ImageFile::open(written).map_err(fault)?;
    let files = iso::files(&image, &out.display().to_string(), "").map_err(fault)?;
    let of_list = format!("lifeboat/{BOOT_LIST}");
    let in_manifest = |path: &str| {
        let name = path.strip_prefix("lifeboat/");
        name.is_some_and(|name| manifest.files.contains_key(name) || is_volume(manifest, name))
    };
    let mut list = BootList {
        format: FORMAT,
        lifeboat: manifest.lifeboat.clone(),
        medium_id: manifest.medium_id.clone(),
        image_bytes: image.size(),
        files: BTreeMap::new(),
        ranges: vec![],
        seal: None,
    };
    for (path, extents) in files.iter().filter(|(path, _)| **path != of_list && (*path == KERNEL || !in_manifest(path)))
    {
        list.files.insert(path.clone(), digest(&image, extents).map_err(fault)?);
    }
    for (name, offset, size) in ranges(&files, record, image.size()) {
        let digest = digest(&image, &vec![(offset, size)]).map_err(fault)?;
        list.ranges.push(BootRange { name: name.to_owned(), offset, digest });
    }
    if let Some(seal) = seal {
        list.seal = Some(seal(&list.medium_id, &list.sealed_bytes()).map_err(wrong)?);
    }
    let place = files.get(&of_list).map(Vec::as_slice);
    let Some([(offset, size)]) = place else {
        return Err(wrong("it has no space for the list of what boots".into()));
    };
    let mut json = list.to_json();
    let room = usize::try_from(*size).unwrap_or(0);
    if json.len() > room {
        return Err(wrong(format!("the list of what boots needs {} bytes and has {room}", json.len())));
    }
    json.resize(room, b' ');
    let file = File::options().write(true).open(written).map_err(MediaError::io("WRITE", out))?;
    file.write_all_at(&json, *offset).map_err(MediaError::io("WRITE", out))?;
    file.sync_all().map_err(MediaError::io("WRITE", out))?;
    Ok(list)
}

/// The parts of an image that are not files: name, offset, length. What no directory, catalogue or partition table refers to (ends
/// of last sectors) is not among them.
fn ranges(files: &BTreeMap<String, Extents>, record: &BootRecord, size: u64) -> Vec<(&'static str, u64, u64)> {
    let content = || files.values().flatten().filter(|(_, size)| *size > 0);
    let first = content().map(|(start, _)| *start).min().unwrap_or(size);
    let last = content().map(|(start, size)| (start + size).next_multiple_of(SECTOR)).max().unwrap_or(0).min(size);
    let mut list = vec![("the boot sector with the partition table", 0, SYSTEM_AREA.min(first))];
    let mut add = |name: &'static str, from: u64, to: u64| {
        if from < to {
            list.push((name, from, to - from));
        }
    };
    add("the area of volume descriptors and directories", SYSTEM_AREA, first);
    if (first..last).contains(&record.catalogue_offset) {
        add("the El Torito catalogue", record.catalogue_offset, record.catalogue_offset + SECTOR);
    }
    let efi = record.efi_offset.filter(|offset| (last..size).contains(offset)).unwrap_or(size);
    add("the end of the file system", last, efi);
    add(EFI_PARTITION, efi, size);
    list
}

fn digest(image: &ImageFile, extents: &Extents) -> Result<FileDigest, lifeboat_remote::Fault> {
    let mut hasher = blake3::Hasher::new();
    for (start, size) in extents {
        let mut done = 0;
        while done < *size {
            let bytes = image.read_at(start + done, CHUNK.min(size - done))?;
            if bytes.is_empty() {
                return Err(lifeboat_remote::Fault::ended("READ", "the image", "it ends too early"));
            }
            hasher.update(&bytes);
            done += bytes.len() as u64;
        }
    }
    Ok(FileDigest { size_bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_leave_out_files_only() {
        let files = BTreeMap::from([
            ("a".to_owned(), vec![(50 * SECTOR, 3000)]),
            ("empty".to_owned(), vec![(7 * SECTOR, 0)]),
            ("z".to_owned(), vec![(60 * SECTOR, SECTOR), (61 * SECTOR, 5)]),
        ]);
        let record =
            BootRecord { catalogue_offset: 55 * SECTOR, efi_offset: Some(90 * SECTOR), ..BootRecord::default() };
        let found: Vec<_> = ranges(&files, &record, 200 * SECTOR + 512)
            .into_iter()
            .map(|(_, from, size)| (from, from + size))
            .collect();
        let sectors = |from: u64, to: u64| (from * SECTOR, to * SECTOR);
        assert_eq!(
            found,
            [sectors(0, 16), sectors(16, 50), sectors(55, 56), sectors(62, 90), (90 * SECTOR, 200 * SECTOR + 512)]
        );
        // No EFI, and a catalogue that is among the directories.
        let record = BootRecord { catalogue_offset: 20 * SECTOR, ..BootRecord::default() };
        let found: Vec<_> = ranges(&files, &record, 62 * SECTOR).into_iter().map(|(_, from, _)| from).collect();
        assert_eq!(found, [0, 16 * SECTOR]);
    }

    #[test]
    fn the_place_is_large_enough_for_odd_names() {
        let names: Vec<String> = (0..50).map(|number| format!("{}{number}", "\u{1}é\"".repeat(40))).collect();
        let digest = FileDigest { size_bytes: u64::MAX, blake3: "ab".repeat(32) };
        let range = BootRange {
            name: "the area of volume descriptors and directories".into(),
            offset: u64::MAX,
            digest: digest.clone(),
        };
        let list = BootList {
            format: FORMAT,
            lifeboat: "10.11.12".into(),
            medium_id: "ab".repeat(16),
            image_bytes: u64::MAX,
            files: names.iter().map(|name| (name.clone(), digest.clone())).collect(),
            ranges: vec![range; 5],
            seal: Some("ab".repeat(32)),
        };
        assert!(list.to_json().len() <= placeholder(names.iter().map(String::as_str)).len());
    }
}
