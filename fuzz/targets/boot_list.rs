//! The list of what boots from a medium.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_machine::BootList;

fuzz_target!(|data: &[u8]| {
    if let Ok(list) = BootList::from_json(data) {
        assert_eq!(BootList::from_json(&list.to_json()).unwrap(), list);
        let unsealed = BootList { seal: None, ..list.clone() };
        assert_eq!(unsealed.sealed_bytes(), list.sealed_bytes());
    }
});
