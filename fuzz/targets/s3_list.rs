//! Lists of objects: an S3 server, or who stands in for it, answers anything.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/remote/src/s3/list.rs"]
mod list;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(page) = list::parse(data) else { return };
    // Each object was named in the answer, so a short answer is no long list.
    assert!(page.objects.len() * "<Contents>".len() <= data.len());
    assert!(page.objects.iter().map(|(key, _)| key.len()).sum::<usize>() <= data.len() * 2);
});
