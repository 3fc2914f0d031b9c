//! Media that are signed with a key of the machine's owner, on firmware that trusts no other: they start, and what somebody changed
//! does not. Needs systemd's stub (package systemd-boot-efi) and openssl here, for a small medium that is made without a machine.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::scenario::{BOOT, await_event};
use lifeboat_drill::lab::{Scenario, Target};
use lifeboat_drill::vm::keys::{self, Beside};
use lifeboat_drill::vm::{Pattern, Vm, VmFirmware, VmSpec};
use lifeboat_machine::boot::Firmware;
use lifeboat_machine::testing::empty_machine;
use lifeboat_machine::{Event, MediumManifest, Mode};
use lifeboat_media::{MediumInputs, Menu, MenuOptions, Signing, write_iso};
use lifeboat_secureboot::{Certificate, SigningKey, uki};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// systemd-boot, and systemd's stub beside it.
const OWN_KEY: &str = "debian13-uefi-btrfs";
/// From power-on to the kernel's first lines, or to the firmware's refusal.
const FIRMWARE: Duration = Duration::from_secs(300);
/// What OVMF says of a program without a signature that counts (edk2, MdeModulePkg/Universal/BdsDxe).
const REFUSED: &str = "failed to load Boot[0-9A-F]+ .*: (Access Denied|Security Violation)";
/// The emulated timer (`Acceleration::parameter`): a signed command line cannot be added to.
const TIMER: &str = "no_timer_check nohz=off highres=off";

/// Key and certificate of this name, made once.
fn key_files(folder: &Path, name: &str) -> [PathBuf; 2] {
    let [key, certificate] = ["key", "crt"].map(|ending| folder.join(format!("{name}.{ending}")));
    if !certificate.exists() {
        let mut call = Command::new("openssl");
        call.args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "3650", "-subj", &format!("/CN={name}")]);
        let output = call.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    [key, certificate]
}

/// Firmware that enforces Secure Boot with this certificate alone.
fn firmware(scenario: &Scenario, certificate: &Path) -> Result<VmFirmware, DrillError> {
    let variables = scenario.directory.join("own.vars.fd");
    keys::enroll(&variables, &Certificate::read(&std::fs::read(certificate).unwrap()).unwrap(), Beside::Nobody)?;
    Ok(VmFirmware::Uefi { secure_boot: true, variables })
}

/// A signed medium whose initramfs is no more than these bytes.
fn small_medium(scenario: &Scenario, initramfs: &[u8], key: &[PathBuf; 2]) -> PathBuf {
    let folder = &scenario.directory;
    let mut machine = empty_machine();
    machine.boot.firmware = Firmware::Uefi { secure_boot: true };
    machine.boot.command_line = "console=ttyS0".into();
    let manifest = MediumManifest {
        format: 1,
        lifeboat: "0".into(),
        medium_id: "5ca1ab1e0ddba11c0ffee123456789ab".into(),
        created_at: "2026-11-28T00:00:00Z".into(),
        machine_name: machine.name.clone(),
        machine_id: machine.machine_id.clone(),
        machine_blake3: String::new(),
        kernel: "test".into(),
        archive: None,
        repository: None,
        set: None,
        embedded_key: false,
        files: BTreeMap::new(),
    };
    let initrd = folder.join("small.initrd");
    std::fs::write(&initrd, initramfs).unwrap();
    // `quiet` would hide the line that is waited for.
    let parameters = ["ignore_loglevel".to_owned(), "panic=-1".to_owned(), TIMER.to_owned()];
    let options = MenuOptions { parameters: parameters.to_vec(), ..MenuOptions::default() };
    let [key, certificate] = key;
    let certificate = Certificate::read(&std::fs::read(certificate).unwrap()).unwrap();
    let signing = Signing {
        key: SigningKey::new(&std::fs::read(key).unwrap(), certificate).unwrap(),
        stub: std::fs::read(uki::STUB).unwrap(),
    };
    let out = folder.join("small.iso");
    let files = [("kernel".to_owned(), scenario.machine.kernel.clone()), ("initrd.img".to_owned(), initrd)];
    let inputs = MediumInputs {
        sysroot: Path::new("/"),
        work: &folder.join("work"),
        out: &out,
        keep_old: false,
        files: &files.into(),
        manifest: &manifest,
        menu: &Menu::new(&machine, &manifest, &options),
        seal: None,
        signing: Some(&signing),
        progress: &|_| {},
    };
    write_iso(&inputs, &lifeboat_sys::SystemRunner).unwrap();
    out
}

/// Puts other bytes in the place of the last ones like `old`; they are there `times` times.
fn replace_last(image: &Path, old: &[u8], new: &[u8], times: usize) {
    assert_eq!(old.len(), new.len());
    let bytes = std::fs::read(image).unwrap();
    let found: Vec<usize> =
        bytes.windows(old.len()).enumerate().filter(|(_, part)| *part == old).map(|(at, _)| at).collect();
    assert_eq!(found.len(), times);
    let file = std::fs::File::options().write(true).open(image).unwrap();
    file.write_all_at(new, *found.last().unwrap() as u64).unwrap();
}

fn boots(scenario: &Scenario, spec: &VmSpec, awaited: &str) -> Result<(), DrillError> {
    let mut vm = Vm::start(spec, scenario.acceleration, &scenario.directory.join("boot"))?;
    vm.console.wait_for(&Pattern::regex(awaited)?, FIRMWARE)?;
    vm.power_cut();
    Ok(())
}

#[test]
fn firmware_starts_a_signed_medium_and_no_changed_one() {
    run_scenario(|| {
        let scenario = scenario_in("signed", PLAIN)?;
        let [own, other] = ["own", "other"].map(|name| key_files(&scenario.directory, name));
        let initramfs = b"an initramfs that is none";
        let medium = small_medium(&scenario, initramfs, &own);
        let spec = || Ok::<_, DrillError>(VmSpec::new(firmware(&scenario, &own[1])?).stick(&medium));
        boots(&scenario, &spec()?, "Command line: lifeboat.mode=interactive lifeboat.menu=30 .*console=ttyS0")?;
        // Firmware of somebody else.
        let spec_of_other = VmSpec::new(firmware(&scenario, &other[1])?).disc(&medium);
        boots(&scenario, &spec_of_other, REFUSED)?;
        // Another initramfs in the same program; GRUB's, for BIOS, is the first.
        replace_last(&medium, initramfs, b"an initramfs that nobody!", 2);
        boots(&scenario, &spec()?, REFUSED)?;
        Ok(())
    });
}

/// Makes media sign: the machine's key is beside the programs.
fn configured(command: &str) -> String {
    format!(
        "printf '[media]\\nsigning_key = \"/usr/local/bin/own.key\"\\nsigning_certificate = \"/usr/local/bin/own.crt\"\\n' \
         >/etc/lifeboat.toml && lifeboat check && {command} && lifeboat verify --from /run/medium/rescue.iso | \
         grep 'signed with the key of own'"
    )
}

#[test]
#[ignore = "long: make test-all"]
fn a_changed_menu_starts_nothing_on_a_signed_medium() {
    run_scenario(|| {
        let scenario = scenario_in("signed", OWN_KEY)?;
        let own = key_files(&scenario.directory, "own");
        let command = format!(
            "lifeboat media iso --rescue-only --no-firmware --timeout 3600 --append '{TIMER}' --out /run/medium/rescue.iso"
        );
        let original = scenario.record(&[programs(), own.to_vec()].concat(), &configured(&command))?;
        replace_last(&original.medium, b"set default=interactive", b"set default=nuke       ", 1);
        replace_last(&original.medium, b"set timeout=3600", b"set timeout=1   ", 1);
        let target = Target { firmware: Some(firmware(&scenario, &own[1])?), ..Target::default() };
        let mut recovery = scenario.start_recovery(&original.medium, &target)?;
        let vm = &mut recovery.vm;
        vm.console.wait_for(&Pattern::text("Number 1 starts by itself in 3600 seconds.")?, BOOT)?;
        vm.qmp.screenshot(&scenario.directory.join("page.png"))?;
        vm.console.send(b"9\r")?;
        vm.console.wait_for(&Pattern::regex("There is no line 9+: type a number")?, BOOT)?;
        vm.console.send(b"expert\r")?;
        let ready =
            await_event(vm, "expert mode", BOOT, |event| matches!(event, Event::Ready { .. } | Event::Failed { .. }))?;
        assert_eq!(ready.event, Event::Ready { mode: Mode::Expert });
        let mut guest = Guest::login(vm, BOOT)?;
        let command_line = guest.must("cat /proc/cmdline", BOOT)?;
        assert!(command_line.contains("lifeboat.mode=interactive lifeboat.menu=3600"), "{command_line}");
        let enforced = "od -An -tu1 -j4 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
        assert_eq!(guest.must(enforced, BOOT)?.trim(), "1");
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn a_signed_medium_recovers_unattended() {
    run_scenario(|| {
        let scenario = scenario_in("signed-nuke", OWN_KEY)?;
        let own = key_files(&scenario.directory, "own");
        let command = format!("{} --timeout 5 --append '{TIMER}'", common::RESCUE);
        let original = scenario.record(&[programs(), own.to_vec()].concat(), &configured(&command))?;
        let target = Target { firmware: Some(firmware(&scenario, &own[1])?), stick: true, ..Target::default() };
        let mut recovered = scenario.recover(&original.medium, &target)?;
        let restored = |event: &Event| matches!(event, Event::Restored { .. });
        assert!(recovered.events.iter().any(|(_, event)| restored(event)));
        scenario.compare(&original, &recovered)?;
        // The machine's own boot loader is not signed with that key, and keys in the variables count on any firmware: it starts where
        // there are none, by the path for removable media.
        let variables = scenario.directory.join("no-keys.vars.fd");
        let _ = std::fs::remove_file(&variables);
        recovered.spec.firmware = VmFirmware::Uefi { secure_boot: false, variables };
        scenario.boot(&recovered, &HEALTHY)
    });
}
