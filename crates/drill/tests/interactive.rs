//! A whole recovery in the interactive mode, by keys over the serial console, compared file by file and booted again.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/typist.rs"]
mod typist;

use common::{HEALTHY, PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::scenario::{BOOT, RECOVER};
use lifeboat_drill::lab::{Recovered, Scenario, Target};
use lifeboat_machine::Event;
use std::path::Path;
use typist::{SCREEN, come_to_the_key, see, shown, type_on_screen};

/// Before the machine's name and the recovery words.
const MARK: &str = "NAME-AND-WORDS:";

fn recover(scenario: &Scenario, medium: &Path, name: &str, words: &str) -> Result<Recovered, DrillError> {
    let target = Target { memory_mib: Some(1024), ..Target::default() };
    let mut recovery = scenario.start_recovery(medium, &target)?;
    let vm = &mut recovery.vm;
    come_to_the_key(vm, BOOT)?;
    vm.console.send(b"wrong\r")?;
    see(vm, &[&shown("this key does not match")])?;
    type_on_screen(vm, words, "cannot READ the recovery words", "Lifeboat: backups")?;
    for title in ["disks found", "which disk goes where", "the plan", "confirm"] {
        vm.console.send(b"\r")?;
        vm.console.wait_for(&shown(&format!("Lifeboat: {title}")), SCREEN)?;
    }
    vm.qmp.screenshot(&scenario.directory.join("confirm.png"))?;
    type_on_screen(vm, name, "nothing was touched", "Lifeboat: at work")?;
    vm.console.wait_for(&shown("Lifeboat: result"), RECOVER)?;
    // The screen says it, and once it is gone the last line does.
    vm.console.send(b"\x1b[B\r")?;
    recovery.end()
}

#[test]
#[ignore = "long: make test-all"]
fn interactive_recovery_over_the_serial_console() {
    run_scenario(|| {
        let scenario = scenario_in("interactive", PLAIN)?;
        let rescue = format!(
            "lifeboat rescue --out /run/medium/rescue.iso --mode interactive --timeout 1 && echo {MARK} $(hostname) && \
             lifeboat key show"
        );
        let original = scenario.record(&programs(), &rescue)?;
        let reported = original.output.split(MARK).nth(1).unwrap_or_default();
        let (name, reported) = reported.trim_start().split_once(char::is_whitespace).unwrap_or_default();
        let words: Vec<&str> =
            reported.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).collect();
        assert_eq!(words.len(), 24, "{reported}");
        let recovered = recover(&scenario, &original.medium, name, &words.join(" "))?;
        assert!(recovered.events.iter().any(|(_, event)| matches!(event, Event::Restored { .. })));
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}
