//! Starting machines over the network: offers beside the DHCP server of the network, and the boot tree by TFTP.
//!
//! | module | holds |
//! | --- | --- |
//! | `offer` | what a firmware that asks is told: a pure function |
//! | `tftp` | the protocol |
//!
//! All of it is bound to the link that was named. Questions are heard on a packet socket: port 67 may belong to a DHCP server on this
//! machine.

pub(crate) mod offer;
pub(crate) mod tftp;

use crate::boot;
use crate::folder::Folder;
use crate::room::BOOT;
use lifeboat_machine::Mac;
use lifeboat_machine::netboot::{ARMED, Entry, ISO, MACHINES, is_folder};
use lifeboat_sys::netlink::Netlink;
use lifeboat_sys::packet::PacketSocket;
use offer::{At, Boot, Image};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tftp::Request;

/// The boot server's port ("Preboot Execution Environment (PXE) Specification", 2.1, section 2.2.3).
const BOOT_SERVER: u16 = 4011;
/// RFC 1350, section 4.
const TFTP: u16 = 69;
/// The most transfers at the same time: a rack.
const TRANSFERS: usize = 128;
/// The most of them to one address: firmware reads one file after the other, and one that was interrupted may still be repeated.
const TRANSFERS_TO_ONE: usize = 8;
/// How often a thread looks whether it shall end.
const LOOK: Duration = Duration::from_millis(500);

/// A link with its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAddress {
    /// The kernel's index.
    pub index: u32,
    /// The first IPv4 address.
    pub address: Ipv4Addr,
}

/// Finds a link by its name.
///
/// # Errors
/// What it lacks, for people.
pub fn link(name: &str) -> Result<LinkAddress, String> {
    let failed = |error: io::Error| format!("cannot READ the network links: {error}");
    let mut netlink = Netlink::open().map_err(failed)?;
    let links = netlink.links().map_err(failed)?;
    let Some(link) = links.iter().find(|link| link.name == name) else {
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        return Err(format!("there is no network link '{name}'; there are {}", names.join(", ")));
    };
    let addresses = netlink.addresses().map_err(failed)?;
    let address = addresses.iter().filter(|address| address.link == link.index).find_map(|found| match found.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    match address {
        Some(address) => Ok(LinkAddress { index: link.index, address }),
        None => Err(format!("{name} has no IPv4 address, by which machines are started")),
    }
}

/// Who is answered, and how.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The port of the boot tree.
    pub port: u16,
    /// Only the cards of machines in the tree are answered.
    pub known_only: bool,
    /// UEFI is answered by PXE, too: where the DHCP server of the network names this server as its next server.
    pub uefi_pxe: bool,
}

/// The sockets, opened.
#[derive(Debug)]
pub struct Netboot {
    link: LinkAddress,
    questions: PacketSocket,
    boot_server: UdpSocket,
    tftp: UdpSocket,
}

impl Netboot {
    /// Opens the sockets.
    ///
    /// # Errors
    /// Which port cannot be used, and why, for people.
    pub fn open(link: LinkAddress) -> Result<Netboot, String> {
        let bind = |port: u16, what: &str| {
            UdpSocket::bind((link.address, port))
                .and_then(|socket| socket.set_read_timeout(Some(LOOK)).map(|()| socket))
                .map_err(|error| {
                    format!(
                        "cannot LISTEN at {}:{port} ({what}): {error}; try ending what else listens there",
                        link.address
                    )
                })
        };
        Ok(Netboot {
            link,
            questions: PacketSocket::open(link.index)
                .map_err(|error| format!("cannot HEAR questions of machines that start: {error}; this needs root"))?,
            boot_server: bind(BOOT_SERVER, "PXE boot server")?,
            tftp: bind(TFTP, "TFTP")?,
        })
    }

    /// Answers from now on, in threads of their own, until what is returned is dropped.
    ///
    /// # Errors
    /// The system has no thread.
    pub fn start(self, root: Folder, choice: Choice) -> io::Result<Running> {
        let stop = Arc::new(AtomicBool::new(false));
        let room = Arc::new(Room { root, address: self.link.address, choice, transfers: Mutex::default() });
        let mut threads = vec![];
        let mut spawn = |name: &str, work: Box<dyn FnOnce(&AtomicBool) + Send>| {
            let stop = Arc::clone(&stop);
            threads.push(std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&stop))?);
            Ok::<(), io::Error>(())
        };
        let of = || Arc::clone(&room);
        let (one, two, three) = (of(), of(), of());
        let Netboot { questions, boot_server, tftp, .. } = self;
        spawn("offers", Box::new(move |stop| one.offers(&questions, stop)))?;
        spawn("boot server", Box::new(move |stop| two.boot_server(&boot_server, stop)))?;
        spawn("tftp", Box::new(move |stop| three.tftp(&tftp, stop)))?;
        Ok(Running { stop, threads })
    }
}

/// The threads; they end when this is dropped.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What the threads share.
struct Room {
    root: Folder,
    address: Ipv4Addr,
    choice: Choice,
    transfers: Mutex<HashMap<IpAddr, usize>>,
}

impl Room {
    fn answer(&self, message: &[u8], at: At) -> Option<offer::Told> {
        let has = |name: &str| boot::open_file(&self.root, name).is_ok();
        let image = |mac: Mac| self.image(mac);
        let answers = |mac: Mac| !self.choice.known_only || self.machine(mac).is_some();
        let Choice { port, uefi_pxe, .. } = self.choice;
        let boot = Boot { server: self.address, port, uefi_pxe, has: &has, image: &image, answers: &answers };
        offer::answer(message, at, &boot)
    }

    /// The machine with a card, and its folder. The tree is read anew each time: a machine starts once in a while.
    fn machine(&self, mac: Mac) -> Option<(String, Entry)> {
        let machines = self.root.enter([BOOT, MACHINES]).ok()?;
        let mut found = None;
        let _ = machines.each(|listed| {
            if listed.is_folder && is_folder(&listed.name) {
                let entry = machines.enter([listed.name.as_str()]).ok().and_then(|folder| boot::entry(&folder).ok());
                let entry = entry.filter(|entry| entry.addresses().any(|card| card == mac));
                found = entry.map(|entry| (listed.name.clone(), entry)).or(found.take());
            }
            Ok(())
        });
        found
    }

    fn image(&self, mac: Mac) -> Image {
        let Some((folder, entry)) = self.machine(mac) else { return Image::None };
        let path = |name: &str| format!("{MACHINES}/{folder}/{name}");
        let has = |name: &str| boot::open_file(&self.root, &path(name)).is_ok();
        match (has(ISO), entry.done_blake3.is_empty() || has(ARMED)) {
            (false, _) => Image::None,
            (true, true) => Image::Path(path(ISO)),
            (true, false) => Image::Withheld,
        }
    }

    fn offers(&self, socket: &PacketSocket, stop: &AtomicBool) {
        let mut buffer = vec![0; 4096];
        while !stop.load(Ordering::Relaxed) {
            let length = match socket.receive(&mut buffer, Instant::now() + LOOK) {
                Ok(Some(length)) => length,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!("cannot HEAR questions of machines that start: {error}");
                    std::thread::sleep(LOOK);
                    continue;
                }
            };
            let Some(message) = buffer.get(..length).and_then(offer::payload) else { continue };
            let Some(told) = self.answer(message, At::Link) else { continue };
            match socket.broadcast(&offer::broadcast(self.address, &told.message)) {
                Ok(()) => tracing::info!("{} is offered {}", told.mac, told.file),
                Err(error) => tracing::warn!("cannot ANSWER {}: {error}", told.mac),
            }
        }
    }

    fn boot_server(&self, socket: &UdpSocket, stop: &AtomicBool) {
        let mut buffer = vec![0; 4096];
        while !stop.load(Ordering::Relaxed) {
            let Some((length, peer)) = heard(socket, &mut buffer) else { continue };
            let Some(told) = buffer.get(..length).and_then(|message| self.answer(message, At::BootServer)) else {
                continue;
            };
            match socket.send_to(&told.message, peer) {
                Ok(_) => tracing::info!("{} at {} is told {}", told.mac, peer.ip(), told.file),
                Err(error) => tracing::warn!("cannot ANSWER {peer}: {error}"),
            }
        }
    }

    fn tftp(self: &Arc<Self>, socket: &UdpSocket, stop: &AtomicBool) {
        let mut buffer = vec![0; 2048];
        while !stop.load(Ordering::Relaxed) {
            let Some((length, peer)) = heard(socket, &mut buffer) else { continue };
            // A client that gets no answer asks again.
            if !self.enter(peer.ip()) {
                continue;
            }
            let (room, packet) = (Arc::clone(self), buffer[..length].to_vec());
            let transfer = move || {
                if let Err(error) = room.transfer(&packet, peer) {
                    tracing::debug!("a transfer to {peer} ended: {error}");
                }
                room.leave(peer.ip());
            };
            if let Err(error) = std::thread::Builder::new().name("transfer".to_owned()).spawn(transfer) {
                self.leave(peer.ip());
                tracing::warn!("cannot START a thread: {error}");
            }
        }
    }

    /// Counts a transfer to an address, if there may be one more.
    fn enter(&self, address: IpAddr) -> bool {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        let own = transfers.get(&address).copied().unwrap_or(0);
        let may = own < TRANSFERS_TO_ONE && transfers.values().sum::<usize>() < TRANSFERS;
        if may {
            transfers.insert(address, own + 1);
        }
        may
    }

    fn leave(&self, address: IpAddr) {
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        match transfers.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(transfers.remove(&address)),
        }
    }

    fn transfer(&self, packet: &[u8], peer: SocketAddr) -> io::Result<()> {
        let socket = tftp::connect(self.address, peer)?;
        let refuse = |refused| socket.send(&tftp::refusal(refused)).map(drop);
        let request = match Request::parse(packet) {
            Ok(request) => request,
            Err(refused) => return refuse(refused),
        };
        let file = boot::below_tree(&request.name).and_then(|path| boot::open_file(&self.root, &path).ok());
        let Some((file, known)) = file else {
            tracing::debug!("{peer} asked for {:?}, which is not there", request.name);
            return refuse(tftp::NOT_THERE);
        };
        let began = Instant::now();
        let sent = tftp::send(&socket, &request, &file, known.size)?;
        tracing::debug!("{peer} took {sent} bytes of {} in {:.1} s", request.name, began.elapsed().as_secs_f64());
        Ok(())
    }
}

/// A packet; `None` when none came for a while.
fn heard(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr)> {
    match socket.recv_from(buffer) {
        Ok(heard) => Some(heard),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => None,
        Err(error) => {
            tracing::debug!("cannot READ a packet: {error}");
            std::thread::sleep(Duration::from_millis(20));
            None
        }
    }
}
