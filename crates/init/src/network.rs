//! The network, when something needs it: links over netlink, static addresses, DHCP, name servers.
//!
//! | module | holds |
//! | --- | --- |
//! | [`plan`] | which link gets what: a pure function |
//! | [`dhcp`] | the DHCP client |
//! | [`link`](mod@link) | one link's way from a cable to an address, in a thread of its own, for the whole life of the rescue system |
//! | [`resolver`] | resolv.conf |
//! | [`command`](mod@command) | `network-up`: the same later, when a person wants it |
//!
//! The boot waits until the links that the parameters name are done, or, when they name none, until one link has an address. The
//! others continue in the background: a cable that is plugged in later leads to an address later.

pub mod command;
pub mod dhcp;
pub mod link;
pub mod plan;
pub mod resolver;

use crate::report::{Reporter, locked};
use lifeboat_machine::network::Network as Recorded;
use lifeboat_machine::{Mac, NetworkParameters, Parameters};
use lifeboat_sys::netlink::{BondOption, Link, LinkEvents, Netlink, bond_option};
use plan::{Make, Plan};
use resolver::Resolver;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long to wait for a network card: USB adapters and firmware loading take their time.
const CARD_PATIENCE: Duration = Duration::from_secs(15);
/// How long all of it may take: a cable, then an answer, and a margin.
const NETWORK_PATIENCE: Duration = Duration::from_secs(60);

/// True when the parameters need a network: a source on it, `ip=`, a boot over it, iSCSI, or ssh.
pub fn is_needed(parameters: &Parameters, network: &NetworkParameters) -> bool {
    if network.off() {
        return false;
    }
    let source = parameters.source.as_deref().is_some_and(crate::source::wanted::is_network);
    source || parameters.ssh || !parameters.iscsi.is_empty() || network.asks_for_network()
}

/// The state of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waiting for this.
    Waiting(String),
    /// It has an address.
    Ready,
    /// It has none, for this reason; its thread keeps trying.
    Failed(String),
}

/// What the threads of all links share.
pub struct Shared {
    /// Is notified of what happens.
    pub reporter: Arc<Reporter>,
    /// Name servers.
    pub resolver: Resolver,
    /// The name under which DHCP servers see us.
    pub host_name: String,
    states: Mutex<BTreeMap<String, State>>,
    changed: Condvar,
}

impl Shared {
    /// Reports the state of a link. One that failed stays so while it retries: nothing waits for it any more.
    pub fn set(&self, link: &str, state: State) {
        let mut states = locked(&self.states);
        if !matches!((states.get(link), &state), (Some(State::Failed(_)), State::Waiting(_))) {
            states.insert(link.to_owned(), state);
        }
        self.changed.notify_all();
    }
}

/// Where the name servers are written to, and our host name: the system's, or a test's.
pub struct Place<'a> {
    /// resolv.conf.
    pub resolv_conf: &'a Path,
    /// The name under which DHCP servers see us.
    pub host_name: String,
    /// Created when links get their threads.
    pub started: &'a Path,
}

/// Brings the network up. `Err` says why there is none, for people.
pub fn bring_up(
    parameters: &NetworkParameters,
    recorded: Option<&Recorded>,
    place: &Place<'_>,
    reporter: &Arc<Reporter>,
) -> Result<(), Vec<String>> {
    let failed = |error: io::Error| vec![format!("cannot USE the network: {error}")];
    let mut netlink = Netlink::open().map_err(failed)?;
    let mut events = LinkEvents::open().map_err(failed)?;
    // The loopback is always the first; programs expect it.
    let _ = netlink.set_up(1, true);
    let links = wait_for_cards(&mut netlink, &mut events, reporter).map_err(failed)?;
    if !links.iter().any(plan::is_card) {
        return Err(vec![format!(
            "no network card was found within {} s; cards without a driver are named below",
            CARD_PATIENCE.as_secs()
        )]);
    }
    let plan = plan::plan(&links, parameters, recorded);
    for warning in &plan.warnings {
        reporter.warn(warning.clone());
    }
    for make in &plan.make {
        if let Err(error) = carry_out(&mut netlink, make) {
            reporter.warn(format!("cannot MAKE {}: {error}", name(make)));
        }
    }
    start(&plan, &mut netlink, place, reporter)
}

fn wait_for_cards(netlink: &mut Netlink, events: &mut LinkEvents, reporter: &Reporter) -> io::Result<Vec<Link>> {
    let deadline = Instant::now() + CARD_PATIENCE;
    let mut reported = false;
    loop {
        let links = netlink.links()?;
        if links.iter().any(plan::is_card) {
            return Ok(links);
        }
        if !reported {
            reporter.note(format!("waiting for a network card, at most {} s", CARD_PATIENCE.as_secs()));
            reported = true;
        }
        if !events.wait(deadline)? {
            return Ok(links);
        }
    }
}

fn name(make: &Make) -> String {
    match make {
        Make::Bond { name, ports, .. } => format!("the bond {name} of {}", ports.join(", ")),
        Make::Vlan { name, below, id } => format!("the VLAN {id} ({name}) on {below}"),
    }
}

/// Creates a virtual link and switches on what is below it.
fn carry_out(netlink: &mut Netlink, make: &Make) -> io::Result<()> {
    let find = |netlink: &mut Netlink, name: &str| -> io::Result<Link> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no {name}"));
        netlink.links()?.into_iter().find(|link| link.name == *name).ok_or_else(missing)
    };
    match make {
        Make::Bond { name, ports, options, mtu } => {
            let unknown = |(key, value): &(String, String)| {
                io::Error::new(io::ErrorKind::InvalidInput, format!("{key}={value} is not known"))
            };
            let known: Vec<BondOption> = options
                .iter()
                .map(|option| bond_option(&option.0, &option.1).ok_or_else(|| unknown(option)))
                .collect::<Result<_, _>>()?;
            netlink.add_bond(name, known)?;
            let bond = find(netlink, name)?;
            for port in ports {
                let port = find(netlink, port)?;
                // A bond does not accept a link that is up (bonding.rst).
                netlink.set_up(port.index, false)?;
                netlink.set_controller(port.index, bond.index)?;
                netlink.set_up(port.index, true)?;
            }
            if let Some(mtu) = mtu {
                netlink.set_mtu(bond.index, *mtu)?;
            }
            netlink.set_up(bond.index, true)
        }
        Make::Vlan { name, below, id } => {
            let below = find(netlink, below)?;
            netlink.set_up(below.index, true)?;
            netlink.add_vlan(name, below.index, *id)
        }
    }
}

/// Starts a thread for each link and waits as long as the boot must.
fn start(plan: &Plan, netlink: &mut Netlink, place: &Place<'_>, reporter: &Arc<Reporter>) -> Result<(), Vec<String>> {
    let shared = Arc::new(Shared {
        reporter: Arc::clone(reporter),
        resolver: Resolver::new(place.resolv_conf, &plan.name_servers, &plan.search),
        host_name: place.host_name.clone(),
        states: Mutex::default(),
        changed: Condvar::new(),
    });
    if let Err(error) = shared.resolver.write() {
        reporter.warn(error);
    }
    let links = netlink.links().map_err(|error| vec![format!("cannot USE the network: {error}")])?;
    if let Err(error) = std::fs::File::create_new(place.started) {
        return Err(vec![match error.kind() {
            io::ErrorKind::AlreadyExists => "it is already being brought up".to_owned(),
            _ => format!("cannot CREATE {}: {error}", place.started.display()),
        }]);
    }
    for (number, configure) in plan.configure.iter().enumerate() {
        shared.set(&configure.link, State::Waiting("its turn".into()));
        let Some(link) = links.iter().find(|link| link.name == configure.link) else {
            shared.set(&configure.link, State::Failed(format!("there is no link {}", configure.link)));
            continue;
        };
        // An earlier link's default route wins.
        let metric = 100 + u32::try_from(number).unwrap_or(0);
        let worker = link::Worker::new(Arc::clone(&shared), link, configure, metric);
        let started = std::thread::Builder::new().name(format!("network {}", link.name)).spawn(move || worker.run());
        if let Err(error) = started {
            shared.set(&configure.link, State::Failed(format!("cannot START a thread: {error}")));
        }
    }
    wait(plan, &shared)
}

/// Waits until all requested links are done or, if none was requested, until one is ready.
fn wait(plan: &Plan, shared: &Shared) -> Result<(), Vec<String>> {
    let deadline = Instant::now() + NETWORK_PATIENCE;
    let asked_for: Vec<&str> =
        plan.configure.iter().filter(|configure| configure.asked_for).map(|configure| &*configure.link).collect();
    if plan.configure.is_empty() {
        return Err(vec!["the parameters leave no network card to use".to_owned()]);
    }
    let mut states = locked(&shared.states);
    loop {
        let ready = states.values().any(|state| *state == State::Ready);
        let undecided = states
            .iter()
            .filter(|(link, _)| asked_for.is_empty() || asked_for.contains(&link.as_str()))
            .any(|(_, state)| matches!(state, State::Waiting(_)));
        let left = deadline.saturating_duration_since(Instant::now());
        if !undecided || left.is_zero() || (ready && asked_for.is_empty()) {
            let why = states.iter().filter_map(|(link, state)| match state {
                State::Ready => None,
                State::Failed(reason) => Some(reason.clone()),
                State::Waiting(what) => Some(format!("{link} is still waiting for {what}")),
            });
            return if ready { Ok(()) } else { Err(why.collect()) };
        }
        states = shared.changed.wait_timeout(states, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// `eth0 (MAC 52:54:00:12:34:56)`.
pub fn describe(link: &Link) -> String {
    match link.permanent_mac.or(link.mac) {
        Some(mac) => format!("{} (MAC {})", link.name, Mac(mac)),
        None => link.name.clone(),
    }
}

#[cfg(test)]
mod tests;
