//! What machines tell: events of recoveries, and what `lifeboat status --json` prints. Each machine has a folder with files that are bounded.

use crate::folder::Folder;
use crate::token::Name;
use jiff::Timestamp;
use lifeboat_machine::event::Event;
use lifeboat_sys::durable;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Its folder below the server's state.
const MACHINES: &str = "machines";
const EVENTS: &str = "events.jsonl";
/// The events before those.
const OLDER: &str = "events.old.jsonl";
const STATUS: &str = "status.json";
/// A file of events is put aside when it is this large, in bytes.
const LARGEST: u64 = 1 << 20;
/// So much of it is read at the start, in bytes.
const TAIL: u64 = 64 << 10;
/// So many events are shown.
const MOST_SHOWN: usize = 200;
/// Progress comes many times a second; one in so many seconds is kept on disk.
const PROGRESS_EVERY: i64 = 30;
/// A line of an event is no longer, in bytes.
const LONGEST_LINE: usize = 64 << 10;
/// A text or name in what a machine tells is not kept beyond so many bytes.
const LONGEST_TEXT: usize = 4 << 10;

/// Who tells, as the machine itself says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teller {
    /// The machine's id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// An event, and when it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// When it came here.
    pub at: Timestamp,
    /// Who told it.
    pub teller: Option<Teller>,
    /// The event.
    pub event: Event,
}

impl Told {
    /// Reads a line: the event as [`Event`] serialises it, with `machine` (id and name) beside its fields. `at` is when it came; a line
    /// of our own has that, too.
    ///
    /// # Errors
    /// What the line says that it cannot.
    pub fn parse(line: &str, at: Timestamp) -> Result<Told, String> {
        if line.len() > LONGEST_LINE {
            return Err(format!("it is longer than {LONGEST_LINE} bytes"));
        }
        let mut value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        let teller = value.remove("machine").map(serde_json::from_value::<Teller>).transpose();
        let own = value.remove("at").map(serde_json::from_value::<Timestamp>).transpose();
        let event = serde_json::from_value(serde_json::Value::Object(value)).map_err(|error| error.to_string())?;
        Ok(Told {
            at: own.map_err(|error| error.to_string())?.unwrap_or(at),
            teller: teller.map_err(|error| error.to_string())?.map(Teller::bounded),
            event,
        })
    }

    /// As an object, with when it came and who told it.
    pub fn value(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let mut value = match serde_json::to_value(&self.event).ok()? {
            serde_json::Value::Object(map) => map,
            _ => return None,
        };
        value.insert("at".to_owned(), self.at.to_string().into());
        if let Some(teller) = &self.teller {
            value.insert("machine".to_owned(), serde_json::to_value(teller).ok()?);
        }
        Some(value)
    }

    fn line(&self) -> Option<String> {
        serde_json::to_string(&self.value()?).ok()
    }
}

impl Teller {
    fn bounded(mut self) -> Teller {
        for text in [&mut self.id, &mut self.name] {
            text.truncate(text.floor_char_boundary(LONGEST_TEXT.min(256)));
        }
        self
    }
}

/// What `lifeboat status --json` says, as far as it is shown; what a newer release adds is let pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The machine's name.
    pub machine: String,
    /// When it was judged, in seconds since 1970.
    pub checked_unix: i64,
    /// Nothing needs attention.
    pub ok: bool,
    /// The tasks.
    pub items: Vec<Item>,
    /// All that needs attention, a sentence each.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// `backup`, `verify`, `drill`, …
    pub task: String,
    /// When it was last done, in seconds since 1970.
    pub done_unix: Option<i64>,
    /// It is older than it may be.
    pub overdue: bool,
}

impl Report {
    /// Reads one.
    ///
    /// # Errors
    /// What it says that it cannot.
    pub fn parse(text: &[u8]) -> Result<Report, String> {
        let read = serde_json::from_slice::<Report>(text);
        // `--json` writes warnings as lines of their own before the result.
        let lines =
            || text.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice::<Report>(line).ok());
        let mut report = read.or_else(|error| lines().ok_or_else(|| error.to_string()))?;
        report.items.truncate(64);
        report.problems.truncate(64);
        let texts = report.items.iter_mut().map(|item| &mut item.task).chain(report.problems.iter_mut());
        for text in texts.chain([&mut report.machine]) {
            text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        }
        Ok(report)
    }

    /// When a task was last done, in seconds since 1970.
    pub fn done(&self, task: &str) -> Option<i64> {
        self.items.iter().find(|item| item.task == task)?.done_unix
    }
}

/// What a machine has told.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The newest events, the newest last; of progress the last one only.
    pub events: VecDeque<Told>,
    /// The last report, and when it came.
    pub report: Option<(Timestamp, Report)>,
    /// When progress was last kept.
    kept_progress: Option<Timestamp>,
}

impl Known {
    /// Who the machine says that it is, last of all.
    pub fn teller(&self) -> Option<&Teller> {
        self.events.iter().rev().find_map(|told| told.teller.as_ref())
    }

    fn add(&mut self, told: Told) {
        let is_progress = |told: &Told| matches!(told.event, Event::Progress { .. });
        if is_progress(&told) && self.events.back().is_some_and(is_progress) {
            self.events.pop_back();
        }
        if self.events.len() >= MOST_SHOWN {
            self.events.pop_front();
        }
        self.events.push_back(told);
    }
}

/// What all machines have told.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    held: Folder,
    machines: Mutex<BTreeMap<Name, Known>>,
}

impl State {
    /// Reads what was told before. `folder`, which `held` is, is ours alone.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(folder: &Path, held: &Folder) -> io::Result<State> {
        let (folder, held) = (folder.join(MACHINES), held.make([MACHINES])?);
        let mut machines = BTreeMap::new();
        held.each(|entry| {
            if let (true, Ok(name)) = (entry.is_folder, entry.name.parse::<Name>()) {
                machines.insert(name, read(&held.enter([entry.name.as_str()])?)?);
            }
            Ok(())
        })?;
        Ok(State { folder, held, machines: Mutex::new(machines) })
    }

    fn machines(&self) -> MutexGuard<'_, BTreeMap<Name, Known>> {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a machine has told.
    pub fn known(&self, machine: &Name) -> Option<Known> {
        self.machines().get(machine).cloned()
    }

    /// Takes events. What is worth keeping is on disk when this returns; the end of a recovery durably.
    ///
    /// # Errors
    /// The system's error.
    pub fn tell(&self, machine: &Name, told: Vec<Told>) -> io::Result<()> {
        let mut machines = self.machines();
        let known = machines.entry(machine.clone()).or_default();
        let (mut lines, mut has_ended) = (String::new(), false);
        for told in told {
            let is_progress = matches!(told.event, Event::Progress { .. });
            let is_due =
                known.kept_progress.is_none_or(|last| told.at.as_second() - last.as_second() >= PROGRESS_EVERY);
            if !is_progress || is_due {
                lines.extend(told.line().into_iter().flat_map(|line| [line, "\n".to_owned()]));
            }
            if is_progress && is_due {
                known.kept_progress = Some(told.at);
            }
            has_ended |= told.event.is_final();
            known.add(told);
        }
        self.append(machine, lines.as_bytes(), has_ended)
    }

    fn append(&self, machine: &Name, lines: &[u8], durably: bool) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let folder = self.held.make([machine.as_str()])?;
        if folder.look(EVENTS).is_ok_and(|known| known.size.saturating_add(lines.len() as u64) > LARGEST) {
            rustix::fs::renameat(folder.held(), EVENTS, folder.held(), OLDER)?;
        }
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let mut file: std::fs::File = rustix::fs::openat(folder.held(), EVENTS, flags, mode)?.into();
        file.write_all(lines)?;
        if durably {
            file.sync_all()?;
            folder.sync()?;
        }
        Ok(())
    }

    /// Takes a report.
    ///
    /// # Errors
    /// The system's error.
    pub fn report(&self, machine: &Name, report: Report, at: Timestamp) -> io::Result<()> {
        self.held.make([machine.as_str()])?;
        let path = self.folder.join(machine.as_str()).join(STATUS);
        let text = serde_json::to_vec(&Kept { at, report: report.clone() }).map_err(io::Error::other)?;
        durable::write(&path, &path.with_extension("new"), &text, 0o600)?;
        self.machines().entry(machine.clone()).or_default().report = Some((at, report));
        Ok(())
    }
}

/// A report on disk.
#[derive(Serialize, Deserialize)]
struct Kept {
    at: Timestamp,
    report: Report,
}

fn read(folder: &Folder) -> io::Result<Known> {
    let mut known = Known::default();
    for name in [OLDER, EVENTS] {
        let Ok((mut file, size)) = folder.open(name) else { continue };
        let skipped = size.size.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(skipped))?;
        let mut bytes = vec![];
        file.take(TAIL).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        // The first line may be cut, and so may the last one, by a power cut.
        for line in text.lines().skip(usize::from(skipped > 0)) {
            if let Ok(told) = Told::parse(line, Timestamp::UNIX_EPOCH) {
                known.add(told);
            }
        }
    }
    if let Ok((file, _)) = folder.open(STATUS) {
        let kept = serde_json::from_reader::<_, Kept>(file.take(LARGEST));
        known.report = kept.ok().map(|kept| (kept.at, kept.report));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn open(path: &Path) -> State {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        State::open(path, &Folder::new(rustix::fs::open(path, flags, Mode::empty()).unwrap())).unwrap()
    }

    fn progress(bytes: u64) -> Event {
        let phase = "extract".to_owned();
        Event::Progress { phase, entries: 1, entries_total: 2, bytes, bytes_total: 100, seconds: 1.0 }
    }

    #[test]
    fn a_line_is_an_event_with_its_machine() {
        let line = r#"{"machine":{"id":"4c4c","name":"web1"},"event":"stage","name":"foundation","seconds":0.5}"#;
        let told = Told::parse(line, at(9)).unwrap();
        assert_eq!(told.event, Event::Stage { name: "foundation".into(), seconds: 0.5 });
        assert_eq!(told.teller, Some(Teller { id: "4c4c".into(), name: "web1".into() }));
        assert_eq!(Told::parse(&told.line().unwrap(), at(99)).unwrap(), told);
        for event in [progress(1), Event::Failed { reason: "no\n\"disk\"".into() }] {
            let told = Told { at: at(1), teller: None, event };
            assert_eq!(Told::parse(&told.line().unwrap(), at(2)).unwrap(), told);
            assert_eq!(Told::parse(&told.event.json_line(), at(1)).unwrap(), told);
        }
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"event":"none"}"#,
            r#"{"event":"note","text":"x","more":1}"#,
            r#"{"machine":1,"event":"note","text":"x"}"#,
        ] {
            Told::parse(bad, at(0)).unwrap_err();
        }
    }

    #[test]
    fn what_was_told_is_there_after_a_restart_and_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let name: Name = "web1".parse().unwrap();
        let state = open(folder.path());
        let note = |number: usize| Told {
            at: at(number as i64),
            teller: None,
            event: Event::Note { text: format!("{number} {}", "x".repeat(20_000)) },
        };
        for number in 0..150 {
            state.tell(&name, vec![note(number)]).unwrap();
        }
        let size = |file: &str| folder.path().join(MACHINES).join("web1").join(file).metadata().unwrap().len();
        assert!(size(EVENTS) <= LARGEST && size(OLDER) <= LARGEST);
        for bytes in 0..50 {
            state.tell(&name, vec![Told { at: at(200), teller: None, event: progress(bytes) }]).unwrap();
        }
        let shown = state.known(&name).unwrap().events;
        assert_eq!(shown.len(), 151);
        assert_eq!(shown.back().unwrap().event, progress(49));
        // A line that a power cut has torn.
        let path = folder.path().join(MACHINES).join("web1").join(EVENTS);
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"event\":\"no").unwrap();
        let again = open(folder.path()).known(&name).unwrap().events;
        // One progress of the fifty was kept.
        assert_eq!(again.back().unwrap().event, progress(0));
        assert_eq!(again[again.len() - 2].at, at(149));
    }

    #[test]
    fn reports_of_the_status_command_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"machine":"web1","checked_at":"2026-11-30T12:00:00Z","checked_unix":1796040000,"ok":false,"items":[
            {"task":"drill","done_at":null,"done_unix":null,"age_seconds":null,"limit_seconds":null,"overdue":false,"problems":[]},
            {"task":"verify","done_unix":1795000000,"overdue":true}],"layout":{"state":"fits"},"repository":null,"problems":["x"]}"#;
        let report = Report::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (report.done("verify"), report.done("drill"), report.done("none")),
            (Some(1_795_000_000), None, None)
        );
        let lines = format!("{{\"event\":\"warning\",\"text\":\"x\"}}\n{}\n", text.replace('\n', ""));
        assert_eq!(Report::parse(lines.as_bytes()).unwrap(), report);
        let name: Name = "web1".parse().unwrap();
        open(folder.path()).report(&name, report.clone(), at(5)).unwrap();
        assert_eq!(open(folder.path()).known(&name).unwrap().report, Some((at(5), report)));
        for bad in ["", "null", "{}", r#"{"machine":"x","checked_unix":1,"ok":true,"items":[{"task":1}]}"#] {
            Report::parse(bad.as_bytes()).unwrap_err();
        }
    }
}
