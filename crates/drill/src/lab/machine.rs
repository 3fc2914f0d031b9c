//! Makes lab machines by running `lab/machine.sh`, and describes what it made.

use crate::DrillError;
use crate::vm::{Acceleration, VmFirmware, VmSpec};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the scripts are and where their results are kept.
#[derive(Clone, Debug)]
pub struct Lab {
    /// The directory `lab/` of the source tree.
    pub scripts: PathBuf,
    /// What `XDG_CACHE_HOME` is for the scripts: machines are kept in `lifeboat-lab/` below it.
    pub cache: PathBuf,
}

/// A real Debian machine; its files are shared and never written.
#[derive(Clone, Debug)]
pub struct LabMachine {
    /// Its name, that of the script in `lab/machines/`.
    pub name: String,
    /// Raw disk image.
    pub disk: PathBuf,
    /// Firmware; `variables` is the store that its first boot left, to be copied before use.
    pub firmware: VmFirmware,
    /// Its kernel.
    pub kernel: PathBuf,
    /// Its initramfs.
    pub initrd: PathBuf,
}

impl Lab {
    /// The directory that holds finished machines, made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn machines(&self) -> Result<PathBuf, DrillError> {
        let path = self.cache.join("lifeboat-lab");
        std::fs::create_dir_all(&path).map_err(DrillError::io("CREATE", &path))?;
        Ok(path)
    }

    /// Gets a machine from the cache or makes it, which needs the network and takes minutes.
    ///
    /// # Errors
    /// [`DrillError::Lab`] with the end of the script's output.
    pub fn machine(&self, name: &str) -> Result<LabMachine, DrillError> {
        let script = self.scripts.join("machine.sh");
        let failed = |reason: String| DrillError::Lab { name: name.to_owned(), reason };
        // Not a program from the table: a script of the source tree, whose progress the caller's terminal shows.
        let output = Command::new(&script)
            .arg(name)
            .env("XDG_CACHE_HOME", &self.cache)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(DrillError::io("RUN", &script))?;
        if !output.status.success() {
            return Err(failed(format!("{} ended with {}", script.display(), output.status)));
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let directory = PathBuf::from(text.lines().last().unwrap_or_default());
        let disk = directory.join("disk.img");
        if !disk.is_file() {
            return Err(failed(format!("{} printed no directory of a machine but {text:?}", script.display())));
        }
        let variables = directory.join("vars.fd");
        let firmware = match variables.is_file() {
            // The script's last statement about the machine's firmware: secure or not.
            true => VmFirmware::Uefi { secure_boot: directory.join("secure-boot").exists(), variables },
            false => VmFirmware::Bios,
        };
        let file = |name: &str| directory.join(name);
        Ok(LabMachine { name: name.to_owned(), disk, firmware, kernel: file("vmlinuz"), initrd: file("initrd.img") })
    }
}

impl LabMachine {
    /// Its firmware with a variable store at `variables`: a copy of the machine's own when `keep`, factory-new otherwise.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn firmware_at(&self, variables: &Path, keep: bool) -> Result<VmFirmware, DrillError> {
        let VmFirmware::Uefi { secure_boot, variables: own } = &self.firmware else { return Ok(VmFirmware::Bios) };
        let _ = std::fs::remove_file(variables);
        if keep {
            std::fs::copy(own, variables).map_err(DrillError::io("CREATE", variables))?;
        }
        Ok(VmFirmware::Uefi { secure_boot: *secure_boot, variables: variables.to_owned() })
    }

    /// Finds out how virtual machines run fastest on this host.
    ///
    /// # Errors
    /// As [`Acceleration::probe`].
    pub fn acceleration(&self, lab: &Lab) -> Result<Acceleration, DrillError> {
        Acceleration::probe(&self.kernel, Some(&lab.machines()?))
    }

    /// A machine like it, without disks.
    pub fn spec(&self, firmware: VmFirmware) -> VmSpec {
        VmSpec::new(firmware)
    }
}
