//! Partitions: sizes, filesystems, places, those left out.

use super::machine::plan_anew;
use super::storage;
use crate::field::{Field, Picker};
use crate::key::Key;
use crate::model::{Effect, Model, Screen};
use lifeboat_machine::DeviceId;
use lifeboat_machine::bytes::{human, parse_size};
use lifeboat_plan::{FilesystemKind, edit};

/// Lines of the layout before and after the partitions.
pub const LAYOUT_ACTIONS: usize = 2;

pub fn layout(model: &mut Model, key: Key) -> Vec<Effect> {
    let partitions = model.partitions().len();
    if model.layout.press(key, partitions + LAYOUT_ACTIONS, model.rows()) {
        return vec![];
    }
    let chosen = model.chosen_partition().map(|device| device.id.clone());
    match (key, chosen) {
        (Key::Enter | Key::Char(' '), None) if model.layout.at == 0 => {
            model.policy.no_resize = !model.policy.no_resize;
            plan_anew(model);
        }
        (Key::Enter, None) => model.back(),
        (Key::Enter, Some(id)) => {
            let wanted = model.policy.sizes.iter().find(|(of, _)| *of == id).map(|(_, bytes)| *bytes);
            let bytes = wanted.or_else(|| Some(model.machine.as_ref()?.layout.device(&id)?.size_bytes));
            model.size_text = Field::with(&bytes.map(human).unwrap_or_default());
            model.go(Screen::Size);
        }
        (Key::Char('f'), Some(id)) => return choose_kind(model, &id),
        (Key::Char('m'), Some(_)) => {
            if model.spots().is_empty() {
                return model.warn("there is no other place for it".into());
            }
            model.spot = Picker::default();
            model.go(Screen::Spot);
        }
        (Key::Char('s'), Some(_)) => return storage::choose(model),
        (Key::Char('d') | Key::Delete, Some(id)) => return drop_partition(model, id),
        (Key::Char('o') | Key::Backspace, Some(id)) => {
            as_recorded(model, &id);
        }
        _ => {}
    }
    vec![]
}

fn drop_partition(model: &mut Model, id: DeviceId) -> Vec<Effect> {
    if model.policy.drop.contains(&id) {
        model.policy.drop.retain(|of| *of != id);
    } else {
        if let Some(Err(refusal)) = model.machine.as_ref().map(|machine| edit::check_drop(machine, &id)) {
            return model.warn(format!("it cannot be left out: {}", refusal.reason));
        }
        model.policy.sizes.retain(|(of, _)| *of != id);
        model.policy.filesystems.retain(|(of, _)| *of != id);
        model.policy.drop.push(id);
    }
    plan_anew(model);
    vec![]
}

/// Undoes all that was chosen for a partition.
fn as_recorded(model: &mut Model, id: &DeviceId) {
    let policy = &mut model.policy;
    policy.sizes.retain(|(of, _)| of != id);
    policy.drop.retain(|of| of != id);
    policy.filesystems.retain(|(of, _)| of != id);
    if let Some(machine) = &model.machine {
        policy.order = edit::moved_back(machine, policy, id);
    }
    plan_anew(model);
    stay_at(model, id);
}

/// Keeps a partition chosen when the order changes.
fn stay_at(model: &mut Model, id: &DeviceId) {
    if let Some(at) = model.partitions().iter().position(|device| device.id == *id) {
        model.layout.at = at + 1;
    }
}

fn choose_kind(model: &mut Model, id: &DeviceId) -> Vec<Effect> {
    let kinds = model.kinds();
    if kinds.is_empty() {
        // The same reason for every kind: FAT, or no filesystem at all.
        let check = |machine| edit::check_filesystem(machine, &model.hardware, &model.policy, id, FilesystemKind::Ext4);
        let refusal = model.machine.as_ref().and_then(|machine| check(machine).err());
        return model.warn(refusal.map_or_else(String::new, |refusal| refusal.reason));
    }
    let chosen = model.policy.filesystems.iter().find(|(of, _)| of == id).map(|(_, kind)| *kind);
    model.kind = Picker { at: kinds.iter().position(|kind| *kind == chosen).unwrap_or(0) };
    model.go(Screen::Kind);
    vec![]
}

pub fn kind(model: &mut Model, key: Key) -> Vec<Effect> {
    let kinds = model.kinds();
    if model.kind.press(key, kinds.len(), model.rows()) || key != Key::Enter {
        return vec![];
    }
    let id = model.chosen_partition().map(|device| device.id.clone());
    let (Some(id), Some(chosen)) = (id, kinds.get(model.kind.at)) else { return vec![] };
    if let Some(Err(reason)) = (*chosen).map(|kind| model.check_kind(kind)) {
        return model.warn(reason);
    }
    model.policy.filesystems.retain(|(of, _)| *of != id);
    if let Some(kind) = *chosen {
        model.policy.drop.retain(|of| *of != id);
        model.policy.filesystems.push((id, kind));
    }
    plan_anew(model);
    model.back();
    vec![]
}

pub fn spot(model: &mut Model, key: Key) -> Vec<Effect> {
    let spots = model.spots();
    if model.spot.press(key, spots.len(), model.rows()) || key != Key::Enter {
        return vec![];
    }
    let id = model.chosen_partition().map(|device| device.id.clone());
    let (Some(id), Some(place)) = (id, spots.get(model.spot.at)) else { return vec![] };
    match model.moved_to(place) {
        Err(reason) => model.warn(reason),
        Ok(order) => {
            model.policy.order = order;
            plan_anew(model);
            model.back();
            stay_at(model, &id);
            vec![]
        }
    }
}

pub fn size(model: &mut Model, key: Key) -> Vec<Effect> {
    if key != Key::Enter {
        model.size_text.press(key);
        return vec![];
    }
    let id = model.chosen_partition().map(|device| device.id.clone());
    let (Some(id), Some(machine)) = (id, &model.machine) else { return vec![] };
    let Some(bytes) = parse_size(model.size_text.text(), 1 << 20).filter(|bytes| *bytes > 0) else {
        return model.warn("type a size such as 20 GiB or 512 MiB".into());
    };
    // What it becomes decides what it needs.
    if let Err(refusal) = edit::check_size(&edit::with_filesystems(machine, &model.policy), &id, bytes) {
        return model.warn(refusal.reason);
    }
    let recorded = machine.layout.device(&id).map(|device| device.size_bytes);
    model.policy.sizes.retain(|(of, _)| *of != id);
    // The size as shown is the recorded one, although its digits were rounded.
    if recorded.is_none_or(|recorded| human(recorded) != human(bytes)) {
        model.policy.sizes.push((id, bytes));
    }
    plan_anew(model);
    model.back();
    vec![]
}
