//! Images of media: from a web server, a disc or a stick that anybody may have made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_remote::Fault;
use lifeboat_remote::iso::{ReadAt, files, read};

struct Bytes<'a>(&'a [u8]);

impl ReadAt for Bytes<'_> {
    fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(self.0.len());
        Ok(self.0[from..to].to_vec())
    }
}

// An input is behind the 16 sectors that no reader of files looks at, so that mutations meet what is read.
fuzz_target!(|data: &[u8]| {
    let image = [&[0; 16 * 2048], data].concat();
    let source = Bytes(&image);
    for top in ["", "lifeboat"] {
        let Ok(found) = files(&source, "x", top) else { continue };
        for (path, extents) in &found {
            assert!(!path.split('/').any(|part| part == ".."), "{path}");
            let size = extents.iter().fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
            assert!(read(&source, extents, 0, size.min(1 << 20)).is_ok_and(|bytes| bytes.len() <= 1 << 20));
        }
    }
});
