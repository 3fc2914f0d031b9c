//! What was made is read again by the parsers that recorded the machine, and compared with the plan, as files are.
//!
//! What decides whether the machine starts and what its files may be (identity, size, features) must be as planned; of counts
//! that mkfs rounds a person is informed.

use crate::error::{Difference, RebuildError};
use crate::sysfs::{class, kernel_name};
use lifeboat_machine::filesystem::{
    BtrfsOptions, ExtOptions, Filesystem, FilesystemOptions, Journal, VfatOptions, XfsOptions,
};
use lifeboat_machine::layout::{Array, ArrayMetadata, ArrayRole, Consistency, Partition, PartitionTable, Swap};
use lifeboat_machine::{Content, DeviceId, Name};
use lifeboat_plan::ArrayDevice;
use lifeboat_storage::md;
use lifeboat_sys::Runner;
use std::fmt::Display;
use std::path::Path;

/// mkfs.xfs makes no allocation group below this, and leaves what is less at the end unused (xfsprogs, XFS_AG_MIN_BYTES).
pub(crate) const XFS_SMALLEST_GROUP: u64 = 16 << 20;

/// How ext4 lays its group descriptors out: the one or the other (mke2fs(8), meta_bg).
const LAYOUT: [&str; 2] = ["resize_inode", "meta_bg"];
/// How often a device is read that cannot be read.
const ATTEMPTS: usize = 3;

/// Collects what differs.
#[derive(Default)]
struct Compared {
    differences: Vec<Difference>,
    notes: Vec<String>,
}

impl Compared {
    fn must<T: PartialEq + Display>(&mut self, what: impl Into<String>, planned: T, found: T) {
        if planned != found {
            let (planned, found) = (planned.to_string(), found.to_string());
            self.differences.push(Difference { what: what.into(), planned: quoted(planned), found: quoted(found) });
        }
    }

    fn report<T: PartialEq + Display>(&mut self, device: &Path, what: &str, planned: T, found: T) {
        if planned != found {
            self.notes.push(format!("{}: its {what} is {found} instead of {planned}", device.display()));
        }
    }

    fn end(self, device: &Path) -> Result<Vec<String>, RebuildError> {
        match self.differences.is_empty() {
            true => Ok(self.notes),
            false => {
                Err(RebuildError::NotAsPlanned { device: device.display().to_string(), differences: self.differences })
            }
        }
    }
}

/// Nothing has a name, too.
fn quoted(text: String) -> String {
    if text.is_empty() { "none".into() } else { text }
}

fn unreadable(device: &Path, planned: &str, found: impl Into<String>) -> RebuildError {
    let what = "content".to_owned();
    let difference = Difference { what, planned: planned.to_owned(), found: found.into() };
    RebuildError::NotAsPlanned { device: device.display().to_string(), differences: vec![difference] }
}

fn content(runner: &dyn Runner, device: &Path, planned: &str) -> Result<Content, RebuildError> {
    let refused = |refusals: Vec<lifeboat_probe::Refusal>| {
        let reasons: Vec<String> = refusals.into_iter().map(|refusal| refusal.reason).collect();
        unreadable(device, planned, format!("unreadable ({})", reasons.join("; ")))
    };
    // udev looks at what was written, and a partition may be gone and come again meanwhile (udev, 60-block.rules).
    let mut read = Err(vec![]);
    for _ in 0..ATTEMPTS {
        crate::table::await_device(device)?;
        read = lifeboat_probe::content_of(runner, &device.to_string_lossy());
        if read.is_ok() {
            break;
        }
    }
    read.map_err(refused)
}

/// Compares the table of a disk with the one that was written.
///
/// # Errors
/// [`RebuildError::NotAsPlanned`] with everything that differs.
pub fn table(
    runner: &dyn Runner,
    disk: &Path,
    table: &PartitionTable,
    entries: &[Partition],
) -> Result<(), RebuildError> {
    let parent = entries.first().map_or_else(|| DeviceId(String::new()), |entry| entry.parent.clone());
    let (found, partitions) = lifeboat_probe::table_of(runner, &disk.to_string_lossy(), &parent)
        .map_err(|reason| unreadable(disk, "a partition table", format!("unreadable ({reason})")))?;
    let mut compared = Compared::default();
    compared.must("kind of table", format!("{:?}", table.kind), format!("{:?}", found.kind));
    compared.must("table's id", table.id.to_ascii_lowercase(), found.id.to_ascii_lowercase());
    for (what, planned, found) in [
        ("first usable sector", table.first_lba, found.first_lba),
        ("last usable sector", table.last_lba, found.last_lba),
        ("number of entries", table.entries.map(u64::from), found.entries.map(u64::from)),
    ] {
        if let (Some(planned), Some(found)) = (planned, found) {
            compared.must(what, planned, found);
        }
    }
    if let Some(code) = &table.boot_code {
        compared.must("boot code", "what was recorded", boot_code(code, found.boot_code.as_deref()));
    }
    let numbers = |list: &[Partition]| {
        let mut numbers: Vec<u32> = list.iter().map(|partition| partition.number).collect();
        numbers.sort_unstable();
        numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    };
    compared.must("partitions", numbers(entries), numbers(&partitions));
    for planned in entries {
        let number = planned.number;
        let Some(found) = partitions.iter().find(|partition| partition.number == number) else { continue };
        let of = |what: &str| format!("{what} of partition {number}");
        compared.must(of("start"), planned.start_sector, found.start_sector);
        compared.must(of("length in sectors"), planned.sectors, found.sectors);
        compared.must(of("type"), planned.type_id.to_ascii_lowercase(), found.type_id.to_ascii_lowercase());
        compared.must(of("name"), text(&planned.name), text(&found.name));
        compared.must(of("attributes"), words(&planned.attributes), words(&found.attributes));
        compared.must(of("active flag"), planned.bootable, found.bootable);
        if planned.uuid.is_some() {
            let lower = |uuid: &Option<String>| text(uuid).to_ascii_lowercase();
            compared.must(of("UUID"), lower(&planned.uuid), lower(&found.uuid));
        }
    }
    compared.end(disk).map(|_| ())
}

/// The recorded boot code may be shorter than what a sector has room for.
fn boot_code<'t>(planned: &str, found: Option<&str>) -> &'t str {
    use base64::Engine as _;
    let decoded = |code: &str| {
        let mut bytes = base64::engine::general_purpose::STANDARD.decode(code).unwrap_or_default();
        bytes.resize(crate::table::BOOT_CODE, 0);
        bytes
    };
    if decoded(planned) == decoded(found.unwrap_or_default()) { "what was recorded" } else { "another one" }
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

/// sfdisk of different releases puts blanks or commas between attributes.
fn words(value: &Option<String>) -> String {
    let mut words: Vec<&str> = text(value).split([' ', ',']).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.join(" ")
}

/// Compares an active array with the one that was planned.
///
/// # Errors
/// [`RebuildError::NotAsPlanned`] with everything that differs.
pub fn array(
    runner: &dyn Runner,
    node: &Path,
    size_bytes: u64,
    planned: &Array,
    members: &[ArrayDevice],
) -> Result<(), RebuildError> {
    let read = md::examine(runner, &class(node), node).map_err(|reason| unreadable(node, "md array", reason))?;
    let found = read.array;
    let mut compared = Compared::default();
    compared.must("UUID", &*planned.uuid, &*found.uuid);
    compared.must("level", planned.level.name(), found.level.name());
    compared.must("metadata", planned.metadata.name(), found.metadata.name());
    compared.must("number of slots", planned.slots, found.slots);
    if planned.metadata != ArrayMetadata::V0_90 {
        compared.must("name", text(&planned.name), text(&found.name));
        compared.must("home host", text(&planned.home_host), text(&found.home_host));
    }
    let count = |value: Option<u64>| value.map(|number| number.to_string()).unwrap_or_default();
    compared.must("chunk size in bytes", count(planned.chunk_bytes), count(found.chunk_bytes));
    compared.must("layout", text(&planned.layout), text(&found.layout));
    compared.must("bytes of each member", count(planned.member_bytes), count(found.member_bytes));
    compared.must("consistency policy", policy(&planned.consistency), policy(&found.consistency));
    let size = lifeboat_sys::block::size_bytes(node).map_err(RebuildError::io("READ the size of", node))?;
    compared.must("size in bytes", size_bytes, size);
    let role = |role: ArrayRole| match role {
        ArrayRole::Active { slot } => format!("slot {slot}"),
        ArrayRole::Spare => "spare".to_owned(),
        ArrayRole::Journal => "journal".to_owned(),
    };
    let flags = |most: bool, fast: bool| {
        let words = [(most, " write-mostly"), (fast, " failfast")];
        words.into_iter().filter(|(set, _)| *set).map(|(_, word)| word).collect::<String>()
    };
    for (member, place) in planned.members.iter().zip(members) {
        let name = kernel_name(Path::new(&place.device));
        let there = read.members.iter().find(|found| found.name == name);
        let there = there.map(|found| role(found.role) + &flags(found.write_mostly, found.fail_fast));
        let wanted = role(member.role) + &flags(member.write_mostly, member.fail_fast);
        compared.must(format!("member {}", place.device), wanted, there.unwrap_or_default());
    }
    compared.end(node).map(|_| ())
}

fn policy(consistency: &Consistency) -> String {
    match consistency {
        Consistency::None => "none".into(),
        Consistency::Resync => "resync".into(),
        Consistency::Bitmap { chunk_bytes } => format!("bitmap with chunks of {chunk_bytes} bytes"),
        Consistency::Journal => "journal".into(),
        Consistency::PartialParityLog => "partial parity log".into(),
    }
}

/// Compares a swap area with the one that was planned.
///
/// # Errors
/// [`RebuildError::NotAsPlanned`] with everything that differs.
pub fn swap(runner: &dyn Runner, device: &Path, planned: &Swap) -> Result<(), RebuildError> {
    let there = content(runner, device, "swap")?;
    let Content::Swap(found) = there else { return Err(unreadable(device, "swap", described(&there))) };
    let mut compared = Compared::default();
    compared.must("UUID", lower(planned.uuid.as_deref()), lower(found.uuid.as_deref()));
    compared.must("label", printed(&planned.label), printed(&found.label));
    compared.must("page size", planned.page_bytes, found.page_bytes);
    compared.end(device).map(|_| ())
}

fn lower(uuid: Option<&str>) -> String {
    uuid.unwrap_or_default().to_ascii_lowercase()
}

fn printed(name: &Name) -> String {
    if name.0.is_empty() { String::new() } else { format!("\"{name}\"") }
}

fn described(content: &Content) -> String {
    match content {
        Content::Filesystem(filesystem) => filesystem.options.mount_type().to_owned(),
        Content::Swap(_) => "swap".into(),
        Content::Empty => "nothing".into(),
        Content::Luks(_) => "a LUKS header".into(),
        Content::Table(_) | Content::BootLoader | Content::Extended | Content::Journal(_) | Content::Member(_) => {
            "something else".into()
        }
    }
}

/// Compares a filesystem with the one that was planned; reports counts that mkfs made otherwise. With `resized` those counts
/// were left to mkfs.
///
/// # Errors
/// [`RebuildError::NotAsPlanned`] with everything that differs and matters.
pub fn filesystem(
    runner: &dyn Runner,
    device: &Path,
    planned: &Filesystem,
    resized: bool,
) -> Result<Vec<String>, RebuildError> {
    let kind = planned.options.mount_type();
    let there = content(runner, device, kind)?;
    let Content::Filesystem(found) = there else { return Err(unreadable(device, kind, described(&there))) };
    let mut compared = Compared::default();
    compared.must("UUID", lower(Some(&planned.uuid)), lower(Some(&found.uuid)));
    compared.must("label", printed(&planned.label), printed(&found.label));
    match (&planned.options, &found.options) {
        (FilesystemOptions::Ext(a), FilesystemOptions::Ext(b)) => {
            compared.must("size in bytes", planned.size_bytes, found.size_bytes);
            let external = |ext: &ExtOptions| switch(matches!(ext.journal, Some(Journal::External { .. })));
            compared.must("external journal", external(a), external(b));
            ext(&mut compared, device, a, b, resized);
        }
        (FilesystemOptions::Xfs(a), FilesystemOptions::Xfs(b)) => {
            let missing = planned.size_bytes.saturating_sub(found.size_bytes);
            if missing < XFS_SMALLEST_GROUP {
                compared.report(device, "size in bytes", planned.size_bytes, found.size_bytes);
            } else {
                compared.must("size in bytes", planned.size_bytes, found.size_bytes);
            }
            compared.must("external log", switch(a.log_device.is_some()), switch(b.log_device.is_some()));
            xfs(&mut compared, device, a, b, resized);
        }
        (FilesystemOptions::Vfat(a), FilesystemOptions::Vfat(b)) => {
            // mkfs.fat counts in KiB.
            compared.must("size in KiB", planned.size_bytes / 1024, found.size_bytes / 1024);
            vfat(&mut compared, device, a, b);
        }
        (FilesystemOptions::Btrfs(a), FilesystemOptions::Btrfs(b)) => {
            compared.must("size in bytes", planned.size_bytes, found.size_bytes);
            btrfs(&mut compared, a, b);
        }
        _ => compared.must("type", kind, found.options.mount_type()),
    }
    compared.end(device)
}

/// Names that one list has and the other has not.
fn features(compared: &mut Compared, planned: &[String], found: &[String]) {
    let only =
        |a: &[String], b: &[String]| -> Vec<String> { a.iter().filter(|name| !b.contains(name)).cloned().collect() };
    compared.must("list of missing features", String::new(), only(planned, found).join(", "));
    compared.must("list of features too many", String::new(), only(found, planned).join(", "));
}

fn ext(compared: &mut Compared, device: &Path, planned: &ExtOptions, found: &ExtOptions, resized: bool) {
    // Of another size, the descriptors may not fit where they were: then mke2fs lays them out otherwise by itself.
    let kept = |ext: &ExtOptions| -> Vec<String> {
        ext.features.iter().filter(|name| !resized || !LAYOUT.contains(&name.as_str())).cloned().collect()
    };
    features(compared, &kept(planned), &kept(found));
    compared.must("block size", planned.block_bytes, found.block_bytes);
    compared.must("inode size", planned.inode_bytes, found.inode_bytes);
    compared.must("encoding", text(&planned.encoding), text(&found.encoding));
    compared.must("behaviour on errors", planned.errors.as_str(), found.errors.as_str());
    let seed = |value: &Option<String>| text(value).trim_start_matches("0x").to_ascii_lowercase();
    if planned.checksum_seed.is_some() {
        compared.must("checksum seed", seed(&planned.checksum_seed), seed(&found.checksum_seed));
    }
    if found.inodes < planned.inodes && !resized {
        compared.must("number of inodes", planned.inodes, found.inodes);
    }
    compared.report(device, "number of reserved blocks", planned.reserved_blocks, found.reserved_blocks);
    if !resized {
        compared.report(device, "number of inodes", planned.inodes, found.inodes);
        let mib = |journal: &Option<Journal>| journal.as_ref().and_then(Journal::internal_bytes).unwrap_or(0) >> 20;
        compared.report(device, "journal in MiB", mib(&planned.journal), mib(&found.journal));
        let groups = |ext: &ExtOptions| ext.flex_group_blocks.unwrap_or(1);
        compared.report(device, "flexible group size", groups(planned), groups(found));
    }
}

fn xfs(compared: &mut Compared, device: &Path, planned: &XfsOptions, found: &XfsOptions, resized: bool) {
    compared.must("block size", planned.block_bytes, found.block_bytes);
    compared.must("sector size", planned.sector_bytes, found.sector_bytes);
    compared.must("inode size", planned.inode_bytes, found.inode_bytes);
    compared.must("directory block size", planned.directory_block_bytes, found.directory_block_bytes);
    for (name, on) in &planned.features {
        // A release whose xfs_info does not name it has not got it.
        let made = found.features.iter().find(|(other, _)| other == name).is_some_and(|(_, on)| *on);
        compared.must(format!("feature {name}"), switch(*on), switch(made));
    }
    if complete(planned) {
        for (name, _) in found.features.iter().filter(|(name, on)| *on && !names(planned, name)) {
            compared.must(format!("feature {name}"), switch(false), switch(true));
        }
    }
    let metadata = |xfs: &XfsOptions| lower(xfs.metadata_uuid.as_deref());
    compared.must("UUID in metadata", metadata(planned), metadata(found));
    if !resized {
        compared.report(
            device,
            "size of allocation groups",
            planned.allocation_group_blocks,
            found.allocation_group_blocks,
        );
        compared.report(device, "log in blocks", planned.log_blocks, found.log_blocks);
        compared.report(device, "stripe unit", planned.stripe_unit_blocks, found.stripe_unit_blocks);
        compared.report(device, "stripe width", planned.stripe_width_blocks, found.stripe_width_blocks);
        compared.report(device, "share of inodes", planned.max_inode_percent, found.max_inode_percent);
    }
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Its features were read from a filesystem; one that takes the place of another kind leaves them to mkfs.xfs.
pub(crate) fn complete(xfs: &XfsOptions) -> bool {
    names(xfs, "finobt")
}

pub(crate) fn names(xfs: &XfsOptions, feature: &str) -> bool {
    xfs.features.iter().any(|(name, _)| name == feature)
}

fn vfat(compared: &mut Compared, device: &Path, planned: &VfatOptions, found: &VfatOptions) {
    compared.must("FAT's width", planned.fat_bits, found.fat_bits);
    compared.must("sector size", planned.sector_bytes, found.sector_bytes);
    compared.must("cluster size in sectors", planned.cluster_sectors, found.cluster_sectors);
    let label = |vfat: &VfatOptions| vfat.boot_label.as_ref().map(printed).unwrap_or_default();
    compared.must("label in the boot sector", label(planned), label(found));
    compared.report(device, "number of reserved sectors", planned.reserved_sectors, found.reserved_sectors);
    compared.report(device, "number of FATs", planned.fats, found.fats);
    compared.report(device, "number of root entries", planned.root_entries, found.root_entries);
    compared.report(device, "media descriptor", planned.media, found.media);
    compared.report(device, "number of hidden sectors", planned.hidden_sectors, found.hidden_sectors);
}

fn btrfs(compared: &mut Compared, planned: &BtrfsOptions, found: &BtrfsOptions) {
    features(compared, &planned.features, &found.features);
    compared.must("node size", planned.node_bytes, found.node_bytes);
    compared.must("sector size", planned.sector_bytes, found.sector_bytes);
    compared.must("checksum", planned.checksum.as_str(), found.checksum.as_str());
    compared.must("mixing of data and metadata", switch(planned.mixed), switch(found.mixed));
    let metadata = |btrfs: &BtrfsOptions| lower(btrfs.metadata_uuid.as_deref());
    compared.must("UUID in metadata", metadata(planned), metadata(found));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_all_releases_are_the_same() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(words(&some("RequiredPartition GUID:48,63")), words(&some("GUID:48 63,RequiredPartition")));
        assert_eq!(words(&None), "");
    }

    #[test]
    fn what_differs_is_named() {
        let mut compared = Compared::default();
        compared.must("label", printed(&Name::from("a")), printed(&Name::default()));
        features(&mut compared, &["extref".into(), "no-holes".into()], &["extref".into(), "squota".into()]);
        let error = compared.end(Path::new("/dev/vda1")).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot CONTINUE with /dev/vda1: its label is none instead of \"a\"; \
             its list of missing features is no-holes instead of none; its list of features too many is squota instead of none"
        );
    }
}
