//! Which files, and where they go.

use crate::field::Picker;
use crate::key::Key;
use crate::model::{Effect, Files, Model, Request, Screen};
use crate::progress::Progress;
use lifeboat_restore::session::{Destination, ListedFile};

pub fn begin(model: &mut Model) -> Vec<Effect> {
    model.files = Files::default();
    model.go(Screen::Files);
    search(model)
}

fn search(model: &mut Model) -> Vec<Effect> {
    model.files.searching = true;
    vec![Effect::Work(Request::Search(model.files.query.text().to_owned()))]
}

pub fn found(model: &mut Model, query: &str, result: Result<(Vec<ListedFile>, u64), String>) -> Vec<Effect> {
    // Only the answer to what stands there now counts; it was asked for when that was typed.
    if query != model.files.query.text() {
        return vec![];
    }
    model.files.searching = false;
    match result {
        Ok((found, count)) => {
            (model.files.found, model.files.count) = (found, count);
            model.files.picker = Picker::default();
            vec![]
        }
        Err(text) => model.complain(text),
    }
}

pub fn files(model: &mut Model, key: Key) -> Vec<Effect> {
    let page = model.rows().saturating_sub(4);
    match key {
        Key::Enter if model.files.chosen.is_empty() => {
            return model.complain("choose something first: the arrows move, Tab chooses".into());
        }
        Key::Enter => model.go(Screen::Destination),
        Key::Tab => {
            if let Some(file) = model.files.found.get(model.files.picker.at)
                && !model.files.chosen.remove(&file.path)
            {
                model.files.chosen.insert(file.path.clone());
            }
            model.files.picker.press(Key::Down, model.files.found.len(), page);
        }
        Key::Up | Key::Down | Key::PageUp | Key::PageDown | Key::BackTab => {
            model.files.picker.press(key, model.files.found.len(), page);
        }
        key => {
            let before = model.files.query.text().to_owned();
            if model.files.query.press(key) && model.files.query.text() != before {
                return search(model);
            }
        }
    }
    vec![]
}

pub fn destination(model: &mut Model, key: Key) -> Vec<Effect> {
    if matches!(key, Key::Up | Key::Down | Key::Tab | Key::BackTab) {
        model.destination.press(key, 2, 2);
        return vec![];
    }
    let folder = model.destination.at == 0;
    if key != Key::Enter {
        if folder {
            model.folder.press(key);
        }
        return vec![];
    }
    let typed = model.folder.text().trim();
    if folder && !typed.starts_with('/') {
        return model.complain("type a folder that begins with /".into());
    }
    let destination = if folder { Destination::Folder(typed.into()) } else { Destination::Machine };
    let paths = model.files.chosen.iter().cloned().collect();
    model.progress = Progress::of_files(model.clock);
    model.outcome = None;
    model.screen = Screen::Progress;
    vec![Effect::Work(Request::RestoreFiles(paths, destination))]
}
