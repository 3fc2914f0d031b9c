//! Requests of strangers: paths, ranges, logins.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lifeboat_serve::fuzz::request(data));
