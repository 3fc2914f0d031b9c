//! The calls that make physical volumes, groups and volumes (pvcreate(8), vgcfgrestore(8), lvcreate(8)).

use super::lvm;
use lifeboat_machine::layout::group::is_mirror;
use lifeboat_machine::layout::{Volume, VolumeShape};
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

/// Makes a volume of `extents` extents, or activates one that came with its group. `physical` are the nodes that it may take extents of.
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
    match &volume.shape {
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
            call.arg(group).args(physical)
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

/// Activates a volume that is there.
pub fn activate(group: &str, name: &str) -> Invocation {
    lvm("lvchange", "").args(["--activate", "y", &format!("{group}/{name}")])
}

/// Makes a volume read-only, when its files are there.
pub fn read_only(group: &str, name: &str) -> Invocation {
    lvm("lvchange", "").args(["--permission", "r", &format!("{group}/{name}")])
}

/// Lists what a volume came to be: its segment type and its size in bytes, with a comma between them.
pub fn look(group: &str, name: &str) -> Invocation {
    let call = lvm("lvs", "").args(["--noheadings", "--units", "b", "--nosuffix", "--separator", ","]);
    call.args(["-o", "segtype,lv_size", &format!("{group}/{name}")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::DeviceId;
    use lifeboat_machine::layout::{GroupId, RaidImage};

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
        })
    }

    fn line(volume: &Volume, pool: Option<&str>) -> String {
        let text = super::volume("vg0", volume, 100, 400 << 20, &["/dev/a", "/dev/b"], pool).command_line();
        // The settings before the options are the same for all.
        text.split_once("--yes").map_or(text.clone(), |(_, rest)| rest.trim().to_owned())
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
