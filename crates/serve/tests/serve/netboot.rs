//! Machines that start over the network, as their firmware speaks. Needs root: a network namespace of its own.

use crate::support::{Room, ask};
use lifeboat_machine::netboot::{Entry, FORMAT};
use lifeboat_serve::Limits;
use lifeboat_sys::netlink::Netlink;
use lifeboat_sys::packet::PacketSocket;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const SERVER: [u8; 4] = [10, 77, 0, 1];

/// A DHCP message of a client: a kind, its class and architecture, and whether it is iPXE.
fn question(kind: u8, class: &str, architecture: u16, ipxe: bool, mac: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&[9, 8, 7, 6]);
    bytes[28..34].copy_from_slice(&mac);
    bytes[236..240].copy_from_slice(&[0x63, 0x82, 0x53, 0x63]);
    bytes.extend([53, 1, kind, 60, class.len() as u8]);
    bytes.extend(class.as_bytes());
    bytes.extend([93, 2]);
    bytes.extend(architecture.to_be_bytes());
    if ipxe {
        bytes.extend([77, 4]);
        bytes.extend(b"iPXE");
    }
    bytes.push(255);
    bytes
}

/// In a UDP packet from nobody to everybody.
fn packet(message: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((28 + message.len() as u16).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255]);
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend([0, 68, 0, 67]);
    packet.extend((8 + message.len() as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(message);
    packet
}

struct Wire(PacketSocket);

impl Wire {
    /// The offer that a question gets: the file and the URL in it.
    fn offered(&self, question: &[u8]) -> Option<(String, String)> {
        self.0.broadcast(&packet(question)).unwrap();
        let until = Instant::now() + Duration::from_secs(2);
        let mut buffer = vec![0; 2000];
        while let Some(length) = self.0.receive(&mut buffer, until).unwrap() {
            let heard = &buffer[..length];
            // From port 67 to port 68, a server's message.
            if heard.len() > 268 && heard[20..24] == [0, 67, 0, 68] && heard[28] == 2 {
                assert_eq!(
                    (&heard[12..16], &heard[32..36], &heard[56..62]),
                    (&SERVER[..], &[9, 8, 7, 6][..], &question[28..34])
                );
                assert_eq!(heard[44..48], [0; 4], "it lends no address");
                let end = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
                let url = heard
                    .windows(7)
                    .position(|part| part == b"http://")
                    .map(|at| end(&heard[at..]).chars().take_while(|c| c.is_ascii_graphic()).collect::<String>());
                return Some((end(&heard[136..264]), url.unwrap_or_default()));
            }
        }
        None
    }
}

/// A file by TFTP.
fn fetched(name: &str) -> Result<Vec<u8>, String> {
    let socket = UdpSocket::bind((std::net::Ipv4Addr::from(SERVER), 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = [b"\0\x01", name.as_bytes(), b"\0octet\0blksize\x001432\0tsize\x000\0"].concat();
    socket.send_to(&request, (std::net::Ipv4Addr::from(SERVER), 69)).unwrap();
    let (mut content, mut buffer) = (vec![], vec![0; 2000]);
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).unwrap();
        match buffer[1] {
            6 => socket.send_to(&[0, 4, 0, 0], peer).unwrap(),
            3 => {
                content.extend(&buffer[4..length]);
                let answer = [0, 4, buffer[2], buffer[3]];
                let sent = socket.send_to(&answer, peer).unwrap();
                if length < 4 + 1432 {
                    return Ok(content);
                }
                sent
            }
            _ => return Err(String::from_utf8_lossy(&buffer[4..length - 1]).into_owned()),
        };
    }
}

#[test]
fn root_machines_that_start_are_told_what_to_start() {
    const INSIDE: &str = "LIFEBOAT_TEST_NETBOOT";
    if std::env::var_os(INSIDE).is_none() {
        let test = "netboot::root_machines_that_start_are_told_what_to_start";
        let mut again = Command::new("unshare");
        again.arg("--net").arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
        assert!(again.env(INSIDE, "1").status().unwrap().success());
        return;
    }
    let line = "ip link set lo up; ip link add here0 type veth peer name there0; ip address add 10.77.0.1/24 dev here0; \
                ip link set here0 up; ip link set there0 up";
    assert!(Command::new("sh").args(["-ec", line]).status().unwrap().success());
    let room = Room::start("tls = false\nnetboot = \"here0\"\nnetboot_port = 8080", &[], Limits::default());
    let link = Netlink::open().unwrap().links().unwrap().into_iter().find(|link| link.name == "there0").unwrap();
    let wire = Wire(PacketSocket::open(link.index).unwrap());
    let http = question(1, "HTTPClient:Arch:00016:UNDI:003001", 16, false, MAC);
    let bios = question(1, "PXEClient:Arch:00000:UNDI:002001", 0, false, MAC);
    // Nothing is in the tree.
    assert_eq!(wire.offered(&bios), None);
    let tree = room.path("boot");
    std::fs::create_dir_all(tree.join("machines/db7-4c4c")).unwrap();
    let kernel: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    for (file, content) in [
        ("bios.0", &b"bios"[..]),
        ("bootx64.efi", b"uefi"),
        ("boot.ipxe", b"#!ipxe"),
        ("kernel", &kernel),
        ("exact", &kernel[..2864]),
    ] {
        std::fs::write(tree.join(file), content).unwrap();
    }
    assert_eq!(wire.offered(&bios).unwrap().0, "bios.0");
    let ipxe = wire.offered(&question(1, "PXEClient:Arch:00007:UNDI:003016", 7, true, MAC)).unwrap();
    assert_eq!(ipxe.0, "http://10.77.0.1:8080/boot/boot.ipxe");
    assert_eq!(wire.offered(&http).unwrap().1, "http://10.77.0.1:8080/boot/bootx64.efi");
    // UEFI goes on to HTTP, and who does not start from the network is left alone.
    assert_eq!(wire.offered(&question(1, "PXEClient:Arch:00007:UNDI:003016", 7, false, MAC)), None);
    assert_eq!(wire.offered(&question(1, "lifeboat", 0, false, MAC)), None);

    // A machine with an image: as long as it is armed it gets it, afterwards nothing.
    let entry = Entry {
        format: FORMAT,
        machine_name: "db7".into(),
        machine_id: "4c4c".into(),
        medium_id: "0a".into(),
        created_at: "2026-11-30T12:00:00Z".into(),
        title: "db7".into(),
        macs: vec!["52:54:00:00:00:01".into()],
        done_blake3: blake3::hash(b"secret").to_hex().to_string(),
    };
    let folder = tree.join("machines/db7-4c4c");
    std::fs::write(folder.join("entry.json"), serde_json::to_vec(&entry).unwrap()).unwrap();
    std::fs::write(folder.join("boot.iso"), "image").unwrap();
    std::fs::write(folder.join("armed"), "").unwrap();
    assert_eq!(wire.offered(&http).unwrap().1, "http://10.77.0.1:8080/boot/machines/db7-4c4c/boot.iso");
    assert_eq!(ask(room.boot.unwrap(), "POST", "/boot/machines/db7-4c4c/done", &[], b"secret").status, 200);
    assert_eq!(wire.offered(&http), None);
    let other = question(1, "HTTPClient", 16, false, [0x52, 0x54, 0, 0, 0, 2]);
    assert_eq!(wire.offered(&other).unwrap().1, "http://10.77.0.1:8080/boot/bootx64.efi");

    assert_eq!(fetched("kernel").unwrap(), kernel);
    assert_eq!(fetched("/exact").unwrap(), &kernel[..2864]);
    assert_eq!(fetched("//machines/db7-4c4c/boot.iso").unwrap(), b"image");
    for name in ["none", "../serve.toml", "machines/../../serve.toml", "/", "machines", "/etc/passwd"] {
        assert!(fetched(name).unwrap_err().contains("no such file"), "{name}");
    }
    // Several at once; an address has so many.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(fetched("kernel").unwrap(), kernel));
        }
    });
}
