//! Headers of encrypted devices, which anybody may have written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_storage::luks::examine;
use std::io::Cursor;

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(examined)) = examine::read(&mut Cursor::new(data)) {
        assert_eq!(Some(examined.backup.len() as u64), examined.header.backup.map(|backup| backup.size_bytes));
        assert!(!examined.header.uuid.contains('/') && !examined.header.uuid.contains('.'));
    }
});
