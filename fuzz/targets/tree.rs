//! Trees of a repository: anyone who has its key may write anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_archive::fuzz;

fuzz_target!(|data: &[u8]| {
    if let Ok(names) = fuzz::tree(data) {
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "sorted and different");
        assert!(names.iter().all(|name| !name.is_empty() && !name.contains(&b'/') && !name.contains(&0)));
    }
});
