//! A recovery that changes the layout: the root becomes btrfs and is before the swap, chosen in the interactive mode by
//! keys over the serial console; compared file by file and booted again.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/typist.rs"]
mod typist;

use common::{HEALTHY, PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::scenario::{BOOT, RECOVER};
use lifeboat_drill::lab::{Recovered, Scenario, Target};
use lifeboat_drill::vm::{Pattern, Vm};
use lifeboat_machine::Event;
use std::path::Path;
use typist::{SCREEN, shown, type_on_screen};

/// Before the machine's name.
const MARK: &str = "NAME:";

/// What follows from another kind of filesystem, another place and a new initramfs, and from nothing else.
const FOLLOWS: [&str; 9] = [
    // The entries of swap and root, which changed places.
    r"^[+-]disk[23] : start=",
    // What blkid, dumpe2fs and btrfs say of the root.
    r"^[+-](TYPE|UUID_SUB|BLOCK_SIZE|VERSION|SBMAGIC|SBMAGIC_OFFSET)=",
    r"^-[A-Z][A-Za-z0-9 #_-]*:[[:space:]]",
    r"^-$",
    r"^\+(csum_type|metadata_uuid|label|sectorsize|nodesize|incompat_flags|compat_ro_flags|num_devices|dev_item.uuid|total_bytes) ",
    // Type, options and pass of the root.
    r"^[+-]\./etc/fstab ",
    // update-initramfs writes the image and its checksum.
    r"^[+-]\./boot( |/initrd\.img-)",
    r"^[+-]\./var/lib/initramfs-tools",
    // grub-install makes an image that reads btrfs.
    r"^[+-]\./boot/grub/i386-pc/(core|load)\.",
];

/// Presses Down or Up until the line that begins with `wanted` is chosen; `rows` are the beginnings of all lines.
fn select(vm: &mut Vm, rows: &[&str], wanted: &str) -> Result<(), DrillError> {
    let chosen = |row: &str| Pattern::regex(&format!(r"[^-]>\s*{}", row.replace(' ', r"\s*"))).unwrap();
    let patterns: Vec<Pattern> = rows.iter().map(|row| chosen(row)).collect();
    let patterns: Vec<&Pattern> = patterns.iter().collect();
    let place = rows.iter().position(|row| *row == wanted).unwrap();
    for _ in 0..20 {
        match vm.console.wait_for_any(&patterns, SCREEN)?.0 {
            at if at < place => vm.console.send(b"\x1b[B")?,
            at if at > place => vm.console.send(b"\x1b[A")?,
            _ => return Ok(()),
        }
    }
    panic!("{wanted:?} could not be chosen:\n{}", vm.console.tail());
}

fn go(vm: &mut Vm, key: &[u8], title: &str) -> Result<(), DrillError> {
    vm.console.send(key)?;
    vm.console.wait_for(&shown(&format!("Lifeboat: {title}")), SCREEN).map(drop)
}

fn recover(scenario: &Scenario, medium: &Path, name: &str) -> Result<Recovered, DrillError> {
    let target = Target { memory_mib: Some(1024), ..Target::default() };
    let mut recovery = scenario.start_recovery(medium, &target)?;
    let vm = &mut recovery.vm;
    vm.console.wait_for(&shown("Press Enter on the console that you use"), BOOT)?;
    for title in ["welcome", "backups", "disks found", "which disk goes where"] {
        go(vm, b"\r", title)?;
    }
    let mapping = ["disk0", "Change partitions", "Show the plan"];
    select(vm, &mapping, "Change partitions")?;
    go(vm, b"\r", "partitions")?;
    let partitions = ["Let", "disk0p1", "disk0p2", "disk0p3", "Done"];
    select(vm, &partitions, "disk0p3")?;
    go(vm, b"f", "filesystem of a partition")?;
    select(vm, &["ext4", "xfs", "btrfs", "ext3", "ext2"], "btrfs")?;
    go(vm, b"\r", "partitions")?;
    select(vm, &partitions, "disk0p3")?;
    go(vm, b"m", "place of a partition")?;
    select(vm, &["before disk0p1", "before disk0p2"], "before disk0p2")?;
    go(vm, b"\r", "partitions")?;
    go(vm, b"\x1b", "which disk goes where")?;
    select(vm, &mapping, "Show the plan")?;
    go(vm, b"\r", "the plan")?;
    go(vm, b"\r", "confirm")?;
    type_on_screen(vm, name, "nothing was touched", "Lifeboat: at work")?;
    vm.console.wait_for(&shown("Lifeboat: result"), RECOVER)?;
    vm.console.send(b"\x1b[B\r")?;
    recovery.end()
}

#[test]
#[ignore = "long: make test-all"]
fn the_root_becomes_btrfs_and_changes_places_with_the_swap() {
    run_scenario(|| {
        let scenario = scenario_in("editor", PLAIN)?;
        let rescue = format!(
            "lifeboat rescue --out /run/medium/rescue.iso --mode interactive --timeout 1 --embed-key && echo {MARK} $(hostname)"
        );
        let original = scenario.record(&programs(), &rescue)?;
        let name = original
            .output
            .split(MARK)
            .nth(1)
            .and_then(|reported| reported.split_whitespace().next())
            .unwrap_or_default();
        let recovered = recover(&scenario, &original.medium, name)?;
        assert!(recovered.events.iter().any(|(_, event)| matches!(event, Event::Restored { .. })));
        scenario.compare_with(&original, &recovered, &FOLLOWS, &[])?;
        let checks = [
            HEALTHY[0],
            HEALTHY[1],
            "test $(findmnt -no FSTYPE /) = btrfs",
            "grep -qE '^UUID=6a1c0b3e-5d0f-4d8a-9a43-0c12bd120001 / btrfs defaults 0 0$' /etc/fstab",
            "test $(cat /sys/class/block/vda3/start) -lt $(cat /sys/class/block/vda2/start)",
            "grep -q ^/dev/vda2 /proc/swaps",
            "test $(blkid -o value -s LABEL /dev/vda3) = rootfs",
        ];
        scenario.boot(&recovered, &checks)
    });
}
