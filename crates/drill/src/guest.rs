//! A shell inside a virtual machine, over its serial console; files go in and out through disks of the bay.

use crate::DrillError;
use crate::vm::machine::{TEMPORARY, bay_path};
use crate::vm::{Pattern, Vm, image};
use lifeboat_sys::program::TAR;
use lifeboat_sys::{Invocation, Runner};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer lines are sent as a script: a terminal in canonical mode takes 4095 bytes (termios(3)).
const LINE_LIMIT: usize = 1000;
/// Output kept in an error message.
const TAIL_BYTES: usize = 2000;
/// A shell that is ready echoes within milliseconds; an emulated machine that is busy needs longer.
const SHELL: Duration = Duration::from_secs(60);
/// Serial numbers of the disks that carry files in and out.
const INBOUND: &str = "lifeboat-in";
const OUTBOUND: &str = "lifeboat-out";

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestOutput {
    /// Exit code.
    pub code: i32,
    /// Its output, standard output and standard error.
    pub text: String,
}

/// A root shell on the console of a machine with a bay.
#[derive(Debug)]
pub struct Guest<'a> {
    vm: &'a mut Vm,
    next: u32,
}

impl<'a> Guest<'a> {
    /// Waits for the prompt of a root shell on the console and silences the shell.
    ///
    /// # Errors
    /// When none appears before the deadline.
    pub fn login(vm: &'a mut Vm, deadline: Duration) -> Result<Guest<'a>, DrillError> {
        // bash's `root@host:~# `, the rescue system's `rescue-host:~# `, and a plain `# ` of sh and busybox.
        vm.console.wait_for(&Pattern::regex(r"^(.*(@|rescue).*:.*)?[#] \z")?, deadline)?;
        let mut guest = Guest { vm, next: 0 };
        // Without echo and line editing, only the output of commands comes back. The prompt is removed, too. The next line is
        // typed only when the shell has changed its terminal: otherwise what is in the buffer would stay there.
        guest.type_line(
            "stty -echo cols 200 2>/dev/null; set +o emacs 2>/dev/null; PS1=; PS2=; dmesg -n 1 2>/dev/null; printf '%s%s\\n' LIFEBOAT -READY",
        )?;
        guest.vm.console.wait_for(&Pattern::text("LIFEBOAT-READY\n")?, SHELL)?;
        guest.run("true", SHELL)?;
        Ok(guest)
    }

    /// The machine, for what is done to it from outside while the shell waits.
    pub fn vm(&mut self) -> &mut Vm {
        self.vm
    }

    /// Runs a command line to its end.
    ///
    /// # Errors
    /// [`DrillError::Deadline`] when it does not end in time.
    pub fn run(&mut self, command: &str, deadline: Duration) -> Result<GuestOutput, DrillError> {
        if command.len() > LINE_LIMIT || command.contains('\n') {
            return self.run_script(command, deadline);
        }
        let number = self.next;
        self.next += 1;
        // The marks are put together by the shell, so that an echo of this line cannot be mistaken for them.
        self.type_line(&format!(
            "printf '%s%s\\n' LIFEBOAT -BEGIN-{number}; {{ {command}\n}} 2>&1; printf '\\n%s%s:%d:\\n' LIFEBOAT -END-{number} $?"
        ))?;
        self.vm.console.wait_for(&Pattern::text(&format!("LIFEBOAT-BEGIN-{number}\n"))?, SHELL.min(deadline))?;
        let end = Pattern::regex(&format!(r"\n?LIFEBOAT-END-{number}:(\d+):\n"))?;
        let found = self.vm.console.wait_for(&end, deadline).map_err(|error| match error {
            DrillError::Deadline { deadline, tail, .. } => {
                DrillError::Deadline { awaited: format!("the command `{command}` to end"), deadline, tail }
            }
            other => other,
        })?;
        let code = found.text.trim().split(':').nth(1).and_then(|code| code.parse().ok()).unwrap_or(-1);
        Ok(GuestOutput { code, text: found.before.trim_end_matches('\n').to_owned() })
    }

    /// Runs a command line that must succeed, and returns its output.
    ///
    /// # Errors
    /// [`DrillError::Guest`] when it does not end with 0.
    pub fn must(&mut self, command: &str, deadline: Duration) -> Result<String, DrillError> {
        let output = self.run(command, deadline)?;
        if output.code == 0 {
            return Ok(output.text);
        }
        let start = output.text.len().saturating_sub(TAIL_BYTES);
        let start = (start..=output.text.len()).find(|at| output.text.is_char_boundary(*at)).unwrap_or(0);
        let tail = output.text[start..].to_owned();
        Err(DrillError::Guest { command: command.to_owned(), code: output.code, output: tail })
    }

    /// Types a line. It ends in a line feed, not in Enter's carriage return, which a shell that is between two terminal
    /// modes would not take for the end.
    fn type_line(&mut self, line: &str) -> Result<(), DrillError> {
        self.vm.console.send(format!("{line}\n").as_bytes())
    }

    fn run_script(&mut self, script: &str, deadline: Duration) -> Result<GuestOutput, DrillError> {
        let name = format!("/run/lifeboat-script-{}", self.next);
        self.must(&format!(": >{name}"), SHELL)?;
        for line in script.lines() {
            // Short enough in octal, four characters for a byte, whatever it contains.
            for piece in line.as_bytes().chunks(LINE_LIMIT / 8) {
                let octal: String = piece.iter().map(|byte| format!("\\0{byte:03o}")).collect();
                self.must(&format!("printf %b '{octal}' >>{name}"), SHELL)?;
            }
            self.must(&format!("echo >>{name}"), SHELL)?;
        }
        self.run(&format!(". {name}"), deadline)
    }

    /// Copies files of the host into `directory` of the guest; they travel as a tar on a disk that is plugged in and
    /// unplugged again.
    ///
    /// # Errors
    /// When a file cannot be read, or the guest does not see the disk.
    pub fn install(&mut self, runner: &dyn Runner, files: &[PathBuf], directory: &str) -> Result<(), DrillError> {
        let tar = tempfile::NamedTempFile::new_in(TEMPORARY).map_err(DrillError::io("CREATE", TEMPORARY))?;
        let mut call = Invocation::new(TAR)
            .args(["--create", "--owner=0", "--group=0", "--dereference", "--file"])
            .arg(tar.path());
        for file in files {
            let name = file.file_name().unwrap_or_default();
            call = call.arg("--directory").arg(file.parent().unwrap_or(Path::new("/"))).arg(name);
        }
        runner.run(&call)?;
        self.vm.plug(tar.path(), INBOUND)?;
        let disk = bay_path(INBOUND);
        self.must(&format!("udevadm wait --timeout=60 {disk} && tar -xf {disk} -C {directory}"), SHELL * 2)?;
        self.vm.unplug(INBOUND)
    }

    /// Copies a file of the guest to the file `to` of the host, through a disk that is plugged in and unplugged again.
    ///
    /// # Errors
    /// When the guest cannot read it, or the host cannot write it.
    pub fn fetch(&mut self, file: &str, to: &Path, deadline: Duration) -> Result<(), DrillError> {
        let text = self.must(&format!("stat -L -c %s {file}"), SHELL)?;
        let unreadable = || DrillError::Guest { command: "stat".to_owned(), code: 0, output: text.clone() };
        let size: u64 = text.trim().parse().map_err(|_| unreadable())?;
        image::blank(to, size.next_multiple_of(1 << 20).max(1 << 20))?;
        self.vm.plug(to, OUTBOUND)?;
        let disk = bay_path(OUTBOUND);
        let copy =
            format!("udevadm wait --timeout=60 {disk} && dd if={file} of={disk} bs=4M conv=fsync,notrunc status=none");
        self.must(&copy, deadline)?;
        self.vm.unplug(OUTBOUND)?;
        let file = std::fs::OpenOptions::new().write(true).open(to).map_err(DrillError::io("OPEN", to))?;
        file.set_len(size).map_err(DrillError::io("WRITE", to))
    }

    /// Writes everything back and makes all filesystems read-only, so that the power may be cut.
    ///
    /// # Errors
    /// When the shell does not answer.
    pub fn settle(&mut self) -> Result<(), DrillError> {
        self.must("sync; echo u >/proc/sysrq-trigger; sync", SHELL).map(drop)
    }
}
