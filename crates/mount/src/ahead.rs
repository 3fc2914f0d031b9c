//! Content that will be asked for next: decoded by threads of its own while the kernel still copies what came before.

use crate::cache::Id;
use crate::decoder::Decoder;
use crate::number::Node;
use crate::slots::{Loaded, locked};
use fuser::{INodeNo, Notifier};
use lifeboat_archive::repository::contents::Number;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};

/// Wishes that wait at most; more are forgotten.
const WAITING: usize = 64;

/// What will be asked for.
pub(crate) enum Wish {
    /// A piece of a file.
    Piece(Arc<Loaded>, Id),
    /// Whole files of a snapshot, which the kernel gets into its cache before it asks.
    Files(Arc<Loaded>, usize, Vec<Number>),
}

/// Wishes for content.
pub(crate) struct Ahead {
    wishes: SyncSender<Wish>,
    kernel: Arc<OnceLock<Notifier>>,
}

impl Ahead {
    /// Starts so many threads, which work until this is dropped.
    pub(crate) fn start(decoder: &Arc<Decoder>, threads: usize) -> std::io::Result<Ahead> {
        let (wishes, wished) = sync_channel(WAITING);
        let (wished, kernel) = (Arc::new(Mutex::new(wished)), Arc::new(OnceLock::new()));
        for _ in 0..threads {
            let (decoder, wished, kernel) = (Arc::clone(decoder), Arc::clone(&wished), Arc::clone(&kernel));
            std::thread::Builder::new().name("read-ahead".into()).spawn(move || work(&decoder, &wished, &kernel))?;
        }
        Ok(Ahead { wishes, kernel })
    }

    /// Where the kernel's cache can be written to, as soon as it is mounted.
    pub(crate) fn kernel(&self) -> Arc<OnceLock<Notifier>> {
        Arc::clone(&self.kernel)
    }

    /// Wishes for content; it may be forgotten.
    pub(crate) fn wish(&self, wish: Wish) {
        let _ = self.wishes.try_send(wish);
    }
}

fn work(decoder: &Decoder, wished: &Mutex<Receiver<Wish>>, kernel: &OnceLock<Notifier>) {
    loop {
        let next = locked(wished).recv();
        match next {
            Err(_) => return,
            // What is damaged is reported when it is needed.
            Ok(Wish::Piece(loaded, id)) => drop(decoder.piece(&loaded, &id)),
            Ok(Wish::Files(loaded, slot, files)) => {
                let Some(kernel) = kernel.get() else { continue };
                for number in files {
                    let Some(whole) = decoder.whole(&loaded, number) else { continue };
                    // A file that the kernel does not know, or does not know yet, is no error; it is asked for when it is read.
                    let _ = kernel.store(INodeNo(Node::Entry(slot, number).number()), 0, whole.bytes());
                }
            }
        }
    }
}
