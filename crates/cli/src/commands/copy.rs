//! `lifeboat copy`: snapshots into another repository.

use crate::command::{CopyArgs, FromArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::place::{self, Making};
use crate::job::stream::StreamPlace;
use crate::job::{archive, keys, look, network, watch};
use crate::listing::local_text;
use crate::output::counted;
use crate::session::Session;
use lifeboat_archive::{Repository, RepositoryOptions, Secret};
use lifeboat_machine::bytes::{human, printable};
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_restore::observe::Observing;
use std::time::Duration;

pub fn run(session: &Session, args: &CopyArgs) -> CommandResult {
    if StreamPlace::parse(&args.to)?.is_some() {
        return Err(CommandError::usage("snapshots are copied into a repository, not into a stream")
            .hint("lifeboat backup --to, which writes one"));
    }
    let from = FromArgs { from: args.from.clone(), key: args.key.clone() };
    let source = look::open(session, &from)?;
    let snapshots = look::several(session, &source, &args.which)?;
    let _watch = watch::over(session, &args.to)?;
    let target = network::target(session, &args.to)?;
    let secret = match &args.to_key_file {
        Some(file) => keys::read(file)?,
        None => source.secret.clone(),
    };
    let Some(to) = opened(session, args, &target, &secret)? else {
        session.reporter.line(format!(
            "there is no repository at {}; with --init one would be made, with {}",
            target.place.label().display(),
            counted(snapshots.len(), "snapshot")
        ));
        return target.close();
    };
    if to.id() == source.repository.id() {
        return Err(CommandError::refused("both are the same repository, or one is a copy of the other's files"));
    }
    let (mut copied, mut there, mut failed) = (0, 0, vec![]);
    for snapshot in &snapshots {
        let known = source.repository.copy_of(snapshot, &to)?;
        let what = format!(
            "{} of {} ({})",
            snapshot.short_id(),
            printable(snapshot.host.as_bytes()),
            local_text(&snapshot.time)
        );
        if known.is_none() && args.dry_run {
            session.reporter.value(&serde_json::json!({"id": snapshot.id, "copy": null, "copied": false}));
            session.reporter.line(format!("{what} would be copied"));
            copied += 1;
            continue;
        }
        let is_there = known.is_some();
        let observer = Observing::new(&session.reporter, "copy");
        let result = match known {
            Some(known) => Ok((known, 0)),
            None => source.repository.copy_with(snapshot, &to, &observer),
        };
        session.reporter.finish();
        match result {
            Ok((copy, bytes)) => {
                session.reporter.value(&serde_json::json!({
                    "id": snapshot.id, "copy": copy.id, "copied": !is_there, "bytes_added": bytes,
                }));
                session.reporter.line(match is_there {
                    true => format!("{what} is there as {}", copy.short_id()),
                    false => format!("{what} was copied as {}: {} added", copy.short_id(), human(bytes)),
                });
                if is_there { there += 1 } else { copied += 1 }
            }
            // What is damaged in one snapshot does not concern the others.
            Err(error) if error.is_damage() => {
                session.reporter.emit(&Event::Warning { text: format!("{what} was not copied: {error}") });
                failed.push(snapshot.short_id().to_owned());
            }
            Err(error) => return Err(archive::explain(error)),
        }
    }
    drop(to);
    target.close()?;
    let verb = if args.dry_run { "would be copied" } else { "copied" };
    session.reporter.line(format!("{} {verb}, {there} there already", counted(copied, "snapshot")));
    match failed.len() {
        0 => Ok(()),
        count => Err(CommandError::new(
            Kind::Partial,
            format!(
                "{} could not be copied, because they are damaged: {}",
                counted(count, "snapshot"),
                failed.join(", ")
            ),
        )
        .hint("'lifeboat verify' names everything that is damaged")),
    }
}

/// The repository to copy to; `None` in a dry run when there is none.
fn opened(
    session: &Session,
    args: &CopyArgs,
    target: &network::Target,
    secret: &Secret,
) -> Result<Option<Repository>, CommandError> {
    let mut repository = if place::is_repository(&target.place)? {
        Repository::open_at(&target.place, secret).map_err(archive::explain)?
    } else if args.dry_run {
        return Ok(None);
    } else {
        place::may_be_made(&target.place, None, Making { init: args.init, own_disk: false })?;
        let made = Repository::init_at(&target.place, secret, &RepositoryOptions::default());
        let made = made.map_err(archive::explain)?;
        session.reporter.note(format!("a new repository was made at {}", target.place.label().display()));
        made
    };
    archive::report_damage(session, &repository);
    repository.wait_for_locks(Duration::from_secs(60 * u64::from(args.wait_lock)));
    Ok(Some(repository))
}
