//! RAID, LVM and encryption in the layout editor.

use super::machine::plan_anew;
use crate::field::{Field, Picker};
use crate::key::Key;
use crate::model::{Effect, Model, Request, Screen, Typed};
use lifeboat_machine::{Content, DeviceKind, Machine};
use lifeboat_plan::Policy;
use lifeboat_plan::moves::Move;

/// Fewer characters are no passphrase.
const SHORTEST: usize = 8;

/// From the list of partitions.
pub fn choose(model: &mut Model) -> Vec<Effect> {
    model.storage = Picker::default();
    model.go(Screen::Storage);
    vec![]
}

pub fn storage(model: &mut Model, key: Key) -> Vec<Effect> {
    let choices = model.storage_choices();
    if model.storage.press(key, choices.len(), model.rows()) || key != Key::Enter {
        return vec![];
    }
    let Some(choice) = choices.get(model.storage.at).cloned() else { return vec![] };
    if let Err(reason) = model.check_storage(&choice) {
        return model.warn(reason);
    }
    match choice.makes {
        None => {
            // What was chosen for devices that only the moves made has no meaning without them.
            let given = model.given.clone();
            let kept = (model.policy.wipe.clone(), model.policy.no_resize, model.policy.any_firmware);
            model.policy = Policy { wipe: kept.0, no_resize: kept.1, any_firmware: kept.2, ..given };
            model.policy.moves.clear();
            plan_anew(model);
            model.back();
            model.layout = Picker::default();
            vec![]
        }
        Some(one @ Move::Encrypt { key_file: None, .. }) => {
            model.pending = Some(one);
            (model.key, model.repeated) = (Field::default(), Field::default());
            model.repeating = false;
            model.go(Screen::Passphrase);
            vec![]
        }
        Some(one) => {
            make(model, one);
            model.back();
            vec![]
        }
    }
}

/// Makes a move, and starts again with what depends on partitions that may be others now.
fn make(model: &mut Model, one: Move) {
    model.policy.moves.push(one);
    model.policy.order.clear();
    plan_anew(model);
    let Some(machine) = &model.machine else { return };
    let known = |id: &lifeboat_machine::DeviceId| machine.layout.device(id).is_some();
    model.policy.sizes.retain(|(id, _)| known(id));
    model.policy.drop.retain(known);
    model.policy.filesystems.retain(|(id, _)| known(id));
    plan_anew(model);
    model.layout = Picker { at: model.layout.at.min(model.partitions().len()) };
}

/// A new passphrase, typed twice.
pub fn passphrase(model: &mut Model, key: Key) -> Vec<Effect> {
    if key != Key::Enter {
        let field = if model.repeating { &mut model.repeated } else { &mut model.key };
        field.press(key);
        return vec![];
    }
    if !model.repeating {
        if model.key.text().chars().count() < SHORTEST {
            return model.warn(format!("type at least {SHORTEST} characters"));
        }
        model.repeating = true;
        return vec![];
    }
    if model.key.text() != model.repeated.text() {
        (model.key, model.repeated) = (Field::default(), Field::default());
        model.repeating = false;
        return model.warn("the two passphrases differ; type both again".into());
    }
    let typed = std::mem::take(&mut model.key);
    model.repeated = Field::default();
    let typed = Typed(zeroize::Zeroizing::new(typed.text().to_owned()));
    let Some(one) = model.pending.take() else { return vec![] };
    make(model, one);
    // From the passphrase and from the choices.
    model.back();
    model.back();
    let Some(uuid) = model.machine.as_ref().and_then(newest) else { return vec![] };
    model.work("Keeping the passphrase", Request::Passphrase(uuid, typed))
}

/// The header that is made last.
fn newest(machine: &Machine) -> Option<String> {
    let crypts = machine.layout.devices.iter().rev().filter_map(|device| match &device.kind {
        DeviceKind::Crypt(crypt) => machine.layout.device(&crypt.parent),
        _ => None,
    });
    let mut headers = crypts.filter_map(|device| match &device.content {
        Content::Luks(header) if header.backup.is_none() => Some(header.uuid.clone()),
        _ => None,
    });
    headers.next()
}
