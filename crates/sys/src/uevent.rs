//! Kernel device events over netlink (lib/kobject_uevent.c), and the synthetic ones that serve as barriers
//! (Documentation/ABI/testing/sysfs-uevent).

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, netlink};
use std::io;
use std::path::Path;

/// The kernel's multicast group; udevd's own is 2.
const KERNEL_GROUP: u32 = 1;
/// The kernel's limit for one event is 2 KiB of variables and a path (UEVENT_BUFFER_SIZE).
const MESSAGE_BYTES: usize = 16 * 1024;
/// A cold start of a big server queues some ten thousand events; udevd uses the same size.
const RECEIVE_BUFFER_BYTES: usize = 16 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `change`, `bind`, …
    pub action: String,
    /// Path below /sys, with a slash in front.
    pub device_path: String,
    /// All variables, in the order of the message.
    pub variables: Vec<(String, String)>,
}

impl Uevent {
    /// Reads a kernel message: `ACTION@DEVPATH`, then `KEY=VALUE`, each ended by a NUL byte. `None` for anything else,
    /// such as udevd's messages, which begin with `libudev`.
    pub fn parse(message: &[u8]) -> Option<Uevent> {
        let mut parts = message.split(|b| *b == 0).map(String::from_utf8_lossy);
        let head = parts.next()?;
        let (action, device_path) = head.split_once('@')?;
        if action.is_empty() || !device_path.starts_with('/') {
            return None;
        }
        let variables = parts
            .filter_map(|part| part.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
            .collect();
        Some(Uevent { action: action.to_owned(), device_path: device_path.to_owned(), variables })
    }

    /// The first variable of that name.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.variables.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// What the socket returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// An event from the kernel.
    Event(Uevent),
    /// The queue overflowed and events are lost: look at all devices again.
    Overrun,
}

/// A socket that receives every event from the kernel.
#[derive(Debug)]
pub struct UeventSocket {
    socket: OwnedFd,
}

impl UeventSocket {
    /// Starts to listen; events from now on are queued.
    ///
    /// # Errors
    /// The system's error.
    pub fn open() -> io::Result<UeventSocket> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::KOBJECT_UEVENT),
        )?;
        // Needs CAP_NET_ADMIN; without it the default size has to do.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES);
        rustix::net::bind(&socket, &netlink::SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(UeventSocket { socket })
    }

    /// Waits for the next event.
    ///
    /// # Errors
    /// The system's error.
    pub fn receive(&self) -> io::Result<Received> {
        let mut buffer = vec![0; MESSAGE_BYTES];
        loop {
            match rustix::net::recvfrom(&self.socket, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((length, _, sender)) => {
                    // Only the kernel has port 0; anyone else could forge events.
                    let kernel = sender
                        .and_then(|address| netlink::SocketAddrNetlink::try_from(address).ok())
                        .is_some_and(|address| address.pid() == 0);
                    let message = buffer.get(..length).unwrap_or_default();
                    if let Some(event) = kernel.then(|| Uevent::parse(message)).flatten() {
                        return Ok(Received::Event(event));
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => return Ok(Received::Overrun),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Asks the kernel for a `change` event of `device` (a directory of /sys) that carries `SYNTH_UUID=uuid`. It comes out of
/// the socket behind everything that was queued before (kernel 4.13 and later).
///
/// # Errors
/// The system's error.
pub fn synthesise(device: &Path, uuid: &str) -> io::Result<()> {
    std::fs::write(device.join("uevent"), format!("change {uuid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_messages() {
        let message = b"add@/devices/pci0000:00/0000:00:03.0\0ACTION=add\0DEVPATH=/devices/pci0000:00/0000:00:03.0\0\
            SUBSYSTEM=pci\0PCI_CLASS=10000\0MODALIAS=pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00\0SEQNUM=77\0";
        let event = Uevent::parse(message).unwrap();
        assert_eq!(event.action, "add");
        assert_eq!(event.device_path, "/devices/pci0000:00/0000:00:03.0");
        assert_eq!(event.get("SUBSYSTEM"), Some("pci"));
        assert_eq!(event.get("MODALIAS"), Some("pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00"));
        assert_eq!(event.get("DRIVER"), None);
    }

    #[test]
    fn other_messages_are_none() {
        for message in [&b"libudev\0\xfe\xed\xca\xfe"[..], b"", b"\0", b"add", b"add@", b"@/devices", b"add@devices"] {
            assert_eq!(Uevent::parse(message), None, "{message:?}");
        }
    }

    #[test]
    fn any_message_is_read() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..300))| {
            Uevent::parse(&bytes);
            let mut message = b"add@/x\0".to_vec();
            message.extend(&bytes);
            prop_assert!(Uevent::parse(&message).is_some());
        });
    }
}
