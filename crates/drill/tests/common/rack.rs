//! A rack: a network of its own with a bridge, somebody else's DHCP server, and `lifeboat serve` beside it.
//!
//! The test starts itself again in a network namespace of its own, with all programs that it starts; the DHCP server has another one.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The server's address.
pub const SERVER: &str = "10.77.0.1";
/// The link of the server.
const BRIDGE: &str = "rack0";

/// The network; everything of it is gone when it is dropped.
pub struct Rack {
    namespace: String,
    programs: Vec<Child>,
    folder: PathBuf,
}

/// Set in the namespace.
const INSIDE: &str = "LIFEBOAT_TEST_RACK";

/// True inside a namespace of its own; otherwise the test of this name was run there, and has passed.
pub fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let mut again = Command::new("unshare");
    again.arg("--net").arg(std::env::current_exe().unwrap()).args(["--ignored", "--exact", test, "--nocapture"]);
    assert!(again.env(INSIDE, "1").status().unwrap().success(), "{test} failed");
    false
}

fn sh(line: &str) {
    let status = Command::new("sh").args(["-ec", line]).status().unwrap();
    assert!(status.success(), "{line}");
}

impl Rack {
    /// Makes it. `dhcp` are further options of dnsmasq(8), which lends addresses there.
    pub fn new(folder: &Path, dhcp: &[&str]) -> Rack {
        let namespace = format!("lifeboat-dhcp-{}", std::process::id());
        sh(&format!(
            "ip link set lo up; ip link add {BRIDGE} type bridge; ip address add {SERVER}/24 dev {BRIDGE}; ip link set {BRIDGE} up; \
             ip netns add {namespace}; ip link add other0 type veth peer name eth0 netns {namespace}; \
             ip link set other0 master {BRIDGE} up; ip -n {namespace} address add 10.77.0.2/24 dev eth0; ip -n {namespace} link set eth0 up"
        ));
        let mut rack = Rack { namespace, programs: vec![], folder: folder.to_owned() };
        let leases = folder.join("leases");
        let _ = std::fs::remove_file(&leases);
        let mut dnsmasq = Command::new("ip");
        dnsmasq.args([
            "netns",
            "exec",
            &rack.namespace,
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--port=0",
        ]);
        dnsmasq.args([
            "--interface=eth0",
            "--bind-interfaces",
            "--dhcp-range=10.77.0.100,10.77.0.200,1h",
            "--user=root",
            "--log-dhcp",
        ]);
        dnsmasq.args(["--dhcp-authoritative", "--log-facility", &folder.join("dnsmasq.log").display().to_string()]);
        dnsmasq.arg(format!("--dhcp-leasefile={}", leases.display())).args(dhcp);
        rack.programs
            .push(dnsmasq.stdin(Stdio::null()).spawn().unwrap_or_else(|error| panic!("dnsmasq is needed: {error}")));
        rack
    }

    /// Serves the boot tree below `folder` with this program, and returns when it is ready.
    pub fn serve(&mut self, lifeboat: &Path, folder: &Path, more: &[&str]) {
        let mut command = Command::new(lifeboat);
        let log = std::fs::File::create(self.folder.join("serve.log")).unwrap();
        command.arg("serve").arg(folder).args(["--netboot", BRIDGE, "--verbose", "--verbose"]).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let (sender, ready) = mpsc::channel();
        let output = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        self.programs.push(child);
        loop {
            let line = ready
                .recv_timeout(Duration::from_secs(60))
                .unwrap_or_else(|_| panic!("lifeboat serve did not start; see serve.log"));
            if line.starts_with("offering") {
                return;
            }
        }
    }

    /// What the server wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("serve.log")).unwrap_or_default()
    }

    /// A card of a machine on the network, as QEMU has it; `device` is its model with further properties.
    pub fn card(&self, number: u32, mac: &str, device: &str) -> Vec<String> {
        let tap = format!("rack-tap{number}");
        sh(&format!(
            "ip link delete {tap} 2>/dev/null || true; ip tuntap add {tap} mode tap; ip link set {tap} master {BRIDGE} up"
        ));
        let netdev = format!("tap,id=rack{number},ifname={tap},script=no,downscript=no");
        ["-netdev", &netdev, "-device", &format!("{device},netdev=rack{number},mac={mac}")].map(str::to_owned).to_vec()
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
        // dnsmasq is a child of ip(8), which has become it by exec.
        let _ = Command::new("ip").args(["netns", "delete", &self.namespace]).status();
    }
}
