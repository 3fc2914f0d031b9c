//! Recoveries from servers: the machine backs itself up across the network, is lost, and comes back from a rescue-only medium.
//!
//! The servers are real and run on this host (`rclone serve`); the guests reach it as 10.0.2.2 through QEMU's user network, whose DHCP
//! server answers init. All are long: `make test-all`.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/server.rs"]
mod server;

use common::{HEALTHY, PLAIN, programs, scenario_in, tell};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::{Original, Scenario, Target};
use lifeboat_drill::vm::VmSpec;
use lifeboat_machine::Event;
use server::{Server, port};
use std::time::{Duration, Instant};

/// What QEMU's user network calls the host, and the address that it lends.
const HOST: &str = "10.0.2.2";

/// A card on QEMU's user network.
fn card(spec: &mut VmSpec) {
    let device = "virtio-net-pci,netdev=uplink,mac=52:54:00:0b:0a:07";
    spec.extra.extend(["-netdev", "user,id=uplink", "-device", device].map(str::to_owned));
}

/// Lets the original machine reach the host: its own system has no network configured.
const UPLINK: &str = "for link in /sys/class/net/e*; do ip link set $(basename $link) up; \
                      ip address add 10.0.2.15/24 dev $(basename $link); done; ip route add default via 10.0.2.2";

/// Backs up to `address` and makes a medium that takes its archive from there.
fn record(scenario: &Scenario, address: &str, environment: &str) -> Result<Original, DrillError> {
    let command = format!(
        "{UPLINK}; {environment} lifeboat backup --to '{address}' && {environment} lifeboat media iso --rescue-only \
         --source '{address}' --embed-key --out /run/medium/rescue.iso --mode nuke --append lifeboat.after=poweroff"
    );
    scenario.record_with(&programs(), &command, card)
}

fn target() -> Target {
    Target { adjust: Some(card), ..Target::default() }
}

fn lose_and_recover(what: &str, more: &[&str], address: impl Fn(u16) -> String, environment: &str) {
    tell(|| {
        let scenario = scenario_in("sources", PLAIN)?;
        let (folder, port) = (scenario.directory.join(format!("served-{what}")), port());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("bucket")).unwrap();
        let _server = Server::start(what, port, &folder, more);
        let original = record(&scenario, &address(port), environment)?;
        let recovered = scenario.recover(&original.medium, &target())?;
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

#[test]
#[ignore = "long: make test-all"]
fn sources_rest() {
    lose_and_recover("restic", &[], |port| format!("rest:http://{HOST}:{port}/db7"), "");
}

#[test]
#[ignore = "long: make test-all"]
fn sources_s3() {
    let keys = "AWS_ACCESS_KEY_ID=keyid AWS_SECRET_ACCESS_KEY=secretkey";
    let address = |port| format!("s3://bucket/db7?endpoint=http://{HOST}:{port}");
    lose_and_recover("s3", &["--auth-key", "keyid,secretkey"], address, keys);
}

/// The server is killed when files are being restored, and comes back when the recovery has said that it misses it.
#[test]
#[ignore = "long: make test-all"]
fn sources_server_lost_in_mid_restore() {
    tell(|| {
        let scenario = scenario_in("sources", PLAIN)?;
        let (folder, port) = (scenario.directory.join("served-lost"), port());
        let _ = std::fs::remove_dir_all(&folder);
        let server = Server::start("restic", port, &folder, &[]);
        let original = record(&scenario, &format!("rest:http://{HOST}:{port}/db7"), "")?;
        let console = scenario.directory.join("recovery/console.log");
        let _ = std::fs::remove_file(&console);
        let said = |text: &str| std::fs::read(&console).is_ok_and(|log| String::from_utf8_lossy(&log).contains(text));
        let wait = |text: &str| {
            let deadline = Instant::now() + Duration::from_secs(1800);
            while !said(text) {
                assert!(Instant::now() < deadline, "the recovery never said '{text}'");
                std::thread::sleep(Duration::from_millis(100));
            }
        };
        let recovered = std::thread::scope(|scope| {
            let keeper = scope.spawn(|| {
                wait("progress extract");
                drop(server);
                wait("no answer from");
                let server = Server::start("restic", port, &folder, &[]);
                wait("answers again");
                server
            });
            let recovered = scenario.recover(&original.medium, &target());
            let _server = keeper.join().unwrap();
            recovered
        })?;
        let warned = |text: &str| {
            recovered.events.iter().any(|(_, event)| matches!(event, Event::Warning { text: t } if t.contains(text)))
        };
        assert!(warned("no answer from 10.0.2.2") && warned("answers again"), "{:?}", recovered.events);
        scenario.compare(&original, &recovered)
    });
}
