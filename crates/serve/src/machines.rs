//! The machines of a room, put together for the page, the API and the metrics: whose tokens there are, what lies in their repositories, and
//! what they have told.

use crate::path::Repo;
use crate::settings::Settings;
use crate::state::{Known, State, Told};
use crate::token::{Name, Token};
use crate::usage::Usage;
use lifeboat_machine::event::Event;
use serde::Serialize;
use std::collections::BTreeMap;

/// For so many days growth is shown.
pub const DAYS: i64 = 14;
/// A recovery that tells nothing for so many seconds is called silent.
const SILENT: i64 = 120;

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Its name here: that of its token.
    pub name: Name,
    /// Its id, as it told it.
    pub id: Option<String>,
    /// Its repositories.
    pub repositories: Vec<Repo>,
    /// Other machines use the same part of the store: whose snapshots those are is not known here.
    pub shared: bool,
    /// How many snapshots its repositories hold.
    pub snapshots: u64,
    /// When its last backup was made, in seconds since 1970.
    pub last_backup_unix: Option<i64>,
    /// What that backup added to the repository, in bytes.
    pub last_backup_bytes: Option<u64>,
    /// What its repositories hold, in bytes.
    pub stored_bytes: u64,
    /// The most that they may hold.
    pub quota_bytes: Option<u64>,
    /// Bytes added on each of the last days, today last.
    pub growth_bytes: Vec<u64>,
    /// The age in seconds at which its last backup is overdue.
    pub overdue_after_seconds: u64,
    /// It is, or there is none.
    pub overdue: bool,
    /// When its archive was last verified, as it reported, in seconds since 1970.
    pub last_verify_unix: Option<i64>,
    /// When its recovery was last rehearsed, as it reported.
    pub last_drill_unix: Option<i64>,
    /// When it reported.
    pub reported_unix: Option<i64>,
    /// What needs attention, as it reported.
    pub problems: Vec<String>,
    /// Its last recovery.
    pub recovery: Option<Recovery>,
}

/// How a recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It goes on.
    Running,
    /// It waits for a person.
    Waiting,
    /// It has told nothing for two minutes.
    Silent,
    /// It is done.
    Done,
    /// It has failed.
    Failed,
}

/// A recovery, as far as it was told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// How it stands.
    pub standing: Standing,
    /// What it does or how it ended, as it was told, for people.
    pub text: String,
    /// When that was, in seconds since 1970.
    pub told_unix: i64,
    /// What is being done, while it is long work: `extract`, `verify`, …
    pub phase: Option<String>,
    /// Entries of that done, and in all; 0 when not known.
    pub entries: (u64, u64),
    /// Bytes of that done.
    pub done_bytes: u64,
    /// Bytes of that in all; 0 when not known.
    pub total_bytes: u64,
    /// Bytes a second.
    pub rate: u64,
}

impl Recovery {
    /// It has neither ended nor gone silent.
    pub fn is_running(&self) -> bool {
        matches!(self.standing, Standing::Running | Standing::Waiting)
    }
}

impl Machine {
    /// It needs attention.
    pub fn is_bad(&self) -> bool {
        let recovery = self.recovery.as_ref().map(|recovery| recovery.standing);
        self.overdue || !self.problems.is_empty() || matches!(recovery, Some(Standing::Failed | Standing::Silent))
    }
}

/// Tokens of one machine.
struct Group<'a> {
    tokens: Vec<&'a Token>,
}

impl<'a> Group<'a> {
    /// Its parts of the store: those that it can add to, if there are any.
    fn paths(&self) -> Vec<Option<&'a Repo>> {
        let adding: Vec<_> = self.tokens.iter().filter(|token| token.right.may_add()).collect();
        let tokens = if adding.is_empty() { self.tokens.iter().collect() } else { adding };
        let mut paths: Vec<_> = tokens.iter().map(|token| token.path.as_ref()).collect();
        paths.sort();
        paths.dedup();
        // What lies in another one is counted once.
        let all = paths.clone();
        paths.retain(|path| !all.iter().any(|other| other != path && is_within(*path, *other)));
        paths
    }
}

fn is_within(path: Option<&Repo>, above: Option<&Repo>) -> bool {
    match (path, above) {
        (_, None) => true,
        (Some(path), Some(above)) => path.is_within(above),
        (None, Some(_)) => false,
    }
}

/// All machines, by name. `now`: seconds since 1970.
pub fn machines(settings: &Settings, usage: &Usage, state: &State, now: i64) -> Vec<Machine> {
    let mut groups: BTreeMap<&Name, Group<'_>> = BTreeMap::new();
    for token in settings.tokens.iter().filter(|token| token.right.is_of_machine()) {
        groups.entry(token.machine()).or_insert(Group { tokens: vec![] }).tokens.push(token);
    }
    let paths: Vec<(&Name, Vec<Option<&Repo>>)> = groups.iter().map(|(name, group)| (*name, group.paths())).collect();
    let mut all = vec![];
    for (name, own) in &paths {
        let others = || paths.iter().filter(|(other, _)| other != name).flat_map(|(_, paths)| paths.iter());
        let known = state.known(name).unwrap_or_default();
        // A token for a folder with the machines' parts in it is an administrator's.
        let is_above = own.iter().all(|path| others().any(|other| other != path && is_within(*other, *path)));
        if is_above && known.events.is_empty() && known.report.is_none() {
            continue;
        }
        let shared = own.iter().any(|path| others().any(|other| other == path));
        if let Some(group) = groups.get(name) {
            all.push(machine(name, group, own, shared, &known, settings, usage, now));
        }
    }
    all
}

#[allow(clippy::too_many_arguments)]
fn machine(
    name: &Name,
    group: &Group<'_>,
    paths: &[Option<&Repo>],
    shared: bool,
    known: &Known,
    settings: &Settings,
    usage: &Usage,
    now: i64,
) -> Machine {
    let repos: Vec<_> = paths.iter().flat_map(|path| usage.within(*path)).collect();
    let newest = repos.iter().filter(|(_, counted)| counted.last.is_some());
    let newest = newest.max_by_key(|(_, counted)| counted.last.map(|known| known.modified)).map(|(_, counted)| counted);
    let mut growth = vec![0_u64; usize::try_from(DAYS).unwrap_or(0)];
    for (_, counted) in &repos {
        for (sum, bytes) in growth.iter_mut().zip(counted.growth(now, DAYS)) {
            *sum = sum.saturating_add(bytes);
        }
    }
    let report = known.report.as_ref();
    let done = |task: &str| report.and_then(|(_, report)| report.done(task));
    let last_backup = match shared {
        true => done("backup"),
        false => newest.and_then(|counted| counted.last).map(|known| known.modified),
    };
    let limit = group.tokens.iter().find_map(|token| token.overdue).unwrap_or(settings.overdue);
    let age = last_backup.map(|last| u64::try_from(now - last).unwrap_or(0));
    Machine {
        name: name.clone(),
        id: known.teller().map(|teller| teller.id.clone()).filter(|id| !id.is_empty()),
        repositories: repos.iter().map(|(repo, _)| repo.clone()).collect(),
        shared,
        snapshots: repos.iter().map(|(_, counted)| counted.snapshots).sum(),
        last_backup_unix: last_backup,
        last_backup_bytes: newest.filter(|_| !shared).map(|counted| counted.added_by_last),
        stored_bytes: repos.iter().map(|(_, counted)| counted.bytes).sum(),
        quota_bytes: group.tokens.iter().filter_map(|token| token.quota).min(),
        growth_bytes: growth,
        overdue_after_seconds: limit,
        overdue: age.is_none_or(|age| age > limit),
        last_verify_unix: done("verify"),
        last_drill_unix: done("drill"),
        reported_unix: report.map(|(at, _)| at.as_second()),
        problems: report.map(|(_, report)| report.problems.clone()).unwrap_or_default(),
        recovery: recovery(known, now),
    }
}

fn recovery(known: &Known, now: i64) -> Option<Recovery> {
    let last = known.events.back()?;
    let told_unix = last.at.as_second();
    let standing = match &last.event {
        Event::Restored { .. } | Event::Compared { .. } => Standing::Done,
        Event::Failed { .. } => Standing::Failed,
        Event::Ready { .. } => Standing::Waiting,
        _ if now - told_unix > SILENT => Standing::Silent,
        _ => Standing::Running,
    };
    let (mut phase, mut count, mut done_bytes, mut total_bytes, mut rate) = (None, (0, 0), 0, 0, 0);
    // Progress counts until the next step or stage begins.
    let is_news =
        |told: &&Told| matches!(told.event, Event::Step { .. } | Event::Stage { .. } | Event::Progress { .. });
    if let Some(Told {
        event: Event::Progress { phase: name, entries, entries_total, bytes, bytes_total, seconds },
        ..
    }) = known.events.iter().rev().find(is_news)
        && !last.event.is_final()
    {
        (phase, count) = (Some(name.clone()), (*entries, *entries_total));
        (done_bytes, total_bytes) = (*bytes, *bytes_total);
        rate = if *seconds > 0.5 { (*bytes as f64 / seconds) as u64 } else { 0 };
    }
    // Progress is shown by its numbers; beside them stands what is being done.
    let is_work = |told: &&Told| matches!(told.event, Event::Step { .. } | Event::Stage { .. } | Event::Note { .. });
    let shown = match last.event {
        Event::Progress { .. } => known.events.iter().rev().find(is_work).unwrap_or(last),
        _ => last,
    };
    let line = shown.event.console_line();
    let text = line.strip_prefix("lifeboat: ").unwrap_or(&line).to_owned();
    Some(Recovery { standing, text, told_unix, phase, entries: count, done_bytes, total_bytes, rate })
}
