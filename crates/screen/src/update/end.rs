//! Progress, result, logs, keyboard.

use super::pick_place;
use crate::field::Picker;
use crate::key::Key;
use crate::model::{Choice, Effect, Goal, Model, Outcome, Request, Screen};
use crate::review::wrapped;
use lifeboat_machine::Name;
use lifeboat_restore::Disks;
use lifeboat_restore::session::RestoredFiles;
use std::path::PathBuf;

pub fn recovered(model: &mut Model, result: Result<u64, (String, Disks)>) -> Vec<Effect> {
    model.outcome = Some(match result {
        Ok(missing) => {
            let (entries, seconds) = model.progress.restored.unwrap_or_default();
            Outcome::Restored { entries, seconds, missing }
        }
        Err((reason, disks)) => Outcome::Failed { reason, disks },
    });
    model.recovered.clone_from(&model.outcome);
    show(model)
}

/// The archive is damaged: the person is asked once more, with a list of what would be missing.
pub fn damaged(model: &mut Model, lost: Vec<(PathBuf, String)>) -> Vec<Effect> {
    model.lost = lost;
    model.name.clear();
    model.screen = Screen::Confirm;
    vec![]
}

pub fn files_restored(model: &mut Model, result: Result<RestoredFiles, (String, Disks)>) -> Vec<Effect> {
    model.outcome = Some(match result {
        Ok(report) => {
            // All of them, whereas events stop at some hundred.
            model.progress.lines =
                report.problems.iter().map(|(path, text)| format!("{}: {text}", Name::from(path.as_path()))).collect();
            Outcome::Files(report)
        }
        Err((reason, disks)) => Outcome::Failed { reason, disks },
    });
    show(model)
}

fn show(model: &mut Model) -> Vec<Effect> {
    model.scroll = 0;
    model.ending = Picker::default();
    model.screen = Screen::Result;
    vec![]
}

/// The result as lines of at most `columns`.
pub fn result_lines(model: &Model, columns: usize) -> Vec<String> {
    let mut lines = vec![];
    match &model.outcome {
        Some(Outcome::Failed { reason, disks }) => {
            lines.extend(wrapped(reason, columns));
            let disks = match disks {
                Disks::Untouched if reason.contains("not touched") => "",
                Disks::Untouched => "The disks were not touched.",
                Disks::Written => {
                    "The disks were being written: their content is lost, and the recovery can be started again."
                }
                Disks::Rebuilt => {
                    "The machine is bootable: remove the medium and restart; the entries listed here can be restored \
                     afterwards."
                }
            };
            if model.goal == Goal::Machine && !disks.is_empty() {
                lines.extend(wrapped(disks, columns));
            }
        }
        Some(Outcome::Restored { .. } | Outcome::Files(_)) | None => {}
    }
    if !model.progress.lines.is_empty() {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(model.progress.lines.iter().flat_map(|line| wrapped(line, columns)));
    }
    lines
}

/// Rows for the list of a result: what title and endings leave.
pub fn result_rows(model: &Model) -> usize {
    model.rows().saturating_sub(model.endings().len() + 4).max(1)
}

pub fn result(model: &mut Model, key: Key) -> Vec<Effect> {
    let rows = result_rows(model);
    let last = result_lines(model, model.columns()).len().saturating_sub(rows);
    match key {
        Key::PageUp => model.scroll = model.scroll.saturating_sub(rows),
        Key::PageDown => model.scroll = (model.scroll + rows).min(last),
        Key::Home => model.scroll = 0,
        Key::End => model.scroll = last,
        Key::Enter => match model.endings().get(model.ending.at) {
            Some(Choice::Leave(after)) => return vec![Effect::Leave(*after)],
            Some(Choice::Save) => return go_to_save(model),
            Some(Choice::Again) => {
                model.back.clear();
                model.screen = if model.running { Screen::Snapshots } else { Screen::Welcome };
            }
            _ => {}
        },
        key => {
            model.ending.press(key, model.endings().len(), 1);
        }
    }
    vec![]
}

pub fn go_to_save(model: &mut Model) -> Vec<Effect> {
    model.go(Screen::Save);
    model.work("Looking for devices", Request::Places)
}

pub fn save(model: &mut Model, key: Key) -> Vec<Effect> {
    match pick_place(model, key) {
        Some(place) => model.work("Saving the logs", Request::Save(place)),
        None => vec![],
    }
}

pub fn go_to_keyboard(model: &mut Model) -> Vec<Effect> {
    if model.keymaps.is_empty() {
        return model.warn(
            "this rescue system holds no keyboard layouts; with the packages kbd and console-data on the machine the \
             next medium will have them"
                .into(),
        );
    }
    model.keymap_filter.clear();
    model.keymap = Picker::default();
    model.go(Screen::Keyboard);
    vec![]
}

pub fn keyboard(model: &mut Model, key: Key) -> Vec<Effect> {
    let (length, page) = (model.fitting_keymaps().len(), model.rows().saturating_sub(3));
    match key {
        Key::Enter => {
            let chosen = model.fitting_keymaps().get(model.keymap.at).map(|(name, path)| (name.clone(), path.clone()));
            match chosen {
                Some((name, path)) => return model.work("Loading the layout", Request::Keymap(name, path)),
                None => return model.warn("no layout has such a name".into()),
            }
        }
        Key::Char(_) | Key::Backspace => {
            model.keymap_filter.press(key);
            model.keymap = Picker::default();
        }
        key => {
            model.keymap.press(key, length, page);
        }
    }
    vec![]
}
