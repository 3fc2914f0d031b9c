//! The policy of unattended runs, as `[unattended]` of lifeboat.toml puts it on a medium, is what a recovery keeps to; what is
//! typed wins over it.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/places.rs"]
mod places;

use common::{HEALTHY, PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::scenario::{RECOVER, await_end};
use lifeboat_drill::lab::{Recovered, await_event};
use lifeboat_drill::vm::{DirectKernel, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::Event;
use places::{Places, foreign_data};
use std::path::Path;
use std::time::Duration;

/// Serial number of the disk that holds somebody's files.
const SERIAL: &str = "given-up";
const PATIENCE: Duration = Duration::from_secs(300);

fn hash(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path).unwrap()).unwrap();
    hasher.finalize()
}

/// Waits until the machine says that it powers off, which nothing on the command line asked for, and does.
fn powers_off(mut vm: Vm) -> Result<(), DrillError> {
    let reported = |event: &Event| matches!(event, Event::Note { text } if text == "powering off");
    await_event(&mut vm, "the power-off", PATIENCE, reported)?;
    vm.wait_off(PATIENCE)
}

#[test]
#[ignore = "long: make test-all"]
fn the_policy_on_a_medium_is_kept_to() {
    run_scenario(|| {
        let scenario = scenario_in("policy", PLAIN)?;
        let policy = format!("[unattended]\\nwipe = [\"{SERIAL}\"]\\nwarnings = \"stop\"\\nafter = \"poweroff\"\\n");
        let rescue = format!(
            "printf '{policy}' >/run/policy.toml && \
             lifeboat --config /run/policy.toml rescue --out /run/medium/rescue.iso --mode nuke --embed-key"
        );
        let original = scenario.recorded(&programs(), &rescue)?;
        let places = Places::read(&original.medium);
        let [kernel, initrd] = ["kernel", "initrd.img"].map(|name| {
            let path = scenario.directory.join(name);
            std::fs::write(&path, places.content(&original.medium, &format!("/lifeboat/{name}"))).unwrap();
            path
        });
        // Half as large as the machine's: the plan has something to say about that.
        let disk = scenario.directory.join("foreign.img");
        image::blank(&disk, 4 << 30)?;
        foreign_data(&disk);
        let spec = |serial: &str| VmSpec::new(VmFirmware::Bios).memory(2048).disk(VmDisk::raw(&disk, serial));
        let start = |serial: &str, logs: &str, parameters: &str| {
            let command_line = format!("quiet console=ttyS0,115200 panic=30 lifeboat.mode=nuke {parameters}");
            let kernel = DirectKernel { kernel: kernel.clone(), initrd: Some(initrd.clone()), command_line };
            let mut spec = spec(serial).kernel(kernel);
            spec.disc = Some(original.medium.clone());
            Vm::start(&spec, scenario.acceleration, &scenario.directory.join(logs))
        };
        let refused = |serial: &str, logs: &str, why: &str| -> Result<(), DrillError> {
            let before = hash(&disk);
            let mut vm = start(serial, logs, "")?;
            let Event::Failed { reason } = await_end(&mut vm, RECOVER)?.event else {
                panic!("{logs} was recovered onto")
            };
            eprintln!("{logs}: {reason}");
            assert!(reason.contains(why), "{reason}");
            powers_off(vm)?;
            assert_eq!(before, hash(&disk), "{logs} was written to");
            Ok(())
        };
        refused("somebodys", "not-given-up", "cannot FIND the disk given-up of lifeboat.wipe; there are: /dev/vda")?;
        refused(SERIAL, "warned-of", "the plan has warnings, and the policy is to stop at warnings")?;

        let mut vm = start(SERIAL, "recovery", "lifeboat.warnings=go-on")?;
        let end = await_end(&mut vm, RECOVER)?;
        assert!(matches!(end.event, Event::Restored { .. }), "{:?}", end.event);
        powers_off(vm)?;
        let recovered = Recovered { disk: disk.clone(), spec: spec(SERIAL), events: vec![], took: Duration::ZERO };
        scenario.boot(&recovered, &HEALTHY)
    });
}
