//! The finder on a running machine: the same screens, and nothing but a folder is written.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod common;

use common::text as shown;
use lifeboat_machine::parameters::After;
use lifeboat_restore::session::{Backup, Destination, ListedFile, RestoredFiles};
use lifeboat_screen::Look;
use lifeboat_screen::key::Key;
use lifeboat_screen::model::{Effect, Input, Message, Model, Request, Screen};
use lifeboat_screen::update::update;
use std::path::PathBuf;

fn model(size: (u16, u16)) -> Model {
    let backup = |id: &str, day: u32| Backup {
        id: id.repeat(8),
        time: format!("2026-11-{day}T02:00:00Z"),
        entries: 28_114,
        bytes: 1 << 30,
    };
    let snapshots = vec![backup("a1", 20), backup("b2", 21)];
    let mut model = Model::browsing("web1".to_owned(), snapshots, "/root/restored", Look::default());
    model.size = size;
    model
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    update(model, Input::Key(key))
}

fn take(model: &mut Model, message: Message) -> Vec<Effect> {
    update(model, Input::Message(message))
}

#[test]
fn it_looks_so() {
    let mut model = model((80, 24));
    screens!("browse_backups", model);
    press(&mut model, Key::Enter);
    take(&mut model, Message::Ready(Ok(())));
    for letter in ['s', 's', 'h'] {
        press(&mut model, Key::Char(letter));
    }
    let file = |path: &str, directory, size_bytes| ListedFile { path: path.into(), directory, size_bytes };
    let list = vec![
        file("/etc/ssh", true, 0),
        file("/etc/ssh/ssh_config", false, 1650),
        file("/etc/ssh/sshd_config", false, 3223),
        file("/home/ada/.ssh", true, 0),
        file("/home/ada/.ssh/authorized_keys", false, 561),
    ];
    take(&mut model, Message::Found { query: "ssh".into(), result: Ok((list, 5)) });
    for key in [Key::Down, Key::Down, Key::Tab] {
        press(&mut model, key);
    }
    screens!("browse_files", model);
    press(&mut model, Key::Enter);
    screens!("browse_destination", model);
    press(&mut model, Key::Enter);
    take(&mut model, Message::FilesRestored(Ok(RestoredFiles { entries: 1, bytes: 3223, problems: vec![] })));
    screens!("browse_result", model);
}

#[test]
fn from_the_list_of_snapshots_to_restored_files() {
    for size in [(80, 24), (200, 50)] {
        let mut model = model(size);
        let screen = shown(&model);
        assert!(screen.contains("Which backup? The newest is on top.") && screen.contains("Esc: end"), "{screen}");
        assert_eq!(press(&mut model, Key::Enter), [Effect::Work(Request::Choose(1))]);
        // Keys have to wait while a snapshot is read.
        assert!(press(&mut model, Key::Escape).is_empty());
        assert_eq!(take(&mut model, Message::Ready(Ok(()))), [Effect::Work(Request::Search(String::new()))]);
        assert_eq!(press(&mut model, Key::Char('f')), [Effect::Work(Request::Search("f".into()))]);
        let file = ListedFile { path: PathBuf::from("/etc/fstab"), directory: false, size_bytes: 17 };
        let result = Ok((vec![file], 1));
        assert!(take(&mut model, Message::Found { query: "f".into(), result }).is_empty());
        assert!(shown(&model).contains("[ ] /etc/fstab"));
        press(&mut model, Key::Tab);
        press(&mut model, Key::Enter);
        assert_eq!(model.screen, Screen::Destination);
        let screen = shown(&model);
        assert!(screen.contains("Into a folder of this machine") && screen.contains("/root/restored"), "{screen}");
        assert!(!screen.contains("own disks"), "{screen}");
        // There is no other destination to move to.
        press(&mut model, Key::Down);
        let to = Destination::Folder("/root/restored".into());
        let wanted = Request::RestoreFiles(vec![PathBuf::from("/etc/fstab")], to);
        assert_eq!(press(&mut model, Key::Enter), [Effect::Work(wanted)]);
        let report = RestoredFiles { entries: 1, bytes: 17, problems: vec![] };
        take(&mut model, Message::FilesRestored(Ok(report)));
        let screen = shown(&model);
        assert!(screen.contains("Restored 1 entry, 17 B") && screen.contains("Choose more files"), "{screen}");
        assert!(!screen.contains("Restart") && !screen.contains("Power off"), "{screen}");
        press(&mut model, Key::Down);
        assert_eq!(press(&mut model, Key::Enter), [Effect::Leave(After::Shell)]);
        press(&mut model, Key::Up);
        assert!(press(&mut model, Key::Enter).is_empty());
        assert_eq!(model.screen, Screen::Snapshots);
        assert_eq!(press(&mut model, Key::Escape), [Effect::Leave(After::Shell)]);
    }
}

#[test]
fn a_snapshot_that_cannot_be_read_is_an_error_on_the_screen() {
    let mut model = model((80, 24));
    press(&mut model, Key::Enter);
    take(&mut model, Message::Ready(Err("cannot READ the directory / of the repository: it is damaged".into())));
    let screen = shown(&model);
    assert!(model.screen == Screen::Snapshots && screen.contains("it is damaged"), "{screen}");
}
