//! How a volume lies on physical volumes, from the rows of a report.

use crate::lvm::examine::{Row, number, text};
use lifeboat_machine::DeviceId;
use lifeboat_machine::layout::group::is_mirror;
use lifeboat_machine::layout::{Cache, CacheKind, Extents, RaidImage, RaidSettings, VolumeShape};

/// A name without the brackets that hidden volumes have.
pub(super) fn bare(name: &str) -> &str {
    name.trim_start_matches('[').trim_end_matches(']')
}

/// How a volume lies, from its segments and all rows of its group.
pub(super) fn shape(segments: &[&Row], rows: &[Row]) -> Result<VolumeShape, String> {
    let Some(first) = segments.first() else { return Err("it has no segment".into()) };
    let kind = text(first, "segtype");
    if let Some(other) = segments.iter().map(|row| text(row, "segtype")).find(|other| *other != kind) {
        return Err(format!("it is {kind} in one part and {other} in another"));
    }
    match kind {
        "linear" => Ok(VolumeShape::Linear { extents: ranges(segments)? }),
        "striped" => {
            if segments.len() > 1 {
                return Err("it is striped in several parts; that is not made again in this release".into());
            }
            Ok(VolumeShape::Striped { stripe_bytes: number(first, "stripe_size"), extents: ranges(segments)? })
        }
        "thin-pool" => {
            let data = of(text(first, "data_lv"), rows);
            if data.iter().any(|row| text(row, "segtype") != "linear") {
                return Err(
                    "its thin pool lies on another kind than linear; that is not made again in this release".into()
                );
            }
            Ok(VolumeShape::ThinPool {
                chunk_bytes: number(first, "chunk_size"),
                metadata_bytes: number(first, "lv_metadata_size"),
                zero: text(first, "zero") == "1",
                discards: text(first, "discards").to_owned(),
                extents: ranges(&data)?,
            })
        }
        "cache" | "writecache" => cached(kind, first, rows),
        "thin" => Ok(VolumeShape::Thin { pool: DeviceId(bare(text(first, "pool_lv")).to_owned()) }),
        raid if raid.starts_with("raid") || raid == "mirror" => self::raid(raid, segments, first, rows),
        other => Err(format!("it is of LVM's kind {other}, which is not made again in this release")),
    }
}

/// All segments of a volume, by its name with or without brackets.
fn of<'r>(name: &str, rows: &'r [Row]) -> Vec<&'r Row> {
    rows.iter().filter(|row| bare(text(row, "lv_name")) == bare(name)).collect()
}

/// A volume with a cache in front of it.
fn cached(kind: &str, first: &Row, rows: &[Row]) -> Result<VolumeShape, String> {
    let origin = shape(&of(text(first, "origin"), rows), rows)?;
    match origin {
        VolumeShape::Linear { .. } | VolumeShape::Striped { .. } | VolumeShape::Raid { .. } => {}
        VolumeShape::ThinPool { .. } | VolumeShape::Thin { .. } | VolumeShape::Cached { .. } => {
            return Err(format!("it is a {kind} in front of another kind of volume than linear, striped or RAID"));
        }
    }
    let fast = of(text(first, "pool_lv"), rows);
    let name = bare(text(first, "pool_lv"));
    let Some(pool) = fast.first() else { return Err(format!("lvm does not list its cache {name}")) };
    let is_linear = |parts: &[&Row]| !parts.is_empty() && parts.iter().all(|row| text(row, "segtype") == "linear");
    let is_pool = text(pool, "segtype") == "cache-pool";
    let data = if is_pool { of(text(pool, "data_lv"), rows) } else { fast.clone() };
    let metadata = if is_pool { of(text(pool, "metadata_lv"), rows) } else { vec![] };
    if !is_linear(&data) || (is_pool && !is_linear(&metadata)) {
        return Err(format!(
            "its cache {name} lies on another kind than linear; that is not made again in this release"
        ));
    }
    let is_write = kind == "writecache";
    let chunk_bytes = number(first, if is_write { "writecache_block_size" } else { "chunk_size" });
    if chunk_bytes == 0 {
        return Err(format!("lvm does not report the block size of its {kind}; try LVM 2.03.13 or newer"));
    }
    let chosen = |column: &str| Some(text(first, column).to_owned()).filter(|text| !text.is_empty() && !is_write);
    // `block_size` is reported by itself.
    let settings = text(first, "cache_settings").split([',', ' ']).filter(|word| !word.is_empty());
    let settings = settings.filter(|word| !word.starts_with("block_size=")).map(str::to_owned);
    let cache = Cache {
        kind: match (is_write, is_pool) {
            (true, _) => CacheKind::Writecache,
            (false, true) => CacheKind::Pool,
            (false, false) => CacheKind::Volume,
        },
        // LVM adds these endings when it hides the volume (lib/metadata/cache_manip.c).
        name: name.trim_end_matches(if is_pool { "_cpool" } else { "_cvol" }).to_owned(),
        chunk_bytes,
        mode: chosen("cache_mode"),
        policy: chosen("cache_policy"),
        metadata_format: chosen("cache_metadata_format").and_then(|text| text.parse().ok()),
        metadata_bytes: is_pool.then(|| number(pool, "lv_metadata_size")),
        settings: settings.collect(),
        extents: ranges(&data)?,
    };
    Ok(VolumeShape::Cached { origin: Box::new(origin), cache })
}

fn raid(kind: &str, segments: &[&Row], first: &Row, rows: &[Row]) -> Result<VolumeShape, String> {
    if segments.len() > 1 {
        return Err(format!("it is {kind} in several parts"));
    }
    let name = bare(text(first, "lv_name"));
    let mode = text(first, "raidintegritymode");
    let integrity_mode = Some(mode).filter(|mode| !matches!(*mode, "" | "unknown" | "0" | "-1")).map(str::to_owned);
    let block = u32::try_from(number(first, "raidintegrityblocksize")).unwrap_or(0);
    if integrity_mode.is_some() && block == 0 {
        return Err("lvm does not report the block size of its integrity checksums".into());
    }
    let mirror_log = (kind == "mirror").then(|| text(first, "mirror_log")).map(|log| match log {
        "" => Ok("core".to_owned()),
        log => Err(format!(
            "it is a mirror of the old type with its log on a disk ({}), which is not made again; lvconvert --type raid1 makes a RAID 1 of it",
            bare(log)
        )),
    });
    let mut images: Vec<(u32, RaidImage)> = vec![];
    let mut integrity_extents = 0;
    for row in rows {
        let part = bare(text(row, "lv_name"));
        let rest = ["_rimage_", "_mimage_"].iter().find_map(|infix| part.strip_prefix(name)?.strip_prefix(infix));
        let Some(rest) = rest else { continue };
        let (index, layer) = rest.split_once('_').unwrap_or((rest, ""));
        let Ok(index) = index.parse::<u32>() else { continue };
        // With checksums an image lies on the volume that it was made from, and on another one for them.
        let extents = match (integrity_mode.is_some(), layer) {
            (false, "") | (true, "iorig") => ranges(&[row])?,
            (true, "imeta") => {
                let count = ranges(&[row])?.iter().map(|extents| extents.count).sum();
                integrity_extents = integrity_extents.max(count);
                continue;
            }
            (true, "") => vec![],
            (_, _) => continue,
        };
        let write_mostly = text(row, "lv_attr").chars().nth(8) == Some('w');
        match images.iter_mut().find(|(known, _)| *known == index) {
            Some((_, known)) => {
                known.extents.extend(extents);
                known.write_mostly |= write_mostly;
            }
            None => images.push((index, RaidImage { extents, write_mostly })),
        }
    }
    images.sort_by_key(|(index, _)| *index);
    let stripe = number(first, "stripe_size");
    let settings = RaidSettings {
        integrity_extents,
        mirror_log: mirror_log.transpose()?,
        min_recovery_kib: number(first, "raid_min_recovery_rate"),
        max_recovery_kib: number(first, "raid_max_recovery_rate"),
        write_behind: number(first, "raid_write_behind"),
        integrity_mode,
    };
    Ok(VolumeShape::Raid {
        segment_type: kind.to_owned(),
        data_stripes: u32::try_from(number(first, "data_stripes")).unwrap_or(1).max(1),
        stripe_bytes: (stripe > 0 && !is_mirror(kind)).then_some(stripe),
        region_bytes: number(first, "region_size"),
        images: images.into_iter().map(|(_, image)| image).collect(),
        integrity_block_bytes: settings.integrity_mode.is_some().then_some(block),
        settings,
    })
}

/// `/dev/sda2:0-255 /dev/sdb:3-5`
fn ranges(segments: &[&Row]) -> Result<Vec<Extents>, String> {
    let words = segments.iter().flat_map(|row| text(row, "seg_pe_ranges").split_whitespace());
    let one = |word: &str| -> Option<Extents> {
        let (device, range) = word.rsplit_once(':')?;
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some(Extents { device: DeviceId(device.to_owned()), first, count: last.checked_sub(first)? + 1 })
    };
    words.map(|word| one(word).ok_or_else(|| format!("lvm reports its place as {word:?}"))).collect()
}
