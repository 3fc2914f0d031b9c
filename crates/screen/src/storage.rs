//! What the layout editor offers for the storage below a partition's content: RAID, LVM, encryption.

use crate::model::Model;
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Machine, Member};
use lifeboat_plan::moves::{Move, SecondDisk};

/// A choice for the storage of a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageChoice {
    /// For people.
    pub text: String,
    /// What it does; `None` undoes all moves.
    pub makes: Option<Move>,
}

impl Model {
    /// What can be chosen for the partition on whose line the layout is, possible or not; first to undo all.
    pub fn storage_choices(&self) -> Vec<StorageChoice> {
        let (Some(machine), Some(device)) = (&self.machine, self.chosen_partition()) else { return vec![] };
        let undo = match self.policy.moves.len() {
            0 => "As recorded".to_owned(),
            1 => "As recorded: undo the change of the storage".to_owned(),
            count => format!("As recorded: undo {count} changes of the storage"),
        };
        let mut list = vec![StorageChoice { text: undo, makes: None }];
        list.extend(changes(machine, device));
        list
    }

    /// Reports whether a choice can be made.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check_storage(&self, choice: &StorageChoice) -> Result<(), String> {
        match (&choice.makes, &self.machine) {
            (Some(one), Some(machine)) => one.apply(machine).map(drop).map_err(|refusal| refusal.reason),
            _ => Ok(()),
        }
    }
}

/// What lies above a partition, itself first, as long as it is one device upon one other.
fn pile<'m>(machine: &'m Machine, device: &'m Device) -> Vec<&'m Device> {
    let mut pile = vec![device];
    while let Some(top) = pile.last() {
        let mut above = machine.layout.above(&top.id);
        match (above.next(), above.next()) {
            (Some(one), None) if !pile.iter().any(|known| known.id == one.id) => pile.push(one),
            _ => break,
        }
    }
    pile
}

fn changes(machine: &Machine, device: &Device) -> Vec<StorageChoice> {
    let mut list = vec![];
    let mut add = |text: String, makes: Move| list.push(StorageChoice { text, makes: Some(makes) });
    let pile = pile(machine, device);
    for (index, below) in pile.iter().enumerate() {
        if let Some(Member::Array { array, .. }) = below.member() {
            let name = pile.get(index + 1).map_or(array.to_string(), |above| title(machine, above));
            let keep = Some(below.id.clone());
            add(format!("No RAID: drop {name}, keep {}", below.id), Move::ArrayToDisk { array: array.clone(), keep });
        }
        if let Content::Luks(_) = below.content {
            add(format!("No encryption on {}", below.id), Move::Decrypt { device: below.id.clone() });
        }
    }
    let volumes = machine.layout.devices.iter().filter(|volume| match &volume.kind {
        DeviceKind::Volume(_) => machine.layout.below(&volume.id).iter().any(|below| below.id == device.id),
        DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Crypt(_) => false,
    });
    for volume in volumes {
        add(
            format!("No LVM: {} onto a partition", title(machine, volume)),
            Move::FromVolume { volume: volume.id.clone() },
        );
    }
    if let Some(disk) = machine.layout.partition_disk(&device.id) {
        let empty = machine.layout.disks().find(|(other, _)| other.content == Content::Empty);
        let (second, name) = match empty {
            Some((other, _)) => (SecondDisk::Known(other.id.clone()), other.id.to_string()),
            None => (SecondDisk::New { identity: None, size_bytes: None }, "a second disk".to_owned()),
        };
        add(format!("RAID 1: mirror all of {} on {name}", disk.id), Move::Mirror { disk: disk.id.clone(), second });
    }
    if let Some(top) = pile.last() {
        let id = top.id.clone();
        let volume = volume_name(machine, &id);
        let group = "vg0".to_owned();
        let makes = Move::ToVolume { device: id.clone(), group: group.clone(), volume: volume.clone(), disks: vec![] };
        add(format!("LVM: {id} onto the volume {group}/{volume}"), makes);
        add(format!("Encrypt {id} (LUKS2)"), Move::Encrypt { device: id, name: None, key_file: None });
    }
    list
}

fn title(machine: &Machine, device: &Device) -> String {
    match &device.kind {
        DeviceKind::Array(array) => format!("{} {}", array.level.name(), array.name.as_deref().unwrap_or(&device.id.0)),
        DeviceKind::Volume(volume) => match machine.layout.group(&volume.group) {
            Some(group) => format!("{}/{}", group.name, volume.name),
            None => volume.name.clone(),
        },
        DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Crypt(_) => device.id.to_string(),
    }
}

/// A volume is called by what it is mounted on.
fn volume_name(machine: &Machine, id: &DeviceId) -> String {
    let mount = machine.layout.mounts.iter().find(|mount| mount.device == *id);
    let point = mount.map(|mount| mount.mount_point.to_string()).unwrap_or_default();
    let plain: String =
        point.trim_matches('/').chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(40).collect();
    match (mount, plain.is_empty()) {
        (Some(_), true) => "root".to_owned(),
        (Some(_), false) => plain,
        (None, _) => id.to_string(),
    }
}
