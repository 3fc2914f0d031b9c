//! `lifeboat dump`: a file or folder of a snapshot to standard output or a new file.

use crate::command::DumpArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::stream::StreamPlace;
use crate::job::{archive, look, stream};
use crate::output::{counted, written};
use crate::session::Session;
use lifeboat_archive::repository::contents::WriteError;
use lifeboat_archive::{Kind as EntryKind, Selection, tar};
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_sys::new_file::NewFile;
use std::io::{self, BufWriter, IsTerminal as _, Write};

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

pub fn run(session: &Session, args: &DumpArgs) -> CommandResult {
    look::absolute(vec![args.path.clone()])?;
    if session.reporter.json() && args.target.is_none() {
        return Err(CommandError::usage("dump writes content to standard output, where --json writes lines")
            .hint("--target FILE for the content"));
    }
    let to_terminal = args.target.is_none() && io::stdout().is_terminal();
    if let Some(place) = archive::stream(session, args.from.from.as_deref())? {
        return of_stream(session, args, &place, to_terminal);
    }
    let archive = look::open(session, &args.from)?;
    let snapshot = look::one(session, &archive, Some(&args.snapshot))?;
    let mut lost = 0;
    let selection = Selection::Paths(vec![args.path.clone()]);
    let contents = look::contents(session, &archive, &snapshot, &selection, &mut lost)?;
    let shown = args.path.display();
    let number = contents.find(&args.path).ok_or_else(|| {
        CommandError::new(Kind::Failed, format!("cannot FIND {shown} in snapshot {}", snapshot.short_id()))
            .hint("lifeboat find NAME, which looks in all snapshots")
    })?;
    let kind = contents.kind(number);
    let as_tar = args.tar || kind == EntryKind::Directory;
    if !as_tar && kind != EntryKind::File {
        let target = contents.entry(number).target.map(|target| format!(" to {}", target.display()));
        return Err(CommandError::usage(format!(
            "cannot DUMP {shown}: it is a {}{}, not a file or folder",
            kind.name(),
            target.unwrap_or_default()
        ))
        .hint("--tar writes it as a tar archive"));
    }
    if as_tar && to_terminal {
        return Err(CommandError::usage(format!("{shown} would be written to the terminal as a tar archive"))
            .hint(format!("lifeboat dump {} {shown} > FILE.tar, or | tar -tv", args.snapshot)));
    }
    let mut out = output(args, to_terminal)?;
    let result = if as_tar {
        tar::write(&contents, number, &mut out)
    } else {
        contents.write_file(number, &mut out).map(|()| tar::Written::default())
    };
    let report = match finished(args, out, result)? {
        Some(report) => report,
        None => return Ok(()),
    };
    for problem in &report.problems {
        let text = format!("{}: {}", problem.path.display(), problem.message);
        session.reporter.emit(&Event::Warning { text });
    }
    if !report.problems.is_empty() {
        let count = counted(report.problems.len(), "file");
        return Err(CommandError::new(
            Kind::Partial,
            format!("{count} of the archive could not be read (listed above)"),
        ));
    }
    look::whole(lost)
}

/// The same of a stream, of which only files are written.
fn of_stream(session: &Session, args: &DumpArgs, place: &StreamPlace, to_terminal: bool) -> CommandResult {
    let mut set = stream::open(session, place, &args.from.key)?;
    stream::check_snapshot(set.info(), Some(&args.snapshot))?;
    let shown = args.path.display();
    let listing = set.listing();
    let number = listing.find(&args.path).ok_or_else(|| {
        let id = &set.info().set[..set.info().set.len().min(8)];
        CommandError::new(Kind::Failed, format!("cannot FIND {shown} in set {id}"))
            .hint("lifeboat ls --recursive, which lists all paths")
    })?;
    let (kind, path) = (listing.kind(number), listing.entry(number).path);
    if args.tar || kind != EntryKind::File {
        let what = if args.tar { "a tar archive".to_owned() } else { format!("a {}", kind.name()) };
        return Err(CommandError::usage(format!("cannot DUMP {shown}: of a stream files are written, and not {what}"))
            .hint("lifeboat restore --to DIR PATH"));
    }
    let mut out = output(args, to_terminal)?;
    let result = set.write_file(&path, &mut out);
    finished(args, out, result).map(drop)
}

/// Where the content is written to.
fn output(args: &DumpArgs, to_terminal: bool) -> Result<BufWriter<Out>, CommandError> {
    let out =
        match &args.target {
            None if to_terminal => Out::Terminal(Text(io::stdout())),
            None => Out::Standard(io::stdout()),
            Some(path) => Out::File(NewFile::create(path, 0o600).map_err(|error| {
                CommandError::new(Kind::Failed, format!("cannot CREATE {}: {error}", path.display()))
            })?),
        };
    Ok(BufWriter::with_capacity(BUFFER, out))
}

/// Completes what was written; `None` when nobody reads it any more.
fn finished<T>(
    args: &DumpArgs,
    mut out: BufWriter<Out>,
    result: Result<T, WriteError>,
) -> Result<Option<T>, CommandError> {
    let result = result.and_then(|report| out.flush().map(|()| report).map_err(WriteError::from));
    // What is left in the buffer after an error is not written when it is dropped.
    let (out, _) = out.into_parts();
    // Of a file that is not whole nothing stays.
    let result = result.and_then(|report| out.finish().map(|()| report).map_err(WriteError::from));
    match (result, &args.target) {
        (Ok(report), _) => Ok(Some(report)),
        (Err(WriteError::Output(error)), Some(path)) => {
            Err(CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", path.display())))
        }
        (Err(WriteError::Output(error)), None) => written(Err(error)).map(|()| None),
        (Err(error), _) => Err(error.into()),
    }
}

/// Where the content goes.
enum Out {
    Terminal(Text),
    Standard(io::Stdout),
    File(NewFile),
}

impl Out {
    /// All of it was written.
    fn finish(self) -> io::Result<()> {
        match self {
            Out::File(file) => file.finish().map(drop),
            Out::Terminal(_) | Out::Standard(_) => Ok(()),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Terminal(out) => out.write(bytes),
            Out::Standard(out) => out.write(bytes),
            Out::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Terminal(out) => out.flush(),
            Out::Standard(out) => out.flush(),
            Out::File(out) => out.flush(),
        }
    }
}

/// A terminal, which gets text only: binary data could drive it.
struct Text(io::Stdout);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_control = |byte: &u8| (*byte < 0x20 && !b"\t\n\r\x0c".contains(byte)) || *byte == 0x7f;
        if bytes.iter().any(is_control) {
            return Err(io::Error::other("it is binary, and this is a terminal; try > FILE"));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
