//! `lifeboat serve`

use clap::Args;
use lifeboat_serve::{Name, Repo, Right};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `serve`
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// The server's folder: serve.toml, store/, boot/ and state/ are in it. What is missing is made
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Listen here, in place of what serve.toml says; may be given several times [default: [::]:8000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Vec<SocketAddr>,
    /// Offer the boot tree to machines that start on this network link, beside the DHCP server there: PXE, HTTP boot and TFTP. Needs root
    #[arg(long, value_name = "LINK")]
    pub netboot: Option<String>,
    /// Answer only machines whose network cards are in the boot tree
    #[arg(long, requires = "netboot")]
    pub known_only: bool,
    /// Offer it to UEFI by PXE, too, and not by HTTP boot alone: only where the DHCP server of the network names this server as its next server,
    /// for GRUB looks for its menu there
    #[arg(long, requires = "netboot")]
    pub uefi_pxe: bool,
    /// Serve nothing but that: no store and no status page
    #[arg(long, requires = "netboot", conflicts_with = "listen")]
    pub only_netboot: bool,
    /// Add a token of this name to serve.toml, print its secret once, and serve nothing. A server that runs takes it over by itself
    #[arg(long, value_name = "NAME", requires = "right", conflicts_with_all = ["listen", "netboot"], value_parser = |text: &str| text.parse::<Name>())]
    pub add_token: Option<Name>,
    /// What the token allows: read-only, append-only (add files; remove nothing but locks), full, or view (the status page, metrics and API)
    #[arg(long, requires = "add_token", value_parser = |text: &str| text.parse::<Right>())]
    pub right: Option<Right>,
    /// The repository, or folder of repositories, that the token is for [default: the whole store]
    #[arg(long, value_name = "REPO", requires = "add_token", value_parser = |text: &str| text.parse::<Repo>())]
    pub path: Option<Repo>,
    /// The most that may lie there: 500G, 2T
    #[arg(long, value_name = "SIZE", requires = "add_token", value_parser = size)]
    pub quota: Option<u64>,
    /// The machine that the token belongs to, when it is called otherwise
    #[arg(long = "of-machine", value_name = "NAME", requires = "add_token", value_parser = |text: &str| text.parse::<Name>())]
    pub of_machine: Option<Name>,
    /// The age at which the machine's last backup is overdue: 36h, 8d [default: that of serve.toml, 2d without one]
    #[arg(long, value_name = "SPAN", requires = "add_token", value_parser = span)]
    pub overdue: Option<u64>,
}

/// A size in bytes.
fn size(text: &str) -> Result<u64, String> {
    lifeboat_machine::bytes::parse_size(text, 1)
        .ok_or_else(|| format!("'{text}' is no size; expected 500G, 1.5 TiB or bytes"))
}

/// A span in seconds.
fn span(text: &str) -> Result<u64, String> {
    lifeboat_serve::settings::parse_duration(text)
        .ok_or_else(|| format!("'{text}' is no span; expected 36h, 8d or seconds"))
}
