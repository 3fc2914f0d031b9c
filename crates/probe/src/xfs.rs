//! XFS: `xfs_info` or `xfs_db -r -c info`, which print the same.

use crate::further::EXTERNAL;
use crate::prober::{label_field, uuid_text};
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, XfsOptions};
use lifeboat_machine::{DeviceId, Name};

/// Switches by the section and name in which xfs_info prints them, and the name that mkfs.xfs takes.
const FEATURES: &[(&str, &str, &str)] = &[
    ("meta-data", "crc", "crc"),
    ("meta-data", "finobt", "finobt"),
    ("meta-data", "sparse", "sparse"),
    ("meta-data", "rmapbt", "rmapbt"),
    ("meta-data", "reflink", "reflink"),
    ("meta-data", "bigtime", "bigtime"),
    ("meta-data", "inobtcount", "inobtcount"),
    ("meta-data", "nrext64", "nrext64"),
    ("meta-data", "exchange", "exchange"),
    ("meta-data", "metadir", "metadir"),
    ("meta-data", "projid32bit", "projid32bit"),
    ("naming", "ascii-ci", "ascii-ci"),
    ("naming", "ftype", "ftype"),
    ("naming", "parent", "parent"),
];
/// Everything else that is read.
const NUMBERS: &[(&str, &str)] = &[
    ("meta-data", "isize"),
    ("meta-data", "agcount"),
    ("meta-data", "agsize"),
    ("meta-data", "sectsz"),
    ("meta-data", "attr"),
    ("data", "bsize"),
    ("data", "blocks"),
    ("data", "imaxpct"),
    ("data", "sunit"),
    ("data", "swidth"),
    ("naming", "bsize"),
    ("naming", "version"),
    ("log", "bsize"),
    ("log", "blocks"),
    ("log", "version"),
    ("log", "sectsz"),
    ("log", "sunit"),
    ("log", "lazy-count"),
    ("realtime", "extsz"),
];
/// Length of the superblock that is read.
pub(crate) const SUPERBLOCK: usize = 512;
/// `features_incompat` bit: xfs_repair must run first (xfs_format.h, XFS_SB_FEAT_INCOMPAT_NEEDSREPAIR).
const NEEDS_REPAIR: u8 = 1 << 4;

/// `features_incompat` bit: the metadata bear another UUID than the filesystem (XFS_SB_FEAT_INCOMPAT_META_UUID), and where it is.
const HAS_META_UUID: u8 = 1 << 2;
const META_UUID: usize = 248;

/// What was read, with what cannot be rebuilt.
pub(crate) type Parsed = (Filesystem, Vec<String>);

/// A mount option under which the kernel counts what users, groups or projects have (xfs(5)).
pub(crate) fn counts_quotas(option: &str) -> bool {
    let named = [
        "quota",
        "uquota",
        "usrquota",
        "uqnoenforce",
        "qnoenforce",
        "gquota",
        "grpquota",
        "gqnoenforce",
        "pquota",
        "prjquota",
        "pqnoenforce",
    ];
    named.contains(&option)
}

/// Reads the text of xfs_info; UUID and label come from the superblock itself.
pub(crate) fn parse(text: &str, superblock: &[u8]) -> Result<Parsed, String> {
    if superblock.get(..4) != Some(b"XFSB") {
        return Err("its superblock has no XFS magic number".to_owned());
    }
    let fields = fields(text);
    let find = |section: &str, name: &str| {
        fields.iter().find(|field| field.section == section && field.name == name).map(|field| field.value.as_str())
    };
    let number = |section: &str, name: &str| -> Result<u64, String> {
        let text = find(section, name).ok_or_else(|| format!("xfs_info does not report {name} of {section}"))?;
        text.parse().map_err(|_| format!("xfs_info reported an unexpected {name} of {section}: {text}"))
    };
    let small = |section: &str, name: &str| -> Result<u32, String> {
        u32::try_from(number(section, name)?)
            .map_err(|_| format!("xfs_info reported an unexpected {name} of {section}"))
    };

    let mut refusals = vec![];
    let mut external = false;
    for field in &fields {
        let known = NUMBERS.contains(&(field.section.as_str(), field.name.as_str()))
            || FEATURES.iter().any(|(section, name, _)| (*section, *name) == (field.section.as_str(), &field.name));
        let off = field.value == "0" || field.value == "none";
        match (field.section.as_str(), field.name.as_str()) {
            ("meta-data", "") => {}
            ("log", "") if field.value == "internal" => {}
            // Which device it is on is found by the mount.
            ("log", "") => external = true,
            ("realtime", "") if field.value == "none" => {}
            ("realtime", "") => refusals.push(format!("it has a realtime device, {}", field.value)),
            (section, name) if !known && !off => {
                refusals.push(format!(
                    "it has the XFS property {name}={} of {section}, which Lifeboat does not know",
                    field.value
                ));
            }
            _ => {}
        }
    }
    let block_bytes = small("data", "bsize")?;
    if number("realtime", "extsz").is_ok_and(|size| size != u64::from(block_bytes).max(4096)) {
        refusals.push("it has a realtime extent size of its own".to_owned());
    }
    if number("naming", "version").is_ok_and(|version| version != 2) {
        refusals.push("it has version 1 directories".to_owned());
    }
    if superblock.get(219).is_some_and(|byte| byte & NEEDS_REPAIR != 0) {
        refusals.push("it needs xfs_repair".to_owned());
    }
    let mut features: Vec<(String, bool)> = FEATURES
        .iter()
        .filter_map(|(section, name, option)| find(section, name).map(|value| ((*option).to_owned(), value != "0")))
        .collect();
    if let Some(version) = find("meta-data", "attr") {
        features.push(("attr2".to_owned(), version == "2"));
    }
    features.sort();
    let blocks = number("data", "blocks")?;
    let size_bytes = blocks.saturating_mul(u64::from(block_bytes));
    let metadata_uuid = superblock.get(META_UUID..META_UUID + 16).map(uuid_text);
    let options = XfsOptions {
        block_bytes,
        sector_bytes: small("meta-data", "sectsz")?,
        inode_bytes: small("meta-data", "isize")?,
        allocation_groups: small("meta-data", "agcount")?,
        allocation_group_blocks: number("meta-data", "agsize")?,
        blocks,
        max_inode_percent: small("data", "imaxpct")?,
        stripe_unit_blocks: small("data", "sunit")?,
        stripe_width_blocks: small("data", "swidth")?,
        directory_block_bytes: small("naming", "bsize")?,
        log_blocks: number("log", "blocks")?,
        log_version: small("log", "version")?,
        log_sector_bytes: small("log", "sectsz")?,
        log_stripe_unit_blocks: small("log", "sunit")?,
        lazy_count: number("log", "lazy-count")? != 0,
        features,
        log_device: external.then(|| DeviceId(EXTERNAL.into())),
        realtime: None,
        metadata_uuid: metadata_uuid.filter(|_| superblock.get(219).is_some_and(|byte| byte & HAS_META_UUID != 0)),
    };
    let filesystem = Filesystem {
        uuid: superblock.get(32..48).map(uuid_text).unwrap_or_default(),
        label: superblock.get(108..120).map(label_field).unwrap_or_else(|| Name(vec![])),
        size_bytes,
        used_bytes: size_bytes,
        restored: None,
        options: FilesystemOptions::Xfs(options),
    };
    Ok((filesystem, refusals))
}

#[derive(Debug, PartialEq)]
struct Field {
    section: String,
    /// Empty for what stands right behind the section: `log =internal`.
    name: String,
    value: String,
}

/// Takes `section = name=value name=value, …` apart; a line without section goes on with the last one.
fn fields(text: &str) -> Vec<Field> {
    let mut section = String::new();
    let mut found = vec![];
    for line in text.lines() {
        let Some((head, rest)) = line.split_once('=') else { continue };
        let begins = !head.trim().is_empty();
        if begins {
            section = head.trim().to_owned();
        }
        let mut field = |name: &str, value: &str| {
            found.push(Field { section: section.clone(), name: name.to_owned(), value: value.to_owned() });
        };
        let mut words = rest.split([' ', '\t', ',']).filter(|word| !word.is_empty()).peekable();
        if begins && !rest.starts_with(' ') {
            // `=version 2` of naming, `=internal log`, `=none`, the device name.
            match words.next() {
                Some("version") => field("version", words.next().unwrap_or_default()),
                Some(word) => field("", word),
                None => {}
            }
        }
        for word in words {
            // Units (`blks`, `extents`) have no equals sign.
            if let Some((name, value)) = word.split_once('=') {
                field(name, value);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..4].copy_from_slice(b"XFSB");
        bytes[32..48].copy_from_slice(&[0xab; 16]);
        bytes[108..114].copy_from_slice(b"my xfs");
        bytes
    }

    fn options(parsed: &Parsed) -> &XfsOptions {
        match &parsed.0.options {
            FilesystemOptions::Xfs(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn quotas_are_known_by_their_options() {
        let on: Vec<&str> = ["rw", "noquota", "usrquota", "prjquota", "pqnoenforce", "inode64"]
            .into_iter()
            .filter(|option| counts_quotas(option))
            .collect();
        assert_eq!(on, ["usrquota", "prjquota", "pqnoenforce"]);
    }

    #[test]
    fn real_answers() {
        let parsed = parse(include_str!("../fixtures/xfs_info-default.txt"), &superblock()).unwrap();
        assert_eq!(parsed.1, Vec::<String>::new());
        assert_eq!(parsed.0.uuid, "abababab-abab-abab-abab-abababababab");
        assert_eq!(parsed.0.label.0, b"my xfs");
        assert_eq!(parsed.0.size_bytes, 400 << 20);
        let found = options(&parsed);
        assert_eq!((found.block_bytes, found.inode_bytes, found.sector_bytes), (4096, 512, 512));
        assert_eq!((found.allocation_groups, found.allocation_group_blocks), (4, 25600));
        assert_eq!((found.log_blocks, found.log_version, found.lazy_count), (16384, 2, true));
        assert!(found.features.contains(&("reflink".to_owned(), true)));
        assert!(found.features.contains(&("rmapbt".to_owned(), false)));
        assert!(found.features.contains(&("attr2".to_owned(), true)));

        let parsed = parse(include_str!("../fixtures/xfs_info-tuned.txt"), &superblock()).unwrap();
        assert_eq!(parsed.1, Vec::<String>::new());
        let found = options(&parsed);
        assert_eq!((found.inode_bytes, found.sector_bytes, found.directory_block_bytes), (1024, 4096, 8192));
        assert_eq!((found.stripe_unit_blocks, found.stripe_width_blocks), (16, 64));
        assert_eq!((found.log_sector_bytes, found.log_stripe_unit_blocks), (4096, 16));
        assert!(found.features.contains(&("rmapbt".to_owned(), true)));
        assert!(found.features.contains(&("nrext64".to_owned(), true)));
        assert!(found.features.contains(&("ascii-ci".to_owned(), true)));

        let parsed = parse(include_str!("../fixtures/xfs_info-v4.txt"), &superblock()).unwrap();
        assert!(options(&parsed).features.contains(&("crc".to_owned(), false)));
    }

    #[test]
    fn newer_and_older_xfsprogs() {
        let newer = include_str!("../fixtures/xfs_info-6.13.txt");
        let parsed = parse(newer, &superblock()).unwrap();
        assert_eq!(parsed.1, Vec::<String>::new());
        assert!(options(&parsed).features.contains(&("parent".to_owned(), true)));
        assert!(options(&parsed).features.contains(&("exchange".to_owned(), true)));
        let older = include_str!("../fixtures/xfs_info-5.10.txt");
        assert_eq!(parse(older, &superblock()).unwrap().1, Vec::<String>::new());
    }

    #[test]
    fn refusals() {
        let newer = include_str!("../fixtures/xfs_info-6.13.txt");
        for (from, to, expected) in [
            ("zoned=0", "zoned=1", "zoned=1"),
            ("rgcount=0", "rgcount=4", "rgcount=4"),
            ("parent=1", "parent=1 frobnicate=1", "frobnicate=1"),
            ("=none ", "=/dev/sdc ", "realtime device, /dev/sdc"),
            ("extsz=4096", "extsz=65536", "realtime extent size"),
        ] {
            let text = newer.replacen(from, to, 1);
            assert_ne!(text, newer, "{from}");
            let (_, refusals) = parse(&text, &superblock()).unwrap();
            assert!(refusals.iter().any(|r| r.contains(expected)), "{expected}: {refusals:?}");
        }
        let mut broken = superblock();
        broken[219] = NEEDS_REPAIR;
        assert_eq!(parse(newer, &broken).unwrap().1, ["it needs xfs_repair"]);
        assert!(parse(newer, &[]).is_err());
        assert!(parse("", &superblock()).is_err());
    }

    #[test]
    fn any_text_is_read() {
        use proptest::prelude::*;
        let good = include_str!("../fixtures/xfs_info-6.13.txt");
        proptest!(|(cut in 0..good.len(), noise in "\\PC{0,40}")| {
            let _ = parse(&format!("{}{noise}{}", &good[..cut], &good[cut..]), &superblock());
            let _ = parse(&noise, &superblock());
        });
    }
}
