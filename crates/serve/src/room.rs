//! What all connections of a server share.

use crate::counters::Counters;
use crate::folder::Folder;
use crate::live::Live;
use crate::login::Failures;
use crate::state::State;
use crate::usage::Usage;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// The store's folder below the server's: `restic -r DIR/store/REPO` reads a repository there.
pub const STORE: &str = "store";
/// The folder of the state.
pub const STATE: &str = "state";
/// The folder of the boot tree.
pub const BOOT: &str = "boot";

/// Limits of time; the usual ones by [`Default`].
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The head of a request is complete after this time, and a connection is not idle for longer.
    pub head: Duration,
    /// A client that neither sends nor takes anything for this time is lost.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head: Duration::from_secs(30), silence: Duration::from_secs(60) }
    }
}

/// What all connections share.
#[derive(Debug)]
pub struct Server {
    /// The server's folder.
    pub root: Folder,
    /// Its store.
    pub store: Folder,
    /// The settings.
    pub live: Live,
    /// What lies in the store.
    pub usage: Arc<Usage>,
    /// What machines have told.
    pub state: State,
    /// Failed logins.
    pub failures: Failures,
    /// Counters.
    pub counters: Counters,
    /// Limits of time.
    pub limits: Limits,
    /// Nobody else serves the folder's store while this is open.
    pub lock: Option<OwnedFd>,
}

/// What a listener gives out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// The boot tree.
    Boot,
}
