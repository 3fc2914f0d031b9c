//! One link's way from a cable to an address, in a thread of its own.

use super::dhcp::message::Lease;
use super::dhcp::{Client, NoLease};
use super::plan::{Configure, How};
use super::{Shared, State, describe};
use lifeboat_machine::Mac;
use lifeboat_sys::netlink::{Link, LinkEvents, Netlink};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait for a cable before its absence is reported: 10-gigabit copper negotiates for up to 10 s.
const CABLE_PATIENCE: Duration = Duration::from_secs(12);
/// How long to wait for a DHCP server before its absence is reported: a switch with spanning tree takes up to 30 s
/// until it lets the first packet pass.
const DHCP_PATIENCE: Duration = Duration::from_secs(30);
/// The same for a router.
const ROUTER_PATIENCE: Duration = Duration::from_secs(30);
/// The pause before a failed link is retried.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// Works on one link.
pub struct Worker {
    shared: Arc<Shared>,
    index: u32,
    mac: Mac,
    name: String,
    label: String,
    configure: Configure,
    metric: u32,
}

impl Worker {
    /// For an existing link.
    pub fn new(shared: Arc<Shared>, link: &Link, configure: &Configure, metric: u32) -> Worker {
        let mac = configure.mac.map(|mac| mac.0).or(link.mac).unwrap_or_default();
        Worker {
            shared,
            index: link.index,
            mac: Mac(mac),
            name: link.name.clone(),
            label: describe(link),
            configure: configure.clone(),
            metric,
        }
    }

    /// Never ends, unless the kernel cannot be reached.
    pub fn run(self) {
        if let Err(error) = self.live() {
            self.fail(format!("cannot USE {}: {error}", self.label), true);
        }
    }

    fn live(&self) -> io::Result<()> {
        let mut netlink = Netlink::open()?;
        // Listening begins before the first check, so that nothing is missed in between.
        let mut events = LinkEvents::open()?;
        if let Some(mac) = self.configure.mac {
            netlink.set_up(self.index, false)?;
            netlink.set_mac(self.index, mac.0)?;
        }
        if let Some(mtu) = self.configure.mtu
            && let Err(error) = netlink.set_mtu(self.index, mtu)
        {
            self.shared.reporter.warn(format!("cannot SET the MTU of {} to {mtu}: {error}", self.label));
        }
        netlink.set_up(self.index, true)?;
        let mut reported = false;
        loop {
            self.wait_for_cable(&mut netlink, &mut events)?;
            let result = match &self.configure.how {
                How::Static { addresses, gateways } => self.set_static(&mut netlink, addresses, gateways),
                How::Dhcp => self.lease(&mut netlink),
                How::Auto6 => self.router(&mut netlink, &mut events),
            };
            match result {
                // It has a permanent address; unplugging and replugging the cable does not change that.
                Ok(()) => return Ok(()),
                Err(reason) => self.fail(reason, !reported),
            }
            reported = true;
            // A cable or another address may change everything; otherwise the same is tried again.
            events.wait(Instant::now() + RETRY_PAUSE)?;
        }
    }

    /// Waits for ever; reports when it takes long.
    fn wait_for_cable(&self, netlink: &mut Netlink, events: &mut LinkEvents) -> io::Result<()> {
        let mut deadline = Some(Instant::now() + CABLE_PATIENCE);
        self.shared.set(&self.name, State::Waiting("a cable".into()));
        loop {
            let link = netlink.links()?.into_iter().find(|link| link.index == self.index);
            let link = link.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it was removed"))?;
            if link.carrier {
                return Ok(());
            }
            let far = Instant::now() + Duration::from_secs(86_400);
            if !events.wait(deadline.unwrap_or(far))? && deadline.take().is_some() {
                // Links that were not requested mostly should not have one.
                self.fail(format!("no cable in {}", self.label), true);
            }
        }
    }

    fn set_static(&self, netlink: &mut Netlink, addresses: &[(IpAddr, u8)], gateways: &[IpAddr]) -> Result<(), String> {
        for (address, prefix) in addresses {
            netlink
                .set_address(self.index, *address, *prefix, None)
                .map_err(|error| format!("cannot SET the address {address}/{prefix} of {}: {error}", self.label))?;
        }
        for gateway in gateways {
            let any: IpAddr = if gateway.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
            netlink
                .add_route(self.index, (any, 0), Some(*gateway), self.metric)
                .map_err(|error| format!("cannot SET the gateway {gateway} of {}: {error}", self.label))?;
        }
        let list: Vec<String> = addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect();
        self.ready(&format!("{} has {}", self.label, list.join(", ")));
        Ok(())
    }

    fn ready(&self, text: &str) {
        self.shared.reporter.note(format!("network: {text}"));
        self.shared.set(&self.name, State::Ready);
    }

    fn fail(&self, reason: String, warn: bool) {
        if warn {
            self.shared.reporter.warn(reason.clone());
        }
        self.shared.set(&self.name, State::Failed(reason));
    }

    /// Gets a lease and keeps it; returns only when it is lost.
    fn lease(&self, netlink: &mut Netlink) -> Result<(), String> {
        self.shared.set(&self.name, State::Waiting("a DHCP answer".into()));
        let host_name = self.shared.host_name.clone();
        let client = Client { link: self.index, mac: self.mac, host_name };
        let seconds = DHCP_PATIENCE.as_secs();
        let mut lease = client.acquire(Instant::now() + DHCP_PATIENCE).map_err(|error| match error {
            NoLease::Silence => format!("no DHCP answer on {} within {seconds} s", self.label),
            other => format!("no address for {} within {seconds} s: {other}", self.label),
        })?;
        self.use_lease(netlink, &lease)?;
        self.ready(&format!("{} has {}/{} from {}", self.label, lease.address, lease.prefix, lease.server));
        let mut expires = Instant::now() + lease.duration;
        let mut next = Instant::now() + lease.renew;
        loop {
            std::thread::sleep(next.min(expires).saturating_duration_since(Instant::now()));
            let deadline = expires.min(Instant::now() + DHCP_PATIENCE);
            match client.renew(&lease, deadline) {
                Ok(renewed) if renewed.address == lease.address => {
                    lease = renewed;
                    expires = Instant::now() + lease.duration;
                    next = Instant::now() + lease.renew;
                    self.use_lease(netlink, &lease)?;
                }
                // RFC 2131, 4.4.5: half of what is left, but not more often than every minute.
                Err(NoLease::Silence | NoLease::Io(_)) if Instant::now() < expires => {
                    let left = expires.saturating_duration_since(Instant::now());
                    next = Instant::now() + (left / 2).max(Duration::from_secs(60));
                }
                other => {
                    let _ = netlink.remove_address(self.index, lease.address.into(), lease.prefix);
                    let why = match other {
                        Err(error) => error.to_string(),
                        Ok(renewed) => format!("the server gives {} now", renewed.address),
                    };
                    return Err(format!("the address {} of {} was lost: {why}", lease.address, self.label));
                }
            }
        }
    }

    fn use_lease(&self, netlink: &mut Netlink, lease: &Lease) -> Result<(), String> {
        // A parameter overrides the server.
        if let Some(mtu) = lease.mtu.filter(|_| self.configure.mtu.is_none()) {
            let _ = netlink.set_mtu(self.index, mtu);
        }
        let seconds = u32::try_from(lease.duration.as_secs()).ok();
        netlink.set_address(self.index, lease.address.into(), lease.prefix, seconds).map_err(|error| {
            format!("cannot SET the address {}/{} of {}: {error}", lease.address, lease.prefix, self.label)
        })?;
        for (to, gateway) in lease.all_routes() {
            if let Err(error) = netlink.add_route(self.index, to, gateway, self.metric) {
                self.shared
                    .reporter
                    .warn(format!("cannot ADD the route to {}/{} on {}: {error}", to.0, to.1, self.label));
            }
        }
        let servers: Vec<IpAddr> = lease.name_servers.iter().map(|server| IpAddr::V4(*server)).collect();
        self.shared.resolver.add(&self.name, &servers, lease.domain.as_deref())
    }

    /// Waits for an address that the kernel derives from a router advertisement.
    fn router(&self, netlink: &mut Netlink, events: &mut LinkEvents) -> Result<(), String> {
        self.shared.set(&self.name, State::Waiting("a router advertisement".into()));
        let deadline = Instant::now() + ROUTER_PATIENCE;
        let failed = |error: io::Error| format!("cannot USE {}: {error}", self.label);
        loop {
            let found = netlink.addresses().map_err(failed)?.into_iter().find(|address| {
                let IpAddr::V6(v6) = address.address else { return false };
                address.link == self.index && !address.tentative && !v6.is_unicast_link_local()
            });
            if let Some(address) = found {
                self.ready(&format!("{} has {}/{}", self.label, address.address, address.prefix));
                return Ok(());
            }
            if !events.wait(deadline).map_err(failed)? {
                let seconds = ROUTER_PATIENCE.as_secs();
                return Err(format!("no router advertisement on {} within {seconds} s", self.label));
            }
        }
    }
}
