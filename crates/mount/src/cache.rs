//! Decoded content, up to a limit: what was used last stays.

use crate::slots::locked;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Name of a piece of content.
pub(crate) type Id = [u8; 32];

/// Locks for decoding: two pieces rarely share one.
const LOCKS: usize = 64;

/// What was decoded.
pub(crate) struct Cache {
    limit: usize,
    kept: Mutex<Kept>,
    decoding: Vec<Mutex<()>>,
}

#[derive(Default)]
struct Kept {
    pieces: HashMap<Id, (Arc<[u8]>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Cache {
    /// A cache of so many bytes.
    pub(crate) fn new(limit: usize) -> Cache {
        Cache { limit, kept: Mutex::default(), decoding: (0..LOCKS).map(|_| Mutex::default()).collect() }
    }

    /// A piece: from here, or as `decode` gives it. Whoever asks for the same piece meanwhile waits for this one.
    pub(crate) fn get<E>(&self, id: &Id, decode: impl FnOnce() -> Result<Arc<[u8]>, E>) -> Result<Arc<[u8]>, E> {
        if let Some(found) = locked(&self.kept).find(id) {
            return Ok(found);
        }
        let _alone = locked(&self.decoding[usize::from(id[0]) % LOCKS]);
        if let Some(found) = locked(&self.kept).find(id) {
            return Ok(found);
        }
        let piece = decode()?;
        locked(&self.kept).add(*id, Arc::clone(&piece), self.limit);
        Ok(piece)
    }

    /// Reports whether a piece is here.
    pub(crate) fn has(&self, id: &Id) -> bool {
        locked(&self.kept).pieces.contains_key(id)
    }
}

impl Kept {
    fn find(&mut self, id: &Id) -> Option<Arc<[u8]>> {
        self.clock += 1;
        let clock = self.clock;
        self.pieces.get_mut(id).map(|(piece, used)| {
            *used = clock;
            Arc::clone(piece)
        })
    }

    fn add(&mut self, id: Id, piece: Arc<[u8]>, limit: usize) {
        self.clock += 1;
        self.bytes += piece.len();
        if let Some((old, _)) = self.pieces.insert(id, (piece, self.clock)) {
            self.bytes -= old.len();
        }
        if self.bytes <= limit {
            return;
        }
        // Down to three quarters, so that this is rare.
        let mut order: Vec<(u64, Id)> = self.pieces.iter().map(|(id, (_, used))| (*used, *id)).collect();
        order.sort_unstable();
        for (_, old) in order {
            if self.bytes <= limit / 4 * 3 {
                break;
            }
            if let Some((piece, _)) = self.pieces.remove(&old) {
                self.bytes -= piece.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_within_its_limit_and_keeps_what_was_used_last() {
        let cache = Cache::new(1000);
        let piece = |_| Ok::<_, ()>(Arc::from(vec![0; 100]));
        for number in 0..50_u8 {
            cache.get(&[number; 32], || piece(())).unwrap();
            cache.get(&[0; 32], || piece(())).unwrap();
            assert!(locked(&cache.kept).bytes <= 1000);
        }
        assert!(cache.has(&[0; 32]) && cache.has(&[49; 32]) && !cache.has(&[1; 32]));
        // One that is larger than everything is given, but not kept.
        assert_eq!(cache.get(&[99; 32], || Ok::<_, ()>(Arc::from(vec![0; 5000]))).unwrap().len(), 5000);
        assert!(locked(&cache.kept).bytes <= 1000);
    }

    #[test]
    fn one_thread_decodes_for_all() {
        let cache = Cache::new(1000);
        let count = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    cache.get(&[7; 32], || {
                        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok::<_, ()>(Arc::from(vec![1; 10]))
                    })
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
    }
}
