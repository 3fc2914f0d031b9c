//! The steps of a plan as they are told and written down: each when it begins, again while it lasts (some of the restored system's
//! own tools print nothing until they end), and in the journal when it is done.

use crate::failure::Failure;
use crate::journal::Journal;
use lifeboat_machine::{Event, EventSink};
use lifeboat_plan::Step;
use lifeboat_rebuild::{RebuildError, Watch};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How often a step that lasts is told of: rare enough for a serial console, often enough for somebody who waits.
pub const INTERVAL: Duration = Duration::from_secs(15);

/// The steps of a journal's plan, while they are done.
pub struct Steps<'a> {
    steps: &'a [Step],
    journal: &'a mut Journal,
    run: &'a Path,
    sink: &'a dyn EventSink,
    /// What ended steps have to say, until all before them have ended: it is told in the plan's order.
    notes: BTreeMap<usize, Vec<String>>,
    failures: BTreeMap<usize, RebuildError>,
}

impl<'a> Steps<'a> {
    /// For a journal in this directory, whose plan has these steps.
    pub fn new(steps: &'a [Step], journal: &'a mut Journal, run: &'a Path, sink: &'a dyn EventSink) -> Self {
        Steps { steps, journal, run, sink, notes: BTreeMap::new(), failures: BTreeMap::new() }
    }

    fn text(&self, index: usize) -> String {
        self.steps.get(index).map(ToString::to_string).unwrap_or_default()
    }

    fn tell(&self, index: usize, text: String) {
        self.sink.emit(&Event::Step { number: index + 1, total: self.steps.len(), text });
    }

    fn warn(&mut self, before: usize) {
        let rest = self.notes.split_off(&before);
        for text in std::mem::replace(&mut self.notes, rest).into_values().flatten() {
            self.sink.emit(&Event::Warning { text });
        }
    }

    /// What remains to be told when no step is at work any more.
    ///
    /// # Errors
    /// [`Failure::Rebuild`] with the first step of the plan that failed; the others that failed are told as warnings.
    pub fn result(mut self) -> Result<(), Failure> {
        self.warn(usize::MAX);
        let mut failures = std::mem::take(&mut self.failures).into_iter();
        let Some((first, source)) = failures.next() else { return Ok(()) };
        for (index, error) in failures {
            self.sink.emit(&Event::Warning { text: format!("step '{}' failed as well: {error}", self.text(index)) });
        }
        if !self.journal.ahead.is_empty() {
            let text = format!(
                "{} of the steps after it were at work at the same time and are done; they are not repeated",
                self.journal.ahead.len()
            );
            self.sink.emit(&Event::Note { text });
        }
        Err(Failure::Rebuild { step: self.text(first), source })
    }
}

impl Watch for Steps<'_> {
    fn begins(&mut self, index: usize) {
        self.tell(index, self.text(index));
    }

    fn lasts(&mut self, index: usize, since: Duration) {
        self.tell(index, format!("{} (at work for {} s)", self.text(index), since.as_secs()));
    }

    fn ended(&mut self, index: usize, result: Result<Vec<String>, RebuildError>) {
        match result {
            Ok(notes) => {
                self.notes.insert(index, notes);
                self.journal.finished(index);
                self.journal.note_down(self.run, self.sink);
                self.warn(self.journal.done);
            }
            Err(error) => drop(self.failures.insert(index, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::DeviceId;
    use lifeboat_plan::Plan;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl EventSink for Lines {
        fn emit(&self, event: &Event) {
            self.0.lock().unwrap().push(event.console_line());
        }
    }

    fn steps() -> Vec<Step> {
        let wipe = |disk: &str| Step::WipeDisk { disk: disk.into(), device: DeviceId("disk0".into()) };
        ["a", "b", "c", "d"].map(wipe).to_vec()
    }

    fn told(work: impl FnOnce(&mut Steps<'_>)) -> (Vec<String>, Journal, Result<(), Failure>) {
        let run = tempfile::tempdir().unwrap();
        let (steps, lines) = (steps(), Lines::default());
        let plan = Plan { targets: vec![], steps: steps.clone(), moved: vec![], notes: vec![] };
        let mut journal = Journal::new("abc", plan);
        let mut told = Steps::new(&steps, &mut journal, run.path(), &lines);
        work(&mut told);
        let result = told.result();
        let saved = Journal::load(run.path()).unwrap().unwrap();
        assert_eq!(saved, journal);
        (lines.0.into_inner().unwrap(), saved, result)
    }

    fn error(what: &str) -> RebuildError {
        RebuildError::Locked { device: what.into() }
    }

    #[test]
    fn notes_are_told_in_the_order_of_the_plan() {
        let (lines, journal, result) = told(|steps| {
            (0..3).for_each(|index| steps.begins(index));
            steps.ended(2, Ok(vec!["of c".into()]));
            steps.lasts(1, Duration::from_secs(16));
            steps.ended(0, Ok(vec!["of a".into()]));
            steps.ended(1, Ok(vec!["of b".into()]));
            steps.begins(3);
            steps.ended(3, Ok(vec![]));
        });
        result.unwrap();
        assert_eq!((journal.done, journal.ahead.len()), (4, 0));
        assert_eq!(
            lines,
            [
                "lifeboat: step 1/4 wipe a",
                "lifeboat: step 2/4 wipe b",
                "lifeboat: step 3/4 wipe c",
                "lifeboat: step 2/4 wipe b (at work for 16 s)",
                "lifeboat: warning: of a",
                "lifeboat: warning: of b",
                "lifeboat: warning: of c",
                "lifeboat: step 4/4 wipe d",
            ]
        );
    }

    #[test]
    fn the_first_failure_counts_and_all_that_is_done_is_kept() {
        let (lines, journal, result) = told(|steps| {
            (0..4).for_each(|index| steps.begins(index));
            steps.ended(2, Err(error("c")));
            steps.ended(0, Ok(vec![]));
            steps.ended(1, Err(error("b")));
            steps.ended(3, Ok(vec!["of d".into()]));
        });
        let failure = result.unwrap_err().to_string();
        assert!(failure.starts_with("step 'wipe b' failed: cannot OPEN the LUKS device b"), "{failure}");
        assert_eq!((journal.done, journal.ahead.iter().copied().collect::<Vec<_>>()), (1, vec![3]));
        assert_eq!(lines[4], "lifeboat: warning: of d");
        assert!(lines[5].starts_with("lifeboat: warning: step 'wipe c' failed as well: cannot OPEN"), "{lines:?}");
        assert!(lines[6].contains("1 of the steps after it"), "{lines:?}");
    }
}
