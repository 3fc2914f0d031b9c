//! Index pages of web servers: whatever a page says, no link leads out of its folder.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/remote/src/tree/links.rs"]
mod links;

use libfuzzer_sys::fuzz_target;

const BASE: &str = "http://host/folder/";

fuzz_target!(|data: &[u8]| {
    let found = links::links(&String::from_utf8_lossy(data), BASE);
    for (number, link) in found.iter().enumerate() {
        let below = link.strip_prefix(BASE).expect("it begins with the folder");
        assert!(!below.contains("..") && !below.contains(':'), "{link}");
        assert!(!found[..number].contains(link));
    }
});
