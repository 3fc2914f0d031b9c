use super::*;
use lifeboat_sys::child::Setup;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};

/// A network namespace for one test: only its thread and the threads that this one starts are in it.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        // The deprecated safe form: this crate has no unsafe code, and NEWNET concerns no descriptors.
        #[allow(deprecated)]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).unwrap();
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) -> String {
    // In the registry, because its collector takes every child of this process.
    let mut command = Command::new("ip");
    command.args(arguments.split(' ')).stdout(Stdio::piped());
    let mut running = crate::children::tests::children().spawn(command, Setup::default()).unwrap();
    let mut text = String::new();
    running.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    let status = running.wait(None).unwrap();
    assert!(status.success(), "ip {arguments}");
    text
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real DHCP server on the far end of the cable `far`, whose leases last two minutes.
fn dnsmasq(folder: &Path, more: &[&str]) -> Server {
    let child = Command::new("dnsmasq")
        .args(["--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--user=root", "--group=root"])
        .args(["--bind-interfaces", "--interface=far", "--leasefile-ro", "--no-ping"])
        .args(["--dhcp-range=192.0.2.50,192.0.2.60,255.255.255.0,120"])
        .args(["--dhcp-option=3,192.0.2.254", "--dhcp-option=6,192.0.2.53", "--dhcp-option=15,example.org"])
        .args(more)
        .arg(format!("--pid-file={}", folder.join("pid").display()))
        .stdin(Stdio::null())
        .spawn()
        .expect("these tests need the program dnsmasq (package dnsmasq-base)");
    // It writes the file when it listens.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !folder.join("pid").exists() {
        assert!(Instant::now() < deadline, "dnsmasq does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    Server(child)
}

fn try_on(configure: &str, folder: &Path) -> (Result<(), Vec<String>>, String) {
    let console = folder.join("console");
    std::fs::File::create(&console).unwrap();
    let reporter = Arc::new(Reporter::default());
    reporter.add_console("x", &console).unwrap();
    let resolv_conf = folder.join("resolv.conf");
    let started = resolv_conf.with_file_name("network-started");
    let place = Place { resolv_conf: &resolv_conf, host_name: "rescue-db7".into(), started: &started };
    let mut netlink = Netlink::open().unwrap();
    let links = netlink.links().unwrap();
    // A veth pair stands in for a card and its cable.
    let cards: Vec<Link> =
        links.into_iter().filter(|link| link.name.starts_with("eth")).map(|link| Link { kind: None, ..link }).collect();
    let plan = plan::plan(&cards, &NetworkParameters::parse(configure), None);
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let result = start(&plan, &mut netlink, &place, &reporter);
    reporter.flush(Duration::from_secs(5));
    (result, std::fs::read_to_string(&console).unwrap())
}

#[test]
fn root_a_lease_from_a_real_server_on_the_card_with_a_cable() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        // eth0 has no cable: its far end is down.
        ip("link add eth0 type veth peer name nowhere");
        ip("link add eth1 address 52:54:00:00:00:07 type veth peer name far");
        ip("link set far up");
        ip("address add 192.0.2.1/24 dev far");
        let _server = dnsmasq(
            folder.path(),
            &["--dhcp-option=26,1400", "--dhcp-option=121,10.0.0.0/8,192.0.2.9,0.0.0.0/0,192.0.2.254"],
        );
        let (result, lines) = try_on("ip=dhcp", folder.path());
        assert_eq!(result, Ok(()), "{lines}");
        assert!(lines.contains("network: eth1 (MAC 52:54:00:00:00:07) has 192.0.2.5"), "{lines}");
        let shown = ip("address show dev eth1");
        assert!(shown.contains("inet 192.0.2.5") && shown.contains("/24 brd") && shown.contains("mtu 1400"), "{shown}");
        assert!(shown.contains("valid_lft 120sec") || shown.contains("valid_lft 11"), "{shown}");
        let routes = ip("route show");
        assert!(routes.contains("default via 192.0.2.254") && routes.contains("10.0.0.0/8 via 192.0.2.9"), "{routes}");
        let resolv = std::fs::read_to_string(folder.path().join("resolv.conf")).unwrap();
        assert!(resolv.contains("search example.org\nnameserver 192.0.2.53\n"), "{resolv}");
    });
}

#[test]
fn root_no_cable_is_a_message() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        ip("link add eth0 address 52:54:00:00:00:08 type veth peer name nowhere");
        let (result, lines) = try_on("ip=dhcp", folder.path());
        assert_eq!(result, Err(vec!["no cable in eth0 (MAC 52:54:00:00:00:08)".to_owned()]), "{lines}");
        assert!(lines.contains("warning: no cable in eth0 (MAC 52:54:00:00:00:08)"), "{lines}");
    });
}

#[test]
fn root_no_answer_is_a_message_and_a_server_that_comes_later_is_heard() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        ip("link add eth0 address 52:54:00:00:00:09 type veth peer name far");
        ip("link set far up");
        ip("address add 192.0.2.1/24 dev far");
        let (result, lines) = try_on("ip=eth0:dhcp", folder.path());
        let expected = "no DHCP answer on eth0 (MAC 52:54:00:00:00:09) within 30 s";
        assert_eq!(result, Err(vec![expected.to_owned()]), "{lines}");
        let _server = dnsmasq(folder.path(), &[]);
        let deadline = Instant::now() + Duration::from_secs(40);
        while !ip("address show dev eth0").contains("192.0.2.5") {
            assert!(Instant::now() < deadline, "no lease from the late server");
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}

#[test]
fn root_static_addresses() {
    in_namespace(|| {
        let folder = tempfile::tempdir().unwrap();
        ip("link add eth0 type veth peer name far");
        ip("link set far up");
        let line = "ip=192.0.2.7::192.0.2.1:24::eth0:none:192.0.2.53 ip=[fd00::7]::[fd00::1]:64::eth0:none";
        let (result, lines) = try_on(line, folder.path());
        assert_eq!(result, Ok(()), "{lines}");
        let shown = ip("address show dev eth0");
        assert!(shown.contains("192.0.2.7/24") && shown.contains("fd00::7/64"), "{shown}");
        assert!(ip("route show default").contains("via 192.0.2.1"));
        assert!(ip("-6 route show default").contains("via fd00::1"));
        let resolv = std::fs::read_to_string(folder.path().join("resolv.conf")).unwrap();
        assert!(resolv.contains("nameserver 192.0.2.53"), "{resolv}");
    });
}

#[test]
fn when_a_network_is_needed() {
    for (line, needed) in [
        ("quiet lifeboat.source=disc", false),
        ("lifeboat.source=nfs://host/path", true),
        ("lifeboat.source=s3://bucket/x ip=off", false),
        ("lifeboat.ssh", true),
        ("ip=dhcp", true),
        ("BOOTIF=01-52-54-00-00-00-07", true),
        ("nameserver=192.0.2.53", false),
    ] {
        assert_eq!(is_needed(&Parameters::parse(line), &NetworkParameters::parse(line)), needed, "{line}");
    }
}
