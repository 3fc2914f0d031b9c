//! Times as restic writes them.

/// Now.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().to_string()
}
