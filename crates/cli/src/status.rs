//! Whether anything is overdue or different: facts about the last runs and the machine in, a judgement out.

pub mod prometheus;
pub mod text;

use crate::config::Limit;
use crate::state::{Run, Runs, Task};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// A time that lies this far in the future shows a wrong clock.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// What is known about one task.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The record of its runs.
    pub runs: Runs,
    /// When it was last done by what the repository or medium itself says, which counts more than the record.
    pub seen: Option<Timestamp>,
    /// Since when it could have been done: the time of the first backup.
    pub since: Option<Timestamp>,
    /// The age at which it is overdue.
    pub limit: Limit,
    /// What it is about: a snapshot, an image.
    pub about: Option<String>,
    /// What is different from what it should be.
    pub different: Vec<String>,
    /// The process of the last run is still there.
    pub is_running: bool,
}

/// A task, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// Its name.
    pub task: &'static str,
    /// When it was last done, RFC 3339; `None`: never.
    pub done_at: Option<String>,
    /// The same in seconds since 1970.
    pub done_unix: Option<i64>,
    /// Seconds since then.
    pub age_seconds: Option<i64>,
    /// The age at which it is overdue, in seconds.
    pub limit_seconds: Option<i64>,
    /// It is older than it may be.
    pub overdue: bool,
    /// When the last run began, and its exit code; it may have failed.
    pub last_run_at: Option<String>,
    /// See `last_run_at`; `None` while it runs or when it did not end.
    pub last_run_code: Option<u8>,
    /// What it is about.
    pub about: Option<String>,
    /// What needs attention, a sentence each.
    pub problems: Vec<String>,
}

/// The layout, compared with the last snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "detail", rename_all = "kebab-case")]
pub enum Layout {
    /// As it was recorded.
    Fits,
    /// It changed since.
    Changed(String),
    /// It could not be compared.
    Unknown(String),
}

/// Everything, judged.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The machine.
    pub machine: String,
    /// When it was judged, RFC 3339.
    pub checked_at: String,
    /// The same in seconds since 1970.
    pub checked_unix: i64,
    /// Nothing needs attention.
    pub ok: bool,
    /// The tasks.
    pub items: Vec<Item>,
    /// The layout.
    pub layout: Layout,
    /// The repository, if it was looked into, and why it cannot be read.
    pub repository: Option<Repository>,
    /// All that needs attention.
    pub problems: Vec<String>,
}

/// The repository.
#[derive(Clone, Debug, Serialize)]
pub struct Repository {
    /// Where it is.
    pub place: String,
    /// Why it cannot be read.
    pub error: Option<String>,
}

/// Judges one task.
pub fn judge(task: Task, facts: &Facts, now: Timestamp) -> Item {
    let name = task.name();
    let recorded = facts.runs.done.as_ref().and_then(|run| run.at.parse::<Timestamp>().ok());
    let done = facts.seen.or(recorded);
    let age = done.map(|done| now.duration_since(done));
    let limit = facts.limit.0;
    let mut problems = vec![];
    if let Some(age) = age.filter(|age| *age < -AHEAD) {
        problems.push(format!(
            "the last {name} is dated {} in the future: a clock is or was wrong",
            text::age(SignedDuration::ZERO - age)
        ));
    }
    let overdue = match (age, limit) {
        (Some(age), Some(limit)) if age > limit => {
            let (age, limit) = (text::age(age), text::age(limit));
            problems.push(format!("the last {name} is {age} old, the limit is {limit}"));
            true
        }
        (None, Some(limit)) if facts.since.is_none_or(|since| now.duration_since(since) > limit) => {
            problems.push(match task {
                Task::Backup => "no backup was ever taken".to_owned(),
                Task::Medium => "no medium was ever made".to_owned(),
                Task::Verify => "the archive was never verified".to_owned(),
                Task::Drill => "the recovery was never rehearsed".to_owned(),
                Task::Prune => "the repository was never pruned".to_owned(),
            });
            true
        }
        _ => false,
    };
    let last = facts.runs.last.as_ref();
    problems.extend(last.and_then(|run| of_last_run(name, run, facts, done)));
    problems.extend(facts.different.iter().map(|why| format!("the {name} is out of date: {why}")));
    Item {
        task: name,
        done_at: done.map(|done| done.to_string()),
        done_unix: done.map(Timestamp::as_second),
        age_seconds: age.map(|age| age.as_secs()),
        limit_seconds: limit.map(|limit| limit.as_secs()),
        overdue,
        last_run_at: last.map(|run| run.at.clone()),
        last_run_code: last.and_then(|run| run.code),
        about: facts.about.clone(),
        problems,
    }
}

/// What the last run says, when nothing better came after it.
fn of_last_run(name: &str, run: &Run, facts: &Facts, done: Option<Timestamp>) -> Option<String> {
    let at: Timestamp = run.at.parse().ok()?;
    let when = crate::listing::local(at);
    match run.code {
        // Another program, or a run that is not recorded, has done it since.
        _ if done.is_some_and(|done| done > at) => None,
        Some(0) => None,
        Some(5) if facts.runs.done.as_ref() == Some(run) => None,
        Some(code) => {
            let why = run.error.as_deref().unwrap_or("no reason is recorded");
            let why = why.strip_prefix("lifeboat: ").unwrap_or(why).lines().next().unwrap_or_default();
            Some(format!("the {name} of {when} failed with code {code}: {why}"))
        }
        None if facts.is_running => None,
        None => Some(format!("the {name} that began {when} did not come to its end")),
    }
}

/// Puts judgements together.
pub fn status(
    machine: String,
    now: Timestamp,
    items: Vec<Item>,
    layout: Layout,
    repository: Option<Repository>,
) -> Status {
    let mut problems: Vec<String> = items.iter().flat_map(|item| item.problems.clone()).collect();
    if let Layout::Changed(changes) = &layout {
        problems.push(format!("the layout changed since the last backup: {changes}"));
    }
    if let Some(Repository { place, error: Some(error) }) = &repository {
        problems.push(format!("the repository {place} cannot be read: {error}"));
    }
    Status {
        machine,
        checked_at: now.to_string(),
        checked_unix: now.as_second(),
        ok: problems.is_empty(),
        items,
        layout,
        repository,
        problems,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-30T12:00:00Z".parse().unwrap()
    }

    fn run(at: &str, code: Option<u8>) -> Run {
        Run {
            at: at.into(),
            code,
            error: code.filter(|code| *code > 0).map(|_| "lifeboat: no\n  try: x".into()),
            ..Run::default()
        }
    }

    fn facts(done: Option<&str>, last: Option<(&str, Option<u8>)>, limit: Limit) -> Facts {
        let done = done.map(|at| run(at, Some(0)));
        let last = last.map(|(at, code)| run(at, code)).or(done.clone());
        Facts { runs: Runs { last, done }, limit, ..Facts::default() }
    }

    #[test]
    fn what_is_too_old_or_never_was_is_overdue() {
        let two = Limit::days(2);
        for (done, limit, overdue) in [
            (Some("2026-11-30T01:00:00Z"), two, false),
            (Some("2026-11-28T11:00:00Z"), two, true),
            (Some("2026-11-28T11:00:00Z"), Limit(None), false),
            (None, two, true),
            (None, Limit(None), false),
        ] {
            let item = judge(Task::Backup, &facts(done, None, limit), now());
            assert_eq!(item.overdue, overdue, "{done:?} {limit:?}");
            assert_eq!(item.problems.len(), usize::from(overdue), "{:?}", item.problems);
        }
        // What could not have been done yet is not overdue.
        let young = Facts { since: "2026-11-29T12:00:00Z".parse().ok(), limit: Limit::days(10), ..Facts::default() };
        assert!(!judge(Task::Verify, &young, now()).overdue);
    }

    #[test]
    fn the_last_run_counts_until_something_better_came() {
        let two = Limit::days(2);
        let good = Some("2026-11-30T01:00:00Z");
        let judged = |facts: &Facts| judge(Task::Backup, facts, now()).problems;
        let failed = facts(good, Some(("2026-11-30T02:00:00Z", Some(1))), two);
        let problems = judged(&failed);
        assert!(problems[0].contains("failed with code 1: no") && !problems[0].contains("try"), "{problems:?}");
        // The repository holds a newer snapshot than the run that failed.
        let mut seen = failed.clone();
        seen.seen = "2026-11-30T03:00:00Z".parse().ok();
        assert!(judged(&seen).is_empty());
        let lost = facts(good, Some(("2026-11-30T02:00:00Z", None)), two);
        assert!(judged(&lost)[0].contains("did not come to its end"));
        assert!(judged(&Facts { is_running: true, ..lost }).is_empty());
        let partly = run("2026-11-30T02:00:00Z", Some(5));
        let partly =
            Facts { runs: Runs { last: Some(partly.clone()), done: Some(partly) }, limit: two, ..Facts::default() };
        assert!(judged(&partly).is_empty());
    }

    #[test]
    fn a_clock_that_is_wrong_is_named() {
        let ahead = facts(Some("2027-01-01T00:00:00Z"), None, Limit::days(2));
        assert!(judge(Task::Backup, &ahead, now()).problems[0].contains("in the future"));
    }

    #[test]
    fn everything_that_is_wrong_makes_it_not_ok() {
        let ok = |layout, error: Option<&str>| {
            let repository = Some(Repository { place: "/r".into(), error: error.map(str::to_owned) });
            status("m".into(), now(), vec![], layout, repository).ok
        };
        assert!(ok(Layout::Fits, None) && ok(Layout::Unknown("not root".into()), None));
        assert!(!ok(Layout::Changed("x".into()), None) && !ok(Layout::Fits, Some("gone")));
    }
}
