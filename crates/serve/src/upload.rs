//! Files that are added to the store.

use crate::answer::{Answer, Refusal, done};
use crate::arriving::{Arriving, drain};
use crate::folder::{Folder, Known};
use crate::incoming::{self, Incoming, Kept};
use crate::path::{FileName, Kind, LARGEST_CONFIG, StorePath};
use crate::place::{blocking, enter, now, place, shown};
use crate::room::Server;
use crate::token::Right;
use crate::usage::{Arrival, Quota};
use hyper::body::Body as _;
use hyper::header::EXPECT;
use hyper::{Request, body};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;

/// What has come is written when it is this much, in bytes.
const STEP: usize = 256 << 10;
/// So much of a body that is not wanted is read, in bytes: a client that still sends when the connection is closed never sees the answer.
const MOST_DRAINED: u64 = 600 << 20;

/// Takes a file.
///
/// # Errors
/// [`Refusal`]; the store is as it was then.
pub async fn receive(
    server: &Arc<Server>,
    right: Right,
    path: &StorePath,
    request: &mut Request<body::Incoming>,
) -> Result<Answer, Refusal> {
    // Whoever asks first (RFC 9110, section 10.1.1) has not sent anything yet; reading would tell it to.
    let asks_first = request.headers().contains_key(EXPECT);
    let taken = take(server, right, path, request.body_mut()).await;
    if let Err(refusal) = &taken
        && !asks_first
        && !matches!(refusal, Refusal::Cut | Refusal::Slow)
    {
        drain(request.body_mut(), MOST_DRAINED, server.limits.silence).await;
    }
    taken
}

async fn take(
    server: &Arc<Server>,
    right: Right,
    path: &StorePath,
    body: &mut body::Incoming,
) -> Result<Answer, Refusal> {
    let (kind, expected, limit) = match path {
        StorePath::File(_, kind, name) => (Some(*kind), Some(*name), kind.largest()),
        _ => (None, None, LARGEST_CONFIG),
    };
    let announced = body.size_hint().exact();
    if announced.is_some_and(|size| size > limit) {
        return Err(Refusal::TooLarge(limit));
    }
    let failed = |error| Refusal::system("WRITE", shown(path), error);
    let folder = folder(server, path).await?;
    let (_, name) = place(path);
    // What may not be replaced need not be sent; another one with the name may still come meanwhile.
    if right != Right::Full && folder.look(&name).is_ok() {
        return Err(exists());
    }
    let quotas: Vec<Quota> = server.live.get().tokens.iter().filter_map(quota).collect();
    let mut arrival = server.usage.arrival(path.repo(), kind, &quotas);
    arrival.grow(announced.unwrap_or(0))?;
    let opened = folder.clone();
    let incoming = blocking(move || Incoming::new(&opened)).await.map_err(failed)?;
    let incoming =
        write(incoming, &mut arrival, Arriving::new(body, limit, server.limits.silence)).await.map_err(|refusal| {
            match refusal {
                Refusal::System { cause, .. } => failed(cause),
                other => other,
            }
        })?;
    server.counters.received(incoming.size());
    if let Some(expected) = expected
        && incoming.hash() != expected
    {
        return Err(Refusal::Wrong(format!("the content has the SHA-256 {}, which is not its name", incoming.hash())));
    }
    let (kept, usage, repo) = (name.clone(), server.usage.clone(), path.repo().clone());
    // What belongs together is done on one thread, which ends its work even if the client goes away now.
    let kept = blocking(move || {
        let known = Known { size: incoming.size(), modified: now() };
        let replaced = keep(incoming, &folder, &kept, expected, right)?;
        match replaced {
            Placed::New => arrival.arrived(kind, known),
            Placed::Mended { before } => {
                usage.removed(&repo, before);
                // It is no new snapshot.
                arrival.arrived(kind.filter(|kind| *kind != Kind::Snapshots), known);
            }
            Placed::There | Placed::Refused => {}
        }
        Ok(replaced)
    });
    match kept.await.map_err(failed)? {
        Placed::Refused => Err(exists()),
        Placed::Mended { .. } => {
            tracing::warn!("{} was damaged; what was uploaded now fits its name and has replaced it", shown(path));
            Ok(done())
        }
        Placed::New | Placed::There => Ok(done()),
    }
}

fn exists() -> Refusal {
    Refusal::Forbidden("a file of this name exists".to_owned())
}

fn quota(token: &crate::token::Token) -> Option<Quota> {
    Some(Quota { path: token.path.clone(), bytes: token.quota? })
}

/// The folder of a new file. What is missing below its repository is made; the repository itself is not.
async fn folder(server: &Arc<Server>, path: &StorePath) -> Result<Folder, Refusal> {
    let (store, wanted) = (server.store.clone(), path.clone());
    let opened = blocking(move || {
        if let Ok(folder) = enter(&store, &wanted) {
            return Ok(folder);
        }
        let (folders, _) = place(&wanted);
        Ok(store.enter(wanted.repo().components())?.make(folders.iter().map(String::as_str))?)
    });
    opened.await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Refusal::Missing("there is no such repository; POST /REPOSITORY/?create=true makes one")
        }
        _ => Refusal::system("WRITE", shown(path), error),
    })
}

async fn write(mut incoming: Incoming, arrival: &mut Arrival, mut body: Arriving<'_>) -> Result<Incoming, Refusal> {
    loop {
        let (mut pieces, mut length) = (vec![], 0);
        let mut has_ended = false;
        while length < STEP {
            let Some(piece) = body.next().await? else {
                has_ended = true;
                break;
            };
            length += piece.len();
            pieces.push(piece);
        }
        if body.received() > arrival.bytes() {
            arrival.grow(body.received() - arrival.bytes())?;
        }
        let written = blocking(move || {
            pieces.iter().try_for_each(|piece| incoming.write(piece))?;
            Ok(incoming)
        });
        incoming = written.await.map_err(|error| Refusal::system("WRITE", "", error))?;
        if has_ended {
            return Ok(incoming);
        }
    }
}

/// How a whole file was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placed {
    /// Its name was free.
    New,
    /// The same was there.
    There,
    /// What was there did not fit its name; it had so many bytes.
    Mended { before: u64 },
    /// The name is taken.
    Refused,
}

fn keep(
    mut incoming: Incoming,
    folder: &Folder,
    name: &str,
    expected: Option<FileName>,
    right: Right,
) -> io::Result<Placed> {
    match (incoming.keep(name)?, right) {
        (Kept::New, _) => return Ok(Placed::New),
        (Kept::Taken, Right::Full) => {}
        (Kept::Taken, _) => return Ok(Placed::Refused),
    }
    let (there, known) = match folder.open(name) {
        // A link or a folder has the name.
        Err(Errno::NOENT) => return Ok(Placed::Refused),
        opened => opened?,
    };
    if incoming::hash(&there)? == incoming.hash() {
        return Ok(Placed::There);
    }
    // A config has no name that its content must fit: nobody can say which one is right.
    if expected.is_none() {
        return Ok(Placed::Refused);
    }
    incoming.replace(name)?;
    Ok(Placed::Mended { before: known.size })
}
