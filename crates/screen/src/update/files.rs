//! Which files, and where they go.

use crate::field::Picker;
use crate::key::Key;
use crate::model::{Effect, Files, Model, Request, Screen};
use crate::progress::Progress;
use lifeboat_machine::filesystem::Filesystem;
use lifeboat_machine::layout::Mount;
use lifeboat_restore::session::{Destination, ListedFile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub fn begin(model: &mut Model) -> Vec<Effect> {
    model.files = Files::default();
    model.go(Screen::Files);
    search(model)
}

fn search(model: &mut Model) -> Vec<Effect> {
    model.files.searching = true;
    vec![Effect::Work(Request::Search(model.files.query.text().to_owned()))]
}

pub fn listed(model: &mut Model, query: &str, result: Result<(Vec<ListedFile>, u64), String>) -> Vec<Effect> {
    // Only the answer to the current text counts; it was requested when that was typed.
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
        Err(text) => model.warn(text),
    }
}

pub fn files(model: &mut Model, key: Key) -> Vec<Effect> {
    let page = model.rows().saturating_sub(4);
    match key {
        Key::Enter if model.files.chosen.is_empty() => {
            return model.warn("choose something first: the arrows move, Tab chooses".into());
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
        if !model.running {
            model.destination.press(key, 2, 2);
        }
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
        return model.warn("type a folder that begins with /".into());
    }
    if folder {
        let folder = Destination::Folder(typed.into());
        return restore(model, folder);
    }
    // The machine's own disks are written only after its name was typed, as everywhere.
    model.name.clear();
    model.go(Screen::Confirm);
    vec![]
}

/// Lets the worker restore what was chosen.
pub fn restore(model: &mut Model, to: Destination) -> Vec<Effect> {
    let paths = model.files.chosen.iter().cloned().collect();
    model.progress = Progress::of_files(model.clock);
    model.outcome = None;
    model.screen = Screen::Progress;
    vec![Effect::Work(Request::RestoreFiles(paths, to))]
}

/// The recorded filesystems onto which the chosen entries go, with their mount points: those that they are on, and those that are
/// mounted below a chosen folder.
pub fn filesystems(model: &Model) -> Vec<(&Mount, &Filesystem)> {
    let Some(layout) = model.machine.as_ref().map(|machine| &machine.layout) else { return vec![] };
    let all = layout.mounts.iter().filter_map(|mount| Some((mount, layout.device(&mount.device)?.filesystem()?)));
    let all: Vec<(&Mount, &Filesystem)> = all.collect();
    let lies_on = |path: &PathBuf| {
        let around = all.iter().map(|(mount, _)| mount.mount_point.as_path()).filter(|point| path.starts_with(point));
        around.max_by_key(|point| point.components().count())
    };
    let used: BTreeSet<&Path> = model.files.chosen.iter().filter_map(lies_on).collect();
    let takes = |point: &Path| used.contains(point) || model.files.chosen.iter().any(|path| point.starts_with(path));
    all.iter().filter(|(mount, _)| takes(mount.mount_point.as_path())).copied().collect()
}
