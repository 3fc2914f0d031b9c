//! Machine descriptions, and plans made from them: for the machine's own disks, for blank ones of twice and half the size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_machine::{DiskContent, FoundDisk, FoundHardware, Machine};
use lifeboat_plan::{Policy, diff, plan};

fuzz_target!(|data: &[u8]| {
    let Ok(machine) = Machine::from_json(data) else { return };
    let again = Machine::from_json(&machine.to_json()).expect("what was written is read");
    assert!(diff(&machine, &again).is_empty());
    for scale in [|size: u64| size, |size: u64| size.saturating_mul(2), |size: u64| size / 2] {
        let disks = machine.layout.disks().map(|(device, disk)| FoundDisk {
            path: device.path.clone(),
            size_bytes: scale(device.size_bytes),
            disk: disk.clone(),
            content: DiskContent::Blank,
            lock: None,
        });
        let hardware = FoundHardware { disks: disks.collect(), ..FoundHardware::default() };
        let policy = Policy { any_firmware: true, ..Policy::default() };
        match plan(&machine, &hardware, &policy) {
            Ok(plan) => drop(plan.to_string()),
            Err(error) => drop(error.to_string()),
        }
    }
});
