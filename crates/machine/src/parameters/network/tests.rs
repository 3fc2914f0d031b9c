use super::*;

fn one(text: &str) -> IpParameter {
    let parameters = NetworkParameters::parse(text);
    assert!(parameters.mistakes.is_empty(), "{text}: {:?}", parameters.mistakes);
    parameters.ip.into_iter().next().unwrap()
}

fn v4(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn methods_alone() {
    for (text, method) in [
        ("ip=dhcp", Method::Dhcp),
        ("ip=on", Method::Dhcp),
        ("ip=any", Method::Dhcp),
        ("ip=off", Method::Off),
        ("ip=none", Method::Off),
        ("ip=auto6", Method::Auto6),
        ("ip=:::::eth0:dhcp", Method::Dhcp),
        ("ip=::::::dhcp", Method::Dhcp),
    ] {
        assert_eq!(one(text).method, method, "{text}");
    }
    assert!(NetworkParameters::parse("ip=off").off());
    assert!(!NetworkParameters::parse("quiet").off());
    assert!(!NetworkParameters::parse("ip=off").asks_for_network());
    assert!(NetworkParameters::parse("ip=off ip=eth1:dhcp").asks_for_network());
}

#[test]
fn the_kernels_long_form() {
    let ip = one("ip=192.0.2.7:192.0.2.9:192.0.2.1:255.255.255.0:db7:eth0:off:192.0.2.53:192.0.2.54:192.0.2.99");
    assert_eq!(ip.method, Method::Static);
    assert_eq!(ip.address, Some(("192.0.2.7".parse().unwrap(), 24)));
    assert_eq!((ip.gateway, ip.device.as_deref()), (v4("192.0.2.1"), Some("eth0")));
    assert_eq!(ip.name_servers, [v4("192.0.2.53").unwrap(), v4("192.0.2.54").unwrap()]);
    // nfsroot.rst: without a netmask, that of the class; without a device, any.
    let ip = one("ip=10.1.2.3");
    assert_eq!((ip.method, ip.address), (Method::Static, Some(("10.1.2.3".parse().unwrap(), 8))));
}

#[test]
fn netmasks() {
    for (mask, prefix) in
        [("255.255.255.0", 24), ("24", 24), ("255.255.255.255", 32), ("0.0.0.0", 0), ("255.255.254.0", 23), ("", 8)]
    {
        let ip = one(&format!("ip=10.0.0.2::10.0.0.1:{mask}::eth0:none"));
        assert_eq!(ip.address.unwrap().1, prefix, "{mask}");
    }
    for mask in ["255.0.255.0", "33", "x", "[fe80::1]"] {
        let parameters = NetworkParameters::parse(&format!("ip=10.0.0.2::10.0.0.1:{mask}::eth0:none"));
        assert_eq!(parameters.mistakes.len(), 1, "{mask}");
    }
}

#[test]
fn dracuts_forms() {
    let ip = one("ip=enp1s0:dhcp:9000:52:54:00:aa:bb:cc");
    assert_eq!((ip.device.as_deref(), ip.method, ip.mtu), (Some("enp1s0"), Method::Dhcp, Some(9000)));
    assert_eq!(ip.mac, Mac::parse("52:54:00:aa:bb:cc"));
    let ip = one("ip=[2001:db8::7]::[2001:db8::1]:64:db7:eth0:none:[2001:db8::53]");
    assert_eq!(ip.address, Some(("2001:db8::7".parse().unwrap(), 64)));
    assert_eq!(ip.gateway, v4("2001:db8::1"));
    assert_eq!(ip.name_servers, [v4("2001:db8::53").unwrap()]);
    let ip = one("ip=192.0.2.7::192.0.2.1:24::eth0:none:1400");
    assert_eq!((ip.mtu, ip.name_servers.len()), (Some(1400), 0));
}

#[test]
fn the_rest() {
    let parameters = NetworkParameters::parse(
        "BOOTIF=01-52-54-00-12-34-56 nameserver=192.0.2.53 nameserver=[fd00::53] vlan=vlan0005:eth0 vlan=eth1.77:eth1 \
         bond=bond0:eth0,eth1:mode=active-backup,miimon=100:9000 ip=bond0:dhcp ip=eth2:off",
    );
    assert_eq!(parameters.mistakes, [""; 0]);
    assert_eq!(parameters.boot_interface.unwrap().to_string(), "52:54:00:12:34:56");
    assert_eq!(parameters.name_servers.len(), 2);
    let ids: Vec<_> = parameters.vlans.iter().map(|vlan| (vlan.name.as_str(), vlan.id)).collect();
    assert_eq!(ids, [("vlan0005", 5), ("eth1.77", 77)]);
    assert_eq!(parameters.bonds[0].devices, ["eth0", "eth1"]);
    assert_eq!(parameters.bonds[0].options[0], ("mode".into(), "active-backup".into()));
    assert_eq!(parameters.bonds[0].mtu, Some(9000));
    assert_eq!(parameters.ip.len(), 2);
    assert_eq!(NetworkParameters::parse("BOOTIF=52:54:00:12:34:56").boot_interface, Mac::parse("52-54-00-12-34-56"));
}

#[test]
fn mistakes_are_named() {
    for (text, part) in [
        ("ip=dhpc", "'dhpc' is not a method"),
        ("ip=192.0.2.300::::::", "'192.0.2.300' is not an IP"),
        ("ip=eth0:dhcp6", "'dhcp6' is not a method"),
        ("ip=eth0:dhcp:1", "impossible"),
        ("ip=192.0.2.7::gw:24::eth0:none", "'gw' is not an IP"),
        ("ip=an-endless-name-of-a-link:dhcp", "is not a valid interface name"),
        ("BOOTIF=01-52-54", "hardware address"),
        ("nameserver=ns1", "not an IP address"),
        ("vlan=vlan:eth0", "a VLAN number"),
        ("vlan=vlan4095:eth0", "a VLAN number"),
        ("vlan=vlan5", "NAME:DEVICE"),
        ("bond=bond0:eth0:fast", "is not an option"),
    ] {
        let parameters = NetworkParameters::parse(text);
        assert!(parameters.mistakes.iter().any(|m| m.contains(part)), "{text}: {:?}", parameters.mistakes);
    }
}

#[test]
fn any_command_line_is_read() {
    use proptest::prelude::*;
    proptest!(|(text in ".{0,200}")| { NetworkParameters::parse(&text); });
    proptest!(|(text in "(ip|vlan|bond|BOOTIF|nameserver)=[0-9a-z:.\\[\\],=é-]{0,60}")| { NetworkParameters::parse(&text); });
}
