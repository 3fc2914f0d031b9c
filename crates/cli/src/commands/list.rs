//! `lifeboat list`

use crate::command::FromArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::archive;
use crate::output::amount;
use crate::session::Session;
use lifeboat_machine::{Event, EventSink as _};

pub fn run(session: &Session, args: &FromArgs) -> CommandResult {
    if let Some(from) = archive::stream(session, args.from.as_deref())? {
        return super::streams::list(session, args, &from);
    }
    let archive = archive::open(session, args.from.as_deref(), &args.key)?;
    let (snapshots, unreadable) = archive.repository.list_snapshots()?;
    for snapshot in &snapshots {
        session.reporter.value(&serde_json::json!({
            "id": snapshot.id, "time": snapshot.time, "machine": snapshot.host, "entries": snapshot.entries,
            "bytes": snapshot.bytes,
        }));
        session.reporter.line(format!(
            "{}  {}  {}  {}",
            &snapshot.id[..snapshot.id.len().min(8)],
            snapshot.time,
            snapshot.host,
            amount(snapshot.entries, snapshot.bytes)
        ));
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
        session.reporter.value(&serde_json::json!({ "id": snapshot.id, "damage": snapshot.cause }));
        session.reporter.line(format!("{}  cannot be read", &snapshot.id[..snapshot.id.len().min(8)]));
        session.reporter.emit(&Event::Warning { text: snapshot.cause.clone() });
    }
    if !unreadable.is_empty() {
        let count = crate::output::counted(unreadable.len(), "snapshot");
        return Err(CommandError::new(Kind::Partial, format!("{count} cannot be read (listed above)"))
            .hint("'lifeboat verify' names everything that is damaged; the other snapshots are not affected"));
    }
    if snapshots.is_empty() {
        session.reporter.note("the repository holds no snapshot");
    }
    Ok(())
}
