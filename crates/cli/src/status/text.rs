//! The status for people: a table of 80 columns, and what needs attention.

use super::{Item, Layout, Status};
use crate::listing::local;
use crate::output::counted;
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;

/// An age in one unit: people think in hours up to two days, then in days.
pub fn age(age: SignedDuration) -> String {
    let (number, unit) = match age.as_secs().max(0) {
        seconds @ ..120 => (seconds, "second"),
        seconds @ ..7200 => (seconds / 60, "minute"),
        seconds @ ..172_800 => (seconds / 3600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    counted(number as usize, unit)
}

/// The whole status.
pub fn text(status: &Status) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}, {}", status.machine, status.checked_at.parse().map_or(String::new(), local));
    let _ = writeln!(out);
    let _ = writeln!(out, "{:<8} {:<15} {:<20} {:<10} ", "", "last done", "at", "limit");
    for item in &status.items {
        let _ = writeln!(out, "{}", line(item).trim_end());
    }
    let layout = match &status.layout {
        Layout::Fits => "as the last backup recorded it".to_owned(),
        Layout::Changed(changes) => format!("changed: {changes}"),
        Layout::Unknown(why) => format!("not compared: {why}"),
    };
    let _ = writeln!(out, "{:<8} {layout}", "layout");
    let _ = writeln!(out);
    match status.problems.as_slice() {
        [] => out.push_str("nothing is overdue or different"),
        problems => {
            let lines: Vec<String> = problems.iter().map(|problem| format!("- {problem}")).collect();
            out.push_str(&lines.join("\n"));
        }
    }
    out
}

fn line(item: &Item) -> String {
    let seconds = |seconds: i64| age(SignedDuration::from_secs(seconds));
    let done = item.age_seconds.map_or("never".to_owned(), |age| format!("{} ago", seconds(age)));
    let at = item.done_unix.and_then(|at| Timestamp::from_second(at).ok()).map_or(String::new(), local);
    let limit = item.limit_seconds.map_or("-".to_owned(), seconds);
    let state = match (item.problems.is_empty(), item.last_run_code) {
        (false, _) => "ATTENTION",
        (true, Some(5)) => "partly",
        (true, _) => "",
    };
    let about = item.about.as_deref().unwrap_or_default();
    let mut line = format!("{:<8} {done:<15} {at:<20} {limit:<10} {state}", item.task);
    if !about.is_empty() {
        line = format!("{}\n{:<8} {about}", line.trim_end(), "");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::wrapped;

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [
            (0, "0 seconds"),
            (-5, "0 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(age(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn it_looks_so() {
        use crate::config::Limit;
        use crate::state::{Run, Runs, Task};
        use crate::status::{Facts, judge, status};
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let done = |task: Task| match task {
            Task::Backup => ("2026-11-30T01:42:10Z", Some(2), "snapshot a3c9d417, 28,114 entries"),
            Task::Medium => ("2026-11-24T04:51:33Z", None, "/mnt/nas/web1.iso"),
            Task::Verify => ("2026-11-29T05:58:02Z", Some(10), ""),
            Task::Drill => ("2026-10-02T06:55:40Z", Some(40), ""),
            Task::Prune => ("2026-11-30T03:52:07Z", None, "/mnt/nas/repository"),
        };
        let item = |task: Task| {
            let (at, days, about) = done(task);
            let run = Run { at: at.into(), code: Some(0), ..Run::default() };
            let runs = Runs { last: Some(run.clone()), done: Some(run) };
            let about = (!about.is_empty()).then(|| about.to_owned());
            judge(
                task,
                &Facts { runs, limit: days.map_or_else(Limit::default, Limit::days), about, ..Facts::default() },
                now,
            )
        };
        let items = Task::ALL.into_iter().map(item).collect();
        let mut text = text(&status("web1".into(), now, items, Layout::Fits, None));
        // Whatever the time zone here is, the page has one.
        for at in Task::ALL.into_iter().map(|task| done(task).0).chain(["2026-11-30T12:00:00Z"]) {
            text = text.replace(&local(at.parse().unwrap()), &at[..19].replace('T', " "));
        }
        // The same on small and on large screens.
        assert_eq!([80, 200].map(|columns| wrapped(&text, Some(columns))), [text.clone(), text.clone()]);
        insta::assert_snapshot!("status", text);
    }

    #[test]
    fn a_status_fits_on_eighty_columns() {
        use crate::config::Limit;
        use crate::state::{Run, Runs, Task};
        use crate::status::{Facts, judge, status};
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let run = Run { at: "2026-01-01T00:00:00Z".into(), code: Some(0), ..Run::default() };
        let runs = Runs { last: Some(run.clone()), done: Some(run) };
        let facts =
            Facts { runs, limit: Limit::days(300), about: Some("snapshot 1a2b3c4d".into()), ..Facts::default() };
        let items = Task::ALL.into_iter().map(|task| judge(task, &facts, now)).collect();
        let text = text(&status("web1".into(), now, items, Layout::Fits, None));
        assert!(text.lines().filter(|line| !line.starts_with("- ")).all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("333 days ago") && text.contains("300 days") && text.contains("ATTENTION"), "{text}");
        assert!(text.contains("\n- the last backup is 333 days old, the limit is 300 days\n"), "{text}");
    }
}
