//! `lifeboat restore`

use super::{by_hand, recover};
use crate::command::{OverwriteMode, RestoreArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::snapshot::{self, Use};
use crate::job::{archive, look, restored};
use crate::output::{amount, entries_of};
use crate::session::Session;
use lifeboat_archive::{
    ArchiveError, Contents, FileTable, Keep, Kind as EntryKind, Observer as _, Pattern, Patterns, RestoreOptions,
    Selection, Survey,
};
use lifeboat_machine::bytes::{grouped, human};
use lifeboat_restore::observe::Observing;
use lifeboat_restore::rescue::{RescueDirectories, is_rescue_system};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub fn run(session: &Session, args: &RestoreArgs) -> CommandResult {
    if let Some(mode) = args.mode {
        return recover::mode(session, mode, args.rescue_root.as_deref());
    }
    let (snapshot, paths) = look::named_first(args.snapshot.as_deref(), &args.paths)?;
    let args = &RestoreArgs { snapshot, paths, ..args.clone() };
    let whole_machine = args.paths.is_empty() && args.include.is_empty() && args.to.is_none();
    if whole_machine && is_rescue_system(&RescueDirectories::default()) {
        return by_hand::run(session, args);
    }
    if args.stage.is_some() || args.resume {
        return Err(CommandError::usage(
            "--stage and --resume are for the rescue system, where the whole machine is recovered",
        ));
    }
    if whole_machine {
        return Err(CommandError::usage(
            "nothing to restore was named: name paths, or a folder with --to DIR for everything",
        )
        .hint(
            "a whole machine is recovered from its medium: 'lifeboat rescue' makes one, 'lifeboat drill' rehearses it",
        ));
    }
    let place = Place::of(args)?;
    files(session, args, &place)
}

/// Where the entries go.
enum Place<'a> {
    /// To their own places.
    Own,
    /// Below a folder, with the folders that lead to them.
    Below(&'a Path),
    /// What is in one folder, into another one.
    Inside(&'a Path, &'a Path),
    /// One entry, under this name in a folder.
    Named(&'a Path, &'a Path, &'a OsStr),
}

impl<'a> Place<'a> {
    fn of(args: &'a RestoreArgs) -> Result<Place<'a>, CommandError> {
        let single = |option: &str| match &args.paths[..] {
            [path] => Ok(path.as_path()),
            _ => Err(CommandError::usage(format!("{option} takes a single PATH"))),
        };
        if let Some(name) = &args.as_name {
            let path = single("--as")?;
            let bytes = name.as_bytes();
            if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.len() > 255 {
                return Err(CommandError::usage(format!(
                    "--as '{}': expected the name of a file, without folders; --to names the folder",
                    name.to_string_lossy()
                )));
            }
            let Some(parent) = path.parent() else {
                return Err(CommandError::usage("--as cannot rename the root directory; try --to DIR"));
            };
            return Ok(Place::Named(path, args.to.as_deref().unwrap_or(parent), name));
        }
        match &args.to {
            Some(folder) if args.inside => Ok(Place::Inside(single("--inside")?, folder)),
            Some(folder) => Ok(Place::Below(folder)),
            None => Ok(Place::Own),
        }
    }

    fn target(&self) -> &'a Path {
        match self {
            Place::Own => Path::new("/"),
            Place::Below(folder) | Place::Inside(_, folder) | Place::Named(_, folder, _) => folder,
        }
    }

    /// Moves what is selected to its other place; returns what is selected there.
    fn apply(&self, contents: &mut Contents, selection: Selection) -> Result<Selection, CommandError> {
        let find = |path: &Path, contents: &Contents| {
            contents.find(path).ok_or_else(|| {
                let id = contents.snapshot().short_id();
                CommandError::new(
                    Kind::Failed,
                    format!("cannot RESTORE {}: it is not in snapshot {id}", path.display()),
                )
                .hint("lifeboat find NAME, which looks in all snapshots")
            })
        };
        match self {
            Place::Own | Place::Below(_) => Ok(selection),
            Place::Inside(path, _) => {
                let number = find(path, contents)?;
                if contents.kind(number) != EntryKind::Directory {
                    return Err(CommandError::usage(format!("--inside: {} is not a folder", path.display())));
                }
                contents.make_root(number);
                Ok(match selection {
                    Selection::Patterns(patterns) => Selection::Patterns(Patterns { paths: vec![], ..patterns }),
                    _ => Selection::Everything,
                })
            }
            Place::Named(path, _, name) => {
                contents.isolate(find(path, contents)?, name.as_bytes());
                Ok(Selection::Paths(vec![Path::new("/").join(name)]))
            }
        }
    }
}

/// What is selected, before an entry gets another place.
pub fn selection(args: &RestoreArgs) -> Result<Selection, CommandError> {
    let patterns = |list: &[String]| -> Result<Vec<Pattern>, CommandError> {
        list.iter().map(|text| Pattern::new(text, false).map_err(CommandError::usage)).collect()
    };
    if args.include.is_empty() && args.exclude.is_empty() {
        return Ok(if args.paths.is_empty() { Selection::Everything } else { Selection::Paths(args.paths.clone()) });
    }
    let (include, exclude) = (patterns(&args.include)?, patterns(&args.exclude)?);
    Ok(Selection::Patterns(Patterns { paths: args.paths.clone(), include, exclude }))
}

fn files(session: &Session, args: &RestoreArgs, place: &Place<'_>) -> CommandResult {
    if let Some(from) = archive::stream(session, args.source.from.as_deref())? {
        return super::streams::restore(session, args, &from);
    }
    let selection = selection(args)?;
    let archive = archive::open(session, args.source.from.as_deref(), &args.source.key)?;
    let what_for = if args.to.is_some() { Use::Elsewhere } else { Use::InPlace };
    let snapshot = snapshot::choose(session, &archive, args.snapshot.as_deref(), Path::new("/"), what_for)?;
    let target = place.target();
    let mut contents = archive.repository.contents(&snapshot, &selection).map_err(archive::explain)?;
    patterns_fit(&selection, contents.table(), snapshot.short_id())?;
    let selection = place.apply(&mut contents, selection)?;
    let options = options(args.overwrite);
    let survey = contents.survey(target, &selection, &options).map_err(untrusted)?;
    report(session, &survey, target, args.dry_run);
    if args.dry_run {
        let observer = Observing::new(&session.reporter, "restore");
        survey.problems.iter().for_each(|problem| observer.problem(problem));
        return restored::complete(survey.problems.len());
    }
    if matches!(place, Place::Below(_) | Place::Inside(..)) || (args.as_name.is_some() && args.to.is_some()) {
        restored::prepare(target)?;
    }
    restored::note_owners(session);
    let is_chosen = |path: &Path| {
        args.paths.is_empty() || args.paths.iter().any(|chosen| path.starts_with(chosen) || chosen.starts_with(path))
    };
    let encrypted = archive.repository.encrypted(&snapshot);
    lifeboat_restore::room::report_encrypted(encrypted, &is_chosen, &session.reporter);
    let observer = Observing::new(&session.reporter, "restore");
    let report = archive.repository.restore_from(&contents, target, &selection, &options, &observer)?;
    restored::report(session, &snapshot.id, &report, target, (survey.replaced, survey.kept))
}

/// Refuses patterns that fit nothing, each by itself, or together with the paths and the other patterns.
pub fn patterns_fit(selection: &Selection, table: &FileTable, id: &str) -> CommandResult {
    let Selection::Patterns(patterns) = selection else { return Ok(()) };
    let failed = |text: String| Err(CommandError::new(Kind::Failed, text));
    let result = match patterns.without_effect(table)[..] {
        [first, ..] => failed(format!("no entry of snapshot {id} fits --include '{}'", first.text())),
        [] if selection.is_empty(table) => {
            failed(format!("no entry of snapshot {id} fits the paths, --include and --exclude together"))
        }
        [] => Ok(()),
    };
    result.map_err(|error| error.hint("lifeboat find PATTERN, which looks in all snapshots"))
}

/// The kernel writes it back in its own time, as it does after cp and tar; a whole machine's recovery waits.
pub fn options(overwrite: OverwriteMode) -> RestoreOptions {
    let (overwrite, keep) = match overwrite {
        OverwriteMode::Always => (true, Keep::Nothing),
        OverwriteMode::IfChanged => (true, Keep::Same),
        OverwriteMode::IfNewer => (true, Keep::Newer),
        OverwriteMode::Never => (false, Keep::Existing),
    };
    RestoreOptions { overwrite, keep, ..RestoreOptions::default() }
}

/// A target that others control is refused.
fn untrusted(error: ArchiveError) -> CommandError {
    match error {
        ArchiveError::Untrusted { .. } => {
            CommandError::refused(error).hint("the path it leads to, without symbolic links")
        }
        other => other.into(),
    }
}

/// What will be done to the target.
fn report(session: &Session, survey: &Survey, target: &Path, dry: bool) {
    if dry {
        session.reporter.value(&serde_json::json!({
            "dry_run": true, "entries": survey.entries, "bytes": survey.bytes, "data_bytes": survey.data_bytes,
            "new": survey.new, "directories": survey.directories, "replaced": survey.replaced, "newer": survey.newer,
            "kept": survey.kept, "free_bytes": survey.free_bytes,
        }));
        let to_write = human(survey.data_bytes);
        let size = amount(survey.entries, survey.bytes);
        session.reporter.line(format!("would restore {size} to {}, writing {to_write}", target.display()));
        session.reporter.line(format!(
            "new: {}; existing folders: {}; replaced: {}; left as they are: {}",
            entries_of(survey.new),
            grouped(survey.directories),
            grouped(survey.replaced),
            grouped(survey.kept)
        ));
    }
    if survey.replaced > 0 {
        let named: Vec<String> = survey.named.iter().map(|path| path.display().to_string()).collect();
        let rest = survey.replaced.saturating_sub(named.len() as u64);
        let more = if rest > 0 { format!(" and {} more", grouped(rest)) } else { String::new() };
        let newer = match survey.newer {
            0 => String::new(),
            count => format!(" ({} of them changed since the backup)", grouped(count)),
        };
        let would = if dry { "would be replaced" } else { "will be replaced" };
        let text = format!(
            "{} in {} {would}{newer}: {}{more}",
            entries_of(survey.replaced),
            target.display(),
            named.join(", ")
        );
        session.reporter.note(text);
    }
    if !dry && survey.kept > 0 {
        let stay = if survey.kept == 1 { "stays as it is" } else { "stay as they are" };
        session.reporter.note(format!("{} in {} {stay}", entries_of(survey.kept), target.display()));
    }
    if let Some(free) = survey.free_bytes.filter(|free| *free < survey.data_bytes) {
        session.reporter.warning(format!(
            "{} has {} free, and up to {} will be written; replaced files give back their room only when they are complete",
            target.display(),
            human(free),
            human(survey.data_bytes)
        ));
    } else if let (true, Some(free)) = (dry, survey.free_bytes) {
        session.reporter.line(format!("room: {} free in {}", human(free), target.display()));
    }
}
