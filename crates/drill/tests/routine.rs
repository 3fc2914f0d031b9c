//! What a user does with the README in hand, and what runs by itself afterwards, on a machine with systemd.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::Scenario;
use lifeboat_drill::vm::Vm;
use lifeboat_sys::SystemRunner;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(900);
const WORK: Duration = Duration::from_secs(3000);
const SHORT: Duration = Duration::from_secs(300);

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The lines of all blocks of code in the README's quick start.
fn quick_start() -> Vec<String> {
    let text = std::fs::read_to_string(top().join("README.md")).unwrap();
    let start = text.split("\n## ").find(|section| section.starts_with("Quick start\n")).unwrap();
    let blocks = start.split("\n```\n").skip(1).step_by(2);
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// `sudo` for a test that is root already.
fn sudo(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join("sudo");
    std::fs::write(&path, "#!/bin/sh\nexec \"$@\"\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Does the README's line that builds and installs, into a folder; the compiler's work was done before. The tree is put into the machine.
fn installed(scenario: &Scenario, line: &str, guest: &mut Guest<'_>) -> Result<(), DrillError> {
    let tree = scenario.directory.join("installed");
    let _ = std::fs::remove_dir_all(&tree);
    let tools = scenario.directory.join("tools");
    std::fs::create_dir_all(&tools).unwrap();
    let sudo = sudo(&tools);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let release = programs()[0].parent().unwrap().to_owned();
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(top())
        .env("PATH", path)
        .env("CARGO", "true")
        .env("DESTDIR", &tree)
        .env("CARGO_TARGET_DIR", release.parent().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let archive = scenario.directory.join("installed.tar");
    let tar = Command::new("tar").arg("-cf").arg(&archive).arg("-C").arg(&tree).arg(".").status().unwrap();
    assert!(tar.success());
    guest.install(&SystemRunner, &[archive, sudo], "/run")?;
    guest.must(
        "tar -xf /run/installed.tar -C / --no-same-owner --keep-directory-symlink && rm /run/installed.tar",
        SHORT,
    )?;
    guest.must("command -v sudo >/dev/null || install -m 755 /run/sudo /usr/local/bin/sudo", SHORT)?;
    guest.must("mkdir -p /mnt/elsewhere && mount -t tmpfs -o size=2600m tmpfs /mnt/elsewhere", SHORT)?;
    Ok(())
}

fn start(scenario: &Scenario) -> Result<Vm, DrillError> {
    let (vm, _disk) = scenario.start_original_with(|spec| *spec = spec.clone().memory(4096))?;
    Ok(vm)
}

/// Every line of the README's quick start, as it stands there: what installs, what checks, what makes the medium, what rehearses.
#[test]
#[ignore = "long: make test-all"]
fn readme_quick_start_is_done_line_by_line() {
    run_scenario(|| {
        let lines = quick_start();
        let scenario = scenario_in("readme", PLAIN)?;
        let mut vm = start(&scenario)?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        let medium = scenario.directory.join("rescue.iso");
        for line in &lines {
            if line.starts_with("make build") {
                installed(&scenario, line, &mut guest)?;
            } else if line.starts_with("sudo dd ") {
                // There is no stick; the command is right as far as it goes.
                let line = line
                    .replace("if=rescue.iso", "if=/mnt/elsewhere/rescue.iso")
                    .replace("of=/dev/sdX", "of=/dev/null");
                guest.must(&line.replace("oflag=direct conv=fsync ", ""), SHORT)?;
            } else if line.starts_with("sudo lifeboat drill ") {
                guest.fetch("/mnt/elsewhere/rescue.iso", &medium, WORK)?;
                guest.settle()?;
                vm.power_cut();
                break;
            } else {
                guest.must(line, WORK)?;
            }
        }
        // Rehearsed where there is QEMU.
        let line = lines.last().unwrap();
        let release = programs()[0].parent().unwrap().to_owned();
        let path = format!(
            "{}:{}:{}",
            scenario.directory.join("tools").display(),
            release.display(),
            std::env::var("PATH").unwrap()
        );
        let output =
            Command::new("sh").args(["-c", line]).current_dir(&scenario.directory).env("PATH", path).output().unwrap();
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    });
}

/// The routine under systemd: turned on, each task run by its unit, a status that is well, a failure that is reported.
#[test]
#[ignore = "long: make test-all"]
fn routine_runs_by_itself_and_says_when_it_fails() {
    run_scenario(|| {
        let scenario = scenario_in("routine", PLAIN)?;
        let mut vm = start(&scenario)?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        installed(&scenario, "make build && sudo make install", &mut guest)?;
        let configuration = "repository = \"/mnt/elsewhere/repository\"\n[schedule]\nmedium_file = \"/mnt/elsewhere/rescue.iso\"\n[notify]\nmail = [\"root\"]\n";
        guest.must(&format!("printf '%s' '{configuration}' > /etc/lifeboat.toml && systemctl daemon-reload"), SHORT)?;
        guest.must(
            "printf '#!/bin/sh\\ncat > /run/mail\\n' > /usr/sbin/sendmail && chmod 755 /usr/sbin/sendmail",
            SHORT,
        )?;
        guest.must("lifeboat backup --init", WORK)?;
        guest.must("lifeboat schedule && lifeboat schedule --show", SHORT)?;
        for task in ["backup", "medium", "verify"] {
            guest.must(
                &format!("systemctl is-enabled lifeboat-{task}.timer && systemctl is-active lifeboat-{task}.timer"),
                SHORT,
            )?;
        }
        assert_ne!(guest.run("systemctl is-enabled lifeboat-drill.timer", SHORT)?.code, 0);
        // No medium yet; then one that is up to date.
        assert_eq!(guest.run("lifeboat media refresh --show", SHORT)?.code, 4);
        for task in ["backup", "medium", "verify"] {
            guest.must(
                &format!(
                    "systemctl start lifeboat-{task}.service || {{ journalctl -u lifeboat-{task} | tail -30; false; }}"
                ),
                WORK,
            )?;
        }
        guest.must("lifeboat media refresh --show", SHORT)?;
        // What is reported is the medium, not the name that it had until it was whole.
        guest.must("journalctl -u lifeboat-medium | grep -F '/mnt/elsewhere/rescue.iso: '", SHORT)?;
        guest.must("! journalctl -u lifeboat-medium | grep -F rescue.iso.partial", SHORT)?;
        let status = guest.run("lifeboat status --prometheus /run/lifeboat.prom", SHORT)?;
        assert_eq!(status.code, 0, "{}", status.text);
        guest.must(
            "grep -x 'lifeboat_status_ok 1' /run/lifeboat.prom && grep -x 'lifeboat_layout_fits 1' /run/lifeboat.prom",
            SHORT,
        )?;
        // Another boot loader makes the medium out of date.
        guest.must("printf x >> /usr/lib/grub/i386-pc/boot.img", SHORT)?;
        let status = guest.run("lifeboat status", SHORT)?;
        assert!(status.code == 4 && status.text.contains("boot loader was updated"), "{}", status.text);
        // A share that is not there: the backup fails, and somebody is told.
        guest.must("mv /mnt/elsewhere/repository /mnt/elsewhere/gone", SHORT)?;
        assert_ne!(guest.run("systemctl start lifeboat-backup.service", SHORT)?.code, 0);
        guest.must("timeout 120 sh -c 'until test -s /run/mail; do sleep 1; done'", SHORT)?;
        let mail = guest.must("cat /run/mail", SHORT)?;
        assert!(
            mail.contains("lifeboat-backup.service failed with code 3") && mail.contains("does not exist"),
            "{mail}"
        );
        let status = guest.run("lifeboat status", SHORT)?;
        assert!(status.code == 4 && status.text.contains("failed with code 3"), "{}", status.text);
        guest.must("lifeboat schedule --off && ! systemctl is-enabled lifeboat-backup.timer", SHORT)?;
        guest.settle()?;
        vm.power_cut();
        Ok(())
    });
}

#[test]
fn readme_has_the_lines_that_are_run() {
    let lines = quick_start();
    let begins = [
        "make build && sudo make install",
        "sudo lifeboat check",
        "sudo lifeboat rescue --out ",
        "sudo dd if=rescue.iso ",
        "sudo lifeboat drill rescue.iso",
    ];
    assert_eq!(lines.len(), begins.len(), "{lines:?}");
    for (line, begin) in lines.iter().zip(begins) {
        assert!(line.starts_with(begin), "{line}");
    }
}
