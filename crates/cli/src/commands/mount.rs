//! `lifeboat mount`: snapshots as a folder.

use crate::command::MountArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::job::archive::Archive;
use crate::job::{look, snapshot};
use crate::output::counted;
use crate::session::Session;
use lifeboat_archive::SnapshotInfo;
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_mount::{Folder, MountError, Options};
use std::path::Path;
use std::sync::Arc;

pub fn run(session: &Session, args: &MountArgs) -> CommandResult {
    if !args.folder.is_dir() {
        return Err(CommandError::usage(format!("there is no folder {}", args.folder.display())));
    }
    // The kernel follows the path once more.
    guarded::refuse_folder("the folder", &args.folder)?;
    let archive = look::open(session, &args.from)?;
    let snapshots = look::several(session, &archive, &args.which)?;
    if args.allow_other {
        own_alone(&archive, &snapshots)?;
    }
    let count = counted(snapshots.len(), "snapshot");
    let folders = snapshots.into_iter().map(folder).collect();
    let options = Options { allow_other: args.allow_other, cache_bytes: (args.cache as usize) << 20 };
    let mounted = || {
        session.reporter.value(&serde_json::json!({ "mounted": args.folder }));
        session.reporter.note(format!(
            "{count} can be read in {}; it ends with Ctrl-C, or 'umount {}'",
            args.folder.display(),
            args.folder.display()
        ));
    };
    let warn = |text: &str| session.reporter.emit(&Event::Warning { text: text.to_owned() });
    // The medium stays open as long as the repository is read.
    let (repository, rest) = archive.split();
    let result = lifeboat_mount::mount(Arc::new(repository), folders, &args.folder, &options, &mounted, &warn);
    drop(rest);
    result.map_err(|error| {
        let kind = match &error {
            MountError::Folder { .. } | MountError::NotEmpty { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        CommandError { kind, error: error.into(), hints: vec![] }
    })
}

/// Owners are numbers: a user of this machine may have the number of somebody else's on another one, and would read their files.
fn own_alone(archive: &Archive, snapshots: &[SnapshotInfo]) -> CommandResult {
    let here = snapshot::this_machine(Path::new("/"))?;
    let own = archive.repository.snapshots_of(&here)?;
    match snapshots.iter().find(|snapshot| !own.iter().any(|own| own.id == snapshot.id)) {
        None => Ok(()),
        Some(other) => Err(CommandError::refused(format!(
            "--allow-other shows snapshots of this machine alone, and {} is of machine '{}', whose users have other \
             numbers than those of this one",
            other.short_id(),
            other.host
        ))
        .hint("the same without --allow-other: then only you can look in")),
    }
}

/// Where a snapshot is shown: its time in UTC, so that the name stays the same everywhere, and its id.
fn folder(snapshot: SnapshotInfo) -> Folder {
    let time = snapshot.time.parse::<jiff::Timestamp>();
    let time = time.map_or_else(|_| "unknown".to_owned(), |time| time.strftime("%Y-%m-%d_%H-%M-%S").to_string());
    Folder { machine: snapshot.host.clone(), name: format!("{time}_{}", snapshot.short_id()), snapshot }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_by_time() {
        let snapshot = |time: &str| {
            let mut snapshot = SnapshotInfo::default();
            (snapshot.id, snapshot.time) = ("1a2b3c4d5e".to_owned(), time.to_owned());
            snapshot.host = "web".to_owned();
            snapshot
        };
        assert_eq!(folder(snapshot("2026-11-30T02:03:04.5+01:00")).name, "2026-11-30_01-03-04_1a2b3c4d");
        assert_eq!(folder(snapshot("x")).name, "unknown_1a2b3c4d");
    }
}
