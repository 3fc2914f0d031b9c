//! The finder of a running machine: its worker, and what the archive must be able to do for it.

use crate::model::{Message, Request};
use crate::worker::{Fan, SHOWN_FILES, latest};
use lifeboat_machine::EventSink;
use lifeboat_restore::Disks;
use lifeboat_restore::session::{Destination, ListedFile, RestoredFiles};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

/// An archive that is searched.
pub trait Finder: Send {
    /// Opens one of the snapshots that the model shows.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    fn choose(&mut self, index: usize) -> Result<(), String>;

    /// The first `limit` entries whose path holds a text, and how many there are.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    fn search(&mut self, text: &str, limit: usize) -> Result<(Vec<ListedFile>, u64), String>;

    /// Restores entries to a folder, with events for progress.
    ///
    /// # Errors
    /// Why nothing, or not all, could be restored, for people.
    fn restore(&mut self, paths: &[PathBuf], folder: &Path, sink: &dyn EventSink) -> Result<RestoredFiles, String>;
}

/// Answers requests until there are no more.
pub(crate) fn find(finder: &mut dyn Finder, fan: &Fan<'_>, requests: &Receiver<Request>) {
    let mut next = None;
    while let Some(request) = latest(&mut next, requests) {
        let query = if let Request::Search(query) = &request { query.clone() } else { String::new() };
        let is_work = matches!(request, Request::RestoreFiles(..));
        let done = std::panic::catch_unwind(AssertUnwindSafe(|| answer(finder, fan, request)));
        fan.send(done.unwrap_or_else(|_| {
            let reason = "internal error; try 'lifeboat restore'".to_owned();
            match is_work {
                true => Message::FilesRestored(Err((reason, Disks::Untouched))),
                false => Message::Found { query, result: Err(reason) },
            }
        }));
    }
}

fn answer(finder: &mut dyn Finder, fan: &Fan<'_>, request: Request) -> Message {
    match request {
        Request::Choose(index) => Message::Ready(finder.choose(index)),
        Request::Search(query) => {
            let result = finder.search(&query, SHOWN_FILES);
            Message::Found { query, result }
        }
        Request::RestoreFiles(paths, Destination::Folder(folder)) => {
            let restored = finder.restore(&paths, &folder, fan);
            Message::FilesRestored(restored.map_err(|reason| (reason, Disks::Untouched)))
        }
        // The screens of a running machine ask for nothing else.
        _ => Message::Ready(Err("this is done in the rescue system".to_owned())),
    }
}
