//! Recoveries from servers: the machine backs itself up across the network, is lost, and comes back from a rescue-only medium.
//!
//! The servers are real and run on this host (`rclone serve`); the guests reach it as 10.0.2.2 through QEMU's user network, whose DHCP
//! server answers init. All are long: `make test-all`.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/other_disk.rs"]
mod other_disk;
#[path = "common/server.rs"]
mod server;

use common::{DEMO, HEALTHY, QUIET, RESCUE, lab, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::scenario::BOOT;
use lifeboat_drill::lab::scenario::await_end;
use lifeboat_drill::lab::{Original, Scenario, Target};
use lifeboat_drill::vm::{DirectKernel, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::{Event, Machine};
use lifeboat_sys::SystemRunner;
use serde_json::{Value, json};
use server::{Server, port};
use std::path::{Path, PathBuf};
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
        "{QUIET}; {UPLINK}; {environment} lifeboat backup --init --to '{address}' && {environment} lifeboat media iso --rescue-only \
         --source '{address}' --embed-key --out /run/medium/rescue.iso --mode nuke --append lifeboat.after=poweroff"
    );
    scenario.record_with(&programs(), &command, |spec| spec.extra.extend(card()))
}

/// A file of a medium, below `/lifeboat/`.
fn from_medium(scenario: &Scenario, medium: &Path, name: &str) -> PathBuf {
    let out = scenario.directory.join(format!("netboot-{name}"));
    let _ = std::fs::remove_file(&out);
    let inside = format!("/lifeboat/{name}");
    let call = Command::new("xorriso")
        .args(["-osirrox", "on", "-report_about", "FAILURE", "-indev"])
        .arg(medium)
        .args(["-extract_single", &inside])
        .arg(&out)
        .status();
    assert!(call.unwrap().success());
    out
}

fn target() -> Target {
    Target { extra: card(), ..Target::default() }
}

fn lose_and_recover(what: &str, more: &[&str], address: impl Fn(u16) -> String, environment: &str) {
    run_scenario(|| {
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
    run_scenario(|| {
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
        // The keys are in memory: a machine's own are in its /root, but this one's disk is compared.
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
    run_scenario(|| {
        let scenario = scenario_in("sources", DEMO)?;
        let original = scenario.recorded(&programs(), &format!("{QUIET}; {RESCUE}"))?;
        let (folder, port) = (scenario.directory.join("served-http"), port());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("images")).unwrap();
        std::fs::hard_link(&original.medium, folder.join("images/db7.iso")).unwrap();
        let _server = Server::start("http", port, &folder, &[]);
        let netboot = DirectKernel {
            kernel: from_medium(&scenario, &original.medium, "kernel"),
            initrd: Some(from_medium(&scenario, &original.medium, "initrd.img")),
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

/// A file server in a guest of its own, which `commands` set up. `forwarded` are the pairs of this host's and the server's ports.
fn file_server(scenario: &Scenario, forwarded: &[(u16, u16)], commands: &str) -> Result<(Vm, String), DrillError> {
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
    let said = guest.must(&format!("{UPLINK}; {commands}"), BOOT)?;
    Ok((vm, said))
}

/// The kernel's NFS server. `configuration` goes into its nfs.conf(5), and `address` names what the clients mount.
fn from_nfs(forwarded: &[(u16, u16)], configuration: &str, address: &str) {
    run_scenario(|| {
        let scenario = scenario_in("sources", DEMO)?;
        // To the server all that QEMU forwards comes from an unprivileged port of its gateway.
        let export = "mkdir -p /srv/backup && echo '/srv/backup *(rw,no_root_squash,insecure,sync,no_subtree_check)' >/etc/exports";
        let configure = format!("mkdir -p /etc/nfs.conf.d && printf '{configuration}' >/etc/nfs.conf.d/test.conf");
        let restart = "systemctl restart nfs-mountd nfs-server";
        let commands = format!("{export} && {configure} && {restart} && cat /proc/fs/nfsd/versions");
        let (vm, versions) = file_server(&scenario, forwarded, &commands)?;
        assert_eq!(versions.contains("-4"), configuration.contains("vers4=n"), "{versions}");

        let original = record(&scenario, address, "")?;
        let recovered = scenario.recover(&original.medium, &target())?;
        scenario.compare(&original, &recovered)?;
        vm.power_cut();
        Ok(())
    });
}

/// A share of Samba, with a password that has a comma, which the kernel's options have between them.
#[test]
#[ignore = "long: make test-all"]
fn sources_smb() {
    run_scenario(|| {
        let scenario = scenario_in("sources", DEMO)?;
        let port = port();
        let configuration = "[global]\\nserver role = standalone server\\ndisable netbios = yes\\n\
                             [backup]\\npath = /srv/backup\\nread only = no\\n";
        let commands = format!(
            "mkdir -p /srv/backup && chown backup /srv/backup && printf '{configuration}' >/etc/samba/smb.conf && \
             printf 'a,b\\na,b\\n' | smbpasswd -s -a backup && systemctl restart smbd"
        );
        let (vm, _) = file_server(&scenario, &[(port, 445)], &commands)?;
        let address = format!("smb://WORKGROUP;backup@{HOST}:{port}/backup");
        let original = record(&scenario, &address, "SMB_PASSWORD=a,b")?;
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

/// The archive is a folder on another disk of the machine.
#[test]
#[ignore = "long: make test-all"]
fn sources_local_partition() {
    run_scenario(|| {
        let backup = "lifeboat backup --init --to /mnt/machines/db7";
        let output = other_disk::recovered_from("sources", backup, "disk:LABEL=BACKUP:/machines/db7")?;
        assert!(output.contains("holds a snapshot of"), "{output}");
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn sources_usb_stick() {
    run_scenario(|| {
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
    run_scenario(|| {
        let scenario = scenario_in("sources", DEMO)?;
        let (folder, port) = (scenario.directory.join("served-lost"), port());
        let _ = std::fs::remove_dir_all(&folder);
        let server = Server::start("restic", port, &folder, &[]);
        let original = record(&scenario, &format!("rest:http://{HOST}:{port}/db7"), "")?;
        let console = scenario.directory.join("recovery/console.log");
        let _ = std::fs::remove_file(&console);
        let reported =
            |text: &str| std::fs::read(&console).is_ok_and(|log| String::from_utf8_lossy(&log).contains(text));
        let wait = |text: &str| {
            let deadline = Instant::now() + Duration::from_secs(1800);
            while !reported(text) {
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

/// A stock restic at work on the folder of a repository.
struct Restic {
    repository: PathBuf,
    key: PathBuf,
}

impl Restic {
    fn run(&self, folder: &Path, arguments: &[&str]) -> Vec<u8> {
        let mut call = Command::new("restic");
        call.args(["--no-cache", "--quiet", "--repo"]).arg(&self.repository).arg("--password-file").arg(&self.key);
        let output = call.args(arguments).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Adds a snapshot that says this of itself; its manifest names the machine's hash.
    fn add(&self, host: &str, machine: &Value, manifest: &Value) {
        let tree = tempfile::tempdir().unwrap();
        let folder = tree.path().join(".lifeboat");
        std::fs::create_dir(&folder).unwrap();
        let machine = serde_json::to_vec(machine).unwrap();
        let mut manifest = manifest.clone();
        manifest["machine_blake3"] = blake3::hash(&machine).to_hex().to_string().into();
        std::fs::write(folder.join("machine.json"), machine).unwrap();
        std::fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        self.run(tree.path(), &["backup", "--host", host, ".lifeboat"]);
    }
}

/// The archive's latest snapshot is another machine's of the same name, or was written by another release: each is refused by
/// what it is, with the snapshot that can be recovered, and that one is.
#[test]
#[ignore = "long: make test-all"]
fn sources_of_another_machine_or_release_are_refused() {
    run_scenario(|| {
        let scenario = scenario_in("sources", common::PLAIN)?;
        let (folder, port) = (scenario.directory.join("served-release"), port());
        let _ = std::fs::remove_dir_all(&folder);
        let _server = Server::start("restic", port, &folder, &[]);
        let original = record(&scenario, &format!("rest:http://{HOST}:{port}/db7"), "")?;
        let medium = |name: &str| from_medium(&scenario, &original.medium, name);
        let restic = Restic { repository: folder.join("db7"), key: medium("repository.key") };
        let dump = |name: &str| restic.run(&folder, &["dump", "latest", &format!("/.lifeboat/{name}")]);
        let machine: Value = serde_json::from_slice(&dump("machine.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&dump("manifest.json")).unwrap();
        let Machine { name, machine_id, .. } = serde_json::from_value(machine.clone()).unwrap();
        let listed: Value = serde_json::from_slice(&restic.run(&folder, &["snapshots", "--json"])).unwrap();
        let good = listed[0]["short_id"].as_str().unwrap().to_owned();
        let other_id: String = machine_id.chars().rev().collect();

        let disk = scenario.directory.join("blank.img");
        image::blank(&disk, 8 << 30)?;
        let start = |logs: &str, parameters: &str| {
            let command_line = format!("quiet console=ttyS0,115200 panic=30 ip=dhcp {parameters}");
            let (kernel, initrd) = (medium("kernel"), Some(medium("initrd.img")));
            let mut spec = VmSpec::new(VmFirmware::Bios).memory(1536).disk(VmDisk::raw(&disk, "blank"));
            spec = spec.kernel(DirectKernel { kernel, initrd, command_line });
            spec.disc = Some(original.medium.clone());
            spec.extra = card();
            Vm::start(&spec, scenario.acceleration, &scenario.directory.join(logs))
        };
        let source = format!("lifeboat.source=rest:http://{HOST}:{port}/db7");
        let mut vm = start("release-expert", &format!("{source} lifeboat.mode=expert"))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        let mut refused = |options: &str, parts: &[&str]| -> Result<(), DrillError> {
            let reported = guest.run(&format!("lifeboat restore --stage plan {options} </dev/null"), BOOT)?;
            eprintln!("{}", reported.text);
            let way_out = format!("lifeboat.snapshot={good} on the kernel command line, or --snapshot {good}");
            for part in parts.iter().copied().chain([way_out.as_str(), "the disks were not touched"]) {
                assert!(reported.code == 3 && reported.text.contains(part), "{part}: {reported:?}");
            }
            Ok(())
        };

        let mut other = machine.clone();
        other["machine_id"] = other_id.clone().into();
        restic.add(&name, &other, &manifest);
        let belongs =
            format!("belongs to machine '{name}' ({other_id}), this rescue system to '{name}' ({machine_id})");
        // Another machine's is not the latest of this one; it is refused even when it is named.
        let listed = restic.run(&folder, &["snapshots", "--json", "latest"]);
        let listed: Value = serde_json::from_slice(&listed).unwrap();
        let foreign = listed.as_array().and_then(|all| all.last()).and_then(|last| last["short_id"].as_str()).unwrap();
        refused(&format!("--snapshot {foreign}"), &[&belongs])?;

        let mut newer = manifest.clone();
        newer["lifeboat"] = "9.4.0".into();
        let mut described = machine.clone();
        described["format"] = 2.into();
        described["firmware_settings"] = json!({});
        restic.add(&name, &described, &newer);
        refused(
            "",
            &[
                "the machine description has format 2, this release reads format 1; try the release that wrote it, Lifeboat 9.4.0",
            ],
        )?;

        newer["format"] = 2.into();
        newer["parts"] = json!([]);
        restic.add(&name, &machine, &newer);
        let written = "it has format 2 and was written by Lifeboat 9.4.0, this is Lifeboat ";
        refused("", &[written, "try Lifeboat 9.4.0, or a medium made with it"])?;
        let plan = guest.must(&format!("lifeboat restore --stage plan --snapshot {good}"), BOOT)?;
        assert!(plan.contains("Nothing was touched"), "{plan}");
        vm.power_cut();

        let mut vm = start("release-nuke", &format!("{source} lifeboat.mode=nuke lifeboat.after=poweroff"))?;
        let Event::Failed { reason } = await_end(&mut vm, BOOT)?.event else {
            panic!("the newer snapshot was recovered")
        };
        assert!(reason.contains(written) && reason.contains(&format!("lifeboat.snapshot={good}")), "{reason}");
        vm.wait_off(BOOT)?;
        let used = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&disk).unwrap());
        assert_eq!(used, 0, "the disk was written to");
        Ok(())
    });
}
