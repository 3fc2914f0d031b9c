//! The kinds of things on block devices that are not filesystems: as blkid names them, as device-mapper's uuids begin, and
//! for people.

use crate::layer::LayerKind;

/// blkid's `TYPE` of a member of an md array.
pub const MD_MEMBER: &str = "linux_raid_member";
/// blkid's `TYPE` of a physical volume.
pub const LVM_MEMBER: &str = "LVM2_member";
/// blkid's `TYPE` of a LUKS header.
pub const LUKS: &str = "crypto_LUKS";

/// A kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// What blkid calls a device that holds it (libblkid, `TYPE`).
    pub types: &'static [&'static str],
    /// What a device with it is, for people, behind "it is".
    pub holds: &'static str,
    /// The layer that is activated on it.
    pub layer: Option<LayerKind>,
}

/// All kinds that are known by name.
pub const KINDS: [Kind; 12] = [
    Kind { types: &[MD_MEMBER], holds: "a member of an md array", layer: Some(LayerKind::Md) },
    Kind { types: &[LVM_MEMBER, "LVM1_member"], holds: "an LVM physical volume", layer: Some(LayerKind::Lvm) },
    Kind { types: &[LUKS], holds: "encrypted with LUKS", layer: Some(LayerKind::Luks) },
    Kind { types: &["mpath_member"], holds: "a path of a multipath device", layer: Some(LayerKind::Multipath) },
    Kind { types: &["BitLocker"], holds: "encrypted with BitLocker", layer: None },
    Kind { types: &["zfs_member"], holds: "part of a ZFS pool", layer: None },
    Kind { types: &["bcache"], holds: "a bcache device", layer: None },
    Kind { types: &["bcachefs"], holds: "a bcachefs filesystem", layer: None },
    Kind { types: &["drbd"], holds: "a DRBD device", layer: None },
    Kind { types: &["VMFS", "VMFS_volume_member"], holds: "a VMware volume", layer: None },
    Kind { types: &["ceph_bluestore"], holds: "a Ceph device", layer: None },
    Kind { types: &["stratis"], holds: "part of a Stratis pool", layer: None },
];

/// The kind that blkid's `TYPE` stands for; `None` for filesystems and what is not known.
pub fn by_type(kind: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|known| known.types.contains(&kind))
}

/// What a person can do where storage is of a kind that is not rebuilt, by its name for people.
pub fn instead(what: &str) -> Option<&'static str> {
    if what.contains("bcache device") {
        Some(
            "move the files to LVM with a cache (lvmcache(7)), which comes back, or leave its disks out with leave_out under [machine] in \
             /etc/lifeboat.toml",
        )
    } else if what.contains("multipath device") {
        Some(
            "use the disk without multipath where it has one path only ('multipath -w DISK' removes its WWID), or leave it out with \
             leave_out under [machine] in /etc/lifeboat.toml",
        )
    } else {
        None
    }
}

/// What made a device-mapper device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapped {
    /// A layer that is activated and released here.
    Layer(LayerKind),
    /// A partition that kpartx shows.
    Partition,
    /// dmraid.
    DmRaid,
    /// VDO.
    Vdo,
    /// Somebody else.
    Other,
}

/// What made a device-mapper device, by the beginning of its uuid (libdevmapper, "DM_UUID prefixes").
pub fn mapped(uuid: &str) -> Mapped {
    match uuid.split('-').next().unwrap_or_default() {
        "LVM" => Mapped::Layer(LayerKind::Lvm),
        "CRYPT" => Mapped::Layer(LayerKind::Luks),
        "mpath" => Mapped::Layer(LayerKind::Multipath),
        "DMRAID" => Mapped::DmRaid,
        "VDO" => Mapped::Vdo,
        part if part.starts_with("part") => Mapped::Partition,
        _ => Mapped::Other,
    }
}

impl Mapped {
    /// The device for people, before its name.
    pub fn title(self) -> &'static str {
        match self {
            Mapped::Layer(LayerKind::Lvm) => "the LVM volume",
            Mapped::Layer(LayerKind::Luks) => "the encrypted device",
            Mapped::Layer(LayerKind::Multipath) => "the multipath device",
            Mapped::Layer(LayerKind::Md) | Mapped::Other => "the device-mapper device",
            Mapped::Partition => "a partition on the device-mapper device",
            Mapped::DmRaid => "the dmraid set",
            Mapped::Vdo => "the VDO device",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_has_something_instead() {
        // As probe words them, of a disk and of what is made from it.
        for what in ["it is a bcache device; that cannot be rebuilt", "a bcache device", "the multipath device mpatha"]
        {
            assert!(instead(what).is_some_and(|remedy| remedy.contains("leave_out")), "{what}");
        }
        assert!(by_type("bcache").is_some_and(|kind| instead(kind.holds).is_some()));
        assert!(by_type("mpath_member").is_some_and(|kind| instead(kind.holds).is_some()));
        assert_eq!(instead("an ext4 filesystem"), None);
    }

    #[test]
    fn each_type_has_one_kind() {
        let types: Vec<&str> = KINDS.iter().flat_map(|kind| kind.types).copied().collect();
        for name in &types {
            assert_eq!(types.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        assert_eq!(by_type("LVM1_member").map(|kind| kind.layer), Some(Some(LayerKind::Lvm)));
        assert_eq!(by_type("ext4"), None);
    }

    #[test]
    fn makers_of_device_mapper_devices() {
        for (uuid, title) in [
            ("LVM-abc", "the LVM volume"),
            ("CRYPT-LUKS2-64f0-name", "the encrypted device"),
            ("mpath-3600", "the multipath device"),
            ("part1-mpath-3600", "a partition on the device-mapper device"),
            ("", "the device-mapper device"),
        ] {
            assert_eq!(mapped(uuid).title(), title, "{uuid}");
        }
    }
}
