//! What is on the screen: a pure function of the model.
//!
//! | module | holds |
//! | --- | --- |
//! | [`start`] | welcome, source, key, snapshots |
//! | [`machine`] | disks, mapping, review, confirmation |
//! | [`layout`] | partitions: sizes, filesystems, places |
//! | [`files`] | which files, and where they go |
//! | [`end`] | progress, result, logs, keyboard |
//!
//! Every screen has one form: a title, a frame, a line for what happened, a line with the keys.

mod end;
mod files;
mod layout;
mod machine;
mod start;

use crate::field::Field;
use crate::look::Look;
use crate::model::{Choice, Goal, Model, Notice, Screen};
use crate::review::wrapped;
use lifeboat_machine::bytes::printable;
use lifeboat_machine::parameters::After;
use ratatui::Frame;
use ratatui::layout::{Constraint, Position};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

/// A body of a screen.
#[derive(Default)]
struct Body {
    lines: Vec<Line<'static>>,
    /// Column and row inside the frame.
    cursor: Option<(usize, usize)>,
    /// The keys of this screen.
    keys: &'static str,
}

/// Paints the model.
pub fn view(frame: &mut Frame, model: &Model) {
    let area = frame.area();
    let rows = ratatui::layout::Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ]);
    let [head, middle, notice, keys] = rows.areas(area);
    let name = printable(model.facts.machine.as_bytes());
    let width = usize::from(area.width);
    let left = format!(" Lifeboat: {}", title(model));
    let room = width.saturating_sub(left.chars().count() + 2);
    let right = format!("machine {} ", cut(&name, room.saturating_sub(9)));
    let gap = width.saturating_sub(left.chars().count() + right.chars().count());
    frame.render_widget(Line::styled(format!("{left}{}{right}", " ".repeat(gap)), model.look.reversed()), head);

    let block = Block::bordered().border_set(model.look.border());
    let inner = block.inner(middle);
    frame.render_widget(block, middle);
    let inside = ratatui::layout::Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let body = body(model);
    frame.render_widget(Paragraph::new(body.lines), inside);
    if let (Some((column, row)), None) = (body.cursor, &model.busy) {
        let (column, row) = (u16::try_from(column).unwrap_or(0), u16::try_from(row).unwrap_or(0));
        if row < inside.height {
            frame.set_cursor_position(Position::new(inside.x + column.min(inside.width), inside.y + row));
        }
    }

    match (&model.busy, &model.notice) {
        (Some(what), _) => frame.render_widget(Line::styled(format!(" {what} ..."), model.look.strong()), notice),
        (None, Some(Notice::Info(text))) => show_notice(frame, model, notice, text, model.look.good()),
        (None, Some(Notice::Error(text))) => show_notice(frame, model, notice, text, model.look.danger()),
        (None, None) => {}
    }
    frame.render_widget(Line::raw(format!(" {}", body.keys)), keys);
    if !model.look.unicode {
        to_ascii(frame);
    }
}

/// A notice grows upwards over the frame when one line is not enough.
fn show_notice(frame: &mut Frame, model: &Model, place: ratatui::layout::Rect, text: &str, style: Style) {
    let lines = wrapped(&printable(text.replace('\n', "; ").as_bytes()).replace("\\\\", "\\"), model.columns());
    let height = u16::try_from(lines.len()).unwrap_or(1).min(place.y);
    let area = ratatui::layout::Rect { y: place.y + 1 - height, height, ..place };
    let lines: Vec<Line> = lines.into_iter().map(|line| Line::styled(format!(" {line}"), style)).collect();
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines), area);
}

fn body(model: &Model) -> Body {
    match model.screen {
        Screen::Welcome => start::welcome(model),
        Screen::Source => start::source(model),
        Screen::Key => start::key(model),
        Screen::Snapshots => start::snapshots(model),
        Screen::Hardware => machine::hardware(model),
        Screen::Mapping => machine::mapping(model),
        Screen::Target => machine::target(model),
        Screen::Layout => layout::layout(model),
        Screen::Size => layout::size(model),
        Screen::Kind => layout::kind(model),
        Screen::Spot => layout::spot(model),
        Screen::Review => machine::review(model),
        Screen::Confirm => machine::confirm(model),
        Screen::Files => files::files(model),
        Screen::Destination => files::destination(model),
        Screen::Progress => end::progress(model),
        Screen::Result => end::result(model),
        Screen::Save => start::save(model),
        Screen::Keyboard => end::keyboard(model),
    }
}

fn title(model: &Model) -> &'static str {
    match model.screen {
        Screen::Welcome => "welcome",
        Screen::Source => "another archive",
        Screen::Key => "key",
        Screen::Snapshots => "backups",
        Screen::Hardware => "disks found",
        Screen::Mapping => "which disk goes where",
        Screen::Target => "choose a disk",
        Screen::Layout => "partitions",
        Screen::Size => "size of a partition",
        Screen::Kind => "filesystem of a partition",
        Screen::Spot => "place of a partition",
        Screen::Review => "the plan",
        Screen::Confirm => "confirm",
        Screen::Files => "choose files",
        Screen::Destination => "where the files go",
        Screen::Progress => "at work",
        Screen::Result => "result",
        Screen::Save => "save the logs",
        Screen::Keyboard => "keyboard layout",
    }
}

/// What a line of a menu says.
fn label(choice: Choice) -> &'static str {
    match choice {
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
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(2)).collect();
    if columns < 2 { kept } else { format!("{kept}..") }
}

/// The end of a path tells more than its beginning.
fn cut_front(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(length - columns.saturating_sub(2)).collect();
    format!("..{kept}")
}

/// `2026-11-24 10:32:04 UTC` of an RFC 3339 time.
fn time(rfc3339: &str) -> String {
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

/// A part of a list with the chosen line in it, and what is above and below.
fn listed(model: &Model, items: &[String], at: usize, height: usize) -> Vec<Line<'static>> {
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

fn heading(look: Look, text: impl Into<String>) -> Line<'static> {
    Line::styled(text.into(), look.strong())
}

/// Text of any length, over several lines.
fn paragraph(model: &Model, text: &str, style: Style) -> Vec<Line<'static>> {
    let text = printable(text.as_bytes()).replace("\\\\", "\\");
    wrapped(&text, model.columns()).into_iter().map(|line| Line::styled(line, style)).collect()
}

/// A field with its label; gives the line and the column of the cursor.
fn field(model: &Model, label: &str, field: &Field, hidden: bool) -> (Line<'static>, usize) {
    let width = model.columns().saturating_sub(label.chars().count() + 2);
    let (text, cursor) = field.window(width, hidden);
    let text = text.replace(|c: char| c.is_control(), "?");
    let column = label.chars().count() + 1 + cursor;
    let line =
        Line::from(vec![Span::raw(format!("{label} ")), Span::styled(format!("{text:_<width$}"), model.look.strong())]);
    (line, column)
}

/// A terminal that may not know more gets ASCII only.
fn to_ascii(frame: &mut Frame) {
    for cell in &mut frame.buffer_mut().content {
        if !cell.symbol().is_ascii() {
            cell.set_char('?');
        }
    }
}
