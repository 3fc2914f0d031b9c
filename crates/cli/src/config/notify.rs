//! `[notify]`: who is told when a run of the routine fails.

use serde::Deserialize;

/// The `[notify]` table.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Mail addresses; the system's sendmail takes the mail.
    pub mail: Vec<String>,
    /// The sender; default: whoever sendmail says.
    pub mail_from: Option<String>,
    /// A URL that gets a JSON document by POST.
    pub webhook: Option<String>,
    /// Seconds that the webhook may take in all.
    pub webhook_seconds: u64,
    /// Report runs that were done but for some entries (exit code 5), too.
    pub partial: bool,
}

impl Default for Notify {
    fn default() -> Self {
        Notify { mail: vec![], mail_from: None, webhook: None, webhook_seconds: 20, partial: true }
    }
}
