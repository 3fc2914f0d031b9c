//! Network links, addresses and routes over netlink (rtnetlink(7)).

mod request;

use netlink_packet_core::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, CacheInfo};
use netlink_packet_route::link::{
    InfoBond, InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use request::Socket;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

/// RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV6_IFADDR as bits (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// A network link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Hardware address, for Ethernet.
    pub mac: Option<[u8; 6]>,
    /// The permanent address of its hardware; in a bond it has another one.
    pub permanent_mac: Option<[u8; 6]>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// A cable is plugged in, and the other end is up.
    pub carrier: bool,
    /// Kind of a virtual link, as `ip link` names it: `vlan`, `bond`, `veth`; `None` for hardware.
    pub kind: Option<String>,
    /// Ethernet.
    pub ethernet: bool,
    /// Index of the bond or bridge that it is in.
    pub controller: Option<u32>,
}

/// An address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Index of the link.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
    /// Its prefix length.
    pub prefix: u8,
    /// Duplicate address detection is still running.
    pub tentative: bool,
}

/// Addresses under which others reach this machine; empty also when the kernel cannot be asked.
pub fn own_addresses() -> Vec<IpAddr> {
    let addresses = Netlink::open().and_then(|mut netlink| netlink.addresses()).unwrap_or_default();
    let reachable = |address: &IpAddr| match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    };
    addresses.into_iter().map(|found| found.address).filter(reachable).collect()
}

/// Talks to the kernel about links. One request at a time.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
}

impl Netlink {
    /// Opens a socket.
    ///
    /// # Errors
    /// The system's error.
    pub fn open() -> io::Result<Netlink> {
        Ok(Netlink { socket: Socket::open(0)? })
    }

    /// All links except the loopback, in the order of their indexes.
    ///
    /// # Errors
    /// The system's error.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let answers = self.socket.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)?;
        let mut links: Vec<Link> = answers.into_iter().filter_map(link).collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// All addresses.
    ///
    /// # Errors
    /// The system's error.
    pub fn addresses(&mut self) -> io::Result<Vec<Address>> {
        let answers = self.socket.ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()), NLM_F_DUMP)?;
        Ok(answers.into_iter().filter_map(address).collect())
    }

    /// Switches a link on or off.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_up(&mut self, index: u32, up: bool) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.change_mask = LinkFlags::Up;
        if up {
            message.header.flags = LinkFlags::Up;
        }
        self.command(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Sets a link's MTU in bytes.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_mtu(&mut self, index: u32, mtu: u32) -> io::Result<()> {
        self.set(index, LinkAttribute::Mtu(mtu))
    }

    /// Gives a link another hardware address; most must be down for that.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_mac(&mut self, index: u32, mac: [u8; 6]) -> io::Result<()> {
        self.set(index, LinkAttribute::Address(mac.to_vec()))
    }

    /// Puts a link, which must be down, into a bond or bridge.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_controller(&mut self, index: u32, controller: u32) -> io::Result<()> {
        self.set(index, LinkAttribute::Controller(controller))
    }

    fn set(&mut self, index: u32, attribute: LinkAttribute) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(attribute);
        self.command(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Makes a VLAN on a link.
    ///
    /// # Errors
    /// The system's error; EEXIST when a link of that name exists.
    pub fn add_vlan(&mut self, name: &str, below: u32, id: u16) -> io::Result<()> {
        let info = vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(InfoData::Vlan(vec![InfoVlan::Id(id)]))];
        self.add_link(name, vec![LinkAttribute::Link(below), LinkAttribute::LinkInfo(info)])
    }

    /// Makes a bond, without links in it; `options` as in [`bond_option`].
    ///
    /// # Errors
    /// The system's error; EEXIST when a link of that name exists.
    pub fn add_bond(&mut self, name: &str, options: Vec<BondOption>) -> io::Result<()> {
        let data = options.into_iter().map(|option| option.0).collect();
        let info = vec![LinkInfo::Kind(InfoKind::Bond), LinkInfo::Data(InfoData::Bond(data))];
        self.add_link(name, vec![LinkAttribute::LinkInfo(info)])
    }

    fn add_link(&mut self, name: &str, attributes: Vec<LinkAttribute>) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        message.attributes.extend(attributes);
        self.command(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Gives a link an address, or renews the one it has; without `lifetime_seconds` it stays for ever.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_address(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix: u8,
        lifetime_seconds: Option<u32>,
    ) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.prefix_len = prefix;
        message.header.family = family(address);
        message.attributes.push(AddressAttribute::Local(address));
        message.attributes.push(AddressAttribute::Address(address));
        if let Some(seconds) = lifetime_seconds {
            let mut info = CacheInfo::default();
            (info.ifa_valid, info.ifa_preferred) = (seconds, seconds);
            message.attributes.push(AddressAttribute::CacheInfo(info));
        }
        match address {
            IpAddr::V4(v4) if prefix < 31 => {
                let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
                message.attributes.push(AddressAttribute::Broadcast((u32::from(v4) | host).into()));
            }
            IpAddr::V4(_) => {}
            // No duplicate detection for an address that a person or the machine itself chose.
            IpAddr::V6(_) => message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad)),
        }
        self.command(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Removes an address.
    ///
    /// # Errors
    /// The system's error.
    pub fn remove_address(&mut self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        message.header.prefix_len = prefix;
        message.header.family = family(address);
        message.attributes.push(AddressAttribute::Local(address));
        self.command(RouteNetlinkMessage::DelAddress(message), 0)
    }

    /// Adds a route through a link. `to` is a network with its prefix length, or everything when its length is 0; a gateway need not
    /// be in a network of the link. A smaller `metric` wins.
    ///
    /// # Errors
    /// The system's error; an existing route is not an error.
    pub fn add_route(&mut self, index: u32, to: (IpAddr, u8), gateway: Option<IpAddr>, metric: u32) -> io::Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(to.0);
        message.header.destination_prefix_length = to.1;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Boot;
        message.header.kind = RouteType::Unicast;
        message.header.scope = if gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
        // The gateway of a provider's /32 is outside of it.
        message.header.flags = netlink_packet_route::route::RouteFlags::Onlink;
        if gateway.is_none() {
            message.header.flags = netlink_packet_route::route::RouteFlags::empty();
        }
        let route = |address| match address {
            IpAddr::V4(v4) => RouteAddress::Inet(v4),
            IpAddr::V6(v6) => RouteAddress::Inet6(v6),
        };
        if to.1 > 0 {
            message.attributes.push(RouteAttribute::Destination(route(to.0)));
        }
        message.attributes.extend(gateway.map(|gateway| RouteAttribute::Gateway(route(gateway))));
        message.attributes.push(RouteAttribute::Oif(index));
        message.attributes.push(RouteAttribute::Priority(metric));
        match self.command(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_APPEND) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn command(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.socket.ask(message, NLM_F_ACK | flags).map(drop)
    }
}

/// Receives changes of links and addresses.
#[derive(Debug)]
pub struct LinkEvents {
    socket: Socket,
}

impl LinkEvents {
    /// Starts to listen; changes from now on wake [`LinkEvents::wait`].
    ///
    /// # Errors
    /// The system's error.
    pub fn open() -> io::Result<LinkEvents> {
        Ok(LinkEvents { socket: Socket::open(GROUPS)? })
    }

    /// Waits until something changed; false at the deadline. Then look at the links again.
    ///
    /// # Errors
    /// The system's error.
    pub fn wait(&mut self, deadline: Instant) -> io::Result<bool> {
        self.socket.drain(deadline)
    }
}

/// An option of a bond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondOption(InfoBond);

/// An option by its name in bonding.rst: `mode`, `miimon`, `updelay`, `downdelay`, `lacp_rate`, `xmit_hash_policy`. `None` for a
/// name or value that is not known here.
pub fn bond_option(name: &str, value: &str) -> Option<BondOption> {
    use netlink_packet_route::link::{BondLacpRate, BondMode, BondXmitHashPolicy};
    let number = || value.parse::<u32>().ok();
    Some(BondOption(match name {
        "mode" => InfoBond::Mode(match value {
            "balance-rr" | "0" => BondMode::BalanceRr,
            "active-backup" | "1" => BondMode::ActiveBackup,
            "balance-xor" | "2" => BondMode::BalanceXor,
            "broadcast" | "3" => BondMode::Broadcast,
            "802.3ad" | "4" => BondMode::Ieee8023Ad,
            "balance-tlb" | "5" => BondMode::BalanceTlb,
            "balance-alb" | "6" => BondMode::BalanceAlb,
            _ => return None,
        }),
        "miimon" => InfoBond::MiiMon(number()?),
        "updelay" => InfoBond::UpDelay(number()?),
        "downdelay" => InfoBond::DownDelay(number()?),
        "lacp_rate" => InfoBond::AdLacpRate(match value {
            "slow" | "0" => BondLacpRate::Slow,
            "fast" | "1" => BondLacpRate::Fast,
            _ => return None,
        }),
        "xmit_hash_policy" => InfoBond::XmitHashPolicy(match value {
            "layer2" | "0" => BondXmitHashPolicy::Layer2,
            "layer3+4" | "1" => BondXmitHashPolicy::Layer34,
            "layer2+3" | "2" => BondXmitHashPolicy::Layer23,
            "encap2+3" | "3" => BondXmitHashPolicy::Encap23,
            "encap3+4" | "4" => BondXmitHashPolicy::Encap34,
            _ => return None,
        }),
        _ => return None,
    }))
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn link(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else { return None };
    if message.header.link_layer_type == LinkLayerType::Loopback {
        return None;
    }
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mac: None,
        permanent_mac: None,
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        kind: None,
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        controller: None,
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(bytes) => link.mac = bytes.try_into().ok(),
            LinkAttribute::PermAddress(bytes) => link.permanent_mac = bytes.try_into().ok(),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.controller = Some(index),
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some(link)
}

fn address(message: RouteNetlinkMessage) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            // On point-to-point links the other one is the peer's.
            AddressAttribute::Local(address) => found = Some(*address),
            AddressAttribute::Address(address) if found.is_none() => found = Some(*address),
            _ => {}
        }
    }
    let tentative = message.header.flags.contains(AddressHeaderFlags::Tentative);
    Some(Address { link: message.header.index, address: found?, prefix: message.header.prefix_len, tentative })
}

#[cfg(test)]
mod tests;
