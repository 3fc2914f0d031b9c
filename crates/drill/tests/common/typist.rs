//! A person at a serial console.

// Each test program uses a part of it; helpers of tests count as tests.
#![allow(dead_code, clippy::unwrap_used)]

use lifeboat_drill::DrillError;
use lifeboat_drill::vm::{Pattern, Vm};
use std::time::{Duration, Instant};

/// From one screen to the next; emulated, on a host that does other work.
pub const SCREEN: Duration = Duration::from_secs(300);
/// How long a screen is looked at before it is painted again.
const GLANCE: Duration = Duration::from_secs(15);

/// Text on a screen: blanks that a terminal has already are not sent again.
pub fn shown(text: &str) -> Pattern {
    let words: Vec<String> = text.split(' ').map(regex::escape).collect();
    Pattern::regex(&words.join(r"\s*")).unwrap()
}

/// Waits for one of these on a screen of the interactive mode; gives its index. What a screen has already is not sent again,
/// down to single letters: now and then it is painted again.
pub fn see(vm: &mut Vm, patterns: &[&Pattern]) -> Result<usize, DrillError> {
    let end = Instant::now() + SCREEN;
    loop {
        match vm.console.wait_for_any(patterns, GLANCE) {
            Ok((index, _)) => return Ok(index),
            Err(DrillError::Deadline { .. }) if Instant::now() < end => vm.console.send(b"\x0c")?,
            Err(error) => return Err(error),
        }
    }
}

/// Types a line until the next screen comes: an emulated serial line doubles a character now and then.
pub fn type_on_screen(vm: &mut Vm, line: &str, refusal: &str, next: &str) -> Result<(), DrillError> {
    type_until(vm, line, refusal, next, see)
}

/// The same at a prompt.
pub fn type_line(vm: &mut Vm, line: &str, refusal: &str, next: &str) -> Result<(), DrillError> {
    type_until(vm, line, refusal, next, |vm, patterns| {
        vm.console.wait_for_any(patterns, SCREEN).map(|(index, _)| index)
    })
}

fn type_until(
    vm: &mut Vm,
    line: &str,
    refusal: &str,
    next: &str,
    wait: impl Fn(&mut Vm, &[&Pattern]) -> Result<usize, DrillError>,
) -> Result<(), DrillError> {
    let (refusal, next) = (shown(refusal), shown(next));
    for _ in 0..5 {
        vm.console.send(format!("\x15{line}\r").as_bytes())?;
        if wait(vm, &[&next, &refusal])? == 0 {
            return Ok(());
        }
    }
    panic!("{line:?} was refused five times:\n{}", vm.console.tail());
}

/// From the boot to the key.
pub fn come_to_the_key(vm: &mut Vm, boot: Duration) -> Result<(), DrillError> {
    let (seat, welcome) = (shown("Press Enter on the console that you use"), shown("Lifeboat: welcome"));
    // With a single console nobody is asked.
    if vm.console.wait_for_any(&[&seat, &welcome], boot)?.0 == 0 {
        vm.console.send(b"\r")?;
        vm.console.wait_for(&welcome, SCREEN)?;
    }
    vm.console.send(b"\r")?;
    vm.console.wait_for(&shown("Lifeboat: key"), SCREEN)?;
    Ok(())
}
