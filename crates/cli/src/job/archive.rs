//! Opening archives by what the command line names.

pub use super::advice::explain;
use crate::command::KeyArgs;
use crate::error::CommandError;
use crate::job::stream::StreamPlace;
use crate::job::{keys, snapshot, watch};
use crate::session::Session;
use lifeboat_archive::{Repository, Secret, SnapshotInfo};
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_machine::{ArchiveManifest, Event, EventSink as _, Machine};
use lifeboat_restore::Source;
use lifeboat_restore::on_disk::Search;
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem, is_rescue_system};
use lifeboat_restore::stream_name::{self, PREFIX};
use lifeboat_restore::stream_place::StreamAt;
use std::borrow::Cow;
use std::path::Path;
use std::sync::PoisonError;

/// An opened archive; its medium stays mounted while this lives.
pub struct Archive {
    /// The repository.
    pub repository: Repository,
    /// Where it was found.
    pub source: Source,
    /// The key that opened it.
    pub secret: Secret,
    /// The medium carried that key.
    pub from_medium: bool,
    _watch: watch::Watch,
}

impl Archive {
    /// The repository, and what must live as long as it is read.
    pub fn split(self) -> (Repository, impl Sized) {
        (self.repository, (self.source, self._watch))
    }
}

/// What was found at a place, still locked.
pub struct LockedArchive {
    /// Where it is.
    pub source: Source,
    watch: watch::Watch,
}

/// The place that `--from`, the rescue system's own medium or the configuration names.
fn place(session: &Session, from: Option<&str>) -> Result<String, CommandError> {
    if stream_named(session, from)?.is_some() {
        return Err(CommandError::usage("this command needs a repository or a medium")
            .hint("list, ls, dump, verify, compare, restore, layout show and layout diff read streams"));
    }
    if let Some(from) = from {
        return Ok(from.to_owned());
    }
    let directories = lifeboat_restore::rescue::RescueDirectories::default();
    if lifeboat_restore::rescue::is_rescue_system(&directories) {
        let rescue = lifeboat_restore::rescue::RescueSystem::open(directories)?;
        if let Some(place) = rescue.archive_elsewhere() {
            return Ok(place.into_owned());
        }
        if let Some(source) = rescue.source {
            return Ok(source.mount.display().to_string());
        }
    }
    match &session.config.repository {
        Some(path) => Ok(path.display().to_string()),
        None => Err(CommandError::usage("no archive was named; name it with --from SOURCE")
            .hint(format!("set 'repository' in {}", crate::config::PATH))),
    }
}

/// The stream that is meant, if one is: by its name, or because the discs of a set are what is there.
///
/// # Errors
/// Kind `Usage`.
pub fn stream(session: &Session, from: Option<&str>) -> Result<Option<StreamPlace>, CommandError> {
    match (stream_named(session, from)?, from) {
        (None, Some(from)) => {
            // Whoever waits for a dead server can be ended.
            let _watch = watch::over(session, from)?;
            Ok(super::discs::meant(Path::new(from)))
        }
        (place, _) => Ok(place),
    }
}

/// The stream that is named as one.
fn stream_named(session: &Session, from: Option<&str>) -> Result<Option<StreamPlace>, CommandError> {
    let configured = || Some(session.config.repository.as_ref()?.display().to_string());
    let text = match from {
        Some(from) => Some(from.to_owned()),
        None if is_rescue_system(&RescueDirectories::default()) => {
            let rescue = RescueSystem::open(RescueDirectories::default())?;
            let place = rescue.archive_elsewhere().map(Cow::into_owned);
            // The medium of a rescue system comes before what is configured.
            place.or_else(|| rescue.source.is_none().then(configured).flatten())
        }
        None => configured(),
    };
    let Some(text) = text else { return Ok(None) };
    // What a recovery takes, its other commands take, too.
    let on_disk = stream_name::discs(&text).or_else(|| text.strip_prefix(PREFIX)).is_some_and(OnDisk::is_meant);
    if is_rescue_system(&RescueDirectories::default()) && on_disk {
        let at = StreamAt::find(&text, None, &super::scratch::scratch(), Search::Alone, &session.runner)?;
        let files = at.as_ref().and_then(StreamAt::path).map(|path| StreamPlace::File(path.to_owned()));
        let images = || at.as_ref().and_then(StreamAt::images).map(|path| StreamPlace::Images(path.to_owned()));
        let place = files.or_else(images);
        session.held.lock().unwrap_or_else(PoisonError::into_inner).extend(at);
        return Ok(place);
    }
    StreamPlace::parse(&text)
}

/// Opens the archive for reading.
pub fn open(session: &Session, from: Option<&str>, key: &KeyArgs) -> Result<Archive, CommandError> {
    let place = place(session, from)?;
    let watch = watch::over(session, &place)?;
    let source =
        Source::open(&place, &super::scratch::scratch(), &super::network::of_session(session)?, &session.runner);
    unlock(session, LockedArchive { source: source?, watch }, key, None)
}

/// Finds an archive or a medium, even one without an archive; nothing is unlocked.
pub fn find_any(session: &Session, from: Option<&str>) -> Result<LockedArchive, CommandError> {
    let place = place(session, from)?;
    let watch = watch::over(session, &place)?;
    let source =
        Source::open_medium(&place, &super::scratch::scratch(), &super::network::of_session(session)?, &session.runner);
    Ok(LockedArchive { source: source?, watch })
}

/// Opens the archive at a place that was found; `known` is the key, if it was read already.
pub fn unlock(
    session: &Session,
    LockedArchive { source, watch }: LockedArchive,
    key: &KeyArgs,
    known: Option<Secret>,
) -> Result<Archive, CommandError> {
    // A key that was named overrides one that a medium carries.
    let on_medium = if key.words || key.passphrase || key.key_file.is_some() { None } else { source.key()? };
    let from_medium = on_medium.is_some();
    // In the rescue system the medium is verified by what its initramfs knows about it.
    if from_medium && source.unproven && !lifeboat_restore::rescue::is_rescue_system(&RescueDirectories::default()) {
        let place = source.repository.label().display().to_string();
        session.reporter.emit(&Event::Warning { text: unproven(&place) });
    }
    let secret = match (on_medium, known) {
        (Some(secret), _) | (None, Some(secret)) => secret,
        (None, None) => keys::find(key, &session.config)?,
    };
    let repository = Repository::open_at(&source.repository, &secret).map_err(explain)?;
    report_damage(session, &repository);
    Ok(Archive { repository, source, secret, from_medium, _watch: watch })
}

/// Key, manifest and files come from an unauthenticated sender.
fn unproven(place: &str) -> String {
    format!(
        "the archive and its key both come from {place}, and nothing proves the identity of that server: restored \
         files may be forged; try https://, or your own key with --key-file or --words"
    )
}

/// Reports what is damaged in a repository that could be opened.
pub fn report_damage(session: &Session, repository: &Repository) {
    for text in repository.damage() {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
}

/// The machine that a snapshot describes; `root` is that of the machine that asks. `from` may also be a medium without an archive.
pub fn machine(
    session: &Session,
    from: Option<&str>,
    wanted: Option<&str>,
    key: &KeyArgs,
    root: &Path,
) -> Result<Machine, CommandError> {
    if let Some(place) = stream(session, from)? {
        let mut stream = super::stream::open(session, &place, key)?;
        super::stream::check_snapshot(stream.info(), wanted)?;
        return Ok(Machine::from_json(&stream.own_file("machine.json")?)?);
    }
    let archive = open(session, from, key)?;
    let snapshot = snapshot::choose(session, &archive, wanted, root, snapshot::Use::Elsewhere)?;
    Ok(describe(&archive.repository, &snapshot)?.0)
}

/// As [`machine`], with the room that a restore of it needs.
pub fn machine_with_room(
    session: &Session,
    from: Option<&str>,
    wanted: Option<&str>,
    key: &KeyArgs,
) -> Result<Machine, CommandError> {
    let archive = open(session, from, key)?;
    let snapshot = snapshot::choose(session, &archive, wanted, Path::new("/"), snapshot::Use::Elsewhere)?;
    let mut machine = describe(&archive.repository, &snapshot)?.0;
    snapshot::warn_unless_startable(session, &archive, &snapshot, &machine);
    lifeboat_restore::room::from_backup(&mut machine, archive.repository.room(&snapshot), &session.reporter);
    Ok(machine)
}

/// The machine and the manifest in a snapshot.
pub fn describe(repository: &Repository, snapshot: &SnapshotInfo) -> Result<(Machine, ArchiveManifest), CommandError> {
    lifeboat_restore::snapshot::read(repository, snapshot).map_err(crate::job::failure::explain)
}
