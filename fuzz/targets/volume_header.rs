//! Headers of volumes: a tape in the drive may hold anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_sys::tape::VolumeHeader;
use lifeboat_sys::tape::header::TEXT_BYTES;

fuzz_target!(|data: &[u8]| {
    let Ok(header) = VolumeHeader::parse(data) else { return };
    let block = header.encode().expect("what was read is written");
    assert_eq!(block[..TEXT_BYTES], data[..TEXT_BYTES]);
    assert!(!header.to_string().chars().any(char::is_control));
});
