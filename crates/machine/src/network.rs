//! How a machine is reached.

use serde::{Deserialize, Serialize};

/// Interfaces and name servers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Interfaces, without the loopback.
    pub interfaces: Vec<Interface>,
    /// Name servers of resolv.conf.
    pub name_servers: Vec<String>,
    /// Search domains of resolv.conf.
    pub search: Vec<String>,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Kernel name, `enp1s0`.
    pub name: String,
    /// Hardware address, lower case with colons; `None` for those without one.
    pub mac: Option<String>,
    /// The address that the hardware has by itself, when it differs: in a bond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent_mac: Option<String>,
    /// Addresses with prefix length, `192.0.2.7/24`.
    pub addresses: Vec<String>,
    /// Those of [`Interface::addresses`] that a DHCP server or a router lent for a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leased: Vec<String>,
    /// Default gateways through it.
    pub gateways: Vec<String>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Kernel driver, for physical ones.
    pub driver: Option<String>,
    /// What a virtual one is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_of: Option<MadeOf>,
}

/// What a virtual interface is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MadeOf {
    /// A VLAN.
    Vlan {
        /// Its number, 0 to 4094.
        id: u16,
        /// Name of the interface below it.
        below: String,
    },
    /// A bond.
    Bond {
        /// Names of the interfaces in it.
        ports: Vec<String>,
        /// `mode` and other options of bonding.rst.
        options: Vec<(String, String)>,
    },
}

impl Interface {
    /// The addresses that it had for good.
    pub fn static_addresses(&self) -> impl Iterator<Item = &str> {
        self.addresses.iter().filter(|address| !self.leased.contains(address)).map(String::as_str)
    }

    /// The address by which its hardware is known again.
    pub fn hardware_address(&self) -> Option<&str> {
        self.permanent_mac.as_deref().or(self.mac.as_deref())
    }
}
