//! What is on the screen: a pure function of the model.
//!
//! | module | holds |
//! | --- | --- |
//! | [`start`] | welcome, source, key, snapshots |
//! | [`machine`] | disks, mapping, review, confirmation |
//! | [`layout`] | partitions: sizes, filesystems, places |
//! | [`files`] | which files, and where they go |
//! | [`parts`] | what screens are made of: lists, fields, paragraphs |
//! | [`end`] | progress, result, logs, keyboard |
//!
//! Every screen has the same form: a title, a frame, a line for what happened, a line with the keys.

mod end;
mod files;
mod layout;
mod machine;
mod parts;
mod start;
mod storage;

use crate::model::{Model, Notice, Screen};
use crate::review::wrapped;
use lifeboat_machine::bytes::printable;
use parts::{Body, cut};
use ratatui::Frame;
use ratatui::layout::{Constraint, Position};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph};

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
        Screen::Storage => storage::storage(model),
        Screen::Passphrase => storage::passphrase(model),
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
        Screen::Storage => "storage of a partition",
        Screen::Passphrase => "new passphrase",
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

/// A terminal that may not support more gets ASCII only.
fn to_ascii(frame: &mut Frame) {
    for cell in &mut frame.buffer_mut().content {
        if !cell.symbol().is_ascii() {
            cell.set_char('?');
        }
    }
}
