//! Recoveries from servers: the machine backs itself up across the network, is lost, and comes back from a rescue-only medium.
//!
//! The servers are real and run on this host (`rclone serve`); the guests reach it as 10.0.2.2 through QEMU's user network, whose DHCP
//! server answers init. All are long: `make test-all`.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/server.rs"]
mod server;

use common::{DEMO, HEALTHY, QUIET, RESCUE, lab, programs, scenario_in, tell};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::scenario::BOOT;
use lifeboat_drill::lab::{Original, Scenario, Target};
use lifeboat_drill::vm::{DirectKernel, Vm, VmDisk, VmSpec, image};
use lifeboat_machine::Event;
use lifeboat_sys::SystemRunner;
use server::{Server, port};
use std::process::Command;
use std::time::{Duration, Instant};

/// What QEMU's user network calls the host, and the address that it lends.
const HOST: &str = "10.0.2.2";

/// A card on QEMU's user network.
fn card() -> Vec<String> {
    let device = "virtio-net-pci,netdev=uplink,mac=52:54:00:0b:0a:07";
    ["-netdev", "user,id=uplink", "-device", device].map(str::to_owned).to_vec()
}

/// Lets the original machine reach the host: its own system has no network configured.
const UPLINK: &str = "for link in /sys/class/net/e*; do ip link set $(basename $link) up; \
                      ip address add 10.0.2.15/24 dev $(basename $link); done; ip route add default via 10.0.2.2";

/// Backs up to `address` and makes a medium that takes its archive from there.
fn record(scenario: &Scenario, address: &str, environment: &str) -> Result<Original, DrillError> {
    let command = format!(
        "{QUIET}; {UPLINK}; {environment} lifeboat backup --to '{address}' && {environment} lifeboat media iso --rescue-only \
         --source '{address}' --embed-key --out /run/medium/rescue.iso --mode nuke --append lifeboat.after=poweroff"
    );
    scenario.record_with(&programs(), &command, |spec| spec.extra.extend(card()))
}

fn target() -> Target {
    Target { extra: card(), ..Target::default() }
}

fn lose_and_recover(what: &str, more: &[&str], address: impl Fn(u16) -> String, environment: &str) {
    tell(|| {
        let scenario = scenario_in("sources", DEMO)?;
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

#[test]
#[ignore = "long: make test-all"]
fn sources_sftp() {
    tell(|| {
        let scenario = scenario_in("sources", DEMO)?;
        let (folder, port) = (scenario.directory.join("served-sftp"), port());
        let keys = tempfile::tempdir().unwrap();
        let key = |name: &str| keys.path().join(name);
        for name in ["host", "user"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(key(name)).status();
            assert!(made.unwrap().success());
        }
        let _ = std::fs::remove_dir_all(&folder);
        let text = |name: &str| std::fs::read_to_string(key(name)).unwrap();
        let options =
            ["--authorized-keys", &key("user.pub").display().to_string(), "--key", &key("host").display().to_string()];
        let _server = Server::start("sftp", port, &folder, &options);
        // The keys lie in memory: a machine's own are in its /root, but this one's disk is compared.
        let known = format!("[{HOST}]:{port} {}", text("host.pub"));
        let prepare = format!(
            "printf '%s' '{}' >/run/sftp-key; printf '%s' '{known}' >/run/sftp-hosts; chmod 600 /run/sftp-key; \
             export SFTP_IDENTITY_FILE=/run/sftp-key SFTP_KNOWN_HOSTS_FILE=/run/sftp-hosts;",
            text("user")
        );
        let address = format!("sftp://backup@{HOST}:{port}/db7");
        let original = record(&scenario, &address, &prepare)?;
        let recovered = scenario.recover(&original.medium, &target())?;
        scenario.compare(&original, &recovered)
    });
}

/// The rescue system is handed over as a network boot does it, and takes everything else (tools, key, archive) from the
/// image of its medium on a web server.
#[test]
#[ignore = "long: make test-all"]
fn sources_http_after_a_network_boot() {
    tell(|| {
        let scenario = scenario_in("sources", DEMO)?;
        let original = scenario.recorded(&programs(), &format!("{QUIET}; {RESCUE}"))?;
        let (folder, port) = (scenario.directory.join("served-http"), port());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("images")).unwrap();
        std::fs::hard_link(&original.medium, folder.join("images/db7.iso")).unwrap();
        let _server = Server::start("http", port, &folder, &[]);
        let from_medium = |name: &str| {
            let out = scenario.directory.join(format!("netboot-{name}"));
            let _ = std::fs::remove_file(&out);
            let inside = format!("/lifeboat/{name}");
            let call = Command::new("xorriso")
                .args(["-osirrox", "on", "-report_about", "FAILURE", "-indev"])
                .arg(&original.medium)
                .args(["-extract_single", &inside])
                .arg(&out)
                .status();
            assert!(call.unwrap().success());
            out
        };
        let netboot = DirectKernel {
            kernel: from_medium("kernel"),
            initrd: Some(from_medium("initrd.img")),
            command_line: format!(
                "quiet console=tty0 console=ttyS0,115200 lifeboat.mode=nuke lifeboat.after=poweroff \
                 BOOTIF=01-52-54-00-0b-0a-07 lifeboat.source=http://{HOST}:{port}/images"
            ),
        };
        let target = Target { netboot: Some(netboot), ..target() };
        let recovered = scenario.recover(&original.medium, &target)?;
        scenario.compare(&original, &recovered)
    });
}

/// The kernel's NFS server in a guest of its own. `forwarded` are the pairs of this host's and the server's ports, `configuration`
/// goes into its nfs.conf(5), and `address` names what the clients mount.
fn from_nfs(forwarded: &[(u16, u16)], configuration: &str, address: &str) {
    tell(|| {
        let scenario = scenario_in("sources", DEMO)?;
        let server = lab().machine("server")?;
        let disk = scenario.directory.join("server.qcow2");
        image::overlay(&SystemRunner, &server.disk, &disk)?;
        let mut spec = VmSpec::new(server.firmware_at(&scenario.directory.join("server.vars.fd"), true)?).memory(1536);
        spec = spec.disk(VmDisk::qcow2(&disk, "server-disk"));
        let forwards: String =
            forwarded.iter().map(|(here, there)| format!(",hostfwd=tcp:127.0.0.1:{here}-:{there}")).collect();
        spec.extra.extend(["-netdev".to_owned(), format!("user,id=uplink{forwards}")]);
        spec.extra.extend(["-device", "virtio-net-pci,netdev=uplink"].map(str::to_owned));
        let mut vm = Vm::start(&spec, scenario.acceleration, &scenario.directory.join("server"))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        // To the server all that QEMU forwards comes from an unprivileged port of its gateway.
        let export = "mkdir -p /srv/backup && echo '/srv/backup *(rw,no_root_squash,insecure,sync,no_subtree_check)' >/etc/exports";
        let configure = format!("mkdir -p /etc/nfs.conf.d && printf '{configuration}' >/etc/nfs.conf.d/test.conf");
        let restart = "systemctl restart nfs-mountd nfs-server";
        guest.must(&format!("{UPLINK}; {export} && {configure} && {restart}"), BOOT)?;
        let versions = guest.must("cat /proc/fs/nfsd/versions", BOOT)?;
        assert_eq!(versions.contains("-4"), configuration.contains("vers4=n"), "{versions}");

        let original = record(&scenario, address, "")?;
        let recovered = scenario.recover(&original.medium, &target())?;
        scenario.compare(&original, &recovered)?;
        vm.power_cut();
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn sources_nfs() {
    let port = port();
    from_nfs(&[(port, 2049)], "", &format!("nfs://{HOST}:{port}/srv/backup"));
}

/// A server that has no version 4; its mount daemon is found through its port mapper.
#[test]
#[ignore = "long: make test-all"]
fn sources_nfs_version_3() {
    let configuration = "[nfsd]\\nvers3=y\\nvers4=n\\n[mountd]\\nport=20048\\n";
    from_nfs(&[(111, 111), (2049, 2049), (20048, 20048)], configuration, &format!("nfs://{HOST}/srv/backup"));
}

/// The archive is a folder on another disk of the machine, as large as the one that is lost: it stays as it is.
#[test]
#[ignore = "long: make test-all"]
fn sources_local_partition() {
    tell(|| {
        let scenario = scenario_in("sources", DEMO)?;
        let backup = scenario.directory.join("backup.img");
        let _ = std::fs::remove_file(&backup);
        image::blank(&backup, 4 << 30)?;
        let disk = || VmDisk::raw(&backup, "backup-disk");
        let place = "disk:LABEL=BACKUP:/machines/db7";
        let command = format!(
            "{QUIET}; (echo label: gpt; echo ,,L) | sfdisk -q /dev/vdb && udevadm settle && mkfs.ext4 -q -L BACKUP /dev/vdb1 && \
             mount /dev/vdb1 /mnt && lifeboat backup --to /mnt/machines/db7 && lifeboat media iso --rescue-only \
             --source {place} --embed-key --out /run/medium/rescue.iso --mode nuke --append lifeboat.after=poweroff && umount /mnt"
        );
        let original = scenario.record_with(&programs(), &command, |spec| spec.disks.push(disk()))?;
        assert!(original.output.contains("holds a snapshot of"), "{}", original.output);
        let hash = || Command::new("b2sum").arg(&backup).output().unwrap().stdout;
        let before = hash();
        let recovered = scenario.recover(&original.medium, &Target { more: vec![disk()], ..Target::default() })?;
        assert!(before == hash(), "the disk with the archive was written to");
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

#[test]
#[ignore = "long: make test-all"]
fn sources_usb_stick() {
    tell(|| {
        let scenario = scenario_in("sources", DEMO)?;
        let original = scenario.recorded(&programs(), &format!("{QUIET}; {RESCUE}"))?;
        let recovered = scenario.recover(&original.medium, &Target { stick: true, ..Target::default() })?;
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

/// The server is killed when files are being restored, and comes back when the recovery has said that it misses it.
#[test]
#[ignore = "long: make test-all"]
fn sources_server_lost_in_mid_restore() {
    tell(|| {
        let scenario = scenario_in("sources", DEMO)?;
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
