//! The running server: what it holds, its listeners and its connections.

use crate::answer::{Answer, Refusal};
use crate::counters::Counters;
use crate::folder::Folder;
use crate::live::Live;
use crate::login::Failures;
use crate::netboot::{self, Netboot};
use crate::patient::Patient;
use crate::place::now;
use crate::room::{BOOT, Limits, STATE, STORE, Scope, Server};
use crate::route;
use crate::settings::{Settings, SettingsError};
use crate::state::State;
use crate::tls::{self, Tls, TlsError};
use crate::usage::{self, Usage};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use lifeboat_sys::trusted::{self, OpenError};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Held while a server runs.
const LOCK: &str = "lock";
/// How long the requests that are being answered may take when the server is told to end: less than [`lifeboat_sys::ending`] waits, 10 s.
const ENDING: Duration = Duration::from_secs(8);
/// A pause after the system gives no connection, mostly because there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the store is counted anew, for what others have changed in it.
const RECOUNT: Duration = Duration::from_secs(6 * 3600);
/// Bytes of a request's head, and of what is read at once of its body.
const BUFFER: usize = 128 << 10;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Its certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Somebody else could change what it serves.
    #[error("cannot SERVE {}: {cause}; try a folder of your own", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: OpenError,
    },
    /// Another one serves the folder.
    #[error("cannot SERVE {}: another lifeboat serve uses it", .0.display())]
    Taken(PathBuf),
    /// An address cannot be listened at.
    #[error("cannot LISTEN at {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        cause: io::Error,
    },
    /// Machines cannot be started on the link.
    #[error("{0}")]
    Netboot(String),
    /// The system's error.
    #[error("cannot {action} {}: {cause}", path.display())]
    System {
        /// What was done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
    },
}

/// A server that listens, but does not answer yet.
#[derive(Debug)]
pub struct Prepared {
    server: Arc<Server>,
    listeners: Vec<(TcpListener, Scope)>,
    tls: Option<Tls>,
    most: (usize, usize),
    netboot: Option<Offers>,
}

/// The offers of the boot tree.
#[derive(Debug)]
struct Offers {
    sockets: Netboot,
    link: String,
    choice: netboot::Choice,
}

/// Makes everything ready: reads the settings, counts the store, listens. `change` has the last word on the settings of the start.
///
/// # Errors
/// [`ServeError`].
pub async fn prepare(path: &Path, limits: Limits, change: impl FnOnce(&mut Settings)) -> Result<Prepared, ServeError> {
    let system = |action, path: &Path| {
        let path = path.to_owned();
        move |cause: Errno| ServeError::System { action, path, cause: cause.into() }
    };
    let held = trusted::own(path, Mode::RWXU).map_err(|cause| ServeError::Folder { path: path.to_owned(), cause })?;
    // It may have been opened to be held only; a folder that is read has to be open for reading.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(&held, ".", flags, Mode::empty()).map_err(system("OPEN", path))?;
    let root = Folder::new(root);
    let [store, state, _] = [STORE, STATE, BOOT].map(|name| root.make([name]));
    let (store, state) =
        (store.map_err(system("CREATE", &path.join(STORE)))?, state.map_err(system("CREATE", &path.join(STATE)))?);
    let live = Live::new(path)?;
    let mut settings = Settings::clone(&live.get());
    change(&mut settings);
    if settings.only_netboot {
        settings.listen.clear();
        settings.boot_listen.clear();
        settings.tls = false;
    }
    let lock = if settings.only_netboot { None } else { Some(lock(path, &state)?) };
    let tls = if settings.tls { Some(tls::open(&settings, &path.join(STATE))?) } else { None };
    let known = State::open(&path.join(STATE), &state).map_err(|cause| ServeError::System {
        action: "READ",
        path: path.join(STATE),
        cause,
    })?;
    let usage = Arc::new(Usage::default());
    if lock.is_some() {
        // Nobody else has the store: what a killed server left unfinished is removed.
        let found = usage::walk(&store, true, now());
        let found = found.map_err(|cause| ServeError::System { action: "COUNT", path: path.join(STORE), cause })?;
        usage.recounted(found, usage.changes());
    }
    let mut netboot = None;
    if let Some(name) = &settings.netboot {
        let link = netboot::link(name).map_err(ServeError::Netboot)?;
        settings.boot_listen.push(SocketAddr::from((link.address, settings.netboot_port)));
        netboot = Some(Offers {
            sockets: Netboot::open(link).map_err(ServeError::Netboot)?,
            link: name.clone(),
            choice: netboot::Choice {
                port: settings.netboot_port,
                known_only: settings.netboot_known_only,
                uefi_pxe: settings.netboot_uefi_pxe,
            },
        });
    }
    let mut listeners = vec![];
    for (addresses, scope) in [(&settings.listen, Scope::All), (&settings.boot_listen, Scope::Boot)] {
        for address in addresses {
            listeners.push((listen(*address).await?, scope));
        }
    }
    let server = Server {
        root,
        store,
        live,
        usage,
        state: known,
        failures: Failures::default(),
        counters: Counters::default(),
        limits,
        lock,
    };
    let most = (settings.connections, settings.connections_per_address);
    Ok(Prepared { server: Arc::new(server), listeners, tls, most, netboot })
}

fn lock(path: &Path, state: &Folder) -> Result<OwnedFd, ServeError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed =
        |cause: Errno| ServeError::System { action: "LOCK", path: path.join(STATE).join(LOCK), cause: cause.into() };
    let lock = rustix::fs::openat(state.held(), LOCK, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(ServeError::Taken(path.to_owned())),
        locked => locked.map_err(failed).map(|()| lock),
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let failed = |cause| ServeError::Listen { address, cause };
    match TcpListener::bind(address).await {
        // A kernel without IPv6: the address that stands for all of both stands for all of one.
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && matches!(Errno::from_io_error(&error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)) =>
        {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await.map_err(failed)
        }
        bound => bound.map_err(failed),
    }
}

impl Prepared {
    /// Where it listens: all of it, then the boot tree alone.
    ///
    /// # Errors
    /// The system's error.
    pub fn addresses(&self) -> io::Result<Vec<(SocketAddr, Scope)>> {
        self.listeners.iter().map(|(listener, scope)| Ok((listener.local_addr()?, *scope))).collect()
    }

    /// By what its certificate is recognised, if it speaks HTTPS.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The network link on which machines are offered the boot tree.
    pub fn netboot(&self) -> Option<&str> {
        self.netboot.as_ref().map(|netboot| netboot.link.as_str())
    }

    /// Answers until `stop` ends; what is being answered then is answered to its end, within 8 seconds.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (told, tell) = watch::channel(false);
        let door = Arc::new(Door {
            places: Arc::new(Semaphore::new(self.most.0)),
            most: self.most.1,
            by_address: Mutex::default(),
        });
        let answering = self.netboot.map(|offers| offers.sockets.start(self.server.root.clone(), offers.choice));
        let _answering = match answering.transpose() {
            Ok(answering) => answering,
            Err(error) => {
                tracing::error!("cannot START threads: machines get no offers: {error}");
                None
            }
        };
        let mut loops = JoinSet::new();
        for (listener, scope) in self.listeners {
            let acceptor =
                self.tls.as_ref().filter(|_| scope == Scope::All).map(|tls| TlsAcceptor::from(tls.config.clone()));
            loops.spawn(accept(self.server.clone(), listener, scope, acceptor, door.clone(), tell.clone()));
        }
        let counting = self.server.lock.is_some().then(|| tokio::spawn(recount(self.server.clone())));
        stop.await;
        counting.inspect(JoinHandle::abort);
        let _ = told.send(true);
        drop(tell);
        let ended = async {
            while loops.join_next().await.is_some() {}
            // Each connection holds a receiver.
            told.closed().await;
        };
        if timeout(ENDING, ended).await.is_err() {
            tracing::warn!("requests were still being answered after {} s; they are cut off", ENDING.as_secs());
        }
    }
}

/// Counts the store from time to time: others may work in it, a `prune` on the server itself.
async fn recount(server: Arc<Server>) {
    loop {
        sleep(RECOUNT).await;
        let counting = server.clone();
        let counted = tokio::task::spawn_blocking(move || {
            let changes = counting.usage.changes();
            let found = usage::walk(&counting.store, false, now())?;
            Ok::<bool, io::Error>(counting.usage.recounted(found, changes))
        });
        match counted.await {
            Ok(Ok(true)) => tracing::debug!("the store was counted anew"),
            Ok(Ok(false)) => tracing::debug!("something changed while the store was counted; the sums stay"),
            Ok(Err(error)) => tracing::error!("cannot COUNT the store: {error}"),
            Err(error) => tracing::error!("cannot COUNT the store: {error}"),
        }
    }
}

/// Who may come in.
#[derive(Debug)]
struct Door {
    places: Arc<Semaphore>,
    most: usize,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Door {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Guest { door: self.clone(), address })
    }
}

/// Somebody who is in.
struct Guest {
    door: Arc<Door>,
    address: IpAddr,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut by_address = self.door.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

async fn accept(
    server: Arc<Server>,
    listener: TcpListener,
    scope: Scope,
    acceptor: Option<TlsAcceptor>,
    door: Arc<Door>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let places = door.places.clone();
        let next = async {
            // Without a place nobody is taken from the queue, which the kernel keeps.
            let place = places.acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stop.changed() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("cannot ACCEPT a connection: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        let address = peer.ip().to_canonical();
        let Some(guest) = door.enter(address) else {
            tracing::debug!("{address} has too many connections");
            continue;
        };
        let (server, acceptor, stop) = (server.clone(), acceptor.clone(), stop.clone());
        tokio::spawn(async move {
            server.counters.connected();
            connection(&server, stream, address, scope, acceptor, stop).await;
            server.counters.disconnected();
            drop((place, guest));
        });
    }
}

async fn connection(
    server: &Arc<Server>,
    stream: TcpStream,
    address: IpAddr,
    scope: Scope,
    acceptor: Option<TlsAcceptor>,
    stop: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting for more to send would only delay small ones.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream, server.limits.silence);
    match acceptor {
        None => talk(server, stream, address, scope, stop).await,
        Some(acceptor) => match timeout(server.limits.head, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => talk(server, stream, address, scope, stop).await,
            Ok(Err(error)) => tracing::debug!("{address} speaks no TLS: {error}"),
            Err(_) => tracing::debug!("{address} did not finish to greet"),
        },
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Arc<Server>,
    stream: S,
    address: IpAddr,
    scope: Scope,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request: Request<Incoming>| async move {
        Ok::<Answer, Infallible>(answered(server, address, scope, request).await)
    });
    let talking = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.limits.head)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(talking);
    let mut is_ending = false;
    let ended = loop {
        tokio::select! {
            ended = talking.as_mut() => break ended,
            _ = stop.changed(), if !is_ending => {
                is_ending = true;
                talking.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!("the connection of {address} ended: {error}");
    }
}

async fn answered(server: &Arc<Server>, address: IpAddr, scope: Scope, mut request: Request<Incoming>) -> Answer {
    use hyper::body::Body as _;
    let answer: Response<_> = match route::answer(server, address, scope, &mut request).await {
        Ok(answer) => answer,
        Err(refusal) => Refusal::answer(&refusal),
    };
    let bytes = answer.body().size_hint().exact().unwrap_or(0);
    server.counters.answered(answer.status().as_u16(), bytes);
    tracing::debug!("{address} {} {}: {}", request.method(), request.uri().path(), answer.status().as_u16());
    answer
}
