//! RAID, LVM and encryption in the layout editor.

use super::layout::choices;
use super::parts::{Body, field, heading, paragraph};
use crate::model::Model;
use crate::review::holds;
use ratatui::style::Style;
use ratatui::text::Line;

pub fn storage(model: &Model) -> Body {
    let Some(device) = model.chosen_partition() else { return Body::default() };
    let list = model.storage_choices();
    let items: Vec<String> = list
        .iter()
        .map(|choice| {
            let no = if model.check_storage(choice).is_err() { "  (not possible)" } else { "" };
            format!("{}{no}", choice.text)
        })
        .collect();
    let about = list.get(model.storage.at).and_then(|choice| model.check_storage(choice).err());
    choices(model, format!("Which storage for {} ({})?", device.id, holds(device)), &items, model.storage.at, about)
}

pub fn passphrase(model: &Model) -> Body {
    let what = model.pending.as_ref().map(|one| one.device().to_string()).unwrap_or_default();
    let mut lines =
        vec![heading(model.look, format!("A passphrase for {what}, which will be encrypted")), Line::default()];
    let text = "The restored machine asks for it when it starts. It is kept in memory only, and cannot be found out again by \
                anybody: write it down. The keyboard layout of the restored machine may be another one than this.";
    lines.extend(paragraph(model, text, Style::new()));
    lines.push(Line::default());
    let (line, first) = field(model, "Passphrase:", &model.key, true);
    let at = lines.len();
    lines.push(line);
    let mut cursor = (first, at);
    if model.repeating {
        let (line, second) = field(model, "Once more: ", &model.repeated, true);
        cursor = (second, at + 1);
        lines.push(line);
    }
    Body { lines, cursor: Some(cursor), keys: "Enter: accept   Ctrl-U: empty   Esc: back" }
}
