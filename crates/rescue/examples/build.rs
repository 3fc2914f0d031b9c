//! Builds a rescue system and prints what is in it: `build SYSROOT LIFEBOAT INIT WORK [LEVEL [BLOCK_BYTES]]`.
#![allow(clippy::unwrap_used)]

use lifeboat_rescue::{Embedded, Inputs, build, write_initramfs};
use lifeboat_sys::SystemRunner;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [sysroot, lifeboat, init, work, compression @ ..] = &arguments[..] else {
        eprintln!("usage: build SYSROOT LIFEBOAT INIT WORK [LEVEL [BLOCK_BYTES]]");
        std::process::exit(2);
    };
    let mut inputs = Inputs::new(sysroot, lifeboat, init, work);
    if let Some(level) = compression.first() {
        inputs.compression.level = level.parse().unwrap();
    }
    if let Some(block) = compression.get(1) {
        inputs.compression.block_bytes = block.parse().unwrap();
    }
    let start = Instant::now();
    let system = match build(&inputs, &SystemRunner) {
        Ok(system) => system,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    let built = start.elapsed();
    let embedded = [Embedded { path: "lifeboat/machine.json".into(), bytes: b"{}\n".to_vec(), mode: 0o600 }];
    let out = inputs.work.join("initrd.img");
    let initramfs = write_initramfs(&system, &embedded, &out).unwrap();
    for content in system.contents.iter().chain(&initramfs.contents) {
        println!("{:>10} {} ({})", content.size_bytes, content.path, content.why);
    }
    for warning in &system.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("kernel {} {}", system.kernel_release, system.kernel.display());
    eprintln!("early modules {:?}, tools {:?}", system.early_modules, system.tools);
    eprintln!("{} files, initramfs {} bytes", system.contents.len(), initramfs.size_bytes);
    eprintln!("build {built:.2?}, with initramfs {:.2?}", start.elapsed());
}
