//! UDP datagrams in IPv4 packets, for a [`PacketSocket`](crate::packet::PacketSocket): the kernel makes no headers for it. The formats are smoltcp's.

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr};
use std::net::Ipv4Addr;

/// From which port to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The sender's.
    pub from: u16,
    /// The receiver's.
    pub to: u16,
}

/// An IPv4 packet for everyone on the link.
///
/// `payload` has at most 65,507 bytes, what fits into one packet.
pub fn broadcast(from: Ipv4Addr, ports: Ports, payload: &[u8]) -> Vec<u8> {
    let udp = UdpRepr { src_port: ports.from, dst_port: ports.to };
    let ip = Ipv4Repr {
        src_addr: from,
        dst_addr: Ipv4Address::BROADCAST,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + payload.len(),
        hop_limit: 64,
    };
    let checksums = ChecksumCapabilities::default();
    let mut bytes = vec![0; ip.buffer_len() + ip.payload_len];
    let mut ip_packet = Ipv4Packet::new_unchecked(bytes.as_mut_slice());
    ip.emit(&mut ip_packet, &checksums);
    let mut udp_packet = UdpPacket::new_unchecked(ip_packet.payload_mut());
    let (source, destination) = (IpAddress::Ipv4(from), IpAddress::Ipv4(Ipv4Address::BROADCAST));
    let fill = |to: &mut [u8]| to.copy_from_slice(payload);
    udp.emit(&mut udp_packet, &source, &destination, payload.len(), fill, &checksums);
    bytes
}

/// What a packet carries between these ports; `None` for all other packets. `from` is `None` for any sender's port.
pub fn payload(packet: &[u8], from: Option<u16>, to: u16) -> Option<&[u8]> {
    let ip = Ipv4Packet::new_checked(packet).ok()?;
    // The first fragment could claim anything.
    if ip.next_header() != IpProtocol::Udp || ip.more_frags() || ip.frag_offset() != 0 {
        return None;
    }
    // The UDP checksum is ignored: a virtual link delivers packets before their checksum is filled in.
    let udp = UdpPacket::new_checked(ip.payload()).ok()?;
    let between = udp.dst_port() == to && from.is_none_or(|from| udp.src_port() == from);
    between.then(|| udp.payload())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FROM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const PORTS: Ports = Ports { from: 68, to: 67 };

    #[test]
    fn a_packet_carries_what_was_put_into_it() {
        let packet = broadcast(FROM, PORTS, b"who am I?");
        let ip = Ipv4Packet::new_checked(packet.as_slice()).unwrap();
        assert!(ip.verify_checksum() && ip.dst_addr().is_broadcast() && ip.src_addr() == FROM);
        let udp = UdpPacket::new_checked(ip.payload()).unwrap();
        assert!(udp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
        let carried = Some(&b"who am I?"[..]);
        assert_eq!((payload(&packet, Some(68), 67), payload(&packet, None, 67)), (carried, carried));
        assert_eq!((payload(&packet, Some(67), 67), payload(&packet, None, 68)), (None, None));
        // Ethernet fills short frames, so there may be more than the lengths say.
        let filled = [packet.as_slice(), &[0; 18]].concat();
        assert_eq!(payload(&filled, None, 67), carried);
    }

    #[test]
    fn what_is_no_whole_datagram_carries_nothing() {
        let packet = broadcast(FROM, PORTS, b"who am I?");
        for length in 0..packet.len() {
            assert_eq!(payload(&packet[..length], None, 67), None, "{length} bytes");
        }
        let with = |at: usize, value: u8| {
            let mut packet = packet.clone();
            packet[at] = value;
            payload(&packet, None, 67).is_some()
        };
        assert!(with(40 - 12, b'W'), "the checksum is not what decides");
        assert!(!with(6, 0x20), "a first fragment");
        assert!(!with(7, 1), "another fragment");
        assert!(!with(9, 6), "TCP");
        assert!(!with(25, 200), "longer than its packet");
    }

    proptest! {
        #[test]
        fn any_packet_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            payload(&bytes, None, 67);
        }
    }
}
