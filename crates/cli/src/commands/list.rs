//! `lifeboat list`

use crate::command::{ListArgs, LsArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{archive, look};
use crate::listing::{Align, age, local_text, table};
use crate::output::counted;
use crate::session::Session;
use lifeboat_archive::SnapshotInfo;
use lifeboat_machine::bytes::{human, printable};
use lifeboat_machine::{Event, EventSink as _};

/// The columns.
const COLUMNS: [Align; 7] =
    [Align::Left, Align::Left, Align::Left, Align::Right, Align::Right, Align::Right, Align::Left];
const HEAD: [&str; 7] = ["SNAPSHOT", "TIME", "MACHINE", "DISK", "SIZE", "NEW", "AGE"];

pub fn run(session: &Session, args: &ListArgs) -> CommandResult {
    if args.long {
        let (what, from) = (args.what.clone(), args.from.clone());
        let ls = LsArgs { what, from, long: true, recursive: false, directory: false, numeric: false };
        return super::ls::run(session, &ls);
    }
    if let Some(from) = archive::stream(session, args.from.from.as_deref())? {
        return super::streams::list(session, &args.from, &from);
    }
    let archive = look::open(session, &args.from)?;
    let (mut snapshots, unreadable) = archive.repository.list_snapshots()?;
    if let Some(name) = &args.machine {
        snapshots = look::named(snapshots, name)?;
    }
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for snapshot in &snapshots {
        session.reporter.value(&serde_json::json!({
            "id": snapshot.id, "time": snapshot.time, "machine": snapshot.host, "entries": snapshot.entries,
            "bytes": snapshot.bytes,
        }));
        rows.push(row(snapshot, jiff::Timestamp::now()));
    }
    for snapshot in &unreadable {
        session.reporter.value(&serde_json::json!({ "id": snapshot.id, "damage": snapshot.cause }));
        rows.push(vec![snapshot.id[..snapshot.id.len().min(8)].to_owned(), "cannot be read".to_owned()]);
    }
    if rows.len() > 1 {
        table(&COLUMNS, &rows).iter().for_each(|line| session.reporter.line(line));
    }
    for snapshot in snapshots.iter().filter(|snapshot| snapshot.is_ahead()) {
        session.reporter.emit(&Event::Warning {
            text: format!(
                "snapshot {} of '{}' is dated in the future: that clock was ahead, or this machine's clock is behind \
                 ({}); the order of snapshots does not depend on it",
                snapshot.short_id(),
                snapshot.host,
                jiff::Timestamp::now(),
            ),
        });
    }
    for snapshot in &unreadable {
        session.reporter.emit(&Event::Warning { text: snapshot.cause.clone() });
    }
    if !unreadable.is_empty() {
        let count = counted(unreadable.len(), "snapshot");
        return Err(CommandError::new(Kind::Partial, format!("{count} cannot be read (listed above)"))
            .hint("'lifeboat verify' names everything that is damaged; the other snapshots are not affected"));
    }
    match snapshots.len() {
        0 => session.reporter.note("the repository holds no snapshot"),
        count => session.reporter.line(counted(count, "snapshot")),
    }
    Ok(())
}

/// A line of the list. What a snapshot does not record is `-`.
fn row(snapshot: &SnapshotInfo, now: jiff::Timestamp) -> Vec<String> {
    let size = |bytes: u64| if bytes == 0 { "-".to_owned() } else { human(bytes) };
    let seconds = snapshot.time.parse::<jiff::Timestamp>().map(|time| now.as_second() - time.as_second());
    vec![
        snapshot.short_id().to_owned(),
        local_text(&snapshot.time),
        printable(snapshot.host.as_bytes()),
        size(snapshot.disk_bytes),
        size(snapshot.bytes),
        size(snapshot.bytes_added),
        seconds.map_or("-".to_owned(), age),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_on_a_terminal_of_80_columns() {
        let mut snapshot = SnapshotInfo::default();
        (snapshot.id, snapshot.host) = ("1a2b3c4d5e6f".to_owned(), "web1".to_owned());
        snapshot.time = "2026-11-30T01:02:03.123456789Z".to_owned();
        (snapshot.bytes, snapshot.disk_bytes) = (1_099_511_627_776, 987_654_321);
        let rows = [HEAD.map(str::to_owned).to_vec(), row(&snapshot, "2026-12-10T01:02:03Z".parse().unwrap())];
        let lines = table(&COLUMNS, &rows);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        assert!(lines[1].starts_with("1a2b3c4d  2026-1") && lines[1].ends_with("941.9 MiB  1.0 TiB    -  10 days"));
    }
}
