use super::*;
use std::time::Duration;

/// Runs a test in a network namespace of its own: only this thread enters it.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        // SAFETY: the thread is ours and shares no descriptors that would change their meaning; it ends with the test.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }.unwrap();
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) -> String {
    let output = std::process::Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn root_addresses_and_routes() {
    in_namespace(|| {
        ip("link add eth0 address 52:54:00:00:00:07 type veth peer name far");
        let mut netlink = Netlink::open().unwrap();
        let mut events = LinkEvents::open().unwrap();
        let find = |netlink: &mut Netlink, name: &str| {
            netlink.links().unwrap().into_iter().find(|link| link.name == name).unwrap()
        };
        let link = find(&mut netlink, "eth0");
        assert_eq!((link.mac, link.carrier, link.up), (Some([0x52, 0x54, 0, 0, 0, 7]), false, false));
        assert_eq!((link.kind.as_deref(), link.ethernet), (Some("veth"), true));
        netlink.set_up(link.index, true).unwrap();
        assert!(events.wait(Instant::now() + Duration::from_secs(10)).unwrap());
        assert!(!find(&mut netlink, "eth0").carrier);
        // The cable is plugged in.
        let far = find(&mut netlink, "far");
        netlink.set_up(far.index, true).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !find(&mut netlink, "eth0").carrier {
            assert!(events.wait(deadline).unwrap());
        }
        netlink.set_mtu(link.index, 1400).unwrap();
        assert_eq!(find(&mut netlink, "eth0").mtu, 1400);
        netlink.set_address(link.index, "192.0.2.7".parse().unwrap(), 24, Some(600)).unwrap();
        netlink.set_address(link.index, "192.0.2.7".parse().unwrap(), 24, Some(900)).unwrap();
        netlink.set_address(link.index, "2001:db8::7".parse().unwrap(), 64, None).unwrap();
        let shown = ip("address show dev eth0");
        assert!(
            shown.contains("inet 192.0.2.7/24 brd 192.0.2.255") && shown.contains("inet6 2001:db8::7/64"),
            "{shown}"
        );
        assert!(shown.contains("valid_lft 900sec") || shown.contains("valid_lft 899sec"), "{shown}");
        let found = netlink.addresses().unwrap();
        assert!(found.iter().any(|a| a.link == link.index && a.prefix == 24 && a.address.is_ipv4()), "{found:?}");
        let any4 = ("0.0.0.0".parse().unwrap(), 0);
        netlink.add_route(link.index, any4, Some("192.0.2.1".parse().unwrap()), 100).unwrap();
        netlink.add_route(link.index, any4, Some("192.0.2.1".parse().unwrap()), 100).unwrap();
        // A gateway outside of every network of the link.
        netlink
            .add_route(link.index, ("198.51.100.0".parse().unwrap(), 24), Some("203.0.113.1".parse().unwrap()), 7)
            .unwrap();
        netlink.add_route(link.index, ("203.0.113.0".parse().unwrap(), 25), None, 7).unwrap();
        netlink.add_route(link.index, ("::".parse().unwrap(), 0), Some("2001:db8::1".parse().unwrap()), 100).unwrap();
        let routes = ip("route show");
        assert!(
            routes.contains("default via 192.0.2.1") && routes.contains("198.51.100.0/24 via 203.0.113.1"),
            "{routes}"
        );
        assert!(routes.contains("203.0.113.0/25"), "{routes}");
        assert!(ip("-6 route show default").contains("via 2001:db8::1"));
        netlink.remove_address(link.index, "192.0.2.7".parse().unwrap(), 24).unwrap();
        assert!(!ip("address show dev eth0").contains("192.0.2.7"));
        let error = netlink.set_mtu(9999, 1500).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::NODEV.raw_os_error()));
    });
}

#[test]
fn bond_options_by_name() {
    for (name, value, known) in [
        ("mode", "active-backup", true),
        ("mode", "4", true),
        ("miimon", "100", true),
        ("miimon", "often", false),
        ("xmit_hash_policy", "layer3+4", true),
        ("lacp_rate", "fast", true),
        ("colour", "red", false),
    ] {
        assert_eq!(bond_option(name, value).is_some(), known, "{name}={value}");
    }
}
