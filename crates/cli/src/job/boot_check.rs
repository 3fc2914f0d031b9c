//! What boots from a medium, compared with its list; what the list's seal is worth here.

use crate::command::KeyArgs;
use crate::error::CommandError;
use crate::job::keys;
use crate::session::Session;
use lifeboat_archive::Secret;
use lifeboat_machine::bytes::printable;
use lifeboat_machine::{Event, EventSink as _, MediumManifest};
use lifeboat_restore::boot::{self, BootReport, Sealed};
use lifeboat_restore::view::View;
use std::path::Path;

/// Where systems keep their id (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// The key by which a machine recognises its own media.
pub struct OwnKey {
    /// The key, if there is one here.
    pub secret: Option<Secret>,
    /// It was named explicitly.
    named: bool,
}

impl OwnKey {
    /// The key that the command line names, else that of this machine, if it has one that can be read.
    pub fn find(session: &Session, args: &KeyArgs) -> Result<OwnKey, CommandError> {
        let named = args.words || args.key_file.is_some();
        if named {
            return Ok(OwnKey { secret: Some(keys::find(args, &session.config)?), named });
        }
        let file = keys::file(None, &session.config);
        // Without permission to read the key nothing is reported about it: then only damage is checked.
        let secret = if std::fs::File::open(&file).is_ok() { Some(keys::read(&file)?) } else { None };
        Ok(OwnKey { secret, named })
    }
}

/// Compares; returns each difference, and warns about what cannot be determined here.
pub fn check(
    session: &Session,
    view: &View<'_>,
    manifest: &MediumManifest,
    key: &OwnKey,
) -> Result<BootReport, CommandError> {
    let mut report = boot::verify(view, manifest, key.secret.as_ref())?;
    let ours = key.named || is_ours(manifest, Path::new(MACHINE_ID));
    if !report.problems.is_empty() {
        return Ok(report);
    }
    match (report.sealed, ours && key.secret.is_some()) {
        (Sealed::Fits, _) => {}
        (Sealed::Broken, true) => report.problems.push(
            "the seal of lifeboat/boot.json does not match this key: the medium was made with another key, or its \
             boot files were changed"
                .into(),
        ),
        (Sealed::Unsealed, true) => report.problems.push(
            "lifeboat/boot.json has no seal: the medium was made without the machine's key, or the seal was removed; \
             try building the medium again"
                .into(),
        ),
        (sealed, _) => {
            let why = match sealed {
                Sealed::Broken => "it was not made with this machine's key",
                Sealed::Unsealed => "it was made without a key",
                _ => "the key it was made with is not available",
            };
            let text = format!(
                "damage would be found, but deliberate changes to what boots from this medium would not: {why}; try \
                 --key-file FILE with the key of {}",
                printable(manifest.machine_name.as_bytes())
            );
            session.reporter.emit(&Event::Warning { text });
        }
    }
    Ok(report)
}

/// The medium says that it is this machine's.
fn is_ours(manifest: &MediumManifest, file: &Path) -> bool {
    let id = std::fs::read_to_string(file).unwrap_or_default();
    !id.trim().is_empty() && id.trim() == manifest.machine_id
}

/// What was compared, for people.
pub fn summary(report: &BootReport) -> String {
    let files = crate::output::counted(report.files, "file");
    let what = match report.ranges {
        Some(ranges) => format!("{files} and {} of the image", crate::output::counted(ranges, "part")),
        None => format!("{files} (boot sectors and EFI partition can only be checked in an image or on a device)"),
    };
    let seal = if report.sealed == Sealed::Fits { ", sealed with the machine's key" } else { "" };
    let signer = report.signed_by.as_deref().map(|name| printable(name.as_bytes()));
    let signature = signer.map_or(String::new(), |name| format!("; what UEFI starts is signed with the key of {name}"));
    format!("what boots is unchanged: {what}{seal}{signature}")
}
