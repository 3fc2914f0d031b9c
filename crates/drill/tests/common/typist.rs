//! A person at a serial console.

// Each test program uses a part of it; helpers of tests count as tests.
#![allow(dead_code, clippy::unwrap_used)]

use lifeboat_drill::DrillError;
use lifeboat_drill::vm::{Pattern, Vm};
use std::time::Duration;

/// From one screen to the next; emulated, on a host that does other work.
pub const SCREEN: Duration = Duration::from_secs(300);

/// Text on a screen: blanks that a terminal has already are not sent again.
pub fn shown(text: &str) -> Pattern {
    let words: Vec<String> = text.split(' ').map(regex::escape).collect();
    Pattern::regex(&words.join(r"\s*")).unwrap()
}

/// Types a line until the next screen comes: an emulated serial line doubles a character now and then.
pub fn type_line(vm: &mut Vm, line: &str, refusal: &str, next: &str) -> Result<(), DrillError> {
    let (refusal, next) = (shown(refusal), shown(next));
    for _ in 0..5 {
        vm.console.send(format!("\x15{line}\r").as_bytes())?;
        if vm.console.wait_for_any(&[&next, &refusal], SCREEN)?.0 == 0 {
            return Ok(());
        }
    }
    panic!("{line:?} was refused five times:\n{}", vm.console.tail());
}

/// From the boot to the key.
pub fn come_to_the_key(vm: &mut Vm, boot: Duration) -> Result<(), DrillError> {
    let (seat, welcome) = (shown("Press Enter on the console at which you sit"), shown("Lifeboat: welcome"));
    // With a single console nobody is asked.
    if vm.console.wait_for_any(&[&seat, &welcome], boot)?.0 == 0 {
        vm.console.send(b"\r")?;
        vm.console.wait_for(&welcome, SCREEN)?;
    }
    vm.console.send(b"\r")?;
    vm.console.wait_for(&shown("Lifeboat: key"), SCREEN)?;
    Ok(())
}
