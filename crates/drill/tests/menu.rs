//! What a drill does to a boot menu, on a menu of its own.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PLAIN, run_scenario, scenario_in};
use lifeboat_drill::chooser::choose;
use lifeboat_drill::medium::Menu;
use lifeboat_drill::vm::{Pattern, Vm, VmFirmware, VmSpec};
use std::process::Command;
use std::time::Duration;

const BOOT: Duration = Duration::from_secs(300);

/// Lines longer than the screen, an entry before the one that is wanted, and one that waits for somebody.
const CFG: &str = "serial --unit=0 --speed=115200\nterminal_input serial\nterminal_output serial\nset default=first\n\
    set timeout=-1\nmenuentry 'A menu to be read' --id=title {\n  true\n}\n\
    menuentry 'First' --id=first {\n  linux /boot/kernel wrong=entry console=ttyS0\n}\n\
    menuentry 'Second' --id=second {\n  echo 'Loading a kernel with a line of its own that is rather long, longer than the screen'\n  \
    linux /boot/kernel console=ttyS0 panic=-1 first.option=0123456789 second.option=0123456789 third.option=0123456789 last=1\n}\n";

#[test]
fn an_entry_is_started_with_one_more_parameter() {
    run_scenario(|| {
        let scenario = scenario_in("menu", PLAIN)?;
        let tree = scenario.directory.join("tree");
        std::fs::create_dir_all(tree.join("boot/grub")).unwrap();
        std::fs::copy(&scenario.machine.kernel, tree.join("boot/kernel")).unwrap();
        std::fs::write(tree.join("boot/grub/grub.cfg"), CFG).unwrap();
        let iso = scenario.directory.join("menu.iso");
        let made = Command::new("grub-mkrescue").arg("-o").arg(&iso).arg(&tree).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let menu = Menu::parse(CFG).unwrap();
        let start = |parameter: Option<&str>| {
            let spec = VmSpec::new(VmFirmware::Bios).memory(512).disc(&iso);
            let mut vm = Vm::start(&spec, scenario.acceleration, &scenario.directory.join("vm"))?;
            vm.console.wait_for(&Pattern::text("A menu to be read")?, BOOT)?;
            choose(&mut vm, &menu, "second", parameter)?;
            let line = vm.console.wait_for(&Pattern::regex(r"Command line: ([^\r\n]*)[\r\n]")?, BOOT)?;
            vm.power_cut();
            Ok::<_, lifeboat_drill::DrillError>(line.text)
        };
        let changed = start(Some("no_timer_check"))?;
        assert!(changed.contains("third.option=0123456789 last=1 no_timer_check"), "{changed}");
        let kept = start(None)?;
        assert!(kept.contains("last=1") && !kept.contains("no_timer_check"), "{kept}");
        Ok(())
    });
}
