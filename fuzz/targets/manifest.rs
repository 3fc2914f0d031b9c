//! Manifests of media and archives, and the mark of an unfinished recovery, which any disk may hold.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_machine::manifest::ArchiveManifest;
use lifeboat_machine::marker::Marker;
use lifeboat_machine::{Event, MediumManifest};

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = serde_json::from_slice::<MediumManifest>(data) {
        let again = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(serde_json::from_slice::<MediumManifest>(&again).unwrap(), manifest);
    }
    if let Ok(manifest) = serde_json::from_slice::<ArchiveManifest>(data) {
        let again = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(serde_json::from_slice::<ArchiveManifest>(&again).unwrap(), manifest);
    }
    if let Ok(event) = serde_json::from_slice::<Event>(data) {
        assert!(!event.console_line().contains('\n'));
    }
    let _ = Marker::decode(data);
});
