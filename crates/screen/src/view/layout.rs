//! Partitions: sizes, filesystems, places.

use super::machine::refusal;
use super::parts::{Body, cut, field, heading, listed, paragraph};
use crate::model::Model;
use crate::review::holds;
use lifeboat_machine::Device;
use lifeboat_machine::bytes::{human, printable};
use lifeboat_plan::edit::Spot;
use ratatui::style::Style;
use ratatui::text::Line;

pub fn layout(model: &Model) -> Body {
    let mut lines = vec![heading(
        model.look,
        format!("  {:<10} {:>10} {:>10}  {:<18} {}", "partition", "recorded", "planned", "holds", "mounted on"),
    )];
    let grow = if model.policy.no_resize { "no, all sizes are kept" } else { "yes" };
    let mut items = vec![format!("Let filesystems grow or shrink to fit the disks: {grow}")];
    items.extend(model.partitions().into_iter().map(|device| partition_line(model, device)));
    items.push("Done".into());
    let reason = match &model.plan {
        Ok(_) => vec![Line::raw("These partitions can be planned.")],
        Err(reason) => refusal(model, reason, 5),
    };
    let height = model.rows().saturating_sub(lines.len() + reason.len() + 1);
    lines.extend(listed(model, &items, model.layout.at, height));
    lines.push(Line::default());
    lines.extend(reason);
    Body { lines, cursor: None, keys: "Enter: size  f: filesystem  s: storage  m: move  d: omit  o: undo  Esc: back" }
}

fn partition_line(model: &Model, device: &Device) -> String {
    let dropped = model.policy.drop.contains(&device.id);
    let wanted = model.policy.sizes.iter().find(|(of, _)| *of == device.id).map(|(_, bytes)| *bytes);
    let planned = match (dropped, wanted, planned_size(model, device)) {
        (true, ..) => "left out".to_owned(),
        (_, Some(bytes), _) => human(bytes),
        (_, None, Some(bytes)) => human(bytes),
        (_, None, None) => "-".to_owned(),
    };
    let mounts =
        model.machine.iter().flat_map(|machine| machine.layout.mounts.iter().map(move |mount| (machine, mount)));
    let lies_on = |(machine, mount): &(&lifeboat_machine::Machine, &lifeboat_machine::layout::Mount)| {
        mount.device == device.id || machine.layout.below(&mount.device).iter().any(|below| below.id == device.id)
    };
    let points: Vec<String> = mounts.filter(lies_on).map(|(_, mount)| mount.mount_point.to_string()).collect();
    let chosen = model.policy.filesystems.iter().find(|(of, _)| *of == device.id);
    let what = match chosen {
        Some((_, kind)) => {
            let was = device.filesystem().map(|filesystem| filesystem.options.mount_type());
            format!("{kind}, was {}", was.unwrap_or_default())
        }
        None => holds(device),
    };
    let what = cut(&printable(what.as_bytes()), 18);
    let disk = model.recorded().into_iter().find(|disk| model.on_disk(&disk.id).contains(&device.id));
    let gone = disk.filter(|disk| device.partition().is_some_and(|partition| partition.parent != disk.id));
    let gone = gone.map(|disk| format!(" on {}", disk.id)).unwrap_or_default();
    format!(
        "{:<10} {:>10} {planned:>10}  {what:<18} {}{gone}",
        device.id.to_string(),
        human(device.size_bytes),
        points.join(" ")
    )
}

/// The size that the plan gives a filesystem; other partitions keep theirs.
fn planned_size(model: &Model, device: &Device) -> Option<u64> {
    let plan = model.plan.as_ref().ok()?;
    let Some(recorded) = device.filesystem() else { return Some(device.size_bytes) };
    plan.steps.iter().find_map(|step| match step {
        lifeboat_plan::Step::MakeFilesystem { filesystem, resized, .. } if filesystem.uuid == recorded.uuid => {
            Some(if *resized { filesystem.size_bytes } else { device.size_bytes })
        }
        _ => None,
    })
}

pub fn size(model: &Model) -> Body {
    let Some(device) = model.chosen_partition() else { return Body::default() };
    let mut lines = vec![heading(
        model.look,
        format!("{}: {}, {} when recorded", device.id, holds(device), human(device.size_bytes)),
    )];
    if let Some(filesystem) = device.filesystem() {
        lines.push(Line::raw(format!("{} of it was in use", human(filesystem.used_bytes))));
    }
    lines.push(Line::default());
    let (line, column) = field(model, "Size:", &model.size_text, false);
    let cursor = Some((column, lines.len()));
    lines.push(line);
    lines.push(Line::default());
    lines.extend(paragraph(
        model,
        "As in 20 GiB, 512 MiB, 1.5 T. Other filesystems make room, or take what is left.",
        Style::new(),
    ));
    Body { lines, cursor, keys: "Enter: accept   Ctrl-U: empty   Esc: back" }
}

/// Lines of a list of choices, and below it notes about the chosen one.
pub(super) fn choices(model: &Model, head: String, items: &[String], at: usize, about: Option<String>) -> Body {
    let mut lines = vec![heading(model.look, head), Line::default()];
    let about = match about {
        Some(reason) => paragraph(model, &format!("Not possible: {reason}."), model.look.danger()),
        None => vec![],
    };
    let height = model.rows().saturating_sub(lines.len() + about.len() + 1);
    lines.extend(listed(model, items, at, height));
    lines.push(Line::default());
    lines.extend(about);
    Body { lines, cursor: None, keys: "Up, Down: move   Enter: accept   Esc: back" }
}

pub fn kind(model: &Model) -> Body {
    let Some(device) = model.chosen_partition() else { return Body::default() };
    let kinds = model.kinds();
    let line = |kind: &Option<lifeboat_plan::FilesystemKind>| match kind {
        None => format!("{}, as recorded", holds(device)),
        Some(kind) => {
            let no = if model.check_kind(*kind).is_err() { "  (not possible)" } else { "" };
            format!("{kind}{no}")
        }
    };
    let items: Vec<String> = kinds.iter().map(line).collect();
    let about = kinds.get(model.kind.at).copied().flatten().and_then(|kind| model.check_kind(kind).err());
    choices(model, format!("Which filesystem for {}?", device.id), &items, model.kind.at, about)
}

pub fn spot(model: &Model) -> Body {
    let Some(device) = model.chosen_partition() else { return Body::default() };
    let spots = model.spots();
    let line = |place: &Spot| {
        let what = match place {
            Spot::Before(next) => {
                let next_holds = model.machine.as_ref().and_then(|machine| machine.layout.device(next)).map(holds);
                format!("before {next} ({})", next_holds.unwrap_or_default())
            }
            Spot::End(disk) => format!("after all others on {disk}"),
        };
        let no = if model.moved_to(place).is_err() { "  (not possible)" } else { "" };
        format!("{what}{no}")
    };
    let items: Vec<String> = spots.iter().map(line).collect();
    let about = spots.get(model.spot.at).and_then(|place| model.moved_to(place).err());
    let head = format!("Which position for {} ({})?", device.id, holds(device));
    choices(model, head, &items, model.spot.at, about)
}
