//! Lines of RECOVER-BY-HAND.txt that make filesystems, swap areas and partition tables.
//!
//! They make the same UUIDs, labels and features as `lifeboat` would, but leave sizes to mkfs, so that a person may use
//! a disk of another size.

use crate::by_hand::shell;
use lifeboat_machine::Layout;
use lifeboat_machine::filesystem::{BtrfsOptions, ExtOptions, Filesystem, FilesystemOptions, VfatOptions, XfsOptions};
use lifeboat_machine::layout::{Device, Partition, PartitionTable, Swap, TableKind};

/// The input for sfdisk(8) that makes a table again, in the format of `sfdisk --dump`.
pub fn table_script(layout: &Layout, disk: &Device, table: &PartitionTable) -> String {
    let mut lines = vec![
        format!("label: {}", if table.kind == TableKind::Gpt { "gpt" } else { "dos" }),
        format!("label-id: {}", table.id),
        "unit: sectors".to_owned(),
    ];
    // Not last-lba: on a disk of another size it would be wrong, and sfdisk knows it.
    lines.extend(table.first_lba.map(|first| format!("first-lba: {first}")));
    lines.extend(table.entries.filter(|entries| *entries != 128).map(|entries| format!("table-length: {entries}")));
    lines.push(String::new());
    lines.extend(layout.partitions_of(&disk.id).into_iter().map(|(_, partition)| table_line(partition)));
    lines.join("\n")
}

fn table_line(partition: &Partition) -> String {
    let mut line = format!(
        "{} : start={}, size={}, type={}",
        partition.number, partition.start_sector, partition.sectors, partition.type_id
    );
    let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    if let Some(uuid) = text(&partition.uuid) {
        line.push_str(&format!(", uuid={uuid}"));
    }
    if let Some(name) = text(&partition.name) {
        // As `sfdisk --dump` escapes (util-linux, lib/carefulputc.h).
        let escape = |c: char| match c {
            '"' | '\\' | '`' | '$' => format!("\\x{:02x}", u32::from(c)),
            c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
            c => c.to_string(),
        };
        line.push_str(&format!(", name=\"{}\"", name.chars().map(escape).collect::<String>()));
    }
    if let Some(attributes) = text(&partition.attributes) {
        line.push_str(&format!(", attrs=\"{attributes}\""));
    }
    if partition.bootable {
        line.push_str(", bootable");
    }
    line
}

/// The commands that make a filesystem on `device`, a word of the shell.
pub fn filesystem(filesystem: &Filesystem, device: &str) -> Vec<String> {
    match &filesystem.options {
        FilesystemOptions::Ext(options) => ext(filesystem, options, device),
        FilesystemOptions::Xfs(options) => vec![xfs(filesystem, options, device)],
        FilesystemOptions::Vfat(options) => vec![vfat(filesystem, options, device)],
        FilesystemOptions::Btrfs(options) => btrfs(filesystem, options, device),
    }
}

/// The command that makes a swap area.
pub fn swap(swap: &Swap, device: &str) -> String {
    let mut line = "mkswap".to_owned();
    if let Some(uuid) = &swap.uuid {
        line.push_str(&format!(" -U {}", shell(uuid.as_bytes())));
    }
    if !swap.label.is_empty() {
        line.push_str(&format!(" -L {}", shell(swap.label.as_bytes())));
    }
    format!("{line} {device}")
}

fn label(filesystem: &Filesystem, option: &str) -> String {
    match filesystem.label.0.is_empty() {
        true => String::new(),
        false => format!(" {option} {}", shell(&filesystem.label.0)),
    }
}

fn ext(filesystem: &Filesystem, ext: &ExtOptions, device: &str) -> Vec<String> {
    let uuid = shell(filesystem.uuid.as_bytes());
    let label = label(filesystem, "-L");
    // `none` first: then the list is all there is, whatever the defaults of this mke2fs are.
    let features = shell(format!("none,{}", ext.features.join(",")).as_bytes());
    let mut lines = vec![format!(
        "mke2fs -F -q -t ext{} -O {features} -b {} -I {} -U {uuid}{label} {device}",
        ext.generation, ext.block_bytes, ext.inode_bytes
    )];
    let mut tune = format!("tune2fs -e {} -c {} -i {}s", ext.errors, ext.max_mount_count, ext.check_interval_seconds);
    if !ext.default_mount_options.is_empty() {
        tune.push_str(&format!(" -o {}", shell(ext.default_mount_options.join(",").as_bytes())));
    }
    lines.push(format!("{tune} {device}"));
    lines
}

fn xfs(filesystem: &Filesystem, xfs: &XfsOptions, device: &str) -> String {
    let uuid = shell(filesystem.uuid.as_bytes());
    let mut metadata = format!("uuid={uuid}");
    let mut inodes = format!("size={}", xfs.inode_bytes);
    for (name, on) in &xfs.features {
        // A boot loader or an older kernel may not know what this mkfs.xfs turns on by itself.
        match name.as_str() {
            "crc" | "finobt" | "rmapbt" | "reflink" | "bigtime" | "inobtcount" => {
                metadata.push_str(&format!(",{name}={}", u8::from(*on)));
            }
            "sparse" | "nrext64" => inodes.push_str(&format!(",{name}={}", u8::from(*on))),
            _ => {}
        }
    }
    let label = label(filesystem, "-L");
    format!("mkfs.xfs -f -q -b size={} -m {metadata} -i {inodes}{label} {device}", xfs.block_bytes)
}

fn vfat(filesystem: &Filesystem, vfat: &VfatOptions, device: &str) -> String {
    let id = shell(filesystem.uuid.replace('-', "").as_bytes());
    let label = label(filesystem, "-n");
    format!("mkfs.fat -F {} -S {} -i {id}{label} {device}", vfat.fat_bits, vfat.sector_bytes)
}

fn btrfs(filesystem: &Filesystem, btrfs: &BtrfsOptions, device: &str) -> Vec<String> {
    let uuid = shell(filesystem.uuid.as_bytes());
    let label = label(filesystem, "-L");
    let mixed = if btrfs.mixed { " -M" } else { "" };
    let mut lines = vec![format!(
        "mkfs.btrfs -f -q -U {uuid} -n {} -d {} -m {} --csum {}{mixed}{label} {device}",
        btrfs.node_bytes, btrfs.data_profile, btrfs.metadata_profile, btrfs.checksum
    )];
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
