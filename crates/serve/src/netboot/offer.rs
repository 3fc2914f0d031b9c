//! What a firmware that asks by DHCP is told to start: a pure function of its question.
//!
//! The addresses come from the DHCP server of the network, which is somebody else's; this is a proxy beside it, which lends none ("Preboot
//! Execution Environment (PXE) Specification", 2.1, section 2.2.4; UEFI specification, section 24.7 "HTTP Boot").
//!
//! | who asks | is told |
//! | --- | --- |
//! | BIOS, by PXE | `bios.0` by TFTP |
//! | UEFI, by HTTP | the image of the machine, or `http://SERVER/boot/bootx64.efi` |
//! | UEFI, by PXE | nothing, unless that was asked for: then `bootx64.efi` by TFTP; most firmware asks once more at port 4011 |
//! | iPXE | `http://SERVER/boot/boot.ipxe` |
//!
//! GRUB knows the server that it came from by the DHCP server's answer alone (Debian 12's grubnetx64, 2.06-13; `grub_efi_net_config_real` takes
//! the packet `dhcp_ack`): beside a DHCP server that names itself, or nobody, as the next server, a GRUB that came by PXE looks for its menu there,
//! asks for each file for minutes, and stops. Firmware that gets no answer by PXE goes on to HTTP.

use lifeboat_machine::Mac;
use lifeboat_machine::netboot::{BIOS, HTTP_PATH, IPXE, UEFI};
use lifeboat_sys::datagram::{self, Ports};
use smoltcp::wire::DhcpPacket;
use std::net::Ipv4Addr;

/// RFC 2131, section 4.1.
const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// The first byte of clients' and of servers' messages.
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const MAGIC: u32 = 0x6382_5363;
/// Bytes before the options.
const HEAD: usize = 240;
/// The least that old relays and clients take (RFC 1542, section 2.1).
const LEAST: usize = 300;
/// Length of the field for a file's name.
const FILE: usize = 128;

/// DHCP options (RFC 2132, RFC 4578).
mod option {
    pub const VENDOR: u8 = 43;
    pub const KIND: u8 = 53;
    pub const SERVER: u8 = 54;
    pub const CLASS: u8 = 60;
    pub const BOOT_FILE: u8 = 67;
    pub const USER_CLASS: u8 = 77;
    pub const ARCHITECTURE: u8 = 93;
    pub const MACHINE: u8 = 97;
    /// iPXE's own.
    pub const IPXE: u8 = 175;
    pub const END: u8 = 255;
}

/// Kinds of messages (RFC 2132, section 9.6).
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const ASK: u8 = 3;
const ACK: u8 = 5;

const PXE: &[u8] = b"PXEClient";
const HTTP: &[u8] = b"HTTPClient";

/// Whom a machine may start from.
#[derive(Clone, Copy)]
pub struct Boot<'a> {
    /// The server's address on the link.
    pub server: Ipv4Addr,
    /// The port of its boot tree.
    pub port: u16,
    /// UEFI is answered by PXE, too.
    pub uefi_pxe: bool,
    /// Whether a file is in the tree.
    pub has: &'a dyn Fn(&str) -> bool,
    /// The image of the machine with a card, as a path in the tree.
    pub image: &'a dyn Fn(Mac) -> Image,
    /// Whether a card is answered at all.
    pub answers: &'a dyn Fn(Mac) -> bool,
}

/// What a machine starts by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// GRUB: it is not known, or has no image.
    None,
    /// This, as a path in the tree.
    Path(String),
    /// Nothing: its image would recover it again.
    Withheld,
}

/// Where a question came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At everybody's, port 67.
    Link,
    /// At the boot server's, port 4011.
    BootServer,
}

/// What somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Who.
    pub mac: Mac,
    /// What to start: a path in the tree, or a URL.
    pub file: String,
    /// The DHCP message.
    pub message: Vec<u8>,
}

/// What is known of somebody who asks.
struct Question<'a> {
    bytes: &'a [u8],
    kind: u8,
    mac: Mac,
    class: &'a [u8],
    architecture: u16,
    machine: Option<&'a [u8]>,
    is_ipxe: bool,
}

impl Question<'_> {
    fn read<'a>(bytes: &'a [u8], packet: &'a DhcpPacket<&[u8]>) -> Option<Question<'a>> {
        let plain = bytes.first() == Some(&REQUEST)
            && packet.hardware_len() == 6
            && packet.magic_number() == MAGIC
            && packet.relay_agent_ip().is_unspecified();
        if !plain {
            return None;
        }
        let option = |kind: u8| packet.options().find(|option| option.kind == kind).map(|option| option.data);
        Some(Question {
            bytes,
            kind: *option(option::KIND)?.first()?,
            mac: Mac(packet.client_hardware_address().0),
            class: option(option::CLASS)?,
            // A BIOS that does not say what it is: RFC 4578, section 2.1, has 0 for it.
            architecture: option(option::ARCHITECTURE)
                .and_then(|data| Some(u16::from_be_bytes(data.get(..2)?.try_into().ok()?)))
                .unwrap_or(0),
            machine: option(option::MACHINE),
            is_ipxe: option(option::IPXE).is_some()
                || option(option::USER_CLASS).is_some_and(|class| class.windows(4).any(|part| part == b"iPXE")),
        })
    }
}

/// The answer to a DHCP message; `None` for what does not want to start from the network, or not from here.
pub fn answer(message: &[u8], at: At, boot: &Boot<'_>) -> Option<Told> {
    let packet = DhcpPacket::new_checked(message).ok()?;
    let question = Question::read(message, &packet)?;
    let kind = match (at, question.kind) {
        (At::Link, DISCOVER) => OFFER,
        (At::BootServer, ASK) => ACK,
        _ => return None,
    };
    let port = if boot.port == 80 { String::new() } else { format!(":{}", boot.port) };
    let url = |name: &str| format!("http://{}{port}{HTTP_PATH}/{name}", boot.server);
    let is = |class: &[u8]| question.class.starts_with(class);
    let in_tree = |name: &str| (boot.has)(name).then(|| name.to_owned());
    // 16: x86-64 by HTTP; 7 and 9: x86-64 by PXE, in two readings of RFC 4578.
    let (file, class) = match question.architecture {
        16 if is(HTTP) && at == At::Link => match (boot.image)(question.mac) {
            Image::Withheld => return None,
            Image::Path(path) => (url(&path), HTTP),
            Image::None => (url(&in_tree(UEFI)?), HTTP),
        },
        _ if is(HTTP) || !is(PXE) => return None,
        0 | 7 | 9 if question.is_ipxe => (url(&in_tree(IPXE)?), PXE),
        0 => (in_tree(BIOS)?, PXE),
        7 | 9 if boot.uefi_pxe => (in_tree(UEFI)?, PXE),
        _ => return None,
    };
    if !(boot.answers)(question.mac) || file.len() >= FILE {
        return None;
    }
    // Without it UEFI asks the boot server at port 4011, which all firmware does; to take the file at once is what some does not.
    let at_once = question.architecture == 0 || question.is_ipxe;
    let message = reply(&question, kind, class, &file, at_once, boot.server);
    Some(Told { mac: question.mac, file, message })
}

fn reply(question: &Question<'_>, kind: u8, class: &[u8], file: &str, at_once: bool, server: Ipv4Addr) -> Vec<u8> {
    let mut out = vec![0; HEAD];
    let same = |out: &mut Vec<u8>, range: std::ops::Range<usize>| {
        if let (Some(to), Some(from)) = (out.get_mut(range.clone()), question.bytes.get(range)) {
            to.copy_from_slice(from);
        }
    };
    out[..4].copy_from_slice(&[REPLY, 1, 6, 0]);
    // Transaction, flags, the client's own address, its hardware address.
    for range in [4..8, 10..12, 12..16, 28..44] {
        same(&mut out, range);
    }
    out[20..24].copy_from_slice(&server.octets());
    out[236..240].copy_from_slice(&MAGIC.to_be_bytes());
    let mut put = |kind: u8, data: &[u8]| {
        out.push(kind);
        out.push(u8::try_from(data.len()).unwrap_or(0));
        out.extend(data);
    };
    put(option::KIND, &[kind]);
    put(option::SERVER, &server.octets());
    put(option::CLASS, class);
    if let Some(machine) = question.machine.filter(|machine| machine.len() <= 17) {
        put(option::MACHINE, machine);
    }
    if class == HTTP {
        put(option::BOOT_FILE, file.as_bytes());
    } else if at_once {
        // PXE_DISCOVERY_CONTROL: take the file that is named, ask nobody.
        put(option::VENDOR, &[6, 1, 8, option::END]);
    }
    out.push(option::END);
    if class == PXE {
        out[108..108 + file.len()].copy_from_slice(file.as_bytes());
    }
    out.resize(out.len().max(LEAST), 0);
    out
}

/// The DHCP message for a server in an IPv4 packet.
pub fn payload(packet: &[u8]) -> Option<&[u8]> {
    datagram::payload(packet, None, SERVER_PORT)
}

/// An IPv4 packet with a message for all clients of a link.
pub fn broadcast(server: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    datagram::broadcast(server, Ports { from: SERVER_PORT, to: CLIENT_PORT }, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::wire::Ipv4Packet;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    fn asked(kind: u8, class: &str, architecture: u16, more: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
        bytes[4..8].copy_from_slice(&[1, 2, 3, 4]);
        bytes[10] = 0x80;
        bytes[28..34].copy_from_slice(&MAC);
        bytes[236..240].copy_from_slice(&MAGIC.to_be_bytes());
        bytes.extend([0, 53, 1, kind, 60, class.len() as u8]);
        bytes.extend(class.as_bytes());
        bytes.extend([93, 2]);
        bytes.extend(architecture.to_be_bytes());
        for (kind, data) in more {
            bytes.extend([*kind, data.len() as u8]);
            bytes.extend(*data);
        }
        bytes.push(255);
        bytes
    }

    fn told(message: &[u8], at: At) -> Option<Told> {
        answer(
            message,
            at,
            &Boot {
                server: SERVER,
                port: 80,
                uefi_pxe: true,
                has: &|_| true,
                image: &|_| Image::None,
                answers: &|_| true,
            },
        )
    }

    #[test]
    fn each_firmware_gets_what_it_can_start() {
        let pxe = "PXEClient:Arch:00000:UNDI:002001";
        let ipxe: &[(u8, &[u8])] = &[(77, b"iPXE")];
        for (kind, class, architecture, more, at, expected) in [
            (1, pxe, 0, &[][..], At::Link, Some("bios.0")),
            (1, pxe, 7, &[], At::Link, Some("bootx64.efi")),
            (1, pxe, 9, &[], At::Link, Some("bootx64.efi")),
            (3, pxe, 7, &[], At::BootServer, Some("bootx64.efi")),
            (1, "HTTPClient:Arch:00016:UNDI:003001", 16, &[], At::Link, Some("http://192.0.2.1/boot/bootx64.efi")),
            (1, pxe, 0, ipxe, At::Link, Some("http://192.0.2.1/boot/boot.ipxe")),
            (1, pxe, 7, &[(175, &[0xb1, 1, 1])], At::Link, Some("http://192.0.2.1/boot/boot.ipxe")),
            // The request to the DHCP server, renewals, other machines and other hardware.
            (3, pxe, 7, &[], At::Link, None),
            (1, pxe, 7, &[], At::BootServer, None),
            (1, "MSFT 5.0", 0, &[], At::Link, None),
            (1, "", 0, ipxe, At::Link, None),
            (1, pxe, 11, &[], At::Link, None),
            (1, "HTTPClient", 19, &[], At::Link, None),
            (1, "HTTPClient", 0, &[], At::Link, None),
        ] {
            let told = told(&asked(kind, class, architecture, more), at);
            assert_eq!(told.map(|told| told.file).as_deref(), expected, "{kind} {class} {architecture} {at:?}");
        }
    }

    #[test]
    fn an_offer_is_as_the_specifications_have_it() {
        let told = |class, architecture| told(&asked(1, class, architecture, &[(97, &[7; 17])]), At::Link).unwrap();
        let pxe = told("PXEClient", 0).message;
        assert_eq!(
            (&pxe[..4], &pxe[4..8], pxe[10], &pxe[28..34]),
            (&[2, 1, 6, 0][..], &[1, 2, 3, 4][..], 0x80, &MAC[..])
        );
        // No address is lent; the next server is this one.
        assert_eq!((&pxe[16..20], &pxe[20..24], &pxe[108..115]), (&[0; 4][..], &SERVER.octets()[..], &b"bios.0\0"[..]));
        let option = |message: &[u8], kind| {
            let packet = DhcpPacket::new_checked(message).unwrap();
            packet.options().find(|option| option.kind == kind).map(|option| option.data.to_vec())
        };
        assert_eq!(option(&pxe, 53), Some(vec![2]));
        assert_eq!(option(&pxe, 60).as_deref(), Some(PXE));
        assert_eq!(option(&pxe, 97), Some(vec![7; 17]));
        assert_eq!(option(&pxe, 43), Some(vec![6, 1, 8, 255]));
        let uefi = told("PXEClient", 7).message;
        assert_eq!((option(&uefi, 43), &uefi[108..119]), (None, &b"bootx64.efi"[..]));
        let http = told("HTTPClient", 16).message;
        assert_eq!(option(&http, 67).as_deref(), Some(&b"http://192.0.2.1/boot/bootx64.efi"[..]));
        assert_eq!((option(&http, 60).as_deref(), http[108]), (Some(HTTP), 0));
        assert!(pxe.len() >= LEAST);
        let packet = broadcast(SERVER, &pxe);
        let ip = Ipv4Packet::new_checked(&packet[..]).unwrap();
        assert!(ip.verify_checksum() && ip.dst_addr().is_broadcast());
        assert_eq!(payload(&packet), None, "it is for clients");
    }

    #[test]
    fn who_is_not_known_or_finds_nothing_is_left_alone() {
        let message = asked(1, "PXEClient", 7, &[]);
        let boot = |has: &dyn Fn(&str) -> bool, answers: &dyn Fn(Mac) -> bool| {
            answer(
                &message,
                At::Link,
                &Boot { server: SERVER, port: 8080, uefi_pxe: true, has, image: &|_| Image::None, answers },
            )
            .is_some()
        };
        assert!(boot(&|name| name == "bootx64.efi", &|mac| mac == Mac(MAC)));
        assert!(!boot(&|name| name != "bootx64.efi", &|_| true));
        assert!(!boot(&|_| true, &|_| false));
        let ipxe = asked(1, "PXEClient", 7, &[(77, b"iPXE")]);
        let told = answer(
            &ipxe,
            At::Link,
            &Boot {
                server: SERVER,
                port: 8080,
                uefi_pxe: false,
                has: &|_| true,
                image: &|_| Image::None,
                answers: &|_| true,
            },
        );
        assert_eq!(told.unwrap().file, "http://192.0.2.1:8080/boot/boot.ipxe");
        let told = answer(
            &message,
            At::Link,
            &Boot {
                server: SERVER,
                port: 80,
                uefi_pxe: false,
                has: &|_| true,
                image: &|_| Image::None,
                answers: &|_| true,
            },
        );
        assert_eq!(told, None, "it goes on to HTTP");
        let http = asked(1, "HTTPClient", 16, &[]);
        let image = |image: &dyn Fn(Mac) -> Image| {
            let boot = Boot { server: SERVER, port: 80, uefi_pxe: false, has: &|_| false, image, answers: &|_| true };
            answer(&http, At::Link, &boot).map(|told| told.file)
        };
        let path = "machines/db7/boot.iso";
        assert_eq!(image(&|_| Image::Path(path.into())).unwrap(), format!("http://192.0.2.1/boot/{path}"));
        assert_eq!(image(&|_| Image::Withheld), None);
    }

    #[test]
    fn what_is_cut_or_strange_is_no_question() {
        let message = asked(1, "PXEClient", 7, &[(97, &[1; 17])]);
        for length in 0..message.len() - 1 {
            let _ = told(&message[..length], At::Link);
        }
        let with = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut message = message.clone();
            change(&mut message);
            told(&message, At::Link)
        };
        assert!(with(&|_| ()).is_some());
        assert!(with(&|m| m[0] = 2).is_none(), "a server");
        assert!(with(&|m| m[2] = 16).is_none(), "no Ethernet");
        assert!(with(&|m| m[24] = 10).is_none(), "through a relay");
        assert!(with(&|m| m[236] = 0).is_none(), "BOOTP");
        assert!(with(&|m| *m.last_mut().unwrap() = 12).is_some(), "no end");
        assert_eq!(payload(&[0x45, 0, 0, 20]), None);
    }
}
