//! The rescue image: how long it takes to build, how large it is, how long it takes to boot.

use super::measure::{Call, median};
use super::report::{Boot, Image, Seconds};
use super::tree;
use crate::workspace;
use anyhow::{Context as _, bail};
use lifeboat_drill::lab::VmLock;
use lifeboat_drill::vm::{Acceleration, Nic, Pattern, Vm, VmDisk, VmSpec, event_port, image};
use lifeboat_machine::Event;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How often it is built and booted; a warm cache is what counts.
const TIMES: usize = 3;
/// An emulated machine on a busy host needs a minute from power-on to the mode; ten are a failure.
const BOOT: Duration = Duration::from_secs(600);

/// Builds the rescue image of the tree several times.
pub fn build(directory: &Path, tree: &Path) -> anyhow::Result<Image> {
    let out = directory.join("image");
    let log = directory.join("image.log");
    let mut seconds = Vec::new();
    for _ in 0..TIMES {
        super::folder::empty(&out)?;
        let call = Call::new(workspace::program("lifeboat")?).args(["dev", "image"]).args([
            "--out".as_ref(),
            out.as_os_str(),
            "--sysroot".as_ref(),
            tree.as_os_str(),
        ]);
        let measured = call.measure(&log)?;
        println!("lifeboat  rescue image   {:>7.2} s", measured.seconds);
        seconds.push(measured.seconds);
    }
    let initramfs = out.join("initrd.img");
    let initramfs_bytes =
        std::fs::metadata(&initramfs).with_context(|| format!("cannot READ {}", initramfs.display()))?.len();
    Ok(Image { build_seconds: median(&seconds), initramfs_bytes })
}

/// Boots a medium without an archive several times, emulated, with one disc, one disk and one network card.
pub fn boot(directory: &Path, tree: &Path) -> anyhow::Result<Boot> {
    let medium = directory.join("rescue.iso");
    let description = directory.join("machine.json");
    std::fs::write(&description, tree::machine(tree)?.to_json())
        .with_context(|| format!("cannot WRITE {}", description.display()))?;
    Call::new(workspace::program("lifeboat")?)
        .args(["media", "iso", "--rescue-only", "--force", "--timeout", "0", "--mode", "expert"])
        .args(["--out".as_ref(), medium.as_os_str(), "--sysroot".as_ref(), tree.as_os_str()])
        .args(["--machine".as_ref(), description.as_os_str()])
        .measure(&directory.join("medium.log"))?;
    // The time includes the image of additional tools, which is read and hashed before the mode.
    let list = Call::new("xorriso").args(["-indev"]).args([&medium]).args(["-find", "/lifeboat/tools.img"]);
    let log = directory.join("medium.list");
    list.measure(&log)?;
    if !std::fs::read_to_string(&log).unwrap_or_default().contains("tools.img") {
        bail!("{} has no tools.img", medium.display());
    }
    let _turn = VmLock::acquire(&workspace::lab().machines()?)?;
    let kernel = super::kernel::compare(directory, &directory.join("image"))?;
    let (mut kernel_to_init, mut init_to_mode) = (Vec::new(), Vec::new());
    let mut stages: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..TIMES {
        let once = boot_once(directory, &medium)?;
        println!(
            "lifeboat  boot           {:>7.2} s to init, {:.2} s to the mode",
            once.kernel_to_init, once.init_to_mode
        );
        kernel_to_init.push(once.kernel_to_init);
        init_to_mode.push(once.init_to_mode);
        for (name, seconds) in once.stages {
            stages.entry(name).or_default().push(seconds);
        }
    }
    Ok(Boot {
        kernel_to_init: median(&kernel_to_init),
        init_to_mode: median(&init_to_mode),
        stages: stages.into_iter().map(|(name, seconds)| (name, median(&seconds))).collect(),
        kernel: Some(kernel),
    })
}

fn boot_once(directory: &Path, medium: &Path) -> anyhow::Result<Boot> {
    let disk = directory.join("blank.img");
    image::blank(&disk, 1 << 30)?;
    let spec = VmSpec::default().disc(medium).disk(VmDisk::raw(&disk, "bench")).nic(Nic::VirtioNet);
    // Emulated even where hardware virtualisation works, so that numbers can be compared between hosts.
    let mut vm = Vm::start(&spec, Acceleration::Tcg, &directory.join("vm"))?;
    // init reports both itself, on every console: the kernel's clock when it began, and its own when the mode begins.
    let mut reported = |what: &str| -> anyhow::Result<f64> {
        let reported = vm.console.wait_for(&Pattern::regex(&format!("{what} ([0-9.]+) s after"))?, BOOT)?.text;
        let seconds = reported.split(' ').find_map(|word| word.parse().ok());
        seconds.with_context(|| format!("cannot READ the seconds in {reported:?}"))
    };
    let kernel_to_init = reported("init started")?;
    let init_to_mode = reported("mode expert starts")?;
    let reported = vm.console.lines();
    vm.power_cut();
    let stage = |line: &str| match event_port::from_console(line.trim())? {
        Event::Stage { name, seconds } => Some((name, seconds)),
        _ => None,
    };
    let stages: Seconds<String> = reported.iter().filter_map(|(_, line)| stage(line)).collect();
    Ok(Boot { kernel_to_init, init_to_mode, stages, kernel: None })
}
