//! The kernel parameters about the network: the kernel's own `ip=` (Documentation/admin-guide/nfs/nfsroot.rst), and what
//! dracut.cmdline(7) made common beside it.
//!
//! | parameter | meaning |
//! | --- | --- |
//! | `ip=METHOD` | `dhcp` (`on`, `any`, `both`) on every link, `auto6` for IPv6 by router advertisements, `off` (`none`) |
//! | `ip=DEVICE:METHOD[:MTU[:MAC]]` | the same for one link |
//! | `ip=ADDRESS:SERVER:GATEWAY:NETMASK:HOST:DEVICE:METHOD[:DNS[:DNS[:NTP]]]` | static; IPv6 in brackets |
//! | `BOOTIF=01-MAC` | the link that the firmware booted from; PXELINUX and iPXE append it |
//! | `nameserver=ADDRESS` | a name server; may be repeated |
//! | `vlan=NAME:DEVICE` | a VLAN; its number is at the end of its name, as in `vlan5`, `vlan0005`, `eth0.5` |
//! | `bond=NAME:DEVICE,DEVICE[:OPTION=VALUE,…[:MTU]]` | a bond |

use super::split;
use std::fmt;
use std::net::IpAddr;

/// A hardware address of six bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Reads `52:54:00:12:34:56`, or the same with dashes.
    pub fn parse(text: &str) -> Option<Mac> {
        let separator = if text.contains(':') { ':' } else { '-' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        parts.next().is_none().then_some(Mac(bytes))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How a link gets its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Not at all: `ip=off`.
    Off,
    /// DHCPv4.
    Dhcp,
    /// Router advertisements.
    Auto6,
    /// The address of the parameter.
    Static,
}

/// One `ip=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpParameter {
    /// The link's name; any when `None`.
    pub device: Option<String>,
    /// How.
    pub method: Method,
    /// Address and prefix length, for [`Method::Static`].
    pub address: Option<(IpAddr, u8)>,
    /// Default gateway.
    pub gateway: Option<IpAddr>,
    /// Name servers.
    pub name_servers: Vec<IpAddr>,
    /// MTU in bytes.
    pub mtu: Option<u32>,
    /// Another hardware address for the link.
    pub mac: Option<Mac>,
}

/// One `vlan=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanParameter {
    /// Its name.
    pub name: String,
    /// The link below it.
    pub device: String,
    /// Its number, 0 to 4094.
    pub id: u16,
}

/// One `bond=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BondParameter {
    /// Its name.
    pub name: String,
    /// The links in it.
    pub devices: Vec<String>,
    /// Options of the bonding driver, e.g. `mode` and `active-backup`.
    pub options: Vec<(String, String)>,
    /// MTU in bytes.
    pub mtu: Option<u32>,
}

/// All parameters about the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkParameters {
    /// `ip=`, in order.
    pub ip: Vec<IpParameter>,
    /// `BOOTIF=`.
    pub boot_interface: Option<Mac>,
    /// `nameserver=`, in order.
    pub name_servers: Vec<IpAddr>,
    /// `vlan=`.
    pub vlans: Vec<VlanParameter>,
    /// `bond=`.
    pub bonds: Vec<BondParameter>,
    /// One message for each that is wrong.
    pub mistakes: Vec<String>,
}

impl NetworkParameters {
    /// Reads a kernel command line. Never fails: what is wrong is listed.
    pub fn parse(command_line: &str) -> NetworkParameters {
        let mut parameters = NetworkParameters::default();
        for word in split(command_line) {
            let Some((name, value)) = word.split_once('=') else { continue };
            let result = match name {
                "ip" => ip(value).map(|ip| parameters.ip.push(ip)),
                "BOOTIF" => boot_interface(value).map(|mac| parameters.boot_interface = Some(mac)),
                "nameserver" => address(value).map(|server| parameters.name_servers.push(server)),
                "vlan" => vlan(value).map(|vlan| parameters.vlans.push(vlan)),
                "bond" => bond(value).map(|bond| parameters.bonds.push(bond)),
                _ => Ok(()),
            };
            if let Err(reason) = result {
                parameters.mistakes.push(format!("{word}: {reason}"));
            }
        }
        parameters
    }

    /// Something asks for a network; `ip=off` alone does not.
    pub fn asks_for_network(&self) -> bool {
        self.boot_interface.is_some() || self.ip.iter().any(|ip| ip.method != Method::Off)
    }

    /// `ip=off`: no network at all.
    pub fn off(&self) -> bool {
        !self.ip.is_empty() && self.ip.iter().all(|ip| ip.method == Method::Off)
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| format!("'{text}' is not an IP address"))
}

/// PXELINUX puts the hardware type before the address: `01-52-54-00-12-34-56`; iPXE may leave it out.
fn boot_interface(value: &str) -> Result<Mac, String> {
    let bare = if value.len() == 20 { value.get(3..) } else { Some(value) };
    bare.and_then(Mac::parse).ok_or_else(|| "expected 01- and the six bytes of a hardware address".into())
}

/// Splits at colons outside brackets.
fn fields(value: &str) -> Vec<&str> {
    let (mut fields, mut start, mut depth) = (vec![], 0, 0_i32);
    for (index, c) in value.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ':' if depth <= 0 => {
                fields.push(&value[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    fields.push(&value[start..]);
    fields
}

fn method(text: &str) -> Result<Method, String> {
    match text {
        "dhcp" | "on" | "any" | "both" | "dhcp4" => Ok(Method::Dhcp),
        "off" | "none" => Ok(Method::Off),
        // Router advertisements report addresses without a DHCPv6 server; the kernel takes them by itself.
        "auto6" | "link6" => Ok(Method::Auto6),
        "either6" => Ok(Method::Auto6),
        _ => Err(format!("'{text}' is not a method; the methods are dhcp, auto6, off, and static addresses")),
    }
}

fn empty(method: Method) -> IpParameter {
    IpParameter { device: None, method, address: None, gateway: None, name_servers: vec![], mtu: None, mac: None }
}

fn ip(value: &str) -> Result<IpParameter, String> {
    let parts = fields(value);
    let part = |index: usize| parts.get(index).copied().filter(|text| !text.is_empty());
    if parts.len() == 1 && address(value).is_err() {
        return method(value).map(empty);
    }
    // An address in front, or nothing: the kernel's long form. A name: dracut's short one.
    let long = parts[0].is_empty() || address(parts[0]).is_ok();
    if !long {
        let Some(how) = part(1).filter(|_| parts.len() <= 9) else {
            return Err(format!("'{}' is not an IP address", parts[0]));
        };
        let mut parameter = empty(method(how)?);
        parameter.device = Some(name(parts[0])?);
        tail(&mut parameter, &parts[2..])?;
        return Ok(parameter);
    }
    let given = part(0).map(address).transpose()?;
    let method = match part(6) {
        Some(text) => method(text)?,
        None if given.is_some() => Method::Static,
        None => Method::Dhcp,
    };
    let mut parameter = empty(method);
    parameter.device = part(5).map(name).transpose()?;
    parameter.gateway = part(2).map(address).transpose()?;
    // An address given with a method other than DHCP is static (`none`, `off`), as in the kernel.
    if let (Some(given), Method::Static | Method::Off) = (given, method) {
        parameter.method = Method::Static;
        parameter.address = Some((given, prefix(part(3), given)?));
    }
    if parts.len() > 7 {
        tail(&mut parameter, &parts[7..])?;
    }
    Ok(parameter)
}

fn name(text: &str) -> Result<String, String> {
    // IFNAMSIZ, and what dev_valid_name (net/core/dev.c) refuses.
    let valid = text.len() < 16 && text != "." && text != ".." && !text.contains(['/', ':', ' ', '[', ']', '\0']);
    if valid && !text.is_empty() { Ok(text.to_owned()) } else { Err(format!("'{text}' is not a valid interface name")) }
}

/// What follows the method: name servers and time servers (the kernel), or MTU and hardware address (dracut).
fn tail(parameter: &mut IpParameter, parts: &[&str]) -> Result<(), String> {
    let Some(first) = parts.first() else { return Ok(()) };
    if let Ok(mtu) = first.parse::<u32>() {
        parameter.mtu = Some(mtu).filter(|mtu| (68..=65_536).contains(mtu));
        if parameter.mtu.is_none() {
            return Err(format!("an MTU of {mtu} bytes is impossible"));
        }
    } else if !first.is_empty() {
        parameter.name_servers.push(address(first)?);
    }
    let rest = parts[1..].join(":");
    if let Some(mac) = Mac::parse(&rest) {
        parameter.mac = Some(mac);
    } else if let Some(second) = parts.get(1).filter(|text| !text.is_empty()) {
        parameter.name_servers.push(address(second)?);
    }
    Ok(())
}

/// Netmask (`255.255.255.0`) or prefix length; without one, that of the address's class, as in the kernel.
fn prefix(text: Option<&str>, of: IpAddr) -> Result<u8, String> {
    let widest = if of.is_ipv4() { 32 } else { 128 };
    let Some(text) = text else {
        return Ok(match of {
            IpAddr::V4(v4) => match v4.octets()[0] {
                0..128 => 8,
                128..192 => 16,
                _ => 24,
            },
            IpAddr::V6(_) => 64,
        });
    };
    let wrong = || format!("'{text}' is not a netmask");
    if let Ok(length) = text.parse::<u8>() {
        return if length <= widest { Ok(length) } else { Err(wrong()) };
    }
    match address(text) {
        Ok(IpAddr::V4(mask)) if of.is_ipv4() => {
            let bits = u32::from(mask);
            let length = bits.leading_ones();
            if bits.checked_shl(length).unwrap_or(0) == 0 { Ok(length as u8) } else { Err(wrong()) }
        }
        _ => Err(wrong()),
    }
}

fn vlan(value: &str) -> Result<VlanParameter, String> {
    let (vlan, device) = value.split_once(':').ok_or("expected NAME:DEVICE, as in vlan=vlan5:eth0")?;
    let digits: String = vlan.chars().rev().take_while(char::is_ascii_digit).collect();
    let id = digits.chars().rev().collect::<String>().parse().ok().filter(|id| *id < 4095);
    let id = id.ok_or_else(|| format!("'{vlan}' does not end in a VLAN number"))?;
    Ok(VlanParameter { name: name(vlan)?, device: name(device)?, id })
}

fn bond(value: &str) -> Result<BondParameter, String> {
    let parts = fields(value);
    let part = |index: usize| parts.get(index).copied().filter(|text| !text.is_empty());
    let list = part(1).unwrap_or("eth0,eth1");
    let devices = list.split([',', ' ']).filter(|text| !text.is_empty()).map(name).collect::<Result<_, _>>()?;
    let option = |text: &str| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("'{text}' is not an option; expected NAME=VALUE, as in mode=active-backup")),
    };
    let options = part(2).map(|text| text.split([',', ';']).map(option).collect()).transpose()?;
    let mtu = part(3).map(|text| text.parse().map_err(|_| format!("'{text}' is not an MTU"))).transpose()?;
    Ok(BondParameter { name: name(part(0).unwrap_or("bond0"))?, devices, options: options.unwrap_or_default(), mtu })
}

#[cfg(test)]
mod tests;
