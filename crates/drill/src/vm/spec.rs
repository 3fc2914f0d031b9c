//! What a virtual machine is made of; how QEMU gets it is in [`super::arguments`].

use std::path::PathBuf;

/// Chipset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Board {
    /// PCI Express, of 2009.
    #[default]
    Q35,
    /// i440fx: PCI only, of 1996.
    Pc,
}

/// Firmware, and where a UEFI keeps its variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VmFirmware {
    /// SeaBIOS.
    #[default]
    Bios,
    /// OVMF.
    Uefi {
        /// Enforce Secure Boot with Microsoft's keys.
        secure_boot: bool,
        /// The variable store to use and change; made when it is not there.
        variables: PathBuf,
    },
}

/// What a disk is attached to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Controller {
    /// Paravirtual disk: /dev/vda.
    #[default]
    VirtioBlk,
    /// Paravirtual SCSI.
    VirtioScsi,
    /// SATA.
    Ahci,
    /// NVMe.
    Nvme,
    /// USB mass storage on xHCI.
    UsbStorage,
    /// LSI MegaRAID SAS 1078.
    Megasas,
    /// LSI SAS1068.
    Mptsas1068,
    /// VMware paravirtual SCSI.
    Pvscsi,
    /// Symbios 53C895A, parallel SCSI.
    Lsi53c895a,
}

impl Controller {
    /// All of them.
    pub const ALL: [Controller; 9] = [
        Controller::VirtioBlk,
        Controller::VirtioScsi,
        Controller::Ahci,
        Controller::Nvme,
        Controller::UsbStorage,
        Controller::Megasas,
        Controller::Mptsas1068,
        Controller::Pvscsi,
        Controller::Lsi53c895a,
    ];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Controller::VirtioBlk => "virtio-blk",
            Controller::VirtioScsi => "virtio-scsi",
            Controller::Ahci => "ahci",
            Controller::Nvme => "nvme",
            Controller::UsbStorage => "usb-storage",
            Controller::Megasas => "megasas",
            Controller::Mptsas1068 => "mptsas1068",
            Controller::Pvscsi => "pvscsi",
            Controller::Lsi53c895a => "lsi53c895a",
        }
    }

    /// The controller of this name.
    pub fn from_name(name: &str) -> Option<Controller> {
        Self::ALL.into_iter().find(|controller| controller.name() == name)
    }
}

/// Image format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Bytes as they are.
    #[default]
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
}

/// A disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmDisk {
    /// Its image.
    pub image: PathBuf,
    /// Format of the image.
    pub format: Format,
    /// What it is attached to.
    pub controller: Controller,
    /// Serial number, at most 20 characters.
    pub serial: String,
    /// World Wide Name, on SCSI and SATA.
    pub wwn: Option<u64>,
    /// Writes are discarded when the machine ends.
    pub snapshot: bool,
    /// Sector size in bytes when it is not 512.
    pub sector_bytes: Option<u32>,
}

impl VmDisk {
    /// A raw disk on virtio-blk.
    pub fn raw(image: impl Into<PathBuf>, serial: &str) -> VmDisk {
        VmDisk { image: image.into(), serial: serial.to_owned(), ..VmDisk::default() }
    }

    /// A qcow2 disk on virtio-blk.
    pub fn qcow2(image: impl Into<PathBuf>, serial: &str) -> VmDisk {
        VmDisk { format: Format::Qcow2, ..VmDisk::raw(image, serial) }
    }

    /// The same disk on another controller.
    pub fn on(mut self, controller: Controller) -> VmDisk {
        self.controller = controller;
        self
    }

    /// The same disk with a World Wide Name.
    pub fn wwn(mut self, wwn: u64) -> VmDisk {
        self.wwn = Some(wwn);
        self
    }
}

/// A network card on a network of its own that leads nowhere but to QEMU's DHCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nic {
    /// virtio-net.
    VirtioNet,
    /// Intel 82540EM.
    E1000,
    /// Intel 82574L.
    E1000e,
    /// Realtek.
    Rtl8139,
    /// VMware.
    Vmxnet3,
    /// USB CDC Ethernet.
    UsbNet,
}

impl Nic {
    /// All of them.
    pub const ALL: [Nic; 6] = [Nic::VirtioNet, Nic::E1000, Nic::E1000e, Nic::Rtl8139, Nic::Vmxnet3, Nic::UsbNet];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Nic::VirtioNet => "virtio-net",
            Nic::E1000 => "e1000",
            Nic::E1000e => "e1000e",
            Nic::Rtl8139 => "rtl8139",
            Nic::Vmxnet3 => "vmxnet3",
            Nic::UsbNet => "usb-net",
        }
    }
}

/// A kernel that QEMU loads itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectKernel {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initramfs.
    pub initrd: Option<PathBuf>,
    /// Its command line.
    pub command_line: String,
}

/// What the firmware tries first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootFrom {
    /// Whatever its own variables or defaults say; a BIOS takes the first disk.
    #[default]
    Firmware,
    /// The disc.
    Disc,
    /// The USB stick.
    Stick,
    /// The first network card.
    Network,
}

/// A virtual machine, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmSpec {
    /// Chipset.
    pub board: Board,
    /// Firmware.
    pub firmware: VmFirmware,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Processors.
    pub cpus: u32,
    /// Disks, in order.
    pub disks: Vec<VmDisk>,
    /// Disc in the drive.
    pub disc: Option<PathBuf>,
    /// Discs in further drives.
    pub further_discs: Vec<PathBuf>,
    /// The same kind of image on a USB stick, read-only.
    pub stick: Option<PathBuf>,
    /// Network cards.
    pub nics: Vec<Nic>,
    /// Kernel loaded without a boot loader.
    pub kernel: Option<DirectKernel>,
    /// What is booted first.
    pub boot: BootFrom,
    /// A reboot of the guest restarts it; otherwise it ends the machine.
    pub reboots: bool,
    /// A second serial port.
    pub second_serial: bool,
    /// The virtio-serial port for events.
    pub events: bool,
    /// SMBIOS type 11 strings, which boot loaders and systems can read.
    pub oem_strings: Vec<String>,
    /// A controller to plug disks into while the machine runs ([`super::Vm::plug`]).
    pub bay: bool,
    /// Further QEMU arguments, as they are.
    pub extra: Vec<String>,
}

impl Default for VmSpec {
    fn default() -> Self {
        VmSpec {
            board: Board::default(),
            firmware: VmFirmware::default(),
            memory_mib: 1024,
            cpus: 2,
            disks: vec![],
            disc: None,
            further_discs: vec![],
            stick: None,
            nics: vec![],
            kernel: None,
            boot: BootFrom::default(),
            reboots: false,
            second_serial: false,
            events: true,
            oem_strings: vec![],
            bay: false,
            extra: vec![],
        }
    }
}

impl VmSpec {
    /// A machine with this firmware.
    pub fn new(firmware: VmFirmware) -> VmSpec {
        VmSpec { firmware, ..VmSpec::default() }
    }

    /// Adds a disk.
    pub fn disk(mut self, disk: VmDisk) -> VmSpec {
        self.disks.push(disk);
        self
    }

    /// Puts a disc in and boots from it.
    pub fn disc(mut self, iso: impl Into<PathBuf>) -> VmSpec {
        self.disc = Some(iso.into());
        self.boot = BootFrom::Disc;
        self
    }

    /// Plugs a USB stick in and boots from it.
    pub fn stick(mut self, image: impl Into<PathBuf>) -> VmSpec {
        self.stick = Some(image.into());
        self.boot = BootFrom::Stick;
        self
    }

    /// Adds a network card.
    pub fn nic(mut self, nic: Nic) -> VmSpec {
        self.nics.push(nic);
        self
    }

    /// Sets the memory in MiB.
    pub fn memory(mut self, mib: u32) -> VmSpec {
        self.memory_mib = mib;
        self
    }

    /// Boots a kernel without a boot loader.
    pub fn kernel(mut self, kernel: DirectKernel) -> VmSpec {
        self.kernel = Some(kernel);
        self
    }
}
