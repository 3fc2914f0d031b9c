//! How the machine is reached: /sys/class/net, `ip -json`, resolv.conf(5).

use crate::prober::Prober;
use crate::report::Findings;
use crate::sysroot::{attribute, names};
use lifeboat_machine::network::{Interface, MadeOf, Network};
use lifeboat_sys::{Invocation, program};
use serde::Deserialize;
use std::path::Path;

/// ARPHRD_LOOPBACK (linux/if_arp.h)
const LOOPBACK: &str = "772";

/// Reads interfaces and name servers. Below a sysroot only the name servers are the machine's own.
pub(crate) fn network(prober: &Prober<'_>, findings: &mut Findings) -> Network {
    let mut network = prober.sysroot.text("/etc/resolv.conf").map(|text| parse_resolv(&text)).unwrap_or_default();
    if !prober.sysroot.is_running_system() {
        return network;
    }
    // systemd-resolved's stub reports nothing; what it asks is in a file beside it (systemd-resolved.service(8)).
    if network.name_servers.iter().all(|server| server == "127.0.0.53")
        && let Some(text) = prober.sysroot.text("/run/systemd/resolve/resolv.conf")
    {
        network = parse_resolv(&text);
    }
    let mut ask = |arguments: &[&str]| {
        let output = prober.runner.run(&Invocation::new(program::IP).args(arguments));
        output.map(|output| output.stdout).unwrap_or_else(|error| {
            findings.warn(format!("the network's addresses are not recorded: {error}"));
            vec![]
        })
    };
    let links = parse_links(&ask(&["-json", "-details", "address"]));
    let mut routes = parse_routes(&ask(&["-json", "route", "show", "default"]));
    routes.extend(parse_routes(&ask(&["-json", "-6", "route", "show", "default"])));
    let directory = prober.host("/sys/class/net");
    for name in names(&directory).iter().filter_map(|name| name.to_str()) {
        let place = directory.join(name);
        if attribute(place.join("type")).as_deref() == Some(LOOPBACK) {
            continue;
        }
        let link = links.iter().find(|link| link.ifname == name);
        let interface = Interface {
            mac: attribute(place.join("address")).filter(|mac| mac.chars().any(|c| !matches!(c, '0' | ':'))),
            permanent_mac: link.and_then(|link| link.permaddr.clone()),
            addresses: link.map(|link| link.global(false)).unwrap_or_default(),
            leased: link.map(|link| link.global(true)).unwrap_or_default(),
            made_of: link.and_then(|link| made_of(link, &links)),
            gateways: routes.iter().filter(|(on, _)| on == name).map(|(_, gateway)| gateway.clone()).collect(),
            mtu: attribute(place.join("mtu")).and_then(|mtu| mtu.parse().ok()).unwrap_or(0),
            driver: driver(&place),
            name: name.to_owned(),
        };
        // Bridges and tunnels that carry no address are of no use to a rescue system.
        if interface.driver.is_some() || !interface.addresses.is_empty() {
            network.interfaces.push(interface);
        }
    }
    network
}

fn driver(place: &Path) -> Option<String> {
    let target = std::fs::read_link(place.join("device/driver")).ok()?;
    target.file_name()?.to_str().map(str::to_owned)
}

fn parse_resolv(text: &str) -> Network {
    let mut network = Network::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => network.name_servers.extend(words.next().map(str::to_owned)),
            // The last one wins (resolv.conf(5)).
            Some("search" | "domain") => network.search = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    network
}

#[derive(Debug, Deserialize)]
struct Link {
    #[serde(default)]
    ifname: String,
    /// The link below a VLAN.
    link: Option<String>,
    /// The bond or bridge that it is in.
    master: Option<String>,
    /// The hardware's own address, when the link has another one.
    permaddr: Option<String>,
    #[serde(default)]
    linkinfo: Info,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Debug, Default, Deserialize)]
struct Info {
    #[serde(default)]
    info_kind: String,
    #[serde(default)]
    info_data: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct Address {
    #[serde(default)]
    local: String,
    #[serde(default)]
    prefixlen: u32,
    #[serde(default)]
    scope: String,
    // A privacy address (RFC 8981) is gone tomorrow.
    #[serde(default)]
    temporary: bool,
    // Lent by a DHCP server or a router.
    #[serde(default)]
    dynamic: bool,
}

/// Each link with its addresses.
fn parse_links(json: &[u8]) -> Vec<Link> {
    serde_json::from_slice(json).unwrap_or_default()
}

impl Link {
    /// Its global addresses with prefix length; only the lent ones when `leased`.
    fn global(&self, leased: bool) -> Vec<String> {
        let wanted =
            |a: &&Address| a.scope == "global" && !a.temporary && !a.local.is_empty() && (a.dynamic || !leased);
        self.addr_info.iter().filter(wanted).map(|a| format!("{}/{}", a.local, a.prefixlen)).collect()
    }
}

/// Options of a bond that a rescue system can set again.
const BOND_OPTIONS: [&str; 6] = ["mode", "miimon", "updelay", "downdelay", "ad_lacp_rate", "xmit_hash_policy"];

fn made_of(link: &Link, all: &[Link]) -> Option<MadeOf> {
    let data = &link.linkinfo.info_data;
    match link.linkinfo.info_kind.as_str() {
        "vlan" => {
            let id = u16::try_from(data.get("id")?.as_u64()?).ok()?;
            Some(MadeOf::Vlan { id, below: link.link.clone()? })
        }
        "bond" => {
            let ports = all.iter().filter(|port| port.master.as_ref() == Some(&link.ifname));
            let option = |name: &&str| {
                let value = match data.get(*name)? {
                    serde_json::Value::String(text) => text.clone(),
                    serde_json::Value::Number(number) => number.to_string(),
                    _ => return None,
                };
                // bonding.rst names it without the prefix that iproute2 gives it.
                Some((name.trim_start_matches("ad_").to_owned(), value))
            };
            let options = BOND_OPTIONS.iter().filter_map(option).collect();
            Some(MadeOf::Bond { ports: ports.map(|port| port.ifname.clone()).collect(), options })
        }
        _ => None,
    }
}

#[derive(Deserialize)]
struct Route {
    #[serde(default)]
    dst: String,
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    dev: String,
}

/// Interface and gateway of each default route.
fn parse_routes(json: &[u8]) -> Vec<(String, String)> {
    let routes: Vec<Route> = serde_json::from_slice(json).unwrap_or_default();
    let default = routes.into_iter().filter(|route| route.dst == "default" && !route.gateway.is_empty());
    default.map(|route| (route.dev, route.gateway)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_routes() {
        let links = parse_links(include_bytes!("../fixtures/ip-address.json"));
        let all: Vec<_> = links.iter().flat_map(|link| link.global(false)).collect();
        assert_eq!(all, ["192.0.2.2/24", "fd00::2/64"]);
        let routes = parse_routes(include_bytes!("../fixtures/ip-route.json"));
        assert_eq!(routes, [("eth0".to_owned(), "192.0.2.1".to_owned())]);
        assert!(parse_links(b"").is_empty());
        assert!(parse_routes(b"[{}]").is_empty());
    }

    #[test]
    fn vlans_bonds_and_leases() {
        let links = parse_links(include_bytes!("../fixtures/ip-address-details.json"));
        let made: Vec<_> = links.iter().filter_map(|link| made_of(link, &links)).collect();
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let MadeOf::Bond { ports, options } = &made[0] else { panic!("{made:?}") };
        assert_eq!(ports, &["eth1", "eth2"]);
        assert_eq!(options[..2], [option("mode", "active-backup"), option("miimon", "100")]);
        assert_eq!(made[1], MadeOf::Vlan { id: 5, below: "bond0".into() });
        let eth1 = links.iter().find(|link| link.ifname == "eth1").unwrap();
        assert_eq!(eth1.permaddr, None);
        let vlan = links.iter().find(|link| link.ifname == "vlan5").unwrap();
        assert_eq!(
            (vlan.global(false), vlan.global(true)),
            (vec!["192.0.2.7/24".into(), "198.51.100.9/24".into()], vec!["198.51.100.9/24".into()])
        );
    }

    #[test]
    fn resolvers() {
        let network = parse_resolv(
            "# x\nnameserver 192.0.2.53\nnameserver fd00::53\nsearch a.example b.example\noptions edns0\n",
        );
        assert_eq!(network.name_servers, ["192.0.2.53", "fd00::53"]);
        assert_eq!(network.search, ["a.example", "b.example"]);
    }
}
