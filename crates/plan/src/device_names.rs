//! What configuration may call a device.

use lifeboat_machine::layout::{Disk, mapper_name};
use lifeboat_machine::{Device, DeviceKind, Layout};

/// All that configuration may call a device, but the UUID and label of what it holds, which stay.
pub(crate) fn names(layout: &Layout, device: &Device) -> Vec<String> {
    let mut names: Vec<String> = vec![device.path.clone()];
    match &device.kind {
        DeviceKind::Disk(disk) => names.extend(hardware_names(disk, None)),
        DeviceKind::Partition(partition) => {
            let disk = layout.device(&partition.parent).and_then(Device::disk);
            names.extend(disk.into_iter().flat_map(|disk| hardware_names(disk, Some(partition.number))));
            if let Some(uuid) = &partition.uuid {
                for uuid in [uuid.to_ascii_uppercase(), uuid.to_ascii_lowercase()] {
                    names.push(format!("PARTUUID={uuid}"));
                    names.push(format!("/dev/disk/by-partuuid/{uuid}"));
                }
            }
            if let Some(name) = partition.name.as_deref().filter(|name| !name.is_empty()) {
                names.push(format!("PARTLABEL={name}"));
                names.push(format!("/dev/disk/by-partlabel/{name}"));
            }
        }
        DeviceKind::Array(array) => {
            if let Some(name) = &array.name {
                let full = array.home_host.as_ref().map_or(name.clone(), |host| format!("{host}:{name}"));
                names.push(format!("/dev/md/{name}"));
                names.push(format!("/dev/md/{full}"));
                names.push(format!("/dev/disk/by-id/md-name-{full}"));
            }
            names.push(format!("/dev/disk/by-id/md-uuid-{}", array.uuid));
        }
        DeviceKind::Volume(volume) => {
            if let Some(group) = layout.group(&volume.group) {
                let mapped = mapper_name(&group.name, &volume.name);
                names.push(format!("/dev/{}/{}", group.name, volume.name));
                names.push(format!("/dev/mapper/{mapped}"));
                names.push(format!("/dev/disk/by-id/dm-name-{mapped}"));
                let uuid = format!("{}{}", group.uuid, volume.uuid).replace('-', "");
                names.push(format!("/dev/disk/by-id/dm-uuid-LVM-{uuid}"));
            }
        }
        DeviceKind::Crypt(crypt) => {
            names.push(format!("/dev/mapper/{}", crypt.name));
            names.push(format!("/dev/disk/by-id/dm-name-{}", crypt.name));
        }
    }
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    names
}

/// The names that udev makes of a disk's identity and place, or those of one of its partitions: what fstab and crypttab name so must
/// follow a content that moves, and do nothing when it is gone.
pub(crate) fn hardware_names(disk: &Disk, partition: Option<u32>) -> Vec<String> {
    let suffix = partition.map(|number| format!("-part{number}")).unwrap_or_default();
    let path = disk.hardware_path.as_deref().filter(|path| !path.is_empty());
    let path = path.map(|path| format!("/dev/disk/by-path/{path}{suffix}"));
    path.into_iter().chain(by_id(disk).into_iter().map(|id| format!("/dev/disk/by-id/{id}{suffix}"))).collect()
}

/// Names below /dev/disk/by-id that udev's rules make from WWN, model and serial number
/// (systemd, rules.d/60-persistent-storage.rules).
fn by_id(disk: &Disk) -> Vec<String> {
    let mut names = vec![];
    if let Some(wwn) = disk.wwn.as_deref().filter(|wwn| !wwn.is_empty()) {
        let prefix = if wwn.starts_with("eui.") || wwn.starts_with("uuid.") || wwn.starts_with("nvme.") {
            "nvme-"
        } else {
            "wwn-"
        };
        names.push(format!("{prefix}{wwn}"));
    }
    let Some(serial) = disk.serial.as_deref().map(underscored).filter(|serial| !serial.is_empty()) else {
        return names;
    };
    match disk.transport.as_deref() {
        Some("virtio") => names.push(format!("virtio-{serial}")),
        Some(transport) => {
            let model = disk.model.as_deref().map(underscored).unwrap_or_default();
            let bus = match transport {
                "sata" | "ata" => "ata",
                other => other,
            };
            let name = if model.is_empty() { serial } else { format!("{model}_{serial}") };
            names.push(format!("{bus}-{name}"));
        }
        None => {}
    }
    names
}

fn underscored(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("_")
}
