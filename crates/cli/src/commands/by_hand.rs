//! `lifeboat restore` typed in the rescue system: a whole machine's recovery, at once, in single stages, or from where it
//! stopped.

use super::recover::{compare_with, missing, usual_umask};
use crate::command::{CompareArgs, KeyArgs, RecoveryStage, RestoreArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::compared::selection;
use crate::job::failure::explain;
use crate::job::{keys, network};
use crate::session::Session;
use lifeboat_archive::ArchiveError;
use lifeboat_plan::Policy;
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem};
use lifeboat_restore::{Journal, Part, Recovery, nuke};
use std::cell::Cell;
use std::io::BufRead as _;
use std::time::Instant;

/// So many passphrases may be wrong.
const PASSPHRASES: u32 = 5;

/// Shows the plan and goes ahead once the machine's name was typed. Resuming a recovery does not ask again: the disks were
/// given up when it began.
pub fn run(session: &Session, args: &RestoreArgs) -> CommandResult {
    usual_umask();
    let mut rescue = RescueSystem::open(RescueDirectories::default())?;
    let journal = Journal::load(&rescue.directories.run).map_err(explain)?;
    let continued = continued(session, args, journal)?;
    let snapshot = continued.as_ref().map(|journal| &journal.snapshot).or(args.snapshot.as_ref());
    name_archive(&mut rescue, "restore", args.source.from.as_ref(), snapshot)?;
    rescue.parameters.damaged |= args.damaged;
    if let Some(path) = &args.layout {
        rescue.layout = Some(lifeboat_restore::rescue::read_layout(path).map_err(explain)?);
    }
    let _alone = rescue.alone()?;
    let recovery = open(session, &rescue, &args.source.key)?;
    if let Some(journal) = &continued {
        recovery.resume(journal);
    }
    unlock(session, &recovery)?;
    match (continued, args.stage) {
        (Some(journal), stage) => go_on(session, &rescue, &recovery, journal, stage),
        (None, stage) => {
            let policy = policy(args, &rescue)?;
            let journal = recovery.begin(recovery.plan(&policy).map_err(explain)?);
            session.reporter.finish();
            session.reporter.lines(journal.plan.to_string());
            if stage == Some(RecoveryStage::Plan) {
                session.reporter.line(
                    "Nothing was touched. To apply the plan: 'lifeboat restore --stage rebuild' with the same \
                     options.",
                );
                return Ok(());
            }
            confirm(&recovery.machine.name)?;
            go_on(session, &rescue, &recovery, journal, stage)
        }
    }
}

/// `lifeboat compare` typed in the rescue system, without a folder: the archive against the machine's disks.
pub fn compare(session: &Session, args: &CompareArgs) -> CommandResult {
    usual_umask();
    let mut rescue = RescueSystem::open(RescueDirectories::default())?;
    name_archive(&mut rescue, "compare", args.source.from.as_ref(), args.snapshot.as_ref())?;
    rescue.parameters.damaged = true;
    let _alone = rescue.alone()?;
    let recovery = open(session, &rescue, &args.source.key)?;
    if let Err(error) = unlock(session, &recovery) {
        session.reporter.note(format!("{}; what is encrypted counts as missing", error.message()));
    }
    compare_with(session, &rescue, &recovery, &selection(args), &session.reporter)
}

/// The archive that the command names, otherwise the one that the boot process found.
fn name_archive(
    rescue: &mut RescueSystem,
    command: &str,
    from: Option<&String>,
    snapshot: Option<&String>,
) -> CommandResult {
    rescue.from = from.cloned();
    if let Some(snapshot) = snapshot {
        rescue.parameters.snapshot = Some(snapshot.clone());
    }
    if rescue.source.is_none() && rescue.archive_elsewhere().is_none() {
        return Err(CommandError::new(Kind::Failed, "the boot process found no recovery medium").hint(format!(
            "inserting it and naming its device: 'lifeboat {command} --from /dev/sr0' for a disc; or naming another \
             archive in the same way"
        )));
    }
    Ok(())
}

/// The journal of a recovery that is to be continued; `None` for a new one.
fn continued(session: &Session, args: &RestoreArgs, journal: Option<Journal>) -> Result<Option<Journal>, CommandError> {
    let unfinished = journal.filter(Journal::is_unfinished);
    if args.resume {
        return unfinished.map(Some).ok_or_else(|| {
            CommandError::refused("there is no recovery to resume: none was interrupted since this system booted")
                .hint("lifeboat restore")
        });
    }
    let wanted = match args.stage {
        None | Some(RecoveryStage::Plan) => {
            if let Some(journal) = &unfinished {
                let (done, all) = (journal.done, journal.plan.steps.len());
                session.reporter.note(format!(
                    "a recovery stopped after step {done} of {all}; this starts again from the beginning, 'lifeboat \
                     restore --resume' would continue it"
                ));
            }
            return Ok(None);
        }
        Some(RecoveryStage::Rebuild) => Part::Rebuild,
        Some(RecoveryStage::Extract) => Part::Extract,
        Some(RecoveryStage::Boot) => Part::Boot,
    };
    match unfinished.as_ref().and_then(Journal::next) {
        Some(next) if next == wanted => Ok(unfinished),
        // The first stage also plans and asks.
        _ if wanted == Part::Rebuild => Ok(None),
        Some(next) => Err(CommandError::usage(format!(
            "the next stage is '{}'; '--stage rebuild' starts again from the beginning",
            word(next)
        ))),
        None => Err(CommandError::usage("no recovery was started; the first stages are 'plan' and 'rebuild'")),
    }
}

fn word(part: Part) -> &'static str {
    match part {
        Part::Rebuild => "rebuild",
        Part::Extract => "extract",
        Part::Boot => "boot",
    }
}

fn open<'a>(session: &'a Session, rescue: &'a RescueSystem, key: &KeyArgs) -> Result<Recovery<'a>, CommandError> {
    let asked = Cell::new(false);
    let ask = |wrong: Option<ArchiveError>| {
        let first = !asked.replace(true);
        keys::find_or_ask(key, &session.config, first, wrong)
    };
    Recovery::open(rescue, &ask, &network::of_session(session)?, &session.runner, &session.reporter).map_err(explain)
}

/// Asks for what opens the machine's encrypted devices, until all can be opened; before anything else is asked.
fn unlock(session: &Session, recovery: &Recovery<'_>) -> CommandResult {
    let keyring = recovery.keyring();
    keyring.open_by_files(&session.runner, &session.reporter).map_err(explain)?;
    session.reporter.finish();
    let mut wrong = 0;
    while let Some(device) = keyring.locked().first() {
        let typed = super::storage::passphrase(&device.to_string())?;
        if typed.is_empty() {
            return Err(CommandError::refused(format!("no passphrase was given for {device}; nothing was touched")));
        }
        if !keyring.open_by_passphrase(&session.runner, &typed).map_err(explain)? {
            wrong += 1;
            let text = format!("this passphrase does not open {device}");
            if wrong == PASSPHRASES {
                return Err(CommandError::refused(format!("{text}; nothing was touched")));
            }
            session.reporter.note(text);
        }
    }
    for device in keyring.keyless() {
        let typed = super::storage::passphrase(&format!("{device}, which is encrypted anew"))?;
        if typed.is_empty() {
            return Err(CommandError::refused(format!("no passphrase was given for {device}; nothing was touched")));
        }
        if *super::storage::passphrase(&format!("{device}, once more"))? != *typed {
            return Err(CommandError::refused(format!("the two passphrases for {device} differ; nothing was touched")));
        }
        keyring.choose(&device.uuid, &typed);
    }
    Ok(())
}

/// Each option overrides the kernel parameter that says the same.
fn policy(args: &RestoreArgs, rescue: &RescueSystem) -> Result<Policy, CommandError> {
    let named = super::layout::policy(&args.policy)?;
    let booted = nuke::policy(&rescue.parameters);
    Ok(Policy {
        no_resize: named.no_resize || booted.no_resize,
        wipe: if named.wipe.is_empty() { booted.wipe } else { named.wipe },
        map: if named.map.is_empty() { booted.map } else { named.map },
        ..named
    })
}

fn confirm(name: &str) -> CommandResult {
    let shown = lifeboat_machine::bytes::printable(name.as_bytes());
    crate::output::tell(&format!(
        "\nAll that is listed as lost will be lost. To go ahead, type the machine's name, {shown}: "
    ));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() == name {
        true => Ok(()),
        false => Err(CommandError::refused("the name does not match; nothing was touched")),
    }
}

fn go_on(
    session: &Session,
    rescue: &RescueSystem,
    recovery: &Recovery<'_>,
    mut journal: Journal,
    stage: Option<RecoveryStage>,
) -> CommandResult {
    if journal.is_begun() {
        journal.check_disks(&recovery.hardware().map_err(explain)?).map_err(explain)?;
    }
    let last = match stage {
        Some(RecoveryStage::Rebuild) => Part::Rebuild,
        Some(RecoveryStage::Extract) => Part::Extract,
        _ => Part::Boot,
    };
    if last == Part::Boot {
        let (began, damaged) = (Instant::now(), recovery.damaged);
        let lost =
            nuke::carry_out(recovery, rescue, &mut journal, began, damaged, &session.reporter).map_err(explain)?;
        session.reporter.line("The machine is restored. Remove the medium and reboot.");
        return if lost > 0 { Err(missing(lost)) } else { Ok(()) };
    }
    recovery.carry_on(&mut journal, last).map_err(explain)?;
    session.reporter.finish();
    let target = rescue.directories.target.display();
    let next = format!("lifeboat restore --stage {}", journal.next().map_or("boot", word));
    if journal.problems > 0 {
        let what = crate::output::counted(journal.problems as usize, "entry");
        return Err(CommandError::new(
            Kind::Partial,
            format!("{what} could not be restored, or differ (listed above)"),
        )
        .hint(format!("checking {target}; '{next}' continues all the same")));
    }
    session.reporter.line(format!("Done. The files are in {target}. Next: {next}"));
    Ok(())
}
