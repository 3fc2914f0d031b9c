//! Lists of files: a REST server answers anything.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/remote/src/rest/list.rs"]
mod list;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(files) = list::parse(data) else { return };
    let value = files.iter().map(|(name, size)| match size {
        Some(size) => serde_json::json!({"name": name, "size": size}),
        None => serde_json::json!(name),
    });
    let again = serde_json::to_vec(&value.collect::<Vec<_>>()).unwrap();
    assert_eq!(list::parse(&again).unwrap(), files);
});
