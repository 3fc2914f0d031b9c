//! The restored system's network configuration after its cards were exchanged. Text in, text out; every other byte stays.
//!
//! Two things bind configuration to a card: its hardware address, written in files, and its name, which udev makes of the place
//! of the card. Addresses are replaced where they stand. A name is kept by a `.link` file (systemd.link(5)), which ifupdown, systemd-networkd,
//! NetworkManager and netplan all live with, so no file that names the card needs to change.

use crate::context::Context;
use crate::error::RebuildError;
use lifeboat_machine::network::Interface;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Files and directories of files in which hardware addresses stand: ifupdown, systemd-networkd, NetworkManager, netplan, udev,
/// and Red Hat's network scripts.
const FILES: [&str; 1] = ["/etc/network/interfaces"];
/// See [`FILES`].
const DIRECTORIES: [&str; 7] = [
    "/etc/network/interfaces.d",
    "/etc/systemd/network",
    "/etc/NetworkManager/system-connections",
    "/etc/netplan",
    "/etc/udev/rules.d",
    "/etc/sysconfig/network-scripts",
    "/etc/wicked/ifconfig",
];
/// Larger files are no configuration.
const LARGEST: u64 = 1 << 20;

/// A card that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The kernel's name for it.
    pub name: String,
    /// Hardware address, lower case with colons.
    pub mac: String,
}

/// A recorded card and the one that takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What the recorded one was called.
    pub name: String,
    /// The old hardware address.
    pub old: String,
    /// The new one.
    pub new: String,
}

/// Adapts the restored system; reports what was changed, and what a person has to do.
///
/// # Errors
/// When a file cannot be read or written.
pub fn adapt(context: &Context) -> Result<Vec<String>, RebuildError> {
    let found = cards(&context.network_devices);
    let (exchanges, mut notes) = exchanges(&context.machine.network.interfaces, &found);
    if exchanges.is_empty() {
        return Ok(notes);
    }
    for exchange in &exchanges {
        notes.push(format!(
            "network card {} has the address {} instead of {}",
            exchange.name, exchange.new, exchange.old
        ));
    }
    let mut files: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    for directory in DIRECTORIES {
        let Ok(entries) = std::fs::read_dir(context.resolved(Path::new(directory))) else { continue };
        files.extend(entries.flatten().map(|entry| Path::new(directory).join(entry.file_name())));
    }
    files.sort();
    for name in files {
        // Links may be absolute: they are followed inside the target.
        let path = context.resolved(&name);
        if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST) {
            continue;
        }
        let old = std::fs::read(&path).map_err(RebuildError::io("READ", &path))?;
        let new = replace(&old, &exchanges);
        if new != old {
            // In place, so that owner, mode, links and attributes stay.
            std::fs::write(&path, &new).map_err(RebuildError::io("WRITE", &path))?;
            notes.push(format!("{} now names the new card", String::from_utf8_lossy(name.as_os_str().as_bytes())));
        }
    }
    for exchange in exchanges.iter().filter(|exchange| needs_link(&exchange.name)) {
        let directory = context.resolved(Path::new("/etc/systemd/network"));
        // Without systemd's udev nobody reads it.
        let udev = ["lib/systemd/systemd-udevd", "usr/lib/systemd/systemd-udevd", "usr/bin/udevadm"];
        if !udev.iter().any(|path| context.target.join(path).exists()) {
            continue;
        }
        let path = directory.join(format!("10-lifeboat-{}.link", exchange.name));
        std::fs::create_dir_all(&directory).map_err(RebuildError::io("CREATE", &directory))?;
        std::fs::write(&path, link_file(exchange)).map_err(RebuildError::io("WRITE", &path))?;
        notes.push(format!(
            "/etc/systemd/network/10-lifeboat-{0}.link keeps the name {0} for the new card",
            exchange.name
        ));
    }
    Ok(notes)
}

/// The Ethernet cards below /sys/class/net.
fn cards(directory: &Path) -> Vec<Card> {
    let mut cards = vec![];
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let place = entry.path();
        let read = |name: &str| std::fs::read_to_string(place.join(name)).map(|text| text.trim().to_ascii_lowercase());
        // ARPHRD_ETHER; hardware has a device.
        if !place.join("device").exists() || read("type").ok().as_deref() != Some("1") {
            continue;
        }
        if let Ok(mac) = read("address") {
            cards.push(Card { name: entry.file_name().to_string_lossy().into_owned(), mac });
        }
    }
    cards.sort_by(|a, b| a.name.cmp(&b.name));
    cards
}

/// Which new card takes the place of which recorded one. Only what is certain: cards that are still there stay; of the others as many
/// must be new as are gone, and more than one are reported, because they are matched by the order of their names.
pub fn exchanges(recorded: &[Interface], found: &[Card]) -> (Vec<Exchange>, Vec<String>) {
    let hardware = recorded.iter().filter(|interface| interface.driver.is_some() && interface.made_of.is_none());
    let known: Vec<(&str, &str)> =
        hardware.filter_map(|interface| Some((interface.name.as_str(), interface.hardware_address()?))).collect();
    let mut gone: Vec<(&str, &str)> =
        known.iter().copied().filter(|(_, mac)| !found.iter().any(|card| card.mac.eq_ignore_ascii_case(mac))).collect();
    let fresh: Vec<&Card> =
        found.iter().filter(|card| !known.iter().any(|(_, mac)| mac.eq_ignore_ascii_case(&card.mac))).collect();
    gone.sort_unstable();
    if gone.is_empty() || fresh.is_empty() {
        return match gone.len() {
            0 => (vec![], vec![]),
            _ => (vec![], vec![format!("network cards of the machine are missing here: {}", list(&gone))]),
        };
    }
    if gone.len() != fresh.len() {
        let new: Vec<String> = fresh.iter().map(|card| format!("{} ({})", card.name, card.mac)).collect();
        let text = format!(
            "network cards changed, and it is not clear which new card replaces which old one: missing: {}; new: {}; \
             adapt the network configuration by hand",
            list(&gone),
            new.join(", ")
        );
        return (vec![], vec![text]);
    }
    let mut notes = vec![];
    if gone.len() > 1 {
        notes.push("several network cards changed; they were matched in the order of their names".to_owned());
    }
    let exchanges = gone.iter().zip(&fresh).map(|((name, old), card)| Exchange {
        name: (*name).to_owned(),
        old: old.to_ascii_lowercase(),
        new: card.mac.clone(),
    });
    (exchanges.collect(), notes)
}

fn list(cards: &[(&str, &str)]) -> String {
    cards.iter().map(|(name, mac)| format!("{name} ({mac})")).collect::<Vec<_>>().join(", ")
}

/// The kernel's own names (`eth0`) are given in the order of finding; udev does not rename onto them (systemd.link(5), `Name=`).
fn needs_link(name: &str) -> bool {
    let kernel = name.strip_prefix("eth").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
    !kernel && !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// The file that gives a card its old name.
pub fn link_file(exchange: &Exchange) -> String {
    format!(
        "# Written by lifeboat when the machine was recovered on other hardware.\n[Match]\nMACAddress={}\nType=ether\n\n[Link]\nName={}\n",
        exchange.new, exchange.name
    )
}

/// Replaces old hardware addresses, in upper or lower case, with colons or dashes; one pass, so that cards that changed places are not
/// replaced twice.
pub fn replace(text: &[u8], exchanges: &[Exchange]) -> Vec<u8> {
    const LENGTH: usize = 17;
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let piece = text.get(at..at + LENGTH).unwrap_or_default();
        let bounded = |byte: Option<&u8>| byte.is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b':' | b'-'));
        // A name like `mac:` in front ends in a colon of its own only before blanks.
        let free = bounded(at.checked_sub(1).and_then(|before| text.get(before))) && bounded(text.get(at + LENGTH));
        let plain: Vec<u8> = piece.iter().map(|b| if *b == b'-' { b':' } else { b.to_ascii_lowercase() }).collect();
        match exchanges.iter().find(|exchange| free && exchange.old.as_bytes() == plain.as_slice()) {
            Some(exchange) => {
                let dashes = piece.contains(&b'-');
                let upper = piece.iter().any(u8::is_ascii_uppercase);
                out.extend(exchange.new.bytes().map(|b| match b {
                    b':' if dashes => b'-',
                    b if upper => b.to_ascii_uppercase(),
                    b => b,
                }));
                at += LENGTH;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(name: &str, old: &str, new: &str) -> Exchange {
        Exchange { name: name.into(), old: old.into(), new: new.into() }
    }

    fn card(name: &str, mac: &str) -> Card {
        Card { name: name.into(), mac: mac.into() }
    }

    fn recorded(name: &str, mac: &str) -> Interface {
        Interface { name: name.into(), mac: Some(mac.into()), driver: Some("e1000e".into()), ..Interface::default() }
    }

    const OLD: &str = "52:54:00:aa:bb:01";
    const NEW: &str = "52:54:00:cc:dd:02";

    #[test]
    fn addresses_in_every_kind_of_file() {
        for (text, expected) in [
            // ifupdown, systemd-networkd, NetworkManager, netplan, udev, in this order.
            (
                "iface eth0 inet dhcp\n  hwaddress ether 52:54:00:aa:bb:01\n",
                "iface eth0 inet dhcp\n  hwaddress ether 52:54:00:cc:dd:02\n",
            ),
            (
                "[Match]\nMACAddress=52:54:00:AA:BB:01 00:11:22:33:44:55\n",
                "[Match]\nMACAddress=52:54:00:CC:DD:02 00:11:22:33:44:55\n",
            ),
            ("[ethernet]\nmac-address=52:54:00:AA:BB:01\n", "[ethernet]\nmac-address=52:54:00:CC:DD:02\n"),
            (
                "      match: {macaddress: \"52:54:00:aa:bb:01\"}\n",
                "      match: {macaddress: \"52:54:00:cc:dd:02\"}\n",
            ),
            (
                "ATTR{address}==\"52:54:00:aa:bb:01\", NAME=\"eth0\"\n",
                "ATTR{address}==\"52:54:00:cc:dd:02\", NAME=\"eth0\"\n",
            ),
            ("HWADDR=52-54-00-AA-BB-01\n", "HWADDR=52-54-00-CC-DD-02\n"),
            (
                "52:54:00:aa:bb:012 x52:54:00:aa:bb:01 00:52:54:00:aa:bb:01",
                "52:54:00:aa:bb:012 x52:54:00:aa:bb:01 00:52:54:00:aa:bb:01",
            ),
        ] {
            let new = replace(text.as_bytes(), &[exchange("eth0", OLD, NEW)]);
            assert_eq!(String::from_utf8(new).unwrap(), expected);
        }
        let swap = [exchange("a", OLD, NEW), exchange("b", NEW, OLD)];
        assert_eq!(
            replace(format!("{OLD} {NEW}\n\u{ff}").as_bytes(), &swap),
            format!("{NEW} {OLD}\n\u{ff}").as_bytes()
        );
    }

    #[test]
    fn only_what_is_certain_is_exchanged() {
        let two = [recorded("enp1s0", OLD), recorded("enp2s0", "52:54:00:aa:bb:09")];
        let same = exchanges(&two[..1], &[card("eth0", OLD)]);
        assert_eq!(same, (vec![], vec![]));
        let one = exchanges(&two[..1], &[card("eth0", NEW)]);
        assert_eq!(one, (vec![exchange("enp1s0", OLD, NEW)], vec![]));
        let kept = exchanges(&two, &[card("eth0", "52:54:00:aa:bb:09"), card("eth1", NEW)]);
        assert_eq!(kept.0, [exchange("enp1s0", OLD, NEW)]);
        let (both, notes) = exchanges(&two, &[card("eth0", NEW), card("eth1", "52:54:00:cc:dd:03")]);
        assert_eq!((both.len(), notes.len()), (2, 1));
        let (none, notes) = exchanges(&two, &[card("eth0", NEW)]);
        assert!(none.is_empty() && notes[0].contains("by hand"), "{notes:?}");
        let (none, notes) = exchanges(&two, &[]);
        assert!(none.is_empty() && notes[0].contains("missing here: enp1s0"), "{notes:?}");
    }

    #[test]
    fn names_are_kept_by_link_files() {
        let text = link_file(&exchange("enp1s0", OLD, NEW));
        assert!(
            text.contains("[Match]\nMACAddress=52:54:00:cc:dd:02\nType=ether\n") && text.ends_with("Name=enp1s0\n")
        );
        assert!(needs_link("enp1s0") && needs_link("lan") && !needs_link("eth0") && !needs_link("../x"));
    }
}
