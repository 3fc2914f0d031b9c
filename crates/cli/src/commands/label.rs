//! `lifeboat media label`

use crate::command::LabelArgs;
use crate::error::{CommandError, CommandResult};
use crate::job::{archive, tapes};
use crate::session::Session;
use lifeboat_machine::bytes::printable;
use lifeboat_media::label::{Archive, Label, LabelKind};
use lifeboat_sys::tape::TapeName;

pub fn run(session: &Session, args: &LabelArgs) -> CommandResult {
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
    let kind = match &label.kind {
        LabelKind::Image { .. } => "image",
        LabelKind::Stick { .. } => "stick",
        LabelKind::Tape { .. } => "tape",
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
    Ok(())
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
