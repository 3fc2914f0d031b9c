//! Bodies of requests, read within limits of time and size.

use crate::answer::Refusal;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{self, Body as _};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Whoever sends less than this in the long run, in bytes a second, only keeps a connection busy.
const SLOWEST: u64 = 1 << 10;

/// A body, read within the limits of time and size.
pub struct Arriving<'a> {
    body: &'a mut body::Incoming,
    began: Instant,
    received: u64,
    limit: u64,
    silence: Duration,
}

impl<'a> Arriving<'a> {
    /// A body of at most `limit` bytes, of which something has to come each `silence`.
    pub fn new(body: &'a mut body::Incoming, limit: u64, silence: Duration) -> Self {
        Arriving { body, began: Instant::now(), received: 0, limit, silence }
    }

    /// The next piece.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Slow`], [`Refusal::Cut`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            let slowest = self.began + self.silence + Duration::from_secs(self.received / SLOWEST);
            let deadline = slowest.min(Instant::now() + self.silence);
            let Ok(frame) = timeout_at(deadline, self.body.frame()).await else { return Err(Refusal::Slow) };
            let Some(frame) = frame else { return Ok(None) };
            // Trailers say nothing that is used.
            if let Ok(piece) = frame.map_err(|_| Refusal::Cut)?.into_data() {
                self.received += piece.len() as u64;
                if self.received > self.limit {
                    return Err(Refusal::TooLarge(self.limit));
                }
                return Ok(Some(piece));
            }
        }
    }

    /// Bytes so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Arriving::next`].
    pub async fn whole(&mut self) -> Result<Vec<u8>, Refusal> {
        let mut whole = vec![];
        while let Some(piece) = self.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

/// Reads and drops the rest of a body, so that its sender reads the answer. `most`: bytes.
pub async fn drain(body: &mut body::Incoming, most: u64, silence: Duration) {
    // More than is dropped is announced: then the connection ends in any case.
    if body.size_hint().lower() > most {
        return;
    }
    let mut rest = Arriving::new(body, most, silence);
    while let Ok(Some(_)) = rest.next().await {}
}
