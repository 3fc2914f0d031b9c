//! Lines of RECOVER-BY-HAND.txt that make filesystems, swap areas and partition tables.
//!
//! They are the calls that `lifeboat` itself would make: the same sizes, UUIDs, labels, features and tunables.

use crate::by_hand_words::shell;
use lifeboat_machine::Layout;
use lifeboat_machine::filesystem::{BtrfsOptions, Filesystem, FilesystemOptions};
use lifeboat_machine::layout::{Device, Partition, PartitionTable, Swap};
use lifeboat_rebuild::make::FurtherDevice;
use lifeboat_sys::Invocation;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Stands in for the device until it is replaced by its shell word; no path has a NUL.
const DEVICE: &str = "\0device";

/// Features that some mkfs.btrfs turns on by itself (`mkfs.btrfs -O list-all` and `-R list-all` of releases 4 to 6).
const BTRFS_DEFAULTS: [&str; 5] = ["extref", "skinny-metadata", "no-holes", "free-space-tree", "block-group-tree"];

/// The input for sfdisk(8) that recreates a table, on disks of other sizes as well: sfdisk knows which sector is the last one.
pub fn table_script(layout: &Layout, disk: &Device, table: &PartitionTable) -> String {
    let partitions: Vec<Partition> =
        layout.partitions_of(&disk.id).into_iter().map(|(_, partition)| partition.clone()).collect();
    lifeboat_rebuild::sfdisk::script(&PartitionTable { last_lba: None, ..table.clone() }, &partitions)
}

/// The commands that make a filesystem on `device`, a shell word for a device of `device_bytes` bytes.
///
/// `further` are its other devices, with shell words of theirs.
pub fn filesystem(filesystem: &Filesystem, device: &str, device_bytes: u64, further: &[FurtherDevice]) -> Vec<String> {
    if let FilesystemOptions::Btrfs(options) = &filesystem.options {
        let devices = further.iter().fold(device.to_owned(), |list, further| list + " " + &further.device);
        return btrfs(filesystem, options, &devices, if further.is_empty() { device_bytes } else { 0 });
    }
    let placed = |(number, further): (usize, &FurtherDevice)| FurtherDevice {
        device: format!("{DEVICE}-{number}"),
        journal: further.journal.clone(),
    };
    let placed: Vec<FurtherDevice> = further.iter().enumerate().map(placed).collect();
    match lifeboat_rebuild::make::commands(Path::new(DEVICE), device_bytes, filesystem, &placed) {
        Ok(calls) => {
            let line = |call| {
                let names = placed.iter().zip(further).map(|(placed, further)| (&placed.device, &further.device));
                names.fold(line(call, device), |text, (place, word)| text.replace(place.as_str(), word))
            };
            calls.iter().flatten().map(line).collect()
        }
        // `check` refuses such a machine; the page must state the reason anyway.
        Err(error) => vec![format!("# {}", lifeboat_machine::bytes::printable(error.to_string().as_bytes()))],
    }
}

/// A call as a shell line.
fn line(call: &Invocation, device: &str) -> String {
    let mut words: Vec<String> = call
        .environment
        .iter()
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), shell(value.as_bytes())))
        .collect();
    words.push(call.program.name.to_owned());
    words.extend(call.arguments.iter().map(|argument| match argument == DEVICE {
        true => device.to_owned(),
        false => shell(argument.as_bytes()),
    }));
    words.join(" ")
}

/// The command that makes a swap area.
pub fn swap(swap: &Swap, device: &str) -> String {
    let mut line = "mkswap".to_owned();
    if let Some(uuid) = &swap.uuid {
        line.push_str(&format!(" -U {}", shell(uuid.as_bytes())));
    }
    if !swap.label.0.is_empty() {
        line.push_str(&format!(" -L {}", shell(&swap.label.0)));
    }
    format!("{line} {device}")
}

fn label(filesystem: &Filesystem, option: &str) -> String {
    match filesystem.label.0.is_empty() {
        true => String::new(),
        false => format!(" {option} {}", shell(&filesystem.label.0)),
    }
}

fn btrfs(filesystem: &Filesystem, btrfs: &BtrfsOptions, device: &str, device_bytes: u64) -> Vec<String> {
    let uuid = shell(filesystem.uuid.as_bytes());
    let has = |name: &str| btrfs.features.iter().any(|feature| feature == name);
    // --mixed implies the first.
    let wanted = btrfs.features.iter().filter(|name| *name != "mixed-bg").cloned();
    let unwanted = BTRFS_DEFAULTS.iter().filter(|name| !has(name)).map(|name| format!("^{name}"));
    let features: Vec<String> = wanted.chain(unwanted).map(|name| shell(name.as_bytes())).collect();
    // Which of the two lists has a feature, and which features it knows, depends on the release of mkfs.btrfs.
    let sort = format!(
        "on=; later=; for f in {}; do\n  \
         if mkfs.btrfs -O list-all 2>&1 | grep -q \"^${{f#^}} \"; then on=\"$on,$f\"\n  \
         elif mkfs.btrfs -R list-all 2>&1 | grep -q \"^${{f#^}} \"; then later=\"$later,$f\"\n  \
         elif [ \"${{f#^}}\" = \"$f\" ]; then echo \"this mkfs.btrfs does not know $f\"; on=\"$on,$f\"; fi\ndone",
        features.join(" ")
    );
    let mut line = format!(
        "mkfs.btrfs -f -q -K -U {uuid} -n {} -s {} --csum {}",
        btrfs.node_bytes, btrfs.sector_bytes, btrfs.checksum
    );
    // Profiles can be read from mounted filesystems only.
    for (option, profile) in [("-d", &btrfs.data_profile), ("-m", &btrfs.metadata_profile)] {
        if !profile.is_empty() {
            line.push_str(&format!(" {option} {}", shell(profile.as_bytes())));
        }
    }
    if btrfs.mixed {
        line.push_str(" -M");
    }
    line.push_str(&format!(" ${{on:+-O \"${{on#,}}\"}} ${{later:+-R \"${{later#,}}\"}}{}", label(filesystem, "-L")));
    if filesystem.size_bytes < device_bytes {
        line.push_str(&format!(" -b {}", filesystem.size_bytes));
    }
    if let Some(uuid) = btrfs.device_uuid.as_ref().filter(|_| device_bytes > 0) {
        // Since btrfs-progs 6.3; without it only the UUID_SUB differs.
        let option = format!("--device-uuid {}", shell(uuid.as_bytes()));
        line.push_str(&format!(" $(mkfs.btrfs --help 2>&1 | grep -q -- --device-uuid && echo {option})"));
    }
    let mut lines = vec![sort, format!("{line} {device}")];
    if btrfs.subvolumes.is_empty() {
        return lines;
    }
    lines.push("mkdir -p /mnt/top".to_owned());
    lines.push(format!("mount -t btrfs -o subvolid=5 {device} /mnt/top"));
    for subvolume in &btrfs.subvolumes {
        let path = shell(&[b"/mnt/top/", &subvolume.path.0[..]].concat());
        lines.push(format!("mkdir -p \"$(dirname {path})\" && btrfs subvolume create {path}"));
        if subvolume.no_cow {
            lines.push(format!("chattr +C {path}"));
        }
    }
    if !btrfs.default_subvolume.0.is_empty() {
        let path = shell(&[b"/mnt/top/", &btrfs.default_subvolume.0[..]].concat());
        lines.push(format!("btrfs subvolume set-default {path}"));
    }
    lines.push("umount /mnt/top".to_owned());
    lines
}
