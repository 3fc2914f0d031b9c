//! Whole machines, read with the real programs from disk images.

use crate::fake_host::FakeHost;
use crate::found;
use crate::probe;
use crate::report::{Probed, Refusal};
use lifeboat_machine::boot::{Firmware, Loader};
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::{DeviceId, PartitionRole, TableKind};
use lifeboat_machine::marker::Marker;
use lifeboat_machine::{Content, DeviceKind, DiskContent, Machine, Name};

const AHCI: &str = "pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0";
const VIRTIO: &str = "pci0000:00/0000:00:05.0/virtio1";

fn read(host: &FakeHost) -> Probed {
    probe::read(&host.prober()).unwrap()
}

fn reasons(refusals: &[Refusal]) -> Vec<String> {
    refusals.iter().map(|refusal| format!("{}: {}", refusal.subject, refusal.reason)).collect()
}

fn device<'m>(machine: &'m Machine, id: &str) -> &'m lifeboat_machine::Device {
    machine.layout.device(&DeviceId(id.to_owned())).unwrap()
}

/// BIOS, MBR, root in a primary partition, swap and /home in logical ones.
fn bios_machine() -> FakeHost {
    let mut host = FakeHost::new();
    host.disk("sda", 128, AHCI);
    host.partition(
        "sda",
        "label: dos\nlabel-id: 0x1234abcd\n\nsize=32M,type=83,bootable\ntype=5\nsize=8M,type=82\nsize=32M,type=83\n",
    );
    host.grub_boot_code("sda");
    host.write(&format!("sys/devices/{AHCI}/vpd_pg80"), b"\0\x80\0\x08SN-42   ");
    host.write(&format!("sys/devices/{AHCI}/wwid"), "naa.5000c500a1b2c3d4\n");
    host.write(&format!("sys/devices/{AHCI}/vendor"), "ATA     \n");
    host.write(&format!("sys/devices/{AHCI}/model"), "TestDisk 9000   \n");
    host.run("mke2fs", &["-q", "-t", "ext4", "-L", "root", "dev/sda1"]);
    host.run("mkswap", &["-q", "dev/sda5"]);
    host.run("mke2fs", &["-q", "-t", "ext3", "dev/sda6"]);
    host.mount("/dev/sda1", "/", "ext4");
    host.write("root/boot/grub/grub.cfg", "");
    host.write("root/usr/sbin/update-initramfs", "");
    host.write("root/usr/sbin/mkinitramfs", "");
    host
}

#[test]
fn bios_with_logical_partitions() {
    let mut host = bios_machine();
    host.mount("/dev/sda6", "/home", "ext3");
    host.mount("server:/export", "/net", "nfs4");
    host.disk("sdb", 8, VIRTIO);
    let probed = read(&host);
    assert_eq!(reasons(&probed.refusals), Vec::<String>::new());
    assert_eq!(
        probed.warnings[..2],
        [
            "the nfs4 mount ROOT/net of server:/export is not part of the backup"
                .replace("ROOT", host.sysroot.root().to_str().unwrap()),
            "/dev/sdb (8.0 MiB) is not in use and not part of the backup".to_owned(),
        ]
    );
    let machine = &probed.machine;
    let ids: Vec<&str> = machine.layout.devices.iter().map(|device| device.id.0.as_str()).collect();
    assert_eq!(ids, ["disk0", "disk0p1", "disk0p2", "disk0p5", "disk0p6"]);
    let disk = device(machine, "disk0").disk().unwrap();
    assert_eq!(disk.wwn.as_deref(), Some("0x5000c500a1b2c3d4"));
    assert_eq!(disk.serial.as_deref(), Some("SN-42"));
    assert_eq!(disk.model.as_deref(), Some("TestDisk 9000"));
    assert_eq!(
        (disk.hardware_path.as_deref(), disk.transport.as_deref()),
        (Some("pci-0000:00:1f.2-ata-1"), Some("sata"))
    );
    let Content::Table(table) = &device(machine, "disk0").content else { panic!() };
    assert_eq!((table.kind, table.id.as_str()), (TableKind::Mbr, "0x1234abcd"));
    assert!(table.boot_code.is_some());
    let root = device(machine, "disk0p1");
    assert!(root.partition().unwrap().bootable);
    assert_eq!(root.filesystem().unwrap().label, Name::from("root"));
    assert_eq!(device(machine, "disk0p2").content, Content::Extended);
    assert!(matches!(device(machine, "disk0p5").content, Content::Swap(_)));
    assert_eq!(device(machine, "disk0p5").partition().unwrap().role, PartitionRole::Logical);
    let FilesystemOptions::Ext(home) = &device(machine, "disk0p6").filesystem().unwrap().options else { panic!() };
    assert_eq!(home.generation, 3);
    assert_eq!(machine.layout.mount_at("/home").unwrap().device.0, "disk0p6");
    assert_eq!(machine.layout.mount_at("/").unwrap().options, ["noatime"]);
    assert_eq!(machine.boot.firmware, Firmware::Bios);
    let grub = Loader::GrubBios { disks: vec![DeviceId("disk0".into())], directory: Name::from("/boot/grub") };
    assert_eq!(machine.boot.loaders, [grub]);
    assert_eq!((machine.name.as_str(), machine.boot.kernel.as_str()), ("alpha", "6.1.0-27-amd64"));
    Machine::from_json(&machine.to_json()).unwrap();
}

#[test]
fn a_second_mount_that_no_configuration_makes_is_warned_of() {
    let mut host = bios_machine();
    host.mount("/dev/sda6", "/home", "ext3");
    host.mount("/dev/sda6", "/srv/www", "ext3");
    let reported = |host: &FakeHost| {
        let probed = read(host);
        assert_eq!(reasons(&probed.refusals), Vec::<String>::new());
        assert_eq!(probed.machine.layout.mounts.len(), 2);
        probed.warnings.into_iter().filter(|text| text.contains("/srv/www")).collect::<Vec<String>>()
    };
    assert!(matches!(&reported(&host)[..], [text] if text.starts_with("/srv/www shows the files of /home, ")));
    host.write("root/etc/fstab", "/home /srv/www none bind 0 0\n");
    assert_eq!(reported(&host), Vec::<String>::new());
}

#[test]
fn a_copy_of_the_machines_disk_is_warned_of() {
    let mut host = bios_machine();
    host.mount("/dev/sda6", "/home", "ext3");
    host.disk("sdb", 128, "pci0000:00/0000:00:1f.2/ata2");
    host.partition("sdb", "label: gpt\nsize=32M\nsize=32M\nsize=8M\n");
    for (from, to) in [("sda1", "sdb1"), ("sda5", "sdb3")] {
        std::fs::copy(host.path(&format!("dev/{from}")), host.path(&format!("dev/{to}"))).unwrap();
    }
    host.run("mke2fs", &["-q", "-t", "ext4", "dev/sdb2"]);
    // The same disk by another path, as without multipathd.
    host.disk("sdc", 128, "pci0000:00/0000:00:1f.2/ata3");
    host.write("sys/devices/pci0000:00/0000:00:1f.2/ata3/wwid", "naa.5000c500a1b2c3d4\n");
    std::fs::copy(host.path("dev/sda1"), host.path("dev/sdc")).unwrap();
    let probed = read(&host);
    let uuid = |id: &str| match &device(&probed.machine, id).content {
        Content::Filesystem(filesystem) => filesystem.uuid.clone(),
        Content::Swap(swap) => swap.uuid.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    let reported: Vec<&String> = probed.warnings.iter().filter(|text| text.contains("the same UUID")).collect();
    assert_eq!(reported.len(), 2, "{reported:?}");
    for (text, (own, other, id)) in
        reported.iter().zip([("/dev/sda1", "/dev/sdb1", "disk0p1"), ("/dev/sda5", "/dev/sdb3", "disk0p5")])
    {
        let begin = format!("{own} and {other} have the same UUID ({}): ", uuid(id));
        assert!(text.starts_with(&begin) && text.contains("try unplugging /dev/sdb, or"), "{text}");
    }
    assert_eq!(reasons(&probed.refusals), Vec::<String>::new());
}

#[test]
fn two_filesystems_of_the_machine_with_one_uuid_are_reported_once() {
    let mut host = bios_machine();
    std::fs::copy(host.path("dev/sda1"), host.path("dev/sda6")).unwrap();
    host.mount("/dev/sda6", "/home", "ext4");
    let probed = read(&host);
    let reported: Vec<&String> = probed.warnings.iter().filter(|text| text.contains("the same UUID")).collect();
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert!(
        reported[0].starts_with("/dev/sda1 and /dev/sda6 ") && reported[0].contains("try giving one of them"),
        "{reported:?}"
    );
}

#[test]
fn an_unmounted_filesystem_of_a_used_disk_is_refused() {
    let host = bios_machine();
    let probed = read(&host);
    assert_eq!(
        reasons(&probed.refusals),
        ["/dev/sda6: it holds a filesystem (ext3) that is not mounted, so its files would not be saved"]
    );
    assert!(probed.refusals[0].remedy.as_ref().unwrap().as_str().contains("mount it"));
}

#[test]
fn a_disk_for_the_archive_alone_is_not_part_of_the_machine() {
    let mut host = bios_machine();
    host.mount("/dev/sda6", "/home", "ext3");
    host.disk("sdb", 64, "pci0000:00/0000:00:1f.2/ata2");
    host.run("mke2fs", &["-q", "-t", "ext4", "dev/sdb"]);
    host.mount("/dev/sdb", "/mnt", "ext4");
    let with = |archive: Option<&str>| {
        let mut prober = host.prober();
        prober.options.archive = archive.map(|path| host.path("root").join(path));
        probe::read(&prober).unwrap()
    };
    let disks = |probed: &Probed| probed.machine.layout.devices.iter().filter(|device| device.disk().is_some()).count();
    assert_eq!(disks(&with(None)), 2);
    // On a filesystem of the machine itself it changes nothing.
    assert_eq!(disks(&with(Some("home/repository"))), 2);
    let alone = with(Some("mnt/machines/not/yet"));
    assert_eq!((disks(&alone), alone.refusals.len()), (1, 0), "{:?}", alone.refusals);
    assert!(alone.machine.layout.mount_at("/mnt").is_none());
    host.write("root/etc/fstab", "LABEL=data /mnt ext4 defaults 0 0\n");
    let mut prober = host.prober();
    prober.options.archive = Some(host.path("root/mnt/repository"));
    let data = probe::read(&prober).unwrap();
    assert_eq!(disks(&data), 2, "what fstab mounts is the machine's, whatever lies there");
    assert!(alone.warnings.iter().any(|text| text.starts_with("/mnt is on the disk that the archive is written to")));
}

/// A desktop mounts the stick that is plugged in, and nothing is changed by that.
#[test]
fn a_recovery_stick_is_not_part_of_the_machine() {
    let mut host = bios_machine();
    host.mount("/dev/sda6", "/home", "ext3");
    host.disk("sdb", 256, "pci0000:00/0000:00:14.0/usb1/1-1");
    let id = "0A1B2C3D-4E5F-6071-8293-A4B5C6D7E8";
    let script = |last: u8| {
        format!(
            "label: gpt\nlabel-id: {id}F9\n\nstart=2048,size=2048,type=21686148-6449-6E6F-744E-656564454649,uuid={id}F8\n\
             start=4096,size=65536,type=U,uuid={id}FB\nstart=135168,size=387072,type=L,uuid={id}{last:02X}\n"
        )
    };
    host.partition("sdb", &script(0xfa));
    host.run("mke2fs", &["-q", "-t", "ext4", "dev/sdb3"]);
    host.mount("/dev/sdb3", "/media/stick", "ext4");
    let probed = read(&host);
    let has_stick = |probed: &Probed| probed.machine.layout.mount_at("/media/stick").is_some();
    assert!(!has_stick(&probed) && probed.refusals.is_empty(), "{:?}", probed.refusals);
    assert!(!probed.warnings.iter().any(|text| text.contains("/media/stick")), "{:?}", probed.warnings);
    // A disk that only looks like one is the machine's.
    host.run_with("sfdisk", &["-q", "--force", "dev/sdb"], &script(0xf0));
    assert!(has_stick(&read(&host)));
}

#[test]
fn a_machine_that_would_not_start_is_refused() {
    let mut host = bios_machine();
    host.mount("/dev/sda6", "/home", "ext3");
    std::fs::remove_dir_all(host.path("root/boot/grub")).unwrap();
    let probed = read(&host);
    assert_eq!(probed.refusals.len(), 1, "{:?}", probed.refusals);
    assert_eq!(probed.refusals[0].subject, "boot loader");
    assert!(probed.refusals[0].remedy.as_ref().unwrap().as_str().contains("grub-install"));
}

#[test]
fn uefi_with_gpt() {
    let mut host = FakeHost::new();
    host.disk("nvme0n1", 128, "pci0000:00/0000:00:03.0/nvme/nvme0");
    let uuid = "46A3F722-C3F4-4345-9645-B8F991FD1331";
    host.partition(
        "nvme0n1",
        &format!("label: gpt\n\nsize=40M,type=U,uuid={uuid},name=\"EFI\"\nsize=1M,type=21686148-6449-6E6F-744E-656564454649\ntype=L\n"),
    );
    host.run("mkfs.fat", &["-F", "32", "-s", "1", "-n", "ESP", "dev/nvme0n1p1"]);
    host.run("mke2fs", &["-q", "-t", "ext4", "dev/nvme0n1p3"]);
    host.mount("/dev/nvme0n1p3", "/", "ext4");
    host.mount("/dev/nvme0n1p1", "/boot/efi", "vfat");
    host.write("root/boot/efi/EFI/debian/shimx64.efi", "s");
    host.write("root/boot/efi/EFI/debian/grubx64.efi", "g");
    host.write("root/boot/grub/grub.cfg", "");
    let guid = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let variables = "sys/firmware/efi/efivars";
    host.write(&format!("{variables}/SecureBoot-{guid}"), b"\x06\0\0\0\x01");
    host.write(&format!("{variables}/BootOrder-{guid}"), b"\x07\0\0\0\x01\0");
    host.write(&format!("{variables}/Boot0001-{guid}"), include_bytes!("../fixtures/efi-boot-entry.bin"));
    host.write(&format!("{variables}/Boot0002-{guid}"), b"broken");
    let probed = read(&host);
    assert_eq!(reasons(&probed.refusals), Vec::<String>::new());
    let machine = &probed.machine;
    assert_eq!(machine.boot.firmware, Firmware::Uefi { secure_boot: true });
    let [entry] = machine.boot.efi_entries.as_slice() else { panic!("{:?}", machine.boot.efi_entries) };
    assert_eq!((entry.label.as_str(), entry.device.0.as_str()), ("debian", "disk0p1"));
    assert_eq!((entry.loader.as_str(), &entry.arguments), ("\\EFI\\debian\\shimx64.efi", &None));
    let [Loader::GrubEfi { vendor, shim, removable, .. }] = machine.boot.loaders.as_slice() else { panic!() };
    assert_eq!((vendor.as_str(), *shim, *removable), ("debian", true, false));
    assert_eq!(device(machine, "disk0p2").content, Content::BootLoader);
    let esp = device(machine, "disk0p1");
    assert_eq!(esp.partition().unwrap().uuid.as_deref(), Some(uuid));
    assert_eq!(esp.filesystem().unwrap().label, Name::from("ESP"));
    assert_eq!(device(machine, "disk0").disk().unwrap().hardware_path.as_deref(), Some("pci-0000:00:03.0-nvme-1"));
}

#[test]
fn what_is_closed_or_unknown_to_lvm_is_refused_by_name() {
    let mut host = FakeHost::new();
    host.disk("sda", 64, AHCI);
    host.partition("sda", "label: gpt\n\nsize=20M\nsize=20M\n");
    let mut luks = b"LUKS\xba\xbe\x00\x01aes".to_vec();
    luks.resize(1024, 0);
    luks[168..204].copy_from_slice(b"8a2a5ac2-0c45-4d70-a9e2-6a2c4a2ab1c0");
    host.write("dev/sda1", &[luks, vec![0; 20 << 20]].concat()[..20 << 20]);
    host.stacked("dm-0", &["sda1"], "vg0-root", "LVM-abcdef");
    host.mount("/dev/dm-0", "/", "ext4");
    let probed = read(&host);
    assert_eq!(
        reasons(&probed.refusals),
        [
            "/dev/sda1: it is encrypted with LUKS and not open, so its files would not be saved",
            // LVM itself knows nothing of it.
            "/: its device, /dev/dm-0, could not be recorded",
        ]
    );
}

#[test]
fn a_disk_can_be_left_out_by_name() {
    let mut host = FakeHost::new();
    host.disk("sda", 64, AHCI);
    host.disk("sdb", 32, AHCI);
    host.write("sys/block/sdb/device/serial", "DATA-1\n");
    host.run("mke2fs", &["-q", "-t", "ext4", "dev/sda"]);
    host.write("dev/sdb", [&[0; 512][..], b"LABELONE", &[0; 32 << 20]].concat());
    host.run("mkfs.btrfs", &["-q", "-f", "-M", "dev/sdb"]);
    host.mount("/dev/sda", "/", "ext4");
    host.mount("/dev/sdb", "/srv", "hfsplus");
    let with = |leave_out: &[&str]| {
        let mut prober = host.prober();
        prober.options.leave_out = leave_out.iter().map(|name| (*name).to_owned()).collect();
        probe::read(&prober).unwrap()
    };
    let refused = with(&[]);
    let remedies: Vec<&str> =
        refused.refusals.iter().filter_map(|refusal| refusal.remedy.as_ref()).map(|remedy| remedy.as_str()).collect();
    assert!(!refused.refusals.is_empty());
    assert!(remedies.iter().any(|remedy| remedy.contains("[machine] leave_out = [\"")), "{:?}", refused.refusals);
    let probed = with(&["/dev/sdb"]);
    assert_eq!(reasons(&probed.refusals), Vec::<String>::new());
    assert_eq!(probed.machine.layout.devices.len(), 1);
    assert!(probed.warnings.iter().any(|text| text.contains("/srv is on a disk that the configuration leaves out")));
    let probed = with(&["/dev/nowhere", "/dev/sdb"]);
    assert!(
        probed.warnings.iter().any(|text| text.contains("leaves the disk /dev/nowhere out")),
        "{:?}",
        probed.warnings
    );
    // The root cannot be left out.
    assert!(!with(&["/dev/sda", "/dev/sdb"]).refusals.is_empty());
}

/// A machine whose first partition is encrypted by the real cryptsetup.
fn encrypted(table: &str) -> FakeHost {
    let mut host = FakeHost::new();
    host.disk("sda", 64, AHCI);
    host.partition("sda", table);
    host.write("key", "first");
    let words = ["luksFormat", "-q", "--type", "luks2", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    host.run("cryptsetup", &[&words[..], &["--label", "safe", "--key-file", "key", "dev/sda1"]].concat());
    host
}

#[test]
fn an_open_luks_device_is_recorded_with_what_is_on_it() {
    let mut host = encrypted("label: gpt\n\nsize=40M\nsize=4M\n");
    host.stacked("dm-0", &["sda1"], "sda1_crypt", "CRYPT-LUKS2-8a2a5ac20c454d70a9e26a2c4a2ab1c0-sda1_crypt");
    host.stacked("dm-1", &["sda2"], "cswap", "CRYPT-PLAIN-cswap");
    host.run("mke2fs", &["-q", "-t", "ext4", "dev/dm-0"]);
    host.mount("/dev/dm-0", "/", "ext4");
    host.write("root/etc/crypttab", "sda1_crypt UUID=x none luks\ncswap /dev/sda2 /dev/urandom swap,plain\n");
    host.write("proc/swaps", "Filename Type Size Used Priority\n/dev/dm-1 partition 4092 0 -2\n");
    let probed = read(&host);
    assert_eq!(reasons(&probed.refusals), Vec::<String>::new());
    let machine = &probed.machine;
    let Content::Luks(header) = &device(machine, "disk0p1").content else { panic!("{:?}", machine.layout) };
    assert_eq!((header.version, &header.label, header.data_offset_bytes), (2, &Name::from("safe"), 16 << 20));
    let mapping = device(machine, "crypt0");
    let DeviceKind::Crypt(crypt) = &mapping.kind else { panic!("{mapping:?}") };
    assert_eq!((crypt.parent.0.as_str(), crypt.name.as_str()), ("disk0p1", "sda1_crypt"));
    assert!(mapping.filesystem().is_some() && machine.layout.mounts[0].device == mapping.id);
    // It is made again at each start, so it is left empty.
    assert_eq!(device(machine, "disk0p2").content, Content::Empty);
    assert!(
        probed.warnings.iter().any(|text| text.contains("/dev/mapper/cswap is made with a new key")),
        "{:?}",
        probed.warnings
    );
}

#[test]
fn mappings_that_cannot_be_made_again_are_refused_by_name() {
    let read_with = |slave: &str, name: &str, uuid: &str| {
        let mut host = encrypted("label: gpt\n\nsize=40M\nsize=4M\n");
        host.stacked("dm-0", &[slave], name, uuid);
        host.run("mke2fs", &["-q", "-t", "ext4", "dev/dm-0"]);
        host.mount("/dev/dm-0", "/", "ext4");
        reasons(&read(&host).refusals).join("; ")
    };
    // A person reads what to do instead.
    let mut host = encrypted("label: gpt\n\nsize=40M\nsize=4M\n");
    host.stacked("dm-0", &["sda2"], "mpatha", "mpath-360014059f5a6f4c3c1d4f0a9d3c2b1a0");
    host.run("mke2fs", &["-q", "-t", "ext4", "dev/dm-0"]);
    host.mount("/dev/dm-0", "/", "ext4");
    let refusal =
        read(&host).refusals.into_iter().find(|refusal| refusal.reason.contains("the multipath device mpatha"));
    assert!(refusal.is_some_and(|refusal| refusal.remedy.is_some_and(|remedy| remedy.as_str().contains("leave_out"))));
    for (slave, name, uuid, expected) in [
        ("sda2", "root", "CRYPT-PLAIN-root", "encrypted without a header (plain dm-crypt, root)"),
        ("sda2", "root", "CRYPT-LUKS2-00-root", "its LUKS header is on another device (detached)"),
        ("sda1", "my\\x20root", "CRYPT-LUKS2-00-my\\x20root", "has characters that /dev/mapper has in another form"),
        ("sda1", "root", "CRYPT-BITLK-00-root", "it is on the encrypted device root"),
    ] {
        let refusals = read_with(slave, name, uuid);
        assert!(refusals.contains(expected), "{name} {uuid}: {refusals}");
    }
}

/// What is in a drive is no part of the machine, and its label is not even looked at: lvm, which is missing here, is not asked.
#[test]
fn a_disc_with_a_label_of_lvm_concerns_nobody() {
    let read_with = |name: &str| {
        let mut host = FakeHost::new();
        host.disk(name, 8, VIRTIO);
        let mut label = vec![0; 8 << 20];
        label[512..520].copy_from_slice(b"LABELONE");
        host.write(&format!("dev/{name}"), label);
        let runner = lifeboat_sys::FakeRunner::new();
        let mut prober = host.prober();
        prober.runner = &runner;
        let blocks = crate::prober::blocks(&prober).unwrap();
        let mut findings = crate::report::Findings::default();
        crate::groups::Groups::read(&prober, &blocks, &mut findings);
        runner.command_lines().len()
    };
    assert_eq!((read_with("sr0"), read_with("vdb")), (0, 1));
}

#[test]
fn a_root_that_is_on_no_disk_is_refused() {
    let mut host = FakeHost::new();
    host.mount("overlay", "/", "overlay");
    let probed = read(&host);
    assert_eq!(reasons(&probed.refusals), ["/: the root filesystem is not on a disk of this machine"]);
}

#[test]
fn a_filesystem_on_a_whole_disk_with_swap_file() {
    let mut host = FakeHost::new();
    host.disk("vda", 32, VIRTIO);
    host.run("mke2fs", &["-q", "-t", "ext4", "dev/vda"]);
    host.mount("/dev/vda", "/", "ext4");
    host.write("root/swap file", vec![0; 1 << 20]);
    host.run("mkswap", &["-q", "root/swap file"]);
    host.write("root/etc/fstab", "/swap\\040file none swap sw 0 0\nUUID=gone /gone ext4 defaults 0 0\n");
    let probed = read(&host);
    assert_eq!(reasons(&probed.refusals), Vec::<String>::new());
    assert!(probed.warnings.iter().any(|warning| warning.contains("started from outside")), "{:?}", probed.warnings);
    assert!(probed.warnings.iter().any(|warning| warning.contains("UUID=gone")), "{:?}", probed.warnings);
    let layout = &probed.machine.layout;
    assert_eq!(layout.swap_files[0].path, Name::from("/swap file"));
    assert_eq!(layout.swap_files[0].size_bytes, 1 << 20);
    assert!(device(&probed.machine, "disk0").filesystem().is_some());
    assert_eq!(layout.mount_at("/").unwrap().device.0, "disk0");
}

#[test]
fn a_folder_has_no_layout() {
    let host = FakeHost::new();
    let sysroot = crate::Sysroot::new(host.path("root"));
    let mut prober = host.prober();
    prober.sysroot = &sysroot;
    let probed = probe::read(&prober).unwrap();
    assert_eq!(reasons(&probed.refusals), Vec::<String>::new());
    assert!(probed.machine.layout.devices.is_empty());
    assert!(probed.warnings[0].contains("is a folder"), "{:?}", probed.warnings);
}

#[test]
fn filesystems_that_can_be_made() {
    let host = FakeHost::new();
    let made = |host: &FakeHost| found::read(&host.prober(), &[]).unwrap().filesystems;
    host.write("proc/self/mountinfo", "");
    assert_eq!(made(&host), Vec::<String>::new(), "the kernel knows none");
    // A driver that is there, one that can be loaded, one that is neither.
    host.write("proc/filesystems", "nodev\tsysfs\n\text3\n\text4\nnodev\tbtrfs-like\n");
    host.write("proc/sys/kernel/osrelease", "6.1.0\n");
    host.write("lib/modules/6.1.0/modules.dep", "kernel/fs/xfs/xfs.ko:\n");
    host.write("lib/modules/6.1.0/modules.alias", "alias fs-xfs xfs\n");
    assert_eq!(made(&host), ["ext3", "ext4", "xfs"]);
}

#[test]
fn what_the_rescue_system_finds() {
    let mut host = bios_machine();
    host.disk("sdb", 8, VIRTIO);
    host.disk("sdc", 8, VIRTIO);
    host.disk("sdd", 8, VIRTIO);
    host.disk("sde", 8, VIRTIO);
    host.disk("sr0", 8, VIRTIO);
    host.write("dev/sdc", [vec![0; (8 << 20) - 1], vec![1]].concat());
    let marker = Marker { machine: "0123".into(), device: DeviceId("disk0".into()) };
    let mut marked = vec![0; 8 << 20];
    marked[(1 << 20) - 4096..1 << 20].copy_from_slice(&marker.encode());
    host.write("dev/sdd", marked);
    host.run("mke2fs", &["-q", "-t", "ext4", "-L", "archive", "dev/sde"]);
    let locks = [("/dev/sde".to_owned(), "it holds the archive".to_owned())];
    let found = found::read(&host.prober(), &locks).unwrap();
    let paths: Vec<&str> = found.disks.iter().map(|disk| disk.path.as_str()).collect();
    assert_eq!(paths, ["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd", "/dev/sde"]);
    let DiskContent::Table { id, content_uuids, summary, .. } = &found.disks[0].content else { panic!() };
    assert_eq!((id.as_str(), content_uuids.len()), ("0x1234abcd", 3));
    assert_eq!(summary, "mbr, 4 partitions: ext4 \"root\", empty, swap, ext3");
    assert!(found.disks[0].lock.as_deref().unwrap().starts_with("/dev/sda1 is mounted on "));
    assert_eq!(found.disks[1].content, DiskContent::Blank);
    assert_eq!(found.disks[1].lock, None);
    assert_eq!(found.disks[2].content, DiskContent::Unknown);
    assert_eq!(found.disks[3].content, DiskContent::Interrupted { machine: "0123".into(), device: marker.device });
    assert!(matches!(&found.disks[4].content, DiskContent::Whole { summary, .. } if summary == "ext4 \"archive\""));
    assert_eq!(found.disks[4].lock.as_deref(), Some("it holds the archive"));
    // The same code names the disk on both sides.
    let recorded = read(&host).machine;
    assert_eq!(recorded.layout.disks().next().unwrap().1, &found.disks[0].disk);
}
