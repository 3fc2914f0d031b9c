//! Counters of a running server, for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters; each only grows, but for the connections.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers by the first digit of their status, 1 to 5.
    answers: [AtomicU64; 5],
    received: AtomicU64,
    sent: AtomicU64,
    connections: AtomicU64,
}

impl Counters {
    /// An answer with this status and so many bytes, where they are known.
    pub fn answered(&self, status: u16, bytes: u64) {
        if let Some(counter) = self.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes of a file were received.
    pub fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A connection began.
    pub fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended.
    pub fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Answers by the first digit of their status.
    pub fn answers(&self) -> impl Iterator<Item = (usize, u64)> {
        self.answers.iter().enumerate().map(|(index, counter)| (index + 1, counter.load(Ordering::Relaxed)))
    }

    /// Bytes received, bytes sent, connections now.
    pub fn totals(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.received), read(&self.sent), read(&self.connections))
    }
}
