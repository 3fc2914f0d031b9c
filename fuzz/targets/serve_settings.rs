//! serve.toml, which a person writes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lifeboat_serve::fuzz::settings(data));
