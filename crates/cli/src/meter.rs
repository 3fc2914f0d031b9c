//! The line that shows long work on a terminal: on 80 columns, in ASCII, with an end that can be believed.

use crate::output::amount;
use lifeboat_machine::bytes::human;
use std::collections::VecDeque;

/// Columns that are used: the last one would wrap on some terminals.
const COLUMNS: usize = 79;
/// A shorter bar shows nothing.
const SHORTEST_BAR: usize = 6;
const LONGEST_BAR: usize = 30;
/// The rate is that of so many seconds: disks and servers vary.
const WINDOW: f64 = 20.0;
/// Before so much is known no end is named: the first seconds read small files, or fill buffers.
const SETTLED_SECONDS: f64 = 4.0;
const SETTLED_SHARE: f64 = 0.01;
/// The wheel of work whose amount is not known.
const WHEEL: [char; 4] = ['|', '/', '-', '\\'];

/// Follows one phase.
#[derive(Debug, Default)]
pub struct Meter {
    phase: String,
    /// Seconds and bytes, of the last [`WINDOW`].
    samples: VecDeque<(f64, u64)>,
    turns: usize,
}

/// How far the work is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// Entries done.
    pub entries: u64,
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all, 0 when not known.
    pub bytes_total: u64,
    /// Since the phase began.
    pub seconds: f64,
}

impl Meter {
    /// The line for a position.
    pub fn line(&mut self, phase: &str, at: Position) -> String {
        let restarted = self.samples.back().is_some_and(|(seconds, bytes)| *seconds > at.seconds || *bytes > at.bytes);
        if self.phase != phase || restarted {
            *self = Meter { phase: phase.to_owned(), ..Meter::default() };
        }
        self.turns += 1;
        self.samples.push_back((at.seconds, at.bytes));
        while self.samples.len() > 2 && self.samples.front().is_some_and(|(seconds, _)| at.seconds - seconds > WINDOW) {
            self.samples.pop_front();
        }
        let rate = self.rate();
        let shown_rate = rate.map_or(String::new(), |rate| format!(", {}/s", human(rate as u64)));
        if at.bytes_total == 0 {
            let wheel = WHEEL[self.turns % WHEEL.len()];
            let done = amount(at.entries, at.bytes);
            return cut(format!("{phase} {wheel} {done}{shown_rate}, {}", time(at.seconds)));
        }
        let done = at.bytes.min(at.bytes_total);
        let share = done as f64 / at.bytes_total as f64;
        let left = match rate {
            Some(rate) if at.seconds >= SETTLED_SECONDS && share >= SETTLED_SHARE && rate >= 1.0 => {
                format!(", {} left", time((at.bytes_total - done) as f64 / rate))
            }
            _ => String::new(),
        };
        // 100 % is the end, and nothing before it.
        let percent = ((share * 100.0) as u64).min(if done < at.bytes_total { 99 } else { 100 });
        let text = format!("{percent:>3}% {} of {}{shown_rate}{left}", human(done), human(at.bytes_total));
        let room = COLUMNS.saturating_sub(phase.len() + text.len() + 4).min(LONGEST_BAR);
        if room < SHORTEST_BAR {
            return cut(format!("{phase} {text}"));
        }
        let full = ((room as f64 * share) as usize).min(room);
        let tip = if full < room { ">" } else { "" };
        let bar = format!("{}{tip}", "=".repeat(full));
        cut(format!("{phase} [{bar:room$}] {text}"))
    }

    /// Bytes a second lately.
    fn rate(&self) -> Option<f64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        (to - from >= 1.0).then(|| (after - before) as f64 / (to - from))
    }
}

/// A time in one or two units.
fn time(seconds: f64) -> String {
    let seconds = seconds.clamp(0.0, 1e9) as u64;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn cut(line: String) -> String {
    line.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(COLUMNS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(entries: u64, mib: u64, total_mib: u64, seconds: f64) -> Position {
        Position { entries, bytes: mib << 20, bytes_total: total_mib << 20, seconds }
    }

    #[test]
    fn the_first_seconds_name_no_end() {
        let mut meter = Meter::default();
        // A slow beginning: at this rate it would take a day.
        for tenth in 0..30 {
            let line = meter.line("backup", Position { bytes: tenth * 1000, ..at(1, 0, 1000, tenth as f64 / 10.0) });
            assert!(!line.contains("left"), "{line}");
        }
        let mut last = String::new();
        for second in 3_u32..40 {
            last = meter.line("backup", at(1, u64::from(second) * 10, 1000, f64::from(second)));
        }
        assert!(last.contains(" 39% 390.0 MiB of ") && last.contains("10.0 MiB/s, 61 s left"), "{last}");
    }

    #[test]
    fn only_the_end_is_all_of_it() {
        let mut meter = Meter::default();
        let line = meter.line("verify", Position { bytes: (1000 << 20) - 1, ..at(1, 0, 1000, 100.0) });
        assert!(line.contains(" 99% "), "{line}");
        assert!(meter.line("verify", at(1, 1000, 1000, 101.0)).contains("100% "));
        let unknown = Meter::default().line("verify", at(1, 1, 0, 3.0));
        assert!(unknown.contains(" 1 entry, 1.0 MiB"), "{unknown}");
    }

    #[test]
    fn it_looks_so() {
        let mut meter = Meter::default();
        let mut shown = vec![];
        for second in 0_u32..=120 {
            let line =
                meter.line("backup", at(u64::from(second) * 300, u64::from(second) * 12, 1440, f64::from(second)));
            if [0, 2, 20, 75, 120].contains(&second) {
                shown.push(line);
            }
        }
        shown.push(meter.line("rescue system", at(0, 0, 0, 8.0)));
        insta::assert_snapshot!("progress", shown.join("\n"));
    }

    proptest! {
        #[test]
        fn every_line_fits_and_is_ascii(
            phase in "[a-z-]{0,20}|é{3}",
            steps in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), 0.0..1e12_f64), 1..20),
        ) {
            let mut meter = Meter::default();
            for (entries, bytes, bytes_total, seconds) in steps {
                let line = meter.line(&phase, Position { entries, bytes, bytes_total, seconds });
                prop_assert!(line.len() <= COLUMNS && line.is_ascii(), "{line}");
            }
        }
    }
}
