//! A volume group's metadata as text, in the format of vgcfgbackup(8) (lib/format_text in LVM2): so a group comes back with
//! its UUIDs and with each extent of its volumes where it was, for which lvcreate(8) has no options.

use lifeboat_machine::DeviceId;
use lifeboat_machine::layout::{Extents, Volume, VolumeGroup, VolumeShape};
use std::fmt::Write as _;

/// A physical volume that a group is made of.
#[derive(Clone, Copy, Debug)]
pub struct Physical<'a> {
    /// Its name in the description.
    pub id: &'a DeviceId,
    /// Its node.
    pub node: &'a str,
    /// UUID.
    pub uuid: &'a str,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Where its first extent begins, in bytes.
    pub first_extent_bytes: u64,
    /// Extents that it has.
    pub extents: u64,
}

/// True for what the text can say; all else is made by lvcreate(8), with fresh metadata of its own.
pub fn is_in_text(shape: &VolumeShape) -> bool {
    // Of a volume with a cache the volume itself: a cache is always made anew, with empty metadata.
    match shape.uncached().0 {
        VolumeShape::Linear { .. } | VolumeShape::Striped { .. } => true,
        VolumeShape::Raid { .. }
        | VolumeShape::ThinPool { .. }
        | VolumeShape::Thin { .. }
        | VolumeShape::Cached { .. } => false,
    }
}

/// The text of a group with those of its volumes that it can say.
pub fn text(group: &VolumeGroup, physical: &[Physical<'_>], volumes: &[Volume]) -> String {
    let mut out = String::from("contents = \"Text Format Volume Group\"\nversion = 1\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{} {{", group.name);
    let _ = writeln!(out, "id = \"{}\"\nseqno = 1\nformat = \"lvm2\"", group.uuid);
    out.push_str("status = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\nflags = []\n");
    tags(&mut out, &group.tags);
    let _ = writeln!(out, "extent_size = {}\nmax_lv = 0\nmax_pv = 0\nmetadata_copies = 0", group.extent_bytes / 512);
    out.push_str("physical_volumes {\n");
    for (index, volume) in physical.iter().enumerate() {
        let _ = writeln!(
            out,
            "pv{index} {{\nid = \"{}\"\ndevice = \"{}\"\nstatus = [\"ALLOCATABLE\"]\nflags = []\ndev_size = {}\npe_start = {}\n\
             pe_count = {}\n}}",
            volume.uuid,
            volume.node,
            volume.size_bytes / 512,
            volume.first_extent_bytes / 512,
            volume.extents
        );
    }
    out.push_str("}\n");
    let said: Vec<&Volume> = volumes.iter().filter(|volume| is_in_text(&volume.shape)).collect();
    if !said.is_empty() {
        out.push_str("logical_volumes {\n");
        said.iter().for_each(|volume| logical(&mut out, physical, volume));
        out.push_str("}\n");
    }
    out.push_str("}\n");
    out
}

fn tags(out: &mut String, tags: &[String]) {
    if !tags.is_empty() {
        let list: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
        let _ = writeln!(out, "tags = [{}]", list.join(", "));
    }
}

fn logical(out: &mut String, physical: &[Physical<'_>], volume: &Volume) {
    let (stripes, stripe_bytes): (Vec<&[Extents]>, u64) = match volume.shape.uncached().0 {
        VolumeShape::Linear { extents } => (extents.iter().map(std::slice::from_ref).collect(), 0),
        VolumeShape::Striped { extents, stripe_bytes } => (vec![extents], *stripe_bytes),
        VolumeShape::Raid { .. }
        | VolumeShape::ThinPool { .. }
        | VolumeShape::Thin { .. }
        | VolumeShape::Cached { .. } => {
            return;
        }
    };
    let _ = writeln!(out, "{} {{\nid = \"{}\"", volume.name, volume.uuid);
    // A read-only volume is made writable: its files must be restored first.
    out.push_str("status = [\"READ\", \"WRITE\", \"VISIBLE\"]\nflags = []\n");
    tags(out, &volume.tags);
    let _ = writeln!(out, "segment_count = {}", stripes.len());
    let mut start = 0;
    for (index, areas) in stripes.iter().enumerate() {
        let count: u64 = areas.iter().map(|extents| extents.count).sum();
        let name = |id: &DeviceId| physical.iter().position(|volume| volume.id == id).unwrap_or(physical.len());
        let list: Vec<String> =
            areas.iter().map(|extents| format!("\"pv{}\", {}", name(&extents.device), extents.first)).collect();
        let _ = writeln!(
            out,
            "segment{} {{\nstart_extent = {start}\nextent_count = {count}\ntype = \"striped\"\nstripe_count = {}",
            index + 1,
            areas.len()
        );
        if areas.len() > 1 {
            let _ = writeln!(out, "stripe_size = {}", stripe_bytes / 512);
        }
        let _ = writeln!(out, "stripes = [{}]\n}}", list.join(", "));
        start += count;
    }
    out.push_str("}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::layout::GroupId;

    #[test]
    fn as_vgcfgbackup_writes_it() {
        let (a, b) = (DeviceId("disk0p2".into()), DeviceId("disk1".into()));
        let physical = |id, node, uuid| Physical {
            id,
            node,
            uuid,
            size_bytes: 1 << 30,
            first_extent_bytes: 1 << 20,
            extents: 255,
        };
        let physical = [physical(&a, "/dev/vda2", "P1"), physical(&b, "/dev/vdb", "P2")];
        let group = VolumeGroup {
            id: GroupId("group0".into()),
            name: "vg0".into(),
            uuid: "G".into(),
            extent_bytes: 4 << 20,
            tags: vec!["x".into()],
        };
        let extents = |device: &DeviceId, first, count| Extents { device: device.clone(), first, count };
        let volume = |name: &str, shape| Volume {
            group: group.id.clone(),
            name: name.into(),
            uuid: format!("L-{name}"),
            tags: vec![],
            read_only: false,
            shape,
        };
        let volumes = [
            volume("root", VolumeShape::Linear { extents: vec![extents(&a, 0, 10), extents(&b, 5, 3)] }),
            volume(
                "fast",
                VolumeShape::Striped { stripe_bytes: 65_536, extents: vec![extents(&a, 10, 4), extents(&b, 8, 4)] },
            ),
            volume("thin", VolumeShape::Thin { pool: a.clone() }),
        ];
        let text = text(&group, &physical, &volumes);
        for line in [
            "vg0 {\nid = \"G\"\n",
            "tags = [\"x\"]\nextent_size = 8192\n",
            "pv1 {\nid = \"P2\"\ndevice = \"/dev/vdb\"\n",
            "dev_size = 2097152\npe_start = 2048\npe_count = 255\n",
            "root {\nid = \"L-root\"\n",
            "segment2 {\nstart_extent = 10\nextent_count = 3\ntype = \"striped\"\nstripe_count = 1\nstripes = [\"pv1\", 5]\n}",
            "extent_count = 8\ntype = \"striped\"\nstripe_count = 2\nstripe_size = 128\nstripes = [\"pv0\", 10, \"pv1\", 8]\n}",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("thin"), "{text}");
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
