//! RECOVER-BY-HAND.txt, followed literally on a live system that has stock tools and no Lifeboat.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, RESCUE, lab, programs, run_scenario, scenario};
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::Recovered;
use lifeboat_drill::vm::{Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_sys::SystemRunner;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(900);
const WORK: Duration = Duration::from_secs(3600);

/// What the page says restic does not bring back, and what its commands make again.
const MADE_ANEW: [&str; 11] = [
    // Nor hard links between symbolic links; and it leaves zeros out, holes or not, of which the judge hashes data only.
    r"^[+-]\./srv/odd/link(-hard-link)? l ",
    r"^[+-]\./srv/odd/written-zeros - 0644 0:0 ",
    // As in lab/ignore, but without the flags.
    r"^[+-]\./var/tmp d 1777 0:0 ",
    // restic makes no sockets and no paths beyond PATH_MAX.
    r"^-\./[^ ]+ s ",
    r"^[+-]\./srv/odd/deep/d{200}",
    // Directories in which commands of the page write.
    r"^[+-]\. d 0755 0:0 mtime=",
    r"^[+-]\./(boot|boot/grub|boot/grub/fonts|boot/grub/locale|boot/grub/i386-pc) d 0755 0:0 mtime=",
    r"^[+-]\./var/lib/initramfs-tools(/[^ ]+)? [d-] ",
    r"^[+-]\./boot/initrd\.img-[^ ]+ - 0644 0:0 ",
    // grub-install and grub-mkconfig write their files again.
    r"^[+-]\./boot/grub/[^ ]+ - 0(444|600|644) 0:0 ",
    r"^[+-]\./(proc|sys|dev|run|tmp|lost\+found) d ",
];

#[test]
#[ignore = "long: make test-all"]
fn recover_by_hand_is_followed_literally() {
    run_scenario(|| {
        let scenario = scenario(PLAIN)?;
        let original = scenario.recorded(&programs(), RESCUE)?;
        // Another machine plays the live system: a Debian with disk tools, into which only restic is put.
        let live_disk = scenario.directory.join("live.qcow2");
        image::overlay(&SystemRunner, &lab().machine("debian12-bios-mbr")?.disk, &live_disk)?;
        let new_disk = scenario.directory.join("recovered.img");
        let size = lifeboat_sys::block::size_bytes(&scenario.machine.disk).unwrap();
        image::blank(&new_disk, size)?;
        let mut spec = VmSpec::new(VmFirmware::Bios)
            .memory(3072)
            .disk(VmDisk::qcow2(&live_disk, "live"))
            .disk(VmDisk::raw(&new_disk, "by-hand"));
        spec.disc = Some(original.medium.clone());
        spec.bay = true;
        let mut vm = Vm::start(&spec, scenario.acceleration, &scenario.directory.join("by-hand"))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        let script = lab().scripts.join("restic.sh");
        let fetched = Command::new(&script).stderr(Stdio::inherit()).output().unwrap();
        assert!(fetched.status.success(), "{} failed", script.display());
        let restic = PathBuf::from(String::from_utf8(fetched.stdout).unwrap().trim());
        guest.install(&SystemRunner, std::slice::from_ref(&restic), "/usr/local/bin")?;
        let name = restic.file_name().unwrap().to_string_lossy().into_owned();
        guest.must(&format!("ln -s {name} /usr/local/bin/restic && restic version"), BOOT)?;
        guest.must("mkdir -p /mnt/medium && mount -o ro /dev/sr0 /mnt/medium", BOOT)?;
        // What a person does: name the disk, then paste the lines that begin with four blanks.
        let paste = "sed -n 's/^    //p' /mnt/medium/RECOVER-BY-HAND.txt /mnt/medium/lifeboat/RECOVER-BY-HAND.txt 2>/dev/null > /run/page.sh; \
                     test -s /run/page.sh";
        guest.must(paste, BOOT)?;
        guest.must("umount /mnt/medium", BOOT)?;
        let output = guest.must("disk0=/dev/vdb bash -e /run/page.sh", WORK)?;
        assert!(output.contains("no errors were found"), "{output}");
        guest.must("sync", BOOT)?;
        guest.run("poweroff", BOOT)?;
        vm.wait_off(BOOT)?;

        let spec = VmSpec::new(VmFirmware::Bios).memory(2048).disk(VmDisk::raw(&new_disk, "by-hand"));
        let recovered = Recovered { disk: new_disk, spec, events: vec![], took: Duration::ZERO };
        scenario.compare_with(&original, &recovered, &MADE_ANEW, &["--restic"])?;
        scenario.boot(&recovered, &HEALTHY)
    });
}
