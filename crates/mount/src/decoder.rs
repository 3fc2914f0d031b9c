//! Content that was decoded, and what of it cannot be; shared with the threads that work ahead.

use crate::cache::{Cache, Id};
use crate::slots::{Loaded, locked};
use lifeboat_archive::ArchiveError;
use lifeboat_archive::repository::contents::Number;
use std::collections::HashSet;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

/// What is reported at most, so that a broken disk does not fill the terminal.
const REPORTED: usize = 200;

/// What was decoded, and what is wrong.
pub(crate) struct Decoder {
    cache: Cache,
    said: Mutex<HashSet<String>>,
    messages: Mutex<Sender<String>>,
}

impl Decoder {
    pub(crate) fn new(limit: usize, messages: Sender<String>) -> Decoder {
        Decoder { cache: Cache::new(limit), said: Mutex::default(), messages: Mutex::new(messages) }
    }

    /// Reports a problem once.
    pub(crate) fn say(&self, text: String) {
        let mut said = locked(&self.said);
        if said.len() < REPORTED && said.insert(text.clone()) {
            let _ = locked(&self.messages).send(text);
        }
    }

    /// A piece of content, decoded.
    ///
    /// # Errors
    /// When it is damaged.
    pub(crate) fn piece(&self, loaded: &Loaded, id: &Id) -> Result<Arc<[u8]>, ArchiveError> {
        self.cache.get(id, || {
            let mut reader = loaded.contents.reader()?;
            let piece = reader.get(id).map(Arc::from);
            loaded.contents.give_back(reader);
            piece
        })
    }

    /// Reports whether a piece is decoded.
    pub(crate) fn has(&self, id: &Id) -> bool {
        self.cache.has(id)
    }

    /// All of a file without holes, decoded before somebody asks; none when it is damaged, which is reported when it is asked for.
    pub(crate) fn whole(&self, loaded: &Loaded, number: Number) -> Option<Whole> {
        let pieces = loaded.contents.pieces(number).ok()?;
        let mut parts = pieces.iter().map(|piece| self.piece(loaded, &piece.blob?).ok());
        let first = parts.next()??;
        let size = loaded.contents.inode(number).size;
        let whole = match pieces.len() {
            1 => Whole::Piece(first),
            _ => {
                let mut bytes = first.to_vec();
                for part in parts {
                    bytes.extend_from_slice(&part?);
                }
                Whole::Bytes(bytes)
            }
        };
        (whole.bytes().len() as u64 == size).then_some(whole)
    }
}

/// The content of a file.
pub(crate) enum Whole {
    /// It is one piece.
    Piece(Arc<[u8]>),
    /// It was put together.
    Bytes(Vec<u8>),
}

impl Whole {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Whole::Piece(piece) => piece,
            Whole::Bytes(bytes) => bytes,
        }
    }
}
