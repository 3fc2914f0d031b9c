//! Places across the network: where they are, how they are accessed, and what happens when they stop answering.
//!
//! | module | holds |
//! | --- | --- |
//! | [`address`] | [`Address`]: `nfs://`, `smb://`, `http(s)://`, `rest:`, `sftp://`, `s3://` |
//! | [`credentials`] | names and passwords, from the environment or a file, never from an argument |
//! | [`fault`] | [`Fault`]: missing, transient, or final |
//! | [`patience`] | [`Patience`]: waits for a lost server, and says so |
//! | [`limit`] | [`Limits`]: bytes a second |
//! | [`files`] | [`Files`]: the files of a repository, wherever it is |
//! | [`folder`] | a mounted place: NFS or SMB |
//! | [`http`] | the HTTP client |
//! | [`pinned`] | HTTPS to a server that is known by the fingerprint of its certificate |
//! | `redirect` | where a redirect may lead |
//! | [`rest`] | restic's REST protocol |
//! | [`s3`] | S3: signing, listing |
//! | [`sftp`] | SFTP over the system's ssh |
//! | [`tree`] | a plain HTTP tree with an unpacked medium or an image in it |
//! | [`iso`] | ISO 9660, read in pieces |
//! | [`image_file`] | an image on this machine, read the same way |
//! | [`nfs`], [`smb`] | mounting NFS and shares of Windows with mount(2) |
//! | [`upload`] | plain files, such as logs, sent to a place |
//! | [`telling`] | what a recovery does, told to the server of its archive |
//! | [`webhook`] | a document sent to a web service |
//!
//! Everything blocks. Nothing here prints or reads the environment; callers learn of waits through a [`patience::Listener`].

pub mod address;
pub mod credentials;
pub mod fault;
pub mod files;
pub mod folder;
pub mod http;
pub mod image_file;
pub mod iso;
pub mod limit;
pub mod nfs;
pub mod patience;
pub mod pinned;
mod redirect;
pub mod rest;
pub mod s3;
pub mod sftp;
pub mod smb;
pub mod telling;
pub mod tree;
pub mod upload;
pub mod webhook;

pub use address::Address;
pub use credentials::Credentials;
pub use fault::Fault;
pub use files::{Files, Kind};
pub use limit::Limits;
pub use patience::Patience;

use std::sync::Arc;

/// Opens the files of a repository at an address of a store: `rest:`, `sftp://` or `s3://`. NFS and SMB are mounted, and a plain HTTP tree is
/// searched, by code that knows what may be there.
///
/// # Errors
/// When the address is not that of a store, or credentials are missing.
pub fn store(address: &Address, credentials: &Credentials, patience: Patience) -> Result<Arc<dyn Files>, Fault> {
    match address {
        Address::Rest(url) => Ok(Arc::new(rest::Rest::new(url, credentials, patience)?)),
        Address::S3(place) => Ok(Arc::new(s3::S3::new(place, credentials, patience)?)),
        Address::Sftp(place) => Ok(Arc::new(sftp::Sftp::new(place, credentials, patience)?)),
        Address::Nfs(_) | Address::Smb(_) | Address::Http(_) => {
            Err(Fault::ended("OPEN", address, "it cannot store files"))
        }
    }
}
