//! Disks, mapping, review, confirmation: all before anything is written.

use super::files;
use crate::field::Picker;
use crate::key::Key;
use crate::model::{Effect, Goal, Model, Request, Screen};
use crate::progress::Progress;
use crate::review;
use lifeboat_machine::{Content, DeviceId, FoundDisk, FoundHardware, Layout, Machine};
use lifeboat_plan::PlanError;
use lifeboat_plan::matching::best_id;
use lifeboat_restore::session::Destination;

/// Lines of the mapping after the recorded disks.
pub const MAPPING_ACTIONS: usize = 2;

/// Takes the machine of the chosen backup. What was chosen for the partitions of another layout has no meaning in this one.
pub fn chosen(model: &mut Model, machines: Box<(Machine, Machine)>) {
    let differs = model.origin.as_ref().is_some_and(|former| shape(&former.1) != shape(&machines.1));
    model.machine = Some(machines.1.clone());
    model.origin = Some(machines);
    model.lost.clear();
    // Passphrases are kept with the backup that was open.
    let moves = std::mem::take(&mut model.policy.moves);
    if !moves.is_empty() && !differs {
        model.inform("Your choices of RAID, LVM and encryption were reset".into());
    }
    if !differs {
        return;
    }
    let (given, before) = (model.given.clone(), model.policy.clone());
    let policy = &mut model.policy;
    (policy.sizes, policy.drop, policy.filesystems) = (given.sizes, given.drop, given.filesystems);
    (policy.order, policy.map) = (given.order, given.map);
    if *policy != before {
        model.inform("This backup has another layout: your choices for disks and partitions were reset".into());
    }
}

/// The layout without what changes from day to day: how full its filesystems are.
fn shape(machine: &Machine) -> Layout {
    let mut layout = machine.layout.clone();
    for device in &mut layout.devices {
        if let Content::Filesystem(filesystem) = &mut device.content {
            (filesystem.used_bytes, filesystem.restored) = (0, None);
        }
    }
    layout
}

pub fn found(model: &mut Model, hardware: FoundHardware) -> Vec<Effect> {
    model.hardware = hardware;
    model.disk = Picker::default();
    model.go(Screen::Hardware);
    plan_anew(model);
    // "Continue" is selected when nothing has to be decided.
    let disks = model.recorded().len();
    model.mapping = Picker { at: if model.plan.is_ok() { disks + 1 } else { 0 } };
    vec![]
}

pub fn hardware(model: &mut Model, key: Key) -> Vec<Effect> {
    let (length, page) = (model.hardware.disks.len(), model.rows() / 2);
    if model.disk.press(key, length, page) {
        return vec![];
    }
    match key {
        Key::Enter => model.go(Screen::Mapping),
        Key::Char('r') => {
            // The answer leads back to this screen.
            model.back();
            return model.work("Reading the disks", Request::Look);
        }
        _ => {}
    }
    vec![]
}

/// Computes the plan for what was chosen.
pub fn plan_anew(model: &mut Model) {
    let Some(origin) = &model.origin else { return };
    let (recorded, described) = (&origin.0, &origin.1);
    // Each move was tried before it was taken.
    let machine = lifeboat_plan::moves::apply(described, &model.policy.moves).unwrap_or_else(|_| described.clone());
    let plan = lifeboat_plan::plan_as(recorded, described, &model.hardware, &model.policy);
    model.plan = plan.map_err(|error| explain(model, &error));
    model.machine = Some(machine);
    review(model);
}

/// The plan as lines for the current width.
pub fn review(model: &mut Model) {
    let columns = model.columns();
    if let (Ok(plan), Some(machine)) = (&model.plan, &model.machine) {
        model.review = review::lines(plan, machine, &model.hardware, columns);
    }
}

/// A refusal, and on a second line what would allow it here.
fn explain(model: &Model, error: &PlanError) -> String {
    let hint = match error {
        PlanError::Foreign { .. } => {
            "To allow wiping that disk: choose the recorded disk above, then the found disk, and press w there."
        }
        PlanError::Ambiguous { .. } | PlanError::Twice { .. } | PlanError::NoDisk { .. } | PlanError::Locked { .. } => {
            "To decide it: choose the recorded disk above, then a found disk."
        }
        PlanError::NoSuchDisk { parameter: "lifeboat.map", .. } => {
            "To decide it here: choose the recorded disk above, then a found disk."
        }
        PlanError::NoSuchDisk { .. } => {
            "Attach that disk and press r on the page before; or boot again without the parameter."
        }
        PlanError::TooSmall { .. } if model.policy.no_resize => "To let filesystems shrink: change partitions, below.",
        PlanError::TooSmall { .. } => "Choose a larger disk, or make partitions smaller below.",
        PlanError::FirmwareMismatch { .. } => "To continue in spite of it: press f.",
        PlanError::Edit { .. } => "Change it below.",
        _ => "",
    };
    // The parameters that the message names are for the unattended mode.
    let text = error.to_string();
    let text = text.split("; try ").next().unwrap_or(&text);
    if hint.is_empty() { text.to_owned() } else { format!("{text}\n{hint}") }
}

pub fn mapping(model: &mut Model, key: Key) -> Vec<Effect> {
    let disks = model.recorded().len();
    if model.mapping.press(key, disks + MAPPING_ACTIONS, model.rows()) {
        return vec![];
    }
    match key {
        Key::Char('f') => {
            model.policy.any_firmware = !model.policy.any_firmware;
            plan_anew(model);
        }
        Key::Enter if model.mapping.at < disks => {
            model.target = Picker { at: chosen_target(model) };
            model.go(Screen::Target);
        }
        Key::Enter if model.mapping.at == disks => {
            model.layout = Picker::default();
            model.go(Screen::Layout);
        }
        Key::Enter if model.plan.is_ok() => {
            model.scroll = 0;
            review(model);
            model.go(Screen::Review);
        }
        Key::Enter => return model.warn("there is no plan yet; the reason is shown above".into()),
        _ => {}
    }
    vec![]
}

/// The line of the target list that is currently chosen.
fn chosen_target(model: &Model) -> usize {
    let chosen = model.mapped().and_then(|device| model.choice_for(&device.id));
    let place = chosen.and_then(|chosen| model.hardware.disks.iter().position(|disk| disk.path == chosen.path));
    place.map_or(0, |at| at + 1)
}

pub fn target(model: &mut Model, key: Key) -> Vec<Effect> {
    let length = model.hardware.disks.len() + 1;
    if model.target.press(key, length, model.rows() / 2) {
        return vec![];
    }
    let Some(device) = model.mapped().map(|device| device.id.clone()) else { return vec![] };
    let disk = model.target.at.checked_sub(1).and_then(|at| model.hardware.disks.get(at)).cloned();
    match (key, disk) {
        (Key::Enter, disk) => {
            if let Some(reason) = disk.as_ref().and_then(|disk| disk.lock.as_ref()) {
                return model.warn(format!("this disk is locked: {reason}"));
            }
            map(model, device, disk);
            model.back();
        }
        (Key::Char('w'), Some(disk)) => {
            if let Some(reason) = &disk.lock {
                return model.warn(format!("this disk is locked: {reason}"));
            }
            let id = best_id(&model.hardware.disks, &disk).to_owned();
            if model.may_wipe(&disk) {
                model.policy.wipe.retain(|allowed| !lifeboat_plan::matching::answers_to(&disk, allowed));
            } else {
                model.policy.wipe.push(id);
            }
            plan_anew(model);
        }
        _ => {}
    }
    vec![]
}

fn map(model: &mut Model, device: DeviceId, disk: Option<FoundDisk>) {
    model.policy.map.retain(|(of, _)| *of != device);
    if let Some(disk) = disk {
        let id = best_id(&model.hardware.disks, &disk).to_owned();
        model.policy.map.push((device, id));
    }
    plan_anew(model);
}

pub fn read(model: &mut Model, key: Key) -> Vec<Effect> {
    let page = model.rows().saturating_sub(1);
    let last = model.review.len().saturating_sub(page);
    model.scroll = match key {
        Key::Up => model.scroll.saturating_sub(1),
        Key::Down => model.scroll + 1,
        Key::PageUp => model.scroll.saturating_sub(page),
        Key::PageDown | Key::Char(' ') => model.scroll + page,
        Key::Home => 0,
        Key::End => last,
        Key::Enter => {
            model.name.clear();
            model.go(Screen::Confirm);
            return vec![];
        }
        _ => model.scroll,
    }
    .min(last);
    vec![]
}

pub fn confirm(model: &mut Model, key: Key) -> Vec<Effect> {
    if key != Key::Enter {
        model.name.press(key);
        return vec![];
    }
    let Some(machine) = &model.machine else { return vec![] };
    if model.name.text().trim() != machine.name {
        let name = machine.name.clone();
        return model.warn(format!("that is not '{name}'; nothing was touched"));
    }
    if model.goal == Goal::Files {
        return files::restore(model, Destination::Machine);
    }
    let Ok(plan) = &model.plan else { return vec![] };
    let request = Request::CarryOut(Box::new(plan.clone()), model.policy.clone(), !model.lost.is_empty());
    model.progress = Progress::of_machine(model.clock);
    model.outcome = None;
    model.screen = Screen::Progress;
    vec![Effect::Work(request)]
}
