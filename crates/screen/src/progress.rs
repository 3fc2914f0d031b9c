//! How far work is, from the events of a recovery.

use lifeboat_machine::Event;

/// Lines of problems that are kept; the rest is counted.
const KEPT: usize = 5000;

/// A stage of the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// As the event names it.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// How long it took, once it has ended.
    pub seconds: Option<f64>,
}

/// Numbers of the current stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Entries done, and in all.
    pub entries: (u64, u64),
    /// Bytes done, and in all.
    pub bytes: (u64, u64),
    /// Since it began.
    pub seconds: f64,
}

/// How far work is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// When the work began.
    pub began: u64,
    /// The step of the plan: number, total, text.
    pub step: Option<(usize, usize, String)>,
    /// Numbers of the stage.
    pub numbers: Option<Numbers>,
    /// Warnings.
    pub warnings: u64,
    /// Entries that could not be restored, or that differ.
    pub problems: u64,
    /// All of them as lines.
    pub lines: Vec<String>,
    /// Entries and time of the final event.
    pub restored: Option<(u64, f64)>,
}

const MACHINE: [(&str, &str); 6] = [
    ("medium", "Check every byte of the archive"),
    ("plan", "Read the disks again"),
    ("rebuild", "Make partitions and filesystems"),
    ("extract", "Restore the files"),
    ("verify", "Compare them with the archive"),
    ("boot", "Make it bootable"),
];

impl Progress {
    /// The work of a whole recovery.
    pub fn of_machine(began: u64) -> Progress {
        Progress::of(&MACHINE, began)
    }

    /// The work of restoring files.
    pub fn of_files(began: u64) -> Progress {
        Progress::of(&MACHINE[3..4], began)
    }

    fn of(stages: &[(&'static str, &'static str)], began: u64) -> Progress {
        let stages = stages.iter().map(|(name, title)| Stage { name, title, seconds: None }).collect();
        Progress { stages, began, ..Progress::default() }
    }

    /// Takes an event.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Stage { name, seconds } => {
                // The check of an archive without medium has another name.
                let name = if name == "archive" { "medium" } else { &name };
                if let Some(stage) = self.stages.iter_mut().find(|stage| stage.name == name) {
                    stage.seconds = Some(seconds);
                    self.numbers = None;
                }
            }
            Event::Step { number, total, text } => self.step = Some((number, total, text)),
            Event::Progress { entries, entries_total, bytes, bytes_total, seconds, .. } => {
                self.numbers =
                    Some(Numbers { entries: (entries, entries_total), bytes: (bytes, bytes_total), seconds });
            }
            Event::Warning { text } => {
                self.warnings += 1;
                self.keep(format!("warning: {text}"));
            }
            Event::Entry { path, text } => {
                self.problems += 1;
                self.keep(format!("{path}: {text}"));
            }
            Event::Restored { entries, seconds } => self.restored = Some((entries, seconds)),
            Event::Note { .. } | Event::Ready { .. } | Event::Compared { .. } | Event::Failed { .. } => {}
        }
    }

    fn keep(&mut self, line: String) {
        if self.lines.len() < KEPT {
            self.lines.push(line);
        }
    }

    /// The current stage.
    pub fn current(&self) -> Option<usize> {
        self.stages.iter().position(|stage| stage.seconds.is_none())
    }
}

impl Numbers {
    /// Thousandths that are done, by bytes, or by entries when there are none.
    pub fn permille(&self) -> Option<u64> {
        let (done, all) = if self.bytes.1 > 0 { self.bytes } else { self.entries };
        (all > 0).then(|| u64::try_from(u128::from(done.min(all)) * 1000 / u128::from(all)).unwrap_or(1000))
    }

    /// Bytes a second.
    pub fn rate(&self) -> Option<u64> {
        (self.seconds > 0.5 && self.bytes.0 > 0).then(|| (self.bytes.0 as f64 / self.seconds) as u64)
    }

    /// Remaining seconds.
    pub fn left(&self) -> Option<u64> {
        let rate = self.rate().filter(|rate| *rate > 0)?;
        (self.bytes.1 > self.bytes.0).then(|| (self.bytes.1 - self.bytes.0) / rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_numbers_and_problems() {
        let mut progress = Progress::of_machine(0);
        let numbers = |bytes| Event::Progress {
            phase: "verify".into(),
            entries: 1,
            entries_total: 2,
            bytes,
            bytes_total: 100 << 20,
            seconds: 5.0,
        };
        progress.take(numbers(50 << 20));
        let shown = progress.numbers.clone().unwrap();
        assert_eq!((shown.permille(), shown.rate(), shown.left()), (Some(500), Some(10 << 20), Some(5)));
        progress.take(Event::Stage { name: "archive".into(), seconds: 1.0 });
        assert_eq!((progress.current(), &progress.numbers), (Some(1), &None));
        progress.take(Event::Entry { path: "/a".into(), text: "mode differs".into() });
        progress.take(Event::Warning { text: "w".into() });
        assert_eq!((progress.problems, progress.warnings), (1, 1));
        assert_eq!(progress.lines, ["/a: mode differs", "warning: w"]);
    }
}
