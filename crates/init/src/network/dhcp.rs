//! A DHCPv4 client for one link (RFC 2131).

pub mod message;

use lifeboat_machine::Mac;
use lifeboat_sys::packet::PacketSocket;
use message::{Answer, Lease, Outgoing};
use std::io;
use std::time::{Duration, Instant};

/// The first question is repeated after this time, then after twice as long, up to [`LONGEST_PAUSE`]. RFC 2131 says 4 s, but
/// a switch port that is still learning swallows the first ones, and a person waits.
const FIRST_PAUSE: Duration = Duration::from_millis(1000);
/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How often an offer is requested until the client starts over.
const REQUESTS: usize = 3;

/// Asks on one link.
pub struct Client {
    /// Index of the link.
    pub link: u32,
    /// Its hardware address.
    pub mac: Mac,
    /// The name under which servers and their administrators see us.
    pub host_name: String,
}

/// Why there is no lease.
#[derive(Debug, thiserror::Error)]
pub enum NoLease {
    /// Nobody answered.
    #[error("no DHCP answer")]
    Silence,
    /// Only refusals came.
    #[error("the DHCP server refused: {0}")]
    Refused(String),
    /// The link does not work.
    #[error("cannot SEND to the network: {0}")]
    Io(#[from] io::Error),
}

impl Client {
    /// Gets a lease.
    ///
    /// # Errors
    /// [`NoLease`] at the deadline.
    pub fn acquire(&self, deadline: Instant) -> Result<Lease, NoLease> {
        let socket = PacketSocket::open(self.link)?;
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut refused = None;
        while Instant::now() < deadline {
            let transaction = transaction();
            self.send(&socket, Outgoing::Discover, transaction, started)?;
            let until = (Instant::now() + pause).min(deadline);
            pause = (pause * 2).min(LONGEST_PAUSE);
            let Some(Answer::Offer(offer)) =
                self.hear(&socket, transaction, until, |a| matches!(a, Answer::Offer(_)))?
            else {
                continue;
            };
            let outgoing = Outgoing::Request { address: offer.address, server: offer.server };
            match self.request(&socket, outgoing, transaction, started, deadline)? {
                Some(Answer::Ack(lease)) => return Ok(lease),
                Some(Answer::Nak { reason }) => refused = Some(reason),
                _ => {}
            }
        }
        Err(refused.map_or(NoLease::Silence, NoLease::Refused))
    }

    /// Prolongs a lease.
    ///
    /// # Errors
    /// [`NoLease`] at the deadline.
    pub fn renew(&self, lease: &Lease, deadline: Instant) -> Result<Lease, NoLease> {
        let socket = PacketSocket::open(self.link)?;
        let outgoing = Outgoing::Renew { address: lease.address };
        match self.request(&socket, outgoing, transaction(), Instant::now(), deadline)? {
            Some(Answer::Ack(lease)) => Ok(lease),
            Some(Answer::Nak { reason }) => Err(NoLease::Refused(reason)),
            _ => Err(NoLease::Silence),
        }
    }

    fn request(
        &self,
        socket: &PacketSocket,
        outgoing: Outgoing,
        transaction: u32,
        started: Instant,
        deadline: Instant,
    ) -> Result<Option<Answer>, NoLease> {
        let mut pause = FIRST_PAUSE;
        for _ in 0..REQUESTS {
            self.send(socket, outgoing, transaction, started)?;
            let until = (Instant::now() + pause).min(deadline);
            pause *= 2;
            let answer = self.hear(socket, transaction, until, |a| matches!(a, Answer::Ack(_) | Answer::Nak { .. }))?;
            if answer.is_some() {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    fn send(
        &self,
        socket: &PacketSocket,
        outgoing: Outgoing,
        transaction: u32,
        started: Instant,
    ) -> Result<(), NoLease> {
        let seconds = u16::try_from(started.elapsed().as_secs()).unwrap_or(u16::MAX);
        Ok(socket.broadcast(&message::packet(outgoing, self.mac, transaction, seconds, &self.host_name))?)
    }

    /// The first answer of the expected kind; `None` at the deadline.
    fn hear(
        &self,
        socket: &PacketSocket,
        transaction: u32,
        until: Instant,
        wanted: impl Fn(&Answer) -> bool,
    ) -> Result<Option<Answer>, NoLease> {
        let mut buffer = [0; 2048];
        while let Some(length) = socket.receive(&mut buffer, until)? {
            let answer = message::answer(buffer.get(..length).unwrap_or_default(), self.mac, transaction);
            if let Some(answer) = answer.filter(&wanted) {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }
}

/// Numbers that other clients on the link do not have.
fn transaction() -> u32 {
    let mut bytes = [0; 4];
    let random =
        std::fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    match random {
        Ok(()) => u32::from_ne_bytes(bytes),
        // Without the device the clock must suffice: this guards against mix-ups, not attacks.
        Err(_) => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0x11fe_b0a7, |time| time.subsec_nanos() ^ std::process::id()),
    }
}
