//! Recoveries over the network: the machine is started by its firmware, beside somebody else's DHCP server, and comes back from
//! a boot tree that `lifeboat serve` gives out. All are long: `make test-all`.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/rack.rs"]
mod rack;

use common::{HEALTHY, PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::{Original, Scenario, Target};
use lifeboat_machine::Event;
use rack::{Rack, SERVER};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The machine's card.
const MAC: &str = "52:54:00:0b:0a:07";
/// A machine that starts by UEFI, under Secure Boot.
const UEFI: &str = "debian12-uefi-sb";

/// Saves the machine, and puts it with its archive into a boot tree, which becomes `DIR/boot` of a server's folder.
fn record(scenario: &Scenario) -> Result<(Original, PathBuf), DrillError> {
    let command = "lifeboat backup --init --to /run/medium/repo && lifeboat media netboot --out /run/medium/boot --url http://10.77.0.1/boot --from /run/medium/repo \
                   --embed-key --mode nuke --timeout 3 --append lifeboat.after=poweroff --append console=ttyS0,115200 && \
                   tar -C /run/medium -cf /run/medium/rescue.iso boot";
    let card = ["-netdev", "user,id=uplink,restrict=on", "-device", &format!("virtio-net-pci,netdev=uplink,mac={MAC}")];
    let card = card.map(str::to_owned);
    let original = scenario.recorded_with(&programs(), command, |spec| spec.extra.extend(card))?;
    let folder = scenario.directory.join("server");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let unpacked = Command::new("tar").arg("-C").arg(&folder).arg("-xf").arg(&original.medium).status().unwrap();
    assert!(unpacked.success());
    Ok((original, folder))
}

/// Whether the machine would be recovered again.
fn is_armed(folder: &Path) -> bool {
    let machines: Vec<_> =
        std::fs::read_dir(folder.join("boot/machines")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [machine] = machines.as_slice() else { panic!("{machines:?}") };
    machine.join("armed").exists()
}

/// Recovers a machine over the network. `device` is its card, `more` further arguments of QEMU.
fn recovered(test: &str, name: &str, dhcp: &[&str], device: &str, more: &[&str], offered: &str) {
    if !rack::inside(test) {
        return;
    }
    run_scenario(|| {
        let scenario = scenario_in("netboot", name)?;
        let (original, folder) = record(&scenario)?;
        let mut rack = Rack::new(&scenario.directory, dhcp);
        rack.serve(&programs()[0], &folder, &["--only-netboot"]);
        assert!(is_armed(&folder));
        let mut extra = rack.card(0, MAC, &format!("{device},bootindex=0"));
        extra.extend(more.iter().map(|word| (*word).to_owned()));
        let result = scenario.recover(&original.medium, &Target { network: true, extra, ..Target::default() });
        let mut recovered = result.inspect_err(|_| eprintln!("{}", rack.log()))?;
        let log = rack.log();
        assert!(log.contains(offered), "{log}");
        assert!(!is_armed(&folder), "it would be recovered again");
        let notes = |text: &str| {
            recovered.events.iter().any(|(_, event)| matches!(event, Event::Note { text: t } if t.contains(text)))
        };
        assert!(notes("the boot server knows that the machine was recovered"));
        scenario.compare(&original, &recovered)?;
        // Without its card: with a place in QEMU's order for the card alone, OVMF drops the disk.
        recovered.spec.extra.clear();
        scenario.boot(&recovered, &HEALTHY)
    });
}

/// QEMU's cards carry iPXE: it is offered its script, and loads everything by HTTP.
#[test]
#[ignore = "long: make test-all"]
fn netboot_bios_by_ipxe() {
    recovered("netboot_bios_by_ipxe", PLAIN, &[], "virtio-net-pci", &[], "is offered http://10.77.0.1/boot/boot.ipxe");
}

/// The DHCP server itself names the boot tree, as an administrator may have set it up: GRUB for BIOS, by TFTP.
#[test]
#[ignore = "long: make test-all"]
fn netboot_bios_pxe_as_the_dhcp_server_says() {
    recovered(
        "netboot_bios_pxe_as_the_dhcp_server_says",
        PLAIN,
        &[&format!("--dhcp-boot=bios.0,,{SERVER}"), "--dhcp-no-override"],
        "virtio-net-pci",
        &[],
        "",
    );
}

/// By PXE GRUB looks where the DHCP server of the network says: an administrator has set it up.
#[test]
#[ignore = "long: make test-all"]
fn netboot_uefi_pxe_under_secure_boot() {
    let dhcp = [&*format!("--dhcp-boot=bootx64.efi,,{SERVER}")];
    recovered("netboot_uefi_pxe_under_secure_boot", UEFI, &dhcp, "virtio-net-pci,romfile=", &[], "");
}

/// The firmware loads an image by HTTP: nothing but an offer of our own does that beside a foreign DHCP server.
#[test]
#[ignore = "long: make test-all"]
fn netboot_uefi_http_boot() {
    let no_pxe = ["IPv4PXESupport", "IPv6PXESupport"].map(|name| format!("name=opt/org.tianocore/{name},string=n"));
    let more = ["-fw_cfg", &no_pxe[0], "-fw_cfg", &no_pxe[1]];
    recovered("netboot_uefi_http_boot", UEFI, &[], "virtio-net-pci,romfile=", &more, "/boot.iso");
}
