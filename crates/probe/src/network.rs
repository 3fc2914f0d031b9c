//! How the machine is reached: /sys/class/net, `ip -json`, resolv.conf(5).

use crate::context::Context;
use crate::report::Findings;
use crate::sysroot::{attribute, names};
use lifeboat_machine::network::{Interface, Network};
use lifeboat_sys::{Invocation, program};
use serde::Deserialize;
use std::path::Path;

/// ARPHRD_LOOPBACK (linux/if_arp.h)
const LOOPBACK: &str = "772";

/// Reads interfaces and name servers. Below a sysroot only the name servers are the machine's own.
pub(crate) fn network(context: &Context<'_>, findings: &mut Findings) -> Network {
    let mut network = context.sysroot.text("/etc/resolv.conf").map(|text| parse_resolv(&text)).unwrap_or_default();
    if !context.sysroot.is_running_system() {
        return network;
    }
    // systemd-resolved's stub tells nothing; what it asks is in a file beside it (systemd-resolved.service(8)).
    if network.name_servers.iter().all(|server| server == "127.0.0.53")
        && let Some(text) = context.sysroot.text("/run/systemd/resolve/resolv.conf")
    {
        network = parse_resolv(&text);
    }
    let mut ask = |arguments: &[&str]| {
        let output = context.runner.run(&Invocation::new(program::IP).args(arguments));
        output.map(|output| output.stdout).unwrap_or_else(|error| {
            findings.warn(format!("the network's addresses are not recorded: {error}"));
            vec![]
        })
    };
    let addresses = parse_addresses(&ask(&["-json", "address"]));
    let mut routes = parse_routes(&ask(&["-json", "route", "show", "default"]));
    routes.extend(parse_routes(&ask(&["-json", "-6", "route", "show", "default"])));
    let directory = context.host("/sys/class/net");
    for name in names(&directory).iter().filter_map(|name| name.to_str()) {
        let place = directory.join(name);
        if attribute(place.join("type")).as_deref() == Some(LOOPBACK) {
            continue;
        }
        let interface = Interface {
            mac: attribute(place.join("address")).filter(|mac| mac.chars().any(|c| !matches!(c, '0' | ':'))),
            addresses: addresses.iter().filter(|(on, _)| on == name).map(|(_, address)| address.clone()).collect(),
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

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
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
}

/// Interface and address with prefix length of each global address.
fn parse_addresses(json: &[u8]) -> Vec<(String, String)> {
    let links: Vec<Link> = serde_json::from_slice(json).unwrap_or_default();
    links
        .into_iter()
        .flat_map(|link| {
            let global =
                link.addr_info.into_iter().filter(|a| a.scope == "global" && !a.temporary && !a.local.is_empty());
            let name = link.ifname;
            global.map(move |address| (name.clone(), format!("{}/{}", address.local, address.prefixlen)))
        })
        .collect()
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
        let addresses = parse_addresses(include_bytes!("../fixtures/ip-address.json"));
        let pairs: Vec<_> = addresses.iter().map(|(on, address)| (on.as_str(), address.as_str())).collect();
        assert_eq!(pairs, [("eth0", "192.0.2.2/24"), ("eth0", "fd00::2/64")]);
        let routes = parse_routes(include_bytes!("../fixtures/ip-route.json"));
        assert_eq!(routes, [("eth0".to_owned(), "192.0.2.1".to_owned())]);
        assert!(parse_addresses(b"").is_empty());
        assert!(parse_routes(b"[{}]").is_empty());
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
