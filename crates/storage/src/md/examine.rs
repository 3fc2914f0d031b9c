//! [`examine`]: what an active array is: from sysfs, which is the kernel's own word (Documentation/admin-guide/md.rst), and for
//! name and UUID from mdadm(8).

use crate::blocks::attribute;
use crate::fields::MD_STATES;
use crate::layer::tool;
use lifeboat_machine::layout::{Array, ArrayLevel, ArrayMetadata, ArrayRole, Consistency};
use lifeboat_sys::Runner;
use lifeboat_sys::program::MDADM;
use std::path::Path;

/// An active array.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// The array; its list of members is empty, for they have no ids here.
    pub array: Array,
    /// Its members: active ones by slot, then spares and a journal.
    pub members: Vec<FoundMember>,
    /// Kernel names of members that failed and were not taken out.
    pub faulty: Vec<String>,
    /// Why it cannot be made again, with what would help.
    pub refusals: Vec<(String, Option<&'static str>)>,
}

/// A device in an active array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundMember {
    /// Its kernel name, `sda2`.
    pub name: String,
    /// What it is for.
    pub role: ArrayRole,
    /// Read from only when nothing else is there.
    pub write_mostly: bool,
    /// Given up at its first error.
    pub fail_fast: bool,
    /// Where the array's data begins on it, in bytes.
    pub data_offset_bytes: u64,
}

/// Reads an active array: `directory` is its directory in sysfs, `/sys/block/md127`, and `node` its device.
///
/// # Errors
/// What of it could not be read, as a sentence about the array that begins with "it".
pub fn examine(runner: &dyn Runner, directory: &Path, node: &Path) -> Result<Examined, String> {
    let call = tool(MDADM).args(["--detail", "--export"]).arg(node);
    let text = runner.run(&call).map_err(|error| format!("it cannot be read: {error}"))?.text();
    parse(&directory.join("md"), &text)
}

/// Reads `md/` in an array's directory of sysfs, and what `mdadm --detail --export` printed.
fn parse(md: &Path, export: &str) -> Result<Examined, String> {
    let attribute = |name: &str| attribute(&md.join(name));
    let must = |name: &str| attribute(name).ok_or_else(|| format!("it has no {name} in sysfs"));
    let exported = |key: &str| {
        let value = export.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        value.map(str::to_owned).filter(|value| !value.is_empty())
    };
    let mut refusals: Vec<(String, Option<&'static str>)> = vec![];
    let level = must("level")?;
    let level =
        ArrayLevel::named(&level).ok_or_else(|| format!("it has the level {level}, which cannot be made again"))?;
    let metadata = must("metadata_version")?;
    let metadata = ArrayMetadata::named(&metadata).ok_or_else(|| match metadata.strip_prefix("external:") {
        Some(format) => format!("it belongs to a firmware RAID ({format})"),
        None => format!("it has the metadata {metadata}, which cannot be made again"),
    })?;
    // `3 (2)` while it gets another shape.
    let reshaped = attribute("reshape_position").is_some_and(|position| position != "none")
        || exported("MD_RESHAPE_ACTIVE").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let slots = must("raid_disks")?;
    if reshaped || slots.contains('(') {
        refusals.push(("it is being reshaped".into(), Some("wait until mdadm --wait returns")));
    }
    if attribute("array_size").is_some_and(|size| size != "default") {
        refusals.push((
            "it was made smaller than its members allow (mdadm --grow --array-size)".into(),
            Some("mdadm --grow --array-size=max"),
        ));
    }
    let slots = first_word(&slots).parse().map_err(|_| format!("it has {slots} slots"))?;
    let chunk_bytes =
        attribute("chunk_size").and_then(|text| first_word(&text).parse().ok()).filter(|bytes| *bytes > 0);
    let number = attribute("layout").and_then(|text| first_word(&text).parse::<u32>().ok()).unwrap_or(0);
    let layout = match layout(level, number) {
        Ok(layout) => layout,
        Err(reason) => {
            refusals.push((reason, None));
            None
        }
    };
    let (members, faulty) = members(md, &mut refusals)?;
    let uuid = exported("MD_UUID").ok_or("mdadm does not report its UUID")?;
    let (home_host, name) = match exported("MD_NAME") {
        None => (None, None),
        Some(whole) => match whole.split_once(':') {
            Some((host, name)) => (Some(host.to_owned()), Some(name.to_owned())),
            None => (None, Some(whole)),
        },
    };
    let member_bytes = match level {
        ArrayLevel::Linear | ArrayLevel::Raid0 => None,
        ArrayLevel::Raid1 | ArrayLevel::Raid4 | ArrayLevel::Raid5 | ArrayLevel::Raid6 | ArrayLevel::Raid10 => {
            // In KiB.
            let kib: u64 = must("component_size")?.parse().map_err(|_| "it has no component size".to_owned())?;
            Some(kib.saturating_mul(1024))
        }
    };
    let consistency = consistency(&attribute, level, &mut refusals);
    // Since Linux 6.19 each array shows one; it was set only where it is larger than what the members have.
    let own: u32 = attribute("logical_block_size").and_then(|text| text.parse().ok()).unwrap_or(0);
    let logical_block_bytes = (own > largest_block(md)).then_some(own);
    let array = Array {
        uuid,
        name,
        home_host,
        level,
        metadata,
        slots,
        chunk_bytes: if level == ArrayLevel::Raid1 { None } else { chunk_bytes },
        layout,
        consistency,
        member_bytes,
        logical_block_bytes,
        members: vec![],
    };
    Ok(Examined { array, members, faulty, refusals })
}

/// Policies that the kernel has (md_attr consistency_policy).
const POLICIES: [&str; 6] = ["unknown", "none", "resync", "bitmap", "journal", "ppl"];

/// How it is made consistent after a crash.
fn consistency(
    attribute: &dyn Fn(&str) -> Option<String>,
    level: ArrayLevel,
    refusals: &mut Vec<(String, Option<&'static str>)>,
) -> Consistency {
    if attribute("bitmap_type").is_some_and(|kinds| kinds.contains("[llbitmap]")) {
        refusals.push((
            "it has a lockless bitmap, which only few kernels know".into(),
            Some("mdadm --grow --bitmap=none, then --bitmap=internal"),
        ));
        return Consistency::Resync;
    }
    let location = attribute("bitmap/location").unwrap_or_else(|| "none".into());
    if attribute("bitmap/metadata").is_some_and(|kind| kind == "clustered") {
        refusals.push(("it is shared with other machines (clustered bitmap)".into(), None));
    } else if location == "file" {
        refusals.push((
            "its bitmap is a file on another filesystem".into(),
            Some("mdadm --grow --bitmap=none, then --bitmap=internal"),
        ));
    }
    let policy = attribute("consistency_policy");
    if let Some(other) = policy.as_deref().filter(|policy| !POLICIES.contains(policy)) {
        refusals.push((format!("it has the consistency policy {other}, which Lifeboat does not know"), None));
    }
    match policy.as_deref() {
        Some("journal") => Consistency::Journal,
        Some("ppl") => Consistency::PartialParityLog,
        _ if location.starts_with(['+', '-']) => {
            let chunk = attribute("bitmap/chunksize").and_then(|text| text.parse().ok()).unwrap_or(64 << 20);
            Consistency::Bitmap { chunk_bytes: chunk }
        }
        _ if level.is_redundant() => Consistency::Resync,
        _ => Consistency::None,
    }
}

/// All devices of an array, and the names of those that failed.
fn members(
    md: &Path,
    refusals: &mut Vec<(String, Option<&'static str>)>,
) -> Result<(Vec<FoundMember>, Vec<String>), String> {
    let mut found = vec![];
    let mut faulty = vec![];
    let entries = std::fs::read_dir(md).map_err(|error| format!("cannot READ {}: {error}", md.display()))?;
    for entry in entries.flatten() {
        let directory = entry.path();
        let file_name = entry.file_name().to_string_lossy().into_owned();
        let Some(listed) = file_name.strip_prefix("dev-") else { continue };
        // The link leads to the device; tests have none.
        let name = directory.join("block").canonicalize().ok();
        let name = name.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        let name = name.unwrap_or_else(|| listed.to_owned());
        let state = attribute(&directory.join("state")).unwrap_or_default();
        let is = |word: &str| state.split(',').any(|known| known.trim() == word);
        let words = state.split(',').map(str::trim).filter(|word| !word.is_empty());
        for word in words.filter(|word| !MD_STATES.knows(word)) {
            refusals.push((format!("its member {name} is \"{word}\", which Lifeboat does not know"), None));
        }
        if is("faulty") {
            faulty.push(name);
            continue;
        }
        if is("replacement") || is("want_replacement") {
            refusals.push((format!("its member {name} is being replaced"), Some("wait until mdadm --wait returns")));
        }
        let slot = attribute(&directory.join("slot")).unwrap_or_default();
        let role = match slot.parse() {
            Ok(slot) => ArrayRole::Active { slot },
            Err(_) if is("journal") => ArrayRole::Journal,
            Err(_) => ArrayRole::Spare,
        };
        let sectors: u64 = attribute(&directory.join("offset")).and_then(|text| text.parse().ok()).unwrap_or(0);
        found.push(FoundMember {
            name,
            role,
            write_mostly: is("write_mostly"),
            fail_fast: is("failfast"),
            data_offset_bytes: sectors.saturating_mul(512),
        });
    }
    let order = |member: &FoundMember| match member.role {
        ArrayRole::Active { slot } => (0, slot, member.name.clone()),
        ArrayRole::Spare => (1, 0, member.name.clone()),
        ArrayRole::Journal => (2, 0, member.name.clone()),
    };
    found.sort_by_key(order);
    faulty.sort();
    Ok((found, faulty))
}

/// A layout's number as mdadm names it (mdadm, maps.c; drivers/md/raid5.h, raid10.c, raid0.h).
fn layout(level: ArrayLevel, number: u32) -> Result<Option<String>, String> {
    const RAID5: [&str; 6] =
        ["left-asymmetric", "right-asymmetric", "left-symmetric", "right-symmetric", "parity-first", "parity-last"];
    let unknown = || format!("it has the layout {number:#x}, which mdadm cannot make");
    match level {
        ArrayLevel::Linear | ArrayLevel::Raid1 | ArrayLevel::Raid4 => Ok(None),
        ArrayLevel::Raid0 => match number {
            0 => Ok(None),
            1 => Ok(Some("original".into())),
            2 => Ok(Some("alternate".into())),
            _ => Err(unknown()),
        },
        ArrayLevel::Raid5 => RAID5.get(number as usize).map(|name| Some((*name).to_owned())).ok_or_else(unknown),
        ArrayLevel::Raid6 => match number {
            8 => Ok(Some("ddf-zero-restart".into())),
            9 => Ok(Some("ddf-N-restart".into())),
            10 => Ok(Some("ddf-N-continue".into())),
            16..=19 => Ok(Some(format!("{}-6", RAID5[number as usize - 16]))),
            20 => Ok(Some("parity-first-6".into())),
            _ => RAID5.get(number as usize).map(|name| Some((*name).to_owned())).ok_or_else(unknown),
        },
        ArrayLevel::Raid10 => {
            let (near, far, offset, rest) = (number & 0xff, number >> 8 & 0xff, number >> 16 & 1 == 1, number >> 17);
            match (near, far) {
                _ if rest != 0 => Err(unknown()),
                (near, 1) if !offset => Ok(Some(format!("near={near}"))),
                (1, far) if offset => Ok(Some(format!("offset={far}"))),
                (1, far) => Ok(Some(format!("far={far}"))),
                _ => Err(unknown()),
            }
        }
    }
}

/// The largest logical block size of its members, in bytes.
fn largest_block(md: &Path) -> u32 {
    let members = std::fs::read_dir(md).into_iter().flatten().flatten().map(|entry| entry.path().join("block"));
    // The queue of a partition is that of its disk.
    let queues = members.filter_map(|block| {
        let block = block.canonicalize().ok()?;
        let size = |at: &Path| attribute(&at.join("queue/logical_block_size"))?.parse::<u32>().ok();
        size(&block).or_else(|| size(block.parent()?))
    });
    queues.max().unwrap_or(512)
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORT: &str = "MD_LEVEL=raid1\nMD_DEVICES=2\nMD_METADATA=1.2\nMD_UUID=0f94ed54:43b725a2:6bb17c3a:1c1a7e44\n\
        MD_DEVNAME=root\nMD_NAME=alpha:root\nMD_NEW_KEY=5\n";

    /// `md/` of a mirror of two as Linux 6.1 shows it, with changes.
    fn sysfs(changes: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let usual = [
            ("level", "raid1"),
            ("raid_disks", "2"),
            ("metadata_version", "1.2"),
            ("chunk_size", "0"),
            ("layout", "0"),
            ("array_size", "default"),
            ("component_size", "1046528"),
            ("reshape_position", "none"),
            ("consistency_policy", "bitmap"),
            ("bitmap/location", "+8"),
            ("bitmap/chunksize", "67108864"),
            ("bitmap/metadata", "internal"),
            ("dev-vdb1/state", "in_sync,write_mostly"),
            ("dev-vdb1/slot", "1"),
            ("dev-vdb1/offset", "2048"),
            ("dev-vda1/state", "in_sync"),
            ("dev-vda1/slot", "0"),
            ("dev-vda1/offset", "2048"),
        ];
        for (name, value) in usual.iter().chain(changes) {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{value}\n")).unwrap();
        }
        root
    }

    fn examined(changes: &[(&str, &str)]) -> Examined {
        parse(sysfs(changes).path(), EXPORT).unwrap()
    }

    #[test]
    fn a_mirror() {
        let Examined { array, members, faulty, refusals } =
            examined(&[("dev-vdc/state", "spare"), ("dev-vdc/slot", "none"), ("dev-vdd/state", "faulty")]);
        assert_eq!((array.name.as_deref(), array.home_host.as_deref()), (Some("root"), Some("alpha")));
        assert_eq!(array.consistency, Consistency::Bitmap { chunk_bytes: 64 << 20 });
        assert_eq!((array.slots, array.member_bytes), (2, Some(1046528 << 10)));
        let names: Vec<_> = members.iter().map(|m| (m.name.as_str(), m.role, m.write_mostly)).collect();
        assert_eq!(
            names,
            [
                ("vda1", ArrayRole::Active { slot: 0 }, false),
                ("vdb1", ArrayRole::Active { slot: 1 }, true),
                ("vdc", ArrayRole::Spare, false)
            ]
        );
        assert_eq!((faulty, refusals), (vec!["vdd".to_owned()], vec![]));
        assert_eq!(members[0].data_offset_bytes, 1 << 20);
    }

    #[test]
    fn what_cannot_be_made_again_is_named() {
        for (changes, expected) in [
            (&[("reshape_position", "12288")][..], "reshaped"),
            (&[("raid_disks", "3 (2)")], "reshaped"),
            (&[("array_size", "1000")], "smaller than its members"),
            (&[("bitmap_type", "none bitmap [llbitmap]")], "lockless"),
            (&[("bitmap/location", "file")], "a file"),
            (&[("bitmap/metadata", "clustered")], "other machines"),
            (&[("dev-vda1/state", "in_sync,want_replacement")], "replaced"),
            (&[("dev-vda1/state", "in_sync,mirrored_twice")], "mirrored_twice"),
            (&[("consistency_policy", "quorum")], "policy quorum"),
            (&[("level", "raid10"), ("layout", "515")], "layout 0x203"),
        ] {
            let refusals = examined(changes).refusals;
            assert!(refusals.iter().any(|(text, _)| text.contains(expected)), "{changes:?}: {refusals:?}");
        }
        for (changes, expected) in [
            (&[("metadata_version", "external:imsm")][..], "firmware RAID"),
            (&[("level", "multipath")], "the level multipath"),
        ] {
            let error = parse(sysfs(changes).path(), EXPORT).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn layouts_have_mdadm_s_names() {
        for (level, number, expected) in [
            (ArrayLevel::Raid1, 0, None),
            (ArrayLevel::Raid5, 2, Some("left-symmetric")),
            (ArrayLevel::Raid6, 18, Some("left-symmetric-6")),
            (ArrayLevel::Raid10, 0x102, Some("near=2")),
            (ArrayLevel::Raid10, 0x201, Some("far=2")),
            (ArrayLevel::Raid10, 0x10201, Some("offset=2")),
            (ArrayLevel::Raid0, 1, Some("original")),
        ] {
            assert_eq!(layout(level, number).unwrap().as_deref(), expected, "{level:?} {number:#x}");
        }
    }
}
