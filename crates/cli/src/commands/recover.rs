//! A whole machine, in the rescue system: the modes that init starts.

use super::interactive;
use crate::command::MenuMode;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::telling::Told;
use crate::job::{failure, network};
use crate::session::Session;
use lifeboat_archive::{ArchiveError, Selection};
use lifeboat_machine::{Event, EventSink};
use lifeboat_restore::recovery::Recovery;
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem};
use lifeboat_restore::{Failure, Network, compare, nuke};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

/// Names the file descriptor that init reads events from.
const EVENTS_FD: &str = "LIFEBOAT_EVENTS_FD";

/// Writes events as JSON lines to init.
pub struct InitSink(Mutex<File>);

impl InitSink {
    /// Init started this and listens.
    pub fn is_wanted() -> bool {
        std::env::var_os(EVENTS_FD).is_some()
    }

    /// Opens the descriptor that init gave us.
    pub fn open() -> Result<InitSink, CommandError> {
        let fd: u32 = std::env::var(EVENTS_FD).ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
            CommandError::usage("--mode is for the boot process of the rescue system").hint("lifeboat restore")
        })?;
        let path = format!("/proc/self/fd/{fd}");
        let file = File::options()
            .write(true)
            .open(&path)
            .map_err(|error| CommandError::new(Kind::Failed, format!("cannot OPEN {path}: {error}")))?;
        Ok(InitSink(Mutex::new(file)))
    }
}

impl EventSink for InitSink {
    fn emit(&self, event: &Event) {
        let mut line = event.json_line();
        line.push('\n');
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // When init is gone nobody listens, and the recovery continues.
        let _ = file.write_all(line.as_bytes());
    }
}

/// What runs in the restored system (grub-install, update-initramfs) writes that system's files: with its usual umask,
/// not with the private one of our own files.
pub fn usual_umask() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
}

/// The machine is restored from a damaged archive, as requested.
pub fn missing(entries: u64) -> CommandError {
    let count = crate::output::counted(usize::try_from(entries).unwrap_or(usize::MAX), "entry");
    CommandError::new(
        Kind::Partial,
        format!("the archive is damaged: {count} missing or different (listed above); the rest is in place"),
    )
}

/// A mode as init starts it: everything is reported through events, the last of which is final.
pub fn mode(session: &Session, mode: MenuMode, root: Option<&Path>) -> CommandResult {
    if mode == MenuMode::Interactive {
        return interactive::run(session, root);
    }
    usual_umask();
    let sink = InitSink::open()?;
    let mut rescue = RescueSystem::open(RescueDirectories::default()).inspect_err(|failure| {
        sink.emit(&Event::Failed { reason: failure.to_string() });
    })?;
    // The pipe is opened once more for code that waits for a server.
    let network = network::with_sink(InitSink::open()?).inspect_err(|error| {
        sink.emit(&Event::Failed { reason: error.message() });
    })?;
    let sink = Told::of(sink, &rescue, &network.credentials);
    // A comparison loses nothing by damage, and reports it.
    rescue.parameters.damaged |= mode == MenuMode::Compare;
    match mode {
        MenuMode::Nuke => match nuke::nuke(&rescue, &network, &session.runner, &sink).map_err(failure::explain)? {
            0 => Ok(()),
            entries => Err(missing(entries)),
        },
        MenuMode::Compare => match compare_disks(session, &rescue, &network, &sink) {
            Ok(()) => Ok(()),
            Err(error) => {
                if error.kind != Kind::Differences {
                    sink.emit(&Event::Failed { reason: error.message() });
                }
                Err(error)
            }
        },
        MenuMode::Interactive | MenuMode::Expert => Err(CommandError::usage("expert mode is a shell; init starts it")),
    }
}

fn compare_disks(session: &Session, rescue: &RescueSystem, network: &Network, sink: &dyn EventSink) -> CommandResult {
    let no_key = |wrong: Option<ArchiveError>| {
        Err(wrong.map_or_else(
            || Failure::Unusable {
                what: "the archive".into(),
                reason: "it is encrypted and this medium does not hold the key; use 'lifeboat compare' in expert mode"
                    .into(),
            },
            Failure::from,
        ))
    };
    let recovery = Recovery::open(rescue, &no_key, network, &session.runner, sink).map_err(failure::explain)?;
    compare_with(session, rescue, &recovery, &Selection::Everything, sink)
}

/// Compares what an open archive holds with the disks.
pub(super) fn compare_with(
    session: &Session,
    rescue: &RescueSystem,
    recovery: &Recovery,
    selection: &Selection,
    sink: &dyn EventSink,
) -> CommandResult {
    let outcome = compare::compare(
        recovery,
        selection,
        &rescue.directories.target,
        &rescue.directories.run.join("compare.txt"),
        &session.runner,
        sink,
    )
    .map_err(failure::explain)?;
    if outcome.differences > 0 {
        let count = crate::output::counted(usize::try_from(outcome.differences).unwrap_or(usize::MAX), "difference");
        return Err(CommandError::new(Kind::Differences, count));
    }
    Ok(())
}
