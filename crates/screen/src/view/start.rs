//! Welcome, source, key, snapshots.

use super::parts::{Body, field, heading, label, listed, paragraph, time};
use crate::model::{KeyOf, Model, WELCOME};
use lifeboat_machine::bytes::{grouped, human};
use ratatui::style::Style;
use ratatui::text::Line;

pub fn welcome(model: &Model) -> Body {
    let facts = &model.facts;
    let mut lines =
        vec![heading(model.look, "Nothing is written before you type the machine's name at the end."), Line::default()];
    let mut known = vec![
        ("Machine", format!("{}, {}", facts.machine, facts.system)),
        ("Recorded", time(&facts.recorded_at)),
        ("Medium", facts.medium.clone()),
    ];
    if let Some(archive) = model.source.as_ref().or(facts.elsewhere.as_ref()) {
        // The medium, if there is one, is only what this was started from.
        known.truncate(2);
        known.push(("Archive", archive.clone()));
    }
    for (name, value) in known {
        lines.extend(paragraph(model, &format!("{name}: {value}"), Style::new()));
    }
    for mistake in &facts.mistakes {
        lines.extend(paragraph(model, &format!("Ignored: {mistake}"), model.look.change()));
    }
    lines.push(Line::default());
    let items: Vec<String> = WELCOME.iter().map(|choice| label(*choice, model.running).to_owned()).collect();
    let height = model.rows().saturating_sub(lines.len());
    lines.extend(listed(model, &items, model.welcome.at, height));
    Body { lines, cursor: None, keys: "Up, Down: move   Enter: choose   Ctrl-L: redraw" }
}

pub fn source(model: &Model) -> Body {
    let text = "Where is the archive? A device or image file with a Lifeboat medium on it, a folder that is a repository, \
                an address (nfs://, smb://, http://, rest:, sftp://, s3://), or disk:LABEL=NAME:/FOLDER, which may be on md, LVM or LUKS.";
    places(model, text)
}

pub fn save(model: &Model) -> Body {
    let text = "Where shall the logs go? A device is mounted, gets a new folder, and is unmounted; another place is a folder or an \
         address (nfs://, smb://, sftp://, s3://). No key is among the logs.";
    places(model, text)
}

fn places(model: &Model, text: &str) -> Body {
    let mut lines = paragraph(model, text, Style::new());
    lines.push(Line::default());
    let mut items: Vec<String> = model
        .places
        .iter()
        .map(|place| {
            let mounted = place.mounted.as_ref().map(|at| format!(", mounted on {at}")).unwrap_or_default();
            let stick = if place.removable { ", removable" } else { "" };
            let size = human(place.size_bytes);
            format!("{:<14} {size:>10}  {} \"{}\"{stick}{mounted}", place.path, place.kind, place.label)
        })
        .collect();
    items.push("Another place:".into());
    let height = model.rows().saturating_sub(lines.len() + 2);
    lines.extend(listed(model, &items, model.place.at, height));
    let (line, column) = field(model, "   ", &model.typed_place, false);
    let cursor = (model.place.at == model.places.len()).then_some((column, lines.len()));
    lines.push(line);
    Body { lines, cursor, keys: "Up, Down: move   Enter: accept   Esc: back" }
}

pub fn key(model: &Model) -> Body {
    let mut lines = paragraph(model, &model.key_reason, model.look.strong());
    lines.push(Line::default());
    let text = match model.key_of {
        KeyOf::Disk => {
            "Type the passphrase of this disk; where several are named it is tried on each. If the archive is on none of \
         them, press Enter without typing anything: the search goes on elsewhere for half a minute, and then also on \
         arrays and volume groups that lack a disk."
        }
        KeyOf::Machine => {
            "Type a passphrase that opened it on the machine; where several are named it is tried on each. The device is \
             made again with all its key slots, so the same passphrases open it afterwards."
        }
        KeyOf::Archive => {
            "Type the recovery words, with spaces between them (the first four letters of each are enough), \
             or the passphrase."
        }
    };
    lines.extend(paragraph(model, text, Style::new()));
    lines.push(Line::default());
    let cursor;
    if model.key_shown {
        // All words are visible, so that they can be compared with the paper.
        let columns = model.columns();
        let text: Vec<char> = model.key.text().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        cursor = (model.key.cursor() % columns, lines.len() + model.key.cursor() / columns);
        let rows = (text.len() / columns + 1).max(6);
        for row in 0..rows {
            let part: String = text.iter().skip(row * columns).take(columns).collect();
            lines.push(Line::styled(format!("{part:_<columns$}"), model.look.strong()));
        }
    } else {
        let name = if model.key_of == KeyOf::Archive { "Key:" } else { "Passphrase:" };
        let (line, column) = field(model, name, &model.key, true);
        cursor = (column, lines.len());
        lines.push(line);
        let words = model.key.text().split_whitespace().count();
        lines.push(Line::default());
        lines.push(Line::raw(match words {
            _ if model.key_of != KeyOf::Archive => String::new(),
            0 => String::new(),
            1 => "1 word".into(),
            words => format!("{words} words"),
        }));
    }
    let keys = if model.key_shown {
        "Enter: try it   Tab: hide it   Ctrl-U: empty   Esc: back"
    } else {
        "Enter: try it   Tab: show what is typed   Ctrl-U: empty   Esc: back"
    };
    Body { lines, cursor: Some(cursor), keys }
}

pub fn snapshots(model: &Model) -> Body {
    let mut lines = vec![
        heading(model.look, "Which backup? The newest is on top."),
        Line::default(),
        heading(model.look, format!("  {:<26} {:>12} {:>12}  {}", "begun", "entries", "bytes", "id")),
    ];
    let items: Vec<String> = model
        .snapshots
        .iter()
        .rev()
        .map(|s| {
            let known = |number: u64, text: String| if number == 0 { "unknown".to_owned() } else { text };
            let entries = known(s.entries, grouped(s.entries));
            let bytes = known(s.bytes, human(s.bytes));
            format!("{:<26} {entries:>12} {bytes:>12}  {}", time(&s.time), s.id.get(..8).unwrap_or(&s.id))
        })
        .collect();
    let at = model.snapshots.len().saturating_sub(model.snapshot.at + 1);
    let height = model.rows().saturating_sub(lines.len());
    lines.extend(listed(model, &items, at, height));
    let keys = match model.running {
        true => "Up, Down: move   Enter: accept   Esc: end",
        false => "Up, Down: move   Enter: accept   Esc: back",
    };
    Body { lines, cursor: None, keys }
}
