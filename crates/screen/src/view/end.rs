//! Progress, result, keyboard.

use super::parts::{Body, field, heading, label, listed, paragraph};
use crate::model::{Goal, Model, Outcome};
use crate::progress::Numbers;
use crate::update::end::{result_lines, result_rows};
use lifeboat_machine::bytes::{counted, grouped, human, printable};
use ratatui::style::Style;
use ratatui::text::Line;

pub fn progress(model: &Model) -> Body {
    let progress = &model.progress;
    let current = progress.current();
    let mut lines: Vec<Line> = vec![];
    for (index, stage) in progress.stages.iter().enumerate() {
        let (mark, time) = match stage.seconds {
            Some(seconds) => ("done", format!("{seconds:.1} s")),
            None if Some(index) == current => ("now", String::new()),
            None => ("", String::new()),
        };
        let style = if mark == "now" { model.look.strong() } else { Style::new() };
        lines.push(Line::styled(format!("{mark:<5} {:<40} {time:>10}", stage.title), style));
    }
    lines.push(Line::default());
    if let Some((number, total, text)) = &progress.step {
        let text = paragraph(model, &format!("step {number} of {total}: {text}"), Style::new());
        lines.extend(text.into_iter().take(2));
    }
    if let Some(numbers) = &progress.numbers {
        lines.push(Line::styled(bar(numbers, model.columns()), model.look.good()));
        lines.push(Line::raw(counts(numbers)));
    }
    lines.push(Line::default());
    let elapsed = model.clock.saturating_sub(progress.began);
    let style = if progress.problems > 0 { model.look.danger() } else { Style::new() };
    let text = format!(
        "{} since the start; warnings: {}, entries with problems: {}",
        duration(elapsed),
        grouped(progress.warnings),
        grouped(progress.problems)
    );
    lines.push(Line::styled(text, style));
    let room = model.rows().saturating_sub(lines.len());
    let last = progress.lines.len().saturating_sub(room);
    for line in &progress.lines[last..] {
        lines.push(Line::raw(super::parts::cut(&printable(line.as_bytes()).replace("\\\\", "\\"), model.columns())));
    }
    Body { lines, cursor: None, keys: "The work continues by itself, even if this terminal is lost." }
}

/// `[#####.....] 43.2 %`.
fn bar(numbers: &Numbers, columns: usize) -> String {
    let Some(permille) = numbers.permille() else { return String::new() };
    let width = columns.saturating_sub(11);
    let full = width * usize::try_from(permille).unwrap_or(0) / 1000;
    format!("[{}{}] {:>3}.{} %", "#".repeat(full), ".".repeat(width - full), permille / 10, permille % 10)
}

fn counts(numbers: &Numbers) -> String {
    let of = |all: u64, text: String| if all > 0 { format!(" of {text}") } else { String::new() };
    let mut text = format!(
        "{}{} entries, {}{}",
        grouped(numbers.entries.0),
        of(numbers.entries.1, grouped(numbers.entries.1)),
        human(numbers.bytes.0),
        of(numbers.bytes.1, human(numbers.bytes.1)),
    );
    if let Some(rate) = numbers.rate() {
        text.push_str(&format!(", {}/s", human(rate)));
    }
    if let Some(left) = numbers.left() {
        text.push_str(&format!(", {} left", duration(left)));
    }
    text
}

fn entries(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "entry")
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds % 3600 / 60),
    }
}

pub fn result(model: &Model) -> Body {
    let mut lines = vec![match &model.outcome {
        Some(Outcome::Restored { entries, seconds, missing: 0 }) => Line::styled(
            format!("RESTORED: {} entries in {}", grouped(*entries), duration(*seconds as u64)),
            model.look.good(),
        ),
        Some(Outcome::Restored { entries, seconds, missing }) => Line::styled(
            format!(
                "RESTORED: {} entries in {}; {} are missing or differ: the archive is damaged",
                grouped(*entries),
                duration(*seconds as u64),
                grouped(*missing)
            ),
            model.look.danger(),
        ),
        Some(outcome) if outcome.is_bootable() && model.goal == Goal::Machine => {
            Line::styled("The machine is BOOTABLE, but not every entry was restored", model.look.danger())
        }
        Some(Outcome::Failed { .. }) => Line::styled("FAILED", model.look.danger()),
        Some(Outcome::Files(report)) if report.problems.is_empty() => {
            Line::styled(format!("Restored {}, {}", entries(report.entries), human(report.bytes)), model.look.good())
        }
        Some(Outcome::Files(report)) => Line::styled(
            format!("Restored {}; {} could not be restored:", entries(report.entries), report.problems.len()),
            model.look.danger(),
        ),
        None => Line::default(),
    }];
    lines.push(Line::default());
    let all = result_lines(model, model.columns());
    let rows = result_rows(model);
    if all.is_empty() {
        let text = match &model.outcome {
            Some(Outcome::Restored { missing: 0, .. }) => {
                "Every entry was compared with the archive, without a difference. Remove the medium and restart."
            }
            _ => "",
        };
        lines.extend(paragraph(model, text, Style::new()));
    }
    let shown = all.iter().skip(model.scroll).take(rows);
    lines.extend(shown.map(|line| Line::raw(printable(line.as_bytes()).replace("\\\\", "\\"))));
    lines.resize(rows + 2, Line::default());
    let seen = (model.scroll + rows).min(all.len());
    lines.push(heading(
        model.look,
        match all.len() {
            0 => String::new(),
            count => format!("lines {} to {seen} of {count}", model.scroll + 1),
        },
    ));
    lines.push(Line::default());
    let endings = model.endings();
    let items: Vec<String> = endings.iter().map(|choice| label(*choice, model.running).to_owned()).collect();
    lines.extend(listed(model, &items, model.ending.at, items.len()));
    Body { lines, cursor: None, keys: "PgUp, PgDn: read   Up, Down: move   Enter: choose" }
}

pub fn keyboard(model: &Model) -> Body {
    let (line, column) = field(model, "Name:", &model.keymap_filter, false);
    let mut lines = vec![line, Line::default()];
    let items: Vec<String> = model.fitting_keymaps().iter().map(|(name, _)| name.clone()).collect();
    let height = model.rows().saturating_sub(lines.len() + 1);
    lines.extend(listed(model, &items, model.keymap.at, height));
    lines.resize(model.rows().saturating_sub(1), Line::default());
    lines.push(Line::raw("The layout is for the keyboard of this screen; a serial terminal has its own."));
    Body { lines, cursor: Some((column, 0)), keys: "Type: search   Up, Down: move   Enter: load it   Esc: back" }
}
