//! sshd in the rescue system: only with a key of the machine's, and as the host that the console shows.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/server.rs"]
#[allow(dead_code)]
mod server;

use common::{PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::lab::scenario::BOOT;
use lifeboat_drill::lab::{Recovery, Target, await_event};
use lifeboat_drill::vm::Pattern;
use lifeboat_machine::{Event, Mode};
use std::path::Path;
use std::process::{Command, Output};

fn ssh(key: &Path, port: u16, options: &[&str], command: &str) -> Output {
    Command::new("ssh")
        .args(["-F", "/dev/null", "-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no"])
        .args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-p", &port.to_string(), "-i"])
        .arg(key)
        .args(options)
        .args(["root@127.0.0.1", command])
        .output()
        .unwrap()
}

#[test]
#[ignore = "long: make test-all"]
fn sshd_opens_to_the_machines_keys_only() {
    run_scenario(|| {
        let scenario = scenario_in("ssh", PLAIN)?;
        let keys = tempfile::tempdir().unwrap();
        let [ours, foreign] = ["ours", "foreign"].map(|name| {
            let path = keys.path().join(name);
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status();
            assert!(made.unwrap().success());
            path
        });
        let public = std::fs::read_to_string(ours.with_extension("pub")).unwrap();
        let command = format!(
            "mkdir -p /root/.ssh && echo '{}' >/root/.ssh/authorized_keys && lifeboat rescue --out /run/medium/rescue.iso \
             --mode expert --timeout 1 --append lifeboat.ssh --append ip=dhcp",
            public.trim()
        );
        let original = scenario.record(&programs(), &command)?;
        let port = server::port();
        let network = format!("user,id=uplink,hostfwd=tcp:127.0.0.1:{port}-:22");
        let card = ["-netdev", &network, "-device", "virtio-net-pci,netdev=uplink"].map(str::to_owned).to_vec();
        let Recovery { mut vm, .. } =
            scenario.start_recovery(&original.medium, &Target { extra: card, ..Target::default() })?;
        let fingerprint = vm.console.wait_for(&Pattern::regex("the host key is (SHA256:[A-Za-z0-9+/]+)")?, BOOT)?.text;
        let ready = |event: &Event| matches!(event, Event::Ready { mode: Mode::Expert } | Event::Failed { .. });
        await_event(&mut vm, "expert mode", BOOT, ready)?;

        let reported = ssh(&ours, port, &["-v"], "lifeboat layout show; tty || echo NO-TERMINAL");
        let (out, err) = (String::from_utf8_lossy(&reported.stdout), String::from_utf8_lossy(&reported.stderr));
        assert!(reported.status.success() && out.contains("NO-TERMINAL") && out.contains("rootfs"), "{out}{err}");
        let shown = fingerprint.rsplit(' ').next().unwrap();
        assert!(err.contains(shown), "the console shows {shown}, ssh saw: {err}");
        // A terminal for the interactive mode.
        let typed = ssh(&ours, port, &["-tt"], "stty rows 24 cols 80; timeout 20 lifeboat restore --mode interactive");
        let screen = String::from_utf8_lossy(&typed.stdout).into_owned();
        assert!(screen.contains("Recover the whole machine") || screen.contains("welcome"), "{screen}");
        for (key, options) in [(&foreign, &[][..]), (&foreign, &["-o", "PreferredAuthentications=password"][..])] {
            let refused = ssh(key, port, options, "true");
            assert!(
                !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("Permission denied")
            );
        }
        vm.power_cut();
        Ok(())
    });
}
