//! What screens are made of.

use crate::field::Field;
use crate::look::Look;
use crate::model::{Choice, Goal, Model};
use crate::review::wrapped;
use lifeboat_machine::bytes::printable;
use lifeboat_machine::parameters::After;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// A body of a screen.
#[derive(Default)]
pub(super) struct Body {
    pub(super) lines: Vec<Line<'static>>,
    /// Column and row inside the frame.
    pub(super) cursor: Option<(usize, usize)>,
    /// The keys of this screen.
    pub(super) keys: &'static str,
}

/// The text of a menu line.
pub(super) fn label(choice: Choice, running: bool) -> &'static str {
    match choice {
        Choice::Leave(After::Shell) if running => "End",
        Choice::Again if running => "Choose more files",
        Choice::Start(Goal::Machine) => "Recover the whole machine",
        Choice::Start(Goal::Files) => "Restore chosen files",
        Choice::Source => "Use another archive: a folder, a device, an image file",
        Choice::Keyboard => "Choose the keyboard layout",
        Choice::Save => "Save the logs to a USB stick, folder or server",
        Choice::Leave(After::Shell) => "Shell (expert mode)",
        Choice::Leave(After::Reboot) => "Restart the computer",
        Choice::Leave(After::Poweroff) => "Power off",
        Choice::Again => "Start again",
    }
}

/// What does not fit is cut, with a mark.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(2)).collect();
    if columns < 2 { kept } else { format!("{kept}..") }
}

/// The end of a path says more than its beginning.
pub(super) fn cut_front(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(length - columns.saturating_sub(2)).collect();
    format!("..{kept}")
}

/// `2026-11-24 10:32:04 UTC` of an RFC 3339 time.
pub(super) fn time(rfc3339: &str) -> String {
    let (day, rest) = rfc3339.split_once('T').unwrap_or((rfc3339, ""));
    let clock = rest.get(..8).unwrap_or(rest);
    let zone = rest.get(8..).unwrap_or_default().trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let zone = if zone == "Z" { "UTC" } else { zone };
    format!("{day} {clock} {zone}").trim_end().to_owned()
}

/// A line of a list; the chosen one reversed over its whole width, and marked for terminals that cannot.
fn row(look: Look, chosen: bool, text: &str, columns: usize) -> Line<'static> {
    let mark = if chosen { "> " } else { "  " };
    let text = cut(&printable(text.as_bytes()), columns.saturating_sub(2));
    let line = format!("{mark}{text:<width$}", width = columns.saturating_sub(2));
    if chosen { Line::styled(line, look.reversed()) } else { Line::raw(line) }
}

/// A part of a list with the chosen line in it, and how many are above and below.
pub(super) fn listed(model: &Model, items: &[String], at: usize, height: usize) -> Vec<Line<'static>> {
    let columns = model.columns();
    let paged = items.len() > height;
    let height = if paged { height.saturating_sub(1).max(1) } else { height.max(1) };
    let first = crate::field::Picker { at }.first(height);
    let mut lines: Vec<Line> = items
        .iter()
        .enumerate()
        .skip(first)
        .take(height)
        .map(|(index, item)| row(model.look, index == at, item, columns))
        .collect();
    if paged {
        let last = (first + height).min(items.len());
        lines.resize(height, Line::default());
        lines.push(Line::raw(format!("  lines {} to {last} of {}", first + 1, items.len())));
    }
    lines
}

pub(super) fn heading(look: Look, text: impl Into<String>) -> Line<'static> {
    Line::styled(text.into(), look.strong())
}

/// Text of any length, over several lines.
pub(super) fn paragraph(model: &Model, text: &str, style: Style) -> Vec<Line<'static>> {
    let text = printable(text.as_bytes()).replace("\\\\", "\\");
    wrapped(&text, model.columns()).into_iter().map(|line| Line::styled(line, style)).collect()
}

/// A field with its label; returns the line and the column of the cursor.
pub(super) fn field(model: &Model, label: &str, field: &Field, hidden: bool) -> (Line<'static>, usize) {
    let width = model.columns().saturating_sub(label.chars().count() + 2);
    let (text, cursor) = field.window(width, hidden);
    let text = text.replace(|c: char| c.is_control(), "?");
    let column = label.chars().count() + 1 + cursor;
    let line =
        Line::from(vec![Span::raw(format!("{label} ")), Span::styled(format!("{text:_<width$}"), model.look.strong())]);
    (line, column)
}
