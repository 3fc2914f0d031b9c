//! What happens changes the model: pure, and the only place where it changes.
//!
//! | module | holds |
//! | --- | --- |
//! | [`machine`] | disks, mapping, review, confirmation |
//! | [`layout`] | partitions: sizes, filesystems, places, those left out |
//! | [`files`] | which files, and where they go |
//! | [`end`] | progress, result, logs, keyboard |

pub(crate) mod end;
pub(crate) mod files;
mod layout;
mod machine;
mod storage;

use crate::field::Picker;
use crate::key::Key;
use crate::model::{Choice, Effect, Goal, Input, KeyOf, Message, Model, Notice, Request, Screen, Typed, WELCOME};
use lifeboat_machine::parameters::After;
use lifeboat_restore::session::Opened;

/// Takes what happened; returns what is to be done.
pub fn update(model: &mut Model, input: Input) -> Vec<Effect> {
    match input {
        Input::Key(Key::Control('l')) => vec![Effect::Repaint],
        // Work is distinguished from its screen: a key pressed too early must not act on what comes next.
        Input::Key(_) if model.busy.is_some() => vec![],
        Input::Key(key) => {
            model.notice = None;
            press(model, key)
        }
        Input::Size(columns, rows) => {
            model.size = (columns, rows);
            machine::review(model);
            vec![Effect::Repaint]
        }
        Input::Clock(seconds) => {
            model.clock = seconds;
            vec![]
        }
        Input::Message(message) => take(model, message),
        // The loop ends, or waits for the work.
        Input::Lost => vec![],
    }
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    if key == Key::Escape {
        // There is nothing before the list of snapshots.
        if model.running && model.screen == Screen::Snapshots {
            return vec![Effect::Leave(After::Shell)];
        }
        model.back();
        return vec![];
    }
    match model.screen {
        Screen::Welcome => welcome(model, key),
        Screen::Source => source(model, key),
        Screen::Key => typed_key(model, key),
        Screen::Snapshots => snapshots(model, key),
        Screen::Hardware => machine::hardware(model, key),
        Screen::Mapping => machine::mapping(model, key),
        Screen::Target => machine::target(model, key),
        Screen::Layout => layout::layout(model, key),
        Screen::Size => layout::size(model, key),
        Screen::Kind => layout::kind(model, key),
        Screen::Spot => layout::spot(model, key),
        Screen::Storage => storage::storage(model, key),
        Screen::Passphrase => storage::passphrase(model, key),
        Screen::Review => machine::read(model, key),
        Screen::Confirm => machine::confirm(model, key),
        Screen::Files => files::files(model, key),
        Screen::Destination => files::destination(model, key),
        Screen::Progress => vec![],
        Screen::Result => end::result(model, key),
        Screen::Save => end::save(model, key),
        Screen::Keyboard => end::keyboard(model, key),
    }
}

fn take(model: &mut Model, message: Message) -> Vec<Effect> {
    match message {
        Message::Event(event) => {
            model.progress.take(event);
            return vec![];
        }
        Message::Found { query, result } => return files::listed(model, &query, result),
        _ => model.busy = None,
    }
    match message {
        Message::Opened(result) => opened(model, result),
        Message::Chosen(Ok(machine)) => {
            machine::chosen(model, machine);
            match model.goal {
                Goal::Machine => model.work("Looking for keys of encrypted storage", Request::Keys(None)),
                Goal::Files => files::begin(model),
            }
        }
        Message::Ready(Ok(())) => files::begin(model),
        Message::Keys(Ok((locked, opened))) => keys(model, &locked, opened),
        Message::Hardware(Ok(hardware)) => machine::found(model, hardware),
        Message::Places(Ok(places)) => {
            model.places = places;
            model.place = Picker::default();
            vec![]
        }
        Message::Recovered(result) => end::recovered(model, result),
        Message::Damaged(lost) => end::damaged(model, lost),
        Message::FilesRestored(result) => end::files_restored(model, result),
        Message::Saved(Ok(place)) => {
            model.back();
            model.inform(format!("The logs are in {place}"))
        }
        Message::KeymapLoaded(Ok(name)) => {
            model.back();
            model.inform(format!("Keyboard layout: {name}"))
        }
        Message::PassphraseKept(Ok(())) => model.inform("The passphrase is kept for the recovery".into()),
        Message::PassphraseKept(Err(text))
        | Message::Chosen(Err(text))
        | Message::Ready(Err(text))
        | Message::Keys(Err(text))
        | Message::Hardware(Err(text))
        | Message::Places(Err(text))
        | Message::Saved(Err(text))
        | Message::KeymapLoaded(Err(text)) => model.warn(text),
        Message::Event(_) | Message::Found { .. } => vec![],
    }
}

fn welcome(model: &mut Model, key: Key) -> Vec<Effect> {
    if model.welcome.press(key, WELCOME.len(), WELCOME.len()) || key != Key::Enter {
        return vec![];
    }
    match WELCOME[model.welcome.at] {
        Choice::Start(goal) => {
            model.goal = goal;
            if model.source.is_none() && !model.facts.has_archive {
                return go_to_source(model);
            }
            let source = model.source.clone();
            model.work("Opening the archive", Request::Open(source))
        }
        Choice::Source => go_to_source(model),
        Choice::Keyboard => end::go_to_keyboard(model),
        Choice::Save => end::go_to_save(model),
        Choice::Leave(after) => vec![Effect::Leave(after)],
        Choice::Again => vec![],
    }
}

fn go_to_source(model: &mut Model) -> Vec<Effect> {
    model.go(Screen::Source);
    model.work("Looking for devices", Request::Places)
}

fn source(model: &mut Model, key: Key) -> Vec<Effect> {
    let Some(place) = pick_place(model, key) else { return vec![] };
    model.source = Some(place.clone());
    model.work("Opening the archive", Request::Open(Some(place)))
}

/// A key in a list of places whose last line is typed; returns the place, if one was chosen.
fn pick_place(model: &mut Model, key: Key) -> Option<String> {
    let (last, page) = (model.places.len(), model.rows().saturating_sub(6));
    let editing = model.place.at == last && !matches!(key, Key::Up | Key::Down | Key::Tab | Key::BackTab);
    if editing && model.typed_place.press(key) {
        return None;
    }
    if model.place.press(key, last + 1, page) || key != Key::Enter {
        return None;
    }
    let place = match model.places.get(model.place.at) {
        Some(place) => place.mounted.clone().unwrap_or_else(|| place.path.clone()),
        None => model.typed_place.text().trim().to_owned(),
    };
    if place.is_empty() {
        model.warn("type a folder, a device, an image file or an address".into());
        return None;
    }
    Some(place)
}

fn opened(model: &mut Model, result: Result<Opened, String>) -> Vec<Effect> {
    match result {
        Err(text) => {
            model.source = None;
            // The disk is open, but does not hold such an archive: its passphrase is not asked for any more.
            if model.screen == Screen::Key && model.key_of == KeyOf::Disk {
                model.back();
            }
            model.warn(text)
        }
        Ok(opened @ (Opened::KeyWanted(_) | Opened::DiskLocked(_))) => {
            let key_of = if matches!(opened, Opened::DiskLocked(_)) { KeyOf::Disk } else { KeyOf::Archive };
            let (Opened::KeyWanted(reason) | Opened::DiskLocked(reason)) = opened else { return vec![] };
            ask_key(model, key_of, reason)
        }
        Ok(Opened::Backups(list, meant, note)) => {
            model.key.clear();
            model.snapshots = list;
            model.snapshot = Picker { at: meant };
            // The key is not asked for again on the way back.
            if model.screen == Screen::Key {
                model.back();
            }
            model.go(Screen::Snapshots);
            note.map_or(vec![], |note| model.warn(note))
        }
    }
}

/// Asks for a key; with a warning when the last one did not fit.
fn ask_key(model: &mut Model, key_of: KeyOf, reason: String) -> Vec<Effect> {
    // The archive's own key may follow that of its disk.
    let again = model.screen == Screen::Key && model.key_of == key_of;
    model.key_of = key_of;
    model.key_reason = reason.clone();
    model.key.clear();
    if again {
        return model.warn(reason);
    }
    if model.screen != Screen::Key {
        model.go(Screen::Key);
    }
    vec![]
}

/// What opens the machine's encrypted devices, before its disks are looked at.
fn keys(model: &mut Model, locked: &[String], opened: bool) -> Vec<Effect> {
    if locked.is_empty() {
        model.key.clear();
        if model.screen == Screen::Key {
            model.back();
        }
        return model.work("Reading the disks", Request::Look);
    }
    let asked = model.screen == Screen::Key && model.key_of == KeyOf::Machine;
    let list = locked.join(" and ");
    let reason = match (asked, opened) {
        (true, false) => format!("This passphrase does not open {list}; try again."),
        (true, true) => format!("The passphrase fits. {list}: another one is needed."),
        (false, _) => format!("The machine has encrypted storage: {list}. No key file of the backup opens it."),
    };
    ask_key(model, KeyOf::Machine, reason)
}

fn typed_key(model: &mut Model, key: Key) -> Vec<Effect> {
    match key {
        Key::Tab | Key::Function(2) => model.key_shown = !model.key_shown,
        Key::Enter if model.key_of == KeyOf::Disk && model.key.text().is_empty() => {
            let nothing = Typed(zeroize::Zeroizing::default());
            return model.work("Looking for the archive elsewhere, for half a minute", Request::Unlock(nothing));
        }
        Key::Enter if model.key_of == KeyOf::Machine && model.key.text().is_empty() => {
            return model.warn("type the passphrase".into());
        }
        Key::Enter if model.key_of == KeyOf::Archive && model.key.text().trim().is_empty() => {
            return model.warn("type the recovery words, or the passphrase".into());
        }
        Key::Enter => {
            let typed = std::mem::take(&mut model.key);
            let typed = Typed(zeroize::Zeroizing::new(typed.text().to_owned()));
            return match model.key_of {
                KeyOf::Machine => model.work("Trying the passphrase", Request::Keys(Some(typed))),
                KeyOf::Archive | KeyOf::Disk => model.work("Trying the key", Request::Unlock(typed)),
            };
        }
        key => {
            model.key.press(key);
        }
    }
    vec![]
}

fn snapshots(model: &mut Model, key: Key) -> Vec<Effect> {
    // The newest is shown first.
    let key = match key {
        Key::Up | Key::BackTab => Key::Down,
        Key::Down | Key::Tab => Key::Up,
        Key::PageUp => Key::PageDown,
        Key::PageDown => Key::PageUp,
        Key::Home => Key::End,
        Key::End => Key::Home,
        other => other,
    };
    let page = model.rows().saturating_sub(4);
    if model.snapshot.press(key, model.snapshots.len(), page) || key != Key::Enter {
        return vec![];
    }
    let at = model.snapshot.at;
    model.work("Reading the backup's description", Request::Choose(at))
}

impl Model {
    /// Goes to another screen, from which Esc leads back here.
    pub(crate) fn go(&mut self, screen: Screen) {
        self.back.push(self.screen);
        self.screen = screen;
    }

    /// Goes back, except from work and its result.
    pub(crate) fn back(&mut self) {
        if matches!(self.screen, Screen::Progress | Screen::Result) {
            return;
        }
        if let Some(screen) = self.back.pop() {
            self.screen = screen;
        }
    }

    /// Lets the worker do something while keys wait.
    pub(crate) fn work(&mut self, what: &str, request: Request) -> Vec<Effect> {
        self.busy = Some(what.to_owned());
        vec![Effect::Work(request)]
    }

    /// Shows an error.
    pub(crate) fn warn(&mut self, text: String) -> Vec<Effect> {
        self.notice = Some(Notice::Error(text));
        vec![]
    }

    /// Shows a line.
    pub(crate) fn inform(&mut self, text: String) -> Vec<Effect> {
        self.notice = Some(Notice::Info(text));
        vec![]
    }
}
