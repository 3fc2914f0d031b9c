//! Which files, and where they go.

use super::machine::confirmed;
use super::parts::{Body, cut_front, field, heading, listed, paragraph};
use crate::model::Model;
use crate::update::files::filesystems;
use lifeboat_machine::bytes::{grouped, human, printable};
use ratatui::style::Style;
use ratatui::text::Line;

pub fn files(model: &Model) -> Body {
    let files = &model.files;
    let (line, column) = field(model, "Search:", &files.query, false);
    let mut lines = vec![line];
    let count = if files.searching {
        "searching ...".to_owned()
    } else if files.count > files.found.len() as u64 {
        format!("{} found, the first {} are shown", grouped(files.count), grouped(files.found.len() as u64))
    } else {
        format!("{} found", grouped(files.count))
    };
    let chosen = files.chosen.len();
    lines.push(heading(model.look, format!("{count}; {chosen} chosen (a folder includes everything in it)")));
    lines.push(Line::default());
    let columns = model.columns();
    let items: Vec<String> = files
        .found
        .iter()
        .map(|file| {
            let mark = if files.chosen.contains(&file.path) { "[x]" } else { "[ ]" };
            let size = if file.directory { String::new() } else { human(file.size_bytes) };
            let width = columns.saturating_sub(18);
            // Already printable: undo the second escaping of backslashes in `row`.
            format!("{mark} {:<width$} {size:>10}", cut_front(&file.shown().replace("\\\\", "\\"), width))
        })
        .collect();
    let height = model.rows().saturating_sub(lines.len());
    lines.extend(listed(model, &items, files.picker.at, height));
    Body {
        lines,
        cursor: Some((column, 0)),
        keys: "Type: search   Up, Down: move   Tab: choose   Enter: go on   Esc: back",
    }
}

pub fn destination(model: &Model) -> Body {
    let chosen = &model.files.chosen;
    let mut lines = vec![heading(model.look, format!("{} chosen; where shall they go?", chosen.len()))];
    let shown = 6;
    for path in chosen.iter().take(shown) {
        let name = printable(path.as_os_str().as_encoded_bytes());
        lines.push(Line::raw(format!("  {}", cut_front(&name, model.columns().saturating_sub(2)))));
    }
    if chosen.len() > shown {
        lines.push(Line::raw(format!("  and {} more", chosen.len() - shown)));
    }
    lines.push(Line::default());
    let items = [
        "Into a folder of the rescue system (below a disk or share that you mounted)".to_owned(),
        "To their places on the machine's own disks; what is there is replaced".to_owned(),
    ];
    if model.running {
        let text = "Into a folder of this machine, with the folders that lead to them; what is there is replaced.";
        lines.extend(paragraph(model, text, Style::new()));
    } else {
        lines.extend(listed(model, &items, model.destination.at, 2));
    }
    lines.push(Line::default());
    let mut cursor = None;
    if model.destination.at == 0 {
        let (line, column) = field(model, "Folder:", &model.folder, false);
        cursor = Some((column, lines.len()));
        lines.push(line);
    } else {
        let text = "The disks must be the machine's own, with intact filesystems: they are mounted, written to, and \
             unmounted.";
        lines.extend(paragraph(model, text, Style::new()));
    }
    let keys = match model.destination.at {
        _ if model.running => "Type: the folder   Enter: restore them now   Esc: back",
        0 => "Up, Down: move   Enter: restore them now   Esc: back",
        _ => "Up, Down: move   Enter: go on   Esc: back",
    };
    Body { lines, cursor, keys }
}

/// The last question before files of the machine's own disks are replaced.
pub fn confirm(model: &Model) -> Body {
    let chosen = model.files.chosen.len();
    let entries =
        if chosen == 1 { "1 chosen entry goes" } else { &format!("{} chosen entries go", grouped(chosen as u64)) };
    let text = format!(
        "This is the last question. {entries} onto the machine's own disks, folders with all that is in them. Existing files \
         are replaced on:"
    );
    let mut lines = paragraph(model, &text, model.look.strong());
    lines.push(Line::default());
    let mut replaced = vec![];
    for (mount, filesystem) in filesystems(model) {
        let (kind, uuid) = (filesystem.options.mount_type(), &filesystem.uuid);
        let text = format!("~ {}: {kind}, UUID {uuid}", mount.mount_point);
        replaced.extend(paragraph(model, &text, model.look.danger()));
    }
    confirmed(model, lines, replaced, "and more", "Enter: restore the files   Esc: back, nothing is touched")
}
