//! What this program is under other names: `modprobe`, which the kernel calls as `/run/lifeboat/modprobe -q -- NAME` when it
//! needs a module (kernel/module/kmod.c), and `reboot` and `poweroff`, which ask PID 1.

use lifeboat_sys::modules::{Config, Index, Loader};
use rustix::process::{Pid, Signal};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// The commands that this program provides when the image has no others.
pub const COMMANDS: [&str; 4] = ["modprobe", "reboot", "poweroff", "network-up"];

/// Asks PID 1 to end in an orderly way; options such as `-f` are ignored.
pub fn ask_init(signal: Signal) -> ExitCode {
    match rustix::process::kill_process(Pid::INIT, signal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot SIGNAL PID 1: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Loads the modules that the arguments name; options are those of modprobe(8) that the kernel uses, others are ignored.
pub fn modprobe(arguments: &[OsString]) -> ExitCode {
    let texts: Vec<String> = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let quiet = texts.iter().any(|text| text == "-q" || text == "--quiet");
    let names: Vec<&String> = texts.iter().filter(|text| !text.starts_with('-')).collect();
    let directory = crate::foundation::module_directory();
    let index = match Index::read(&directory) {
        Ok(index) => index,
        Err(error) => {
            eprintln!("modprobe: {error}");
            return ExitCode::FAILURE;
        }
    };
    let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let loader =
        Loader::new(&directory, index, Config::read(Path::new("/"), &command_line)).with_commands(Box::new(|text| {
            Ok(std::process::Command::new("/bin/sh").args(["-c", text]).env("CMDLINE_OPTS", "").status()?.success())
        }));
    let mut failed = names.is_empty();
    for name in names {
        let loaded = loader.load(name);
        if loaded.plan.is_unknown() {
            failed = true;
            if !quiet {
                eprintln!("modprobe: no module is called or claims {name} (in {})", directory.display());
            }
        }
        for error in &loaded.errors {
            failed = true;
            eprintln!("modprobe: {error}");
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
