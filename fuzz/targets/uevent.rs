//! Messages on the kernel's netlink socket, and the aliases in them, matched as the kernel's helper would.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_sys::modules::{AliasTable, fnmatch, module_name, normalise};
use lifeboat_sys::uevent::Uevent;

fuzz_target!(|data: &[u8]| {
    if let Some(event) = Uevent::parse(data) {
        assert!(!event.action.is_empty() && event.device_path.starts_with('/'));
        let alias = normalise(event.get("MODALIAS").unwrap_or_default());
        let _ = module_name(&event.device_path);
        let pattern = event.get("PATTERN").unwrap_or("pci:v*d*sv*");
        let mut table = AliasTable::default();
        table.insert(pattern, "module");
        // The table is an index over patterns: it may not find less or more than one look at each of them.
        assert_eq!(table.find(&alias).is_empty(), !fnmatch(&normalise(pattern), &alias));
    }
});
