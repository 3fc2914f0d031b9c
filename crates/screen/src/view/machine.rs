//! Disks, mapping, review, confirmation.

use super::parts::{Body, cut, field, heading, listed, paragraph};
use crate::model::{Goal, Model};
use crate::review::Sign;
use lifeboat_machine::FoundDisk;
use lifeboat_machine::bytes::{human, printable};
use lifeboat_plan::MatchedBy;
use lifeboat_plan::matching::{content, name, recorded};
use ratatui::style::Style;
use ratatui::text::Line;

pub fn hardware(model: &Model) -> Body {
    let disks = &model.hardware.disks;
    let mut lines = vec![heading(
        model.look,
        format!(
            "Disks found: {}; the computer was booted through {}",
            disks.len(),
            if model.hardware.uefi { "UEFI" } else { "BIOS" }
        ),
    )];
    lines.push(Line::default());
    if disks.is_empty() {
        let text =
            "No disk was found. Its controller may lack a driver, or it is not connected: press r to look again.";
        lines.extend(paragraph(model, text, model.look.danger()));
    }
    let items: Vec<String> = disks.iter().map(|disk| disk_line(model, disk)).collect();
    let details = disks.get(model.disk.at).map(|disk| details(model, disk)).unwrap_or_default();
    let height = model.rows().saturating_sub(lines.len() + details.len() + 1);
    lines.extend(listed(model, &items, model.disk.at, height));
    lines.push(Line::default());
    lines.extend(details);
    Body { lines, cursor: None, keys: "Up, Down: move   Enter: go on   r: look again   Esc: back" }
}

/// A found disk on one line: path, size, model, and what matters most.
fn disk_line(model: &Model, disk: &FoundDisk) -> String {
    let what = match &disk.lock {
        Some(reason) => format!("LOCKED: {reason}"),
        None => content(disk),
    };
    let allowed = if model.may_wipe(disk) { "may be wiped: " } else { "" };
    // On a large screen a model's whole name.
    let width = if model.columns() >= 110 { 40 } else { 20 };
    let product = cut(disk.disk.model.as_deref().unwrap_or("").trim(), width);
    format!("{:<14} {:>10}  {product:<width$}  {allowed}{what}", disk.path, human(disk.size_bytes))
}

fn details(model: &Model, disk: &FoundDisk) -> Vec<Line<'static>> {
    let mut lines =
        paragraph(model, &format!("{}: {}", disk.path, name(&disk.disk, disk.size_bytes)), model.look.strong());
    let path = disk.disk.hardware_path.as_deref().unwrap_or("unknown path");
    let bus = disk.disk.transport.as_deref().unwrap_or("unknown bus");
    let wwn = disk.disk.wwn.as_ref().map(|wwn| format!(", WWN {wwn}")).unwrap_or_default();
    lines.extend(paragraph(model, &format!("{bus}, {path}{wwn}"), Style::new()));
    lines.extend(paragraph(model, &format!("holds {}", content(disk)), Style::new()));
    if let Some(reason) = &disk.lock {
        lines.extend(paragraph(model, &format!("locked: {reason}"), model.look.danger()));
    }
    lines
}

pub fn mapping(model: &Model) -> Body {
    let disks = model.recorded();
    let targets = model.plan.as_ref().map(|plan| plan.targets.as_slice()).unwrap_or_default();
    let mut items: Vec<String> = disks
        .iter()
        .map(|device| {
            let planned = targets.iter().find(|target| target.device == device.id);
            let goes = match (planned, model.choice_for(&device.id)) {
                (Some(target), _) => {
                    let by = if target.matched_by == MatchedBy::OnlyDisk { "as" } else { "by" };
                    format!("{} ({by} {})", target.path, target.matched_by)
                }
                (None, Some(found)) => format!("{} (your choice)", found.path),
                (None, None) => "not decided".into(),
            };
            format!("{} ({})  ->  {goes}", device.id, recorded(device))
        })
        .collect();
    items.push("Change partitions: sizes, filesystems, places".into());
    items.push("Show the plan".into());
    let mut lines =
        vec![heading(model.look, "The disks of the machine, and the disks that replace them"), Line::default()];
    let reason = match &model.plan {
        Ok(plan) => {
            let mut lines = vec![heading(model.look, "There is a plan. It wipes:")];
            for target in &plan.targets {
                lines.extend(paragraph(
                    model,
                    &format!("- {} ({}): holds {}", target.path, target.name, target.loses),
                    model.look.danger(),
                ));
            }
            lines
        }
        Err(reason) => {
            let mut lines = vec![heading(model.look, "There is no plan:")];
            lines.extend(refusal(model, reason, model.rows().saturating_sub(lines.len() + items.len() + 4)));
            lines
        }
    };
    let room = model.rows().saturating_sub(lines.len() + 1);
    let shown = reason.len().min(room.saturating_sub(4));
    let height = room.saturating_sub(shown);
    lines.extend(listed(model, &items, model.mapping.at, height.min(items.len().max(1))));
    lines.push(Line::default());
    lines.extend(reason);
    Body { lines, cursor: None, keys: "Up, Down: move   Enter: choose   f: firmware may differ   Esc: back" }
}

/// Why there is no plan, in at most `height` lines, and what would allow one, which is never cut.
pub(super) fn refusal(model: &Model, reason: &str, height: usize) -> Vec<Line<'static>> {
    let (text, hint) = reason.split_once('\n').unwrap_or((reason, ""));
    let mut lines = paragraph(model, text, model.look.danger());
    let hint = if hint.is_empty() { vec![] } else { paragraph(model, hint, Style::new()) };
    let room = height.saturating_sub(hint.len()).max(1);
    if lines.len() > room {
        lines.truncate(room.saturating_sub(1));
        lines.push(Line::styled("...", model.look.danger()));
    }
    lines.extend(hint);
    lines
}

pub fn target(model: &Model) -> Body {
    let Some(device) = model.mapped() else { return Body::default() };
    let mut lines =
        paragraph(model, &format!("Which disk replaces {} ({})?", device.id, recorded(device)), model.look.strong());
    lines.push(Line::default());
    let mut items = vec!["Lifeboat decides, by WWN, serial number, content, path, size".to_owned()];
    items.extend(model.hardware.disks.iter().map(|disk| disk_line(model, disk)));
    let chosen = model.target.at.checked_sub(1).and_then(|at| model.hardware.disks.get(at));
    let mut about = chosen.map(|disk| details(model, disk)).unwrap_or_default();
    if let Some(disk) = chosen.filter(|disk| model.may_wipe(disk)) {
        about.extend(paragraph(model, &format!("You allow {} to be wiped.", disk.path), model.look.danger()));
    }
    let height = model.rows().saturating_sub(lines.len() + about.len() + 1);
    lines.extend(listed(model, &items, model.target.at, height));
    lines.push(Line::default());
    lines.extend(about);
    Body { lines, cursor: None, keys: "Up, Down: move   Enter: accept   w: allow or forbid to wipe it   Esc: back" }
}

pub fn review(model: &Model) -> Body {
    let page = model.rows().saturating_sub(1);
    let look = model.look;
    let mut lines: Vec<Line> = model
        .review
        .iter()
        .skip(model.scroll)
        .take(page)
        .map(|line| {
            let style = match line.sign {
                Sign::Heading => look.strong(),
                Sign::Wiped => look.danger(),
                Sign::Made => look.good(),
                Sign::Resized => look.change(),
                Sign::Kept | Sign::Note => Style::new(),
            };
            Line::styled(printable(line.text.as_bytes()).replace("\\\\", "\\"), style)
        })
        .collect();
    lines.resize(page, Line::default());
    let last = (model.scroll + page).min(model.review.len());
    lines.push(heading(look, format!("lines {} to {last} of {}", model.scroll + 1, model.review.len())));
    Body { lines, cursor: None, keys: "Up, Down, PgUp, PgDn: read   Enter: go on   Esc: back" }
}

pub fn confirm(model: &Model) -> Body {
    if model.goal == Goal::Files {
        return super::files::confirm(model);
    }
    if !model.lost.is_empty() {
        return damaged(model);
    }
    let lines = vec![
        heading(model.look, "This is the last question. Everything on these disks will be lost:"),
        Line::default(),
    ];
    let plan = model.plan.as_ref().ok();
    let mut lost = vec![];
    for target in plan.iter().flat_map(|plan| &plan.targets) {
        let text = format!("- {} ({}): holds {}", target.path, target.name, target.loses);
        lost.extend(paragraph(model, &text, model.look.danger()));
    }
    let more = "and more; go back to the plan to read all";
    confirmed(model, lines, lost, more, "Enter: recover the machine   Esc: back, nothing is touched")
}

/// The question before a recovery from a damaged archive.
fn damaged(model: &Model) -> Body {
    let count = model.lost.len();
    let what = if count == 1 { "1 file or whole directory" } else { "files or whole directories" };
    let what = if count == 1 { what.to_owned() } else { format!("{count} {what}") };
    let text =
        format!("The archive is damaged. Nothing was touched so far. {what} cannot be restored; all the rest can:");
    let mut lines = paragraph(model, &text, model.look.danger());
    lines.push(Line::default());
    let mut lost = vec![];
    for (path, reason) in model.lost.iter().take(model.rows()) {
        let path = printable(path.as_os_str().as_encoded_bytes());
        lost.extend(paragraph(model, &format!("- {path}: {}", printable(reason.as_bytes())), Style::new()));
    }
    let more = "and more; all are listed in the log when the recovery begins";
    confirmed(model, lines, lost, more, "Enter: recover the rest   Esc: back, nothing is touched")
}

/// What is lost or replaced, as much as fits, and the field for the machine's name.
pub(super) fn confirmed(
    model: &Model,
    mut lines: Vec<Line<'static>>,
    mut lost: Vec<Line<'static>>,
    more: &'static str,
    keys: &'static str,
) -> Body {
    let room = model.rows().saturating_sub(lines.len() + 5);
    if lost.len() > room {
        lost.truncate(room.saturating_sub(1));
        lost.push(Line::styled(more, model.look.danger()));
    }
    lines.extend(lost);
    lines.push(Line::default());
    let name = model.machine.as_ref().map(|machine| printable(machine.name.as_bytes())).unwrap_or_default();
    lines.extend(paragraph(
        model,
        &format!("To go ahead, type the machine's name, {name}, and press Enter."),
        Style::new(),
    ));
    let (line, column) = field(model, "Name:", &model.name, false);
    let cursor = Some((column, lines.len()));
    lines.push(line);
    Body { lines, cursor, keys }
}
