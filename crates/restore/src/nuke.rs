//! The unattended mode: no questions, and nothing is written unless everything was verified first.

use crate::failure::Failure;
use crate::journal::{Journal, Part};
use crate::network::Network;
use crate::recovery::Recovery;
use crate::rescue::RescueSystem;
use lifeboat_archive::{ArchiveError, Secret};
use lifeboat_machine::parameters::Warnings;
use lifeboat_machine::{DeviceId, Event, EventSink, Parameters};
use lifeboat_plan::Policy;
use lifeboat_sys::Runner;
use std::time::Instant;

/// What the kernel parameters allow.
pub fn policy(parameters: &Parameters) -> Policy {
    Policy {
        no_resize: parameters.resize == Some(false),
        wipe: parameters.wipe.clone(),
        map: parameters.map.iter().map(|(device, disk)| (DeviceId(device.clone()), disk.clone())).collect(),
        ..Policy::default()
    }
}

/// Runs the whole recovery and emits its final event; returns what [`carry_out`] returns.
///
/// # Errors
/// The [`Failure`] that was reported with the final event.
pub fn nuke(
    rescue: &RescueSystem,
    network: &Network,
    runner: &dyn Runner,
    sink: &dyn EventSink,
) -> Result<u64, Failure> {
    let result = run(rescue, network, runner, sink);
    if let Err(failure) = &result {
        sink.emit(&Event::Failed { reason: failure.to_string() });
    }
    result
}

fn run(rescue: &RescueSystem, network: &Network, runner: &dyn Runner, sink: &dyn EventSink) -> Result<u64, Failure> {
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
    let warnings = rescue.parameters.warnings;
    if warnings == Some(Warnings::Stop) && !plan.notes.is_empty() {
        return Err(Failure::Warnings(plan.notes));
    }
    // What may still start is not replaced by what does not, without a person who wants it.
    if let Some(text) = recovery.lacks.as_ref().filter(|_| warnings != Some(Warnings::GoOn)) {
        return Err(Failure::Mismatch(format!("{text}; try another snapshot, or lifeboat.warnings=go-on")));
    }
    carry_out(&recovery, rescue, &mut recovery.begin(plan), began, recovery.damaged, sink)
}

/// Carries a recovery with an accepted plan to its end, and emits the final event when it succeeds. Returns the number of
/// entries that are missing or differ: none, unless the archive is `damaged` and what is left of it was wanted.
///
/// # Errors
/// The [`Failure`]; the caller reports it to the person.
pub fn carry_out(
    recovery: &Recovery<'_>,
    rescue: &RescueSystem,
    journal: &mut Journal,
    began: Instant,
    damaged: bool,
    sink: &dyn EventSink,
) -> Result<u64, Failure> {
    if let Err(failure) = recovery.carry_on(journal, Part::Boot) {
        let text = "leaving the disks unmounted; the recovery can be resumed, or started again";
        sink.emit(&Event::Note { text: text.into() });
        recovery.abandon(&journal.plan);
        return Err(failure);
    }
    if journal.problems > 0 && damaged {
        let text = format!(
            "the archive is damaged: {} of {} entries are missing or differ (listed in {}); all the rest was restored",
            journal.problems,
            recovery.manifest.entries,
            rescue.directories.run.join("log").display()
        );
        sink.emit(&Event::Warning { text });
    } else if journal.problems > 0 {
        return Err(Failure::Incomplete {
            problems: journal.problems,
            entries: recovery.manifest.entries,
            log: rescue.directories.run.join("log").display().to_string(),
        });
    }
    sink.emit(&Event::Restored { entries: journal.entries, seconds: began.elapsed().as_secs_f64() });
    Ok(journal.problems)
}

/// Nobody is there to be asked.
fn no_key(wrong: Option<ArchiveError>) -> Result<Secret, Failure> {
    Err(match wrong {
        Some(error) => error.into(),
        None => Failure::Unusable {
            what: "the archive".into(),
            reason: "it is encrypted and this medium does not hold the key; nothing was touched; try the interactive \
                 mode, which asks for the recovery words, or building the medium with --embed-key"
                .into(),
        },
    })
}
