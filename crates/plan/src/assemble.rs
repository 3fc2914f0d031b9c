//! [`plan`]: puts matched disks, their layouts and the boot path together.

use crate::boot_copies;
use crate::edit;
use crate::error::PlanError;
use crate::kind_changes;
use crate::made::check_kinds;
use crate::matched::MatchedBy;
use crate::matching::{self, Match, match_disks, name, recorded};
use crate::moves::{self, Move};
use crate::nodes::Nodes;
use crate::policy::Policy;
use crate::step::{Plan, Target};
use crate::steps::Work;
use crate::table::{lay_out, title};
use crate::upper::{self, Laid};
use lifeboat_machine::boot::Loader;
use lifeboat_machine::layout::Array;
use lifeboat_machine::{Content, Device, DeviceKind, FoundHardware, Machine};

/// Computes everything that a recovery of `machine` on `hardware` will do.
///
/// # Errors
/// The first [`PlanError`]: nothing is planned in part.
pub fn plan(machine: &Machine, hardware: &FoundHardware, policy: &Policy) -> Result<Plan, PlanError> {
    plan_as(machine, machine, hardware, policy)
}

/// The machine that a policy's moves make of a description, which may be one that was edited.
///
/// # Errors
/// [`PlanError::Edit`] when a move cannot be made; [`PlanError::Description`] when the description is of another machine, or lacks a
/// filesystem of the recorded one, or would not start from what it describes.
pub fn wanted(recorded: &Machine, description: &Machine, policy: &Policy) -> Result<Machine, PlanError> {
    if recorded.machine_id != description.machine_id {
        return Err(PlanError::Description(format!(
            "the machine id {}, and the backup is of {}; try editing the description of this machine",
            description.machine_id, recorded.machine_id
        )));
    }
    let machine = moves::apply(description, &policy.moves)?;
    if let Some(lost) = moves::lost(recorded, &machine) {
        return Err(PlanError::Description(format!(
            "no place for {lost}, which the backup has; try editing the description that the backup has now"
        )));
    }
    // Moves are asked one by one; a description may have been edited in any other way.
    if machine.layout != recorded.layout || machine.boot != recorded.boot {
        moves::bootable(recorded, &machine).map_err(|reason| {
            PlanError::Description(format!("a layout from which the machine would not start: {reason}"))
        })?;
    }
    Ok(machine)
}

/// The same for a machine that shall come back as another description of it says: one that was edited. What differs follows in the
/// restored system ([`crate::consequence`]).
///
/// # Errors
/// As [`fn@plan`] and [`wanted`].
pub fn plan_as(
    recorded: &Machine,
    description: &Machine,
    hardware: &FoundHardware,
    policy: &Policy,
) -> Result<Plan, PlanError> {
    plan_wanted(recorded, &wanted(recorded, description, policy)?, hardware, policy)
}

/// The same for what [`wanted`] gave with this policy.
///
/// # Errors
/// As [`fn@plan`].
pub fn plan_wanted(
    recorded: &Machine,
    machine: &Machine,
    hardware: &FoundHardware,
    policy: &Policy,
) -> Result<Plan, PlanError> {
    check_kinds(machine)?;
    // Whoever recorded mounts without a root lost it on the way.
    if !machine.layout.mounts.is_empty() && machine.layout.mount_at("/").is_none() {
        return Err(PlanError::Description("mounts, and no root filesystem among them".into()));
    }
    let changed = edit::changed(machine, hardware, policy)?;
    let mut notes = firmware(machine, hardware, policy)?;
    notes.extend(kind_changes::notes(recorded, &changed.machine));
    notes.extend(changed.notes.iter().cloned());
    let fits = |device: &Device, found: &_| lay_out(&changed, &device.id, found, policy).map(|_| ());
    let matches = match_disks(machine, hardware, policy, &fits)?;
    let mut layouts = vec![];
    for m in &matches {
        layouts.push(lay_out(&changed, &m.device.id, m.found, policy)?);
    }
    // A partition that is left out has no node, and what names it names nothing.
    let mut made = changed.machine.clone();
    made.layout.devices.retain(|device| !policy.drop.contains(&device.id));
    let nodes = Nodes::new(&made, &matches);
    let laid = upper::lay_out(&changed, &matches, layouts, &nodes, policy)?;
    notes.extend(laid.disks.iter().flat_map(|layout| layout.notes.iter().cloned()));
    notes.extend(laid.upper.iter().flat_map(|(_, layout)| layout.notes.iter().cloned()));
    notes.extend(self::notes(&changed.machine, &matches, &laid));
    // Of a filesystem of another kind more is told already.
    let moves = policy.moves.iter().filter(|one| !matches!(one, Move::Filesystem { .. }));
    notes.extend(moves.map(|one| format!("{one}, as you chose")));
    let (matches, laid, nodes) = (matches.as_slice(), &laid, &nodes);
    let work = Work { recorded, machine: &made, hardware, matches, laid, nodes };
    Ok(Plan { targets: targets(matches), steps: work.steps()?, moved: changed.moved.clone(), notes })
}

/// The loaders of the machine against the firmware found.
fn firmware(machine: &Machine, hardware: &FoundHardware, policy: &Policy) -> Result<Vec<String>, PlanError> {
    let loaders = &machine.boot.loaders;
    if loaders.is_empty() {
        return Ok(vec!["no boot loader was recorded, so none is installed".into()]);
    }
    let bios = loaders.iter().any(|loader| matches!(loader, Loader::GrubBios { .. }));
    let efi = loaders.iter().any(|loader| !matches!(loader, Loader::GrubBios { .. }));
    let (recorded, found) = match hardware.uefi {
        true if !efi => ("BIOS", "UEFI"),
        false if !bios => ("UEFI", "BIOS"),
        _ => return Ok(vec![]),
    };
    if policy.any_firmware {
        return Ok(vec![format!(
            "the machine has boot loaders for {recorded} only, but the rescue system was booted through {found}: \
             switch the firmware to {recorded} before you boot the restored machine"
        )]);
    }
    Err(PlanError::FirmwareMismatch { recorded, found })
}

fn targets(matches: &[Match]) -> Vec<Target> {
    matches
        .iter()
        .map(|m| Target {
            device: m.device.id.clone(),
            path: m.found.path.clone(),
            name: name(&m.found.disk, m.found.size_bytes),
            matched_by: m.by,
            wwn: m.found.disk.wwn.clone(),
            serial: m.found.disk.serial.clone(),
            loses: matching::content(m.found),
            size_bytes: (m.device.size_bytes, m.found.size_bytes),
        })
        .collect()
}

/// What a person should know about disks and what they will hold.
fn notes(machine: &Machine, matches: &[Match], laid: &Laid) -> Vec<String> {
    let mut notes = vec![];
    for m in matches.iter().filter(|m| m.by.is_weak()) {
        notes.push(format!(
            "{} ({}) goes onto {}, matched by {}",
            m.device.id,
            recorded(m.device),
            m.found.path,
            if m.by == MatchedBy::OnlyDisk { "being the only suitable disk".to_owned() } else { m.by.to_string() }
        ));
    }
    for (device, _) in machine.layout.disks().filter(|(device, _)| device.content == Content::Empty) {
        notes.push(format!("{} ({}) was empty and is left as it is", device.id, recorded(device)));
    }
    for (device, _) in &laid.upper {
        if let DeviceKind::Array(array) = &device.kind
            && array.missing() > 0
        {
            let (missing, slots) = (array.missing(), array.slots);
            notes.push(format!(
                "{} was degraded when recorded, and comes back so: {missing} of its {slots} members are missing",
                array_title(device, array)
            ));
        }
    }
    notes.extend(boot_copies::notes(machine));
    for part in laid.parts() {
        if let Content::Filesystem(filesystem) = &part.device.content
            && !machine.layout.mounts.iter().any(|mount| mount.device == part.device.id)
        {
            notes.push(format!(
                "{} on {} is made empty, because it was not mounted when the machine was recorded",
                title(filesystem),
                part.device.id
            ));
        }
    }
    notes
}

/// An array for people: `the raid1 array root (array0)`.
fn array_title(device: &Device, array: &Array) -> String {
    let name = array.name.as_deref().unwrap_or(&device.path);
    format!("the {} array {name} ({})", array.level.name(), device.id)
}
