//! How far the writing of an image is.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Bytes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Written.
    pub bytes: u64,
    /// Expected in all.
    pub bytes_total: u64,
}

/// How often the size of the growing image is checked.
const INTERVAL: Duration = Duration::from_millis(200);

/// Runs `work` and meanwhile reports how large the file at `path` has become. xorriso reports percentages only in a format
/// for people; the size of its output is exact.
pub(crate) fn watch<T: Send>(
    path: &Path,
    bytes_total: u64,
    report: &(dyn Fn(Progress) + Sync),
    work: impl FnOnce() -> T,
) -> T {
    std::thread::scope(|scope| {
        let (done, ended) = channel::<()>();
        scope.spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(INTERVAL) {
                if let Ok(metadata) = path.metadata() {
                    report(Progress { bytes: metadata.len().min(bytes_total), bytes_total });
                }
            }
        });
        let result = work();
        drop(done);
        result
    })
}
