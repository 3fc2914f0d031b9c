//! From the kernel's first moment to /init: our initramfs against one that holds nothing but an /init.
//!
//! Both get the same 128 bytes as /init, which end at once, so that the kernel panics and reports when: its own clock, read
//! the same way in both cases, whatever an init does in its first moments.

use super::measure::median;
use super::report::KernelToInit;
use anyhow::Context as _;
use lifeboat_drill::vm::{Acceleration, DirectKernel, Pattern, Vm, VmSpec};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Boots of each; the two take turns.
const TIMES: usize = 5;
/// An emulated kernel takes seconds; minutes are a failure.
const BOOT: Duration = Duration::from_secs(300);
/// How often one boot may be tried.
const ATTEMPTS: usize = 3;
/// No other file of an initramfs has this name.
const NAME: &str = "bench-exit";

/// exit(0) as a static ELF program for x86-64 (elf(5)): file header, one program header, nine bytes of code.
fn program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // xor edi, edi; mov eax, 60 (exit); syscall
    const CODE: [u8; 9] = [0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let size = HEADERS + CODE.len() as u64;
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // ET_EXEC, EM_X86_64, version; entry, program headers, no sections; flags; sizes and counts.
    out.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [BASE + HEADERS, 64, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend([0; 4]);
    for half in [64_u16, 56, 1, 64, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    // PT_LOAD, readable and executable: offset, address twice, size twice, alignment.
    out.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, BASE, BASE, size, size, 0x1000] {
        out.extend(word.to_le_bytes());
    }
    out.extend(CODE);
    out
}

/// A cpio archive in the kernel's "newc" format with only that program.
fn archive() -> Vec<u8> {
    let mut out = Vec::new();
    let mut node = |name: &str, mode: u32, data: &[u8]| {
        let fields = [1, mode, 0, 0, 1, 0, data.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        out.extend(b"070701");
        out.extend(fields.iter().flat_map(|field| format!("{field:08X}").into_bytes()));
        out.extend(name.bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
    };
    node(NAME, 0o100_755, &program());
    node("TRAILER!!!", 0, &[]);
    out
}

/// Measures with the kernel and initramfs that [`super::image::build`] left in `image`.
pub fn compare(directory: &Path, image: &Path) -> anyhow::Result<KernelToInit> {
    let (ours, empty) = (directory.join("ours.img"), directory.join("empty.img"));
    std::fs::write(&empty, archive()).with_context(|| format!("cannot WRITE {}", empty.display()))?;
    // The kernel unpacks one archive after the other.
    let initrd = image.join("initrd.img");
    std::fs::copy(&initrd, &ours).with_context(|| format!("cannot COPY {}", initrd.display()))?;
    let appended = std::fs::File::options().append(true).open(&ours).and_then(|mut file| file.write_all(&archive()));
    appended.with_context(|| format!("cannot WRITE {}", ours.display()))?;
    let kernel = image.join("kernel");
    let (mut with_ours, mut with_empty) = (Vec::new(), Vec::new());
    for round in 0..TIMES {
        let mut turns = [(&ours, &mut with_ours, "ours"), (&empty, &mut with_empty, "empty")];
        if round % 2 == 1 {
            turns.reverse();
        }
        for (initrd, seconds, name) in turns {
            let took = once(directory, &kernel, initrd)?;
            println!("kernel to /init, initramfs {name:<5} {took:>7.2} s");
            seconds.push(took);
        }
    }
    let (ours, empty) = (median(&with_ours), median(&with_empty));
    Ok(KernelToInit { lifeboat: ours, empty, ratio: ours / empty })
}

/// One boot. On a busy host an emulated machine now and then ends before its kernel is up ("timer doesn't work").
fn once(directory: &Path, kernel: &Path, initrd: &Path) -> anyhow::Result<f64> {
    let mut result = attempt(directory, kernel, initrd);
    for _ in 1..ATTEMPTS {
        if result.is_ok() {
            break;
        }
        result = attempt(directory, kernel, initrd);
    }
    result
}

fn attempt(directory: &Path, kernel: &Path, initrd: &Path) -> anyhow::Result<f64> {
    let kernel = DirectKernel {
        kernel: kernel.to_owned(),
        initrd: Some(PathBuf::from(initrd)),
        command_line: format!("console=ttyS0 quiet rdinit=/{NAME} panic=-1"),
    };
    let spec = VmSpec { events: false, ..VmSpec::default() }.kernel(kernel);
    let mut vm = Vm::start(&spec, Acceleration::Tcg, &directory.join("vm"))?;
    let panic = Pattern::regex(r"\[ *[0-9]+\.[0-9]+\] Kernel panic - not syncing: Attempted to kill init")?;
    let reported = vm.console.wait_for(&panic, BOOT)?.text;
    vm.power_cut();
    let seconds = reported.trim_start_matches('[').split(']').next().and_then(|text| text.trim().parse().ok());
    seconds.with_context(|| format!("cannot READ the seconds in {reported:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_runs_and_a_stock_cpio_reads_the_archive() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = std::env::temp_dir().join(format!("xtask-kernel-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("exit");
        std::fs::write(&path, program()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        if cfg!(target_arch = "x86_64") {
            assert!(std::process::Command::new(&path).status().unwrap().success());
        }
        std::fs::write(directory.join("archive"), archive()).unwrap();
        let list = std::process::Command::new("cpio")
            .args(["--list", "--quiet", "--file"])
            .arg(directory.join("archive"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&list.stdout), format!("{NAME}\n"));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
