//! Key files: read before anything is authenticated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_archive::fuzz;

fuzz_target!(|data: &[u8]| {
    if let Ok(work) = fuzz::key_file(data) {
        assert!(work <= 1 << 23, "no key file may ask for more");
    }
});
