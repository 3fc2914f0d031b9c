//! Streams on the command line: `stream:FILE`, `stream:DIR/NAME,size=650M`, `stream:-`, `tape:/dev/nst0`, `discs:/dev/sr0`.

use crate::command::KeyArgs;
use crate::error::{CommandError, Kind};
use crate::job::{advice, discs, keys, tapes};
use crate::session::Session;
use lifeboat_archive::stream::{DiscSource, FileSink, FileSource, Info, PipeSink, PipeSource, Sink, Stream};
use lifeboat_archive::{Owner, Secret};
use lifeboat_machine::bytes::parse_size;
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem, is_rescue_system};
use lifeboat_restore::stream_name;
use lifeboat_sys::names::folder_of;
use lifeboat_sys::new_file::NewFile;
use lifeboat_sys::tape::TapeName;
use std::fs::File;
use std::io::{ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};

/// What the names of files and pipes begin with.
pub const PREFIX: &str = "stream:";
/// The smallest volume: with less, little but headers would fit.
const LEAST_VOLUME: u64 = 16 << 20;
/// Volumes that are excluded from the backup that writes them.
const MOST_VOLUMES: u32 = 999;

/// Where a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamPlace {
    /// One file.
    File(PathBuf),
    /// Files of at most so many bytes, `NAME.001` and so on.
    Volumes(PathBuf, u64),
    /// Standard output or standard input.
    Pipe,
    /// Tapes in a drive.
    Tape(TapeName),
    /// Discs of a set, in one drive or in whichever.
    Drives(Option<PathBuf>),
    /// Images of the discs of a set: their folder, or one of them.
    Images(PathBuf),
}

impl StreamPlace {
    /// Parses a place; `None` when no stream is meant.
    ///
    /// # Errors
    /// Kind `Usage`.
    pub fn parse(text: &str) -> Result<Option<StreamPlace>, CommandError> {
        if TapeName::is_meant(text) {
            return TapeName::parse(text).map(|name| Some(StreamPlace::Tape(name))).map_err(CommandError::usage);
        }
        if let Some(place) = stream_name::discs(text) {
            return discs::parse(text, place).map(Some);
        }
        let Some(rest) = text.strip_prefix(PREFIX) else { return Ok(None) };
        let usage = |why: String| {
            CommandError::usage(format!("{text}: {why}")).hint("stream:FILE, stream:DIR/NAME,size=650M or stream:-")
        };
        if rest == "-" {
            return Ok(Some(StreamPlace::Pipe));
        }
        if rest.is_empty() {
            return Err(usage("the name of a file is missing".into()));
        }
        if OnDisk::is_meant(rest) {
            return Err(CommandError::usage(format!("{text}: only a recovery mounts the disk itself"))
                .hint("mounting it, and stream:/PATH of the file there"));
        }
        let Some((path, size)) = rest.rsplit_once(",size=") else {
            return Ok(Some(StreamPlace::File(rest.into())));
        };
        let size = parse_size(size, 1).ok_or_else(|| usage(format!("{size:?} is not a size, as 650M or 4G")))?;
        if size < LEAST_VOLUME {
            return Err(usage("volumes have at least 16M".into()));
        }
        Ok(Some(StreamPlace::Volumes(path.into(), size)))
    }

    /// The files that a backup writes: they do not belong to it.
    pub fn own_files(&self) -> Vec<PathBuf> {
        let with_partial = |path: PathBuf| {
            let partial = NewFile::partial(&path);
            [path, partial]
        };
        match self {
            StreamPlace::Pipe | StreamPlace::Tape(_) | StreamPlace::Drives(_) | StreamPlace::Images(_) => vec![],
            StreamPlace::File(path) => with_partial(path.clone()).into(),
            StreamPlace::Volumes(path, _) => {
                (1..=MOST_VOLUMES).flat_map(|number| with_partial(FileSink::volume_path(path, number))).collect()
            }
        }
    }

    /// The folder that the files are in.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            StreamPlace::Pipe | StreamPlace::Tape(_) | StreamPlace::Drives(_) => None,
            StreamPlace::Images(path) if path.is_dir() => Some(path),
            StreamPlace::File(path) | StreamPlace::Volumes(path, _) | StreamPlace::Images(path) => {
                Some(folder_of(path))
            }
        }
    }

    /// Refuses a place that is in use, before anything is read.
    ///
    /// # Errors
    /// Kind `Refused`.
    pub fn check_writable(&self) -> Result<(), CommandError> {
        if let StreamPlace::Volumes(path, _) = self
            && FileSource::find(path).is_ok()
        {
            let text = format!("cannot WRITE {}: volumes of this name exist already", path.display());
            return Err(CommandError::refused(text).hint("another name, or removing them first"));
        }
        let first = match self {
            StreamPlace::Pipe if std::io::stdout().is_terminal() => {
                return Err(CommandError::refused("cannot WRITE a stream to a terminal")
                    .hint("a pipe: lifeboat backup --to stream:- | ssh HOST 'cat > FILE'"));
            }
            StreamPlace::Pipe | StreamPlace::Tape(_) => return Ok(()),
            StreamPlace::Drives(_) | StreamPlace::Images(_) => return Err(only_read()),
            StreamPlace::File(path) => path.clone(),
            StreamPlace::Volumes(path, _) => FileSink::volume_path(path, 1),
        };
        match first.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(CommandError::new(Kind::Failed, format!("cannot OPEN {}: {error}", first.display()))),
            Ok(_) => Err(CommandError::refused(format!("cannot WRITE {}: it exists already", first.display()))
                .hint("another name, or removing it first")),
        }
    }

    /// What volumes are written to. For standard output everything else goes to standard error from now on.
    ///
    /// # Errors
    /// When standard output cannot be used.
    pub fn sink(&self, force: bool) -> Result<Box<dyn Sink>, CommandError> {
        Ok(match self {
            StreamPlace::Tape(name) => return tapes::sink(name, force),
            StreamPlace::Drives(_) | StreamPlace::Images(_) => return Err(only_read()),
            StreamPlace::File(path) => Box::new(FileSink::new(path, None)),
            StreamPlace::Volumes(path, size) => Box::new(FileSink::new(path, Some(*size))),
            StreamPlace::Pipe => {
                let failed = |error: rustix::io::Errno| {
                    CommandError::new(
                        Kind::Failed,
                        format!("cannot OPEN standard output: {}", std::io::Error::from(error)),
                    )
                };
                let out = rustix::io::dup(rustix::stdio::stdout()).map_err(failed)?;
                rustix::stdio::dup2_stdout(rustix::stdio::stderr()).map_err(failed)?;
                Box::new(PipeSink(File::from(out)))
            }
        })
    }
}

/// A set of discs has a rescue system on the first one.
fn only_read() -> CommandError {
    CommandError::usage("a backup onto a set of discs is made together with the rescue system on the first one")
        .hint("lifeboat media set --out DIR --size dvd, or --burn /dev/sr0")
}

/// Opens a set for reading, and reports what is wrong with it.
///
/// # Errors
/// As [`advice::explain`] has them.
pub fn open(session: &Session, place: &StreamPlace, key: &KeyArgs) -> Result<Stream, CommandError> {
    if *place == StreamPlace::Pipe && key.words {
        return Err(CommandError::usage("standard input cannot give both the stream and the recovery words")
            .hint("--key-file FILE; 'lifeboat key import' makes one from the words"));
    }
    let secret = match of_medium(key)? {
        Some(secret) => secret,
        None => keys::find(key, &session.config)?,
    };
    let open_files = |path: &Path| {
        FileSource::find(path).map_err(|error| {
            CommandError::new(Kind::Failed, format!("cannot OPEN the stream {}: {error}", path.display()))
        })
    };
    let stream = match place {
        StreamPlace::Tape(name) => Stream::open(tapes::source(session, name)?, &secret),
        StreamPlace::Pipe => Stream::open(PipeSource(Some(std::io::stdin())), &secret),
        StreamPlace::Drives(drive) => Stream::open(DiscSource::new(discs::Asked::new(drive.clone())?), &secret),
        StreamPlace::Images(path) => Stream::open(DiscSource::new(discs::images(session, path)?), &secret),
        StreamPlace::File(path) | StreamPlace::Volumes(path, _) => Stream::open(open_files(path)?, &secret),
    };
    let stream = stream.map_err(advice::explain)?;
    for note in stream.notes() {
        session.reporter.emit(&Event::Warning { text: note.clone() });
    }
    Ok(stream)
}

/// The key on the medium that a rescue system was started from, when none was named: as a recovery takes it.
fn of_medium(key: &KeyArgs) -> Result<Option<Secret>, CommandError> {
    let directories = RescueDirectories::default();
    if key.words || key.passphrase || key.key_file.is_some() || !is_rescue_system(&directories) {
        return Ok(None);
    }
    let rescue = RescueSystem::open(directories)?;
    Ok(if rescue.source.is_some() { rescue.medium()?.key()? } else { None })
}

/// Whether any part of a stream can be read without somebody changing a medium.
pub fn is_at_hand(place: &StreamPlace) -> bool {
    match place {
        StreamPlace::File(_) | StreamPlace::Volumes(..) | StreamPlace::Images(_) => true,
        StreamPlace::Pipe | StreamPlace::Tape(_) | StreamPlace::Drives(_) => false,
    }
}

/// The machine that a set is of.
pub fn owner(info: &Info) -> Owner {
    Owner::new(&*info.machine_id, &*info.host)
}

/// A stream has one snapshot; another that was asked for is not there.
///
/// # Errors
/// Kind `Failed`.
pub fn check_snapshot(info: &Info, wanted: Option<&str>) -> Result<(), CommandError> {
    match wanted.filter(|wanted| *wanted != "latest") {
        Some(wanted) if wanted.is_empty() || !info.set.starts_with(wanted) => Err(CommandError::new(
            Kind::Failed,
            format!("cannot FIND the snapshot {wanted}: the stream holds only {}", &info.set),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let parse = |text: &str| StreamPlace::parse(text).map_err(|error| error.kind);
        for (text, expected) in [
            ("/srv/repo", Ok(None)),
            ("stream:-", Ok(Some(StreamPlace::Pipe))),
            ("stream:/x/y,z", Ok(Some(StreamPlace::File("/x/y,z".into())))),
            ("stream:d/n,size=650M", Ok(Some(StreamPlace::Volumes("d/n".into(), 650 << 20)))),
            ("stream:n,size=4g", Ok(Some(StreamPlace::Volumes("n".into(), 4 << 30)))),
            ("stream:n,size=20000000", Ok(Some(StreamPlace::Volumes("n".into(), 20_000_000)))),
            ("discs", Ok(Some(StreamPlace::Drives(None)))),
            ("discs:/dev/sr1", Ok(Some(StreamPlace::Drives(Some("/dev/sr1".into()))))),
            ("discs:/srv/set", Ok(Some(StreamPlace::Images("/srv/set".into())))),
            ("discs:disk:LABEL=x:/set", Err(Kind::Usage)),
            ("tape:nst0", Err(Kind::Usage)),
            ("stream:", Err(Kind::Usage)),
            ("stream:disk:LABEL=x:/web1", Err(Kind::Usage)),
            ("stream:n,size=", Err(Kind::Usage)),
            ("stream:n,size=1M", Err(Kind::Usage)),
            ("stream:n,size=99999999999T", Err(Kind::Usage)),
            ("stream:n,size=1é", Err(Kind::Usage)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(StreamPlace::File("a".into()).own_files(), [PathBuf::from("a"), "a.partial".into()]);
        assert_eq!(StreamPlace::File("a".into()).folder(), Some(Path::new(".")));
    }
}
