//! The store: restic's REST protocol (restic's doc/REST_backend.rst), version 1 and 2, over folders in the layout of a local repository.
//!
//! What a token may do is decided here, before anything is looked at: a refusal does not depend on what is there.

use crate::answer::{Answer, Refusal, done, file, of_type};
use crate::body::Body;
use crate::folder::Folder;
use crate::path::{FileName, Kind, Repo, StorePath};
use crate::place::{blocking, enter, open, place, shown};
use crate::room::Server;
use crate::token::{Right, Token};
use crate::{upload, usage};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc::{Sender, channel};

const VERSION_1: &str = "application/vnd.x.restic.rest.v1";
const VERSION_2: &str = "application/vnd.x.restic.rest.v2";
/// Pieces of a list that wait for a slow client.
const PIECES: usize = 4;
/// Bytes of such a piece.
const PIECE: usize = 64 << 10;

const NO_REPOSITORY: Refusal = Refusal::Missing("there is no such repository; POST /REPOSITORY/?create=true makes one");
const NO_FILE: Refusal = Refusal::Missing("there is no such file");

/// Methods by the form of the path.
pub const REPO_METHODS: &[&str] = &["POST"];
/// See [`REPO_METHODS`].
pub const LIST_METHODS: &[&str] = &["GET"];
/// See [`REPO_METHODS`].
pub const FILE_METHODS: &[&str] = &["HEAD", "GET", "POST", "DELETE"];

/// Answers a request of somebody who has a token.
///
/// # Errors
/// [`Refusal`].
pub async fn answer(
    server: &Arc<Server>,
    token: &Token,
    path: &StorePath,
    request: &mut Request<Incoming>,
) -> Result<Answer, Refusal> {
    if !token.covers(path.repo()) {
        return Err(Refusal::Forbidden("this token is not for this path".to_owned()));
    }
    let method = request.method().clone();
    match (path, &method) {
        (StorePath::Repo(repo), &Method::POST) => create(server, token, repo, request.uri().query()).await,
        (StorePath::Repo(_), _) => Err(Refusal::Method(REPO_METHODS)),
        (StorePath::List(repo, kind), &Method::GET) => {
            let accepts = request.headers().get_all(ACCEPT).iter();
            let with_sizes = accepts.filter_map(|value| value.to_str().ok()).any(|value| value.contains(VERSION_2));
            list(server, repo.clone(), *kind, with_sizes).await
        }
        (StorePath::List(..), _) => Err(Refusal::Method(LIST_METHODS)),
        (_, &Method::GET | &Method::HEAD) => read(server, path.clone(), request).await,
        (_, &Method::POST) => {
            if !token.right.may_add() {
                return Err(not_allowed(token));
            }
            upload::receive(server, token.right, path, request).await
        }
        (_, &Method::DELETE) => {
            let is_lock = matches!(path, StorePath::File(_, Kind::Locks, _));
            match token.right {
                Right::Full => {}
                Right::AppendOnly if is_lock => {}
                _ => return Err(not_allowed(token)),
            }
            remove(server, path.clone()).await
        }
        _ => Err(Refusal::Method(FILE_METHODS)),
    }
}

/// What a token may not do.
fn not_allowed(token: &Token) -> Refusal {
    Refusal::Forbidden(format!("the right of this token, {}, does not allow that", token.right.name()))
}

/// The folders of a repository take inodes and blocks that no quota of bytes knows, and a machine needs one repository.
const MOST_REPOSITORIES: usize = 32;

async fn create(server: &Arc<Server>, token: &Token, repo: &Repo, query: Option<&str>) -> Result<Answer, Refusal> {
    if !token.right.may_add() {
        return Err(not_allowed(token));
    }
    if query != Some("create=true") {
        return Err(Refusal::Wrong("only POST /REPOSITORY/?create=true is known".to_owned()));
    }
    if let (Right::AppendOnly, Some(path)) = (token.right, &token.path)
        && server.usage.repositories(path) >= MOST_REPOSITORIES
        && !server.usage.has(repo)
    {
        return Err(Refusal::Forbidden(format!(
            "there are {MOST_REPOSITORIES} repositories below {path}, the most that an append-only token may make"
        )));
    }
    let (store, wanted) = (server.store.clone(), repo.clone());
    let made = blocking(move || {
        let folder = store.make(wanted.components())?;
        for kind in Kind::ALL {
            folder.make([kind.directory()])?;
        }
        // As a local repository has them. One sync is enough for all.
        let data = folder.enter([Kind::Data.directory()])?;
        for first in 0..=u8::MAX {
            match rustix::fs::mkdirat(data.held(), format!("{first:02x}"), rustix::fs::Mode::RWXU) {
                Err(error) if error != Errno::EXIST => return Err(error.into()),
                _ => {}
            }
        }
        Ok(data.sync()?)
    });
    made.await.map_err(|error| Refusal::system("CREATE", repo.as_str(), error))?;
    server.usage.created(repo);
    tracing::info!("{} created {repo}", token.name);
    Ok(done())
}

async fn read(server: &Arc<Server>, path: StorePath, request: &Request<Incoming>) -> Result<Answer, Refusal> {
    let (store, wanted) = (server.store.clone(), path.clone());
    let opened = blocking(move || Ok(enter(&store, &wanted)?.open(&place(&wanted).1)?)).await;
    let (opened, known) = opened.map_err(|error| missing_or("READ", &path, error))?;
    Ok(file(request.method(), request.headers(), opened, known))
}

/// Something that is not there, or another error.
fn missing_or(action: &'static str, path: &StorePath, error: io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::NotFound => NO_FILE,
        _ => Refusal::system(action, shown(path), error),
    }
}

async fn remove(server: &Arc<Server>, path: StorePath) -> Result<Answer, Refusal> {
    let (server, wanted) = (server.clone(), path.clone());
    let removed = blocking(move || {
        let folder = enter(&server.store, &wanted)?;
        let name = place(&wanted).1;
        let known = folder.look(&name)?;
        folder.remove(&name)?;
        server.usage.removed(wanted.repo(), known.size);
        if let StorePath::File(repo, Kind::Snapshots, _) = &wanted {
            let (left, last) = usage::latest(&folder)?;
            server.usage.snapshots_left(repo, left, last);
        }
        Ok(())
    });
    match removed.await {
        // A request that is repeated because its answer was lost finds nothing: it is done, as with rest-server.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(done()),
        Err(error) => Err(Refusal::system("REMOVE", shown(&path), error)),
        Ok(()) => Ok(done()),
    }
}

async fn list(server: &Arc<Server>, repo: Repo, kind: Kind, with_sizes: bool) -> Result<Answer, Refusal> {
    let (store, wanted) = (server.store.clone(), repo.clone());
    let folder = blocking(move || {
        let folder = open(&store, &wanted)?;
        match folder.enter([kind.directory()]) {
            Ok(folder) => Ok(Some(folder)),
            // Copying programs leave out empty folders.
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    let path = StorePath::List(repo, kind);
    let folder = match folder.await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NO_REPOSITORY),
        folder => folder.map_err(|error| Refusal::system("LIST", shown(&path), error))?,
    };
    let body = match folder {
        None => Body::Whole(Bytes::from_static(b"[]")),
        Some(folder) => {
            let (sender, receiver) = channel(PIECES);
            tokio::task::spawn_blocking(move || {
                let mut listing = Listing { sender, piece: vec![b'['], is_first: true, with_sizes };
                if let Err(error) = listing.all(&folder, kind) {
                    // A broken pipe is a client that has gone. The connection is cut, so that half a list is never taken for a whole one.
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        tracing::error!("cannot LIST {}: {error}", shown(&path));
                    }
                    let _ = listing.sender.blocking_send(Err(error));
                }
            });
            Body::Sent(receiver)
        }
    };
    let mut answer = of_type(StatusCode::OK, VERSION_1, body);
    if with_sizes {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(VERSION_2));
    }
    Ok(answer)
}

/// A list that is sent while it is read.
struct Listing {
    sender: Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
    is_first: bool,
    with_sizes: bool,
}

impl Listing {
    fn all(&mut self, folder: &Folder, kind: Kind) -> io::Result<()> {
        folder.each(|entry| match kind {
            Kind::Data if entry.is_folder && entry.name.len() == 2 => {
                let inner = match folder.enter([entry.name.as_str()]) {
                    Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => return Ok(()),
                    inner => inner?,
                };
                inner.each(|file| {
                    // In another folder than its name says, a pack would be listed and not be found.
                    match file.name.starts_with(&entry.name) {
                        true => self.one(&inner, &file.name),
                        false => Ok(()),
                    }
                })
            }
            Kind::Data => Ok(()),
            _ => self.one(folder, &entry.name),
        })?;
        self.piece.push(b']');
        self.send()
    }

    fn one(&mut self, folder: &Folder, name: &str) -> io::Result<()> {
        if FileName::parse(name).is_none() {
            return Ok(());
        }
        let known = match folder.look(name) {
            // Removed meanwhile, or not a file.
            Err(Errno::NOENT) => return Ok(()),
            known => known?,
        };
        if !std::mem::take(&mut self.is_first) {
            self.piece.push(b',');
        }
        // Digits only: nothing needs escaping.
        let text = match self.with_sizes {
            true => format!("{{\"name\":\"{name}\",\"size\":{}}}", known.size),
            false => format!("\"{name}\""),
        };
        self.piece.extend_from_slice(text.as_bytes());
        if self.piece.len() >= PIECE { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
