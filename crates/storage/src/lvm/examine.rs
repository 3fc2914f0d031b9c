//! [`examine`]: what the volume groups of a running machine are, from the reports of lvs, pvs and vgs (lvmreport(7)).

use crate::layer::tool;
use crate::lvm::shape::shape;
use lifeboat_machine::layout::VolumeShape;
use lifeboat_sys::Runner;
use lifeboat_sys::program::LVM;
use serde_json::Value;
use std::collections::BTreeMap;

/// A volume group. Devices in its shapes are called by the paths that LVM prints, and thin pools by their names, for they
/// have no ids here.
#[derive(Clone, Debug, PartialEq)]
pub struct ExaminedGroup {
    /// Its name.
    pub name: String,
    /// UUID as LVM prints it.
    pub uuid: String,
    /// Size of an extent in bytes.
    pub extent_bytes: u64,
    /// Tags.
    pub tags: Vec<String>,
    /// Its physical volumes.
    pub physical: Vec<FoundPhysical>,
    /// Its logical volumes that a person sees; thin pools before what lies in them.
    pub volumes: Vec<FoundVolume>,
    /// Snapshots, which are not volumes of their own: their names.
    pub snapshots: Vec<String>,
    /// What cannot be made again: a volume or the group, and why, as a sentence about it.
    pub refusals: Vec<(String, String)>,
}

/// A physical volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPhysical {
    /// Its path as LVM prints it.
    pub path: String,
    /// UUID as LVM prints it.
    pub uuid: String,
    /// Where its first extent begins, in bytes.
    pub first_extent_bytes: u64,
    /// Extents that it has.
    pub extents: u64,
}

/// A logical volume.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundVolume {
    /// Its name.
    pub name: String,
    /// UUID as LVM prints it.
    pub uuid: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Permission read-only.
    pub read_only: bool,
    /// Major and minor number of its device; `None` when it is not active.
    pub number: Option<(u32, u32)>,
    /// Thin: the volume that it is a snapshot of.
    pub origin: Option<String>,
    /// How it lies on the physical volumes.
    pub shape: VolumeShape,
}

/// A row of a report: values by column.
pub(super) type Row = BTreeMap<String, String>;

const GROUPS: &str = "vg_uuid,vg_name,vg_extent_size,vg_tags,vg_attr,vg_missing_pv_count,vg_lock_type";
const PHYSICAL: &str = "vg_uuid,pv_name,pv_uuid,pe_start,pv_pe_count";
const VOLUMES: &str = "vg_uuid,lv_name,lv_uuid,lv_tags,lv_attr,lv_kernel_major,lv_kernel_minor,segtype,\
    seg_pe_ranges,data_stripes,stripe_size,region_size,chunk_size,pool_lv,origin,data_lv,lv_metadata_size,zero,\
    discards,raidintegritymode";
/// What every LVM of this decade reports, and older ones may not.
const NEWER: &str = ",raid_min_recovery_rate,raid_max_recovery_rate,raid_write_behind,metadata_lv,mirror_log,cache_mode,\
    cache_policy,cache_settings,cache_metadata_format";
/// What LVM before 2.03.13 does not report all of. One column that is not known makes it report nothing.
const NEWEST: &str = ",raidintegrityblocksize,writecache_block_size";

/// Reads all groups, and the physical volumes that belong to none.
///
/// # Errors
/// What lvm reports, or what of its report cannot be read.
pub fn examine(runner: &dyn Runner) -> Result<(Vec<ExaminedGroup>, Vec<FoundPhysical>), String> {
    let report = |command: &str, more: &[&str], columns: &str| -> Result<String, String> {
        let call = tool(LVM).arg(command).args(["--reportformat", "json", "--units", "b", "--nosuffix", "--binary"]);
        let output = runner.run(&call.args(more).args(["-o", columns])).map_err(|error| error.to_string())?;
        Ok(output.text())
    };
    let groups = rows(&report("vgs", &[], GROUPS)?)?;
    let physical = rows(&report("pvs", &[], PHYSICAL)?)?;
    let volumes = |columns: &str| report("lvs", &["--all", "--segments"], columns);
    let reported = volumes(&format!("{VOLUMES}{NEWER}{NEWEST}"));
    let reported = reported.or_else(|_| volumes(&format!("{VOLUMES}{NEWER}"))).or_else(|_| volumes(VOLUMES));
    let volumes = rows(&reported?)?;
    let alone = physical.iter().filter(|row| text(row, "vg_uuid").is_empty()).map(self::physical).collect();
    Ok((groups.iter().map(|group| one(group, &physical, &volumes)).collect(), alone))
}

/// The rows of a report, whatever it calls them: `vg`, `pv`, `lv`, and `seg` when segments were asked for.
fn rows(text: &str) -> Result<Vec<Row>, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| format!("its report cannot be read: {error}"))?;
    let reports = json["report"].as_array().ok_or("its report has no rows")?;
    let lists = reports.iter().filter_map(Value::as_object).flat_map(|report| report.values());
    let rows = lists.filter_map(Value::as_array).flatten().cloned();
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    let row = |row: Value| -> Row {
        row.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), plain(value))).collect()
    };
    Ok(rows.map(row).collect())
}

pub(super) fn text<'r>(row: &'r Row, key: &str) -> &'r str {
    row.get(key).map(String::as_str).unwrap_or_default()
}

pub(super) fn number(row: &Row, key: &str) -> u64 {
    text(row, key).parse().unwrap_or(0)
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn physical(row: &Row) -> FoundPhysical {
    FoundPhysical {
        path: text(row, "pv_name").to_owned(),
        uuid: text(row, "pv_uuid").to_owned(),
        first_extent_bytes: number(row, "pe_start"),
        extents: number(row, "pv_pe_count"),
    }
}

fn one(row: &Row, physical: &[Row], volumes: &[Row]) -> ExaminedGroup {
    let uuid = text(row, "vg_uuid");
    let mut refusals = vec![];
    let name = text(row, "vg_name").to_owned();
    if number(row, "vg_missing_pv_count") > 0 {
        refusals.push((name.clone(), "it lacks physical volumes".to_owned()));
    }
    if text(row, "vg_attr").contains('x') {
        refusals.push((name.clone(), "it is exported".to_owned()));
    }
    if !matches!(text(row, "vg_lock_type"), "" | "none") {
        refusals.push((name.clone(), "it is shared with other machines (lvmlockd)".to_owned()));
    }
    let mine = |rows: &[Row]| -> Vec<Row> { rows.iter().filter(|r| text(r, "vg_uuid") == uuid).cloned().collect() };
    let physical = mine(physical).iter().map(self::physical).collect();
    let Volumes { found, snapshots } = self::volumes(&mine(volumes), &mut refusals);
    ExaminedGroup {
        name,
        uuid: uuid.to_owned(),
        extent_bytes: number(row, "vg_extent_size"),
        tags: list(text(row, "vg_tags")),
        physical,
        volumes: found,
        snapshots,
        refusals,
    }
}

#[derive(Default)]
struct Volumes {
    found: Vec<FoundVolume>,
    snapshots: Vec<String>,
}

fn volumes(rows: &[Row], refusals: &mut Vec<(String, String)>) -> Volumes {
    let mut out = Volumes::default();
    let mut seen: Vec<&str> = vec![];
    for row in rows {
        let name = text(row, "lv_name");
        // Hidden ones are parts of others.
        if name.starts_with('[') || seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let segments: Vec<&Row> = rows.iter().filter(|other| text(other, "lv_name") == name).collect();
        let attributes = text(row, "lv_attr");
        if attributes.starts_with(['s', 'S']) {
            out.snapshots.push(name.to_owned());
            continue;
        }
        let shape = match shape(&segments, rows) {
            Ok(shape) => shape,
            Err(reason) => {
                refusals.push((name.to_owned(), reason));
                continue;
            }
        };
        let device = |key: &str| text(row, key).parse::<u32>().ok();
        out.found.push(FoundVolume {
            name: name.to_owned(),
            uuid: text(row, "lv_uuid").to_owned(),
            tags: list(text(row, "lv_tags")),
            read_only: attributes.chars().nth(1) == Some('r'),
            number: device("lv_kernel_major").zip(device("lv_kernel_minor")),
            origin: Some(text(row, "origin").to_owned()).filter(|origin| !origin.is_empty()),
            shape,
        });
    }
    let is_pool = |volume: &FoundVolume| matches!(volume.shape, VolumeShape::ThinPool { .. });
    out.found.sort_by_key(|volume| !is_pool(volume));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::layout::{CacheKind, RaidSettings};
    use lifeboat_sys::{FakeRunner, Output};
    use std::collections::BTreeSet;

    fn json(name: &str, rows: &[&[(&str, &str)]]) -> String {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| Value::Object(row.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect()))
            .collect();
        serde_json::json!({ "report": [{ name: rows }] }).to_string()
    }

    fn volume<'a>(name: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let usual = [("vg_uuid", "G"), ("lv_uuid", "L"), ("lv_attr", "-wi-ao----"), ("lv_kernel_major", "254")];
        let mut row: Vec<_> = [("lv_name", name)].into_iter().chain(usual).collect();
        row.extend(more.iter().copied());
        row
    }

    fn examined(volumes: &[Vec<(&str, &str)>]) -> ExaminedGroup {
        let rows: Vec<&[(&str, &str)]> = volumes.iter().map(Vec::as_slice).collect();
        let group: &[(&str, &str)] =
            &[("vg_uuid", "G"), ("vg_name", "vg0"), ("vg_extent_size", "4194304"), ("vg_tags", "a,b")];
        let physical: &[(&str, &str)] = &[
            ("vg_uuid", "G"),
            ("pv_name", "/dev/sda2"),
            ("pv_uuid", "P"),
            ("pe_start", "1048576"),
            ("pv_pe_count", "100"),
        ];
        let runner = FakeRunner::new()
            .answer("lvm vgs", json("vg", &[group]))
            .answer("lvm pvs", json("pv", &[physical]))
            .answer("lvm lvs", json("seg", &rows));
        examine(&runner).unwrap().0.remove(0)
    }

    #[test]
    fn kinds_that_are_known() {
        let group = examined(&[
            volume("root", &[("segtype", "linear"), ("seg_pe_ranges", "/dev/sda2:0-9"), ("lv_kernel_minor", "0")]),
            volume("root", &[("segtype", "linear"), ("seg_pe_ranges", "/dev/sda2:20-29")]),
            volume("thin", &[("segtype", "thin"), ("pool_lv", "pool"), ("lv_attr", "Vri-aotz--")]),
            volume(
                "pool",
                &[
                    ("segtype", "thin-pool"),
                    ("data_lv", "[pool_tdata]"),
                    ("chunk_size", "65536"),
                    ("lv_metadata_size", "4194304"),
                    ("zero", "1"),
                    ("discards", "passdown"),
                ],
            ),
            volume("[pool_tdata]", &[("segtype", "linear"), ("seg_pe_ranges", "/dev/sda2:30-39")]),
            volume("[pool_tmeta]", &[("segtype", "linear"), ("seg_pe_ranges", "/dev/sda2:40-40")]),
            volume(
                "twice",
                &[
                    ("segtype", "raid1"),
                    ("region_size", "2097152"),
                    ("data_stripes", "2"),
                    ("seg_pe_ranges", "twice_rimage_0:0-4"),
                ],
            ),
            volume(
                "[twice_rimage_0]",
                &[("segtype", "linear"), ("seg_pe_ranges", "/dev/sda2:50-54"), ("lv_attr", "iwi-aor-w-")],
            ),
            volume("[twice_rmeta_0]", &[("segtype", "linear"), ("seg_pe_ranges", "/dev/sda2:55-55")]),
            volume("old", &[("segtype", "linear"), ("lv_attr", "swi-a-s---"), ("origin", "root")]),
            volume("fast", &[("segtype", "vdo")]),
        ]);
        let names: Vec<&str> = group.volumes.iter().map(|volume| volume.name.as_str()).collect();
        assert_eq!(names, ["pool", "root", "thin", "twice"]);
        assert_eq!((group.snapshots, group.tags), (vec!["old".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(group.refusals.len(), 1);
        assert!(group.refusals[0].1.contains("vdo"), "{:?}", group.refusals);
        let VolumeShape::Linear { extents } = &group.volumes[1].shape else { panic!() };
        assert_eq!(extents.iter().map(|e| (e.first, e.count)).collect::<Vec<_>>(), [(0, 10), (20, 10)]);
        assert_eq!(group.volumes[1].number, Some((254, 0)));
        assert!(group.volumes[2].read_only);
        let VolumeShape::Raid { images, stripe_bytes, .. } = &group.volumes[3].shape else { panic!() };
        assert!(images.len() == 1 && images[0].write_mostly && stripe_bytes.is_none(), "{images:?}");
    }

    /// LVM 2.03.11 does not know two of the columns, and then reports nothing; it knows those of caches and mirrors.
    #[test]
    fn an_older_lvm_is_asked_for_all_that_it_knows() {
        let group: &[(&str, &str)] = &[("vg_uuid", "G"), ("vg_name", "vg0")];
        let failed =
            || Output { code: 3, stdout: vec![], stderr: b"Unrecognised field: raidintegrityblocksize".to_vec() };
        let runner = FakeRunner::new()
            .answer("lvm vgs", json("vg", &[group]))
            .answer("lvm pvs", json("pv", &[]))
            .answer_with("lvm lvs", failed())
            .answer("lvm lvs", json("seg", &[&volume("root", &[("segtype", "linear")])]));
        assert_eq!(examine(&runner).unwrap().0[0].volumes.len(), 1);
        let last = runner.command_lines().pop().unwrap();
        assert!(["cache_mode", "cache_policy", "mirror_log"].iter().all(|column| last.contains(column)), "{last}");
        assert!(!last.contains("raidintegrityblocksize") && !last.contains("writecache_block_size"), "{last}");
    }

    /// The handbook says what is asked for.
    #[test]
    fn the_columns_are_those_that_are_kept() {
        let asked = [GROUPS, PHYSICAL, VOLUMES, NEWER, NEWEST];
        let asked: BTreeSet<&str> =
            asked.iter().flat_map(|list| list.split(',')).filter(|word| !word.is_empty()).collect();
        let kept: BTreeSet<&str> = crate::fields::LVM.kept.iter().flat_map(|line| line.split(", ")).collect();
        assert_eq!(asked, kept);
    }

    #[test]
    fn what_is_not_one_kind_is_refused() {
        let group = examined(&[
            volume("mixed", &[("segtype", "linear"), ("seg_pe_ranges", "/dev/sda2:0-9")]),
            volume("mixed", &[("segtype", "striped"), ("seg_pe_ranges", "/dev/sda2:10-19")]),
        ]);
        assert!(group.volumes.is_empty());
        assert_eq!(
            group.refusals,
            [("mixed".to_owned(), "it is linear in one part and striped in another".to_owned())]
        );
    }

    /// What LVM 2.03.16 reports of caches, integrity and mirrors.
    #[test]
    fn a_real_report_of_caches_and_integrity() {
        let rows = rows(include_str!("../../fixtures/lvs-caches.json")).unwrap();
        let mut refusals = vec![];
        let found = volumes(&rows, &mut refusals).found;
        let shape = |name: &str| &found.iter().find(|volume| volume.name == name).unwrap().shape;
        let cache = |name: &str| {
            let VolumeShape::Cached { origin, cache } = shape(name) else { panic!("{name} has no cache") };
            let extents: Vec<(&str, u64, u64)> =
                cache.extents.iter().map(|e| (e.device.0.as_str(), e.first, e.count)).collect();
            (origin, cache.clone(), format!("{extents:?}"))
        };
        let (origin, plain, on) = cache("plain");
        assert!(matches!(&**origin, VolumeShape::Linear { extents } if extents[0].count == 25), "{origin:?}");
        assert_eq!((plain.kind, plain.name.as_str(), plain.chunk_bytes), (CacheKind::Volume, "fast", 131_072));
        assert_eq!((plain.mode.as_deref(), plain.policy.as_deref()), (Some("writeback"), Some("smq")));
        assert_eq!((plain.metadata_format, plain.metadata_bytes, plain.settings.len()), (Some(2), None, 0));
        assert_eq!(on, r#"[("/dev/vde", 0, 15)]"#);
        let (_, pooled, on) = cache("pooled");
        assert_eq!((pooled.kind, pooled.name.as_str()), (CacheKind::Pool, "fpool"));
        assert_eq!(
            (pooled.metadata_bytes, pooled.settings),
            (Some(12 << 20), vec!["migration_threshold=4096".to_owned()])
        );
        assert_eq!(on, r#"[("/dev/vde", 21, 10)]"#);
        let (origin, _, _) = cache("rc");
        assert!(matches!(&**origin, VolumeShape::Raid { images, .. } if images.len() == 2), "{origin:?}");
        let (_, writecache, _) = cache("wc");
        assert_eq!((writecache.kind, writecache.chunk_bytes), (CacheKind::Writecache, 4096));
        assert_eq!((writecache.mode, writecache.settings), (None, vec!["high_watermark=60".to_owned()]));
        let raid = |name: &str| match shape(name) {
            VolumeShape::Raid { images, integrity_block_bytes, settings, .. } => {
                (images, *integrity_block_bytes, settings)
            }
            other => panic!("{other:?}"),
        };
        let (images, block, settings) = raid("integ");
        assert_eq!((images[0].extents[0].first, images[0].extents[0].count, block), (76, 25, Some(512)));
        assert_eq!((settings.integrity_mode.as_deref(), settings.integrity_extents), (Some("bitmap"), 2));
        let (images, _, settings) = raid("wm");
        assert_eq!(images.iter().map(|image| image.write_mostly).collect::<Vec<_>>(), [false, true]);
        assert_eq!(*settings, RaidSettings { max_recovery_kib: 4096, write_behind: 512, ..RaidSettings::default() });
        assert_eq!(raid("mcore").2.mirror_log.as_deref(), Some("core"));
        let refused: Vec<&str> = refusals.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(refused, ["mdisk", "tp"], "{refusals:?}");
        assert!(refusals[0].1.contains("lvconvert --type raid1"), "{refusals:?}");
    }
}
