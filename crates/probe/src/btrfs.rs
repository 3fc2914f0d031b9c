//! btrfs: `btrfs inspect-internal dump-super`, `btrfs filesystem df`.

use crate::fields::DUMP_SUPER;
use crate::prober::{label_field, little_endian, uuid_text};
use lifeboat_machine::Name;
use lifeboat_machine::filesystem::{BtrfsOptions, Filesystem, FilesystemOptions};
use std::collections::BTreeMap;

/// Where the first superblock lies, and its length.
pub(crate) const SUPERBLOCK: (u64, usize) = (65536, 4096);
/// Offset of the label in it (struct btrfs_super_block).
const LABEL: usize = 0x12b;
/// Offset in it of the size of all devices together, in bytes.
const ALL_BYTES: usize = 0x70;
/// Offsets in it of the device item (struct btrfs_dev_item): its number, its size in bytes and its UUID.
const DEVICE_ID: usize = 0xc9;
const DEVICE_BYTES: usize = 0xc9 + 8;
const DEVICE_UUID: usize = 0xc9 + 66;
/// Offset in it of the UUID that the metadata bear, with METADATA_UUID: behind the UUID tree's generation.
const METADATA_UUID: usize = 0x23b;

/// Flags of dump-super, and the feature of mkfs.btrfs that sets it. Empty: nothing that mkfs decides.
const FLAGS: &[(&str, &str)] = &[
    ("MIXED_BACKREF", ""),
    ("DEFAULT_SUBVOL", ""),
    // Set by the kernel once a file is compressed so, or on the first mount.
    ("COMPRESS_LZO", ""),
    ("COMPRESS_ZSTD", ""),
    ("BIG_METADATA", ""),
    // The UUID was changed by btrfstune -m; the visible one is kept.
    ("METADATA_UUID", ""),
    ("FREE_SPACE_TREE_VALID", ""),
    // Set by the profiles raid1c3 and raid1c4.
    ("RAID1C34", ""),
    // Set by the kernel once a file has fs-verity.
    ("VERITY", ""),
    // mkfs.btrfs --mixed, kept as a field of its own.
    ("MIXED_GROUPS", ""),
    ("EXTENDED_IREF", "extref"),
    ("SKINNY_METADATA", "skinny-metadata"),
    ("NO_HOLES", "no-holes"),
    ("FREE_SPACE_TREE", "free-space-tree"),
    ("BLOCK_GROUP_TREE", "block-group-tree"),
];

/// The kernel sets a flag once a file was sealed by fs-verity.
pub(crate) fn may_be_sealed(text: &str) -> bool {
    flags(text).iter().any(|flag| flag == "VERITY")
}

/// What the superblock reports, with what cannot be rebuilt.
pub(crate) type Parsed = (Filesystem, Vec<String>);

/// Reads dump-super; UUIDs, label and size come from the superblock itself. Profiles and subvolumes are not in it.
pub(crate) fn parse_super(text: &str, superblock: &[u8]) -> Result<Parsed, String> {
    if superblock.get(0x40..0x48) != Some(b"_BHRfS_M") {
        return Err("its superblock has no btrfs magic number".to_owned());
    }
    let values: BTreeMap<&str, &str> = text
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| line.split_once(char::is_whitespace))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    let get = |name: &str| values.get(name).copied().ok_or_else(|| format!("btrfs does not report its {name}"));
    let small = |name: &str| -> Result<u32, String> {
        get(name)?.parse().map_err(|_| format!("btrfs reported an unexpected {name}"))
    };
    let mut refusals = vec![];
    let mut features = vec![];
    for (name, value) in values.iter().filter(|(name, _)| !DUMP_SUPER.knows(name.trim_end_matches(':'))) {
        refusals.push(format!("it has the btrfs property {name} {value}, which Lifeboat does not know"));
    }
    let flags = flags(text);
    for flag in &flags {
        match FLAGS.iter().find(|(name, _)| name == flag) {
            Some((_, "")) => {}
            Some((_, feature)) => features.push((*feature).to_owned()),
            None => refusals.push(format!("it has the btrfs feature {flag}, which Lifeboat cannot recreate")),
        }
    }
    features.sort();
    let checksum = get("csum_type")?;
    let checksum = checksum.split(['(', ')']).nth(1).unwrap_or(checksum).trim();
    let checksum = match checksum {
        "crc32c" | "sha256" => checksum,
        "xxhash64" | "xxhash" => "xxhash",
        "blake2b" | "blake2" => "blake2",
        other => {
            refusals.push(format!("it has the btrfs checksum {other}"));
            other
        }
    };
    let place = if get("num_devices")? == "1" { DEVICE_BYTES } else { ALL_BYTES };
    let size_bytes = little_endian(superblock, place, 8).unwrap_or(0);
    let options = BtrfsOptions {
        node_bytes: small("nodesize")?,
        sector_bytes: small("sectorsize")?,
        checksum: checksum.to_owned(),
        features,
        data_profile: String::new(),
        metadata_profile: String::new(),
        mixed: flags.iter().any(|flag| flag == "MIXED_GROUPS"),
        device_uuid: superblock.get(DEVICE_UUID..DEVICE_UUID + 16).map(uuid_text),
        devid: little_endian(superblock, DEVICE_ID, 8).filter(|devid| *devid != 0).unwrap_or(1),
        metadata_uuid: flags
            .iter()
            .any(|flag| flag == "METADATA_UUID")
            .then(|| superblock.get(METADATA_UUID..METADATA_UUID + 16).map(uuid_text))
            .flatten(),
        subvolumes: vec![],
        default_subvolume: Name::default(),
    };
    let filesystem = Filesystem {
        uuid: superblock.get(0x20..0x30).map(uuid_text).unwrap_or_default(),
        label: superblock.get(LABEL..LABEL + 256).map(label_field).unwrap_or_default(),
        size_bytes,
        used_bytes: size_bytes,
        restored: None,
        options: FilesystemOptions::Btrfs(options),
    };
    Ok((filesystem, refusals))
}

/// The flag names between parentheses below `…flags`, where each stands on a line of its own.
fn flags(text: &str) -> Vec<String> {
    let mut found = vec![];
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with(char::is_whitespace) {
            inside = line.split_once(char::is_whitespace).is_some_and(|(name, value)| {
                let names = ["compat_flags", "compat_ro_flags", "incompat_flags", "flags"];
                // A flag without a name is seen in the number only.
                if name == "compat_flags" && value.trim() != "0x0" {
                    found.push(format!("compat_flags {}", value.trim()));
                }
                names.contains(&name)
            });
        } else if inside && line.contains("unknown flag") {
            found.push(line.trim().trim_matches(['(', ')', ' ', '|']).to_owned());
        } else if inside {
            let words = line.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '|'));
            found.extend(words.filter(|word| !word.is_empty() && *word != "WRITTEN").map(str::to_owned));
        }
    }
    found
}

/// The profiles of data and of metadata in `btrfs filesystem df`; several of a kind mean an unfinished conversion.
pub(crate) fn parse_profiles(text: &str) -> Result<(String, String), String> {
    let mut data = vec![];
    let mut metadata = vec![];
    for line in text.lines() {
        let Some((kind, rest)) = line.split_once(", ") else { continue };
        let profile = rest.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.trim() {
            "Data" => data.push(profile),
            "Metadata" => metadata.push(profile),
            "Data+Metadata" => {
                data.push(profile.clone());
                metadata.push(profile);
            }
            _ => {}
        }
    }
    match (data.as_slice(), metadata.as_slice()) {
        ([data], [metadata]) => Ok((data.clone(), metadata.clone())),
        // A new filesystem may have no data block group yet.
        ([], [metadata]) => Ok(("single".to_owned(), metadata.clone())),
        ([], _) | (_, []) => Err("btrfs does not report its profiles".to_owned()),
        _ => Err("its block groups have several profiles, as after an interrupted balance".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        bytes[0x40..0x48].copy_from_slice(b"_BHRfS_M");
        bytes[0x20..0x30].copy_from_slice(&[0x11; 16]);
        bytes[LABEL..LABEL + 4].copy_from_slice(b"tree");
        bytes[DEVICE_BYTES..DEVICE_BYTES + 8].copy_from_slice(&(1_u64 << 30).to_le_bytes());
        bytes[DEVICE_UUID..DEVICE_UUID + 16].copy_from_slice(&[0x22; 16]);
        bytes
    }

    fn options(parsed: &Parsed) -> &BtrfsOptions {
        match &parsed.0.options {
            FilesystemOptions::Btrfs(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn real_superblocks() {
        let parsed = parse_super(include_str!("../fixtures/btrfs-super.txt"), &superblock()).unwrap();
        assert_eq!(parsed.1, Vec::<String>::new());
        assert_eq!((parsed.0.size_bytes, parsed.0.label.0.as_slice()), (1 << 30, &b"tree"[..]));
        assert_eq!(options(&parsed).features, ["extref", "free-space-tree", "no-holes", "skinny-metadata"]);
        assert_eq!((options(&parsed).node_bytes, options(&parsed).sector_bytes), (16384, 4096));
        assert_eq!((options(&parsed).checksum.as_str(), options(&parsed).mixed), ("crc32c", false));
        assert_eq!(options(&parsed).device_uuid.as_deref(), Some("22222222-2222-2222-2222-222222222222"));
        let parsed = parse_super(include_str!("../fixtures/btrfs-super-mixed.txt"), &superblock()).unwrap();
        assert_eq!((options(&parsed).checksum.as_str(), options(&parsed).mixed), ("xxhash", true));
        assert_eq!(options(&parsed).node_bytes, 4096);
    }

    #[test]
    fn refusals() {
        let good = include_str!("../fixtures/btrfs-super.txt");
        for (from, to, expected) in [
            ("NO_HOLES", "RAID56", "RAID56"),
            ("NO_HOLES", "ZONED", "ZONED"),
            ("NO_HOLES", "unknown flag: 0x8000", "unknown"),
            ("( WRITTEN )", "( WRITTEN |\n\t\t\t  SEEDING )", "SEEDING"),
            ("(crc32c)", "(md5)", "md5"),
            ("num_devices", "erasure_profile\t\t3\nnum_devices", "erasure_profile 3"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let refusals = parse_super(&text, &superblock()).unwrap().1;
            assert!(refusals.iter().any(|r| r.contains(expected)), "{expected}: {refusals:?}");
        }
        assert!(parse_super(good, &[]).is_err());
        assert!(parse_super("", &superblock()).is_err());
    }

    #[test]
    fn profiles() {
        let text = include_str!("../fixtures/btrfs-df.txt");
        assert_eq!(parse_profiles(text), Ok(("single".into(), "dup".into())));
        let mixed = "System, single: total=4194304, used=4096\nData+Metadata, single: total=8388608, used=28672\n";
        assert_eq!(parse_profiles(mixed), Ok(("single".into(), "single".into())));
        assert!(parse_profiles("Data, single: total=1\nData, DUP: total=1\nMetadata, DUP: total=1\n").is_err());
        assert!(parse_profiles("").is_err());
    }

    #[test]
    fn any_text_is_read() {
        use proptest::prelude::*;
        let good = include_str!("../fixtures/btrfs-super.txt");
        proptest!(|(cut in 0..good.len(), noise in "\\PC{0,40}")| {
            let _ = parse_super(&format!("{}{noise}{}", &good[..cut], &good[cut..]), &superblock());
            let _ = parse_profiles(&noise);
        });
    }
}
