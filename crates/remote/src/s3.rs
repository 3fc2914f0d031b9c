//! S3: objects below a prefix of a bucket, in restic's layout. Requests are signed (version 4) and name the bucket in the path, which
//! every server understands.

mod list;
mod sign;

use crate::address::{Bucket, url_host};
use crate::files::{ENDLESS, MOST_FILES};
use crate::http::{Client, Question};
use crate::rest::read_part;
use crate::{Credentials, Fault, Files, Kind, Patience};
use sign::Signer;
use std::collections::BTreeSet;

/// A repository in a bucket.
#[derive(Debug)]
pub struct S3 {
    place: Bucket,
    endpoint: String,
    signer: Signer,
    client: Client,
}

impl S3 {
    /// The repository below a prefix.
    ///
    /// # Errors
    /// When the access key is missing.
    pub fn new(place: &Bucket, credentials: &Credentials, patience: Patience) -> Result<S3, Fault> {
        let need = |name: &str| {
            credentials.get(name).map(str::to_owned).ok_or_else(|| {
                let place = format!("s3://{}/{}", place.bucket, place.prefix);
                Fault::ended(
                    "OPEN",
                    place,
                    format!("{name} is not set; try the environment or /etc/lifeboat/credentials"),
                )
            })
        };
        let region = place.region.as_deref().or(credentials.get("AWS_REGION"));
        let region = region.or(credentials.get("AWS_DEFAULT_REGION")).unwrap_or("us-east-1").to_owned();
        let endpoint = place.endpoint.as_deref().or(credentials.get("AWS_ENDPOINT_URL"));
        let amazon = || format!("https://s3.{region}.amazonaws.com");
        let endpoint = endpoint.map_or_else(amazon, str::to_owned).trim_end_matches('/').to_owned();
        let signer = Signer {
            key_id: need("AWS_ACCESS_KEY_ID")?,
            secret: need("AWS_SECRET_ACCESS_KEY")?,
            token: credentials.get("AWS_SESSION_TOKEN").map(str::to_owned),
            region,
        };
        let client = Client::of(credentials, patience.for_host(url_host(&endpoint)))?;
        Ok(S3 { place: place.clone(), endpoint, signer, client })
    }

    /// Writes an object below the prefix.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        let key = self.key(path);
        self.client.ask_anew(|| Ok(self.question("PUT", "WRITE", Some(&key), &[], bytes))).map(drop)
    }

    fn key(&self, path: &str) -> String {
        if self.place.prefix.is_empty() { path.to_owned() } else { format!("{}/{path}", self.place.prefix) }
    }

    /// A signed request for an object (`Some`) or the bucket.
    fn question<'a>(
        &self,
        method: &'static str,
        action: &'static str,
        key: Option<&str>,
        query: &[(&str, &str)],
        body: &'a [u8],
    ) -> Question<'a> {
        let path = match key {
            Some(key) => format!("/{}/{key}", self.place.bucket),
            None => format!("/{}", self.place.bucket),
        };
        // A path in the endpoint is part of what is signed.
        let after_host =
            self.endpoint.split_once("://").map_or("", |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        let path = format!("{after_host}{path}");
        let host = url_host(&self.endpoint);
        let signed = self.signer.sign(method, host, &path, query, body, jiff::Timestamp::now());
        let scheme = self.endpoint.split_once("://").map_or("https", |(scheme, _)| scheme);
        let mut url = format!("{scheme}://{host}{}", sign::encode_path(&path));
        if !query.is_empty() {
            url.push_str(&format!("?{}", sign::query(query)));
        }
        let what = match key {
            Some(key) => format!("s3://{}/{key}", self.place.bucket),
            None => format!("s3://{}", self.place.bucket),
        };
        let mut question = Question::new(method, url, action, what).body(body);
        question.headers = signed;
        question
    }
}

impl Files for S3 {
    fn place(&self) -> String {
        format!("s3://{}/{}", self.place.bucket, self.place.prefix)
    }

    fn list(&self, kind: Kind) -> Result<Vec<(String, u64)>, Fault> {
        let prefix = self.key(&format!("{}/", kind.directory()));
        let mut files = vec![];
        let mut token: Option<String> = None;
        let mut seen = BTreeSet::new();
        loop {
            let mut query = vec![("list-type", "2"), ("prefix", prefix.as_str())];
            if let Some(token) = &token {
                query.push(("continuation-token", token));
            }
            let answer = self.client.ask_anew(|| Ok(self.question("GET", "LIST", None, &query, &[])))?;
            let page = list::parse(&answer.body).map_err(|why| Fault::ended("LIST", self.place(), why))?;
            files.extend(page.objects.into_iter().filter_map(|(key, size)| {
                let name = key.rsplit('/').next().filter(|name| !name.is_empty())?;
                Some((name.to_owned(), size))
            }));
            if files.len() > MOST_FILES {
                return Err(Fault::ended("LIST", self.place(), ENDLESS));
            }
            match page.next {
                // A server that repeats the same list would keep us for ever, and what is missing from it would count as lost.
                Some(next) if !seen.insert(next.clone()) => {
                    let why = "the server repeats a part of the list, so the list never ends; try another endpoint, \
                     or a newer release of the server";
                    return Err(Fault::ended("LIST", self.place(), why));
                }
                Some(next) => token = Some(next),
                None => return Ok(files),
            }
        }
    }

    fn read(&self, kind: Kind, name: &str) -> Result<Vec<u8>, Fault> {
        let key = self.key(&kind.path(name));
        let question = || Ok(self.question("GET", "READ", Some(&key), &[], &[]).at_most(kind.largest()));
        Ok(self.client.ask_anew(question)?.body)
    }

    fn read_part(&self, kind: Kind, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let key = self.key(&kind.path(name));
        // A signature is valid for 15 minutes, longer than our patience.
        read_part(&self.client, self.question("GET", "READ", Some(&key), &[], &[]), offset, length)
    }

    fn write(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.put(&kind.path(name), bytes)
    }

    fn remove(&self, kind: Kind, name: &str) -> Result<(), Fault> {
        let key = self.key(&kind.path(name));
        self.client.ask_anew(|| Ok(self.question("DELETE", "REMOVE", Some(&key), &[], &[]))).map(drop)
    }

    fn create(&self) -> Result<(), Fault> {
        // The bucket mostly exists, and creating one is often not allowed.
        match self.client.ask_anew(|| Ok(self.question("HEAD", "OPEN", None, &[], &[]))) {
            Err(Fault::Missing(_)) => {
                self.client.ask_anew(|| Ok(self.question("PUT", "CREATE", None, &[], &[]))).map(drop)
            }
            _ => Ok(()),
        }
    }

    fn given_up(&self) -> Option<String> {
        self.client.patience.given_up()
    }
}
