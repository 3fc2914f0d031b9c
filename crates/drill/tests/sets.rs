//! Sets of discs: a machine makes one, is lost, and comes back from its discs, which are changed in one drive or are in several.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, lab, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::scenario::{BOOT, MEDIUM_DIRECTORY, RECORD, RECOVER};
use lifeboat_drill::lab::{Original, Recovered, Scenario, Target};
use lifeboat_drill::vm::{DISC_DRIVE, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::Event;
use lifeboat_sys::SystemRunner;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The rescue system of a Debian takes nearly as much as the first disc has.
const SET: &str = "lifeboat media set --size 130M --out /run/medium/set --embed-key --no-firmware --mode nuke \
     --append lifeboat.after=poweroff";
/// What cannot be compressed: so the set has at least five discs.
const CONTENT: &str = "head -c 260000000 /dev/urandom >/srv/noise";

struct Discs {
    original: Original,
    images: Vec<PathBuf>,
}

/// The machine makes its set.
fn record(scenario: &Scenario) -> Result<Discs, DrillError> {
    let (mut vm, disk) = scenario.start_original()?;
    let mut guest = Guest::login(&mut vm, BOOT)?;
    guest.install(&SystemRunner, &programs(), "/usr/local/bin")?;
    guest
        .must(&format!("mkdir -p {MEDIUM_DIRECTORY} && mount -t tmpfs -o size=2500m tmpfs {MEDIUM_DIRECTORY}"), BOOT)?;
    let output = guest.must(
        &format!("{CONTENT}; sync; {SET} && lifeboat verify --from {MEDIUM_DIRECTORY}/set-disc1.iso && ls -l {MEDIUM_DIRECTORY}"),
        RECORD,
    )?;
    eprintln!("{output}");
    let mut images = vec![];
    let count = (1..100).take_while(|number| output.contains(&format!("disc {number}: "))).count() + 1;
    assert!(output.contains(&format!("disc {count}, the last: ")), "{output}");
    assert!(count >= 5, "{output}");
    for number in 1..=count {
        let image = scenario.directory.join(format!("set-disc{number}.iso"));
        guest.fetch(&format!("{MEDIUM_DIRECTORY}/set-disc{number}.iso"), &image, RECORD)?;
        assert!(image.metadata().unwrap().len() <= 130 << 20);
        images.push(image);
    }
    guest.settle()?;
    vm.power_cut();
    let medium = images.first().cloned().unwrap();
    Ok(Discs { original: Original { disk, medium, output }, images })
}

/// Waits for a line that begins after `from` lines and has all these words; gives the number of lines up to it.
fn hear(vm: &mut Vm, from: usize, words: &[&str]) -> Result<usize, DrillError> {
    let began = Instant::now();
    loop {
        let lines = vm.console.lines();
        let found = lines.iter().skip(from).position(|(_, line)| words.iter().all(|word| line.contains(word)));
        if let Some(found) = found {
            eprintln!("{}", lines[from + found].1);
            return Ok(from + found + 1);
        }
        let failed = lines.iter().any(|(_, line)| line.contains("lifeboat: FAILED"));
        if failed || began.elapsed() > RECOVER || !vm.is_running() {
            let awaited = words.join(" … ");
            return Err(DrillError::Deadline { awaited, deadline: RECOVER, tail: vm.console.tail() });
        }
        vm.console.wait_for_more(Duration::from_millis(250));
    }
}

/// Puts a disc in as soon as the drive lets go of the other one: a person sees the tray open.
fn put(vm: &mut Vm, image: &Path, unreadable: Option<u64>) -> Result<(), DrillError> {
    let began = Instant::now();
    loop {
        match vm.qmp.insert(DISC_DRIVE, image, unreadable) {
            Err(error) if error.to_string().contains("is locked") && began.elapsed() < BOOT => {
                vm.console.wait_for_more(Duration::from_secs(1));
            }
            done => return done,
        }
    }
}

/// One drive: each disc is put in when it is asked for, from the second on; the first again for the files.
fn change_discs(vm: &mut Vm, images: &[PathBuf], mut from: usize) -> Result<usize, DrillError> {
    for (index, image) in images.iter().enumerate().skip(1) {
        from = hear(vm, from, &[&format!("put disc {} of set ", index + 1)])?;
        put(vm, image, None)?;
    }
    Ok(from)
}

/// Another disc, a disc of another set, a blank one, and one that cannot be read come in between; the recovery goes on.
#[test]
#[ignore = "long: make test-all"]
fn a_set_of_discs_recovers_whatever_is_put_in_between() {
    run_scenario(|| {
        let scenario = scenario_in("sets", PLAIN)?;
        let Discs { original, images } = record(&scenario)?;
        let blank = scenario.directory.join("blank.iso");
        std::fs::write(&blank, vec![0; 1 << 20]).unwrap();
        let mut recovery = scenario.start_recovery(&original.medium, &Target::default())?;
        let vm = &mut recovery.vm;

        // The proof, before anything is wiped.
        let mut heard = hear(vm, 0, &["put disc 2 of set "])?;
        put(vm, &images[3], None)?;
        heard = hear(vm, heard, &["put disc 2 of set ", "; in it is disc 4 of set "])?;
        put(vm, &blank, None)?;
        heard = hear(vm, heard, &["put disc 2 of set ", "it is blank, or holds something else"])?;
        // Disc 2 cannot be read in the middle; the copy can.
        put(vm, &images[1], Some(40 << 20))?;
        heard = hear(vm, heard, &["disc 2 in /dev/sr0 cannot be read", "put another copy of disc 2 "])?;
        put(vm, &images[1], None)?;
        for (index, image) in images.iter().enumerate().skip(2) {
            heard = hear(vm, heard, &[&format!("put disc {} of set ", index + 1)])?;
            put(vm, image, None)?;
        }
        // The files. Until here nothing was written.
        heard = hear(vm, heard, &["put disc 1 of set "])?;
        put(vm, &images[0], None)?;
        change_discs(vm, &images, heard)?;
        let recovered = recovery.end()?;
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

/// All discs are in drives: nobody changes anything.
#[test]
#[ignore = "long: make test-all"]
fn a_set_in_several_drives_recovers_by_itself() {
    run_scenario(|| {
        let scenario = scenario_in("sets", PLAIN)?;
        let Discs { original, images } = record(&scenario)?;
        let further_discs = images[1..].to_vec();
        let recovered = scenario.recover(&original.medium, &Target { further_discs, ..Target::default() })?;
        let asked = |event: &Event| matches!(event, Event::Note { text } if text.contains("put disc"));
        assert!(!recovered.events.iter().any(|(_, event)| asked(event)), "{:#?}", recovered.events);
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

/// The page on the first disc, on a live system with age, zstd and tar. Images are read: nobody types there.
#[test]
#[ignore = "long: make test-all"]
fn a_set_is_recovered_by_hand() {
    run_scenario(|| {
        let scenario = scenario_in("sets", PLAIN)?;
        let Discs { original, images } = record(&scenario)?;
        let live_disk = scenario.directory.join("live.qcow2");
        image::overlay(&SystemRunner, &lab().machine("debian12-bios-mbr")?.disk, &live_disk)?;
        let new_disk = scenario.directory.join("recovered.img");
        image::blank(&new_disk, lifeboat_sys::block::size_bytes(&scenario.machine.disk).unwrap())?;
        let mut spec = VmSpec::new(VmFirmware::Bios)
            .memory(3072)
            .disk(VmDisk::qcow2(&live_disk, "live"))
            .disk(VmDisk::raw(&new_disk, "by-hand"));
        spec.disc = Some(original.medium.clone());
        spec.bay = true;
        let mut vm = Vm::start(&spec, scenario.acceleration, &scenario.directory.join("by-hand"))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        guest.install(&SystemRunner, &["/usr/bin/age".into(), "/usr/bin/zstd".into()], "/usr/local/bin")?;
        guest.must("age --version; zstd --version; python3 --version", BOOT)?;
        guest.must(
            &format!("mkdir -p {MEDIUM_DIRECTORY} && mount -t tmpfs -o size=2000m tmpfs {MEDIUM_DIRECTORY}"),
            BOOT,
        )?;
        guest.install(&SystemRunner, &images, MEDIUM_DIRECTORY)?;
        let paste = "mkdir -p /mnt/medium && mount -o ro /dev/sr0 /mnt/medium && \
                     sed -n 's/^    //p' /mnt/medium/lifeboat/RECOVER-BY-HAND.txt > /run/page.sh && test -s /run/page.sh";
        guest.must(paste, BOOT)?;
        let output =
            guest.must(&format!("disk0=/dev/vdb images={MEDIUM_DIRECTORY}/set bash -e /run/page.sh"), RECORD)?;
        assert!(output.contains("is the last: the set is whole") && !output.contains("not everything"), "{output}");
        guest.must("sync", BOOT)?;
        guest.run("poweroff", BOOT)?;
        vm.wait_off(BOOT)?;
        let spec = VmSpec::new(VmFirmware::Bios).memory(2048).disk(VmDisk::raw(&new_disk, "by-hand"));
        let recovered = Recovered { disk: new_disk, spec, events: vec![], took: Duration::ZERO };
        scenario.boot(&recovered, &HEALTHY)
    });
}
