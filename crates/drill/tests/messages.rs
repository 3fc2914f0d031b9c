//! What the rescue system says when something around it is wrong, and that there is a way on from there.
//!
//! The kernel and initramfs of one real medium are started directly, so that each case chooses its command line and its
//! hardware.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/places.rs"]
mod places;
#[path = "common/server.rs"]
mod server;
#[path = "common/typist.rs"]
mod typist;

use common::{PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::{Scenario, await_event};
use lifeboat_drill::vm::{DirectKernel, Vm, VmFirmware, VmSpec, image};
use lifeboat_machine::{Event, MediumManifest, Mode};
use places::Places;
use serde_json::json;
use server::{Server, port};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use typist::{SCREEN, come_to_the_key, shown, type_line, type_on_screen};

const MEDIUM: &str = "lifeboat rescue --out /run/medium/rescue.iso --embed-key --mode expert --timeout 1";
const EXPERT: &str = "lifeboat.mode=expert";
const BOOT: Duration = Duration::from_secs(300);
const WORD: Duration = Duration::from_secs(120);
/// A drive without a disc, in the place of the one that [`VmSpec::disc`] makes.
const EMPTY_DRIVE: [&str; 2] = ["-device", "ide-cd,id=disc-drive,bus=ide.1"];
/// The recovery words of a key of zeros (the published vectors of BIP-39).
const OTHER_WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                           abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";
const MAC: &str = "52:54:00:0b:0a:07";

/// A medium and its rescue system.
struct Bench {
    scenario: Scenario,
    places: Places,
    medium: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

impl Bench {
    fn new() -> Result<Bench, DrillError> {
        let scenario = scenario_in("messages", PLAIN)?;
        let medium = scenario.recorded(&programs(), MEDIUM)?.medium;
        let places = Places::read(&medium);
        let [kernel, initrd] = ["kernel", "initrd.img"].map(|name| {
            let path = scenario.directory.join(name);
            std::fs::write(&path, places.content(&medium, &format!("/lifeboat/{name}"))).unwrap();
            path
        });
        Ok(Bench { scenario, places, medium, kernel, initrd })
    }

    /// A copy of the medium on which a file has other content.
    fn with(&self, path: &str, content: &[u8]) -> PathBuf {
        let copy = self.scenario.directory.join("tampered.iso");
        let mut call = Command::new("cp");
        call.args(["--reflink=auto", "--sparse=always"]).arg(&self.medium).arg(&copy);
        assert!(call.status().unwrap().success());
        self.places.replace(&copy, path, content);
        copy
    }

    /// The medium as if it had been made without --embed-key: its manifest says so, on the disc and in the initramfs. The key
    /// is still there, for who knows where.
    fn without_key(&mut self) -> PathBuf {
        let path = "/lifeboat/manifest.json";
        let text = String::from_utf8(self.places.content(&self.medium, path)).unwrap();
        let keyless = text.replace("\"embedded_key\": true", "\"embedded_key\":false");
        assert_ne!(text, keyless);
        let changed = self.scenario.directory.join("initrd-changed.img");
        places::overlay(&self.initrd, &path[1..], keyless.as_bytes(), &changed);
        self.initrd = changed;
        self.with(path, keyless.as_bytes())
    }

    /// A blank disk that the machine fits on, and the arguments that attach it.
    fn blank(&self) -> Result<(PathBuf, [String; 4]), DrillError> {
        let path = self.scenario.directory.join("blank.img");
        image::blank(&path, 4 << 30)?;
        let drive = format!("if=none,id=blank,format=raw,file={}", path.display());
        Ok((path, ["-drive".into(), drive, "-device".into(), "virtio-blk-pci,drive=blank,serial=blank".into()]))
    }

    /// Starts the rescue system; the disc is in the drive but not what the firmware boots.
    fn boot(&self, name: &str, parameters: &str, disc: Option<&Path>, more: &[&str]) -> Result<Vm, DrillError> {
        let kernel = DirectKernel {
            kernel: self.kernel.clone(),
            initrd: Some(self.initrd.clone()),
            command_line: format!("quiet console=ttyS0,115200 panic=30 {parameters}"),
        };
        let mut spec = VmSpec::new(VmFirmware::Bios).memory(1536).kernel(kernel);
        spec.disc = disc.map(Path::to_owned);
        spec.extra.extend(more.iter().map(|&word| word.to_owned()));
        Vm::start(&spec, self.scenario.acceleration, &self.scenario.directory.join(name))
    }
}

/// Waits for a line with this text; gives the whole line.
fn hear(vm: &mut Vm, text: &str) -> Result<String, DrillError> {
    let reports = |event: &Event| match event {
        Event::Note { text: reported } | Event::Warning { text: reported } => reported.contains(text),
        Event::Failed { reason } => reason.contains(text),
        _ => false,
    };
    let line = await_event(vm, text, BOOT, reports)?.event.console_line();
    eprintln!("{line}");
    Ok(line)
}

/// Expert mode is there, and its shell takes commands.
fn expert(vm: &mut Vm) -> Result<Guest<'_>, DrillError> {
    await_event(vm, "expert mode", BOOT, |event| *event == Event::Ready { mode: Mode::Expert })?;
    Guest::login(vm, WORD)
}

#[test]
#[ignore = "long: make test-all"]
fn a_damaged_tools_image_is_left_out() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let tools = "/lifeboat/tools.img";
        let mut content = bench.places.content(&bench.medium, tools);
        let middle = content.len() / 2;
        content[middle..middle + 16].iter_mut().for_each(|byte| *byte ^= 0xFF);
        let found = blake3::hash(&content).to_hex().to_string();
        let mut vm = bench.boot("tools", EXPERT, Some(&bench.with(tools, &content)), &[])?;
        let line = hear(&mut vm, "the additional tools are not used")?;
        assert!(line.contains(&format!("has the BLAKE3 hash {found}, but the rescue system expects ")), "{line}");
        assert!(line.ends_with("try another copy of it"), "{line}");
        let mut guest = expert(&mut vm)?;
        guest.must("! mountpoint -q /run/lifeboat/tools && lifeboat --version", WORD)?;
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn of_two_equal_media_one_is_named() {
    run_scenario(|| {
        let bench = Bench::new()?;
        // A disk, not a stick: the kernel shows a stick only after a second (usb-storage's delay_use), and who has found the
        // disc by then looks no further.
        let twin = format!("if=none,id=twin,readonly=on,format=raw,file={}", bench.medium.display());
        let more = ["-drive", &twin, "-device", "virtio-blk-pci,drive=twin"];
        let mut vm = bench.boot("two-media", EXPERT, Some(&bench.medium), &more)?;
        let line = hear(&mut vm, "the same medium is also in")?;
        assert!(line.contains("the same medium is also in /dev/vda; using /dev/sr0"), "{line}");
        let mut guest = expert(&mut vm)?;
        guest.must("grep -q '^/dev/sr0 /run/lifeboat/medium ' /proc/mounts", WORD)?;
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn without_a_medium_nuke_fails_and_gives_a_shell() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let mut vm = bench.boot("no-medium", "lifeboat.mode=nuke lifeboat.after=shell", None, &[])?;
        hear(&mut vm, "waiting for the medium, at most 60 s")?;
        hear(&mut vm, "no medium was found within 60 s:")?;
        hear(&mut vm, "there is no disc, USB disk or other disk")?;
        let failed = await_event(&mut vm, "the refusal", BOOT, Event::is_final)?.event.console_line();
        let reason = "nothing was touched: the medium that belongs to this rescue system was not found (see above)";
        assert_eq!(failed, format!("lifeboat: FAILED {reason}"));
        Guest::login(&mut vm, WORD)?.must("lifeboat --version", WORD)?;
        Ok(())
    });
}

/// Boots with the link of `plug` down, which is the card or what it hangs on; hears `trouble` and its end, then plugs it in.
fn network_that_comes_late(name: &str, netdevs: &[&str], plug: &str, trouble: &str, end: &str) {
    run_scenario(|| {
        let bench = Bench::new()?;
        let card = format!("virtio-net-pci,id=card,netdev=uplink,mac={MAC}");
        let mut more: Vec<&str> = netdevs.iter().flat_map(|&netdev| ["-netdev", netdev]).collect();
        more.extend(["-device", &card]);
        let mut vm = bench.boot(name, &format!("{EXPERT} ip=dhcp"), Some(&bench.medium), &more)?;
        // Long before the kernel has a driver for the card.
        vm.qmp.execute("set_link", json!({"name": plug, "up": false}))?;
        let line = hear(&mut vm, trouble)?;
        assert!(line.ends_with(&format!(" (MAC {MAC}){end}")), "{line}");
        hear(&mut vm, "there is no network")?;
        expert(&mut vm)?;
        vm.qmp.execute("set_link", json!({"name": plug, "up": true}))?;
        let line = hear(&mut vm, "network: ")?;
        assert!(line.contains(" has 10.0.2.15/24 from 10.0.2.2"), "{line}");
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn a_missing_cable_is_named_and_one_that_comes_later_is_used() {
    network_that_comes_late("no-cable", &["user,id=uplink"], "card", "no cable in ", "");
}

#[test]
#[ignore = "long: make test-all"]
fn a_missing_dhcp_server_is_named_and_one_that_comes_later_is_used() {
    // With a hub in between, the server can be unplugged while the card has a carrier. The hub must not be without it:
    // QEMU's hub would keep the first packet for ever.
    let netdevs = ["user,id=server", "hubport,id=port,hubid=7,netdev=server", "hubport,id=uplink,hubid=7"];
    network_that_comes_late("no-dhcp", &netdevs, "server", "no DHCP answer on ", " within 30 s");
}

#[test]
#[ignore = "long: make test-all"]
fn the_disc_of_another_medium_is_named() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let path = "/lifeboat/manifest.json";
        let text = String::from_utf8(bench.places.content(&bench.medium, path)).unwrap();
        let manifest: MediumManifest = serde_json::from_str(&text).unwrap();
        let (ours, machine) = (&manifest.medium_id, &manifest.machine_name);
        // As long as before, so that it fits into its place on the disc.
        let other: String = ours.chars().rev().collect();
        let disc = bench.with(path, text.replace(ours.as_str(), &other).as_bytes());
        let mut vm = bench.boot("other-medium", EXPERT, Some(&disc), &[])?;
        hear(&mut vm, "no medium was found within 15 s:")?;
        let line = hear(&mut vm, "/dev/sr0: found medium")?;
        let (theirs, ours) = (&other[..8], &ours[..8]);
        assert_ne!(theirs, ours);
        let found = format!("found medium {theirs} of machine {machine} (made {})", manifest.created_at);
        let belongs = format!("but this rescue system belongs to medium {ours} of machine {machine}");
        assert!(line.ends_with(&format!("{found}, {belongs}")), "{line}");
        hear(&mut vm, "the medium that belongs to this rescue system was not found (see above)")?;
        expert(&mut vm)?.must("lifeboat --version", WORD)?;
        Ok(())
    });
}

fn put_disc_in(vm: &mut Vm, disc: &Path) -> Result<(), DrillError> {
    let arguments = json!({"id": "disc-drive", "filename": disc, "format": "raw", "read-only-mode": "read-only"});
    vm.qmp.execute("blockdev-change-medium", arguments).map(drop)
}

#[test]
#[ignore = "long: make test-all"]
fn an_empty_drive_is_named_and_a_disc_that_comes_later_is_used() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let mut vm = bench.boot("empty-drive", "lifeboat.mode=nuke lifeboat.after=shell", None, &EMPTY_DRIVE)?;
        hear(&mut vm, "waiting for the medium, at most 60 s (/dev/sr0 is empty: insert the disc)")?;
        put_disc_in(&mut vm, &bench.medium)?;
        hear(&mut vm, "the medium is in /dev/sr0")?;
        // There is nothing to recover onto.
        let failed = await_event(&mut vm, "the refusal", BOOT, Event::is_final)?.event.console_line();
        assert!(failed.ends_with("the disks were not touched"), "{failed}");
        vm.power_cut();

        // Whoever comes too late for the boot process names the drive.
        let (_, disk) = bench.blank()?;
        let disk = disk.each_ref().map(String::as_str);
        let mut vm = bench.boot("empty-drive-too-late", EXPERT, None, &[&EMPTY_DRIVE[..], &disk].concat())?;
        hear(&mut vm, "no medium was found within 15 s:")?;
        hear(&mut vm, "/dev/sr0: there is no disc in the drive")?;
        let mut guest = expert(&mut vm)?;
        let refused = guest.run("lifeboat restore --stage plan </dev/null", WORD)?;
        assert_eq!(refused.code, 1);
        assert!(
            refused.text.contains("inserting it and naming its device: 'lifeboat restore --from /dev/sr0'"),
            "{refused:?}"
        );
        put_disc_in(guest.vm(), &bench.medium)?;
        let plan = guest.must("lifeboat restore --from /dev/sr0 --stage plan", BOOT)?;
        assert!(plan.contains("Nothing was touched"), "{plan}");
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn a_medium_without_the_key_asks_until_it_fits() {
    run_scenario(|| {
        let mut bench = Bench::new()?;
        let disc = bench.without_key();
        let (blank, disk) = bench.blank()?;
        let disk = disk.each_ref().map(String::as_str);

        // Nobody can be asked.
        let mut vm = bench.boot("no-key-nuke", "lifeboat.mode=nuke lifeboat.after=poweroff", Some(&disc), &disk)?;
        let failed = await_event(&mut vm, "the refusal", BOOT, Event::is_final)?.event.console_line();
        for part in ["this medium does not hold the key; nothing was touched", "interactive mode", "--embed-key"] {
            assert!(failed.starts_with("lifeboat: FAILED ") && failed.contains(part), "{failed}");
        }
        vm.wait_off(BOOT)?;
        let used = std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&blank).unwrap());
        assert_eq!(used, 0, "the disk was written to");

        // By commands: from a pipe, and at the terminal, which is asked until the key fits.
        let mut vm = bench.boot("no-key-expert", EXPERT, Some(&disc), &disk)?;
        let mut guest = expert(&mut vm)?;
        let shown_words = "lifeboat key show --key-file /run/lifeboat/medium/lifeboat/repository.key";
        let reported = guest.must(shown_words, WORD)?;
        let words: Vec<&str> =
            reported.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)).collect();
        assert_eq!(words.len(), 24, "{reported}");
        let words = words.join(" ");
        let plan = "lifeboat restore --stage plan";
        let without = guest.run(&format!("{plan} </dev/null"), BOOT)?;
        assert!(without.code == 1 && without.text.contains("--words to type the recovery words"), "{without:?}");
        let wrong = guest.run(&format!("echo {OTHER_WORDS} | {plan} --words"), BOOT)?;
        assert!(wrong.code == 1 && wrong.text.contains("the key does not match"), "{wrong:?}");
        let right = guest.must(&format!("echo {words} | {plan} --words"), BOOT)?;
        assert!(right.contains("Nothing was touched"), "{right}");
        vm.console.send(format!("{plan}\n").as_bytes())?;
        vm.console.wait_for(&shown("Recovery words"), BOOT)?;
        type_line(&mut vm, OTHER_WORDS, "cannot READ the recovery words", "the key does not match")?;
        vm.console.wait_for(&shown("Recovery words"), SCREEN)?;
        type_line(&mut vm, &words, "Recovery words (", "Nothing was touched")?;
        vm.power_cut();

        // On the screen.
        let mut vm = bench.boot("no-key-screen", "lifeboat.mode=interactive", Some(&disc), &disk)?;
        come_to_the_key(&mut vm, BOOT)?;
        type_on_screen(
            &mut vm,
            OTHER_WORDS,
            "cannot READ the recovery words",
            "these recovery words belong to another archive",
        )?;
        type_on_screen(&mut vm, "a passphrase", "no such thing is said", "this key does not match; try again")?;
        type_on_screen(&mut vm, &words, "cannot READ the recovery words", "Lifeboat: backups")
    });
}

#[test]
#[ignore = "long: make test-all"]
fn logs_go_to_a_server_though_the_boot_needed_no_network() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let (folder, port) = (bench.scenario.directory.join("served-logs"), port());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("support")).unwrap();
        let _server = Server::start("s3", port, &folder, &["--auth-key", "keyid,secretkey"]);
        let card = format!("virtio-net-pci,netdev=uplink,mac={MAC}");
        let mut vm =
            bench.boot("logs", EXPERT, Some(&bench.medium), &["-netdev", "user,id=uplink", "-device", &card])?;
        let mut guest = expert(&mut vm)?;
        guest.must("! ip -4 -o address show scope global | grep .", WORD)?;
        let refused = guest.run(&format!("lifeboat logs --to http://10.0.2.2:{port}/support"), WORD)?;
        assert!(refused.code == 1 && refused.text.contains("try nfs://"), "{refused:?}");
        let keys = "AWS_ACCESS_KEY_ID=keyid AWS_SECRET_ACCESS_KEY=secretkey";
        let place = format!("'s3://support/db7?endpoint=http://10.0.2.2:{port}'");
        let reported = guest.must(&format!("{keys} lifeboat logs --to {place}"), BOOT)?;
        assert!(reported.contains("the logs are in lifeboat-logs-"), "{reported}");
        guest.must("ip -4 -o address show scope global | grep -w 10.0.2.15/24 && network-up", WORD)?;
        let saved: Vec<PathBuf> =
            std::fs::read_dir(folder.join("support/db7")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [saved] = &saved[..] else { panic!("{saved:?}") };
        let log = std::fs::read_to_string(saved.join("log")).unwrap();
        assert!(log.contains("lifeboat: ready expert") && saved.join("machine.json").is_file(), "{log}");
        for entry in std::fs::read_dir(saved).unwrap() {
            let text = std::fs::read(entry.unwrap().path()).unwrap();
            assert!(!text.windows(9).any(|part| part == b"secretkey"), "a credential is among the logs");
        }
        Ok(())
    });
}
