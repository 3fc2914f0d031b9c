//! A room's server: the store of archives, the boot tree, and the page that shows how the machines are.
//!
//! | module | holds |
//! | --- | --- |
//! | [`settings`], `live` | `serve.toml`: addresses, limits, tokens; read again when it changes |
//! | [`token`], `login` | what a machine shows, and what it may do |
//! | [`path`] | paths of restic's REST protocol |
//! | `store`, `upload`, `incoming` | the store: reading, listing and removing; files that arrive |
//! | `folder`, `place` | folders of the store, where no link is followed; where a path of the store leads |
//! | `usage` | what lies in the store: quotas, growth, last backups |
//! | `boot` | the boot tree over HTTP |
//! | [`netboot`] | offers beside the DHCP server of the network, and the boot tree by TFTP |
//! | [`state`] | what machines tell: events of recoveries, reports |
//! | [`machines`] | the machines, put together from all that |
//! | `page`, `metrics`, `api` | how they are shown: HTML, OpenMetrics, JSON |
//! | `route` | which request is for whom, and who may ask it |
//! | `answer`, `body`, `range`; `arriving` | answers, and why something is refused; bodies of requests |
//! | `fuzz` | entry points for fuzzing, behind the feature of that name |
//! | [`room`] | what all connections share |
//! | [`server`], `tls`, `patient`, `counters` | listeners, connections and their limits |
//!
//! Below the server's folder:
//!
//! | path | holds |
//! | --- | --- |
//! | `serve.toml` | settings and tokens, mode 0600 |
//! | `store/REPO/` | repositories, as local ones: `restic -r DIR/store/REPO` and `lifeboat --from DIR/store/REPO` read them |
//! | `boot/` | the boot tree |
//! | `state/` | the certificate and its key, what machines told, the lock |

mod answer;
mod api;
mod arriving;
mod body;
mod boot;
mod counters;
mod folder;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod incoming;
mod live;
mod login;
pub mod machines;
mod metrics;
pub mod netboot;
mod page;
pub mod path;
mod patient;
mod place;
mod range;
pub mod room;
mod route;
pub mod server;
pub mod settings;
pub mod state;
mod store;
mod tls;
pub mod token;
mod upload;
mod usage;

pub use api::OPENAPI;
pub use path::Repo;
pub use room::{Limits, Scope};
pub use route::ROUTES;
pub use server::{Prepared, ServeError, prepare};
pub use settings::{NewToken, Settings, SettingsError, add_token};
pub use token::{Name, Right};

use lifeboat_sys::ending;
use std::path::Path;

/// Serves a folder until a signal ends the process, as [`ending`] has it: what is being answered then is answered to its end. `change` has
/// the last word on the settings of the start; `started` is called when all is ready.
///
/// # Errors
/// [`ServeError`].
pub fn serve(
    path: &Path,
    change: impl FnOnce(&mut Settings),
    started: impl FnOnce(&Prepared),
) -> Result<(), ServeError> {
    let failed = |cause| ServeError::System { action: "SERVE", path: path.to_owned(), cause };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let prepared = prepare(path, Limits::default(), change).await?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (running, ended) = std::sync::mpsc::channel::<()>();
        // The process ends when this is done: so it waits until the server has ended.
        let registration = ending::register(move || {
            drop(stop);
            let _ = ended.recv();
        });
        started(&prepared);
        prepared.run(async { drop(stopped.await) }).await;
        drop(running);
        ending::wait_when_ending();
        drop(registration);
        Ok(())
    })
}
