//! The tape that holds the archive, looked for on a thread of its own: loading and rewinding may take minutes, and nothing can
//! interrupt a drive that is doing so.

use crate::hotplug::Hotplug;
use crate::report::{Reporter, locked};
use lifeboat_machine::source::{FoundMedium, FoundTape, RecordedSource};
use lifeboat_sys::tape::{Reach, TapeError, TapeName, Volume, drive, identify};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long all of it may take: the kernel waits two minutes for a cartridge to be loaded, and the rewind of a full LTO tape takes
/// almost two.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// How long to wait for a drive that was named: external ones take long to start.
const DRIVE_PATIENCE: Duration = Duration::from_secs(60);

/// A volume as the recovery gets it, and the medium that was found beside it.
pub fn recorded(volume: &Volume, medium: Option<&FoundMedium>) -> RecordedSource {
    let header = volume.header.clone();
    RecordedSource::Tape(FoundTape {
        kind: "tape".into(),
        device: volume.device.clone(),
        file: volume.file,
        block: 0,
        block_bytes: header.block_bytes,
        set: header.set,
        volume: header.volume,
        machine: header.machine,
        time: header.time,
        medium: medium.cloned(),
    })
}

/// A volume of our machine, or why there is none: one reason for each drive.
pub type Outcome = Result<Volume, Vec<String>>;

#[derive(Default)]
struct State {
    awaits: String,
    /// Until when, if that is before the end of the whole search.
    until: Option<Instant>,
    outcome: Option<Outcome>,
}

/// A search under way.
pub struct TapeSearch {
    state: Mutex<State>,
    changed: Condvar,
}

impl TapeSearch {
    /// Starts to look for a volume of `machine` in the drives that `name` names. Without a name whatever drive there is now is looked
    /// at, and `None` means that there is none.
    pub fn start(name: Option<TapeName>, machine: &str, hotplug: &Arc<Hotplug>) -> Option<Arc<TapeSearch>> {
        let sys = Path::new("/sys");
        if name.is_none() && drive::list(sys).is_empty() {
            return None;
        }
        let search = Arc::new(TapeSearch { state: Mutex::default(), changed: Condvar::new() });
        let (ours, machine, hotplug) = (Arc::clone(&search), machine.to_owned(), Arc::clone(hotplug));
        let work = move || {
            let outcome = match name {
                Some(name) => ours.look_for(&name, &machine, &hotplug),
                None => drives(&drive::list(sys), Reach::Near, &machine, &|awaited| ours.awaits(awaited, None)),
            };
            locked(&ours.state).outcome = Some(outcome);
            ours.changed.notify_all();
        };
        match std::thread::Builder::new().name("tape".into()).spawn(work) {
            Ok(_) => {}
            Err(error) => {
                locked(&search.state).outcome = Some(Err(vec![format!("cannot LOOK for tapes: {error}")]));
            }
        }
        Some(search)
    }

    /// Its result, if it is over.
    pub fn outcome(&self) -> Option<Outcome> {
        locked(&self.state).outcome.clone()
    }

    /// Waits for its end until `deadline`; reports what is awaited whenever that changes.
    pub fn wait(&self, deadline: Instant, reporter: &Reporter) -> Outcome {
        let mut reported = String::new();
        let mut state = locked(&self.state);
        loop {
            if let Some(outcome) = &state.outcome {
                return outcome.clone();
            }
            let now = Instant::now();
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return Err(vec![format!(
                    "the search for a tape did not end in time: it is still waiting for {}; try another drive or \
                     cartridge",
                    state.awaits
                )]);
            }
            if reported != state.awaits {
                reported.clone_from(&state.awaits);
                let most = state.until.map_or(left, |until| left.min(until.saturating_duration_since(now)));
                reporter.note(format!("waiting for {reported}, at most {} s", most.as_secs_f64().ceil()));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn awaits(&self, awaited: String, until: Option<Instant>) {
        let mut state = locked(&self.state);
        state.awaits = awaited;
        state.until = until;
        self.changed.notify_all();
    }

    /// Examines what was named; waits for a drive that is not there yet.
    fn look_for(&self, name: &TapeName, machine: &str, hotplug: &Hotplug) -> Outcome {
        let deadline = Instant::now() + DRIVE_PATIENCE;
        loop {
            let known = hotplug.tape_events();
            let found = name.drives(Path::new("/sys"));
            let missing = match &found {
                Ok(drives) => drives.iter().all(|device| !device.exists()),
                Err(_) => true,
            };
            if missing {
                self.awaits(format!("a tape drive ({name})"), Some(deadline));
                if hotplug.wait_for_tape_event(known, deadline) {
                    continue;
                }
            }
            let found = found.map_err(|error| vec![error.to_string()])?;
            return drives(&found, Reach::Far, machine, &|awaited| self.awaits(awaited, None));
        }
    }
}

/// The first drive with a volume that a recovery of `machine` can begin with.
fn drives(devices: &[PathBuf], reach: Reach, machine: &str, awaits: &dyn Fn(String)) -> Outcome {
    let mut reasons = vec![];
    for device in devices {
        let awaits = |what: String| awaits(format!("{what} ({})", device.display()));
        match judge(identify(device, reach, &awaits), machine) {
            Ok(volume) => return Ok(volume),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons)
}

/// Whether a recovery of `machine` can begin with this.
fn judge(found: Result<Volume, TapeError>, machine: &str) -> Result<Volume, String> {
    let volume = found.map_err(|error| error.to_string())?;
    let shown = reported(&volume);
    if volume.header.machine != machine {
        return Err(format!(
            "{shown}, but this rescue system belongs to machine {machine}; try a tape of that machine"
        ));
    }
    if volume.header.volume != 1 {
        return Err(format!("{shown}, but a recovery starts with volume 1 of a set; insert that one and start again"));
    }
    Ok(volume)
}

/// A volume, for people.
pub fn reported(volume: &Volume) -> String {
    format!("the tape in {} is {}", volume.device.display(), volume.header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::tape::VolumeHeader;

    fn volume(machine: &str, number: u32) -> Volume {
        let header = VolumeHeader {
            set: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            volume: number,
            machine: machine.into(),
            time: "2026-11-24T03:12:45Z".into(),
            block_bytes: 65536,
        };
        Volume { device: "/dev/nst0".into(), file: 2, header }
    }

    #[test]
    fn only_the_first_volume_of_our_machine_will_do() {
        assert_eq!(judge(Ok(volume("web1", 1)), "web1"), Ok(volume("web1", 1)));
        for (found, reason) in [
            (
                Ok(volume("db7", 1)),
                "the tape in /dev/nst0 is volume 1 of set 0f1e2d3c4b5a69788796a5b4c3d2e1f0 of machine db7, \
                 2026-11-24T03:12:45Z, but this rescue system belongs to machine web1; try a tape of that machine",
            ),
            (
                Ok(volume("web1", 2)),
                "the tape in /dev/nst0 is volume 2 of set 0f1e2d3c4b5a69788796a5b4c3d2e1f0 of machine web1, \
                 2026-11-24T03:12:45Z, but a recovery starts with volume 1 of a set; insert that one and start again",
            ),
            (
                Err(TapeError::NoCartridge { device: "/dev/nst0".into() }),
                "cannot READ /dev/nst0: there is no cartridge in the drive; try again with the tape inserted",
            ),
        ] {
            assert_eq!(judge(found, "web1"), Err(reason.to_owned()));
        }
    }

    #[test]
    fn source_json_names_the_place_of_the_header() {
        let medium =
            FoundMedium { kind: "usb".into(), device: "/dev/sdb".into(), mount: "/run/lifeboat/medium".into() };
        let json = serde_json::to_value(recorded(&volume("web1", 1), Some(&medium))).unwrap();
        let expected = serde_json::json!({
            "kind": "tape", "device": "/dev/nst0", "file": 2, "block": 0, "block_bytes": 65536,
            "set": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "volume": 1, "machine": "web1", "time": "2026-11-24T03:12:45Z",
            "medium": {"kind": "usb", "device": "/dev/sdb", "mount": "/run/lifeboat/medium"},
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_search_that_does_not_end_says_what_it_waits_for() {
        let search = TapeSearch { state: Mutex::default(), changed: Condvar::new() };
        search.awaits("the tape to rewind (/dev/nst0)".into(), None);
        let soon = Instant::now() + Duration::from_millis(20);
        let reasons = search.wait(soon, &Reporter::default()).unwrap_err();
        assert!(reasons[0].contains("is still waiting for the tape to rewind (/dev/nst0)"), "{reasons:?}");
        assert_eq!(search.outcome(), None);
        locked(&search.state).outcome = Some(Ok(volume("web1", 1)));
        assert_eq!(search.wait(soon, &Reporter::default()), Ok(volume("web1", 1)));
    }
}
