//! Block devices with something on them: where another archive may be, or logs can go.

use crate::failure::Failure;
use lifeboat_sys::program::LSBLK;
use lifeboat_sys::{Invocation, Runner};
use serde::Deserialize;

/// A block device with a filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Kernel path.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Filesystem type as blkid names it.
    pub kind: String,
    /// Label, empty when none.
    pub label: String,
    /// Where it is mounted.
    pub mounted: Option<String>,
    /// On a disk that can be unplugged.
    pub removable: bool,
}

/// Lists them, those that can be unplugged first.
///
/// # Errors
/// When lsblk fails or says something else than JSON.
pub fn list(runner: &dyn Runner) -> Result<Vec<Place>, Failure> {
    let call =
        Invocation::new(LSBLK).args(["--json", "--bytes", "--output", "PATH,SIZE,FSTYPE,LABEL,MOUNTPOINT,RM,HOTPLUG"]);
    parse(&runner.run(&call)?.stdout)
}

#[derive(Deserialize)]
struct Listing {
    blockdevices: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    path: String,
    size: Option<u64>,
    fstype: Option<String>,
    label: Option<String>,
    mountpoint: Option<String>,
    #[serde(default)]
    rm: bool,
    #[serde(default)]
    hotplug: bool,
    #[serde(default)]
    children: Vec<Node>,
}

/// Reads `lsblk --json --bytes` (lsblk(8)).
fn parse(json: &[u8]) -> Result<Vec<Place>, Failure> {
    let unusable = |error: serde_json::Error| Failure::Unusable { what: "lsblk".into(), reason: error.to_string() };
    let listing: Listing = serde_json::from_slice(json).map_err(unusable)?;
    let mut places = vec![];
    let mut open = listing.blockdevices;
    while let Some(node) = open.pop() {
        // What other layers are made of holds no files, neither does swap.
        let kind =
            node.fstype.filter(|kind| !kind.ends_with("_member") && !kind.starts_with("crypto_") && kind != "swap");
        if let Some(kind) = kind {
            places.push(Place {
                path: node.path,
                size_bytes: node.size.unwrap_or(0),
                kind,
                label: node.label.unwrap_or_default(),
                mounted: node.mountpoint,
                removable: node.rm || node.hotplug,
            });
        }
        open.extend(node.children);
    }
    // The rescue system's own images are no places.
    places.retain(|place| !place.path.starts_with("/dev/loop"));
    places.sort_by(|a, b| b.removable.cmp(&a.removable).then_with(|| a.path.cmp(&b.path)));
    places.dedup_by(|a, b| a.path == b.path);
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_files_is_listed_sticks_first() {
        let json = br#"{"blockdevices": [
            {"path":"/dev/vda","size":10737418240,"fstype":null,"label":null,"mountpoint":null,"rm":false,"hotplug":false,
             "children":[{"path":"/dev/vda1","size":1,"fstype":"swap","label":null,"mountpoint":null,"rm":false,"hotplug":false},
                         {"path":"/dev/vda2","size":7,"fstype":"ext4","label":"root","mountpoint":null,"rm":false,"hotplug":false}]},
            {"path":"/dev/sda","size":2,"fstype":null,"label":null,"mountpoint":null,"rm":true,"hotplug":true,
             "children":[{"path":"/dev/sda1","size":2,"fstype":"vfat","label":null,"mountpoint":"/mnt","rm":true,"hotplug":true}]},
            {"path":"/dev/loop0","size":2,"fstype":"squashfs","label":null,"mountpoint":"/","rm":false,"hotplug":false}]}"#;
        let places = parse(json).unwrap();
        let paths: Vec<&str> = places.iter().map(|place| place.path.as_str()).collect();
        assert_eq!(paths, ["/dev/sda1", "/dev/vda2"]);
        assert_eq!((places[0].mounted.as_deref(), places[1].label.as_str()), (Some("/mnt"), "root"));
    }

    #[test]
    fn anything_else_is_an_error() {
        assert!(parse(b"lsblk: no such option").unwrap_err().to_string().contains("cannot USE lsblk"));
    }
}
