//! What changes in the restored system: other names of devices, other kinds of filesystems, other controllers.

use super::Work;
use crate::consequence;
use crate::controller;
use crate::kind_changes;
use crate::step::Step;
use lifeboat_machine::boot::InitramfsTool;
use lifeboat_machine::layout::Disk;

impl Work<'_> {
    /// The steps for all of it; none where nothing changed.
    pub(super) fn adaptations(&self, steps: &mut Vec<Step>) {
        let renamed = consequence::renamed(self.recorded, self.machine, self.nodes);
        let gone = self.gone(&renamed);
        // All of them in one step: a new name of one device may be the old name of another one.
        let mut replacements = renamed.clone();
        for (old, new) in self.replacements() {
            if !replacements.iter().any(|(known, _)| *known == old) {
                replacements.push((old, new));
            }
        }
        if !replacements.is_empty() || !gone.is_empty() {
            steps.push(Step::AdaptConfiguration { replacements, gone });
        }
        let changes = kind_changes::changes(self.recorded, self.machine, self.nodes);
        if !changes.is_empty() {
            steps.push(Step::AdaptFilesystems { changes });
        }
        let moved = consequence::moved(self.recorded, self.machine, self.nodes, &renamed);
        let elsewhere = moved.is_some() && self.machine.boot.initramfs != InitramfsTool::None;
        steps.extend(moved.map(|moved| Step::AdaptStorage { moved }));
        if elsewhere {
            let reason = "the storage below the system is another one".to_owned();
            steps.push(Step::RebuildInitramfs { reason });
        } else if let Some(reason) = self.initramfs_reason() {
            steps.push(Step::RebuildInitramfs { reason });
        }
    }

    /// Names of devices that are no more, unless their content is found by another name.
    fn gone(&self, renamed: &[(String, String)]) -> Vec<String> {
        let layout = &self.recorded.layout;
        let mut gone: Vec<String> = vec![];
        for device in consequence::absent(self.recorded, self.machine) {
            gone.extend(consequence::names(layout, device));
            let (suffix, disk) = match device.partition() {
                Some(partition) => (format!("-part{}", partition.number), layout.device(&partition.parent)),
                None => (String::new(), Some(device)),
            };
            let Some(disk) = disk.and_then(|disk| disk.disk()) else { continue };
            let path = disk.hardware_path.as_deref().filter(|path| !path.is_empty());
            gone.extend(path.map(|path| format!("/dev/disk/by-path/{path}{suffix}")));
            gone.extend(by_id(disk).into_iter().map(|id| format!("/dev/disk/by-id/{id}{suffix}")));
        }
        gone.retain(|name| !renamed.iter().any(|(old, _)| old == name));
        gone.sort();
        gone.dedup();
        gone
    }

    /// Names of devices that are other ones now: kernel paths and the links of udev that contain hardware identity.
    fn replacements(&self) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = vec![];
        let mut add = |old: String, new: &str| {
            if old != new && !out.iter().any(|(known, _)| *known == old) {
                out.push((old, new.to_owned()));
            }
        };
        for m in self.matches {
            let mut names: Vec<(String, String, String, bool)> = vec![];
            if self.recorded.layout.device(&m.device.id).is_none() {
                // A disk that the machine did not have has no names to be replaced.
                continue;
            }
            for (device, partition) in self.recorded.layout.partitions_of(&m.device.id).into_iter().rev() {
                // What its content is found by follows with the content.
                let stayed = consequence::twin(&self.machine.layout, device).is_none_or(|new| new.id == device.id);
                if let Some(new) = self.nodes.find(&device.id).filter(|_| stayed) {
                    let left =
                        self.machine.layout.partition_disk(&device.id).is_some_and(|disk| disk.id != m.device.id);
                    names.push((device.path.clone(), format!("-part{}", partition.number), new.to_owned(), left));
                }
            }
            names.push((m.device.path.clone(), String::new(), m.found.path.clone(), false));
            let Some(disk) = m.device.disk() else { continue };
            // What lies on another disk of the machine now has none of the names that come from its old one.
            for (old, suffix, new, left) in names {
                if (left || disk.hardware_path != m.found.disk.hardware_path)
                    && let Some(path) = disk.hardware_path.as_deref().filter(|path| !path.is_empty())
                {
                    add(format!("/dev/disk/by-path/{path}{suffix}"), &new);
                }
                for id in by_id(disk).into_iter().filter(|id| left || !by_id(&m.found.disk).contains(id)) {
                    add(format!("/dev/disk/by-id/{id}{suffix}"), &new);
                }
                add(old, &new);
            }
        }
        out
    }

    /// Why the initramfs may lack a driver or firmware; `None` when the storage controllers are the same.
    fn initramfs_reason(&self) -> Option<String> {
        if self.machine.boot.initramfs == InitramfsTool::None {
            return None;
        }
        if let Some(reason) = kind_changes::initramfs_reason(self.recorded, self.machine) {
            return Some(reason);
        }
        let known = &self.machine.hardware.modaliases;
        // The stick that the rescue system came from is a USB disk, too, and the machine boots without it.
        let onto_usb = self.matches.iter().any(|m| m.found.disk.transport.as_deref() == Some("usb"));
        let new: Vec<&str> = self
            .hardware
            .modaliases
            .iter()
            .filter(|alias| controller::is_storage(alias) && !known.contains(alias))
            .filter(|alias| onto_usb || !alias.starts_with("usb:"))
            .map(String::as_str)
            .collect();
        if let (Some(first), false) = (new.first(), known.is_empty()) {
            let more = if new.len() > 1 { format!(" and {} more", new.len() - 1) } else { String::new() };
            return Some(format!(
                "the machine now has {}{more}, whose driver the old initramfs may lack",
                controller::name(first)
            ));
        }
        let transport = |disk: &Disk| disk.transport.clone().unwrap_or_else(|| "another bus".into());
        self.matches.iter().find_map(|m| {
            let (old, new) = (m.device.disk().map(transport)?, transport(&m.found.disk));
            (old != new).then(|| format!("{} was attached to {old} and is now attached to {new}", m.device.id))
        })
    }
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
