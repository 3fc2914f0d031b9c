//! A shell inside a virtual machine, over its serial console; files go in and out through raw disks.

use crate::DrillError;
use crate::vm::{Console, Pattern, VmDisk};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer lines are sent as a script: a terminal in canonical mode takes 4095 bytes (termios(3)).
const LINE_LIMIT: usize = 1000;
/// Output kept in an error message.
const TAIL_BYTES: usize = 2000;
/// A shell that is ready echoes within milliseconds; an emulated machine that is busy needs longer.
const SHELL: Duration = Duration::from_secs(60);

/// What a command gave back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestOutput {
    /// Exit code.
    pub code: i32,
    /// What it said, standard output and standard error.
    pub text: String,
}

/// A root shell on a console.
#[derive(Debug)]
pub struct Guest<'a> {
    console: &'a mut Console,
    next: u32,
}

impl<'a> Guest<'a> {
    /// Waits for the prompt of a root shell on the console and makes the shell quiet.
    ///
    /// # Errors
    /// When none appears before the deadline.
    pub fn login(console: &'a mut Console, deadline: Duration) -> Result<Guest<'a>, DrillError> {
        // bash's `root@host:~# `, and a plain `# ` of sh and busybox.
        console.wait_for(&Pattern::regex(r"^(.*@.*:.*)?[#] \z")?, deadline)?;
        let mut guest = Guest { console, next: 0 };
        // Without echo and line editing, what comes back is what commands say. The prompt goes, too.
        guest.console.send_line("stty -echo cols 200 2>/dev/null; PS1=; PS2=; bind 'set enable-bracketed-paste off' 2>/dev/null; set +o emacs 2>/dev/null; dmesg -n 1 2>/dev/null")?;
        guest.run("true", SHELL)?;
        Ok(guest)
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
        self.console.send_line(&format!(
            "printf '%s%s\\n' LIFEBOAT -BEGIN-{number}; {{ {command}\n}} 2>&1; printf '\\n%s%s:%d:\\n' LIFEBOAT -END-{number} $?"
        ))?;
        self.console.wait_for(&Pattern::text(&format!("LIFEBOAT-BEGIN-{number}\n"))?, SHELL.min(deadline))?;
        let end = Pattern::regex(&format!(r"\n?LIFEBOAT-END-{number}:(\d+):\n"))?;
        let found = self.console.wait_for(&end, deadline).map_err(|error| match error {
            DrillError::Deadline { deadline, tail, .. } => {
                DrillError::Deadline { awaited: format!("the command `{command}` to end"), deadline, tail }
            }
            other => other,
        })?;
        let code = found.text.trim().split(':').nth(1).and_then(|code| code.parse().ok()).unwrap_or(-1);
        Ok(GuestOutput { code, text: found.before.trim_end_matches('\n').to_owned() })
    }

    /// Runs a command line that must succeed, and returns what it said.
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

    fn run_script(&mut self, script: &str, deadline: Duration) -> Result<GuestOutput, DrillError> {
        let name = format!("/run/lifeboat-script-{}", self.next);
        self.must(&format!(": >{name}"), SHELL)?;
        for line in script.lines() {
            // Short enough in octal, four characters for a byte, whatever it holds.
            for piece in line.as_bytes().chunks(LINE_LIMIT / 5) {
                let octal: String = piece.iter().map(|byte| format!("\\0{byte:03o}")).collect();
                self.must(&format!("printf %b '{octal}' >>{name}"), SHELL)?;
            }
            self.must(&format!("echo >>{name}"), SHELL)?;
        }
        self.run(&format!(". {name}"), deadline)
    }

    /// Unpacks a disk made by [`cargo_disk`] into `/usr/local/bin`.
    ///
    /// # Errors
    /// When the disk is not there or holds no archive.
    pub fn install(&mut self) -> Result<(), DrillError> {
        self.must(&format!("tar -xf /dev/disk/by-id/virtio-{CARGO} -C /usr/local/bin"), SHELL).map(drop)
    }

    /// Copies a file of the guest to the disk made by [`blank_cargo`] with the serial `serial`; returns its size in bytes.
    ///
    /// # Errors
    /// When it does not fit, or the guest cannot read it.
    pub fn deliver(&mut self, file: &str, serial: &str, deadline: Duration) -> Result<u64, DrillError> {
        let command = format!("dd if={file} of=/dev/disk/by-id/virtio-{serial} bs=4M conv=fsync status=none");
        self.must(&command, deadline)?;
        let size = self.must(&format!("stat -L -c %s {file}"), SHELL)?;
        size.trim().parse().map_err(|_| DrillError::Guest { command: "stat".to_owned(), code: 0, output: size })
    }

    /// Writes everything back and makes all filesystems read-only, so that the power may be cut.
    ///
    /// # Errors
    /// When the shell does not answer.
    pub fn settle(&mut self) -> Result<(), DrillError> {
        self.must("sync; echo u >/proc/sysrq-trigger; sync", SHELL).map(drop)
    }
}

/// Serial number of the disk that carries programs into a guest.
pub const CARGO: &str = "lifeboat-in";

/// Packs files as a tar into the raw image `image`, for [`Guest::install`].
///
/// # Errors
/// When tar is missing or a file cannot be read.
pub fn cargo_disk(
    runner: &dyn lifeboat_sys::Runner,
    files: &[PathBuf],
    image: &Path,
) -> Result<VmDisk, DrillError> {
    let mut call = lifeboat_sys::Invocation::new(lifeboat_sys::program::TAR).arg("--create").arg("--file").arg(image);
    for file in files {
        let (directory, name) = (file.parent().unwrap_or(Path::new("/")), file.file_name().unwrap_or_default());
        call = call.arg("--directory").arg(directory).arg(name);
    }
    runner.run(&call)?;
    Ok(VmDisk::raw(image, CARGO))
}

/// Cuts a raw image to the size that the guest told, which makes it the file that it delivered.
///
/// # Errors
/// When it cannot be written.
pub fn cut(image: &Path, size_bytes: u64) -> Result<(), DrillError> {
    let file = std::fs::OpenOptions::new().write(true).open(image).map_err(DrillError::io("OPEN", image))?;
    file.set_len(size_bytes).map_err(DrillError::io("WRITE", image))
}
