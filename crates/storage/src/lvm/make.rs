//! The calls that make physical volumes, groups and volumes (pvcreate(8), vgcfgrestore(8), lvcreate(8)).

use super::lvm;
use lifeboat_machine::layout::group::is_mirror;
use lifeboat_machine::layout::{Cache, CacheKind, Volume, VolumeShape};
use lifeboat_sys::Invocation;
use std::path::Path;

/// Makes a physical volume with its UUID and first extent as the metadata in `file` says. Others of the group may not be there yet.
pub fn physical(node: &str, uuid: &str, file: &Path) -> Invocation {
    lvm("pvcreate", "").args(["--yes", "--force", "--uuid", uuid, "--restorefile"]).arg(file).arg(node)
}

/// Makes a physical volume that belongs to no group.
pub fn alone(node: &str, uuid: &str, first_extent_bytes: u64) -> Invocation {
    let call = lvm("pvcreate", "").args(["--yes", "--force", "--norestorefile", "--uuid", uuid]);
    call.arg(format!("--dataalignment={first_extent_bytes}b")).arg(node)
}

/// Writes a group's metadata to its physical volumes.
pub fn group(name: &str, file: &Path) -> Invocation {
    lvm("vgcfgrestore", "").arg("--file").arg(file).arg(name)
}

/// Makes a volume of `extents` extents, or activates one that came with its group; without the cache in front of it. `physical` are the nodes that it may take extents of.
/// For a thin volume `bytes` is its size, and `pool` the name of its pool.
pub fn volume(
    group: &str,
    volume: &Volume,
    extents: u64,
    bytes: u64,
    physical: &[&str],
    pool: Option<&str>,
) -> Invocation {
    // Signatures are wiped when it is there: thin pools take no option for it.
    let create = |kind: &str| {
        let call = lvm("lvcreate", "").args(["--yes", "--type", kind, "--name", &volume.name]);
        volume.tags.iter().fold(call, |call, tag| call.args(["--addtag", tag]))
    };
    let sized = |call: Invocation| call.args(["--extents", &extents.to_string()]);
    match volume.shape.uncached().0 {
        // A cache in front of a cache is refused before.
        VolumeShape::Linear { .. } | VolumeShape::Striped { .. } | VolumeShape::Cached { .. } => {
            activate(group, &volume.name)
        }
        VolumeShape::Raid { segment_type, data_stripes, stripe_bytes, region_bytes, images, .. } => {
            let mut call = sized(create(segment_type)).arg(format!("--regionsize={region_bytes}b"));
            let images = u32::try_from(images.len()).unwrap_or(u32::MAX);
            let copies = match segment_type.as_str() {
                kind if is_mirror(kind) => Some(images),
                kind if kind.starts_with("raid10") => Some(images / data_stripes.max(&1)),
                _ => None,
            };
            if let Some(copies) = copies {
                call = call.arg(format!("--mirrors={}", copies.saturating_sub(1)));
            }
            if !is_mirror(segment_type) {
                call = call.arg(format!("--stripes={data_stripes}"));
            }
            if let Some(bytes) = stripe_bytes {
                call = call.arg(format!("--stripesize={bytes}b"));
            }
            raid_settings(call, &volume.shape).arg(group).args(physical)
        }
        VolumeShape::ThinPool { chunk_bytes, metadata_bytes, zero, discards, .. } => {
            let call = sized(create("thin-pool"))
                .arg(format!("--poolmetadatasize={metadata_bytes}b"))
                .arg(format!("--chunksize={chunk_bytes}b"))
                .args(["--zero", if *zero { "y" } else { "n" }]);
            let call = if discards.is_empty() { call } else { call.args(["--discards", discards]) };
            call.arg(group).args(physical)
        }
        VolumeShape::Thin { .. } => {
            let call = create("thin").arg(format!("--virtualsize={bytes}b"));
            call.args(["--thinpool", pool.unwrap_or_default()]).arg(group)
        }
    }
}

/// What was chosen for a RAID volume and lvcreate(8) takes.
fn raid_settings(mut call: Invocation, shape: &VolumeShape) -> Invocation {
    let VolumeShape::Raid { integrity_block_bytes, settings, .. } = shape.uncached().0 else { return call };
    if let Some(block) = integrity_block_bytes {
        call = call.args(["--raidintegrity", "y", "--raidintegrityblocksize", &block.to_string()]);
        if let Some(mode) = &settings.integrity_mode {
            call = call.args(["--raidintegritymode", mode]);
        }
    }
    if let Some(log) = &settings.mirror_log {
        call = call.args(["--mirrorlog", log]);
    }
    call
}

/// What is set of a RAID volume that is there: write-mostly images by their physical volumes, how many writes they may lag behind,
/// and limits of its recovery, which would slow down the first synchronisation, and with checksums kept lvcreate waiting for
/// minutes (LVM 2.03.16, Linux 6.1).
pub fn tune(group: &str, volume: &Volume, write_mostly: &[&str]) -> Option<Invocation> {
    let VolumeShape::Raid { settings, .. } = volume.shape.uncached().0 else { return None };
    let limits = [("--minrecoveryrate", settings.min_recovery_kib), ("--maxrecoveryrate", settings.max_recovery_kib)];
    if write_mostly.is_empty() && settings.write_behind == 0 && limits.iter().all(|(_, kib)| *kib == 0) {
        return None;
    }
    let mut call = lvm("lvchange", "").arg("--yes");
    for node in write_mostly {
        call = call.args(["--writemostly", &format!("{node}:y")]);
    }
    if settings.write_behind > 0 {
        call = call.arg(format!("--writebehind={}", settings.write_behind));
    }
    for (option, kib) in limits.iter().filter(|(_, kib)| *kib > 0) {
        call = call.arg(format!("{option}={kib}k"));
    }
    Some(call.arg(format!("{group}/{}", volume.name)))
}

/// Makes what becomes a volume's cache, on these physical volumes: a volume, which is active, or a pool with metadata of its own.
pub fn cache(group: &str, cache: &Cache, physical: &[&str]) -> Invocation {
    let create = lvm("lvcreate", "").args(["--yes", "--type"]);
    let create = match cache.kind {
        CacheKind::Pool => {
            let metadata = cache.metadata_bytes.map(|bytes| format!("--poolmetadatasize={bytes}b"));
            create.arg("cache-pool").args(metadata).arg(format!("--chunksize={}b", cache.chunk_bytes))
        }
        CacheKind::Volume | CacheKind::Writecache => create.args(["linear", "--zero", "y", "--wipesignatures", "y"]),
    };
    create.args(["--name", &cache.name, "--extents", &cache.count().to_string(), group]).args(physical)
}

/// The calls that put a cache in front of a volume that nobody uses; it is active again after them.
pub fn attach(group: &str, volume: &Volume, cache: &Cache) -> Vec<Invocation> {
    let name = |name: &str| format!("{group}/{name}");
    let convert = lvm("lvconvert", "").args(["--yes", "--type"]);
    let convert = match cache.kind {
        CacheKind::Pool => convert.args(["cache", "--cachepool", &cache.name]),
        CacheKind::Volume => {
            convert.args(["cache", "--cachevol", &cache.name]).arg(format!("--chunksize={}b", cache.chunk_bytes))
        }
        CacheKind::Writecache => convert.args(["writecache", "--cachevol", &cache.name]),
    };
    let mut convert = convert;
    for (option, value) in [
        ("--cachemode", cache.mode.clone()),
        ("--cachepolicy", cache.policy.clone()),
        ("--cachemetadataformat", cache.metadata_format.map(|format| format.to_string())),
    ] {
        if let Some(value) = value {
            convert = convert.args([option, &value]);
        }
    }
    // Without it lvm takes 4096 where it knows no filesystem, and a filesystem with smaller blocks could not be written.
    let block = (cache.kind == CacheKind::Writecache).then(|| format!("block_size={}", cache.chunk_bytes));
    let settings: Vec<String> = block.into_iter().chain(cache.settings.iter().cloned()).collect();
    if !settings.is_empty() {
        convert = convert.args(["--cachesettings", &settings.join(" ")]);
    }
    let mut stop = lvm("lvchange", "").args(["--activate", "n", &name(&volume.name)]);
    if cache.kind != CacheKind::Pool {
        stop = stop.arg(name(&cache.name));
    }
    vec![stop, convert.arg(name(&volume.name)), activate(group, &volume.name)]
}

/// The calls that remove what a step left that stopped in the middle: a volume that lvcreate made, or the cache of one that came with
/// its group. Each ends with 5 when there is nothing to remove.
pub fn remove_left(group: &str, volume: &Volume) -> Vec<Invocation> {
    let remove = |name: &str| lvm("lvremove", "").args(["--yes", "--force", &format!("{group}/{name}")]).accept(5);
    let (shape, cache) = volume.shape.uncached();
    let mut calls = vec![];
    if let Some(cache) = cache {
        calls.push(
            lvm("lvconvert", "").args(["--yes", "--force", "--uncache", &format!("{group}/{}", volume.name)]).accept(5),
        );
        calls.push(remove(&cache.name));
    }
    match shape {
        VolumeShape::Linear { .. } | VolumeShape::Striped { .. } | VolumeShape::Cached { .. } => {}
        VolumeShape::Raid { .. } | VolumeShape::ThinPool { .. } | VolumeShape::Thin { .. } => {
            calls.push(remove(&volume.name));
        }
    }
    calls
}

/// A call as a person types it on another system: the settings for a rescue system have no meaning there.
pub fn plain(call: &Invocation) -> String {
    let mut call = call.clone();
    if let Some(at) = call.arguments.iter().position(|argument| argument == "--config") {
        call.arguments.drain(at..=at + 1);
    }
    call.command_line()
}

/// Activates a volume that is there.
pub fn activate(group: &str, name: &str) -> Invocation {
    lvm("lvchange", "").args(["--activate", "y", &format!("{group}/{name}")])
}

/// Makes a volume read-only, when its files are there.
pub fn read_only(group: &str, name: &str) -> Invocation {
    lvm("lvchange", "").args(["--permission", "r", &format!("{group}/{name}")])
}

/// What of a volume is read back after it was made, by the names that people read.
pub fn looked_at(volume: &Volume) -> Vec<(&'static str, &'static str, String)> {
    let (shape, cache) = volume.shape.uncached();
    let mut list = vec![];
    if let VolumeShape::Raid { integrity_block_bytes: Some(block), settings, .. } = shape
        && cache.is_none()
    {
        list.push(("integrity block size", "raidintegrityblocksize", block.to_string()));
        if let Some(mode) = &settings.integrity_mode {
            list.push(("integrity mode", "raidintegritymode", mode.clone()));
        }
    }
    let Some(cache) = cache else { return list };
    match cache.kind {
        CacheKind::Writecache => {
            list.push(("writecache block size", "writecache_block_size", cache.chunk_bytes.to_string()));
        }
        CacheKind::Pool | CacheKind::Volume => {
            list.push(("cache chunk size", "chunk_size", cache.chunk_bytes.to_string()));
            for (what, column, value) in [
                ("cache mode", "cache_mode", cache.mode.clone()),
                ("cache policy", "cache_policy", cache.policy.clone()),
                ("cache metadata format", "cache_metadata_format", cache.metadata_format.map(|n| n.to_string())),
            ] {
                list.extend(value.map(|value| (what, column, value)));
            }
        }
    }
    list
}

/// Lists what a volume came to be: its segment type, its size in bytes, and what [`looked_at`] names, with semicolons between them.
pub fn look(group: &str, volume: &Volume) -> Invocation {
    let call = lvm("lvs", "").args(["--noheadings", "--units", "b", "--nosuffix", "--separator", ";"]);
    let more: String = looked_at(volume).iter().map(|(_, column, _)| format!(",{column}")).collect();
    call.args(["-o", &format!("segtype,lv_size{more}"), &format!("{group}/{}", volume.name)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::DeviceId;
    use lifeboat_machine::layout::{Extents, GroupId, RaidImage, RaidSettings};

    fn of(shape: VolumeShape) -> Volume {
        Volume {
            group: GroupId("group0".into()),
            name: "data".into(),
            uuid: "L".into(),
            tags: vec!["t".into()],
            read_only: false,
            shape,
        }
    }

    fn raid(kind: &str, data_stripes: u32, images: usize) -> Volume {
        of(VolumeShape::Raid {
            segment_type: kind.into(),
            data_stripes,
            stripe_bytes: (kind != "raid1").then_some(65_536),
            region_bytes: 2 << 20,
            images: vec![RaidImage { extents: vec![], write_mostly: false }; images],
            integrity_block_bytes: None,
            settings: RaidSettings::default(),
        })
    }

    fn line(volume: &Volume, pool: Option<&str>) -> String {
        let text = super::volume("vg0", volume, 100, 400 << 20, &["/dev/a", "/dev/b"], pool).command_line();
        // The settings before the options are the same for all.
        text.split_once("--yes").map_or(text.clone(), |(_, rest)| rest.trim().to_owned())
    }

    fn calls(calls: &[Invocation]) -> Vec<String> {
        let bare = |call: &Invocation| {
            let mut arguments = call.arguments.clone();
            arguments.drain(1..3);
            arguments.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        calls.iter().map(bare).collect()
    }

    #[test]
    fn a_cache_is_made_and_put_in_front() {
        let extents = Extents { device: DeviceId("x".into()), first: 7, count: 15 };
        let mut cache = Cache {
            kind: CacheKind::Volume,
            name: "fast".into(),
            chunk_bytes: 131_072,
            mode: Some("writeback".into()),
            policy: Some("smq".into()),
            metadata_format: Some(2),
            metadata_bytes: None,
            settings: vec!["migration_threshold=4096".into()],
            extents: vec![extents],
        };
        let volume = |cache: &Cache| {
            let origin = Box::new(VolumeShape::Linear { extents: vec![] });
            of(VolumeShape::Cached { origin, cache: cache.clone() })
        };
        let made = |cache: &Cache| {
            let mut list = vec![super::cache("vg0", cache, &["/dev/c"])];
            list.extend(attach("vg0", &volume(cache), cache));
            calls(&list)
        };
        assert_eq!(
            made(&cache),
            [
                "lvcreate --yes --type linear --zero y --wipesignatures y --name fast --extents 15 vg0 /dev/c",
                "lvchange --activate n vg0/data vg0/fast",
                "lvconvert --yes --type cache --cachevol fast --chunksize=131072b --cachemode writeback --cachepolicy smq \
                 --cachemetadataformat 2 --cachesettings migration_threshold=4096 vg0/data",
                "lvchange --activate y vg0/data",
            ]
        );
        assert!(line(&volume(&cache), None).ends_with("--activate y vg0/data"));
        assert_eq!(
            calls(&remove_left("vg0", &volume(&cache))),
            ["lvconvert --yes --force --uncache vg0/data", "lvremove --yes --force vg0/fast"]
        );
        let look = calls(&[look("vg0", &volume(&cache))]).remove(0);
        assert!(
            look.ends_with("-o segtype,lv_size,chunk_size,cache_mode,cache_policy,cache_metadata_format vg0/data"),
            "{look}"
        );
        (cache.kind, cache.metadata_bytes) = (CacheKind::Pool, Some(12 << 20));
        assert_eq!(
            made(&cache)[..3],
            [
                "lvcreate --yes --type cache-pool --poolmetadatasize=12582912b --chunksize=131072b --name fast --extents 15 vg0 /dev/c",
                "lvchange --activate n vg0/data",
                "lvconvert --yes --type cache --cachepool fast --cachemode writeback --cachepolicy smq --cachemetadataformat 2 \
                 --cachesettings migration_threshold=4096 vg0/data",
            ]
        );
        cache = Cache {
            kind: CacheKind::Writecache,
            chunk_bytes: 4096,
            mode: None,
            policy: None,
            metadata_format: None,
            metadata_bytes: None,
            settings: vec!["high_watermark=60".into()],
            ..cache
        };
        assert_eq!(
            made(&cache)[2],
            "lvconvert --yes --type writecache --cachevol fast --cachesettings block_size=4096 high_watermark=60 vg0/data"
        );
    }

    #[test]
    fn what_was_chosen_for_a_raid_volume_is_named() {
        let mut volume = raid("raid1", 1, 2);
        assert_eq!(tune("vg0", &volume, &[]), None);
        if let VolumeShape::Raid { integrity_block_bytes, settings, .. } = &mut volume.shape {
            *integrity_block_bytes = Some(512);
            settings.integrity_mode = Some("bitmap".into());
            settings.max_recovery_kib = 4096;
            settings.write_behind = 512;
        }
        let line = line(&volume, None);
        assert!(
            line.ends_with(
                "--mirrors=1 --raidintegrity y --raidintegrityblocksize 512 --raidintegritymode bitmap vg0 /dev/a /dev/b"
            ),
            "{line}"
        );
        let tuned = tune("vg0", &volume, &["/dev/b"]).unwrap();
        assert_eq!(
            calls(&[tuned]),
            ["lvchange --yes --writemostly /dev/b:y --writebehind=512 --maxrecoveryrate=4096k vg0/data"]
        );
    }

    #[test]
    fn each_kind_has_its_call() {
        for (volume, pool, expected) in [
            (
                raid("raid1", 1, 2),
                None,
                "--type raid1 --name data --addtag t --extents 100 --regionsize=2097152b --mirrors=1 vg0 /dev/a /dev/b",
            ),
            (
                raid("raid5_ls", 2, 3),
                None,
                "--type raid5_ls --name data --addtag t --extents 100 --regionsize=2097152b --stripes=2 --stripesize=65536b vg0 /dev/a /dev/b",
            ),
            (
                raid("raid10", 2, 4),
                None,
                "--type raid10 --name data --addtag t --extents 100 --regionsize=2097152b --mirrors=1 --stripes=2 --stripesize=65536b vg0 /dev/a /dev/b",
            ),
            (
                of(VolumeShape::ThinPool {
                    chunk_bytes: 65_536,
                    metadata_bytes: 4 << 20,
                    zero: true,
                    discards: "passdown".into(),
                    extents: vec![],
                }),
                None,
                "--type thin-pool --name data --addtag t --extents 100 --poolmetadatasize=4194304b --chunksize=65536b --zero y --discards passdown vg0 /dev/a /dev/b",
            ),
            (
                of(VolumeShape::Thin { pool: DeviceId("x".into()) }),
                Some("pool"),
                "--type thin --name data --addtag t --virtualsize=419430400b --thinpool pool vg0",
            ),
        ] {
            let line = line(&volume, pool);
            assert_eq!(line, expected);
        }
        let linear = line(&of(VolumeShape::Linear { extents: vec![] }), None);
        assert!(linear.starts_with("lvm lvchange") && linear.ends_with("--activate y vg0/data"), "{linear}");
    }
}
