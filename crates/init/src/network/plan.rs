//! Which link gets what: a pure function. The parameters take precedence, then what the machine had, then DHCP on every link.

use lifeboat_machine::network::{Interface, MadeOf, Network};
use lifeboat_machine::parameters::network::{IpParameter, Method};
use lifeboat_machine::{Mac, NetworkParameters};
use lifeboat_sys::netlink::Link;
use std::net::IpAddr;

/// How a link gets its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// DHCPv4.
    Dhcp,
    /// Router advertisements.
    Auto6,
    /// These, with their prefix lengths.
    Static {
        /// The addresses.
        addresses: Vec<(IpAddr, u8)>,
        /// Default gateways.
        gateways: Vec<IpAddr>,
    },
}

/// A virtual link to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Make {
    /// A bond.
    Bond {
        /// Its name.
        name: String,
        /// Kernel names of its links.
        ports: Vec<String>,
        /// Options of bonding.rst.
        options: Vec<(String, String)>,
        /// MTU in bytes.
        mtu: Option<u32>,
    },
    /// A VLAN.
    Vlan {
        /// Its name.
        name: String,
        /// Kernel name of the link below.
        below: String,
        /// Its number.
        id: u16,
    },
}

/// One link to be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configure {
    /// Its kernel name.
    pub link: String,
    /// How.
    pub how: How,
    /// MTU in bytes, when it is to be changed.
    pub mtu: Option<u32>,
    /// Hardware address, when it is to be changed.
    pub mac: Option<Mac>,
    /// The parameters name it: the boot waits for this one, not for any.
    pub asked_for: bool,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Made first, in order.
    pub make: Vec<Make>,
    /// Configured at the same time.
    pub configure: Vec<Configure>,
    /// Name servers, beside those that DHCP reports.
    pub name_servers: Vec<IpAddr>,
    /// Search domains, beside those that DHCP reports.
    pub search: Vec<String>,
    /// What could not be planned.
    pub warnings: Vec<String>,
}

struct Planner<'a> {
    links: &'a [Link],
    recorded: &'a [Interface],
    plan: Plan,
}

/// Plans for the links that are there.
pub fn plan(links: &[Link], parameters: &NetworkParameters, recorded: Option<&Network>) -> Plan {
    if parameters.off() {
        return Plan::default();
    }
    let interfaces = recorded.map(|network| network.interfaces.as_slice()).unwrap_or_default();
    let mut planner = Planner { links, recorded: interfaces, plan: Plan::default() };
    planner.plan.name_servers.clone_from(&parameters.name_servers);
    planner.virtual_links(parameters);
    let boot = parameters.boot_interface.and_then(|mac| {
        let link = links.iter().find(|link| is_card(link) && has_mac(link, mac));
        if link.is_none() {
            planner.plan.warnings.push(format!("BOOTIF={mac}: no network card has this address"));
        }
        link
    });
    if parameters.ip.iter().any(|ip| ip.method != Method::Off) {
        for ip in &parameters.ip {
            planner.asked(ip, boot, parameters);
        }
    } else {
        planner.by_itself(boot, parameters);
    }
    if let Some(network) = recorded {
        let servers = network.name_servers.iter().filter_map(|server| server.parse::<IpAddr>().ok());
        for server in servers.filter(|server| !server.is_loopback()) {
            // The machine's own servers are the last resort: those that the network names know it better.
            if planner.plan.configure.iter().any(|c| matches!(c.how, How::Static { .. }) && !c.asked_for) {
                planner.plan.name_servers.push(server);
            }
        }
        planner.plan.search.clone_from(&network.search);
    }
    planner.plan
}

/// Hardware that speaks Ethernet.
pub fn is_card(link: &Link) -> bool {
    link.ethernet && link.kind.is_none()
}

fn has_mac(link: &Link, mac: Mac) -> bool {
    link.permanent_mac == Some(mac.0) || link.mac == Some(mac.0)
}

impl Planner<'_> {
    /// The kernel name of the link that a person or a recorded machine calls `name`. A recorded name is
    /// recognised by its hardware address, because names depend on the order in which drivers load.
    fn resolve(&self, name: &str) -> Option<String> {
        let by_mac = self
            .recorded
            .iter()
            .filter(|interface| interface.name == name && interface.made_of.is_none())
            .find_map(|interface| self.card_of(interface));
        by_mac.or_else(|| self.links.iter().find(|link| link.name == name)).map(|link| link.name.clone())
    }

    fn card_of(&self, interface: &Interface) -> Option<&Link> {
        let mac = interface.hardware_address().and_then(Mac::parse)?;
        self.links.iter().find(|link| is_card(link) && has_mac(link, mac))
    }

    fn is_made(&self, name: &str) -> bool {
        self.plan.make.iter().any(|make| match make {
            Make::Bond { name: made, .. } | Make::Vlan { name: made, .. } => made == name,
        })
    }

    /// `vlan=` and `bond=`.
    fn virtual_links(&mut self, parameters: &NetworkParameters) {
        for bond in &parameters.bonds {
            let ports: Vec<String> = bond.devices.iter().filter_map(|name| self.resolve(name)).collect();
            if ports.len() < bond.devices.len() {
                self.plan.warnings.push(format!(
                    "bond={}: not all of {} are there",
                    bond.name,
                    bond.devices.join(", ")
                ));
            }
            if !ports.is_empty() {
                let (name, options, mtu) = (bond.name.clone(), bond.options.clone(), bond.mtu);
                self.plan.make.push(Make::Bond { name, ports, options, mtu });
            }
        }
        for vlan in &parameters.vlans {
            let below = if self.is_made(&vlan.device) { Some(vlan.device.clone()) } else { self.resolve(&vlan.device) };
            match below {
                Some(below) => self.plan.make.push(Make::Vlan { name: vlan.name.clone(), below, id: vlan.id }),
                None => self.plan.warnings.push(format!("vlan={}: there is no link {}", vlan.name, vlan.device)),
            }
        }
    }

    /// Cards that are not in a bond and not switched off by `ip=DEVICE:off`.
    fn free_cards(&self, parameters: &NetworkParameters) -> Vec<String> {
        let off: Vec<String> = parameters
            .ip
            .iter()
            .filter(|ip| ip.method == Method::Off)
            .filter_map(|ip| self.resolve(ip.device.as_deref()?))
            .collect();
        let in_bond = |name: &String| {
            self.plan.make.iter().any(|make| matches!(make, Make::Bond { ports, .. } if ports.contains(name)))
        };
        let cards = self.links.iter().filter(|link| is_card(link) && link.controller.is_none());
        cards.map(|link| link.name.clone()).filter(|name| !off.contains(name) && !in_bond(name)).collect()
    }

    /// One `ip=`.
    fn asked(&mut self, ip: &IpParameter, boot: Option<&Link>, parameters: &NetworkParameters) {
        let how = match (ip.method, ip.address) {
            (Method::Off, _) => return,
            (Method::Dhcp, _) => How::Dhcp,
            (Method::Auto6, _) => How::Auto6,
            (Method::Static, Some(address)) => {
                How::Static { addresses: vec![address], gateways: ip.gateway.into_iter().collect() }
            }
            (Method::Static, None) => return,
        };
        self.plan.name_servers.extend(&ip.name_servers);
        let links = match (&ip.device, boot) {
            (Some(name), _) if self.is_made(name) => vec![name.clone()],
            (Some(name), _) => match self.resolve(name) {
                Some(link) => vec![link],
                None => {
                    self.plan.warnings.push(format!("there is no network card {name}, which ip= names"));
                    vec![]
                }
            },
            (None, Some(boot)) => vec![boot.name.clone()],
            (None, None) => {
                let made = self.plan.make.iter().map(|make| match make {
                    Make::Bond { name, .. } | Make::Vlan { name, .. } => name.clone(),
                });
                let all: Vec<String> = made.chain(self.free_cards(parameters)).collect();
                // An address can be on one link only: the one with a cable in it, else the first.
                match how {
                    How::Static { .. } => {
                        let plugged = |name: &&String| self.links.iter().any(|l| l.name == **name && l.carrier);
                        all.iter().find(plugged).or(all.first()).cloned().into_iter().collect()
                    }
                    _ => all,
                }
            }
        };
        for link in links {
            // Several `ip=` for one link are several addresses on it.
            let same = self.plan.configure.iter_mut().find(|other| other.link == link);
            match (same.map(|other| &mut other.how), &how) {
                (
                    Some(How::Static { addresses, gateways }),
                    How::Static { addresses: more, gateways: more_gateways },
                ) => {
                    addresses.extend(more);
                    gateways.extend(more_gateways);
                }
                _ => {
                    let asked_for = ip.device.is_some() || boot.is_some() || matches!(how, How::Static { .. });
                    self.plan.configure.push(Configure { link, how: how.clone(), mtu: ip.mtu, mac: ip.mac, asked_for });
                }
            }
        }
    }

    /// Without `ip=`: as the machine had it, and DHCP where it is unknown.
    fn by_itself(&mut self, boot: Option<&Link>, parameters: &NetworkParameters) {
        if let Some(boot) = boot {
            let mut configure = self.as_recorded(boot);
            configure.asked_for = true;
            self.plan.configure.push(configure);
            return;
        }
        if self.plan.make.is_empty() {
            self.recorded_virtual_links();
        }
        // What was requested is meant to be used.
        let made: Vec<String> = self
            .plan
            .make
            .iter()
            .map(|make| match make {
                Make::Bond { name, .. } | Make::Vlan { name, .. } => name.clone(),
            })
            .filter(|name| !self.plan.configure.iter().any(|other| other.link == *name))
            .filter(|_| !parameters.vlans.is_empty() || !parameters.bonds.is_empty())
            .collect();
        let dhcp = |link: String| Configure { link, how: How::Dhcp, mtu: None, mac: None, asked_for: false };
        self.plan.configure.extend(made.into_iter().map(dhcp));
        for name in self.free_cards(parameters) {
            if let Some(link) = self.links.iter().find(|link| link.name == name) {
                let configure = self.as_recorded(link);
                self.plan.configure.push(configure);
            }
        }
    }

    fn as_recorded(&self, link: &Link) -> Configure {
        let mut configure =
            Configure { link: link.name.clone(), how: How::Dhcp, mtu: None, mac: None, asked_for: false };
        let of_card = |interface: &&Interface| {
            interface.made_of.is_none() && self.card_of(interface).is_some_and(|card| card.index == link.index)
        };
        if let Some(interface) = self.recorded.iter().find(of_card) {
            configure.mtu = Some(interface.mtu).filter(|mtu| *mtu >= 576 && *mtu != link.mtu);
            if let Some(how) = static_of(interface) {
                configure.how = how;
            }
        }
        configure
    }

    /// The bonds and VLANs that the machine had, when their cards are there: first bonds, then VLANs on them or on cards.
    fn recorded_virtual_links(&mut self) {
        for interface in self.recorded {
            let Some(MadeOf::Bond { ports, options }) = &interface.made_of else { continue };
            let ports: Vec<String> = ports.iter().filter_map(|port| self.resolve(port)).collect();
            if !ports.is_empty() {
                let (name, options) = (interface.name.clone(), options.clone());
                self.plan.make.push(Make::Bond { name, ports, options, mtu: Some(interface.mtu) });
                self.configure_made(interface);
            }
        }
        for interface in self.recorded {
            let Some(MadeOf::Vlan { id, below }) = &interface.made_of else { continue };
            let below = if self.is_made(below) { Some(below.clone()) } else { self.resolve(below) };
            if let Some(below) = below {
                self.plan.make.push(Make::Vlan { name: interface.name.clone(), below, id: *id });
                self.configure_made(interface);
            }
        }
    }

    fn configure_made(&mut self, interface: &Interface) {
        let how = match static_of(interface) {
            Some(how) => how,
            None if !interface.leased.is_empty() => How::Dhcp,
            // It only carried others, like the bond below a VLAN.
            None => return,
        };
        let link = interface.name.clone();
        self.plan.configure.push(Configure { link, how, mtu: None, mac: None, asked_for: false });
    }
}

/// The permanent addresses of an interface; `None` when there were none.
fn static_of(interface: &Interface) -> Option<How> {
    let addresses: Vec<(IpAddr, u8)> = interface
        .static_addresses()
        .filter_map(|text| {
            let (address, prefix) = text.split_once('/')?;
            Some((address.parse().ok()?, prefix.parse().ok()?))
        })
        .collect();
    let gateways = interface.gateways.iter().filter_map(|gateway| gateway.parse().ok()).collect();
    (!addresses.is_empty()).then_some(How::Static { addresses, gateways })
}

#[cfg(test)]
mod tests;
