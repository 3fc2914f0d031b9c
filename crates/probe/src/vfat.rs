//! FAT12, FAT16, FAT32: the boot sector (Microsoft, FAT32 File System Specification 1.03) and the root directory's label.

use crate::prober::little_endian;
use lifeboat_machine::Name;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, VfatOptions};

/// Attributes of the directory entry that holds the label.
const VOLUME_ID: u8 = 0x08;
const LONG_NAME: u8 = 0x0f;
const ENTRY_BYTES: usize = 32;

/// What was read from the boot sector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fat {
    pub filesystem: Filesystem,
    /// Offset and length in bytes of the root directory's beginning, which may hold the label.
    pub root_directory: (u64, usize),
    /// The boot sector's own label field.
    pub boot_label: Name,
}

/// Reads the first 512 bytes.
pub(crate) fn parse(sector: &[u8]) -> Result<Fat, String> {
    let field = |offset: usize, length: usize| little_endian(sector, offset, length).unwrap_or(0);
    if sector.len() < 512 || sector[510..512] != [0x55, 0xaa] {
        return Err("its boot sector has no magic number".to_owned());
    }
    let sector_bytes = field(11, 2);
    let cluster_sectors = field(13, 1);
    let reserved_sectors = field(14, 2);
    let fats = field(16, 1);
    let root_entries = field(17, 2);
    let total = if field(19, 2) != 0 { field(19, 2) } else { field(32, 4) };
    let old_fat_sectors = field(22, 2);
    let fat_sectors = if old_fat_sectors != 0 { old_fat_sectors } else { field(36, 4) };
    let sane = [512, 1024, 2048, 4096].contains(&sector_bytes)
        && cluster_sectors.is_power_of_two()
        && reserved_sectors > 0
        && fats > 0
        && fat_sectors > 0;
    if !sane {
        return Err("its boot sector holds no valid FAT parameters".to_owned());
    }
    let root_sectors = (root_entries * ENTRY_BYTES as u64).div_ceil(sector_bytes);
    let before_data = reserved_sectors + fats * fat_sectors + root_sectors;
    let clusters =
        total.checked_sub(before_data).ok_or("its boot sector names more metadata than sectors")? / cluster_sectors;
    // The number of clusters alone decides (page 14), but a FAT32 without 16-bit length is FAT32 to Linux whatever it has.
    let fat_bits = match clusters {
        _ if old_fat_sectors == 0 => 32,
        0..4085 => 12,
        _ => 16,
    };
    let wide = fat_bits == 32;
    // The extended boot record follows the common part, 28 bytes later with FAT32.
    let extended = if wide { 64 } else { 36 };
    let (volume_id, boot_label) = match field(extended + 2, 1) {
        0x29 => (field(extended + 3, 4), sector.get(extended + 7..extended + 18).map(label).unwrap_or_default()),
        0x28 => (field(extended + 3, 4), Name::default()),
        _ => (0, Name::default()),
    };
    let root_directory = if wide {
        let cluster = field(44, 4).max(2) - 2;
        let start = (before_data + cluster * cluster_sectors) * sector_bytes;
        (start, usize::try_from(cluster_sectors * sector_bytes).unwrap_or(0))
    } else {
        ((before_data - root_sectors) * sector_bytes, usize::try_from(root_entries * ENTRY_BYTES as u64).unwrap_or(0))
    };
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let short = |offset: usize| u16::try_from(field(offset, 2)).unwrap_or(0);
    let backup = field(50, 2);
    let options = VfatOptions {
        fat_bits,
        sector_bytes: narrow(sector_bytes),
        cluster_sectors: narrow(cluster_sectors),
        reserved_sectors: narrow(reserved_sectors),
        fats: narrow(fats),
        root_entries: narrow(root_entries),
        media: sector[21],
        hidden_sectors: narrow(field(28, 4)),
        backup_boot_sector: (wide && backup != 0 && backup != 0xffff).then_some(narrow(backup)),
        drive_number: sector[extended],
        heads: short(26),
        track_sectors: short(24),
        boot_label: None,
    };
    let size_bytes = total * sector_bytes;
    let filesystem = Filesystem {
        uuid: format!("{:04X}-{:04X}", volume_id >> 16, volume_id & 0xffff),
        label: boot_label.clone(),
        size_bytes,
        used_bytes: size_bytes,
        restored: None,
        options: FilesystemOptions::Vfat(options),
    };
    Ok(Fat { filesystem, root_directory, boot_label })
}

/// The label in a root directory, which counts where both are set.
pub(crate) fn root_label(directory: &[u8]) -> Option<Name> {
    directory
        .chunks_exact(ENTRY_BYTES)
        .take_while(|entry| entry[0] != 0)
        .find(|entry| entry[0] != 0xe5 && entry[11] & LONG_NAME != LONG_NAME && entry[11] & VOLUME_ID != 0)
        .map(|entry| label(&entry[..11]))
}

/// Eleven bytes padded with blanks; `NO NAME` stands for none.
fn label(bytes: &[u8]) -> Name {
    let end = bytes.iter().rposition(|b| *b != b' ' && *b != 0).map_or(0, |last| last + 1);
    let mut bytes = bytes[..end].to_vec();
    // 0x05 stands for 0xe5, which would mark a deleted entry.
    if bytes.first() == Some(&0x05) {
        bytes[0] = 0xe5;
    }
    if bytes == b"NO NAME" { Name::default() } else { Name(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(fat: &Fat) -> &VfatOptions {
        match &fat.filesystem.options {
            FilesystemOptions::Vfat(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn real_boot_sectors() {
        let fat = parse(include_bytes!("../fixtures/fat32.sector")).unwrap();
        assert_eq!(fat.filesystem.uuid, "1234-ABCD");
        assert_eq!(fat.boot_label.0, b"EFI SYS");
        assert_eq!(fat.filesystem.size_bytes, 100 << 20);
        let found = options(&fat);
        assert_eq!((found.fat_bits, found.sector_bytes, found.cluster_sectors), (32, 512, 1));
        assert_eq!((found.reserved_sectors, found.fats, found.root_entries), (40, 1, 0));
        assert_eq!((found.media, found.hidden_sectors), (0xf8, 2048));
        assert_eq!((found.backup_boot_sector, found.drive_number), (Some(8), 0x81));
        assert_eq!(root_label(include_bytes!("../fixtures/fat32.root")), Some(Name::from("EFI SYS")));

        let fat = parse(include_bytes!("../fixtures/fat16.sector")).unwrap();
        assert_eq!((options(&fat).fat_bits, options(&fat).root_entries), (16, 512));
        assert_eq!(fat.filesystem.label.0, b"");
        let fat = parse(include_bytes!("../fixtures/fat12.sector")).unwrap();
        assert_eq!((options(&fat).fat_bits, options(&fat).backup_boot_sector), (12, None));
    }

    #[test]
    fn labels() {
        let entry = |name: &[u8; 11], attributes: u8| {
            let mut entry = vec![0; 32];
            entry[..11].copy_from_slice(name);
            entry[11] = attributes;
            entry
        };
        let directory = [entry(b"\xe5OLD       ", 8), entry(b"LONG       ", 15), entry(b"REAL LABEL ", 8)].concat();
        assert_eq!(root_label(&directory), Some(Name::from("REAL LABEL")));
        assert_eq!(root_label(&entry(b"FILE    TXT", 0x20)), None);
        assert_eq!(root_label(&[]), None);
    }

    #[test]
    fn any_sector_is_read() {
        use proptest::prelude::*;
        proptest!(|(mut sector in proptest::collection::vec(any::<u8>(), 0..600))| {
            let _ = parse(&sector);
            sector.resize(512, 0);
            sector[510..512].copy_from_slice(&[0x55, 0xaa]);
            sector[11..13].copy_from_slice(&512_u16.to_le_bytes());
            sector[13] = 8;
            let _ = parse(&sector);
            let _ = root_label(&sector);
        });
    }
}
