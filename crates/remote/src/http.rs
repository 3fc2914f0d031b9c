//! The HTTP client: ureq with the machine's own trusted certificates, and answers classified into faults.

use crate::credentials::TLS_FINGERPRINT;
use crate::pinned::{Other, Pinned};
use crate::{Credentials, Fault, Patience, redirect};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;
use ureq::http::{HeaderMap, Request, StatusCode};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector as _, TcpConnector};

/// Where distributions keep the certificates that they trust. The rescue system has the machine's.
const CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];
/// We accept no larger answers: [`crate::Kind::largest`].
const LIMIT: u64 = 1 << 30;
/// How many redirects to follow.
const REDIRECTS: usize = 5;
/// How much of an error page is shown.
const EXCERPT: usize = 200;

/// A client for one server.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    /// Waits for the server.
    pub patience: Patience,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// `GET`, `PUT`, …
    pub method: &'static str,
    /// The URL.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body to send.
    pub body: &'a [u8],
    /// What is done and to what, for messages.
    pub about: (&'static str, String),
    /// How many bytes an answer can have; a longer one is a fault.
    pub limit: u64,
}

/// A response that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The body is the part that was asked for.
    pub partial: bool,
    /// The body.
    pub body: Vec<u8>,
    /// `Content-Length`, for `HEAD`.
    pub length: Option<u64>,
    /// `Content-Type`.
    pub kind: String,
}

impl<'a> Question<'a> {
    /// A request without headers and body.
    pub fn new(method: &'static str, url: impl Into<String>, action: &'static str, what: impl Into<String>) -> Self {
        Question { method, url: url.into(), headers: vec![], body: &[], about: (action, what.into()), limit: LIMIT }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a body.
    pub fn body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// Limits the response to so many bytes.
    pub fn at_most(mut self, bytes: u64) -> Self {
        self.limit = bytes.min(LIMIT);
        self
    }

    /// Asks for a part only.
    pub fn range(self, offset: u64, length: u64) -> Self {
        let last = offset.saturating_add(length).saturating_sub(1);
        self.header("Range", format!("bytes={offset}-{last}"))
    }
}

impl Client {
    /// A client that waits for its server as long as `patience` says.
    pub fn new(patience: Patience) -> Client {
        let silence = patience.attempt();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(silence))
            .timeout_resolve(Some(silence))
            // Not for the whole response: that may take any time while bytes keep coming.
            .timeout_per_read(Some(silence))
            .timeout_per_write(Some(silence))
            .max_idle_connections(16)
            .max_idle_connections_per_host(8)
            // Shorter than any server's: a connection that the server has closed meanwhile would fail once needlessly.
            .max_idle_age(Duration::from_secs(4))
            .user_agent("lifeboat")
            .accept_encoding("identity")
            // Redirects are decided here, not by the client library.
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots()).build())
            .proxy(None)
            .build();
        Client { agent: config.new_agent(), patience }
    }

    /// The same; a server is known by the fingerprint of its certificate if the credentials have one.
    ///
    /// # Errors
    /// When that is none.
    pub fn of(credentials: &Credentials, patience: Patience) -> Result<Client, Fault> {
        let Client { agent, patience } = Client::new(patience);
        let Some(text) = credentials.get(TLS_FINGERPRINT) else { return Ok(Client { agent, patience }) };
        let failed = |why: String| Fault::ended("USE", TLS_FINGERPRINT, why);
        let pinned =
            text.parse().and_then(|print| Pinned::new(print).map_err(|error| error.to_string())).map_err(failed)?;
        let connector = ().chain(TcpConnector::default()).chain(pinned);
        let agent = ureq::Agent::with_parts(agent.config().clone(), connector, DefaultResolver::default());
        Ok(Client { agent, patience })
    }

    /// The same client with other patience.
    pub fn with_patience(&self, patience: Patience) -> Client {
        Client { agent: self.agent.clone(), patience }
    }

    /// Repeats the request until there is a response, or patience runs out. Asking twice must do no harm.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn ask(&self, question: &Question<'_>) -> Result<Answer, Fault> {
        self.ask_anew(|| Ok(question.clone()))
    }

    /// The same with a request that is built again for each attempt, because signatures expire.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn ask_anew<'a>(&self, question: impl Fn() -> Result<Question<'a>, Fault>) -> Result<Answer, Fault> {
        self.patience.insist(|| self.once(&question()?))
    }

    fn once(&self, question: &Question<'_>) -> Result<Answer, Fault> {
        let mut url = question.url.clone();
        for _ in 0..=REDIRECTS {
            match self.at(question, &url)? {
                Reply::Answer(answer) => return Ok(answer),
                Reply::Elsewhere(next) => url = next,
            }
        }
        let (action, what) = &question.about;
        Err(Fault::ended(action, what, format!("the server redirects more than {REDIRECTS} times, lastly to {url}")))
    }

    fn at(&self, question: &Question<'_>, url: &str) -> Result<Reply, Fault> {
        let (action, what) = (question.about.0, question.about.1.as_str());
        let mut request = Request::builder().method(question.method).uri(url);
        for (name, value) in &question.headers {
            request = request.header(name, value);
        }
        let request = request.body(question.body).map_err(|error| Fault::ended(action, what, error))?;
        let sends = matches!(question.method, "PUT" | "POST");
        let limits = self.patience.limits();
        let result = match sends {
            true if limits.slows_uploads() => {
                let mut paced = limits.sending(question.body);
                let mut request = request.map(|_| ureq::SendBody::from_reader(&mut paced));
                // Servers of files want to know the length beforehand; a reader has none.
                request.headers_mut().insert("content-length", question.body.len().into());
                self.agent.run(request)
            }
            true => self.agent.run(request),
            // An empty body would be announced, and some servers refuse that.
            false => self.agent.run(request.map(|_| ())),
        };
        let mut response = result.map_err(|error| sort(action, what, error))?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let length = header("content-length").and_then(|text| text.parse().ok());
        let kind = header("content-type").unwrap_or_default();
        let status = response.status();
        if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status.as_u16(), header("location")) {
            let secret = question.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            let writes = !matches!(question.method, "GET" | "HEAD");
            return redirect::follow(url, &location, secret, writes).map(Reply::Elsewhere).map_err(|why| {
                let region = region(response.headers(), &[]).unwrap_or_default();
                Fault::ended(action, what, format!("{why}{region}"))
            });
        }
        // RFC 9110 wants 206; rclone's S3 server sends a part with its range and status 200.
        let partial = status == StatusCode::PARTIAL_CONTENT || header("content-range").is_some();
        let body = match question.method {
            "HEAD" => vec![],
            _ if limits.slows_downloads() => {
                let reader = response.body_mut().with_config().limit(question.limit).reader();
                let mut bytes = vec![];
                let read = limits.receiving(reader).read_to_end(&mut bytes);
                read.map_err(|error| sort(action, what, error.into()))?;
                bytes
            }
            _ => {
                let read = response.body_mut().with_config().limit(question.limit).read_to_vec();
                read.map_err(|error| sort(action, what, error))?
            }
        };
        if status.is_success() {
            return Ok(Reply::Answer(Answer { partial, body, length, kind }));
        }
        Err(refusal(action, what, status, response.headers(), &body))
    }
}

enum Reply {
    Answer(Answer),
    /// The same request is to be sent there.
    Elsewhere(String),
}

/// Errors below HTTP: nearly all may be transient.
fn sort(action: &str, what: &str, error: ureq::Error) -> Fault {
    match error {
        ureq::Error::Io(error) if other_certificate(&error).is_some() => {
            let why = other_certificate(&error).map(ToString::to_string).unwrap_or_default();
            Fault::ended(action, what, format!("{why}; if the server has a new certificate, try its new fingerprint"))
        }
        ureq::Error::Rustls(error) => sort(action, what, ureq::Error::Io(std::io::Error::other(error))),
        ureq::Error::Io(error) if is_distrust(&error) => Fault::ended(
            action,
            what,
            format!(
                "{error}; try the name in its certificate, or adding its authority to those that this machine trusts \
                 (update-ca-certificates(8))"
            ),
        ),
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Protocol(_) => Fault::passing(action, what, error),
        ureq::Error::BodyExceedsLimit(limit) => {
            Fault::impossible(what, format!("it is larger than {limit} bytes, the maximum for such a file"))
        }
        other => Fault::ended(action, what, other),
    }
}

/// The server showed another certificate than the one that is known.
fn other_certificate(error: &std::io::Error) -> Option<&Other> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(cause)) => cause.0.downcast_ref::<Other>(),
        _ => None,
    }
}

/// Waiting neither makes a certificate valid nor teaches a server TLS. Other errors below TLS may
/// be the network.
fn is_distrust(error: &std::io::Error) -> bool {
    use rustls::Error::{
        InvalidCertificate, InvalidMessage, NoCertificatesPresented, PeerIncompatible, UnsupportedNameType,
    };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(
            InvalidCertificate(_)
                | InvalidMessage(_)
                | NoCertificatesPresented
                | PeerIncompatible(_)
                | UnsupportedNameType
        )
    )
}

/// The region of a bucket, as an S3 server reports it when asked for another one ("Error responses" of the Amazon S3 API
/// reference: PermanentRedirect, AuthorizationHeaderMalformed).
fn region(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let header = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let text = String::from_utf8_lossy(body);
    let element = || Some(text.split_once("<Region>")?.1.split_once("</Region>")?.0.to_owned());
    let region = header.or_else(element)?;
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (!region.is_empty() && region.len() <= 64 && region.chars().all(valid)).then(|| {
        format!("; the bucket is in the region {region}, try ?region={region} at the end of the address, or AWS_REGION={region}")
    })
}

/// Responses that are errors.
fn refusal(action: &str, what: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(body.get(..body.len().min(EXCERPT)).unwrap_or_default());
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let reported = printable.split_whitespace().collect::<Vec<_>>().join(" ");
    let reported = if reported.is_empty() { String::new() } else { format!(": {reported}") };
    let cause = format!("the server answers {status}{reported}");
    // Servers report a missing bucket region with different answers.
    if let (300..=403, Some(region)) = (status.as_u16(), region(headers, body)) {
        return Fault::ended(action, what, format!("{cause}{region}"));
    }
    match status.as_u16() {
        404 | 410 => Fault::Missing(what.to_owned()),
        401 | 403 => Fault::ended(action, what, format!("{cause}; try other credentials")),
        408 | 425 | 429 | 500.. => Fault::passing(action, what, cause),
        _ => Fault::ended(action, what, cause),
    }
}

/// The machine's own trust store, else Mozilla's list as of when this program was built.
fn roots() -> RootCerts {
    for path in CERTIFICATES {
        let Ok(bytes) = std::fs::read(Path::new(path)) else { continue };
        let certificates: Vec<Certificate<'static>> = parse_pem(&bytes)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if !certificates.is_empty() {
            return RootCerts::new_with_certs(&certificates);
        }
    }
    RootCerts::WebPki
}

/// `Authorization: Basic`, when there is a name.
pub fn basic(user: Option<&str>, password: Option<&str>) -> Option<(String, String)> {
    let plain = format!("{}:{}", user?, password.unwrap_or_default());
    Some(("Authorization".to_owned(), format!("Basic {}", base64(plain.as_bytes()))))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
