//! The proof, before anything is wiped, that a backup can be restored.

use crate::archived::Archived;
use crate::failure::{Failure, entries};
use crate::observe::Observing;
use lifeboat_archive::Problem;
use lifeboat_machine::{Event, EventSink};
use std::time::Duration;

/// Entries that are listed one by one: a serial line takes a tenth of a second for each.
pub(crate) const LISTED: usize = 200;

/// Verifies that a snapshot can be read: every byte that it needs; or, across the network, where that would double the transfer
/// (decision 13; not `near`), that all of it is there. What other snapshots and machines need does not matter. Returns what is lost, if `damaged` says
/// that the rest is wanted anyway.
///
/// # Errors
/// [`Failure::Lost`] with all that cannot be restored.
pub fn prove(
    archived: &Archived,
    near: bool,
    damaged: bool,
    interval: Duration,
    sink: &dyn EventSink,
) -> Result<Vec<Problem>, Failure> {
    let lost = archived.lost(near, &Observing::every(interval, sink, "verify"))?;
    if lost.is_empty() {
        return Ok(lost);
    }
    if !damaged {
        return Err(Failure::Lost { place: archived.location().display().to_string(), lost });
    }
    for problem in lost.iter().take(LISTED) {
        let path = lifeboat_machine::Name::from(problem.path.as_path()).to_string();
        sink.emit(&Event::Entry { path, text: problem.message.clone() });
    }
    let text = format!("the archive is damaged: {} cannot be restored; all the rest will be", entries(lost.len()));
    sink.emit(&Event::Warning { text });
    Ok(lost)
}
