//! What a plan never holds, because plans travel into logs and events: headers of LUKS devices with their key slots, and keys.

use crate::error::RebuildError;
use lifeboat_machine::layout::LuksHeader;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Whoever drives a recovery has them.
pub trait Secrets: Send + Sync {
    /// The backup of a header as a file that only root can read.
    ///
    /// # Errors
    /// When the archive does not have it, or has another one.
    fn header(&self, header: &LuksHeader) -> Result<PathBuf, RebuildError>;

    /// A key that was seen to open the header with this UUID; `None` when there is none.
    fn key(&self, uuid: &str) -> Option<Zeroizing<Vec<u8>>>;
}

/// None at all: for machines without encryption.
#[derive(Clone, Copy, Debug)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn header(&self, header: &LuksHeader) -> Result<PathBuf, RebuildError> {
        let reason = "there is no archive that has its header".to_owned();
        Err(RebuildError::NoHeader { uuid: header.uuid.clone(), reason })
    }

    fn key(&self, _: &str) -> Option<Zeroizing<Vec<u8>>> {
        None
    }
}
