//! Snapshots that are looked into: which, and what of them cannot be read.

use crate::command::{FromArgs, SnapshotsArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::archive::{self, Archive};
use crate::job::snapshot::{self, Use};
use crate::session::Session;
use lifeboat_archive::{Contents, Selection, SnapshotInfo};
use lifeboat_machine::{Event, EventSink as _};
use std::path::Path;

/// Opens an archive to look into.
pub fn open(session: &Session, args: &FromArgs) -> Result<Archive, CommandError> {
    archive::open(session, args.from.as_deref(), &args.key)
}

/// The one snapshot that is meant.
pub fn one(session: &Session, archive: &Archive, wanted: Option<&str>) -> Result<SnapshotInfo, CommandError> {
    snapshot::choose(session, archive, wanted, Path::new("/"), Use::Elsewhere)
}

/// A snapshot, opened; what cannot be read is reported and counted in `lost`.
pub fn contents(
    session: &Session,
    archive: &Archive,
    snapshot: &SnapshotInfo,
    selection: &Selection,
    lost: &mut usize,
) -> Result<Contents, CommandError> {
    let contents = archive.repository.contents(snapshot, selection).map_err(archive::explain)?;
    report(session, &contents, lost);
    Ok(contents)
}

/// Reports what of a snapshot cannot be read.
pub fn report(session: &Session, contents: &Contents, lost: &mut usize) {
    for problem in contents.problems() {
        let id = contents.snapshot().short_id();
        let text = format!("snapshot {id}: {}: {}", problem.path.display(), problem.message);
        session.reporter.emit(&Event::Warning { text });
        *lost += 1;
    }
}

/// Exit code 5 when something could not be read.
pub fn whole(lost: usize) -> CommandResult {
    match lost {
        0 => Ok(()),
        _ => {
            let count = crate::output::counted(lost, "part");
            Err(CommandError::new(Kind::Partial, format!("{count} of the archive could not be read (listed above)"))
                .hint("'lifeboat verify' names everything that is damaged"))
        }
    }
}

/// The snapshots that are meant, oldest first: the named ones; those of a named machine, or of all; otherwise those of this
/// machine, or of the only one there.
pub fn several(session: &Session, archive: &Archive, args: &SnapshotsArgs) -> Result<Vec<SnapshotInfo>, CommandError> {
    if !args.snapshot.is_empty() {
        return args.snapshot.iter().map(|id| one(session, archive, Some(id))).collect();
    }
    let (all, unreadable) = archive.repository.list_snapshots()?;
    for snapshot in &unreadable {
        session.reporter.emit(&Event::Warning { text: snapshot.cause.clone() });
    }
    if args.all_machines {
        return Ok(all);
    }
    if let Some(name) = &args.machine {
        return named(all, name);
    }
    let latest = one(session, archive, None)?;
    match archive.repository.owner(&latest) {
        Some(owner) => Ok(archive.repository.snapshots_of(&owner)?),
        None => Ok(all.into_iter().filter(|snapshot| snapshot.host == latest.host).collect()),
    }
}

/// The snapshots of a machine.
pub fn named(all: Vec<SnapshotInfo>, name: &str) -> Result<Vec<SnapshotInfo>, CommandError> {
    let mut hosts: Vec<String> = all.iter().map(|snapshot| snapshot.host.clone()).collect();
    let list: Vec<SnapshotInfo> = all.into_iter().filter(|snapshot| snapshot.host == name).collect();
    if list.is_empty() {
        hosts.sort();
        hosts.dedup();
        let there = if hosts.is_empty() { "none".to_owned() } else { hosts.join(", ") };
        return Err(CommandError::usage(format!("no snapshot is of a machine '{name}'; there are those of: {there}")));
    }
    Ok(list)
}

/// Splits `[SNAPSHOT] [PATH]...`: a first word that begins with `/` is a path of the latest one.
pub fn split(words: &[String]) -> Result<(Option<&str>, Vec<std::path::PathBuf>), CommandError> {
    let (snapshot, paths) = match words.split_first() {
        Some((first, rest)) if !first.starts_with('/') => match first.split_once(':') {
            // restic's SNAPSHOT:PATH
            Some((id, path)) if path.starts_with('/') => {
                let paths = std::iter::once(path.into()).chain(rest.iter().map(Into::into));
                return Ok((Some(id), absolute(paths.collect())?));
            }
            _ => (Some(first.as_str()), rest),
        },
        _ => (None, words),
    };
    Ok((snapshot, absolute(paths.iter().map(Into::into).collect())?))
}

/// Takes a snapshot that was named before the paths, as restic has it, out of them: `restore latest /etc`. An option may name it, too.
///
/// # Errors
/// Kind `Usage` for two snapshots, and for paths that are not those of an archive.
pub fn named_first(
    option: Option<&str>,
    paths: &[std::path::PathBuf],
) -> Result<(Option<String>, Vec<std::path::PathBuf>), CommandError> {
    let words: Option<Vec<String>> = paths.iter().map(|path| path.to_str().map(str::to_owned)).collect();
    let first = paths.first().filter(|path| !path.is_absolute());
    let (Some(words), Some(_)) = (words, first) else {
        return Ok((option.map(str::to_owned), absolute(paths.to_vec())?));
    };
    // A path that was typed without / is no snapshot.
    let id = words[0].split(':').next().unwrap_or_default();
    if id != "latest" && !(id.len() >= 4 && id.chars().all(|c| c.is_ascii_hexdigit())) {
        return absolute(paths.to_vec()).map(|paths| (None, paths));
    }
    let (named, rest) = split(&words)?;
    match (option, named) {
        (Some(option), Some(named)) if option != named => {
            Err(CommandError::usage(format!("two snapshots are named: {named}, and {option} with --snapshot")))
        }
        (_, named) => Ok((named.map(str::to_owned), rest)),
    }
}

/// Refuses paths that are not those of an archive.
pub fn absolute(paths: Vec<std::path::PathBuf>) -> Result<Vec<std::path::PathBuf>, CommandError> {
    match paths.iter().find(|path| !path.is_absolute()) {
        Some(path) => {
            Err(CommandError::usage(format!("{}: paths are those in the archive and begin with /", path.display())))
        }
        None => Ok(paths),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_and_paths() {
        let split = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let (snapshot, paths) = super::split(&words).map_err(|error| error.kind)?;
            Ok::<_, Kind>((snapshot.map(str::to_owned), paths.iter().map(|path| path.display().to_string()).collect()))
        };
        let list = |paths: &[&str]| -> Vec<String> { paths.iter().map(|path| (*path).to_owned()).collect() };
        assert_eq!(split(&[]), Ok((None, list(&[]))));
        assert_eq!(split(&["/etc"]), Ok((None, list(&["/etc"]))));
        assert_eq!(split(&["latest", "/a", "/b"]), Ok((Some("latest".into()), list(&["/a", "/b"]))));
        assert_eq!(split(&["1a2b:/etc"]), Ok((Some("1a2b".into()), list(&["/etc"]))));
        assert_eq!(split(&["latest", "etc"]), Err(Kind::Usage));
        let first = |option: Option<&str>, words: &[&str]| {
            let paths: Vec<std::path::PathBuf> = words.iter().map(Into::into).collect();
            let (snapshot, paths) = named_first(option, &paths).map_err(|error| error.kind)?;
            Ok::<_, Kind>((snapshot, paths.iter().map(|path| path.display().to_string()).collect()))
        };
        assert_eq!(first(None, &["latest", "/a"]), Ok((Some("latest".into()), list(&["/a"]))));
        assert_eq!(first(None, &["1a2b3c4d"]), Ok((Some("1a2b3c4d".into()), vec![])));
        assert_eq!(first(None, &["1a2b:/etc"]), Ok((Some("1a2b".into()), list(&["/etc"]))));
        assert_eq!(first(Some("1a2b"), &["/a"]), Ok((Some("1a2b".into()), list(&["/a"]))));
        assert_eq!(first(Some("1a2b"), &["1a2b", "/a"]), Ok((Some("1a2b".into()), list(&["/a"]))));
        assert_eq!(first(Some("1a2b"), &["3c4d"]), Err(Kind::Usage));
        assert_eq!(first(None, &["etc"]), Err(Kind::Usage));
    }
}
