//! Cuts file content into blobs where the content itself says so, so that equal parts of different files or versions
//! become equal blobs.
//!
//! A gear hash (Xia et al., "FastCDC", USENIX ATC 2016) with normalised cutting: the mask is stricter before the average
//! size and laxer after it. The table of the hash comes from the repository's secret polynomial, so that sizes of blobs
//! reveal nothing about content to those without the key. restic reads blobs of any size.

/// Smallest blob, except at the end of a file, in bytes.
pub(crate) const MIN: usize = 512 << 10;
/// Size that blobs are near to, in bytes.
pub(crate) const AVERAGE: usize = 1 << 20;
/// Largest blob, in bytes: restic's own limit.
pub(crate) const MAX: usize = 8 << 20;

/// Finds the cuts.
pub(crate) struct Chunker {
    gear: [u64; 256],
}

// 2^20 bytes on average: 20 bits, two more before the average, two fewer after; the high bits depend on the most bytes.
const STRICT: u64 = 0xffff_fc00_0000_0000;
const LAX: u64 = 0xffff_c000_0000_0000;

impl Chunker {
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut gear = [0; 256];
        for value in &mut gear {
            // splitmix64 (Steele et al., OOPSLA 2014)
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *value = z ^ (z >> 31);
        }
        Chunker { gear }
    }

    /// Length of the first blob of `data`, which is all that is left if it is `whole`. `None` when more is needed to tell: never with
    /// [`MAX`] bytes.
    pub(crate) fn cut(&self, data: &[u8], whole: bool) -> Option<usize> {
        if data.len() <= MIN {
            return whole.then_some(data.len());
        }
        let end = data.len().min(MAX);
        let middle = end.min(AVERAGE);
        // The hash forgets what is more than 64 bytes back, so it can start shortly before the smallest cut.
        let mut hash = data[MIN - 64..MIN].iter().fold(0, |hash, byte| self.step(hash, *byte));
        for (offset, byte) in data[MIN..middle].iter().enumerate() {
            hash = self.step(hash, *byte);
            if hash & STRICT == 0 {
                return Some(MIN + offset + 1);
            }
        }
        for (offset, byte) in data[middle..end].iter().enumerate() {
            hash = self.step(hash, *byte);
            if hash & LAX == 0 {
                return Some(middle + offset + 1);
            }
        }
        (whole || end == MAX).then_some(end)
    }

    fn step(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.gear[usize::from(byte)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(bytes: usize, mut seed: u64) -> Vec<u8> {
        let mut data = Vec::with_capacity(bytes);
        while data.len() < bytes {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            data.extend_from_slice(&seed.to_le_bytes());
        }
        data
    }

    fn cuts(chunker: &Chunker, mut data: &[u8]) -> Vec<usize> {
        let mut cuts = vec![];
        while !data.is_empty() {
            let cut = chunker.cut(data, true).unwrap();
            cuts.push(cut);
            data = &data[cut..];
        }
        cuts
    }

    #[test]
    fn sizes_are_within_bounds_and_near_the_average() {
        let data = noise(100 << 20, 1);
        let cuts = cuts(&Chunker::new(7), &data);
        assert!(cuts[..cuts.len() - 1].iter().all(|cut| (MIN..=MAX).contains(cut)));
        let average = data.len() / cuts.len();
        assert!((AVERAGE * 3 / 4..AVERAGE * 2).contains(&average), "{average}");
    }

    #[test]
    fn an_insertion_changes_few_blobs() {
        let chunker = Chunker::new(7);
        let data = noise(64 << 20, 2);
        let mut longer = data.clone();
        longer.splice(1000..1000, *b"inserted");
        let blobs = |data: &[u8]| {
            let mut at = 0;
            cuts(&chunker, data)
                .into_iter()
                .map(|cut| (at, at += cut).0..at)
                .map(|r| data[r].to_vec())
                .collect::<Vec<_>>()
        };
        let (before, after) = (blobs(&data), blobs(&longer));
        let kept = after.iter().filter(|blob| before.contains(blob)).count();
        assert!(kept + 3 >= before.len(), "{kept} of {}", before.len());
    }

    #[test]
    fn short_and_empty() {
        let chunker = Chunker::new(7);
        assert_eq!(chunker.cut(&[], true), Some(0));
        assert_eq!(chunker.cut(&noise(MIN, 3), true), Some(MIN));
        assert_eq!(chunker.cut(&vec![0; MAX + 5], true), chunker.cut(&vec![0; MAX], false));
    }

    #[test]
    fn what_follows_moves_no_cut() {
        let chunker = Chunker::new(11);
        for seed in 4..12 {
            let data = noise(MAX, seed);
            let cut = chunker.cut(&data, true).unwrap();
            for length in [0, MIN, MIN + 1, AVERAGE, AVERAGE + 1, 2 * AVERAGE, cut - 1, cut, cut + 1, MAX] {
                let known = chunker.cut(&data[..length], false);
                assert_eq!(known, (length >= cut).then_some(cut), "{seed} {length} {cut}");
            }
        }
    }
}
