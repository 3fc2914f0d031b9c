//! How people name a stream that a machine is recovered from; [`crate::stream_place`] finds it.

use lifeboat_sys::tape::TapeName;

/// What stands before the place of files.
pub const PREFIX: &str = "stream:";

/// True when a text is meant as a stream, valid or not: `stream:PLACE` or a tape.
pub fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX) || TapeName::is_meant(text)
}
