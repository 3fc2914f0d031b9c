//! What is needed to open addresses on the network: credentials, and a listener for lost servers.

use crate::failure::Failure;
use lifeboat_archive::Place;
use lifeboat_remote::patience::Listener;
use lifeboat_remote::{Address, Credentials, Limits, Patience, nfs, smb, store};
use lifeboat_sys::program::NETWORK_UP;
use lifeboat_sys::{Invocation, Runner};
use std::path::Path;
use std::sync::Arc;

/// How addresses are opened.
#[derive(Clone)]
pub struct Network {
    /// Names and passwords.
    pub credentials: Credentials,
    /// Is notified when a server is lost and when it is back.
    pub listener: Listener,
    /// In a rescue system, whose boot brings the network up only when its parameters need one: it is brought up for the first
    /// address that is opened.
    pub on_demand: bool,
    /// How fast bytes may come and go.
    pub limits: Arc<Limits>,
}

impl Default for Network {
    /// Without credentials and without a listener.
    fn default() -> Self {
        Network {
            credentials: Credentials::default(),
            listener: Arc::new(|_| ()),
            on_demand: false,
            limits: Arc::default(),
        }
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Network {
    /// Brings the network up where that is to be done on demand and there is none.
    ///
    /// # Errors
    /// [`Failure::Unusable`] with why there is none, and what to try.
    pub fn bring_up(&self, runner: &dyn Runner) -> Result<(), Failure> {
        if !self.on_demand || !lifeboat_sys::netlink::own_addresses().is_empty() {
            return Ok(());
        }
        (self.listener)("bringing the network up");
        runner.run(&Invocation::new(NETWORK_UP)).map(drop).map_err(|error| Failure::Unusable {
            what: "the network".into(),
            reason: format!("{error}; try `network-up ip=…` in a shell, with the kernel's own ip= parameter"),
        })
    }

    /// Parses an address.
    ///
    /// # Errors
    /// [`Failure::Unusable`] with examples of addresses.
    pub fn address(text: &str) -> Result<Address, Failure> {
        Address::parse(text).map_err(|reason| Failure::Unusable { what: "the address".into(), reason })
    }

    /// Patience with the host of an address.
    pub fn patience(&self, address: &Address) -> Patience {
        Patience::new(address.host(), Arc::clone(&self.listener)).limited(Arc::clone(&self.limits))
    }

    /// Mounts an address that the kernel mounts.
    ///
    /// # Errors
    /// When it cannot be mounted, and for other addresses.
    pub fn mount(&self, address: &Address, point: &Path, writable: bool, patience: &Patience) -> Result<(), Failure> {
        match address {
            Address::Nfs(host) => nfs::mount_export(host, point, writable, patience)?,
            Address::Smb(host) => smb::mount_share(host, &self.credentials, point, writable, patience)?,
            other => {
                let reason = "it is not mounted".to_owned();
                return Err(Failure::Unusable { what: other.to_string(), reason });
            }
        }
        Ok(())
    }

    /// A repository to be read or written, perhaps a new one. NFS and SMB are mounted at `mount_point` for writing; the caller unmounts it.
    ///
    /// # Errors
    /// When the address cannot hold a repository or cannot be reached.
    pub fn place(&self, address: &Address, mount_point: &Path) -> Result<Place, Failure> {
        let patience = self.patience(address);
        match address {
            Address::Nfs(_) | Address::Smb(_) => {
                self.mount(address, mount_point, true, &patience)?;
                let folder = lifeboat_remote::folder::Folder::new(mount_point, address.to_string(), patience);
                Ok(Place::Files(Arc::new(folder)))
            }
            Address::Http(url) => Err(Failure::Unusable {
                what: url.clone(),
                reason: format!("a plain web server cannot be written to; restic's REST server is rest:{url}"),
            }),
            _ => Ok(Place::Files(store(address, &self.credentials, patience)?)),
        }
    }
}
