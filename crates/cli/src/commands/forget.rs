//! `lifeboat forget`: which snapshots stay, which go, and why.

use crate::command::{ForgetArgs, KeepArgs};
use crate::config::{PATH, tags};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{archive, log, place, retention, snapshot};
use crate::listing::{Align, local_text, table};
use crate::output::counted;
use crate::session::Session;
use crate::state::Task;
use lifeboat_archive::repository::{Fate, Group, Policy};
use lifeboat_archive::{Repository, SnapshotInfo};
use lifeboat_machine::bytes::{human, printable};
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_restore::observe::Observing;
use std::path::Path;

const COLUMNS: [Align; 4] = [Align::Left, Align::Left, Align::Left, Align::Left];
const HEAD: [&str; 4] = ["SNAPSHOT", "TIME", "", "WHY"];

pub fn run(session: &Session, args: &ForgetArgs) -> CommandResult {
    let policy = policy(&args.keep, &session.config.retention.policy());
    let by_rules = args.snapshots.is_empty();
    if !by_rules && options(&args.keep) != Policy::default() {
        return Err(CommandError::usage("snapshots were named, and rules as well")
            .hint("either the ids of snapshots, or --keep options"));
    }
    if by_rules && policy.is_empty() {
        return Err(CommandError::usage("nothing says which snapshots to forget")
            .hint("--keep-daily 14 --keep-monthly 12 --dry-run, or the ids of snapshots")
            .hint(format!("[retention] in {PATH}")));
    }
    let dry_run = args.store.dry_run;
    // As the routine does it.
    if by_rules && args.prune && !dry_run && args.machine.is_none() && !args.all_machines {
        let place = args.store.from.clone();
        let configured = || session.config.repository.as_ref().map(|path| path.display().to_string());
        log::keep(session, Task::Prune.name(), Path::new("/"));
        session.tasks.begin(Task::Prune, place::shown(&place.or_else(configured).unwrap_or_default()));
    }
    let opened = retention::open(session, &args.store)?;
    let repository = &opened.repository;
    let going: Vec<SnapshotInfo> = match by_rules {
        true => {
            let groups = chosen(session, repository, args)?;
            let fates: Vec<(Group, Vec<Fate>)> =
                groups.into_iter().map(|group| (group.clone(), group.fates(&policy))).collect();
            fates.iter().for_each(|(group, fates)| show(session, group, fates));
            let fates = fates.into_iter().flat_map(|(_, fates)| fates);
            fates.filter(|fate| fate.reasons.is_empty()).map(|fate| fate.snapshot).collect()
        }
        false => named(session, repository, &args.snapshots)?,
    };
    // Those that cannot be read were listed with the others.
    let unreadable = repository.unreadable_snapshots();
    for snapshot in &unreadable {
        session.reporter.emit(&Event::Warning { text: format!("{}; it is not forgotten", snapshot.cause) });
    }
    let freed = match dry_run && !going.is_empty() {
        true => {
            let freed = repository.freed_by(&going, &Observing::new(&session.reporter, "trees"))?;
            session.reporter.finish();
            freed
        }
        false => None,
    };
    if !dry_run && !going.is_empty() {
        repository.forget(&going).map_err(archive::explain)?;
    }
    session.reporter.value(&serde_json::json!({
        "dry_run": dry_run, "forgotten": going.len(), "freed_bytes": freed, "unreadable": unreadable.len(),
    }));
    let count = counted(going.len(), "snapshot");
    session.reporter.line(match (going.len(), dry_run, freed) {
        (0, _, _) => "nothing is forgotten".to_owned(),
        (_, false, _) => format!("{count} forgotten"),
        (_, true, Some(bytes)) => format!("would forget {count}, which alone need {}", human(bytes)),
        (_, true, None) => format!("would forget {count}; what they alone need cannot be determined"),
    });
    if args.prune {
        retention::prune(session, repository, &args.limits, dry_run)?;
    }
    opened.close()?;
    match unreadable.len() {
        0 => Ok(()),
        count => {
            let count = counted(count, "snapshot");
            Err(CommandError::new(Kind::Partial, format!("{count} cannot be read (listed above)"))
                .hint("'lifeboat verify' names everything that is damaged"))
        }
    }
}

/// The rules of the command line; without any, those of the configuration.
fn policy(keep: &KeepArgs, configured: &Policy) -> Policy {
    match options(keep) {
        none if none == Policy::default() => configured.clone(),
        policy => policy,
    }
}

fn options(keep: &KeepArgs) -> Policy {
    Policy {
        last: keep.keep_last.unwrap_or_default(),
        hourly: keep.keep_hourly.unwrap_or_default(),
        daily: keep.keep_daily.unwrap_or_default(),
        weekly: keep.keep_weekly.unwrap_or_default(),
        monthly: keep.keep_monthly.unwrap_or_default(),
        yearly: keep.keep_yearly.unwrap_or_default(),
        within: keep.keep_within,
        within_hourly: keep.keep_within_hourly,
        within_daily: keep.keep_within_daily,
        within_weekly: keep.keep_within_weekly,
        within_monthly: keep.keep_within_monthly,
        within_yearly: keep.keep_within_yearly,
        tags: keep.keep_tag.iter().map(|list| tags(list)).collect(),
    }
}

/// The groups that the rules are applied to.
fn chosen(session: &Session, repository: &Repository, args: &ForgetArgs) -> Result<Vec<Group>, CommandError> {
    let mut groups = repository.groups()?;
    if args.all_machines {
        return Ok(groups);
    }
    let there = names(&groups);
    let Some(name) = &args.machine else {
        let this = snapshot::this_machine(Path::new("/"))?;
        groups.retain(|group| group.owner.as_ref().is_some_and(|owner| owner.is(&this)));
        if groups.is_empty() {
            session
                .reporter
                .note(format!("the repository has no snapshot of this machine, {this}; it has those of {there}"));
        }
        return Ok(groups);
    };
    groups.retain(|group| group.is_named(name));
    let owners = groups.iter().filter(|group| group.owner.is_some()).count();
    match (groups.is_empty(), owners) {
        (true, _) => {
            Err(CommandError::usage(format!("no snapshot is of a machine '{name}'; there are those of {there}")))
        }
        (false, 0 | 1) => Ok(groups),
        (false, _) => Err(CommandError::usage(format!("'{name}' means several machines: {}", names(&groups)))
            .hint("--machine with the beginning of a machine id")),
    }
}

/// "'web1' (id), host db (/srv)".
fn names(groups: &[Group]) -> String {
    match groups {
        [] => "none".to_owned(),
        groups => groups.iter().map(title).collect::<Vec<_>>().join(", "),
    }
}

fn title(group: &Group) -> String {
    match &group.owner {
        Some(owner) => printable(owner.to_string().as_bytes()),
        None if group.unknown => "machines that cannot be determined".to_owned(),
        None => printable(format!("host {} ({})", group.host, group.paths.join(", ")).as_bytes()),
    }
}

/// The snapshots that were named.
fn named(session: &Session, repository: &Repository, ids: &[String]) -> Result<Vec<SnapshotInfo>, CommandError> {
    let mut going: Vec<SnapshotInfo> = vec![];
    for id in ids {
        if id.is_empty() || id == "latest" {
            return Err(CommandError::usage("a snapshot that is to be forgotten is named by its id")
                .hint("'lifeboat list' shows the ids"));
        }
        let snapshot = repository.find_snapshot(id)?;
        if !going.iter().any(|known| known.id == snapshot.id) {
            session.reporter.value(&serde_json::json!({
                "id": snapshot.id, "time": snapshot.time, "machine": snapshot.host, "kept": false,
            }));
            going.push(snapshot);
        }
    }
    Ok(going)
}

/// What becomes of the snapshots of a group.
fn show(session: &Session, group: &Group, fates: &[Fate]) {
    let mut rows = vec![HEAD.map(str::to_owned).to_vec()];
    for fate in fates {
        let kept = !fate.reasons.is_empty();
        session.reporter.value(&serde_json::json!({
            "id": fate.snapshot.id, "time": fate.snapshot.time, "machine": fate.snapshot.host,
            "machine_id": group.owner.as_ref().map(|owner| &owner.id), "kept": kept, "reasons": fate.reasons,
        }));
        rows.push(vec![
            fate.snapshot.short_id().to_owned(),
            local_text(&fate.snapshot.time),
            if kept { "keep" } else { "forget" }.to_owned(),
            printable(fate.reasons.join(", ").as_bytes()),
        ]);
    }
    let kept = fates.iter().filter(|fate| !fate.reasons.is_empty()).count();
    let (all, gone) = (counted(fates.len(), "snapshot"), fates.len() - kept);
    session.reporter.line(format!("{}: {all}, {kept} kept, {gone} forgotten", title(group)));
    table(&COLUMNS, &rows).iter().for_each(|line| session.reporter.line(line));
    session.reporter.line("");
}
