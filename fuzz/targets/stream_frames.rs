//! What is between the frames of a volume.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_archive::fuzz::streams;

fuzz_target!(|data: &[u8]| {
    let _ = streams::frames(data);
});
