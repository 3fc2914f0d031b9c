//! Whole IPv4 packets on a link that has no address yet (packet(7)), for DHCP.

use crate::readable;
use rustix::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use rustix::net::RecvFlags;
use std::io;
use std::time::Instant;

/// ETH_P_IP (linux/if_ether.h), in network byte order.
const IPV4: u16 = 0x0800_u16.to_be();

/// Sends and receives IPv4 packets with their IP headers on one link; the kernel makes the Ethernet headers.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    index: u32,
}

impl PacketSocket {
    /// Opens a socket on the link of that index.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(index: u32) -> io::Result<PacketSocket> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        // SAFETY: takes numbers only.
        let raw = unsafe { libc::socket(libc::AF_PACKET, kind, i32::from(IPV4)) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given it to us.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        let address = address(index, [0; 6]);
        // SAFETY: the address lives for the call and has the size that is given.
        let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), SIZE) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(PacketSocket { socket, index })
    }

    /// Sends a packet to everyone on the link.
    ///
    /// # Errors
    /// The system's error.
    pub fn broadcast(&self, packet: &[u8]) -> io::Result<()> {
        let address = address(self.index, [0xff; 6]);
        let to = (&raw const address).cast();
        // SAFETY: packet and address live for the call and have the sizes that are given.
        let sent = unsafe { libc::sendto(self.socket.as_raw_fd(), packet.as_ptr().cast(), packet.len(), 0, to, SIZE) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits for a packet; `None` at the deadline.
    ///
    /// # Errors
    /// The system's error; ENETDOWN when the link went down.
    pub fn receive(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
        readable::receive(&self.socket, deadline, || {
            rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT).map(|(length, _)| length)
        })
    }
}

const SIZE: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;

fn address(index: u32, mac: [u8; 6]) -> libc::sockaddr_ll {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&mac);
    libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: IPV4,
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: bytes,
    }
}
