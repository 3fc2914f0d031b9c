//! Tables of sets: whoever has the key may write anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_archive::fuzz::streams;

fuzz_target!(|data: &[u8]| {
    if let Ok(paths) = streams::catalogue(data) {
        assert!(paths.iter().all(|path| path.is_absolute() && !path.components().any(|part| part.as_os_str() == "..")));
    }
});
