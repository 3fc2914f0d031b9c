//! A recovery by hand in expert mode that is killed in each of its stages and resumed each time.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::scenario::{BOOT, RECOVER};
use lifeboat_drill::lab::{Recovered, Recovery, Target, await_event};
use lifeboat_machine::{Event, Mode};

const MEDIUM: &str = "lifeboat rescue --out /run/medium/rescue.iso --embed-key --mode expert --timeout 1";

/// Runs in the rescue system. `killed CONDITION COMMAND` kills the command, and what it started, once the condition holds.
const SCRIPT: &str = r#"
set -eu
journal=/run/lifeboat/recovery.json
count() { sed -n 's/.*"done": \([0-9]*\),.*/\1/p' $journal 2>/dev/null || true; }
before_extract() { sed -n '/"step": "extract"/q; /"step":/p' $journal | wc -l; }
reached() { done=$(count); [ "${done:-0}" -ge "$1" ]; }
killed() {
    condition=$1; shift
    setsid "$@" </tmp/name >/tmp/said 2>&1 &
    pid=$!
    until eval "$condition"; do
        kill -0 $pid 2>/dev/null || { cat /tmp/said; echo "it ended before: $condition"; exit 1; }
        sleep 0.05
    done
    kill -KILL -- -$pid
    wait $pid || true
    echo "killed after step $(count)"
}
sed "s|rescue-||" </proc/sys/kernel/hostname >/tmp/name
lifeboat restore --stage plan | grep 'Nothing was touched'
! lifeboat restore --resume
! lifeboat restore --stage extract
! lifeboat restore --stage rebuild </dev/null
[ ! -e $journal ]
killed 'reached 2' lifeboat restore
! lifeboat restore --stage boot
killed 'reached $(before_extract) && sleep 3' lifeboat restore --resume
killed 'reached $(($(before_extract) + 1))' lifeboat restore --resume
lifeboat restore --resume
! lifeboat restore --resume
findmnt /target && exit 1
sync
echo ALL-STAGES
"#;

#[test]
#[ignore = "long: make test-all"]
fn a_recovery_killed_in_each_stage_and_resumed() {
    run_scenario(|| {
        let scenario = scenario_in("stages", PLAIN)?;
        let original = scenario.recorded(&programs(), MEDIUM)?;
        let Recovery { mut vm, disk, spec } = scenario.start_recovery(&original.medium, &Target::default())?;
        let ready = |event: &Event| matches!(event, Event::Ready { mode: Mode::Expert } | Event::Failed { .. });
        await_event(&mut vm, "expert mode", BOOT, ready)?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        guest.must(&format!("cat >/tmp/stages.sh <<'END'\n{SCRIPT}\nEND"), BOOT)?;
        let reported = guest.must("bash /tmp/stages.sh 2>&1", RECOVER)?;
        eprintln!("{reported}");
        assert!(reported.contains("ALL-STAGES") && reported.matches("killed after step").count() == 3, "{reported}");
        vm.power_cut();
        let recovered = Recovered { disk, spec, events: vec![], took: std::time::Duration::ZERO };
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

/// The same in one go, each stage by itself.
#[test]
#[ignore = "long: make test-all"]
fn a_recovery_stage_by_stage() -> Result<(), DrillError> {
    let scenario = scenario_in("stages", PLAIN)?;
    let original = scenario.recorded(&programs(), MEDIUM)?;
    let Recovery { mut vm, disk, spec } = scenario.start_recovery(&original.medium, &Target::default())?;
    let ready = |event: &Event| matches!(event, Event::Ready { mode: Mode::Expert } | Event::Failed { .. });
    await_event(&mut vm, "expert mode", BOOT, ready)?;
    let mut guest = Guest::login(&mut vm, BOOT)?;
    // What the page of expert mode offers for looking around.
    guest.must("lifeboat layout plan --from /run/lifeboat/medium && lifeboat storage show", RECOVER)?;
    guest.must("lifeboat storage activate && lifeboat storage release", RECOVER)?;
    guest.must("lifeboat restore --stage plan --wipe /dev/vda --map disk0:/dev/vda", RECOVER)?;
    guest.must(
        "sed s/rescue-// /proc/sys/kernel/hostname | lifeboat restore --stage rebuild && findmnt /target",
        RECOVER,
    )?;
    guest.must("lifeboat restore --stage extract && test -e /target/etc/fstab", RECOVER)?;
    guest.must("lifeboat compare --root /target", RECOVER)?;
    guest.must("lifeboat restore --stage boot && ! findmnt /target", RECOVER)?;
    guest.settle()?;
    vm.power_cut();
    let recovered = Recovered { disk, spec, events: vec![], took: std::time::Duration::ZERO };
    scenario.compare(&original, &recovered)
}
