//! What to try when an archive cannot be opened.

use crate::error::{CommandError, Kind};
use lifeboat_archive::ArchiveError;

/// Adds what to try to errors of opening.
pub fn explain(error: ArchiveError) -> CommandError {
    let hint = match &error {
        ArchiveError::WrongKey { .. } | ArchiveError::WrongKeyForStream { .. } => {
            Some("--key-file FILE, --words to type the recovery words, or --passphrase for one that 'key add' set")
        }
        ArchiveError::Unsafe { .. } => Some("'lifeboat verify', which names everything that is damaged"),
        ArchiveError::AppendOnly { .. } => {
            Some("doing it where files can be removed: on the server itself, or with other credentials")
        }
        error if error.is_damage() => Some("another copy of the repository, or a medium that holds the archive"),
        _ => None,
    };
    let kind = match &error {
        ArchiveError::PassphraseForStream | ArchiveError::Unsafe { .. } | ArchiveError::AppendOnly { .. } => {
            Kind::Refused
        }
        _ => Kind::Failed,
    };
    let error = CommandError { kind, ..CommandError::from(error) };
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
