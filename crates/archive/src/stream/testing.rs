//! Entrances for fuzzing.

use super::pax::{self, Block, UNIT};
use super::trailer::{Sealer, Trailer};
use super::{catalogue, frame};
use crate::Secret;
use std::path::PathBuf;

pub(crate) fn trailer(block: &[u8], secret: &Secret) -> bool {
    let sealer = Sealer::of(secret);
    if let Ok((trailer, ..)) = Trailer::read(block) {
        // What is read is written again.
        assert!(Trailer::parse(&trailer.encode(4096, &sealer), &sealer) == Ok(trailer));
    }
    Trailer::parse(block, &sealer).is_ok()
}

pub(crate) fn frames(plaintext: &[u8]) -> Option<usize> {
    let key = [0; 32];
    let _ = frame::head(plaintext, &key);
    frame::find(plaintext, &key).inspect(|at| assert!(frame::head(&plaintext[*at..], &key).is_some()))
}

pub(crate) fn catalogue(bytes: &[u8]) -> Result<Vec<PathBuf>, String> {
    let _ = catalogue::decode_entry(bytes);
    let table = catalogue::decode(bytes)?.table;
    Ok((0..table.records.len()).map(|index| table.path(index)).collect())
}

pub(crate) fn members(tar: &[u8]) -> Vec<Vec<u8>> {
    let (mut paths, mut extended, mut rest) = (vec![], vec![], tar);
    while let Some((block, after)) = rest.split_first_chunk::<UNIT>() {
        rest = after;
        match pax::parse(block, &extended) {
            Ok(Block::Extended(size)) if extended.is_empty() => {
                let size = (size as usize).min(rest.len());
                extended = rest[..size].to_vec();
                rest = rest.get(size.next_multiple_of(UNIT)..).unwrap_or_default();
            }
            Ok(Block::Member(found)) => {
                paths.push(found.path);
                extended.clear();
            }
            _ => break,
        }
    }
    paths
}
