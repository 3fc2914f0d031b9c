//! What a recovery does, told to the server that holds its archive: `lifeboat serve` shows it (`POST /api/v1/events` of its API).
//!
//! Other servers of restic's REST protocol have no such path; then nothing more is told. A recovery never waits for this.

use crate::http::{Client, Question, basic};
use crate::{Address, Credentials, Fault, Patience};
use std::sync::Arc;
use std::time::Duration;

/// Nobody reads the answer.
const ANSWER: u64 = 64 << 10;
/// A single attempt waits no longer.
const ATTEMPT: Duration = Duration::from_secs(10);

/// Tells a server.
#[derive(Debug)]
pub struct Telling {
    client: Client,
    url: String,
    authorization: Option<(String, String)>,
}

impl Telling {
    /// The server of an archive; `None` where it is no server of repositories.
    ///
    /// # Errors
    /// When the fingerprint of the server's certificate is none.
    pub fn to(place: &str, credentials: &Credentials) -> Result<Option<Telling>, Fault> {
        let Ok(Address::Rest(base)) = Address::parse(place) else { return Ok(None) };
        let Some((scheme, rest)) = base.split_once("://") else { return Ok(None) };
        let authority = rest.split('/').next().unwrap_or_default();
        // The path of a repository is the server's own matter; its API is at the top.
        let url = format!("{scheme}://{authority}/api/v1/events");
        let authorization = basic(credentials.get("RESTIC_REST_USERNAME"), credentials.get("RESTIC_REST_PASSWORD"));
        let patience = Patience::with(authority, Arc::new(|_| ()), ATTEMPT, ATTEMPT);
        Ok(Some(Telling { client: Client::of(credentials, patience)?, url, authorization }))
    }

    /// Sends lines of JSON, an event each.
    ///
    /// # Errors
    /// [`Fault::Missing`] where the server has no such path; [`Fault::Passing`] where it does not answer now; others.
    pub fn tell(&self, lines: &str) -> Result<(), Fault> {
        // Each call has its own patience: a server that is lost now may be back at the next one.
        let patience = self.client.patience.for_host("the server of the archive");
        let client = self.client.with_patience(patience.clone());
        let mut question = Question::new("POST", self.url.as_str(), "TELL", self.url.clone())
            .header("Content-Type", "application/x-ndjson")
            .body(lines.as_bytes())
            .at_most(ANSWER);
        question.headers.extend(self.authorization.clone());
        match client.ask(&question) {
            Err(Fault::Final(cause)) if patience.given_up().is_some() => Err(Fault::Passing(cause)),
            answer => answer.map(drop),
        }
    }
}
