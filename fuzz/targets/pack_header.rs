//! Headers of packs: authentic, but nonsense.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_archive::fuzz;

fuzz_target!(|data: &[u8]| {
    if let Ok(lengths) = fuzz::pack_header(data) {
        assert!(lengths.iter().all(|length| *length as usize >= 32));
    }
});
