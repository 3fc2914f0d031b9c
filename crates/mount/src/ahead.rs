//! Content that will be asked for next: decoded by a thread of its own while the kernel still copies what came before.

use crate::cache::Id;
use crate::slots::Loaded;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Wishes that wait at most; more are forgotten.
const WAITING: usize = 8;

/// Wishes for content.
pub(crate) struct Ahead(SyncSender<(Arc<Loaded>, Id)>);

impl Ahead {
    /// Starts a thread that decodes with `decode`, until this is dropped.
    pub(crate) fn start(decode: impl Fn(&Loaded, &Id) + Send + 'static) -> std::io::Result<Ahead> {
        let (wishes, wished): (_, Receiver<(Arc<Loaded>, Id)>) = sync_channel(WAITING);
        let work = move || {
            for (loaded, id) in wished {
                decode(&loaded, &id);
            }
        };
        std::thread::Builder::new().name("read-ahead".into()).spawn(work)?;
        Ok(Ahead(wishes))
    }

    /// Wishes for a piece; it may be forgotten.
    pub(crate) fn wish(&self, loaded: &Arc<Loaded>, id: Id) {
        let _ = self.0.try_send((Arc::clone(loaded), id));
    }
}
