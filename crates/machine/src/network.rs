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
    /// Addresses with prefix length, `192.0.2.7/24`.
    pub addresses: Vec<String>,
    /// Default gateways through it.
    pub gateways: Vec<String>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Kernel driver, for physical ones.
    pub driver: Option<String>,
}
