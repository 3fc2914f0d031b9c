//! Snapshot files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_archive::fuzz;

fuzz_target!(|data: &[u8]| {
    let _ = fuzz::snapshot(data);
});
