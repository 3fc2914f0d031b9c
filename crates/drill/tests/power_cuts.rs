//! The power fails in the middle of a recovery: the medium recovers the machine on the next boot.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, RESCUE, programs, run_scenario, scenario};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::{Recovery, Target, await_event};
use lifeboat_machine::Event;
use std::time::{Duration, Instant, SystemTime};

const CUTS: u32 = 5;
const LONG: Duration = Duration::from_secs(3600);

#[test]
#[ignore = "long: make test-all"]
fn power_cuts_at_five_random_moments() {
    run_scenario(|| {
        let scenario = scenario(PLAIN)?;
        let original = scenario.recorded(&programs(), RESCUE)?;
        // How long the writing takes from the moment at which the plan is made.
        let whole = scenario.recover(&original.medium, &Target::default())?;
        let planned = whole.events.iter().find_map(|(at, event)| match event {
            Event::Stage { name, .. } if name == "plan" => Some(*at),
            _ => None,
        });
        let mut writing = whole.took.saturating_sub(planned.unwrap());
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
        let random = |number: u32| f64::from(seed.wrapping_mul(2 * number + 1).rotate_left(7)) / f64::from(u32::MAX);
        let is_plan = |event: &Event| matches!(event, Event::Stage { name, .. } if name == "plan");
        for number in 0..CUTS {
            // One in each fifth, so that both the disks and the files are being written once.
            let part = (f64::from(number) + random(number)) / f64::from(CUTS);
            let disk = loop {
                let moment = writing.mul_f64(part);
                eprintln!(
                    "cut {number}: {:.1} s of {:.1} s (seed {seed})",
                    moment.as_secs_f64(),
                    writing.as_secs_f64()
                );
                let Recovery { mut vm, disk, .. } = scenario.start_recovery(&original.medium, &Target::default())?;
                await_event(&mut vm, "the plan", LONG, is_plan)?;
                let begun = Instant::now();
                let end = await_event(&mut vm, "the moment of the cut", moment, Event::is_final);
                vm.power_cut();
                match end {
                    Err(DrillError::Deadline { .. }) => break disk,
                    // The host is quieter than it was: the same part of what it takes now.
                    Ok(_) => writing = begun.elapsed(),
                    Err(error) => return Err(error),
                }
            };
            let again = Target { disk: Some(disk), ..Target::default() };
            let recovered = scenario.recover(&original.medium, &again)?;
            scenario.compare(&original, &recovered)?;
            if number + 1 == CUTS {
                scenario.boot(&recovered, &HEALTHY)?;
            }
        }
        Ok(())
    });
}
