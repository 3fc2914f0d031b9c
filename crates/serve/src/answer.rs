//! Answers, and why something is refused.

use crate::body::Body;
use crate::folder::Known;
use crate::range::{Wanted, wanted};
use crate::usage::Full;
use bytes::Bytes;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, IF_RANGE, RANGE,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Response, StatusCode};
use std::fs::File;
use std::io;

/// An answer.
pub type Answer = Response<Body>;

/// Plain text.
const TEXT: &str = "text/plain; charset=utf-8";
/// Bytes that mean nothing to a browser.
pub const BYTES: &str = "application/octet-stream";

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No login, or a wrong one: 401.
    #[error("a login is needed: the name of a token and its secret")]
    Login,
    /// 403.
    #[error("{0}")]
    Forbidden(String),
    /// 404.
    #[error("{0}")]
    Missing(&'static str),
    /// 400.
    #[error("{0}")]
    Wrong(String),
    /// 405.
    #[error("this path is for {} only", .0.join(", "))]
    Method(&'static [&'static str]),
    /// A file or text that is too large: 413.
    #[error("it is larger than {0} bytes, the most that is taken of this kind")]
    TooLarge(u64),
    /// A quota is used up. 413, as rest-server has it: a client repeats a request after a 507, and waiting frees nothing.
    #[error("{0}")]
    Quota(#[from] Full),
    /// It did not come fast enough: 408.
    #[error("nothing came for too long")]
    Slow,
    /// The connection was lost while it came; nobody reads the answer.
    #[error("the upload was cut off")]
    Cut,
    /// The system's error: 500, or 507 for a full disk.
    #[error("cannot {action} {what}: {cause}")]
    System {
        /// `READ`, `WRITE`, …
        action: &'static str,
        /// A path below the server's folder.
        what: String,
        /// The reason.
        cause: io::Error,
    },
}

impl Refusal {
    /// The status code.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::Login => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Missing(_) => StatusCode::NOT_FOUND,
            Refusal::Wrong(_) | Refusal::Cut => StatusCode::BAD_REQUEST,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::TooLarge(_) | Refusal::Quota(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Slow => StatusCode::REQUEST_TIMEOUT,
            Refusal::System { cause, .. } => match cause.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// The answer; errors of the system are logged.
    pub fn answer(&self) -> Answer {
        if let Refusal::System { .. } = self {
            tracing::error!("{self}");
        }
        let mut answer = text(self.status(), &format!("{self}\n"));
        let headers = answer.headers_mut();
        match self {
            Refusal::Login => {
                headers
                    .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"lifeboat\", charset=\"UTF-8\""));
            }
            Refusal::Method(allowed) => {
                if let Ok(value) = HeaderValue::from_str(&allowed.join(", ")) {
                    headers.insert(ALLOW, value);
                }
            }
            _ => {}
        }
        answer
    }

    /// The system's error while something was done.
    pub fn system(action: &'static str, what: impl Into<String>, cause: impl Into<io::Error>) -> Refusal {
        Refusal::System { action, what: what.into(), cause: cause.into() }
    }
}

/// An answer with a body of one type.
pub fn of_type(status: StatusCode, kind: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A text.
pub fn text(status: StatusCode, text: &str) -> Answer {
    of_type(status, TEXT, Body::Whole(Bytes::copy_from_slice(text.as_bytes())))
}

/// 200 without a body.
pub fn done() -> Answer {
    of_type(StatusCode::OK, TEXT, Body::none())
}

/// A file, or the part of it that is wanted; for HEAD its length only.
pub fn file(method: &Method, headers: &HeaderMap, file: File, known: Known) -> Answer {
    let size = known.size;
    let wants = headers.get(RANGE).and_then(|value| value.to_str().ok());
    // Without validators, If-Range never fits (RFC 9110, section 13.1.5). A HEAD has no ranges (section 14.2).
    let wants = wants.filter(|_| !headers.contains_key(IF_RANGE) && method == Method::GET);
    let (status, offset, length) = match wants.map_or(Wanted::Whole, |header| wanted(header, size)) {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part { offset, length } => (StatusCode::PARTIAL_CONTENT, offset, length),
        Wanted::Outside => {
            let mut answer = text(StatusCode::RANGE_NOT_SATISFIABLE, "the file has no such part\n");
            answer.headers_mut().insert(CONTENT_RANGE, value(format!("bytes */{size}")));
            return answer;
        }
    };
    let body = if method == Method::HEAD { Body::none() } else { Body::part(file, offset, length) };
    let mut answer = of_type(status, BYTES, body);
    let headers = answer.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(CONTENT_RANGE, value(format!("bytes {offset}-{}/{size}", offset + length - 1)));
    }
    answer
}

/// Digits and ASCII punctuation only.
fn value(text: String) -> HeaderValue {
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}
