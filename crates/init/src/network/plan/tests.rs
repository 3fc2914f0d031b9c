use super::*;

fn card(index: u32, name: &str, carrier: bool) -> Link {
    let mac = Some([0x52, 0x54, 0, 0, 0, index as u8]);
    let name = name.to_owned();
    Link {
        index,
        name,
        mac,
        permanent_mac: mac,
        mtu: 1500,
        up: true,
        carrier,
        kind: None,
        ethernet: true,
        controller: None,
    }
}

fn interface(name: &str, mac: &str, addresses: &[&str], gateways: &[&str]) -> Interface {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let mac = (!mac.is_empty()).then(|| mac.to_owned());
    Interface {
        name: name.into(),
        mac,
        addresses: list(addresses),
        gateways: list(gateways),
        mtu: 1500,
        ..Interface::default()
    }
}

fn text(plan: &Plan) -> Vec<String> {
    let how = |how: &How| match how {
        How::Dhcp => "dhcp".to_owned(),
        How::Auto6 => "auto6".to_owned(),
        How::Static { addresses, gateways } => format!(
            "{} via {}",
            addresses.iter().map(|(a, p)| format!("{a}/{p}")).collect::<Vec<_>>().join(","),
            gateways.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        ),
    };
    plan.configure.iter().map(|c| format!("{} {}{}", c.link, how(&c.how), if c.asked_for { "!" } else { "" })).collect()
}

fn planned(command_line: &str, recorded: Option<&Network>) -> Plan {
    let links = [card(2, "eth0", false), card(3, "eth1", true)];
    let parameters = NetworkParameters::parse(command_line);
    assert!(parameters.mistakes.is_empty(), "{:?}", parameters.mistakes);
    plan(&links, &parameters, recorded)
}

#[test]
fn parameters_then_the_machine_then_dhcp() {
    let machine = Network {
        interfaces: vec![
            interface("enp1s0", "52:54:00:00:00:03", &["192.0.2.7/24", "2001:db8::7/64"], &["192.0.2.1"]),
            interface("gone", "52:54:00:00:00:99", &["198.51.100.7/24"], &[]),
        ],
        name_servers: vec!["127.0.0.53".into(), "192.0.2.53".into()],
        search: vec!["example.org".into()],
    };
    for (command_line, recorded, expected) in [
        ("", None, &["eth0 dhcp", "eth1 dhcp"][..]),
        ("", Some(&machine), &["eth0 dhcp", "eth1 192.0.2.7/24,2001:db8::7/64 via 192.0.2.1"]),
        ("ip=dhcp", Some(&machine), &["eth0 dhcp", "eth1 dhcp"]),
        ("ip=enp1s0:dhcp", Some(&machine), &["eth1 dhcp!"]),
        ("ip=eth0:dhcp", Some(&machine), &["eth0 dhcp!"]),
        ("ip=dhcp ip=eth0:off", None, &["eth1 dhcp"]),
        ("BOOTIF=01-52-54-00-00-00-02", None, &["eth0 dhcp!"]),
        ("BOOTIF=01-52-54-00-00-00-03", Some(&machine), &["eth1 192.0.2.7/24,2001:db8::7/64 via 192.0.2.1!"]),
        ("BOOTIF=01-52-54-00-00-00-03 ip=dhcp", Some(&machine), &["eth1 dhcp!"]),
        ("ip=10.0.0.2::10.0.0.1:24", None, &["eth1 10.0.0.2/24 via 10.0.0.1!"]),
        (
            "ip=10.0.0.2::10.0.0.1:24::eth0:none ip=[fd00::2]::[fd00::1]:64::eth0:none",
            None,
            &["eth0 10.0.0.2/24,fd00::2/64 via 10.0.0.1,fd00::1!"],
        ),
        ("ip=eth1:auto6", None, &["eth1 auto6!"]),
        ("ip=off", Some(&machine), &[]),
    ] {
        assert_eq!(text(&planned(command_line, recorded)), expected, "{command_line}");
    }
    let plan = planned("", Some(&machine));
    assert_eq!(plan.name_servers, ["192.0.2.53".parse::<IpAddr>().unwrap()]);
    assert_eq!(plan.search, ["example.org"]);
    assert!(planned("ip=dhcp", Some(&machine)).name_servers.is_empty());
}

#[test]
fn what_is_not_there_is_named() {
    let plan = planned("ip=eth7:dhcp BOOTIF=01-52-54-00-00-00-77 vlan=vlan5:eth9 bond=bond0:eth8", None);
    assert_eq!(plan.configure, []);
    for part in ["no network card eth7", "BOOTIF=52:54:00:00:00:77", "vlan=vlan5", "bond=bond0"] {
        assert!(plan.warnings.iter().any(|warning| warning.contains(part)), "{part}: {:?}", plan.warnings);
    }
}

#[test]
fn vlans_and_bonds() {
    let plan = planned("bond=bond0:eth0,eth1:mode=active-backup vlan=vlan5:bond0 ip=vlan5:dhcp", None);
    assert_eq!(plan.make.len(), 2);
    assert!(matches!(&plan.make[0], Make::Bond { ports, .. } if ports == &["eth0", "eth1"]));
    assert!(matches!(&plan.make[1], Make::Vlan { below, id: 5, .. } if below == "bond0"));
    assert_eq!(text(&plan), ["vlan5 dhcp!"]);

    let mut bond = interface("bond0", "52:54:00:00:00:02", &[], &[]);
    bond.made_of = Some(MadeOf::Bond { ports: vec!["a".into(), "b".into()], options: vec![] });
    let mut vlan = interface("bond0.5", "52:54:00:00:00:02", &["192.0.2.7/24"], &["192.0.2.1"]);
    vlan.made_of = Some(MadeOf::Vlan { id: 5, below: "bond0".into() });
    let mut second = interface("b", "52:54:00:00:00:02", &[], &[]);
    second.permanent_mac = Some("52:54:00:00:00:03".into());
    let machine = Network {
        interfaces: vec![interface("a", "52:54:00:00:00:02", &[], &[]), second, bond, vlan],
        ..Network::default()
    };
    let plan = planned("", Some(&machine));
    assert!(matches!(&plan.make[0], Make::Bond { ports, .. } if ports == &["eth0", "eth1"]), "{plan:?}");
    assert_eq!(text(&plan), ["bond0.5 192.0.2.7/24 via 192.0.2.1"]);
}

#[test]
fn leases_are_not_kept_as_static() {
    let mut card = interface("enp1s0", "52:54:00:00:00:02", &["192.0.2.7/24"], &["192.0.2.1"]);
    card.leased.clone_from(&card.addresses);
    card.mtu = 9000;
    let machine = Network { interfaces: vec![card], ..Network::default() };
    let plan = planned("", Some(&machine));
    assert_eq!(text(&plan), ["eth0 dhcp", "eth1 dhcp"]);
    assert_eq!((plan.configure[0].mtu, plan.configure[1].mtu), (Some(9000), None));
}
