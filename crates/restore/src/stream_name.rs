//! How people name a stream that a machine is recovered from; [`crate::stream_place`] finds it.

use lifeboat_sys::tape::TapeName;

/// What stands before the place of files.
pub const PREFIX: &str = "stream:";

/// A set of discs: `discs` in the drives, `discs:/dev/sr0`, or their images, `discs:/FOLDER`.
pub const DISCS: &str = "discs";

/// True when a text is meant as a stream, valid or not: `stream:PLACE`, a tape or a set of discs.
pub fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX) || TapeName::is_meant(text) || discs(text).is_some()
}

/// The place of a set of discs, empty for all drives; `None` when none is meant.
pub fn discs(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(DISCS)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix(':') }
}
