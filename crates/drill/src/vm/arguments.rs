//! A [`VmSpec`] as QEMU's command line (qemu(1)); pure.

use super::acceleration::Acceleration;
use super::spec::{Board, BootFrom, Controller, Format, Nic, VmDisk, VmFirmware, VmSpec};
use lifeboat_machine::event::EVENT_PORT;
use std::path::{Path, PathBuf};

/// Where Debian's package ovmf keeps firmware.
pub const OVMF: &str = "/usr/share/OVMF";
/// UEFI without Secure Boot.
pub const OVMF_CODE: &str = "OVMF_CODE_4M.fd";
/// UEFI that can enforce Secure Boot; needs system management mode.
pub const OVMF_CODE_SECURE: &str = "OVMF_CODE_4M.secboot.fd";
/// Empty variable store.
pub const OVMF_VARS: &str = "OVMF_VARS_4M.fd";
/// Variable store with Microsoft's keys.
pub const OVMF_VARS_SECURE: &str = "OVMF_VARS_4M.ms.fd";
/// Controller for disks that come and go.
pub(crate) const BAY: &str = "bay";
/// The drive with the disc, as QEMU's monitor knows it.
pub const DISC_DRIVE: &str = "disc-drive";

/// Sockets and logs of one running machine.
#[derive(Clone, Debug)]
pub struct Places {
    /// Directory of the sockets; its path must be short (unix(7): 108 bytes).
    pub sockets: PathBuf,
    /// Directory of the logs.
    pub logs: PathBuf,
}

impl Places {
    /// Socket of the first serial port.
    pub fn serial(&self) -> PathBuf {
        self.sockets.join("serial0")
    }
    /// Socket of the second serial port.
    pub fn second_serial(&self) -> PathBuf {
        self.sockets.join("serial1")
    }
    /// Socket of the event port.
    pub fn events(&self) -> PathBuf {
        self.sockets.join("events")
    }
    /// Socket of the monitor.
    pub fn monitor(&self) -> PathBuf {
        self.sockets.join("qmp")
    }
    /// The output of the first serial port.
    pub fn console_log(&self) -> PathBuf {
        self.logs.join("console.log")
    }
    /// QEMU's own output.
    pub fn qemu_log(&self) -> PathBuf {
        self.logs.join("qemu.log")
    }
}

/// QEMU's options split at commas; a comma in a value is doubled.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// All that the emulator can do, except for what a guest expects to be fast but the emulator does byte by byte: `rep movsb` and
/// `rep stosb`, with which Linux copies and clears memory where ERMS and FSRM are offered (arch/x86/lib/memcpy_64.S).
const EMULATED_CPU: &str = "max,-erms,-fsrm";

/// The command line, without the program.
pub fn arguments(spec: &VmSpec, acceleration: Acceleration, places: &Places) -> Vec<String> {
    let mut list: Vec<String> =
        ["-nodefaults", "-no-user-config", "-display", "none", "-vga", "std", "-S"].map(str::to_owned).to_vec();
    let mut add = |option: &str, value: String| list.extend([option.to_owned(), value]);
    let secure = matches!(spec.firmware, VmFirmware::Uefi { secure_boot: true, .. });
    let board = match spec.board {
        Board::Q35 => "q35",
        Board::Pc => "pc",
    };
    add("-machine", format!("{board},smm={}", if secure { "on" } else { "off" }));
    match acceleration {
        Acceleration::Kvm => {
            add("-accel", "kvm".into());
            add("-cpu", "host".into());
        }
        Acceleration::Tcg => {
            add("-accel", "tcg,thread=multi".into());
            add("-cpu", EMULATED_CPU.into());
        }
    }
    add("-smp", spec.cpus.to_string());
    add("-m", format!("{}M", spec.memory_mib));
    if let VmFirmware::Uefi { variables, .. } = &spec.firmware {
        let code = Path::new(OVMF).join(if secure { OVMF_CODE_SECURE } else { OVMF_CODE });
        add("-drive", format!("if=pflash,format=raw,unit=0,readonly=on,file={}", escaped(&code)));
        add("-drive", format!("if=pflash,format=raw,unit=1,file={}", escaped(variables)));
        if secure {
            add("-global", "driver=cfi.pflash01,property=secure,value=on".into());
        }
    }
    if !spec.reboots {
        list.push("-no-reboot".to_owned());
    }
    let mut add = |option: &str, value: String| list.extend([option.to_owned(), value]);
    for text in &spec.oem_strings {
        add("-smbios", format!("type=11,value={}", text.replace(',', ",,")));
    }
    add("-device", "virtio-rng-pci".into());

    let socket = |id: &str, path: &Path| format!("socket,id={id},path={},server=on,wait=off", escaped(path));
    add("-chardev", format!("{},logfile={}", socket("serial0", &places.serial()), escaped(&places.console_log())));
    add("-serial", "chardev:serial0".into());
    if spec.second_serial {
        add("-chardev", socket("serial1", &places.second_serial()));
        add("-serial", "chardev:serial1".into());
    }
    if spec.events {
        add("-device", "virtio-serial-pci".into());
        add("-chardev", socket("events", &places.events()));
        add("-device", format!("virtserialport,chardev=events,name={EVENT_PORT}"));
    }
    add("-chardev", socket("qmp", &places.monitor()));
    add("-mon", "chardev=qmp,mode=control".into());

    let usb = spec.stick.is_some()
        || spec.disks.iter().any(|disk| disk.controller == Controller::UsbStorage)
        || spec.nics.contains(&Nic::UsbNet);
    if usb {
        add("-device", "qemu-xhci,id=usb".into());
    }
    // One controller serves all disks of its kind.
    let mut controllers: Vec<Controller> = spec.disks.iter().map(|disk| disk.controller).collect();
    controllers.sort();
    controllers.dedup();
    for controller in controllers {
        if let Some(device) = controller_device(controller) {
            add("-device", format!("{device},id={}", controller.name()));
        }
    }
    if spec.bay {
        add("-device", format!("virtio-scsi-pci,id={BAY}"));
    }
    for (index, disk) in spec.disks.iter().enumerate() {
        let format = match disk.format {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        };
        let snapshot = if disk.snapshot { ",snapshot=on" } else { "" };
        // The host's page cache survives the guest's power cut: no flushes to the host's disk.
        let file = escaped(&disk.image);
        add(
            "-drive",
            format!("if=none,id=disk{index},format={format},cache=unsafe,discard=unmap{snapshot},file={file}"),
        );
        let boot_index = match (spec.boot, &spec.firmware) {
            // Its variables decide.
            (BootFrom::Firmware, VmFirmware::Uefi { .. }) => None,
            _ => Some(10 + index),
        };
        add("-device", disk_device(index, disk, boot_index));
    }
    if let Some(disc) = &spec.disc {
        let boot_index = if spec.boot == BootFrom::Disc { 0 } else { 100 };
        add("-drive", format!("if=none,id=disc,media=cdrom,readonly=on,format=raw,file={}", escaped(disc)));
        // Present on both boards: a port of the chipset's own SATA or IDE controller.
        add("-device", format!("ide-cd,id={DISC_DRIVE},drive=disc,bus=ide.1,bootindex={boot_index}"));
    }
    if !spec.further_discs.is_empty() {
        add("-device", "virtio-scsi-pci,id=drives".into());
    }
    for (index, disc) in spec.further_discs.iter().enumerate() {
        let file = escaped(disc);
        add("-drive", format!("if=none,id=further{index},media=cdrom,readonly=on,format=raw,file={file}"));
        add("-device", format!("scsi-cd,drive=further{index},bus=drives.0"));
    }
    if let Some(stick) = &spec.stick {
        let boot_index = if spec.boot == BootFrom::Stick { 0 } else { 101 };
        add("-drive", format!("if=none,id=stick,readonly=on,format=raw,file={}", escaped(stick)));
        add(
            "-device",
            format!(
                "usb-storage,id=stick-device,bus=usb.0,drive=stick,removable=on,serial=LIFEBOATSTICK,bootindex={boot_index}"
            ),
        );
    }
    for (index, nic) in spec.nics.iter().enumerate() {
        add("-netdev", format!("user,id=net{index},restrict=on"));
        let boot_index = match spec.boot {
            BootFrom::Network => format!(",bootindex={index}"),
            _ => String::new(),
        };
        add("-device", format!("{},netdev=net{index}{boot_index}", nic_device(*nic)));
    }
    if let Some(direct) = &spec.kernel {
        add("-kernel", direct.kernel.to_string_lossy().into_owned());
        if let Some(initrd) = &direct.initrd {
            add("-initrd", initrd.to_string_lossy().into_owned());
        }
        add("-append", direct.command_line.clone());
    }
    list.extend(spec.extra.iter().cloned());
    list
}

fn controller_device(controller: Controller) -> Option<&'static str> {
    match controller {
        // A controller for each disk; USB has its own above.
        Controller::VirtioBlk | Controller::Nvme | Controller::UsbStorage => None,
        Controller::VirtioScsi => Some("virtio-scsi-pci"),
        Controller::Ahci => Some("ahci"),
        Controller::Megasas => Some("megasas"),
        Controller::Mptsas1068 => Some("mptsas1068"),
        Controller::Pvscsi => Some("pvscsi"),
        Controller::Lsi53c895a => Some("lsi53c895a"),
    }
}

fn disk_device(index: usize, disk: &VmDisk, boot_index: Option<usize>) -> String {
    let name = disk.controller.name();
    let mut device = match disk.controller {
        Controller::VirtioBlk => "virtio-blk-pci".to_owned(),
        Controller::Nvme => "nvme".to_owned(),
        Controller::UsbStorage => "usb-storage,bus=usb.0".to_owned(),
        Controller::Ahci => format!("ide-hd,bus={name}.{index}"),
        Controller::VirtioScsi
        | Controller::Megasas
        | Controller::Mptsas1068
        | Controller::Pvscsi
        | Controller::Lsi53c895a => format!("scsi-hd,bus={name}.0,scsi-id={index}"),
    };
    device.push_str(&format!(",id=disk{index}-device,drive=disk{index},serial={}", disk.serial.replace(',', "")));
    let has_wwn = !matches!(disk.controller, Controller::VirtioBlk | Controller::Nvme | Controller::UsbStorage);
    // A SAS disk is found by its address, and QEMU gives it the WWN: without one Linux sees no disk behind mptsas.
    let sas = (disk.controller == Controller::Mptsas1068).then_some(0x5000_c500_0000_0000 + index as u64);
    if let Some(wwn) = disk.wwn.or(sas).filter(|_| has_wwn) {
        device.push_str(&format!(",wwn={wwn:#x}"));
    }
    if let Some(bytes) = disk.sector_bytes {
        device.push_str(&format!(",logical_block_size={bytes},physical_block_size={bytes}"));
    }
    if let Some(boot_index) = boot_index {
        device.push_str(&format!(",bootindex={boot_index}"));
    }
    device
}

fn nic_device(nic: Nic) -> &'static str {
    match nic {
        Nic::VirtioNet => "virtio-net-pci",
        Nic::E1000 => "e1000",
        Nic::E1000e => "e1000e",
        Nic::Rtl8139 => "rtl8139",
        Nic::Vmxnet3 => "vmxnet3",
        Nic::UsbNet => "usb-net,bus=usb.0",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(spec: &VmSpec) -> String {
        let places = Places { sockets: "/run/s".into(), logs: "/logs".into() };
        arguments(spec, Acceleration::Tcg, &places).join(" ")
    }

    #[test]
    fn a_bios_machine_that_boots_a_disc() {
        let spec = VmSpec::default().disk(VmDisk::raw("/d,1.img", "LB0")).disc("/m.iso");
        let line = line(&spec);
        assert!(
            line.contains("-machine q35,smm=off -accel tcg,thread=multi -cpu max,-erms,-fsrm -smp 2 -m 1024M"),
            "{line}"
        );
        assert!(
            line.contains("file=/d,,1.img -device virtio-blk-pci,id=disk0-device,drive=disk0,serial=LB0,bootindex=10")
        );
        assert!(line.contains("bus=ide.1,bootindex=0"), "{line}");
        assert!(line.contains("-no-reboot"));
    }

    #[test]
    fn secure_boot_needs_system_management_mode() {
        let firmware = VmFirmware::Uefi { secure_boot: true, variables: "/v.fd".into() };
        let line =
            line(&VmSpec::new(firmware).disk(VmDisk::raw("/d", "LB0").on(Controller::Ahci).wwn(0x5000c500a1b2c3d4)));
        assert!(line.contains("-machine q35,smm=on"), "{line}");
        assert!(line.contains("cfi.pflash01,property=secure,value=on"));
        assert!(line.contains("-device ahci,id=ahci "), "{line}");
        // The firmware's own variables decide what boots.
        assert!(
            line.contains("ide-hd,bus=ahci.0,id=disk0-device,drive=disk0,serial=LB0,wwn=0x5000c500a1b2c3d4"),
            "{line}"
        );
        assert!(!line.contains("bootindex"));
    }

    #[test]
    fn every_controller_and_nic_has_its_words() {
        for controller in Controller::ALL {
            assert_eq!(Controller::from_name(controller.name()), Some(controller));
            let line = line(&VmSpec::default().disk(VmDisk::raw("/d", "LB0").on(controller)));
            assert!(line.contains("drive=disk0,serial=LB0"), "{line}");
            // Without one OVMF has no network, and programs wait for randomness.
            assert!(line.contains("-device virtio-rng-pci"), "{line}");
            assert_eq!(line.contains(",wwn="), controller == Controller::Mptsas1068, "{line}");
        }
        for nic in Nic::ALL {
            assert!(line(&VmSpec::default().nic(nic)).contains(",netdev=net0"));
        }
    }
}
