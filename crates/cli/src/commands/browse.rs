//! `lifeboat browse`: the search screen of the rescue system, on the running machine.

use super::terminal::{Nobody, look_here};
use crate::command::BrowseArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::look;
use crate::session::Session;
use lifeboat_archive::{Contents, Keep, Repository, RestoreOptions, Selection, SnapshotInfo};
use lifeboat_machine::{Event, EventSink};
use lifeboat_restore::observe::Observing;
use lifeboat_restore::session::{Backup, ListedFile, RestoredFiles, found_in};
use lifeboat_screen::model::Model;
use lifeboat_screen::{Finder, Outcome};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

/// The folder that is offered, when none is named.
const FOLDER: &str = "/root/restored";

pub fn run(session: &Session, args: &BrowseArgs) -> CommandResult {
    if session.reporter.json() {
        return Err(CommandError::usage("browse is for people, without --json").hint("lifeboat find, lifeboat restore"));
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(CommandError::usage("browse needs a terminal")
            .hint("run it on a console, or through 'ssh -t'; 'lifeboat find' and 'lifeboat restore' need none"));
    }
    let folder = args.to.as_deref().unwrap_or(Path::new(FOLDER));
    look::absolute(vec![folder.to_owned()])
        .map_err(|_| CommandError::usage(format!("--to {}: expected a path that begins with /", folder.display())))?;
    let archive = look::open(session, &args.from)?;
    let snapshots = look::several(session, &archive, &crate::command::SnapshotsArgs::default())?;
    let machine = snapshots.last().map(|snapshot| snapshot.host.clone()).unwrap_or_default();
    let backups = snapshots.iter().map(|snapshot| Backup {
        id: snapshot.id.clone(),
        time: snapshot.time.clone(),
        entries: snapshot.entries,
        bytes: snapshot.bytes,
    });
    let model = Model::browsing(machine, backups.collect(), &folder.to_string_lossy(), look_here());
    let mut found = Archive { repository: &archive.repository, snapshots: &snapshots, contents: None };
    let ending = lifeboat_screen::browse(model, &mut found, &Nobody, Box::new(io::stdout()))
        .map_err(|error| CommandError::new(Kind::Failed, format!("cannot USE the terminal: {error}")))?;
    report(session, ending.outcome)
}

/// The last result, once more, where it stays visible.
fn report(session: &Session, outcome: Option<Outcome>) -> CommandResult {
    match outcome {
        Some(Outcome::Files(report)) => {
            session.reporter.line(format!("restored {}", crate::output::amount(report.entries, report.bytes)));
            for (path, text) in &report.problems {
                session.reporter.emit(&Event::Entry { path: path.display().to_string(), text: text.clone() });
            }
            crate::job::restored::complete(report.problems.len())
        }
        Some(Outcome::Failed { reason, .. }) => Err(CommandError::new(Kind::Failed, reason)),
        Some(Outcome::Restored { .. }) | None => Ok(()),
    }
}

/// The archive behind the screen.
struct Archive<'a> {
    repository: &'a Repository,
    snapshots: &'a [SnapshotInfo],
    contents: Option<Contents>,
}

impl Archive<'_> {
    fn open(&self) -> Result<&Contents, String> {
        self.contents.as_ref().ok_or_else(|| "no snapshot was chosen".to_owned())
    }
}

impl Finder for Archive<'_> {
    fn choose(&mut self, index: usize) -> Result<(), String> {
        let snapshot = self.snapshots.get(index).ok_or("there is no such snapshot")?;
        let contents = self.repository.contents(snapshot, &Selection::Everything);
        self.contents = Some(contents.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn search(&mut self, text: &str, limit: usize) -> Result<(Vec<ListedFile>, u64), String> {
        Ok(found_in(self.open()?.table(), text, limit))
    }

    fn restore(&mut self, paths: &[PathBuf], folder: &Path, sink: &dyn EventSink) -> Result<RestoredFiles, String> {
        let contents = self.open()?;
        crate::job::restored::prepare(folder).map_err(|error| error.error.to_string())?;
        let observer = Observing::new(sink, "extract");
        let options = RestoreOptions { overwrite: true, keep: Keep::Nothing, ..RestoreOptions::default() };
        let selection = Selection::Paths(paths.to_vec());
        let report = self.repository.restore_from(contents, folder, &selection, &options, &observer);
        let report = report.map_err(|error| error.to_string())?;
        Ok(RestoredFiles {
            entries: report.entries,
            bytes: report.bytes,
            problems: report.problems.into_iter().map(|problem| (problem.path, problem.message)).collect(),
        })
    }
}
