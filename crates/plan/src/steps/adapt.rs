//! What changes in the restored system: other names of devices, other kinds of filesystems, other controllers.

use super::Work;
use crate::consequence;
use crate::controller;
use crate::device_names::{hardware_names, names};
use crate::kind_changes;
use crate::step::Step;
use lifeboat_machine::Content;
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
            gone.extend(names(layout, device));
            // Nothing waits at boot for a filesystem that was not made again.
            if let (Content::Filesystem(_) | Content::Swap(_), Some(uuid)) =
                (&device.content, consequence::content_uuid(device))
            {
                gone.extend([format!("UUID={uuid}"), format!("/dev/disk/by-uuid/{uuid}")]);
            }
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
            let mut places: Vec<(String, Option<u32>, String, bool)> = vec![];
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
                    places.push((device.path.clone(), Some(partition.number), new.to_owned(), left));
                }
            }
            places.push((m.device.path.clone(), None, m.found.path.clone(), false));
            let Some(disk) = m.device.disk() else { continue };
            for (old, partition, new, left) in places {
                // What lies on another disk of the machine now has none of the names that come from its old one.
                let kept = if left { vec![] } else { hardware_names(&m.found.disk, partition) };
                for name in hardware_names(disk, partition).into_iter().filter(|name| !kept.contains(name)) {
                    add(name, &new);
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
