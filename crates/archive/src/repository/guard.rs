//! Calls into rustic: its errors and panics become [`ArchiveError`]s.

use crate::ArchiveError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Calls into rustic, which panics where it should return errors.
pub(crate) fn guarded<T>(
    action: &'static str,
    path: &Path,
    call: impl FnOnce() -> rustic_core::RusticResult<T>,
) -> Result<T, ArchiveError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ArchiveError::Store { action, path: path.to_owned(), cause: cause(&error) }),
        Err(panic) => Err(ArchiveError::Panicked { action, cause: panic_message(&*panic) }),
    }
}

/// The message of a panic.
pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}

/// The reason at the bottom of rustic's error, without its advice about rustic's own command line.
fn cause(error: &rustic_core::RusticError) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    let text = source.to_string();
    // The outermost error's text is a page of Markdown.
    let plain =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with('`'));
    let mut lines: Vec<&str> = plain.collect();
    lines.truncate(2);
    lines.join(" ")
}
