//! Which found disk takes the place of which recorded one: what the user says, then WWN, serial number, content,
//! hardware path, size. An ambiguous match stops (design, principle 4).

use crate::error::PlanError;
use crate::matched::MatchedBy;
use crate::policy::Policy;
use crate::wipe::{self, holds};
use lifeboat_machine::bytes::human;
use lifeboat_machine::{Content, Device, DiskContent, FoundDisk, FoundHardware, Machine};

/// A recorded disk with the one that takes its place.
#[derive(Clone, Debug)]
pub struct Match<'a> {
    /// The recorded disk.
    pub device: &'a Device,
    /// The found disk.
    pub found: &'a FoundDisk,
    /// By what.
    pub by: MatchedBy,
}

/// Reports whether a recorded disk fits onto a found one.
pub type Fits<'f> = &'f dyn Fn(&Device, &FoundDisk) -> Result<(), PlanError>;

/// Finds a disk for each recorded disk that holds something.
///
/// # Errors
/// The first [`PlanError`] that stops it.
pub fn match_disks<'a>(
    machine: &'a Machine,
    hardware: &'a FoundHardware,
    policy: &Policy,
    fits: Fits,
) -> Result<Vec<Match<'a>>, PlanError> {
    let mut matcher = Matcher { machine, hardware, policy, fits, done: vec![] };
    let mut open = matcher.recorded();
    if open.is_empty() {
        return Err(PlanError::Description("no disk that holds anything".into()));
    }
    for id in &policy.wipe {
        if !hardware.disks.iter().any(|found| answers_to(found, id)) {
            return Err(matcher.no_such_disk("lifeboat.wipe", id));
        }
    }
    matcher.mapped()?;
    for (by, same) in IDENTITIES {
        matcher.left(&mut open);
        for device in &open {
            matcher.identify(device, by, same)?;
        }
    }
    matcher.left(&mut open);
    for device in &open {
        matcher.by_content(device)?;
    }
    matcher.left(&mut open);
    for device in &open {
        matcher.by_path(device, &open);
    }
    matcher.left(&mut open);
    while let Some(device) = open.first().copied() {
        matcher.by_size(device, &open)?;
        matcher.left(&mut open);
    }
    let order = |m: &Match| machine.layout.devices.iter().position(|device| device.id == m.device.id);
    matcher.done.sort_by_key(order);
    for m in &matcher.done {
        if let Some(reason) = &m.found.lock {
            let (device, disk) = (m.device.id.clone(), describe(m.found));
            return Err(PlanError::Locked { device, disk, reason: reason.clone() });
        }
        fits(m.device, m.found)?;
        wipe::allowed(machine, m, policy)?;
    }
    Ok(matcher.done)
}

type Same = fn(&Device, &FoundDisk) -> bool;

/// The identities that a disk has of its own, the most trusted first.
const IDENTITIES: [(MatchedBy, Same); 2] = [
    (MatchedBy::Wwn, |device, found| same(device.disk().and_then(|d| d.wwn.as_deref()), found.disk.wwn.as_deref())),
    (MatchedBy::Serial, |device, found| {
        same(device.disk().and_then(|d| d.serial.as_deref()), found.disk.serial.as_deref())
    }),
];

struct Matcher<'a, 'f> {
    machine: &'a Machine,
    hardware: &'a FoundHardware,
    policy: &'f Policy,
    fits: Fits<'f>,
    done: Vec<Match<'a>>,
}

impl<'a> Matcher<'a, '_> {
    /// Disks to rebuild: those that hold something.
    fn recorded(&self) -> Vec<&'a Device> {
        let machine = self.machine;
        machine.layout.disks().map(|(device, _)| device).filter(|device| device.content != Content::Empty).collect()
    }

    fn left(&self, open: &mut Vec<&'a Device>) {
        open.retain(|device| !self.done.iter().any(|m| m.device.id == device.id));
    }

    fn free(&self) -> impl Iterator<Item = &'a FoundDisk> {
        self.hardware.disks.iter().filter(|found| !self.done.iter().any(|m| m.found.path == found.path))
    }

    fn take(&mut self, device: &'a Device, found: &'a FoundDisk, by: MatchedBy) {
        self.done.push(Match { device, found, by });
    }

    fn mapped(&mut self) -> Result<(), PlanError> {
        for (id, disk) in &self.policy.map {
            let Some(device) = self.machine.layout.disks().map(|(device, _)| device).find(|device| device.id == *id)
            else {
                let known: Vec<String> =
                    self.recorded().iter().map(|d| format!("{} ({})", d.id, recorded(d))).collect();
                return Err(PlanError::NoSuchDevice { device: id.clone(), available: known.join(", ") });
            };
            let answering: Vec<&FoundDisk> =
                self.hardware.disks.iter().filter(|found| answers_to(found, disk)).collect();
            let found = match answering[..] {
                [] => return Err(self.no_such_disk("lifeboat.map", disk)),
                [found] => found,
                _ => return Err(self.ambiguous(device, &answering)),
            };
            if let Some(other) = self.done.iter().find(|m| m.found.path == found.path || m.device.id == device.id) {
                let (first, second, path) = (other.device.id.clone(), device.id.clone(), found.path.clone());
                return Err(PlanError::Twice { first, second, path });
            }
            self.take(device, found, MatchedBy::Choice);
        }
        Ok(())
    }

    fn identify(&mut self, device: &'a Device, by: MatchedBy, same: Same) -> Result<(), PlanError> {
        let answering: Vec<&FoundDisk> = self.free().filter(|found| same(device, found)).collect();
        match answering[..] {
            [] => Ok(()),
            [found] => {
                self.take(device, found, by);
                Ok(())
            }
            _ => Err(self.ambiguous(device, &answering)),
        }
    }

    /// A disk that a recovery of this machine has begun, or that came from another box with all it holds.
    fn by_content(&mut self, device: &'a Device) -> Result<(), PlanError> {
        let unlocked: Vec<&FoundDisk> = self.free().filter(|found| found.lock.is_none()).collect();
        let begun = |found: &&&FoundDisk| wipe::begun(self.machine, device, found);
        let ours = |found: &&&FoundDisk| wipe::same_table(device, found);
        for (by, answering) in [
            (MatchedBy::Unfinished, unlocked.iter().filter(begun).copied().collect::<Vec<_>>()),
            (MatchedBy::Content, unlocked.iter().filter(ours).copied().collect()),
        ] {
            match answering[..] {
                [] => {}
                [found] => {
                    self.take(device, found, by);
                    return Ok(());
                }
                _ => return Err(self.ambiguous(device, &answering)),
            }
        }
        Ok(())
    }

    /// The disk in the same slot. A slot is a weak identity: it counts only while no other disk has the recorded size.
    fn by_path(&mut self, device: &'a Device, open: &[&Device]) {
        let path = device.disk().and_then(|disk| disk.hardware_path.as_deref());
        let usable = self.usable(device);
        let Some(found) = usable.iter().find(|found| same(path, found.disk.hardware_path.as_deref())) else { return };
        let rivals = usable.iter().filter(|f| f.path != found.path && f.size_bytes == device.size_bytes).count();
        // Disks of one size that were recorded together are distinguished by their slots.
        let siblings = open.iter().filter(|d| d.id != device.id && d.size_bytes == device.size_bytes).count();
        if rivals <= siblings && (rivals == 0 || found.size_bytes == device.size_bytes) {
            self.take(device, found, MatchedBy::HardwarePath);
        }
    }

    fn by_size(&mut self, device: &'a Device, open: &[&'a Device]) -> Result<(), PlanError> {
        let usable = self.usable(device);
        let exact: Vec<&FoundDisk> =
            usable.iter().filter(|found| found.size_bytes == device.size_bytes).copied().collect();
        let siblings: Vec<&'a Device> =
            open.iter().filter(|other| other.size_bytes == device.size_bytes).copied().collect();
        match (&exact[..], &usable[..]) {
            ([found], [_]) | ([], [found]) => {
                self.take(device, found, MatchedBy::OnlyDisk);
                Ok(())
            }
            ([found], _) => {
                self.take(device, found, MatchedBy::Size);
                Ok(())
            }
            ([], []) => Err(self.none(device)),
            // As many blank disks of this size as the machine had, or members of its own array: which is which makes no
            // difference.
            (exact, _)
                if !exact.is_empty()
                    && exact.len() == siblings.len()
                    && exact.iter().all(|found| {
                        found.content == DiskContent::Blank || wipe::bears_own_array(self.machine, device, found)
                    }) =>
            {
                for (device, found) in siblings.iter().zip(exact) {
                    self.take(device, found, MatchedBy::Size);
                }
                Ok(())
            }
            ([], several) | (several, _) => Err(self.ambiguous(device, several)),
        }
    }

    /// Disks that may take the place of `device` without being its own.
    fn usable(&self, device: &Device) -> Vec<&'a FoundDisk> {
        self.free().filter(|found| self.against(device, found).is_none()).collect()
    }

    /// What speaks against a disk that is not known by identity.
    fn against(&self, device: &Device, found: &FoundDisk) -> Option<PlanError> {
        let refuse = |reason: &str| PlanError::Locked {
            device: device.id.clone(),
            disk: describe(found),
            reason: reason.to_owned(),
        };
        if let Some(reason) = &found.lock {
            return Some(refuse(reason));
        }
        if pluggable(&found.disk) && !device.disk().is_some_and(pluggable) {
            return Some(refuse("it is removable, and the recorded disk was not; try naming it in lifeboat.map"));
        }
        let m = Match { device: self.machine.layout.device(&device.id)?, found, by: MatchedBy::Size };
        (self.fits)(device, found).err().or_else(|| wipe::allowed(self.machine, &m, self.policy).err())
    }

    fn none(&self, device: &Device) -> PlanError {
        let mut reasons: Vec<(&FoundDisk, PlanError)> =
            self.free().filter_map(|found| self.against(device, found).map(|error| (found, error))).collect();
        let open = |error: &PlanError| !matches!(error, PlanError::Locked { .. });
        // One disk that could be meant: its own message says best what to do.
        if reasons.iter().filter(|(_, error)| open(error)).count() == 1
            && let Some(index) = reasons.iter().position(|(_, error)| open(error))
        {
            return reasons.swap_remove(index).1;
        }
        let list: Vec<String> =
            reasons.iter().map(|(found, error)| format!("{}: {}", found.path, brief(error))).collect();
        let reasons = if list.is_empty() { "there is no other disk".to_owned() } else { list.join("; ") };
        PlanError::NoDisk { device: device.id.clone(), recorded: recorded(device), reasons }
    }

    fn no_such_disk(&self, parameter: &'static str, id: &str) -> PlanError {
        let disks: Vec<String> = self.hardware.disks.iter().map(describe).collect();
        let available = if disks.is_empty() { "no disks".to_owned() } else { disks.join(", ") };
        PlanError::NoSuchDisk { parameter, id: id.to_owned(), available }
    }

    fn ambiguous(&self, device: &Device, candidates: &[&FoundDisk]) -> PlanError {
        let names: Vec<String> = candidates.iter().map(|found| describe(found)).collect();
        let choices: Vec<String> =
            candidates.iter().map(|found| format!("lifeboat.map={}:{}", device.id, self.best_id(found))).collect();
        PlanError::Ambiguous {
            device: device.id.clone(),
            candidates: names.join(" and "),
            parameter: choices.join(" or "),
        }
    }

    /// The id that a person should pass for a disk: one that no other disk has.
    fn best_id<'d>(&self, found: &'d FoundDisk) -> &'d str {
        best_id(&self.hardware.disks, found)
    }
}

/// The most lasting id of a disk that no other disk has and that a kernel parameter can carry.
pub fn best_id<'d>(disks: &[FoundDisk], found: &'d FoundDisk) -> &'d str {
    let ids = [&found.disk.serial, &found.disk.wwn, &found.disk.hardware_path];
    ids.into_iter()
        .filter_map(|id| id.as_deref())
        .map(str::trim)
        .find(|id| {
            plausible(id)
                && !id.contains(|c: char| c.is_whitespace() || c == ',' || c == '"')
                && disks.iter().filter(|other| answers_to(other, id)).count() == 1
        })
        .unwrap_or(&found.path)
}

/// Reports whether a disk is the one that a parameter names.
pub fn answers_to(found: &FoundDisk, id: &str) -> bool {
    let own = |value: &Option<String>| value.as_deref().is_some_and(|v| v.trim().eq_ignore_ascii_case(id.trim()));
    found.path == id || own(&found.disk.wwn) || own(&found.disk.serial) || own(&found.disk.hardware_path)
}

/// An identity that can be one: vendors fill fields that they do not use with nothing, zeros or one character.
fn plausible(id: &str) -> bool {
    let id = id.trim().trim_start_matches("0x");
    let first = id.chars().next();
    id.len() >= 2 && !id.chars().all(|c| Some(c) == first)
}

fn same(recorded: Option<&str>, found: Option<&str>) -> bool {
    match (recorded.map(str::trim), found.map(str::trim)) {
        (Some(a), Some(b)) => plausible(a) && a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

fn pluggable(disk: &lifeboat_machine::layout::Disk) -> bool {
    disk.removable || matches!(disk.transport.as_deref(), Some("usb" | "mmc-removable" | "ieee1394"))
}

/// A found disk for people: `/dev/sda (ATA QEMU HARDDISK, serial QM00001, 20.0 GiB)`.
pub fn describe(found: &FoundDisk) -> String {
    format!("{} ({})", found.path, name(&found.disk, found.size_bytes))
}

/// A recorded disk for people, without path.
pub fn recorded(device: &Device) -> String {
    device.disk().map_or_else(|| human(device.size_bytes), |disk| name(disk, device.size_bytes))
}

/// Model, serial number and size.
pub fn name(disk: &lifeboat_machine::layout::Disk, size_bytes: u64) -> String {
    let mut parts: Vec<String> = vec![];
    parts.extend(disk.model.as_deref().map(str::trim).filter(|model| !model.is_empty()).map(str::to_owned));
    parts.extend(disk.serial.as_deref().map(str::trim).filter(|s| !s.is_empty()).map(|s| format!("serial {s}")));
    parts.push(human(size_bytes));
    parts.join(", ")
}

fn brief(error: &PlanError) -> String {
    match error {
        PlanError::Locked { reason, .. } => reason.clone(),
        PlanError::Foreign { holds, .. } => format!("it holds {holds}"),
        PlanError::TooSmall { needed, .. } => format!("it is too small; {needed} is needed"),
        PlanError::Geometry { what, reason, .. } => format!("{what}: {reason}"),
        PlanError::NoSuchDisk { .. }
        | PlanError::NoSuchDevice { .. }
        | PlanError::Twice { .. }
        | PlanError::Ambiguous { .. }
        | PlanError::NoDisk { .. }
        | PlanError::Group { .. }
        | PlanError::Spread { .. }
        | PlanError::Room { .. }
        | PlanError::Edit { .. }
        | PlanError::Table { .. }
        | PlanError::FirmwareMismatch { .. }
        | PlanError::Unmade { .. }
        | PlanError::Description(_) => error.to_string(),
    }
}

/// What a found disk holds, for people.
pub fn content(found: &FoundDisk) -> String {
    holds(&found.content)
}
