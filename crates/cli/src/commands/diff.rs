//! `lifeboat diff`: what changed from one snapshot to another.

use super::ls;
use crate::command::DiffArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::look;
use crate::output::counted;
use crate::session::Session;
use lifeboat_archive::diff::{Change, Delta, DiffReport};
use lifeboat_archive::{Kind as EntryKind, Selection};
use lifeboat_machine::Name;
use lifeboat_machine::bytes::human;
use std::path::{Path, PathBuf};

pub fn run(session: &Session, args: &DiffArgs) -> CommandResult {
    let path = args.path.clone().unwrap_or_else(|| PathBuf::from("/"));
    look::absolute(vec![path.clone()])?;
    let archive = look::open(session, &args.from)?;
    let (old, new) = (look::one(session, &archive, Some(&args.old))?, look::one(session, &archive, Some(&args.new))?);
    let selection = match &args.path {
        Some(path) => Selection::Paths(vec![path.clone()]),
        None => Selection::Everything,
    };
    let mut lost = 0;
    let before = look::contents(session, &archive, &old, &selection, &mut lost)?;
    let after = look::contents(session, &archive, &new, &selection, &mut lost)?;
    let mut report = lifeboat_archive::diff::diff(&before, &after, &path)?;
    if args.content {
        report.deltas.retain(|delta| !matches!(delta.change, Change::Changed(_)) || delta.has_other_content());
    }
    for delta in &report.deltas {
        session.reporter.value(&json(delta));
        let lines = lines(delta);
        lines.iter().take(1).for_each(|line| session.reporter.lines(line));
        lines.iter().skip(1).for_each(|line| session.reporter.sentence(line));
    }
    summary(session, &report);
    look::whole(lost)?;
    if report.deltas.is_empty() {
        return Ok(());
    }
    let count = match report.deltas.len() {
        1 => "1 entry differs".to_owned(),
        count => format!("{count} entries differ"),
    };
    Err(CommandError::new(Kind::Differences, format!("{count} between {} and {}", old.short_id(), new.short_id())))
}

/// The sign that restic uses.
fn sign(delta: &Delta) -> &'static str {
    match &delta.change {
        Change::Added => "+",
        Change::Removed => "-",
        Change::Type => "T",
        Change::Changed(_) if delta.has_other_content() => "M",
        Change::Changed(_) => "U",
    }
}

fn lines(delta: &Delta) -> Vec<String> {
    let slash = if delta.kind == EntryKind::Directory && delta.path != Path::new("/") { "/" } else { "" };
    let first = format!("{:<5}{}{slash}", sign(delta), ls::shown(&delta.path));
    let details = match &delta.change {
        Change::Changed(list) => list.as_slice(),
        _ => &[],
    };
    let details = details.iter().map(|(_, text)| format!("       {}", text.replace('\n', "\\x0a")));
    std::iter::once(first).chain(details).collect()
}

fn json(delta: &Delta) -> serde_json::Value {
    let texts: Vec<&str> = match &delta.change {
        Change::Changed(list) => list.iter().map(|(_, text)| text.as_str()).collect(),
        _ => vec![],
    };
    serde_json::json!({
        "path": Name::from(delta.path.as_path()), "modifier": sign(delta), "details": texts,
    })
}

fn summary(session: &Session, report: &DiffReport) {
    let count = |is: &dyn Fn(&Delta) -> bool| report.deltas.iter().filter(|delta| is(delta)).count();
    let (added, removed) =
        (count(&|delta| delta.change == Change::Added), count(&|delta| delta.change == Change::Removed));
    let content = count(&|delta| delta.has_other_content());
    let changed = count(&|delta| matches!(delta.change, Change::Changed(_)));
    let kinds = count(&|delta| delta.change == Change::Type);
    session.reporter.value(&serde_json::json!({
        "entries": report.entries, "added": added, "removed": removed, "content": content, "metadata": changed - content,
        "type": kinds, "added_bytes": report.added_bytes, "removed_bytes": report.removed_bytes,
    }));
    session.reporter.sentence(format!(
        "{}: {added} added ({}), {removed} removed ({}), {content} with other content, {} with other metadata only{}",
        counted(report.entries as usize, "entry") + " compared",
        human(report.added_bytes),
        human(report.removed_bytes),
        changed - content,
        if kinds > 0 { format!(", {kinds} of another type") } else { String::new() },
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_archive::DifferenceKind;

    #[test]
    fn signs_are_those_of_restic() {
        let delta = |change| Delta { path: PathBuf::from("/a\n"), kind: EntryKind::Directory, change };
        let texts = |kind| Change::Changed(vec![(kind, "mode: 0644 in 1, 0600 in 2".to_owned())]);
        assert_eq!(lines(&delta(Change::Added)), ["+    /a\\x0a/"]);
        assert_eq!(lines(&delta(Change::Removed)), ["-    /a\\x0a/"]);
        assert_eq!(lines(&delta(texts(DifferenceKind::Mode)))[0], "U    /a\\x0a/");
        assert_eq!(
            lines(&delta(texts(DifferenceKind::Content)))[..],
            ["M    /a\\x0a/", "       mode: 0644 in 1, 0600 in 2"]
        );
    }
}
