//! Which request is for whom, and who may ask it. Without a login there is the boot tree and whether the server answers.

use crate::answer::{Answer, Refusal, of_type, text};
use crate::arriving::drain;
use crate::body::Body;
use crate::login::{self, Who};
use crate::path::StorePath;
use crate::place::now;
use crate::room::{Scope, Server};
use crate::token::{Right, Token};
use crate::{api, boot, metrics, page, store};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// So much of the body of somebody unknown is read, in bytes.
const MOST_OF_STRANGERS: u64 = 64 << 10;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Page,
    Health,
    Boot,
    Done,
    Metrics,
    OpenApi,
    Machines,
    Machine(String),
    Events,
    Status,
    Store(Option<StorePath>),
}

const GET: &[&str] = &["GET"];
const GET_HEAD: &[&str] = &["GET", "HEAD"];
const POST: &[&str] = &["POST"];

/// All routes of which the description tells, with their methods.
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/", GET),
    ("/health", GET_HEAD),
    ("/boot/{path}", boot::METHODS),
    ("/boot/machines/{id}/done", POST),
    ("/metrics", GET),
    ("/api/v1/openapi.json", GET),
    ("/api/v1/machines", GET),
    ("/api/v1/machines/{id}", GET),
    ("/api/v1/events", POST),
    ("/api/v1/status", POST),
];

impl Route {
    fn of(path: &str) -> Route {
        match path {
            "/" => Route::Page,
            "/health" => Route::Health,
            "/metrics" => Route::Metrics,
            "/api/v1/openapi.json" => Route::OpenApi,
            "/api/v1/machines" => Route::Machines,
            "/api/v1/events" => Route::Events,
            "/api/v1/status" => Route::Status,
            path if boot::done_machine(path).is_some() => Route::Done,
            path if path.starts_with("/boot/") || path.starts_with("/grub/") => Route::Boot,
            path => match path.strip_prefix("/api/v1/machines/") {
                Some(id) if !id.is_empty() && !id.contains('/') => Route::Machine(id.to_owned()),
                _ => Route::Store(StorePath::parse(path)),
            },
        }
    }

    /// The methods that it has; those of the store depend on the path.
    fn methods(&self) -> Option<&'static [&'static str]> {
        let template = match self {
            Route::Page => "/",
            Route::Health => "/health",
            Route::Boot => "/boot/{path}",
            Route::Done => "/boot/machines/{id}/done",
            Route::Metrics => "/metrics",
            Route::OpenApi => "/api/v1/openapi.json",
            Route::Machines => "/api/v1/machines",
            Route::Machine(_) => "/api/v1/machines/{id}",
            Route::Events => "/api/v1/events",
            Route::Status => "/api/v1/status",
            Route::Store(_) => return None,
        };
        ROUTES.iter().find(|(path, _)| *path == template).map(|(_, methods)| *methods)
    }

    /// What is shown to those with the right to view, or to everybody.
    fn is_view(&self) -> bool {
        matches!(self, Route::Page | Route::Metrics | Route::Machines | Route::Machine(_) | Route::OpenApi)
    }
}

/// Answers a request.
///
/// # Errors
/// [`Refusal`].
pub async fn answer(
    server: &Arc<Server>,
    address: IpAddr,
    scope: Scope,
    request: &mut Request<Incoming>,
) -> Result<Answer, Refusal> {
    let route = Route::of(request.uri().path());
    let allowed = |method: &Method| match route.methods() {
        Some(methods) if !methods.contains(&method.as_str()) => Err(Refusal::Method(methods)),
        _ => Ok(()),
    };
    match (&route, scope) {
        (Route::Boot | Route::Done, _) => return boot::answer(&server.root, request).await,
        (Route::Health, _) => {
            allowed(request.method())?;
            return Ok(text(StatusCode::OK, if request.method() == Method::HEAD { "" } else { "ok\n" }));
        }
        (_, Scope::Boot) => return Err(Refusal::Missing("only the boot tree is here")),
        (_, Scope::All) => {}
    }
    let settings = server.live.get();
    let token = match login::who(&settings, request.headers()) {
        Who::Known(token) => Some(token),
        Who::Nobody if route.is_view() && settings.public_status => None,
        who => {
            drain(request.body_mut(), MOST_OF_STRANGERS, server.limits.head).await;
            if let Who::Wrong(name) = who {
                let wait = server.failures.add(address, name.as_deref(), Instant::now());
                tokio::time::sleep(wait).await;
            }
            return Err(Refusal::Login);
        }
    };
    allowed(request.method())?;
    if route.is_view() {
        let may_view = settings.public_status || token.as_ref().is_some_and(|token| token.right == Right::View);
        if !may_view && route != Route::OpenApi {
            return Err(Refusal::Forbidden("this is for tokens with the right to view".to_owned()));
        }
        return view(server, &route, request);
    }
    // Nobody gets here without a login.
    let token = token.ok_or(Refusal::Login)?;
    let is_of_machine = |token: &Token| match token.right.is_of_machine() {
        true => Ok(()),
        false => Err(Refusal::Forbidden("this is for tokens of machines".to_owned())),
    };
    match route {
        Route::Events => {
            is_of_machine(&token)?;
            api::events(server, &token, request).await
        }
        Route::Status => {
            is_of_machine(&token)?;
            api::status(server, &token, request).await
        }
        Route::Store(Some(path)) => store::answer(server, &token, &path, request).await,
        _ => {
            drain(request.body_mut(), MOST_OF_STRANGERS, server.limits.head).await;
            Err(Refusal::Missing("there is nothing at this path"))
        }
    }
}

fn view(server: &Arc<Server>, route: &Route, request: &Request<Incoming>) -> Result<Answer, Refusal> {
    match route {
        Route::Metrics => {
            let text = metrics::text(&api::all(server), &server.counters, server.failures.total());
            Ok(of_type(StatusCode::OK, metrics::TYPE, Body::Whole(Bytes::from(text))))
        }
        Route::OpenApi => Ok(api::description()),
        Route::Machines => api::list(server),
        Route::Machine(id) => api::one(server, id),
        _ => match request.uri().query().and_then(|query| query.strip_prefix("machine=")) {
            // Names need no escaping in a URL.
            Some(name) => {
                let machine = api::find(server, name).ok_or(Refusal::Missing("there is no such machine"))?;
                let known = server.state.known(&machine.name).unwrap_or_default();
                Ok(page::answer(page::one(&machine, &known, now())))
            }
            None => Ok(page::answer(page::all(&api::all(server), now()))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_its_methods() {
        for (template, methods) in ROUTES {
            let path = template.replace("{path}", "a/b").replace("{id}", "web1");
            assert_eq!(Route::of(&path).methods(), Some(*methods), "{path}");
        }
        for path in [
            "/api",
            "/api/v1",
            "/api/v1/machines/",
            "/api/v1/machines/a/b",
            "/boot",
            "/grub",
            "/api/v2/machines",
            "/health/",
            "//",
        ] {
            assert_eq!(Route::of(path), Route::Store(None), "{path}");
        }
        assert!(matches!(Route::of("/machines/web1/"), Route::Store(Some(_))));
    }
}
