//! `lifeboat media label`

use crate::command::LabelArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::stream::StreamPlace;
use crate::job::{archive, discs, tapes};
use crate::session::Session;
use lifeboat_archive::stream::Disc;
use lifeboat_machine::bytes::printable;
use lifeboat_media::label::{Archive, Label, LabelKind};
use lifeboat_sys::tape::TapeName;
use std::path::PathBuf;

pub fn run(session: &Session, args: &LabelArgs) -> CommandResult {
    if !TapeName::is_meant(&args.medium)
        && let Some(place) = archive::stream(session, Some(&args.medium))?
    {
        return set(session, args, &place);
    }
    let label = match TapeName::is_meant(&args.medium) {
        true => tape(&args.medium)?,
        false => {
            let found = archive::find_any(session, Some(&args.medium))?;
            let manifest = found.source.manifest().ok_or_else(|| {
                CommandError::usage(format!("{} is a repository, and no medium", args.medium))
                    .hint("a stick, a disc, their images, or a tape")
            })?;
            Label::of(manifest)
        }
    };
    show(session, args, &label);
    Ok(())
}

/// Of discs of a set: of the one that is named, or of each in a folder.
fn set(session: &Session, args: &LabelArgs, place: &StreamPlace) -> CommandResult {
    let paths: Vec<PathBuf> = match place {
        StreamPlace::Images(path) if path.is_dir() => discs::images(session, path)?.files().values().cloned().collect(),
        StreamPlace::Images(path) => vec![path.clone()],
        StreamPlace::Drives(drive) => vec![discs::any(drive.as_deref())?.path],
        StreamPlace::File(_) | StreamPlace::Volumes(..) | StreamPlace::Pipe | StreamPlace::Tape(_) => {
            return Err(CommandError::usage(format!("{} is no medium", args.medium))
                .hint("a stick, a disc, their images, or a tape"));
        }
    };
    for path in paths {
        let disc = Disc::open(&path).map_err(|error| {
            CommandError::new(Kind::Failed, format!("cannot OPEN the disc {}: {error}", path.display()))
        })?;
        let label = match disc.header.volume {
            1 => {
                let found = archive::find_any(session, Some(&path.display().to_string()))?;
                found.source.manifest().map(Label::of)
            }
            _ => None,
        };
        show(session, args, &label.unwrap_or_else(|| data_disc(&disc)));
    }
    Ok(())
}

/// A disc that does not boot says who it is in the header of its volume, which is not encrypted.
fn data_disc(disc: &Disc) -> Label {
    let header = &disc.header;
    Label {
        machine: printable(header.machine.as_bytes()),
        made: printable(header.time.as_bytes()),
        id: header.set.clone(),
        kind: LabelKind::Disc { number: header.volume, signed: false },
        archive: Archive::Here { key: false },
    }
}

fn show(session: &Session, args: &LabelArgs, label: &Label) {
    let kind = match &label.kind {
        LabelKind::Image { .. } => "image",
        LabelKind::Stick { .. } => "stick",
        LabelKind::Tape { .. } => "tape",
        LabelKind::Disc { .. } => "disc",
    };
    let (holds_archive, holds_key) = match label.archive {
        Archive::Here { key } => (true, key),
        Archive::Elsewhere { key } => (false, key),
    };
    session.reporter.value(&serde_json::json!({
        "medium": label.id, "short_id": label.short_id(), "machine": label.machine, "made": label.made, "kind": kind,
        "archive": holds_archive, "embedded_key": holds_key, "code": label.code(),
    }));
    label.page(args.ascii).lines().for_each(|line| session.reporter.line(line));
}

/// A tape says who it is in the header of its volume, which is not encrypted.
fn tape(text: &str) -> Result<Label, CommandError> {
    let volume = tapes::volume(&TapeName::parse(text).map_err(CommandError::usage)?)?;
    let header = volume.header;
    Ok(Label {
        machine: printable(header.machine.as_bytes()),
        made: printable(header.time.as_bytes()),
        id: printable(header.set.as_bytes()),
        // What is before the volume is the rescue system.
        kind: LabelKind::Tape { boots: volume.file > 0, volume: header.volume },
        archive: Archive::Here { key: false },
    })
}
