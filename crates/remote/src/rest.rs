//! restic's REST protocol (restic's doc/REST_backend.rst), version 2.

mod list;

use crate::files::whole_part;
use crate::http::{Client, Question, basic};
use crate::{Credentials, Fault, Files, Kind, Patience};

/// Asks for lists with sizes.
const VERSION_2: &str = "application/vnd.x.restic.rest.v2";

/// A repository on a REST server.
#[derive(Debug)]
pub struct Rest {
    base: String,
    authorization: Option<(String, String)>,
    client: Client,
}

impl Rest {
    /// The repository at `base`, which ends in a slash.
    ///
    /// # Errors
    /// When the fingerprint of the server's certificate is none.
    pub fn new(base: &str, credentials: &Credentials, patience: Patience) -> Result<Rest, Fault> {
        let authorization = basic(credentials.get("RESTIC_REST_USERNAME"), credentials.get("RESTIC_REST_PASSWORD"));
        Ok(Rest { base: base.to_owned(), authorization, client: Client::of(credentials, patience)? })
    }

    fn url(&self, kind: Kind, name: &str) -> String {
        match kind {
            Kind::Config => format!("{}config", self.base),
            _ => format!("{}{}/{name}", self.base, kind.directory()),
        }
    }

    fn question<'a>(&self, method: &'static str, action: &'static str, url: String) -> Question<'a> {
        let mut question = Question::new(method, &url, action, url.clone());
        question.headers.extend(self.authorization.clone());
        question
    }
}

impl Files for Rest {
    fn place(&self) -> String {
        format!("rest:{}", self.base)
    }

    fn list(&self, kind: Kind) -> Result<Vec<(String, u64)>, Fault> {
        let url = self.url(kind, "");
        let question = self.question("GET", "LIST", url.clone()).header("Accept", VERSION_2);
        let answer = match self.client.ask(&question) {
            Err(Fault::Missing(_)) => return Ok(vec![]),
            other => other?,
        };
        let unreadable = |error| Fault::ended("LIST", &url, format!("the list is unreadable: {error}"));
        let mut files = vec![];
        for (name, size) in list::parse(&answer.body).map_err(unreadable)? {
            let size = match size {
                Some(size) => size,
                None => {
                    let head = self.question("HEAD", "READ", self.url(kind, &name));
                    self.client.ask(&head)?.length.unwrap_or(0)
                }
            };
            files.push((name, size));
        }
        Ok(files)
    }

    fn read(&self, kind: Kind, name: &str) -> Result<Vec<u8>, Fault> {
        let question = self.question("GET", "READ", self.url(kind, name)).at_most(kind.largest());
        Ok(self.client.ask(&question)?.body)
    }

    fn read_part(&self, kind: Kind, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        read_part(&self.client, self.question("GET", "READ", self.url(kind, name)), offset, length)
    }

    fn write(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        let question = self.question("POST", "WRITE", self.url(kind, name)).body(bytes);
        let question = question.header("Content-Type", "application/octet-stream");
        match self.client.ask(&question) {
            // An append-only server refuses to overwrite what an attempt whose answer was lost has written.
            Err(Fault::Final(text)) if kind != Kind::Config => match self.read(kind, name) {
                Ok(there) if there == bytes => Ok(()),
                _ => Err(Fault::Final(text)),
            },
            other => other.map(drop),
        }
    }

    fn remove(&self, kind: Kind, name: &str) -> Result<(), Fault> {
        self.client.ask(&self.question("DELETE", "REMOVE", self.url(kind, name))).map(drop)
    }

    fn create(&self) -> Result<(), Fault> {
        let url = format!("{}?create=true", self.base);
        self.client.ask(&self.question("POST", "CREATE", url)).map(drop)
    }

    fn given_up(&self) -> Option<String> {
        self.client.patience.given_up()
    }
}

/// A part of a file, by a range; a server that ignores ranges sends all of it.
pub(crate) fn read_part(client: &Client, question: Question<'_>, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
    if length == 0 {
        return Ok(vec![]);
    }
    let question = question.range(offset, length);
    let answer = client.ask(&question)?;
    let body = if answer.partial {
        answer.body
    } else {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(answer.body.len());
        let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(answer.body.len());
        answer.body.get(from..to).unwrap_or_default().to_vec()
    };
    whole_part(body, length, &question.about.1)
}
