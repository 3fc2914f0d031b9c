//! `/api/v1/…`: what machines tell, and what is told about them. `openapi.json` describes it; a test holds the two together.

use crate::answer::{Answer, Refusal, done, of_type};
use crate::arriving::{Arriving, drain};
use crate::body::Body;
use crate::machines::{Machine, machines};
use crate::place::{blocking, now};
use crate::room::Server;
use crate::state::{Report, Told};
use crate::token::Token;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;

/// The description.
pub const OPENAPI: &str = include_str!("openapi.json");
const JSON: &str = "application/json";
/// Events that are taken at once, in bytes.
const MOST_EVENTS: u64 = 1 << 20;
/// A report is no larger, in bytes.
const LARGEST_REPORT: u64 = 256 << 10;

/// JSON.
fn json<T: Serialize>(value: &T) -> Result<Answer, Refusal> {
    let text = serde_json::to_vec(value).map_err(|error| Refusal::system("WRITE", "the answer", error))?;
    Ok(of_type(StatusCode::OK, JSON, Body::Whole(Bytes::from(text))))
}

/// The description of all this.
pub fn description() -> Answer {
    of_type(StatusCode::OK, JSON, Body::Whole(Bytes::from_static(OPENAPI.as_bytes())))
}

/// All machines of a server, now.
pub fn all(server: &Server) -> Vec<Machine> {
    machines(&server.live.get(), &server.usage, &server.state, now())
}

/// `GET /api/v1/machines`
///
/// # Errors
/// [`Refusal`].
pub fn list(server: &Server) -> Result<Answer, Refusal> {
    json(&all(server))
}

/// The machine with a name, or with the id that it told.
pub fn find(server: &Server, id: &str) -> Option<Machine> {
    let all = all(server);
    let named = all.iter().find(|machine| machine.name.as_str() == id);
    named.or_else(|| all.iter().find(|machine| machine.id.as_deref() == Some(id))).cloned()
}

#[derive(Serialize)]
struct WithEvents {
    #[serde(flatten)]
    machine: Machine,
    events: Vec<serde_json::Value>,
    report: Option<Report>,
}

/// `GET /api/v1/machines/ID`
///
/// # Errors
/// [`Refusal`].
pub fn one(server: &Server, id: &str) -> Result<Answer, Refusal> {
    let machine = find(server, id).ok_or(Refusal::Missing("there is no such machine"))?;
    let known = server.state.known(&machine.name).unwrap_or_default();
    let events = known.events.iter().filter_map(Told::value).map(serde_json::Value::Object).collect();
    json(&WithEvents { machine, events, report: known.report.map(|(_, report)| report) })
}

/// `POST /api/v1/events`
///
/// # Errors
/// [`Refusal`]; nothing is kept then.
pub async fn events(server: &Arc<Server>, token: &Token, request: &mut Request<Incoming>) -> Result<Answer, Refusal> {
    let text = text(server, request, MOST_EVENTS).await?;
    let at = Timestamp::now();
    let mut told = vec![];
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let event =
            Told::parse(line, at).map_err(|why| Refusal::Wrong(format!("line {} is no event: {why}", number + 1)))?;
        // When it came is for the server to say.
        told.push(Told { at, ..event });
    }
    let (state, machine) = (server.clone(), token.machine().clone());
    blocking(move || state.state.tell(&machine, told))
        .await
        .map_err(|error| Refusal::system("WRITE", "the events", error))?;
    Ok(done())
}

/// `POST /api/v1/status`
///
/// # Errors
/// [`Refusal`]; nothing is kept then.
pub async fn status(server: &Arc<Server>, token: &Token, request: &mut Request<Incoming>) -> Result<Answer, Refusal> {
    let text = text(server, request, LARGEST_REPORT).await?;
    let report = Report::parse(text.as_bytes()).map_err(|why| Refusal::Wrong(format!("it is no report: {why}")))?;
    let (state, machine) = (server.clone(), token.machine().clone());
    let kept = blocking(move || state.state.report(&machine, report, Timestamp::now()));
    kept.await.map_err(|error| Refusal::system("WRITE", "the report", error))?;
    Ok(done())
}

async fn text(server: &Server, request: &mut Request<Incoming>, limit: u64) -> Result<String, Refusal> {
    let read = Arriving::new(request.body_mut(), limit, server.limits.silence).whole().await;
    if let Err(Refusal::TooLarge(_)) = read {
        drain(request.body_mut(), 8 * limit, server.limits.silence).await;
    }
    String::from_utf8(read?).map_err(|_| Refusal::Wrong("it is not UTF-8".to_owned()))
}
