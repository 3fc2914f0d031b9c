//! Where everything is on a stick: a disk that boots on BIOS and UEFI and holds a repository that is written again.
//!
//! | part | begins at | holds |
//! | --- | --- | --- |
//! | boot sector, partition table | 0 | GRUB's boot sector, GPT |
//! | partition 1 | 1 MiB | GRUB's core image for BIOS, in the one or the other of two halves |
//! | partition 2 | 2 MiB, or one slot behind that | the EFI system partition, in the one or the other of two slots |
//! | partition 3 | behind both slots | ext4: `/lifeboat/`, `/boot/grub/`, `/repo/` |
//! | copy of the table | the end | GPT |
//!
//! Of what boots there are two places each: a newer one is written beside the one in use, and one sector, or the table, then names
//! it. So a stick that is pulled meanwhile boots by the old one or by the new one.

use crate::gpt::{Gpt, GptPartition, Guid, kinds};
use crate::manifest::MediumManifest;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Sizes of sectors that disks have, in bytes.
pub const SECTORS: [u64; 2] = [512, 4096];
const MIB: u64 = 1 << 20;
/// Where partition 1 begins, and its size.
const BIOS: (u64, u64) = (MIB, MIB);
/// Where the slots begin.
const SLOTS: u64 = 2 * MIB;
/// The folder of the repository, from the top of the medium.
pub const REPOSITORY: &str = "repo";
/// The data partition's filesystem has a label that begins so.
pub const LABEL: &str = "LIFEBOAT";
/// Numbers by which the GUIDs of partitions differ from that of the disk.
const PARTS: [u8; 3] = [1, 2, 3];

/// The layout of a stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StickLayout {
    /// Size of the disk in bytes.
    pub size_bytes: u64,
    /// Size of its logical sectors in bytes.
    pub sector_bytes: u64,
    /// Size of a slot for the EFI system partition in bytes; whole MiB.
    pub slot_bytes: u64,
}

impl StickLayout {
    /// Offset and size of a half of partition 1.
    pub fn bios(&self, half: usize) -> (u64, u64) {
        (BIOS.0 + half as u64 % 2 * (BIOS.1 / 2), BIOS.1 / 2)
    }

    /// Offset and size of a slot for the EFI system partition.
    pub fn efi(&self, slot: usize) -> (u64, u64) {
        (SLOTS + slot as u64 % 2 * self.slot_bytes, self.slot_bytes)
    }

    /// Offset and size of the data partition; the size is 0 where there is no room for one.
    pub fn data(&self) -> (u64, u64) {
        let begin = SLOTS + 2 * self.slot_bytes;
        let (_, behind) = Gpt::reserved(self.sector_bytes);
        let whole = self.size_bytes / self.sector_bytes * self.sector_bytes;
        let end = whole.saturating_sub(behind) / MIB * MIB;
        (begin, end.saturating_sub(begin))
    }

    /// The least size of a disk whose data partition has this size.
    pub fn disk_bytes(&self, data_bytes: u64) -> u64 {
        let (_, behind) = Gpt::reserved(self.sector_bytes);
        SLOTS + 2 * self.slot_bytes + data_bytes.next_multiple_of(MIB) + behind
    }

    /// The partition table of a medium, with the EFI system partition in a slot.
    pub fn table(&self, manifest: &MediumManifest, slot: usize) -> Gpt {
        let disk = disk_guid(manifest);
        let part = |number: u8, kind: Guid, (offset, bytes): (u64, u64), name: String| GptPartition {
            kind,
            id: disk.part(number),
            offset,
            bytes,
            name,
        };
        let partitions = vec![
            part(PARTS[0], kinds::BIOS_BOOT, BIOS, "BIOS boot".to_owned()),
            part(PARTS[1], kinds::EFI_SYSTEM, self.efi(slot), "EFI system".to_owned()),
            part(PARTS[2], kinds::LINUX, self.data(), partition_name(manifest)),
        ];
        Gpt { disk, size_bytes: self.size_bytes, sector_bytes: self.sector_bytes, partitions }
    }

    /// The layout behind a table, and the slot in use; `None` for the table of another disk.
    pub fn of(gpt: &Gpt) -> Option<(StickLayout, usize)> {
        let [bios, efi, data] = gpt.partitions.as_slice() else { return None };
        let parts = [(bios, kinds::BIOS_BOOT), (efi, kinds::EFI_SYSTEM), (data, kinds::LINUX)];
        let ours = parts
            .iter()
            .zip(PARTS)
            .all(|((part, kind), number)| part.kind == *kind && part.id == gpt.disk.part(number));
        // A stick that was copied to a larger one keeps its table.
        let layout = StickLayout { size_bytes: gpt.size_bytes, sector_bytes: gpt.sector_bytes, slot_bytes: efi.bytes };
        let slot = [0, 1].into_iter().find(|slot| layout.efi(*slot) == (efi.offset, efi.bytes))?;
        (ours && (bios.offset, bios.bytes) == BIOS && data.offset == layout.data().0).then_some((layout, slot))
    }
}

/// The table of a stick, or of its image, with the layout behind it and the slot in use; `None` for anything else. `sectors` are the sizes that a
/// sector may have, in bytes: an image does not say for which disk it was made.
pub fn read(disk: &File, size_bytes: u64, sectors: &[u64]) -> Option<(Gpt, StickLayout, usize)> {
    let read = |at: u64, length: u64| {
        let mut bytes = vec![0; usize::try_from(length.min(size_bytes.saturating_sub(at))).unwrap_or(0)];
        disk.read_exact_at(&mut bytes, at).map(|()| bytes)
    };
    let table = sectors.iter().find_map(|sector| Gpt::read(size_bytes, *sector, &read).ok())?;
    let (layout, slot) = StickLayout::of(&table)?;
    Some((table, layout, slot))
}

/// The disk's GUID: the id of the medium.
pub fn disk_guid(manifest: &MediumManifest) -> Guid {
    Guid::parse(&manifest.medium_id).unwrap_or(Guid([0; 16]))
}

/// UUID of the data partition's filesystem: the id of the medium, too.
pub fn filesystem_uuid(manifest: &MediumManifest) -> String {
    disk_guid(manifest).to_string().to_ascii_lowercase()
}

/// Label of the data partition's filesystem, 16 characters as ext4 has them at most: `LIFEBOAT0A1B2C3D`.
pub fn label(manifest: &MediumManifest) -> String {
    format!("{LABEL}{}", short_id(&manifest.medium_id).to_ascii_uppercase())
}

/// The first 8 digits of a medium's id, by which people know it.
pub fn short_id(medium_id: &str) -> String {
    medium_id.chars().filter(char::is_ascii_hexdigit).take(8).collect()
}

/// Name of the data partition, 36 characters at most: machine, day and short id.
fn partition_name(manifest: &MediumManifest) -> String {
    let machine: String = manifest.machine_name.chars().filter(|c| !c.is_control()).take(16).collect();
    let day: String = manifest.created_at.chars().take(10).collect();
    format!("{machine} {day} {}", short_id(&manifest.medium_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const SLOT: u64 = 32 << 20;

    fn layout(size_bytes: u64, sector_bytes: u64) -> StickLayout {
        StickLayout { size_bytes, sector_bytes, slot_bytes: SLOT }
    }

    #[test]
    fn nothing_overlaps_on_any_size() {
        for (size, sector) in [(1 << 30, 512), ((1 << 30) + 513, 512), (7_803_174_912, 512), ((1 << 30) + 4096, 4096)] {
            let layout = layout(size, sector);
            let mut places = vec![
                layout.bios(0),
                layout.bios(1),
                layout.efi(0),
                layout.efi(1),
                layout.data(),
                (layout.table(&testing::medium_manifest(), 0).end().0, 0),
            ];
            places.insert(0, (0, Gpt::reserved(sector).0));
            for pair in places.windows(2) {
                assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{size} {sector}: {pair:?}");
            }
            let (offset, bytes) = layout.data();
            assert!(offset % MIB == 0 && bytes % MIB == 0 && offset + bytes + 2 * MIB > size);
            assert!(layout.disk_bytes(bytes) <= size && layout.disk_bytes(bytes + MIB) > size / sector * sector);
        }
        assert_eq!(layout(40 << 20, 512).data().1, 0);
    }

    #[test]
    fn a_stick_is_known_by_its_table() {
        let manifest = testing::medium_manifest();
        for slot in [0, 1] {
            let layout = layout(1 << 30, 512);
            let gpt = layout.table(&manifest, slot);
            assert_eq!(StickLayout::of(&gpt), Some((layout, slot)));
            let mut other = gpt.clone();
            other.partitions[2].id = other.disk;
            assert_eq!(StickLayout::of(&other), None);
            let mut other = gpt.clone();
            other.partitions.pop();
            assert_eq!(StickLayout::of(&other), None);
            let larger = Gpt { size_bytes: 2 << 30, ..gpt };
            assert_eq!(StickLayout::of(&larger).map(|(_, slot)| slot), Some(slot));
        }
    }

    #[test]
    fn names_carry_the_machine_the_day_and_the_id() {
        let manifest =
            MediumManifest { machine_name: "a-machine-with-a-long-name".into(), ..testing::medium_manifest() };
        assert_eq!(label(&manifest), "LIFEBOAT0A1B2C3D");
        assert_eq!(partition_name(&manifest), "a-machine-with-a 2026-11-24 0a1b2c3d");
        assert_eq!(filesystem_uuid(&manifest), "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9");
    }
}
