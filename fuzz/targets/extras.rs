//! What restic's format lacks, as lines of JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_archive::fuzz;

fuzz_target!(|data: &[u8]| {
    let _ = fuzz::extras(data);
});
