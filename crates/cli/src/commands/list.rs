//! `lifeboat list`

use super::Session;
use crate::command::FromArgs;
use crate::error::CommandResult;
use crate::job::archive;
use crate::output::amount;
use lifeboat_machine::{Event, EventSink as _};

pub fn run(session: &Session, args: &FromArgs) -> CommandResult {
    let archive = archive::open(session, args.from.as_deref(), &args.key)?;
    let snapshots = archive.repository.snapshots()?;
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
                "snapshot {} of '{}' is dated in the future: the clock was ahead, or this machine's is behind ({}); the order of \
                 snapshots does not depend on it",
                snapshot.short_id(),
                snapshot.host,
                jiff::Timestamp::now(),
            ),
        });
    }
    if snapshots.is_empty() {
        session.reporter.note("the repository holds no snapshot");
    }
    Ok(())
}
