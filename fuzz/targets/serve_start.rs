//! What comes from a link with machines that start: DHCP and TFTP.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lifeboat_serve::fuzz::start(data));
