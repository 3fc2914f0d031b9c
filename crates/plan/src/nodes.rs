//! The device nodes that recorded devices will have on the found hardware: the only way from an id to a node.

use crate::error::PlanError;
use crate::matching::Match;
use lifeboat_machine::layout::array::is_portable_name;
use lifeboat_machine::layout::{ArrayMetadata, mapper_node, partition_path};
use lifeboat_machine::{Device, DeviceId, DeviceKind, Machine};
use std::collections::BTreeMap;
use std::path::Path;

/// A node for each device that lies on matched disks alone.
pub struct Nodes(BTreeMap<DeviceId, String>);

impl Nodes {
    /// Names all devices of a machine whose disks were matched. Devices that lie on a disk that was left out have none.
    pub fn new(machine: &Machine, matches: &[Match]) -> Nodes {
        let mut nodes = BTreeMap::new();
        // Parents come first.
        for device in &machine.layout.devices {
            if let Some(node) = node(machine, matches, &nodes, device) {
                // Two arrays may have one name: those of two hosts.
                let taken = nodes.values().any(|other| *other == node);
                let node = if taken { format!("{node}_{}", device.id) } else { node };
                nodes.insert(device.id.clone(), node);
            }
        }
        Nodes(nodes)
    }

    /// The node of a device, `/dev/sda2`, `/dev/md/root`, `/dev/mapper/vg-lv`.
    ///
    /// # Errors
    /// [`PlanError::Description`] when nothing takes its place.
    pub fn get(&self, id: &DeviceId) -> Result<&str, PlanError> {
        self.find(id).ok_or_else(|| PlanError::Description(format!("a use of {id}, for which no disk was found")))
    }

    /// The same for devices that may have been left out.
    pub fn find(&self, id: &DeviceId) -> Option<&str> {
        self.0.get(id).map(String::as_str)
    }
}

fn node(machine: &Machine, matches: &[Match], nodes: &BTreeMap<DeviceId, String>, device: &Device) -> Option<String> {
    let parents = machine.layout.parents(device);
    if !parents.iter().all(|parent| nodes.contains_key(parent)) {
        return None;
    }
    match &device.kind {
        DeviceKind::Disk(_) => matches.iter().find(|m| m.device.id == device.id).map(|m| m.found.path.clone()),
        DeviceKind::Partition(partition) => {
            let parent = nodes.get(&partition.parent)?;
            Some(partition_path(Path::new(parent), partition.number).to_string_lossy().into_owned())
        }
        // By its name, as far as mdadm makes a node of it; with metadata 0.90 the number is part of the superblock.
        DeviceKind::Array(array) => Some(match array.name.as_deref() {
            Some(name) if is_portable_name(name) => format!("/dev/md/{name}"),
            None if array.metadata == ArrayMetadata::V0_90 && is_chosen(&device.path) => device.path.clone(),
            Some(_) | None => format!("/dev/md/{}", device.id),
        }),
        DeviceKind::Volume(volume) => {
            let group = machine.layout.group(&volume.group)?;
            Some(mapper_node(&group.name, &volume.name))
        }
        DeviceKind::Crypt(crypt) => Some(format!("/dev/mapper/{}", crypt.name)),
    }
}

/// A number that somebody chose for an array: those that md gives by itself count down from 127, and other arrays may have them
/// here.
fn is_chosen(path: &str) -> bool {
    path.strip_prefix("/dev/md").and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number < 64)
}
