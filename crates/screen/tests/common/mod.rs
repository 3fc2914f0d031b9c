//! A person and a worker for the model: keys are pressed, requests are answered, screens are read.
#![allow(dead_code, unused_imports, missing_docs, clippy::unwrap_used, clippy::expect_used)]

pub use lifeboat_machine::testing as machines;

use lifeboat_machine::source::FoundMedium;
use lifeboat_machine::{Event, FoundHardware, Machine, Parameters};
use lifeboat_restore::archive_places::ArchivePlace;
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem};
use lifeboat_restore::session::{Backup, ListedFile, Opened};
use lifeboat_screen::Look;
use lifeboat_screen::key::Key;
use lifeboat_screen::model::{Effect, Input, Message, Model, Request};
use lifeboat_screen::update::update;
use lifeboat_screen::view::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

pub fn manifest(embedded_key: bool) -> serde_json::Value {
    serde_json::json!({
        "format": 1, "lifeboat": "0.1.0", "medium_id": "5f0c9a7e00000000000000000000abcd",
        "created_at": "2026-11-23T22:10:00Z", "machine_name": "box", "machine_id": "0123456789abcdef0123456789abcdef",
        "machine_blake3": "", "kernel": "6.1.0-18-amd64", "embedded_key": embedded_key, "files": {},
        "archive": {"snapshot": "aa", "repository": "bb", "entries": 28114, "bytes": 1180000000u64}
    })
}

pub fn rescue(machine: &Machine, parameters: &str) -> RescueSystem {
    RescueSystem {
        directories: RescueDirectories::default(),
        machine: machine.clone(),
        layout: None,
        machine_json: vec![],
        manifest: serde_json::from_value(manifest(false)).unwrap(),
        manifest_json: vec![],
        parameters: Parameters::parse(parameters),
        source: Some(FoundMedium {
            kind: "disc".into(),
            device: "/dev/sr0".into(),
            mount: "/run/lifeboat/medium".into(),
        }),
        tape: None,
        from: None,
        network: lifeboat_restore::Network::default(),
    }
}

pub struct Desk {
    pub model: Model,
    pub machine: Machine,
    pub hardware: FoundHardware,
    pub files: Vec<ListedFile>,
    /// What was asked for and not answered: the writing requests.
    pub asked: Vec<Request>,
    /// What was typed to unlock something.
    pub unlocked: Vec<String>,
    /// Encrypted devices of the machine, each with its passphrase.
    pub locked: Vec<(String, String)>,
    pub left: Option<lifeboat_machine::parameters::After>,
}

impl Desk {
    pub fn new(machine: Machine, hardware: FoundHardware) -> Desk {
        Desk::with(machine, hardware, Look::default(), "")
    }

    pub fn with(machine: Machine, hardware: FoundHardware, look: Look, parameters: &str) -> Desk {
        let keymaps = ["de-latin1", "dvorak", "fr", "us"].map(|name| (name.to_owned(), format!("/{name}.map").into()));
        let model = Model::new(&rescue(&machine, parameters), keymaps.to_vec(), look);
        Desk { model, machine, hardware, files: vec![], asked: vec![], unlocked: vec![], locked: vec![], left: None }
    }

    pub fn input(&mut self, input: Input) {
        for effect in update(&mut self.model, input) {
            match effect {
                Effect::Work(request) => self.answer(request),
                Effect::Leave(after) => self.left = Some(after),
                Effect::Repaint => {}
            }
        }
    }

    pub fn send(&mut self, message: Message) {
        self.input(Input::Message(message));
    }

    pub fn event(&mut self, event: Event) {
        self.send(Message::Event(event));
    }

    pub fn press(&mut self, keys: &[Key]) {
        for key in keys {
            self.input(Input::Key(*key));
        }
    }

    pub fn type_text(&mut self, text: &str) {
        for c in text.chars() {
            self.press(&[Key::Char(c)]);
        }
    }

    fn backups(&self) -> Vec<Backup> {
        (1..=3_u64)
            .map(|day| Backup {
                id: format!("{day:02x}").repeat(32),
                time: format!("2026-11-2{day}T22:10:0{day}.5Z"),
                entries: 28_000 + day * 38,
                bytes: 1_180_000_000 + day * 20_000_000,
            })
            .collect()
    }

    fn answer(&mut self, request: Request) {
        if let Request::Unlock(typed) = &request {
            self.unlocked.push(typed.0.to_string());
        }
        let message = match request {
            // The search went on without the disk, and found nothing.
            Request::Unlock(typed) if typed.0.is_empty() => Message::Opened(Ok(Opened::DiskLocked(
                "the archive was not found elsewhere; /dev/sdb2 is encrypted (LUKS) and may hold it".into(),
            ))),
            Request::Open(Some(source)) if source.starts_with("disk:") => {
                let reason = format!(
                    "{source} was not found; /dev/sdb2 is encrypted (LUKS) and may hold it. It is opened read-only."
                );
                Message::Opened(Ok(Opened::DiskLocked(reason)))
            }
            Request::Unlock(typed) if typed.0.as_str() == "not the disk's" => {
                Message::Opened(Ok(Opened::DiskLocked("this passphrase does not open /dev/sdb2; try again".into())))
            }
            Request::Open(_) => Message::Opened(Ok(Opened::KeyWanted(
                "the archive is encrypted, and the medium does not hold the key".into(),
            ))),
            Request::Unlock(typed) if typed.0.as_str() == "right" => {
                Message::Opened(Ok(Opened::Backups(self.backups(), 2, None)))
            }
            Request::Unlock(_) => Message::Opened(Ok(Opened::KeyWanted("this key does not match; try again".into()))),
            Request::Choose(_) => Message::Chosen(Ok(Box::new((self.machine.clone(), self.machine.clone())))),
            Request::Keys(typed) => {
                let before = self.locked.len();
                self.locked.retain(|(_, passphrase)| typed.as_ref().is_none_or(|typed| typed.0.as_str() != passphrase));
                let locked = self.locked.iter().map(|(device, _)| device.clone()).collect();
                Message::Keys(Ok((locked, self.locked.len() < before)))
            }
            Request::Passphrase(uuid, typed) => {
                self.unlocked.push(format!("{uuid} {}", typed.0.as_str()));
                Message::PassphraseKept(Ok(()))
            }
            Request::Look => Message::Hardware(Ok(self.hardware.clone())),
            Request::Search(query) => {
                let found: Vec<ListedFile> =
                    self.files.iter().filter(|file| file.shown().contains(&query)).cloned().collect();
                let count = found.len() as u64;
                Message::Found { query, result: Ok((found, count)) }
            }
            Request::Places => Message::Places(Ok(vec![
                place("/dev/sdb1", "vfat", "STICK", true),
                place("/dev/vda2", "ext4", "root", false),
            ])),
            Request::Save(place) => Message::Saved(Ok(format!("lifeboat-logs-box-1 on {place}"))),
            Request::Keymap(name, _) => Message::KeymapLoaded(Ok(name)),
            request @ (Request::CarryOut(..) | Request::RestoreFiles(..)) => {
                self.asked.push(request);
                return;
            }
        };
        self.send(message);
    }

    /// From the welcome to the disks.
    pub fn go_to_hardware(&mut self) {
        self.press(&[Key::Enter]);
        self.type_text("right");
        self.press(&[Key::Enter, Key::Enter]);
    }

    pub fn text(&self) -> String {
        text(&self.model)
    }
}

fn place(path: &str, kind: &str, label: &str, removable: bool) -> ArchivePlace {
    ArchivePlace {
        path: path.into(),
        size_bytes: 8 << 30,
        kind: kind.into(),
        label: label.into(),
        mounted: None,
        removable,
    }
}

/// Snapshots of a screen: as it is, and `NAME_wide` on 200 columns and 50 rows.
macro_rules! screens {
    ($name:literal, $model:expr) => {{
        insta::assert_snapshot!($name, $crate::common::text(&$model));
        insta::assert_snapshot!(concat!($name, "_wide"), $crate::common::text(&$crate::common::wide(&$model)));
    }};
}

/// The same on a large screen.
pub fn wide(model: &Model) -> Model {
    let mut model = model.clone();
    update(&mut model, Input::Size(200, 50));
    model
}

/// The screen as text, without blanks at the ends of lines.
pub fn text(model: &Model) -> String {
    let (columns, rows) = model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| view(frame, model)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |row: u16| -> String { (0..columns).map(|column| buffer[(column, row)].symbol()).collect() };
    (0..rows).map(|row| line(row).trim_end().to_owned() + "\n").collect()
}
