//! The unattended mode: no questions, and nothing is written unless everything was proven before.

use crate::failure::Failure;
use crate::network::Network;
use crate::recovery::Recovery;
use crate::rescue::RescueSystem;
use lifeboat_archive::Secret;
use lifeboat_machine::{DeviceId, Event, EventSink, Parameters};
use lifeboat_plan::{Plan, Policy};
use lifeboat_sys::Runner;
use std::time::Instant;

/// What the kernel parameters allow.
pub fn policy(parameters: &Parameters) -> Policy {
    Policy {
        no_resize: parameters.no_resize,
        wipe: parameters.wipe.clone(),
        map: parameters.map.iter().map(|(device, disk)| (DeviceId(device.clone()), disk.clone())).collect(),
        ..Policy::default()
    }
}

/// Runs the whole recovery and emits its final event.
///
/// # Errors
/// The [`Failure`] that was reported with the final event.
pub fn nuke(
    rescue: &RescueSystem,
    network: &Network,
    runner: &dyn Runner,
    sink: &dyn EventSink,
) -> Result<(), Failure> {
    let result = run(rescue, network, runner, sink);
    if let Err(failure) = &result {
        sink.emit(&Event::Failed { reason: failure.to_string() });
    }
    result
}

fn run(rescue: &RescueSystem, network: &Network, runner: &dyn Runner, sink: &dyn EventSink) -> Result<(), Failure> {
    let began = Instant::now();
    if !rescue.parameters.mistakes.is_empty() {
        return Err(Failure::Parameters(rescue.parameters.mistakes.clone()));
    }
    let _alone = rescue.alone()?;
    let recovery = Recovery::open(rescue, &no_key, network, runner, sink)?;
    let plan = recovery.plan(&policy(&rescue.parameters))?;
    for line in plan.to_string().lines() {
        sink.emit(&Event::Note { text: line.to_owned() });
    }
    let entries = write(&recovery, rescue, &plan, sink)?;
    sink.emit(&Event::Restored { entries, seconds: began.elapsed().as_secs_f64() });
    Ok(())
}

/// Carries a plan out that was agreed to, and emits the final event when it succeeds.
///
/// # Errors
/// The [`Failure`]; the caller tells it to the person.
pub fn carry_out(
    recovery: &Recovery<'_>,
    rescue: &RescueSystem,
    plan: &Plan,
    sink: &dyn EventSink,
) -> Result<(), Failure> {
    let began = Instant::now();
    let entries = write(recovery, rescue, plan, sink)?;
    sink.emit(&Event::Restored { entries, seconds: began.elapsed().as_secs_f64() });
    Ok(())
}

/// Everything that writes to the disks; gives the number of entries restored.
fn write(recovery: &Recovery<'_>, rescue: &RescueSystem, plan: &Plan, sink: &dyn EventSink) -> Result<u64, Failure> {
    let written = (|| {
        recovery.rebuild(plan)?;
        let extracted = recovery.extract(plan)?;
        let differences = recovery.verify()?;
        recovery.make_bootable(plan)?;
        Ok((extracted, differences))
    })();
    let (extracted, differences) = match written {
        Ok(done) => done,
        Err(failure) => {
            sink.emit(&Event::Note { text: "leaving the disks unmounted; the recovery can be started again".into() });
            recovery.abandon(plan);
            return Err(failure);
        }
    };
    // An entry that could not be restored usually differs as well: the larger number is the honest one.
    let problems = extracted.problems.max(differences);
    if problems > 0 {
        return Err(Failure::Incomplete {
            problems,
            entries: recovery.manifest.entries,
            log: rescue.directories.run.join("log").display().to_string(),
        });
    }
    Ok(extracted.entries)
}

/// Nobody is there to be asked.
fn no_key() -> Result<Secret, Failure> {
    Err(Failure::Unusable {
        what: "the archive".into(),
        reason:
            "it is encrypted and this medium does not hold the key; recover in interactive mode, which asks for it, or \
                 build the medium with --embed-key"
                .into(),
    })
}
