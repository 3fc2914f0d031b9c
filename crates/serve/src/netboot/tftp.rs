//! TFTP, read-only (RFC 1350), with the options blksize, tsize, timeout and windowsize (RFC 2347 to 2349, RFC 7440).
//!
//! One transfer is a thread with a socket of its own. Firmware asks for one file after the other, so there are as many as machines that
//! start at the same time.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

/// Opcodes.
const READ: u16 = 1;
const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// Error codes.
const NOT_FOUND: u16 = 1;
const DENIED: u16 = 2;
const ILLEGAL: u16 = 4;

/// Without an option for it.
const BLOCK: usize = 512;
/// So a packet fits into an Ethernet frame: fragments are lost in networks whose switches drop them.
const LARGEST_BLOCK: usize = 1468;
/// The most blocks that are under way at once.
const LARGEST_WINDOW: usize = 64;
/// How long an answer is waited for at first.
const PATIENCE: Duration = Duration::from_secs(1);
/// So often the same is sent again until the other side is given up.
const REPEATS: u32 = 5;

/// A request to read a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name, as it was asked for.
    pub name: String,
    /// Bytes of a block.
    pub block: usize,
    /// Blocks of a window.
    pub window: usize,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// The options that are granted, in their order: names and values; the size is filled in later.
    granted: Vec<(&'static str, u64)>,
}

/// Why a packet is no request that is served; what the other side is told.
pub type Refused = (u16, &'static str);

impl Request {
    /// Reads the first packet of a transfer.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn parse(packet: &[u8]) -> Result<Request, Refused> {
        let (code, rest) = packet.split_at_checked(2).ok_or((ILLEGAL, "no request"))?;
        match u16::from_be_bytes([code[0], code[1]]) {
            READ => {}
            WRITE => return Err((DENIED, "nothing can be written here")),
            _ => return Err((ILLEGAL, "no request")),
        }
        let text = rest.strip_suffix(&[0]).ok_or((ILLEGAL, "a request without an end"))?;
        let words: Vec<&str> =
            text.split(|byte| *byte == 0).map(|word| std::str::from_utf8(word).unwrap_or("")).collect();
        let [name, mode, options @ ..] = words.as_slice() else { return Err((ILLEGAL, "no mode")) };
        // A boot loader is no text: netascii would change it.
        if !mode.eq_ignore_ascii_case("octet") {
            return Err((ILLEGAL, "only octet mode is served"));
        }
        let mut request =
            Request { name: (*name).to_owned(), block: BLOCK, window: 1, patience: PATIENCE, granted: vec![] };
        for option in options.chunks_exact(2) {
            let (Ok(value), known) = (option[1].parse::<u64>(), option[0].to_ascii_lowercase()) else { continue };
            match known.as_str() {
                "blksize" if value >= 8 => {
                    request.block = usize::try_from(value).unwrap_or(usize::MAX).min(LARGEST_BLOCK);
                    request.granted.push(("blksize", request.block as u64));
                }
                "windowsize" if value >= 1 => {
                    request.window = usize::try_from(value).unwrap_or(usize::MAX).min(LARGEST_WINDOW);
                    request.granted.push(("windowsize", request.window as u64));
                }
                "timeout" if (1..=255).contains(&value) => {
                    request.patience = Duration::from_secs(value.min(3));
                    request.granted.push(("timeout", value));
                }
                "tsize" => request.granted.push(("tsize", 0)),
                _ => {}
            }
        }
        // Each name once: the first one counts.
        let mut seen = vec![];
        request.granted.retain(|(name, _)| {
            !seen.contains(name) && {
                seen.push(name);
                true
            }
        });
        Ok(request)
    }

    /// What grants the options; `None` without any.
    fn grant(&self, size: u64) -> Option<Vec<u8>> {
        if self.granted.is_empty() {
            return None;
        }
        let mut packet = OACK.to_be_bytes().to_vec();
        for (name, value) in &self.granted {
            let value = if *name == "tsize" { size } else { *value };
            packet.extend(name.as_bytes());
            packet.push(0);
            packet.extend(value.to_string().as_bytes());
            packet.push(0);
        }
        Some(packet)
    }
}

/// The packet that refuses.
pub fn refusal((code, why): Refused) -> Vec<u8> {
    let mut packet = ERROR.to_be_bytes().to_vec();
    packet.extend(code.to_be_bytes());
    packet.extend(why.as_bytes());
    packet.push(0);
    packet
}

/// What a file that is not in the tree is called.
pub const NOT_THERE: Refused = (NOT_FOUND, "there is no such file in the boot tree");

/// What the other side says meanwhile.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// It has all blocks up to this one.
    Has(u16),
    /// It wants no more.
    Ended,
    /// Nothing that means anything here.
    Nothing,
}

fn said(packet: &[u8]) -> Said {
    match packet {
        [0, code, high, low, ..] if u16::from(*code) == ACK => Said::Has(u16::from_be_bytes([*high, *low])),
        [0, code, ..] if u16::from(*code) == ERROR => Said::Ended,
        _ => Said::Nothing,
    }
}

/// Sends a file to whoever the socket is connected with. Returns the bytes that arrived.
///
/// # Errors
/// The system's error; `TimedOut` when the other side is gone.
pub fn send(socket: &UdpSocket, request: &Request, file: &File, size: u64) -> io::Result<u64> {
    let gone = || io::Error::from(io::ErrorKind::TimedOut);
    let block = request.block as u64;
    // A file that fills its last block is followed by an empty one.
    let blocks = size / block + 1;
    let mut buffer = vec![0; 4 + request.block];
    // The first block that the other side does not have; block 0 is the grant.
    let mut next: u64 = 1;
    if let Some(grant) = request.grant(size) {
        next = 0;
        let mut tries = 0;
        while next == 0 {
            socket.send(&grant)?;
            match hear(socket, request.patience)? {
                Some(Said::Has(0)) => next = 1,
                Some(Said::Ended) => return Ok(0),
                _ => tries += 1,
            }
            if tries > REPEATS {
                return Err(gone());
            }
        }
    }
    let mut tries = 0;
    while next <= blocks {
        let until = (next + request.window as u64 - 1).min(blocks);
        for number in next..=until {
            let offset = (number - 1) * block;
            let length = usize::try_from((size - offset).min(block)).unwrap_or(0);
            // Numbers have 16 bits, and begin again at 0.
            buffer[..4].copy_from_slice(&[0, DATA as u8, (number >> 8) as u8, number as u8]);
            file.read_exact_at(&mut buffer[4..4 + length], offset)?;
            socket.send(&buffer[..4 + length])?;
        }
        let deadline = Instant::now() + request.patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match hear(socket, left)? {
                Some(Said::Has(number)) => {
                    // How far it is behind the last block of the window, in the arithmetic of 16 bits.
                    let behind = u64::from((until as u16).wrapping_sub(number));
                    // What says nothing new is let pass: each answer to it would double what is under way ("sorcerer's apprentice",
                    // RFC 1123, section 4.2.3.1).
                    if until.checked_sub(behind).is_some_and(|known| known >= next) {
                        next = until - behind + 1;
                        tries = 0;
                        break;
                    }
                }
                Some(Said::Ended) => return Ok((next - 1).saturating_mul(block).min(size)),
                Some(Said::Nothing) => {}
                None => {
                    tries += 1;
                    break;
                }
            }
        }
        if tries > REPEATS {
            return Err(gone());
        }
    }
    Ok(size)
}

/// What is heard within this time; `None` is silence.
fn hear(socket: &UdpSocket, patience: Duration) -> io::Result<Option<Said>> {
    if patience.is_zero() {
        return Ok(None);
    }
    socket.set_read_timeout(Some(patience))?;
    let mut packet = [0; 128];
    match socket.recv(&mut packet) {
        Ok(length) => Ok(Some(said(&packet[..length]))),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        // The port is closed: it has what it wanted, or was switched off.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Some(Said::Ended)),
        Err(error) => Err(error),
    }
}

/// A socket for a transfer.
///
/// # Errors
/// The system's error.
pub fn connect(own: std::net::Ipv4Addr, peer: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((own, 0))?;
    socket.connect(peer)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn request(words: &[&str]) -> Vec<u8> {
        let mut packet = vec![0, 1];
        for word in words {
            packet.extend(word.as_bytes());
            packet.push(0);
        }
        packet
    }

    #[test]
    fn requests_and_their_options() {
        let plain = Request::parse(&request(&["/a", "octet"])).unwrap();
        assert_eq!((plain.name.as_str(), plain.block, plain.window, plain.grant(9)), ("/a", 512, 1, None));
        let words = [
            "a",
            "OCTET",
            "tsize",
            "0",
            "BLKSIZE",
            "65464",
            "windowsize",
            "200",
            "x",
            "y",
            "blksize",
            "9",
            "timeout",
            "300",
        ];
        let rich = Request::parse(&request(&words)).unwrap();
        let grant = rich.grant(70_000).unwrap();
        assert_eq!(
            grant,
            [&b"\0\x06"[..], &b"tsize 70000 blksize 1468 windowsize 64 ".map(|b| if b == b' ' { 0 } else { b })]
                .concat()
        );
        for (packet, code) in [
            (vec![], ILLEGAL),
            (vec![0, 1], ILLEGAL),
            (request(&["a"]), ILLEGAL),
            (request(&["a", "netascii"]), ILLEGAL),
            (vec![0, 2, b'a', 0, b'o', 0], DENIED),
            (vec![0, 5, 0, 0, 0], ILLEGAL),
            (b"\0\x01a\0octet".to_vec(), ILLEGAL),
        ] {
            assert_eq!(Request::parse(&packet).unwrap_err().0, code, "{packet:?}");
        }
    }

    /// Fetches a file as a client does that loses every so many packets.
    fn fetch(size: usize, options: &[&str], lose: usize) -> Vec<u8> {
        let content: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&content, 0).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let server = connect(Ipv4Addr::LOCALHOST, client.local_addr().unwrap()).unwrap();
        client.connect(server.local_addr().unwrap()).unwrap();
        let mut request = Request::parse(&request(&[&["f", "octet"], options].concat())).unwrap();
        request.patience = Duration::from_millis(30);
        let (block, window, granted) = (request.block, request.window, !request.granted.is_empty());
        let sender = std::thread::spawn(move || send(&server, &request, &file, size as u64));
        let (mut got, mut expected, mut packets) = (vec![], 1_u16, 0);
        let mut buffer = vec![0; 2000];
        let mut in_window = 0;
        loop {
            let length = client.recv(&mut buffer).unwrap();
            packets += 1;
            if lose > 0 && packets % lose == 0 {
                continue;
            }
            if buffer[..2] == [0, 6] {
                assert!(granted);
                client.send(&[0, 4, 0, 0]).unwrap();
                continue;
            }
            let number = u16::from_be_bytes([buffer[2], buffer[3]]);
            if number == expected {
                got.extend(&buffer[4..length]);
                expected = expected.wrapping_add(1);
                in_window += 1;
                let is_last = length < 4 + block;
                if in_window == window || is_last {
                    client.send(&[&[0, 4][..], &number.to_be_bytes()].concat()).unwrap();
                    in_window = 0;
                }
                if is_last {
                    break;
                }
            } else {
                // RFC 7440: what it has is said when a block is missing.
                client.send(&[&[0, 4][..], &expected.wrapping_sub(1).to_be_bytes()].concat()).unwrap();
                in_window = 0;
            }
        }
        drop(client);
        let arrived = sender.join().unwrap().unwrap();
        assert_eq!(got, content);
        assert!(arrived <= size as u64);
        got
    }

    #[test]
    fn files_of_all_sizes_arrive() {
        for size in [0, 1, 511, 512, 513, 1024, 100_000] {
            fetch(size, &[], 0);
            fetch(size, &["blksize", "1024", "tsize", "0", "windowsize", "16"], 0);
        }
        // Block numbers begin again.
        fetch(70_000 * 8 + 3, &["blksize", "8", "windowsize", "64"], 0);
    }

    #[test]
    fn what_is_lost_is_sent_again() {
        fetch(40_000, &[], 7);
        fetch(40_000, &["windowsize", "8"], 5);
    }

    #[test]
    fn somebody_who_is_gone_is_given_up() {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = connect(Ipv4Addr::LOCALHOST, client.local_addr().unwrap()).unwrap();
        let mut request = Request::parse(&request(&["f", "octet"])).unwrap();
        request.patience = Duration::from_millis(5);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(send(&server, &request, &file, 0).unwrap_err().kind(), io::ErrorKind::TimedOut);
        // An error of the client ends it, and what means nothing does not disturb it.
        client.connect(server.local_addr().unwrap()).unwrap();
        client.send(&[9]).unwrap();
        client.send(&[0, 5, 0, 0, 0]).unwrap();
        assert_eq!(send(&server, &request, &file, 0).unwrap(), 0);
    }
}
