//! [`plan`]: puts matched disks, their layouts and the boot path together.

use crate::edit;
use crate::error::PlanError;
use crate::made::check_kinds;
use crate::matched::MatchedBy;
use crate::matching::{self, Match, match_disks, name, recorded};
use crate::nodes::Nodes;
use crate::policy::Policy;
use crate::step::{Plan, Target};
use crate::steps::Work;
use crate::table::{DiskLayout, lay_out, title};
use lifeboat_machine::boot::Loader;
use lifeboat_machine::{Content, Device, FoundHardware, Machine};

/// Computes everything that a recovery of `machine` on `hardware` will do.
///
/// # Errors
/// The first [`PlanError`]: nothing is planned in part.
pub fn plan(machine: &Machine, hardware: &FoundHardware, policy: &Policy) -> Result<Plan, PlanError> {
    check_kinds(machine)?;
    let changed = edit::changed(machine, hardware, policy)?;
    let mut notes = firmware(machine, hardware, policy)?;
    notes.extend(changed.notes.iter().cloned());
    let fits = |device: &Device, found: &_| lay_out(&changed, &device.id, found, policy).map(|_| ());
    let matches = match_disks(machine, hardware, policy, &fits)?;
    let mut layouts = vec![];
    for m in &matches {
        let layout = lay_out(&changed, &m.device.id, m.found, policy)?;
        notes.extend(layout.notes.iter().cloned());
        layouts.push(layout);
    }
    let nodes = Nodes::new(&changed.machine, &matches);
    notes.extend(self::notes(&changed.machine, &matches, &layouts));
    let (matches, layouts, nodes) = (matches.as_slice(), layouts.as_slice(), &nodes);
    let work = Work { recorded: machine, machine: &changed.machine, hardware, matches, layouts, nodes };
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
fn notes(machine: &Machine, matches: &[Match], layouts: &[DiskLayout]) -> Vec<String> {
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
    for part in layouts.iter().flat_map(|layout| &layout.parts) {
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
