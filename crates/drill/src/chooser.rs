//! Chooses an entry of a GRUB menu over the serial line, as a person would (GRUB manual, "Menu interface").

use crate::DrillError;
use crate::medium::Menu;
use crate::vm::{Pattern, Vm};
use std::time::Duration;

/// GRUB redraws its menu at once.
const REDRAW: Duration = Duration::from_secs(10);
/// Down and up everywhere; arrow keys are several bytes, of which a slow serial line may lose one.
const DOWN: &[u8] = b"\x0e";
const UP: &[u8] = b"\x10";
/// In the editor: go to the end of the line; start what was edited.
const END: &[u8] = b"\x05";
const START: &[u8] = b"\x18";

/// Starts the entry `id` of a menu that is up, with `parameter` at the end of its kernel's command line. An entry that
/// starts no kernel by name (one signed file holds everything) is started as it is.
///
/// # Errors
/// When there is no such entry, or GRUB does not answer.
pub fn choose(vm: &mut Vm, menu: &Menu, id: &str, parameter: Option<&str>) -> Result<(), DrillError> {
    let missing = || DrillError::Unsupported(format!("the medium's boot menu has no entry {id}"));
    let distance = menu.distance(id).ok_or_else(missing)?;
    for _ in 0..distance.unsigned_abs() {
        press(vm, if distance < 0 { UP } else { DOWN })?;
    }
    let (Some(parameter), Some(line)) = (parameter, menu.kernel_line(id)) else { return vm.console.send(b"\r") };
    press(vm, b"e")?;
    for _ in 0..line {
        press(vm, DOWN)?;
    }
    press(vm, END)?;
    for letter in format!(" {parameter}").bytes() {
        press(vm, &[letter])?;
    }
    vm.console.send(START)
}

/// Presses a key and waits until something is drawn: any answer means that the key was received.
fn press(vm: &mut Vm, key: &[u8]) -> Result<(), DrillError> {
    vm.console.skip();
    vm.console.send(key)?;
    vm.console.wait_for(&Pattern::regex(r"(?s).")?, REDRAW).map(drop)
}
