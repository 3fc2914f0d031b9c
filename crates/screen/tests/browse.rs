//! The finder on a running machine: the same screens, and nothing but a folder is written.
#![allow(clippy::unwrap_used)]

use lifeboat_machine::parameters::After;
use lifeboat_restore::session::{Backup, Destination, ListedFile, RestoredFiles};
use lifeboat_screen::Look;
use lifeboat_screen::key::Key;
use lifeboat_screen::model::{Effect, Input, Message, Model, Request, Screen};
use lifeboat_screen::update::update;
use lifeboat_screen::view::view;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
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

fn shown(model: &Model) -> String {
    let (columns, rows) = model.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| view(frame, model)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let row = |y| (0..columns).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
    (0..rows).map(|y| row(y).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

fn press(model: &mut Model, key: Key) -> Vec<Effect> {
    update(model, Input::Key(key))
}

fn take(model: &mut Model, message: Message) -> Vec<Effect> {
    update(model, Input::Message(message))
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
