//! Kernel parameters: whoever edits a boot menu types anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_machine::parameters::{Parameters, split};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let words = split(&text);
    // A pair of quotes alone is an empty word; the quotes themselves are never part of one.
    assert!(words.iter().all(|word| !word.contains('"')));
    let parameters = Parameters::parse(&text);
    // Only what is ours can be a mistake.
    assert!(parameters.mistakes.is_empty() || words.iter().any(|word| word.starts_with("lifeboat.")));
    // What cannot be understood of the network's parameters is a mistake, never a crash.
    let _ = lifeboat_machine::NetworkParameters::parse(&text);
    if lifeboat_machine::on_disk::OnDisk::is_meant(&text) {
        let _ = lifeboat_machine::on_disk::OnDisk::parse(&text);
    }
    let _ = lifeboat_sys::console::parse_active(&text);
    let mut config = lifeboat_sys::modules::Config::default();
    config.add_command_line(&text);
    config.add(&text);
});
