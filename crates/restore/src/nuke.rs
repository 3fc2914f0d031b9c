//! The unattended mode: no questions, and nothing is written unless everything was verified first.

use crate::boot_server;
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
    doubts(rescue.parameters.warnings, &plan.notes, recovery.lacks.as_deref())?;
    carry_out(&recovery, rescue, &mut recovery.begin(plan), began, recovery.damaged, sink)
}

/// Refuses what nobody is there to accept: notes of the plan, if that was wished; a backup that `lacks` what its machine starts from, unless
/// the opposite was wished.
fn doubts(warnings: Option<Warnings>, notes: &[String], lacks: Option<&str>) -> Result<(), Failure> {
    match lacks {
        _ if warnings == Some(Warnings::Stop) && !notes.is_empty() => Err(Failure::Warnings(notes.to_vec())),
        // What may still start is not replaced by what does not.
        Some(text) if warnings != Some(Warnings::GoOn) => {
            Err(Failure::Mismatch(format!("{text}; or lifeboat.warnings=go-on, which takes it as it is")))
        }
        _ => Ok(()),
    }
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
    boot_server::tell(rescue, sink);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_accepts_is_refused() {
        let note = ["a note".to_owned()];
        let lacks = Some("/usr is not in it");
        for (warnings, notes, lacks, refused) in [
            (None, &note[..], None, false),
            (Some(Warnings::Stop), &note, None, true),
            (Some(Warnings::Stop), &[], None, false),
            (None, &[], lacks, true),
            (Some(Warnings::Stop), &[], lacks, true),
            (Some(Warnings::GoOn), &note, lacks, false),
        ] {
            let result = doubts(warnings, notes, lacks);
            assert_eq!(result.is_err(), refused, "{warnings:?} {notes:?} {lacks:?}");
            if let Err(failure) = result {
                assert!(failure.to_string().contains("the disks were not touched"), "{failure}");
            }
        }
    }
}
