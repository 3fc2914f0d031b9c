//! Archives on disks that are made of other disks: LVM on md, LUKS on LVM on md, two paths to one disk. All of it is
//! activated read-only and by need, and nothing on those disks changes.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/places.rs"]
mod places;
#[path = "common/server.rs"]
#[allow(dead_code)]
mod server;
#[path = "common/tgtd.rs"]
mod tgtd;
#[path = "common/typist.rs"]
mod typist;

use common::{HEALTHY, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::scenario::{BOOT, RECOVER};
use lifeboat_drill::lab::{Original, Scenario, Target, await_event};
use lifeboat_drill::vm::{DirectKernel, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::{Event, Mode};
use places::Places;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tgtd::Tgtd;
use typist::{see, shown, type_on_screen};

const MACHINE: &str = "debian12-storage";
const WORD: Duration = Duration::from_secs(300);
/// Opens the archive's second copy.
const PASSPHRASE: &str = "correct horse";

/// Runs in the original machine: a RAID1 of vdb and vdc with a volume group, of which one volume is encrypted; a plain
/// partition on vdd. Each holds the archive.
const STORE: &str = r#"
set -eu
for disk in vdb vdc vdd; do (echo label: gpt; echo ,,L) | sfdisk -q /dev/$disk; done
udevadm settle
mdadm --create /dev/md/backup --quiet --run --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/vdb1 /dev/vdc1
vgcreate -q keep /dev/md/backup
lvcreate -q -y -n repo -L 900m keep
lvcreate -q -y -n safe -l 100%FREE keep
mkfs.ext4 -q -L BACKUP /dev/keep/repo
printf %s 'PASSPHRASE' | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/keep/safe -
mount /dev/keep/repo /mnt
lifeboat backup --init --to /mnt/machines/db7
lifeboat media iso --rescue-only --source disk:LABEL=BACKUP:/machines/db7 --embed-key --out /run/medium/rescue.iso \
    --mode nuke --append lifeboat.after=poweroff
printf %s 'PASSPHRASE' | cryptsetup open --key-file - /dev/keep/safe safe
mkfs.ext4 -q -L SAFE /dev/mapper/safe
mkfs.ext4 -q -L PATHS /dev/vdd1
mkdir -p /run/safe /run/paths
mount /dev/mapper/safe /run/safe
mount /dev/vdd1 /run/paths
cp -a /mnt/machines /run/safe/
cp -a /mnt/machines /run/paths/
umount /mnt /run/safe /run/paths
cryptsetup close safe
vgchange -q -an keep
mdadm --quiet --stop /dev/md/backup
"#;

struct Bench {
    scenario: Scenario,
    original: Original,
    /// The two of the array, and the one that has two paths.
    store: [PathBuf; 3],
    kernel: PathBuf,
    initrd: PathBuf,
}

fn digest(path: &Path) -> Vec<u8> {
    Command::new("b2sum").arg(path).output().unwrap().stdout
}

impl Bench {
    fn record() -> Result<Bench, DrillError> {
        let scenario = scenario_in("stacks", MACHINE)?;
        let store = ["one.img", "two.img", "paths.img"].map(|name| scenario.directory.join(name));
        let attach = |spec: &mut VmSpec| {
            for (number, (path, size)) in store.iter().zip([2_u64 << 30, 2 << 30, 1 << 30]).enumerate() {
                let _ = std::fs::remove_file(path);
                image::blank(path, size).unwrap();
                spec.disks.push(VmDisk::raw(path, &format!("store-{}", number + 1)));
            }
        };
        let script = STORE.replace("PASSPHRASE", PASSPHRASE);
        let original = scenario.recorded_with(&programs(), &format!("(\n{script}\n)"), attach)?;
        let places = Places::read(&original.medium);
        let [kernel, initrd] = ["kernel", "initrd.img"].map(|name| {
            let path = scenario.directory.join(name);
            std::fs::write(&path, places.content(&original.medium, &format!("/lifeboat/{name}"))).unwrap();
            path
        });
        Ok(Bench { scenario, original, store, kernel, initrd })
    }

    /// Starts the rescue system with the medium in the drive, a blank disk, and more.
    fn boot(&self, name: &str, parameters: &str, adjust: impl FnOnce(&mut VmSpec)) -> Result<Vm, DrillError> {
        let blank = self.scenario.directory.join("blank.img");
        let _ = std::fs::remove_file(&blank);
        image::blank(&blank, 4 << 30)?;
        let kernel = DirectKernel {
            kernel: self.kernel.clone(),
            initrd: Some(self.initrd.clone()),
            command_line: format!("quiet console=ttyS0,115200 panic=30 {parameters}"),
        };
        let mut spec = VmSpec::new(VmFirmware::Bios).memory(1536).disk(VmDisk::raw(&blank, "new-disk")).kernel(kernel);
        spec.disc = Some(self.original.medium.clone());
        adjust(&mut spec);
        Vm::start(&spec, self.scenario.acceleration, &self.scenario.directory.join(name))
    }

    /// Needs no passphrase: found by label through volume group and array, without a question.
    fn nuke(&self) -> Result<(), DrillError> {
        let more = self.store[..2].iter().zip(["store-1", "store-2"]).map(|(path, serial)| VmDisk::raw(path, serial));
        let target = Target { more: more.collect(), ..Target::default() };
        let recovered = self.scenario.recover(&self.original.medium, &target)?;
        let noted = |text: &str| {
            recovered.events.iter().any(|(_, event)| matches!(event, Event::Note { text: t } if t.contains(text)))
        };
        assert!(noted("activated read-only: md array /dev/md127"), "{:?}", recovered.events);
        assert!(noted("activated read-only: LVM volume group keep"), "{:?}", recovered.events);
        self.scenario.compare(&self.original, &recovered)?;
        self.scenario.boot(&recovered, &HEALTHY)
    }

    fn safe(&self, spec: &mut VmSpec) {
        // One of the two disks of the array is dead.
        spec.disks.push(VmDisk::raw(&self.store[1], "store-2"));
    }

    /// Nobody is there to type a passphrase.
    fn locked_nuke(&self) -> Result<(), DrillError> {
        let parameters = "lifeboat.mode=nuke lifeboat.after=poweroff lifeboat.source=disk:LABEL=SAFE:/machines/db7";
        let mut vm = self.boot("locked", parameters, |spec| {
            spec.disks.extend([0, 1].map(|n| VmDisk::raw(&self.store[n], &format!("store-{}", n + 1))));
        })?;
        let end = await_event(&mut vm, "the end", BOOT, Event::is_final)?;
        let Event::Failed { reason } = &end.event else { panic!("{end:?}") };
        assert!(reason.contains("is encrypted (LUKS) and may hold it; type the passphrase"), "{reason}");
        vm.wait_off(BOOT)
    }

    /// In expert mode all is activated that can be, on an array that lost a disk; the rest is opened by hand.
    fn expert(&self) -> Result<(), DrillError> {
        let parameters = "lifeboat.mode=expert lifeboat.source=disk:LABEL=SAFE:/machines/db7";
        let mut vm = self.boot("expert", parameters, |spec| self.safe(spec))?;
        let ready = await_event(&mut vm, "expert mode", BOOT, |e| *e == Event::Ready { mode: Mode::Expert });
        ready?;
        let reported = vm.console.text();
        for text in [
            "activated read-only: md array /dev/md127",
            "activated read-only: LVM volume group keep",
            "is encrypted (LUKS): lifeboat storage unlock /dev/dm-",
        ] {
            assert!(reported.contains(text), "{text}: {reported}");
        }
        let mut guest = Guest::login(&mut vm, WORD)?;
        let shown = guest.must("lifeboat storage show", WORD)?;
        assert!(
            shown.contains("LVM volume group keep: active, on /dev/vdb") && shown.contains("not active"),
            "{shown}"
        );
        let plan = "lifeboat restore --stage plan";
        let refused = guest.run(plan, WORD)?;
        assert!(refused.code == 1 && refused.text.contains("is encrypted (LUKS) and may hold it"), "{}", refused.text);
        let unlock = |word: &str| format!("printf %s '{word}' | lifeboat storage unlock /dev/mapper/keep-safe");
        let wrong = guest.run(&unlock("wrong"), WORD)?;
        assert!(wrong.code == 1 && wrong.text.contains("does not open /dev/dm-"), "{}", wrong.text);
        guest.must(&unlock(PASSPHRASE), WORD)?;
        let text = guest.must(plan, RECOVER)?;
        assert!(text.contains("/dev/vda") && text.contains("Nothing was touched"), "{text}");
        // What the archive was on is free again, and so is all else.
        let released = guest.must("lifeboat storage release && lifeboat storage show", WORD)?;
        assert!(released.contains("released: md array /dev/md127") && !released.contains(": active"), "{released}");
        vm.power_cut();
        Ok(())
    }

    /// The interactive mode asks for the passphrase of the disk.
    fn interactive(&self) -> Result<(), DrillError> {
        let parameters = "lifeboat.mode=interactive lifeboat.source=disk:LABEL=SAFE:/machines/db7";
        let mut vm = self.boot("interactive", parameters, |spec| {
            spec.disks.extend([0, 1].map(|n| VmDisk::raw(&self.store[n], &format!("store-{}", n + 1))));
        })?;
        // There is one console only: nobody is asked where they sit.
        vm.console.wait_for(&shown("Lifeboat: welcome"), BOOT)?;
        vm.console.send(b"\r")?;
        see(&mut vm, &[&shown("Type the passphrase of this disk")])?;
        vm.console.send(b"wrong\r")?;
        see(&mut vm, &[&shown("this passphrase does not open")])?;
        type_on_screen(&mut vm, PASSPHRASE, "this passphrase does not open", "Lifeboat: backups")?;
        vm.power_cut();
        Ok(())
    }

    /// The archive's disk is a server's, which is named on the command line.
    fn iscsi(&self) -> Result<(), DrillError> {
        let name = "iqn.2026-01.net.example:store";
        let served = Tgtd::start(name, &["-b", &self.store[2].display().to_string()]);
        let parameters = format!(
            "lifeboat.mode=expert lifeboat.source=disk:LABEL=PATHS:/machines/db7 lifeboat.iscsi={name}@10.0.2.2:{}",
            served.portal
        );
        let mut vm = self.boot("iscsi", &parameters, |spec| {
            let device = "virtio-net-pci,netdev=uplink,mac=52:54:00:0b:0a:07";
            spec.extra.extend(["-netdev", "user,id=uplink", "-device", device].map(str::to_owned));
        })?;
        await_event(&mut vm, "expert mode", BOOT, |event| *event == Event::Ready { mode: Mode::Expert })?;
        assert!(vm.console.text().contains(&format!("logged in at the iSCSI target {name}")), "{}", vm.console.text());
        let mut guest = Guest::login(&mut vm, WORD)?;
        let text = guest.must("lsblk -no TRAN && lifeboat restore --stage plan", RECOVER)?;
        assert!(text.contains("iscsi") && text.contains("Nothing was touched"), "{text}");
        let wrong = format!("lifeboat storage login iqn.2026-01.x:none@10.0.2.2:{}", served.portal);
        let refused = guest.run(&wrong, WORD)?;
        assert!(refused.code == 1 && refused.text.contains("iscsiadm"), "{}", refused.text);
        vm.power_cut();
        Ok(())
    }

    /// A disk that is seen twice is one disk.
    fn two_paths(&self) -> Result<(), DrillError> {
        let parameters = "lifeboat.mode=expert lifeboat.source=disk:LABEL=PATHS:/machines/db7";
        let file = self.store[2].display();
        let mut vm = self.boot("paths", parameters, |spec| {
            for number in 0..2 {
                let words = [
                    "-blockdev".to_owned(),
                    format!("driver=file,filename={file},node-name=path{number},locking=off"),
                    "-device".to_owned(),
                    format!("virtio-scsi-pci,id=hba{number}"),
                    "-device".to_owned(),
                    format!(
                        "scsi-hd,bus=hba{number}.0,drive=path{number},serial=twice,wwn=0x5000c500a1b2c3d4,share-rw=on"
                    ),
                ];
                spec.extra.extend(words);
            }
        })?;
        await_event(&mut vm, "expert mode", BOOT, |event| *event == Event::Ready { mode: Mode::Expert })?;
        let mut guest = Guest::login(&mut vm, WORD)?;
        let shown = guest.must("lifeboat storage show", WORD)?;
        assert!(shown.contains("multipath device") && shown.contains("active, on /dev/sda, /dev/sdb"), "{shown}");
        let text = guest.must("lifeboat restore --stage plan", RECOVER)?;
        assert!(text.contains("/dev/vda") && text.contains("Nothing was touched"), "{text}");
        vm.power_cut();
        Ok(())
    }
}

/// Runs a story; afterwards the disks that hold archives are, byte for byte, what they were before it.
fn unchanged(story: impl FnOnce(&Bench) -> Result<(), DrillError>) {
    run_scenario(|| {
        let bench = Bench::record()?;
        let before = bench.store.each_ref().map(|path| digest(path));
        story(&bench)?;
        assert!(before == bench.store.each_ref().map(|path| digest(path)), "a disk with an archive was written to");
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn stacks_unattended() {
    unchanged(|bench| bench.nuke().and_then(|()| bench.locked_nuke()));
}

#[test]
#[ignore = "long: make test-all"]
fn stacks_in_expert_mode() {
    unchanged(Bench::expert);
}

#[test]
#[ignore = "long: make test-all"]
fn stacks_in_the_interactive_mode() {
    unchanged(Bench::interactive);
}

#[test]
#[ignore = "long: make test-all"]
fn stacks_two_paths_to_one_disk() {
    unchanged(Bench::two_paths);
}

#[test]
#[ignore = "long: make test-all"]
fn stacks_iscsi() {
    unchanged(Bench::iscsi);
}
