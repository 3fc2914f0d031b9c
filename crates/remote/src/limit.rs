//! How many bytes a second go to servers and come from them.

use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is sent or taken at once.
const PIECE: usize = 32 << 10;

/// Limits in both directions, shared by all connections; none by default.
#[derive(Debug, Default)]
pub struct Limits {
    upload: Option<Rate>,
    download: Option<Rate>,
}

#[derive(Debug)]
struct Rate {
    bytes_a_second: u64,
    /// When the next piece may go.
    next: Mutex<Instant>,
}

impl Rate {
    fn new(bytes_a_second: u64) -> Rate {
        Rate { bytes_a_second: bytes_a_second.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Small enough that no server takes the pause between two pieces for the end.
    fn piece(&self) -> usize {
        PIECE.min(usize::try_from(self.bytes_a_second / 4).unwrap_or(PIECE)).max(256)
    }

    fn wait(&self, bytes: usize) {
        let pause = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            // What was not used while nothing was sent is not saved up.
            let begin = (*next).max(now);
            *next = begin + Duration::from_secs_f64(bytes as f64 / self.bytes_a_second as f64);
            next.saturating_duration_since(now)
        };
        std::thread::sleep(pause);
    }
}

impl Limits {
    /// Limits in bytes a second.
    pub fn new(upload: Option<u64>, download: Option<u64>) -> Limits {
        Limits { upload: upload.map(Rate::new), download: download.map(Rate::new) }
    }

    /// Something is limited when it is sent.
    pub fn slows_uploads(&self) -> bool {
        self.upload.is_some()
    }

    /// Something is limited when it is received.
    pub fn slows_downloads(&self) -> bool {
        self.download.is_some()
    }

    /// Waits until so many bytes may be sent.
    pub fn before_sending(&self, bytes: usize) {
        if let Some(rate) = &self.upload {
            rate.wait(bytes);
        }
    }

    /// Waits after so many bytes were received.
    pub fn after_receiving(&self, bytes: usize) {
        if let Some(rate) = &self.download {
            rate.wait(bytes);
        }
    }

    /// What is sent, no faster than allowed.
    pub(crate) fn sending<R: Read>(&self, from: R) -> Paced<'_, R> {
        Paced { from, rate: self.upload.as_ref() }
    }

    /// What is received, no faster than allowed.
    pub(crate) fn receiving<R: Read>(&self, from: R) -> Paced<'_, R> {
        Paced { from, rate: self.download.as_ref() }
    }
}

/// A reader that gives no more than its rate.
#[derive(Debug)]
pub(crate) struct Paced<'a, R> {
    from: R,
    rate: Option<&'a Rate>,
}

impl<R: Read> Read for Paced<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(rate) = self.rate else { return self.from.read(buffer) };
        let length = buffer.len().min(rate.piece());
        let count = self.from.read(&mut buffer[..length])?;
        rate.wait(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_who_share_a_rate_keep_to_it_together() {
        let limits = Limits::new(Some(400_000), None);
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut out = vec![];
                    limits.sending(&[7_u8; 50_000][..]).read_to_end(&mut out).unwrap();
                    assert_eq!(out.len(), 50_000);
                });
            }
        });
        let passed = began.elapsed().as_secs_f64();
        assert!((0.45..5.0).contains(&passed), "{passed}");
        let began = Instant::now();
        limits.receiving(&[7_u8; 5_000_000][..]).read_to_end(&mut vec![]).unwrap();
        assert!(began.elapsed().as_secs_f64() < 2.0);
    }
}
