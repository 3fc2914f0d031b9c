//! DHCPv4 messages (RFC 2131, RFC 2132) in their UDP and IP packets. The formats are smoltcp's; what an answer means to us
//! is here. Bytes come from whoever is on the network: nothing in them is believed without a check.

use lifeboat_machine::Mac;
use lifeboat_sys::datagram::{self, Ports};
use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Address};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What is asked for: netmask, routers, name servers, host name, domain, MTU, broadcast address, lease times, domain search,
/// classless routes. The routes come first: RFC 3442 wants them before the router.
const WANTED: [u8; 10] = [121, 1, 3, 6, 15, 26, 28, 51, 58, 119];
/// RFC 2131, 4.1.
const SERVER_PORT: u16 = 67;
/// The same.
const CLIENT_PORT: u16 = 68;
/// The first byte of servers' messages (BOOTREPLY).
const REPLY: u8 = 2;
/// RFC 3442.
const CLASSLESS_ROUTES: u8 = 121;
/// A lease without a time counts as one for a day.
const DEFAULT_LEASE: Duration = Duration::from_secs(86_400);

/// What the client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Is there a server?
    Discover,
    /// I take what this server offered.
    Request {
        /// The offered address.
        address: Ipv4Addr,
        /// The server's identifier.
        server: Ipv4Addr,
    },
    /// I want to keep my address.
    Renew {
        /// The address.
        address: Ipv4Addr,
    },
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Take this.
    Offer(Lease),
    /// It is yours.
    Ack(Lease),
    /// No.
    Nak {
        /// The server's reason, when it gives one.
        reason: String,
    },
}

/// An address and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub address: Ipv4Addr,
    /// Its prefix length.
    pub prefix: u8,
    /// The server that gave it.
    pub server: Ipv4Addr,
    /// Default gateways.
    pub routers: Vec<Ipv4Addr>,
    /// Networks, prefix lengths and their gateways.
    pub routes: Vec<(Ipv4Addr, u8, Ipv4Addr)>,
    /// Name servers.
    pub name_servers: Vec<Ipv4Addr>,
    /// Domain for short host names.
    pub domain: Option<String>,
    /// MTU in bytes.
    pub mtu: Option<u32>,
    /// How long it is valid.
    pub duration: Duration,
    /// When to ask again.
    pub renew: Duration,
}

/// The packet that says `say`, broadcast.
pub fn packet(outgoing: Outgoing, mac: Mac, transaction: u32, seconds: u16, host_name: &str) -> Vec<u8> {
    let (kind, requested, server, own) = match outgoing {
        Outgoing::Discover => (DhcpMessageType::Discover, None, None, Ipv4Addr::UNSPECIFIED),
        Outgoing::Request { address, server } => {
            (DhcpMessageType::Request, Some(address), Some(server), Ipv4Addr::UNSPECIFIED)
        }
        // RFC 2131, 4.3.2: with the address in ciaddr and neither of the options.
        Outgoing::Renew { address } => (DhcpMessageType::Request, None, None, address),
    };
    let name = host_name.as_bytes().get(..host_name.len().min(63)).unwrap_or_default();
    let options = [DhcpOption { kind: 60, data: b"lifeboat" }, DhcpOption { kind: 12, data: name }];
    let hardware = EthernetAddress(mac.0);
    let dhcp = DhcpRepr {
        message_type: kind,
        transaction_id: transaction,
        secs: seconds,
        client_hardware_address: hardware,
        client_ip: own,
        your_ip: Ipv4Address::UNSPECIFIED,
        server_ip: Ipv4Address::UNSPECIFIED,
        router: None,
        subnet_mask: None,
        relay_agent_ip: Ipv4Address::UNSPECIFIED,
        // Our socket receives unicast to an address that is not ours yet, but not every switch delivers it.
        broadcast: true,
        requested_ip: requested,
        client_identifier: Some(hardware),
        server_identifier: server,
        parameter_request_list: Some(&WANTED),
        dns_servers: None,
        max_size: Some(1472),
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: if name.is_empty() { &options[..1] } else { &options },
    };
    let mut message = vec![0; dhcp.buffer_len()];
    // It fails only in a buffer that is too small, and this one has the size that it requires.
    let _ = dhcp.emit(&mut DhcpPacket::new_unchecked(message.as_mut_slice()));
    datagram::broadcast(own, Ports { from: CLIENT_PORT, to: SERVER_PORT }, &message)
}

/// Reads a packet; `None` for everything that does not answer our transaction.
pub fn answer(bytes: &[u8], mac: Mac, transaction: u32) -> Option<Answer> {
    message(datagram::payload(bytes, Some(SERVER_PORT), CLIENT_PORT)?, mac, transaction)
}

/// Reads the payload of the UDP packet.
fn message(payload: &[u8], mac: Mac, transaction: u32) -> Option<Answer> {
    let packet = DhcpPacket::new_checked(payload).ok()?;
    let ours = payload.first() == Some(&REPLY)
        && packet.transaction_id() == transaction
        && packet.hardware_len() == 6
        && packet.client_hardware_address() == EthernetAddress(mac.0)
        && packet.magic_number() == 0x6382_5363;
    if !ours {
        return None;
    }
    let option = |kind: u8| packet.options().find(|option| option.kind == kind).map(|option| option.data);
    let one = |kind: u8| option(kind).and_then(|data| data.get(..4)).map(v4);
    let all = |kind: u8| -> Vec<Ipv4Addr> {
        option(kind).unwrap_or_default().chunks_exact(4).map(v4).filter(|ip| !ip.is_unspecified()).take(8).collect()
    };
    let seconds = |kind: u8| {
        let bytes: [u8; 4] = option(kind)?.try_into().ok()?;
        Some(Duration::from_secs(u64::from(u32::from_be_bytes(bytes))))
    };
    let text = |kind: u8| {
        let text = String::from_utf8_lossy(option(kind)?).trim_end_matches('\0').to_owned();
        (!text.is_empty()).then_some(text)
    };
    let kind = *option(53)?.first()?;
    if kind == 6 {
        let reason = text(56).unwrap_or_else(|| "it gives no reason".into());
        let printable = reason.chars().filter(|c| !c.is_control()).take(200).collect();
        return Some(Answer::Nak { reason: printable });
    }
    let address = packet.your_ip();
    if address.is_unspecified() || address.is_broadcast() || address.is_multicast() || address.is_loopback() {
        return None;
    }
    let mask = one(1).map(u32::from);
    let prefix = mask.map_or(default_prefix(address), u32::leading_ones) as u8;
    if mask.is_some_and(|mask| mask.count_ones() != u32::from(prefix)) {
        return None;
    }
    let routes = classless_routes(option(CLASSLESS_ROUTES).unwrap_or_default());
    let duration = seconds(51).unwrap_or(DEFAULT_LEASE).max(Duration::from_secs(60));
    let lease = Lease {
        address,
        prefix,
        server: one(54).unwrap_or(packet.server_ip()),
        // RFC 3442: a server that sends classless routes includes the default route.
        routers: if routes.is_empty() { all(3) } else { vec![] },
        routes,
        name_servers: all(6),
        domain: text(15).filter(|name| is_domain(name)),
        mtu: option(26)
            .and_then(|data| Some(u16::from_be_bytes(data.try_into().ok()?)))
            .map(u32::from)
            .filter(|mtu| *mtu >= 576),
        duration,
        renew: seconds(58).filter(|renew| *renew < duration && *renew > Duration::ZERO).unwrap_or(duration / 2),
    };
    match kind {
        2 => Some(Answer::Offer(lease)),
        5 => Some(Answer::Ack(lease)),
        _ => None,
    }
}

fn v4(bytes: &[u8]) -> Ipv4Addr {
    let mut octets = [0; 4];
    octets.copy_from_slice(&bytes[..4]);
    octets.into()
}

fn default_prefix(address: Ipv4Addr) -> u32 {
    match address.octets()[0] {
        0..128 => 8,
        128..192 => 16,
        _ => 24,
    }
}

/// It goes into resolv.conf.
fn is_domain(name: &str) -> bool {
    name.len() < 254 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// RFC 3442: prefix length, as many bytes of the network as the length needs, gateway. What follows a mistake is dropped.
fn classless_routes(mut bytes: &[u8]) -> Vec<(Ipv4Addr, u8, Ipv4Addr)> {
    let mut routes = vec![];
    while let Some((prefix, rest)) = bytes.split_first() {
        let significant = usize::from(prefix.div_ceil(8));
        if *prefix > 32 || rest.len() < significant + 4 {
            break;
        }
        let mut network = [0; 4];
        network[..significant].copy_from_slice(&rest[..significant]);
        let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
        let network = Ipv4Addr::from(u32::from(Ipv4Addr::from(network)) & mask);
        routes.push((network, *prefix, v4(&rest[significant..])));
        bytes = &rest[significant + 4..];
    }
    routes
}

impl Lease {
    /// All routes: network, prefix length, gateway (none for networks on the link itself).
    pub fn all_routes(&self) -> Vec<((IpAddr, u8), Option<IpAddr>)> {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let mut list: Vec<_> =
            self.routers.first().map(|router| ((any, 0), Some(IpAddr::V4(*router)))).into_iter().collect();
        list.extend(self.routes.iter().map(|(network, prefix, gateway)| {
            let gateway = (!gateway.is_unspecified()).then_some(IpAddr::V4(*gateway));
            ((IpAddr::V4(*network), *prefix), gateway)
        }));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::wire::{Ipv4Packet, UdpPacket};

    const MAC: Mac = Mac([0x52, 0x54, 0, 1, 2, 3]);

    /// A server's message with these options.
    fn reply(kind: u8, address: [u8; 4], options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; 240];
        bytes[..4].copy_from_slice(&[2, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&7_u32.to_be_bytes());
        bytes[16..20].copy_from_slice(&address);
        bytes[28..34].copy_from_slice(&MAC.0);
        bytes[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
        bytes.extend([53, 1, kind]);
        for (number, data) in options {
            bytes.extend([*number, data.len() as u8]);
            bytes.extend(*data);
        }
        bytes.push(255);
        bytes
    }

    #[test]
    fn a_whole_offer() {
        let bytes = reply(
            2,
            [192, 0, 2, 50],
            &[
                (1, &[255, 255, 255, 0]),
                (3, &[192, 0, 2, 1, 192, 0, 2, 2]),
                (6, &[192, 0, 2, 53, 192, 0, 2, 54]),
                (15, b"example.org\0"),
                (26, &[0x23, 0x28]),
                (51, &[0, 0, 14, 16]),
                (54, &[192, 0, 2, 9]),
            ],
        );
        let Some(Answer::Offer(lease)) = message(&bytes, MAC, 7) else { panic!("no offer") };
        assert_eq!((lease.address.to_string().as_str(), lease.prefix), ("192.0.2.50", 24));
        assert_eq!(lease.all_routes(), [(("0.0.0.0".parse().unwrap(), 0), Some("192.0.2.1".parse().unwrap()))]);
        assert_eq!(
            (lease.name_servers.len(), lease.mtu, lease.domain.as_deref()),
            (2, Some(9000), Some("example.org"))
        );
        assert_eq!((lease.duration.as_secs(), lease.renew.as_secs()), (3600, 1800));
        assert_eq!(lease.server.to_string(), "192.0.2.9");
        assert_eq!(message(&bytes, MAC, 8), None, "another transaction");
        assert_eq!(message(&bytes, Mac([1; 6]), 7), None, "another client");
    }

    #[test]
    fn what_is_not_believed() {
        let ok: (u8, &[u8]) = (54, &[192, 0, 2, 9]);
        assert_eq!(message(&reply(5, [0, 0, 0, 0], &[ok]), MAC, 7), None);
        assert_eq!(message(&reply(5, [255, 255, 255, 255], &[ok]), MAC, 7), None);
        assert_eq!(message(&reply(5, [10, 0, 0, 5], &[ok, (1, &[255, 0, 255, 0])]), MAC, 7), None);
        let Some(Answer::Ack(lease)) =
            message(&reply(5, [10, 0, 0, 5], &[ok, (15, b"evil\nnameserver 6.6.6.6"), (26, &[0, 1])]), MAC, 7)
        else {
            panic!("no lease")
        };
        assert_eq!((lease.domain, lease.mtu, lease.prefix), (None, None, 8));
        let nak = message(&reply(6, [0; 4], &[(56, b"wrong\x1b[2J network")]), MAC, 7);
        assert_eq!(nak, Some(Answer::Nak { reason: "wrong[2J network".into() }));
    }

    #[test]
    fn classless_routes_replace_the_router() {
        let routes: &[u8] = &[0, 192, 0, 2, 1, 24, 198, 51, 100, 192, 0, 2, 2, 16, 172, 16, 0, 0, 0, 0, 33, 1, 1];
        let bytes = reply(5, [192, 0, 2, 50], &[(3, &[192, 0, 2, 99]), (121, routes)]);
        let Some(Answer::Ack(lease)) = message(&bytes, MAC, 7) else { panic!("no lease") };
        let text: Vec<_> = lease.all_routes().iter().map(|((to, p), via)| format!("{to}/{p} {via:?}")).collect();
        assert_eq!(text, ["0.0.0.0/0 Some(192.0.2.1)", "198.51.100.0/24 Some(192.0.2.2)", "172.16.0.0/16 None"]);
    }

    #[test]
    fn our_packets_are_read_by_the_same_rules() {
        let bytes = packet(Outgoing::Discover, MAC, 7, 0, "rescue-db7");
        let ip = Ipv4Packet::new_checked(bytes.as_slice()).unwrap();
        assert!(ip.verify_checksum());
        let udp = UdpPacket::new_checked(ip.payload()).unwrap();
        assert!(udp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        let dhcp = DhcpPacket::new_checked(udp.payload()).unwrap();
        let parsed = DhcpRepr::parse(&dhcp).unwrap();
        assert_eq!((parsed.message_type, parsed.broadcast), (DhcpMessageType::Discover, true));
        assert_eq!(answer(&bytes, MAC, 7), None);
    }

    proptest! {
        #[test]
        fn any_packet_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            answer(&bytes, MAC, 7);
            message(&bytes, MAC, 7);
        }

        #[test]
        fn any_options_are_read(options in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = reply(5, [192, 0, 2, 50], &[]);
            bytes.pop();
            bytes.extend(options);
            message(&bytes, MAC, 7);
        }
    }
}
