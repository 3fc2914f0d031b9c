//! Requests and answers of netlink (netlink(7)).

use crate::readable;
use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::io;
use std::time::{Duration, Instant};

/// The kernel answers at once; a stalled machine must not hang the boot.
const PATIENCE: Duration = Duration::from_secs(10);
/// NLMSG_GOODSIZE is a page, dumps use up to 32 KiB (netlink_dump).
const MESSAGE_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Socket {
    socket: OwnedFd,
    sequence: u32,
}

impl Socket {
    pub(super) fn open(groups: u32) -> io::Result<Socket> {
        let kind = SocketType::RAW;
        let flags = SocketFlags::CLOEXEC;
        // NETLINK_ROUTE is protocol 0, the default.
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, kind, flags, None)?;
        rustix::net::bind(&socket, &netlink::SocketAddrNetlink::new(0, groups))?;
        Ok(Socket { socket, sequence: 0 })
    }

    /// Sends a request and collects its answers, up to the acknowledgement or the end of the list.
    pub(super) fn ask(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::from(message));
        packet.header.flags = NLM_F_REQUEST | flags;
        packet.header.sequence_number = self.sequence;
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        rustix::net::sendto(&self.socket, &bytes, SendFlags::empty(), &netlink::SocketAddrNetlink::new(0, 0))?;
        let deadline = Instant::now() + PATIENCE;
        let mut answers = Vec::new();
        let mut buffer = vec![0; MESSAGE_BYTES];
        loop {
            let Some(length) = self.receive(&mut buffer, deadline)? else {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer from the kernel within 10 s"));
            };
            let mut rest = buffer.get(..length).unwrap_or_default();
            while !rest.is_empty() {
                // Messages that this crate cannot parse (a newer kernel's) are skipped.
                let size = rest.get(..4).and_then(|size| size.try_into().ok()).map_or(0, u32::from_ne_bytes) as usize;
                if size < 16 || size > rest.len() {
                    break;
                }
                if let Ok(answer) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&rest[..size])
                    && answer.header.sequence_number == self.sequence
                {
                    match answer.payload {
                        NetlinkPayload::Done(_) => return Ok(answers),
                        NetlinkPayload::Error(error) => {
                            return match error.code {
                                None => Ok(answers),
                                Some(_) => Err(error.to_io()),
                            };
                        }
                        NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                        _ => {}
                    }
                }
                // Messages begin at multiples of four bytes (NLMSG_ALIGN).
                rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }

    /// Reads one datagram; `None` at the deadline.
    fn receive(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<Option<usize>> {
        readable::receive(&self.socket, deadline, || {
            rustix::net::recvfrom(&self.socket, &mut *buffer, RecvFlags::DONTWAIT).map(|(length, _, _)| length)
        })
    }

    /// Waits for any message and discards all that are queued; false at the deadline. An overrun is a change, too.
    pub(super) fn drain(&mut self, deadline: Instant) -> io::Result<bool> {
        let mut buffer = vec![0; MESSAGE_BYTES];
        let mut any = false;
        loop {
            let until = if any { Instant::now() } else { deadline };
            match self.receive(&mut buffer, until) {
                Ok(Some(_)) => any = true,
                Ok(None) => return Ok(any),
                Err(error) if error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => any = true,
                Err(error) => return Err(error),
            }
        }
    }
}
