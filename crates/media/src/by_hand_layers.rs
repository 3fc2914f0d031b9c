//! md arrays, volume groups and LUKS devices on the page RECOVER-BY-HAND.txt.

use crate::by_hand_filesystems::table_script;
use crate::by_hand_words::{plain, shell, word};
use lifeboat_machine::layout::mapper_node;
use lifeboat_machine::layout::{
    Array, CacheKind, Content, Crypt, Device, DeviceKind, GroupId, Member, PartitionTable, Volume, VolumeGroup,
    VolumeShape,
};
use lifeboat_machine::{DeviceId, Layout};
use lifeboat_rebuild::make::group::{make, metadata};
use lifeboat_sys::Invocation;
use std::ffi::OsString;

/// Stands in for a device in a call that was not built for this page.
const PLACE: &str = "/dev/lifeboat-";

/// The line that names an array's node, which a person may change.
pub(crate) fn variable(device: &Device, array: &Array) -> String {
    let node = match &array.name {
        Some(name) => format!("/dev/md/{}", plain(name)),
        None => plain(&device.path),
    };
    format!(": \"${{{}:={node}}}\"", device.id)
}

/// The commands that make all arrays, groups and volumes, each array with its partition table; parents first.
///
/// `dump` is the beginning of a command that prints a file of the archive.
pub(crate) fn layers(layout: &Layout, dump: &str) -> Vec<String> {
    let mut lines = vec![];
    let mut done: Vec<&GroupId> = vec![];
    for device in &layout.devices {
        match &device.kind {
            DeviceKind::Array(array) => {
                lines.push(create(layout, device, array));
                lines.push(format!("wipefs --all {}", word(layout, device)));
                if let Content::Table(table) = &device.content {
                    lines.extend(table_lines(layout, device, table));
                }
            }
            DeviceKind::Volume(volume) => {
                if let Some(group) = layout.group(&volume.group)
                    && !done.contains(&&volume.group)
                {
                    done.push(&volume.group);
                    lines.extend(self::group(layout, group));
                }
                lines.extend(self::volume(layout, device, volume));
            }
            DeviceKind::Crypt(crypt) => lines.extend(open(layout, device, crypt, dump)),
            DeviceKind::Disk(_) | DeviceKind::Partition(_) => {}
        }
    }
    if !lines.is_empty() {
        lines.push("if command -v udevadm >/dev/null; then udevadm settle; fi".to_owned());
    }
    lines
}

/// The commands that put a LUKS header back and open its device; the last but one asks for the passphrase.
fn open(layout: &Layout, device: &Device, crypt: &Crypt, dump: &str) -> Vec<String> {
    let (Some(parent), Some(header)) = (layout.device(&crypt.parent), layout.luks_header(crypt)) else { return vec![] };
    let (file, below) = (header.backup_name(), word(layout, parent));
    vec![
        format!("(umask 077; {dump} /.lifeboat/{file} >/tmp/{file})"),
        format!("wipefs --all {below}"),
        format!("cryptsetup luksHeaderRestore --batch-mode --header-backup-file /tmp/{file} {below}"),
        format!("cryptsetup open --type luks {below} {}", shell(crypt.name.as_bytes())),
        format!("wipefs --all {}", word(layout, device)),
    ]
}

/// Physical volumes and their group, from its metadata as text.
fn group(layout: &Layout, group: &VolumeGroup) -> Vec<String> {
    let physical: Vec<metadata::Physical<'_>> = layout
        .group_members(&group.id)
        .filter_map(|device| match device.member() {
            Some(Member::Group { uuid, first_extent_bytes, extents, .. }) => Some(metadata::Physical {
                id: &device.id,
                node: &device.path,
                uuid,
                size_bytes: device.size_bytes,
                first_extent_bytes: *first_extent_bytes,
                extents: *extents,
            }),
            _ => None,
        })
        .collect();
    let volumes = layout.devices.iter().filter_map(|device| match &device.kind {
        DeviceKind::Volume(volume) if volume.group == group.id => Some(volume.clone()),
        _ => None,
    });
    let volumes: Vec<Volume> = volumes.collect();
    let file = format!("/tmp/{}.vg", group.id);
    let mut lines = vec!["printf '%s\\n' \\".to_owned()];
    let text = metadata::text(group, &physical, &volumes);
    lines.extend(text.lines().map(|line| format!("  {} \\", shell(line.as_bytes()))));
    lines.push(format!("  >{file}"));
    for volume in &physical {
        let device = layout.device(volume.id).map_or_else(|| shell(volume.node.as_bytes()), |d| word(layout, d));
        lines.push(format!("lvm pvcreate --yes --force --uuid {} --restorefile {file} {device}", volume.uuid));
    }
    lines.push(format!("lvm vgcfgrestore --file {file} {}", group.name));
    lines
}

/// The calls that make or activate a volume, with its cache.
fn volume(layout: &Layout, device: &Device, volume: &Volume) -> Vec<String> {
    let Some(group) = layout.group(&volume.group) else { return vec![] };
    let place = |id: &DeviceId| format!("{PLACE}{id}");
    let (shape, cache) = volume.shape.uncached();
    let places: Vec<String> = shape.lies_on().into_iter().map(place).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let pool = match shape {
        VolumeShape::Thin { pool } => match layout.device(pool).map(|device| &device.kind) {
            Some(DeviceKind::Volume(pool)) => Some(pool.name.as_str()),
            _ => None,
        },
        _ => None,
    };
    let call = make::volume(&group.name, volume, volume.shape.shown_extents(), device.size_bytes, &places, pool);
    let mut lines = vec![line(layout, &call)];
    let mostly: Vec<String> = shape.write_mostly().into_iter().map(place).collect();
    let mostly: Vec<&str> = mostly.iter().map(String::as_str).collect();
    lines.extend(make::tune(&group.name, volume, &mostly).map(|call| line(layout, &call)));
    let Some(cache) = cache else { return lines };
    let mut fast: Vec<String> = vec![];
    for extents in &cache.extents {
        let place = place(&extents.device);
        if !fast.contains(&place) {
            fast.push(place);
        }
    }
    let fast: Vec<&str> = fast.iter().map(String::as_str).collect();
    lines.push(line(layout, &make::cache(&group.name, cache, &fast)));
    if cache.kind != CacheKind::Pool {
        // A cache that begins with what it held before would hand that out.
        let node = shell(mapper_node(&group.name, &cache.name).as_bytes());
        lines.push(format!("dd if=/dev/zero of={node} bs=1M count=1 conv=fsync"));
    }
    lines.extend(make::attach(&group.name, volume, cache).iter().map(|call| line(layout, call)));
    lines
}

/// A call of lvm as a line of bash.
fn line(layout: &Layout, call: &Invocation) -> String {
    // Settings for the rescue system have no meaning elsewhere.
    let mut arguments = call.arguments.clone();
    if let Some(at) = arguments.iter().position(|argument| argument == "--config") {
        arguments.drain(at..=at + 1);
    }
    let words: Vec<String> = arguments.iter().map(|argument| placed(layout, argument)).collect();
    format!("{} {}", call.program.name, words.join(" "))
}

fn create(layout: &Layout, device: &Device, array: &Array) -> String {
    let place = |id: &DeviceId| format!("{PLACE}{id}");
    let nodes: Vec<(String, u64)> =
        array.members.iter().map(|member| (place(&member.device), offset(layout, &member.device))).collect();
    let nodes: Vec<(&str, u64)> = nodes.iter().map(|(node, offset)| (node.as_str(), *offset)).collect();
    let call = lifeboat_rebuild::make::array::md::make(&place(&device.id), array, &nodes);
    let arguments: Vec<String> = call.arguments.iter().map(|argument| placed(layout, argument)).collect();
    format!("{} {}", call.program.name, arguments.join(" "))
}

/// An argument as a word of bash, devices as the page calls them.
fn placed(layout: &Layout, argument: &OsString) -> String {
    let text = argument.to_string_lossy();
    let Some(rest) = text.strip_prefix(PLACE) else { return shell(text.as_bytes()) };
    let (id, behind) = rest.split_once(':').map_or((rest, String::new()), |(id, offset)| (id, format!(":{offset}")));
    match layout.device(&DeviceId(id.to_owned())) {
        Some(device) => format!("{}{behind}", word(layout, device)),
        None => shell(text.as_bytes()),
    }
}

/// Where an array's data begins on a member.
fn offset(layout: &Layout, id: &DeviceId) -> u64 {
    match layout.device(id).and_then(Device::member) {
        Some(Member::Array { data_offset_bytes, .. }) => *data_offset_bytes,
        _ => 0,
    }
}

/// The commands that write a table to a disk or an array.
pub(crate) fn table_lines(layout: &Layout, device: &Device, table: &PartitionTable) -> Vec<String> {
    // No here-document: its end marker would be lost among the spaces when a person pastes the lines.
    let mut lines = vec!["printf '%s\\n' \\".to_owned()];
    lines.extend(table_script(layout, device, table).lines().map(|line| format!("  {} \\", shell(line.as_bytes()))));
    lines.push(format!("  | sfdisk --wipe always --wipe-partitions always {}", word(layout, device)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::testing::{Decision, encrypted_machine, grown};

    #[test]
    fn each_array_is_made_of_its_members() {
        let machine = grown(&[8, 8], &[Decision { what: 2, which: 0, count: 1 }]);
        let lines = layers(&machine.layout, "dump");
        assert!(lines[0].starts_with("mdadm --create \"$array0\" --run"), "{lines:?}");
        assert!(lines[0].ends_with("\"$disk0\" \"$disk1\""), "{lines:?}");
        assert_eq!(lines[1], "wipefs --all \"$array0\"");
    }

    #[test]
    fn an_encrypted_device_gets_its_header_and_is_opened() {
        let machine = encrypted_machine();
        let file = "luks-64f0a6d1-0000-4000-8000-000000000001.header";
        let device = "\"$(part \"$disk0\" 2)\"";
        assert_eq!(
            layers(&machine.layout, "dump")[..5],
            [
                format!("(umask 077; dump /.lifeboat/{file} >/tmp/{file})"),
                format!("wipefs --all {device}"),
                format!("cryptsetup luksHeaderRestore --batch-mode --header-backup-file /tmp/{file} {device}"),
                format!("cryptsetup open --type luks {device} vda2_crypt"),
                "wipefs --all /dev/mapper/vda2_crypt".to_owned(),
            ]
        );
    }

    #[test]
    fn a_cache_is_made_anew_and_put_in_front() {
        let machine = grown(&[8, 8], &[Decision { what: 3, which: 0, count: 21 }]);
        let lines = layers(&machine.layout, "dump");
        let group = &machine.layout.groups[0].name;
        let at = lines.iter().position(|line| line == &format!("lvm lvchange --activate y {group}/lv-0")).unwrap();
        let rest: Vec<&str> = lines[at + 1..].iter().map(String::as_str).take(4).collect();
        assert!(rest[0].starts_with("lvm lvcreate --yes --type cache-pool --poolmetadatasize=4194304b"), "{rest:?}");
        assert!(rest[0].ends_with(&format!("{group} \"$disk1\"")), "{rest:?}");
        assert_eq!(rest[1], format!("lvm lvchange --activate n {group}/lv-0"));
        assert!(
            rest[2].starts_with("lvm lvconvert --yes --type cache --cachepool fast --cachemode writethrough"),
            "{rest:?}"
        );
        assert_eq!(rest[3], format!("lvm lvchange --activate y {group}/lv-0"));
    }

    /// bash runs the page's lines, and passes to lvm the text that we would pass.
    #[test]
    fn a_group_is_made_from_its_text() {
        let machine = grown(&[8, 8], &[Decision { what: 3, which: 0, count: 1 }]);
        let lines = layers(&machine.layout, "dump");
        let group = &machine.layout.groups[0];
        let restore = format!("lvm vgcfgrestore --file /tmp/{}.vg {}", group.id, group.name);
        assert!(lines.contains(&restore), "{lines:#?}");
        assert!(
            lines.iter().any(|line| line == &format!("lvm lvchange --activate y {}/lv-0", group.name)),
            "{lines:#?}"
        );
        let end = lines.iter().position(|line| line.starts_with("  >")).unwrap();
        let script = lines[..end].join("\n") + "\n  ''\n";
        let output = std::process::Command::new("bash").arg("-c").arg(&script).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("logical_volumes {\nlv-0 {\n"), "{text}");
    }
}
