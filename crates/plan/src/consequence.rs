//! What follows in the restored system when a machine comes back on other storage than it was recorded on: names in fstab and on
//! command lines, crypttab, mdadm.conf, what the initramfs must hold, and the packages that must be there for it.

use crate::device_names::names;
use crate::moves::stack;
use crate::nodes::Nodes;
use crate::step::MovedStorage;
use lifeboat_machine::boot::{InitramfsTool, Loader};
use lifeboat_machine::layout::{Array, Crypt, LuksHeader, VolumeGroup};
use lifeboat_machine::{Content, Device, DeviceKind, Layout, Machine, Member};
use std::path::Path;

/// Something that the restored system must have for its new storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// What it is needed for, for people: `the array root`.
    pub what: String,
    /// One of these files must be there.
    pub files: &'static [&'static str],
    /// The package of Debian that has it.
    pub package: &'static str,
}

const MDADM: &[&str] = &["/usr/sbin/mdadm", "/sbin/mdadm", "/usr/bin/mdadm"];
const LVM: &[&str] = &["/usr/sbin/lvm", "/sbin/lvm", "/usr/bin/lvm"];
const CRYPTSETUP: &[&str] = &["/usr/sbin/cryptsetup", "/sbin/cryptsetup", "/usr/bin/cryptsetup"];
/// initramfs-tools opens encrypted devices with this hook alone.
const CRYPT_HOOK: &[&str] = &["/usr/share/initramfs-tools/hooks/cryptroot"];
/// dracut since 106 takes this program.
const CRYPT_DRACUT: &[&str] = &[
    "/usr/bin/systemd-cryptsetup",
    "/usr/lib/systemd/systemd-cryptsetup",
    "/lib/systemd/systemd-cryptsetup",
    "/usr/lib/dracut/modules.d/90crypt/module-setup.sh",
    "/usr/lib/dracut/modules.d/70crypt/module-setup.sh",
];

/// What the restored system needs for storage that it did not have.
pub fn required(recorded: &Machine, wanted: &Machine) -> Vec<Required> {
    let mut list: Vec<Required> = vec![];
    let mut add = |what: String, files: &'static [&'static str], package: &'static str| {
        if !list.iter().any(|known| known.package == package) {
            list.push(Required { what, files, package });
        }
    };
    for device in &wanted.layout.devices {
        let new = |same: &dyn Fn(&DeviceKind) -> bool| !recorded.layout.devices.iter().any(|old| same(&old.kind));
        match &device.kind {
            DeviceKind::Array(array) if new(&|kind| matches!(kind, DeviceKind::Array(_))) => {
                add(format!("the array {}", array.name.as_deref().unwrap_or(&device.id.0)), MDADM, "mdadm");
            }
            DeviceKind::Volume(volume) if new(&|kind| matches!(kind, DeviceKind::Volume(_))) => {
                add(format!("the volume {}", volume.name), LVM, "lvm2");
            }
            DeviceKind::Crypt(crypt) if new(&|kind| matches!(kind, DeviceKind::Crypt(_))) => {
                add(format!("the encrypted device {}", crypt.name), CRYPTSETUP, "cryptsetup");
            }
            DeviceKind::Disk(_)
            | DeviceKind::Partition(_)
            | DeviceKind::Array(_)
            | DeviceKind::Volume(_)
            | DeviceKind::Crypt(_) => {}
        }
    }
    let early = |machine: &Machine| early(machine).contains(&"LUKS");
    if early(wanted) && !early(recorded) {
        let what = || "an initramfs that opens the root".to_owned();
        match wanted.boot.initramfs {
            InitramfsTool::InitramfsTools => add(what(), CRYPT_HOOK, "cryptsetup-initramfs"),
            InitramfsTool::Dracut => add(what(), CRYPT_DRACUT, "systemd-cryptsetup"),
            InitramfsTool::Mkinitcpio | InitramfsTool::None => {}
        }
    }
    list
}

/// The layers that must be there before the root and /usr are mounted.
fn early(machine: &Machine) -> Vec<&'static str> {
    ["/", "/usr"].into_iter().flat_map(|path| stack(machine, Path::new(path))).collect()
}

/// The programs that the initramfs must hold for what the root lies on: `mdadm`, `lvm`, `cryptsetup`.
fn initramfs_holds(wanted: &Machine) -> Vec<String> {
    let layers = early(wanted);
    let all = [("md", "mdadm"), ("LVM", "lvm"), ("LUKS", "cryptsetup")];
    all.into_iter().filter(|(layer, _)| layers.contains(layer)).map(|(_, program)| program.to_owned()).collect()
}

/// The UUID by which other things know what a device holds.
pub(crate) fn content_uuid(device: &Device) -> Option<&str> {
    match &device.content {
        Content::Filesystem(filesystem) => Some(filesystem.uuid.as_str()),
        Content::Swap(swap) => swap.uuid.as_deref(),
        Content::Luks(header) => Some(header.uuid.as_str()),
        Content::Empty
        | Content::Table(_)
        | Content::BootLoader
        | Content::Extended
        | Content::Journal(_)
        | Content::Member(_) => None,
    }
    .filter(|uuid| !uuid.is_empty())
}

/// The device of a description that holds the same as one of another description.
pub(crate) fn twin<'m>(layout: &'m Layout, device: &Device) -> Option<&'m Device> {
    let uuid = content_uuid(device)?;
    let same = |other: &&Device| content_uuid(other) == Some(uuid);
    layout.device(&device.id).filter(same).or_else(|| layout.devices.iter().find(same))
}

/// Names that led to contents which are elsewhere now, and the names that hold good: `UUID=…`.
pub(crate) fn renamed(recorded: &Machine, wanted: &Machine, nodes: &Nodes) -> Vec<(String, String)> {
    let mut renamed: Vec<(String, String)> = vec![];
    for old in &recorded.layout.devices {
        let new = twin(&wanted.layout, old).filter(|new| is_elsewhere(recorded, old, wanted, new));
        let (Some(new), Some(uuid)) = (new, content_uuid(old)) else { continue };
        let target = format!("UUID={uuid}");
        for name in names(&recorded.layout, old) {
            // A partition's own names stay with the partition.
            if !names(&wanted.layout, new).contains(&name) && nodes.find(&new.id) != Some(name.as_str()) {
                renamed.push((name, target.clone()));
            }
        }
    }
    renamed
}

/// Devices of the recorded machine that the wanted one has no more, and whose content is nowhere. What configuration does with them
/// would be done to whatever bears their names then.
pub(crate) fn absent<'m>(recorded: &'m Machine, wanted: &'m Machine) -> impl Iterator<Item = &'m Device> {
    // Of no content that stays is known that it is the same: ids are given again.
    let stays = |old: &Device, new: &Device| match old.content {
        Content::Empty | Content::Swap(_) => {
            std::mem::discriminant(&old.content) == std::mem::discriminant(&new.content)
        }
        Content::Table(_)
        | Content::Filesystem(_)
        | Content::BootLoader
        | Content::Extended
        | Content::Luks(_)
        | Content::Journal(_)
        | Content::Member(_) => true,
    };
    recorded.layout.devices.iter().filter(move |old| {
        twin(&wanted.layout, old).is_none() && !wanted.layout.device(&old.id).is_some_and(|new| stays(old, new))
    })
}

/// What changes in the restored system beside names; `None` where every content lies on what it lay on.
pub(crate) fn moved(
    recorded: &Machine,
    wanted: &Machine,
    nodes: &Nodes,
    renamed: &[(String, String)],
) -> Option<MovedStorage> {
    let mut moved = MovedStorage::default();
    for (crypt, header) in crypts(&recorded.layout) {
        if !crypts(&wanted.layout).any(|(_, other)| other.uuid == header.uuid) {
            moved.closed.push((crypt.name.clone(), header.uuid.clone()));
            let uuid = &header.uuid;
            moved.words_gone.extend([
                format!("rd.luks.uuid={uuid}"),
                format!("rd.luks.uuid=luks-{uuid}"),
                format!("luks.uuid={uuid}"),
                format!("rd.luks.name={uuid}={}", crypt.name),
                format!("luks.name={uuid}={}", crypt.name),
            ]);
        }
    }
    for (crypt, header) in crypts(&wanted.layout) {
        if crypts(&recorded.layout).any(|(_, other)| other.uuid == header.uuid) {
            continue;
        }
        let early = is_typed(wanted, &crypt.name);
        // A key file on the encrypted root itself opens nothing at boot.
        let key = crypt.key_file.as_deref().filter(|_| !early).unwrap_or("none");
        let options = match wanted.boot.initramfs {
            _ if !early => "luks",
            InitramfsTool::InitramfsTools => "luks,initramfs",
            InitramfsTool::Dracut | InitramfsTool::Mkinitcpio | InitramfsTool::None => "luks,x-initrd.attach",
        };
        moved.opened.push(format!("{} UUID={} {key} {options}", crypt.name, header.uuid));
        if early && wanted.boot.initramfs == InitramfsTool::Dracut {
            moved.words_new.push(format!("rd.luks.uuid={}", header.uuid));
        }
    }
    for (_, array) in arrays(&recorded.layout) {
        if !arrays(&wanted.layout).any(|(_, other)| other.uuid == array.uuid) {
            moved.disbanded.push(array.uuid.clone());
            moved.words_gone.push(format!("rd.md.uuid={}", array.uuid));
        }
    }
    for (device, array) in arrays(&wanted.layout) {
        if arrays(&recorded.layout).any(|(_, other)| other.uuid == array.uuid) {
            continue;
        }
        let node = nodes.find(&device.id).unwrap_or(&device.path);
        let metadata = array.metadata.name();
        moved.assembled.push(format!("ARRAY {node} metadata={metadata} UUID={}", array.uuid));
        if wanted.boot.initramfs == InitramfsTool::Dracut && wanted.boot.command_line.contains("rd.md.uuid=") {
            moved.words_new.push(format!("rd.md.uuid={}", array.uuid));
        }
    }
    let known: Vec<&str> = physical(&wanted.layout).map(|(uuid, _)| uuid).collect();
    let given_up = physical(&recorded.layout).filter(|(uuid, _)| !known.contains(uuid));
    moved.given_up.extend(given_up.map(|(uuid, group)| (uuid.to_owned(), group.name.clone())));
    let gone = volumes(&recorded.layout).filter(|name| !volumes(&wanted.layout).any(|other| other == *name));
    moved.words_gone.extend(gone.map(|name| format!("rd.lvm.lv={name}")));
    let line = &wanted.boot.command_line;
    let root = wanted.layout.mount_at("/").map(|mount| &mount.device);
    for name in volumes(&wanted.layout).filter(|name| !volumes(&recorded.layout).any(|other| other == *name)) {
        let is_it = |device: &&Device| volume(&wanted.layout, device).as_deref() == Some(&name);
        let holds_root = root.is_some_and(|root| wanted.layout.below(root).iter().any(is_it));
        if holds_root && wanted.boot.initramfs == InitramfsTool::Dracut && line.contains("rd.") {
            moved.words_new.push(format!("rd.lvm.lv={name}"));
        }
    }
    if moved == MovedStorage::default() && renamed.is_empty() && early(recorded) == early(wanted) {
        return None;
    }
    let grub = wanted.boot.loaders.iter().find_map(|loader| match loader {
        Loader::GrubBios { directory, .. } | Loader::GrubEfi { directory, .. } => Some(directory.clone()),
        Loader::SystemdBoot { .. } => None,
    });
    moved.grub = grub;
    moved.initramfs = initramfs_holds(wanted);
    Some(moved)
}

/// A content lies on another kind of device, or on another one of its kind.
fn is_elsewhere(recorded: &Machine, old: &Device, wanted: &Machine, new: &Device) -> bool {
    match (&old.kind, &new.kind) {
        (DeviceKind::Array(a), DeviceKind::Array(b)) => a.uuid != b.uuid,
        (DeviceKind::Crypt(a), DeviceKind::Crypt(b)) => a.name != b.name,
        (DeviceKind::Volume(_), DeviceKind::Volume(_)) => volume(&recorded.layout, old) != volume(&wanted.layout, new),
        // Those that lie elsewhere on the disks are adapted with the disks.
        (DeviceKind::Partition(_), DeviceKind::Partition(_)) | (DeviceKind::Disk(_), DeviceKind::Disk(_)) => {
            old.id != new.id
        }
        (
            DeviceKind::Disk(_)
            | DeviceKind::Partition(_)
            | DeviceKind::Array(_)
            | DeviceKind::Volume(_)
            | DeviceKind::Crypt(_),
            _,
        ) => true,
    }
}

/// A mapping is below what is mounted before the initramfs has done its work: where it is encrypted anew, what opens it is typed at each
/// boot, for a key file is behind it.
pub fn is_typed(machine: &Machine, mapping: &str) -> bool {
    ["/", "/usr"].into_iter().any(|path| {
        let mount = machine.layout.mount_holding(Path::new(path));
        let devices = mount.map(|mount| machine.layout.below(&mount.device)).unwrap_or_default();
        devices.iter().any(|device| matches!(&device.kind, DeviceKind::Crypt(crypt) if crypt.name == mapping))
    })
}

fn crypts(layout: &Layout) -> impl Iterator<Item = (&Crypt, &LuksHeader)> {
    layout.devices.iter().filter_map(|device| match &device.kind {
        DeviceKind::Crypt(crypt) => Some((crypt, layout.luks_header(crypt)?)),
        DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Volume(_) => None,
    })
}

fn arrays(layout: &Layout) -> impl Iterator<Item = (&Device, &Array)> {
    layout.devices.iter().filter_map(|device| match &device.kind {
        DeviceKind::Array(array) => Some((device, array)),
        DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => None,
    })
}

/// UUIDs of physical volumes with their groups. One without a group holds nothing.
fn physical(layout: &Layout) -> impl Iterator<Item = (&str, &VolumeGroup)> {
    layout.devices.iter().filter_map(|device| match device.member() {
        Some(Member::Group { uuid, group, .. }) => Some((uuid.as_str(), layout.group(group.as_ref()?)?)),
        Some(Member::Array { .. } | Member::Filesystem { .. }) | None => None,
    })
}

/// `GROUP/VOLUME`.
fn volume(layout: &Layout, device: &Device) -> Option<String> {
    match &device.kind {
        DeviceKind::Volume(volume) => Some(format!("{}/{}", layout.group(&volume.group)?.name, volume.name)),
        DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Crypt(_) => None,
    }
}

fn volumes(layout: &Layout) -> impl Iterator<Item = String> {
    layout.devices.iter().filter_map(|device| volume(layout, device))
}
