//! Failures of a recovery as errors of the command line.

use crate::error::{CommandError, Kind};
use lifeboat_restore::Failure;

/// The exit code for a failed recovery.
pub fn explain(failure: Failure) -> CommandError {
    let kind = match &failure {
        Failure::Parameters(_) => Kind::Usage,
        Failure::Incomplete { .. } => Kind::Partial,
        failure if failure.touched_disks() => Kind::Failed,
        Failure::Plan(_)
        | Failure::NotReady(_)
        | Failure::Warnings(_)
        | Failure::Mismatch(_)
        | Failure::Damaged { .. }
        | Failure::Lost { .. } => Kind::Refused,
        _ => Kind::Failed,
    };
    let hints = match kind {
        Kind::Partial => vec!["the machine is bootable: remove the medium and type 'reboot' to start it".to_owned()],
        _ => vec![],
    };
    CommandError { kind, error: failure.into(), hints }
}
