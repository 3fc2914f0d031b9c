//! Exact command lines, by a runner that only records them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{empty_machine, empty_plan, run};
use lifeboat_machine::boot::{EfiEntry, InitramfsTool, Loader};
use lifeboat_machine::layout::{Disk, LuksHeader, Partition, PartitionRole, PartitionTable, Swap, TableKind};
use lifeboat_machine::testing::{encrypted_machine, luks};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Machine, Name};
use lifeboat_plan::{ChangedFilesystem, MatchedBy, Plan, Step, Target};
use lifeboat_rebuild::boot::load_option::{LoadOption, Signature};
use lifeboat_rebuild::{Context, RebuildError, Secrets, apply};
use lifeboat_sys::{FakeRunner, Output};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

fn adapt(names: &[(&str, &str)]) -> Step {
    let replacements = names.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
    Step::AdaptConfiguration { replacements, gone: vec![] }
}

fn target(programs: &[&str], files: &[&str]) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    let programs = programs.iter().map(|name| format!("usr/sbin/{name}"));
    for name in programs.chain(files.iter().map(|name| (*name).to_owned())) {
        let path = target.path().join(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    target
}

#[test]
fn grub_for_bios() {
    let loader = |directory: &str| Step::InstallLoader {
        loader: Loader::GrubBios { disks: vec![], directory: Name::from(directory) },
        disks: vec!["/dev/sda".into(), "/dev/sdb".into()],
    };
    for (program, directory) in [("grub-install", "/boot/grub"), ("grub2-install", "/boot/grub2")] {
        let (runner, target) = (FakeRunner::lenient(), target(&[program], &[]));
        run(&runner, target.path(), &empty_machine(), &empty_plan(), &loader(directory)).unwrap();
        let root = target.path().display();
        let expected =
            |disk| format!("chroot {root} {program} --target=i386-pc --recheck --boot-directory=/boot {disk}");
        assert_eq!(runner.command_lines(), [expected("/dev/sda"), expected("/dev/sdb")]);
    }
    let target = target(&[], &[]);
    let error =
        run(&FakeRunner::new(), target.path(), &empty_machine(), &empty_plan(), &loader("/boot/grub")).unwrap_err();
    assert!(error.to_string().contains("neither grub-install nor grub2-install"), "{error}");
}

#[test]
fn initramfs_by_its_own_tool() {
    let step = Step::RebuildInitramfs { reason: String::new() };
    for (tool, line) in [
        (InitramfsTool::InitramfsTools, Some("update-initramfs -u -k all")),
        (InitramfsTool::Dracut, Some("dracut --regenerate-all --force")),
        (InitramfsTool::Mkinitcpio, Some("mkinitcpio -P")),
        (InitramfsTool::None, None),
    ] {
        let runner = FakeRunner::lenient();
        let mut machine = empty_machine();
        machine.boot.initramfs = tool;
        run(&runner, Path::new("/t"), &machine, &empty_plan(), &step).unwrap();
        assert_eq!(
            runner.command_lines(),
            line.map(|line| format!("chroot /t {line}")).into_iter().collect::<Vec<_>>()
        );
    }
    let mut machine = empty_machine();
    machine.boot.initramfs = InitramfsTool::Dracut;
    let notes = run(&FakeRunner::new(), Path::new("/t"), &machine, &empty_plan(), &step).unwrap();
    assert!(notes[0].contains("the initramfs stays as it was restored"), "{notes:?}");
}

/// Headers and keys as a test has them.
struct Keys(PathBuf);

impl Secrets for Keys {
    fn header(&self, header: &LuksHeader) -> Result<PathBuf, RebuildError> {
        Ok(self.0.join(header.backup_name()))
    }

    fn key(&self, _: &str) -> Option<Zeroizing<Vec<u8>>> {
        Some(Zeroizing::new(b"sesame".to_vec()))
    }
}

#[test]
fn luks_devices_get_their_header_and_are_opened_without_a_key_in_any_argument() {
    let (machine, plan, runner) = (empty_machine(), empty_plan(), FakeRunner::lenient());
    let mut context = Context::new(&runner, "/t", &machine, &plan);
    context.chroot_mounts = false;
    let (device, uuid) = ("/dev/vda2".to_owned(), "64f0".to_owned());
    let header = Step::MakeLuks { device: device.clone(), header: luks("64f0", "00") };
    let open = Step::OpenLuks { device, uuid, name: "root".into(), node: "/dev/mapper/root".into(), size_bytes: 1 };
    // Without the archive there is neither.
    assert!(apply(&header, &context).unwrap_err().to_string().contains("cannot MAKE the LUKS device 64f0"));
    assert!(apply(&open, &context).unwrap_err().to_string().contains("none of the archive's key files opens it"));
    assert_eq!(runner.command_lines(), Vec::<String>::new());
    context.secrets = std::sync::Arc::new(Keys("/run/luks".into()));
    apply(&header, &context).unwrap();
    apply(&open, &context).unwrap();
    assert_eq!(
        runner.command_lines(),
        [
            "wipefs --all --force /dev/vda2",
            "cryptsetup luksHeaderRestore --batch-mode --header-backup-file /run/luks/luks-64f0.header /dev/vda2",
            "cryptsetup open --type luks --batch-mode --key-file - /dev/vda2 root",
            "wipefs --all --force /dev/mapper/root",
        ]
    );
    assert_eq!(runner.calls()[2].stdin.as_deref(), Some(&b"sesame"[..]));
}

#[test]
fn a_rebuilt_initramfs_must_open_the_encrypted_root() {
    let step = Step::RebuildInitramfs { reason: String::new() };
    for (tool, lister) in [(InitramfsTool::InitramfsTools, "lsinitramfs"), (InitramfsTool::Dracut, "lsinitrd")] {
        let mut machine = encrypted_machine();
        machine.boot.initramfs = tool;
        machine.boot.kernel = "6.1.0".into();
        let target = target(&[], &["boot/initrd.img-6.1.0"]);
        let with = |list: &str| {
            let listed = Output { code: 0, stdout: list.as_bytes().to_vec(), stderr: vec![] };
            let call = format!("chroot {} {lister}", target.path().display());
            let runner = FakeRunner::lenient().answer_with(&call, listed);
            run(&runner, target.path(), &machine, &empty_plan(), &step)
        };
        assert_eq!(with("usr/bin\nusr/sbin/cryptsetup\n").unwrap(), Vec::<String>::new());
        assert_eq!(with("-rwxr-xr-x 1 root root 9 usr/bin/systemd-cryptsetup\n").unwrap(), Vec::<String>::new());
        let error =
            with("usr/sbin/dmsetup\nusr/lib/cryptsetup\nusr/lib/cryptsetup/functions\n").unwrap_err().to_string();
        assert!(error.contains("has no cryptsetup; try installing cryptsetup-initramfs"), "{error}");
    }
}

/// Debian's dracut comes with an update-initramfs that knows which file the boot loader starts.
#[test]
fn initramfs_by_dracut_under_debians_name() {
    let step = Step::RebuildInitramfs { reason: String::new() };
    let mut machine = empty_machine();
    machine.boot.initramfs = InitramfsTool::Dracut;
    for (programs, line) in [
        (&["usr/sbin/update-initramfs", "usr/bin/dracut"][..], "update-initramfs -u -k all"),
        (&["usr/bin/dracut"], "dracut --regenerate-all --force"),
    ] {
        let runner = FakeRunner::lenient();
        let target = target(&[], programs);
        run(&runner, target.path(), &machine, &empty_plan(), &step).unwrap();
        assert_eq!(runner.command_lines(), [format!("chroot {} {line}", target.path().display())]);
    }
}

/// A machine with an ESP as the first partition of its disk, and the plan for it.
fn efi(table: TableKind) -> (Machine, Plan) {
    let (mut machine, mut plan) = (empty_machine(), empty_plan());
    let id = |name: &str| DeviceId(name.into());
    let gpt = table == TableKind::Gpt;
    machine.layout.devices.push(Device {
        id: id("disk0"),
        path: "/dev/vda".into(),
        size_bytes: 1 << 30,
        kind: DeviceKind::Disk(Disk::default()),
        content: Content::Table(PartitionTable {
            kind: table,
            id: if gpt { "11111111-2222-3333-4444-555555555555".into() } else { "0xdeadbeef".into() },
            first_lba: None,
            last_lba: None,
            entries: None,
            boot_code: None,
        }),
    });
    machine.layout.devices.push(Device {
        id: id("disk0p1"),
        path: "/dev/vda1".into(),
        size_bytes: 1 << 29,
        kind: DeviceKind::Partition(Partition {
            parent: id("disk0"),
            number: 1,
            start_sector: 2048,
            sectors: 1_048_576,
            type_id: "ef".into(),
            uuid: gpt.then(|| "12345678-1234-5678-9ABC-DEF012345678".into()),
            name: None,
            attributes: None,
            bootable: false,
            role: PartitionRole::Primary,
        }),
        content: Content::Empty,
    });
    machine.boot.loaders = vec![Loader::GrubEfi {
        esp: Name::from("/boot/efi"),
        vendor: "debian".into(),
        shim: true,
        removable: false,
        directory: Name::from("/boot/grub"),
    }];
    let entry = |label: &str, loader: &str| EfiEntry {
        label: label.into(),
        device: id("disk0p1"),
        loader: loader.into(),
        arguments: None,
    };
    machine.boot.efi_entries =
        vec![entry("debian", "\\EFI\\debian\\shimx64.efi"), entry("old", "\\EFI\\debian\\grubx64.efi")];
    plan.targets.push(Target {
        device: id("disk0"),
        path: "/dev/nvme0n1".into(),
        name: String::new(),
        matched_by: MatchedBy::OnlyDisk,
        wwn: None,
        serial: None,
        loses: String::new(),
        size_bytes: (0, 0),
    });
    plan.steps.push(Step::WriteTable {
        disk: "/dev/nvme0n1".into(),
        table: PartitionTable {
            kind: table,
            id: "0xdeadbeef".into(),
            first_lba: None,
            last_lba: None,
            entries: None,
            boot_code: None,
        },
        entries: vec![Partition {
            parent: id("disk0"),
            number: 1,
            start_sector: 4096,
            sectors: 999,
            type_id: "x".into(),
            uuid: gpt.then(|| "12345678-1234-5678-9ABC-DEF012345678".into()),
            name: None,
            attributes: None,
            bootable: false,
            role: PartitionRole::Primary,
        }],
        partitions: vec![],
    });
    (machine, plan)
}

const ESP: [&str; 3] =
    ["boot/efi/EFI/debian/shimx64.efi", "boot/efi/EFI/debian/grubx64.efi", "boot/efi/EFI/debian/mmx64.efi"];

#[test]
fn boot_entries() {
    for (table, signature) in [
        (
            TableKind::Gpt,
            Signature::Gpt([
                0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 0x56, 0x78,
            ]),
        ),
        (TableKind::Mbr, Signature::Mbr(0xdead_beef)),
    ] {
        let (mut machine, mut plan) = efi(table);
        let target = target(&[], &ESP);
        let efivars = target.path().join("efivars");
        std::fs::create_dir(&efivars).unwrap();
        let make =
            |entry: &EfiEntry| Step::MakeEfiEntry { entry: entry.clone(), disk: "/dev/nvme0n1".into(), partition: 1 };
        let steps: Vec<Step> = machine.boot.efi_entries.iter().map(make).collect();
        plan.steps.extend(steps.iter().cloned());
        // The recorded ones were on another partition.
        machine.boot.efi_entries.iter_mut().for_each(|entry| entry.device = DeviceId("disk7p1".into()));
        for step in &steps {
            let notes = run(&FakeRunner::new(), target.path(), &machine, &plan, step).unwrap();
            assert_eq!(notes, Vec::<String>::new());
        }
        let read = |name: &str| {
            std::fs::read(efivars.join(format!("{name}-8be4df61-93ca-11d2-aa0d-00e098032b8c"))).unwrap()[4..].to_vec()
        };
        assert_eq!(read("BootOrder"), [0, 0, 1, 0], "in the recorded order");
        let option = LoadOption::decode(&read("Boot0000")).unwrap();
        assert_eq!((option.label.as_str(), option.file.as_str()), ("debian", "\\EFI\\debian\\shimx64.efi"));
        assert_eq!((option.drive.partition, option.drive.start, option.drive.sectors), (1, 4096, 999));
        assert_eq!(option.drive.signature, signature);
    }
}

#[test]
fn without_variables_the_removable_path_helps() {
    let (machine, plan) = efi(TableKind::Gpt);
    let target = target(&[], &ESP);
    let entry = machine.boot.efi_entries[0].clone();
    let step = Step::MakeEfiEntry { entry, disk: "/dev/nvme0n1".into(), partition: 1 };
    let notes = run(&FakeRunner::new(), target.path(), &machine, &plan, &step).unwrap();
    assert!(notes[0].contains("starts from the removable path EFI/BOOT"), "{notes:?}");
    let read = |name: &str| std::fs::read_to_string(target.path().join("boot/efi/EFI/BOOT").join(name)).unwrap();
    assert_eq!(read("BOOTX64.EFI"), ESP[0]);
    assert_eq!(read("grubx64.efi"), ESP[1]);
    assert_eq!(read("mmx64.efi"), ESP[2]);
}

#[test]
fn loaders_for_uefi_must_be_there() {
    let (machine, plan) = efi(TableKind::Gpt);
    let step = |loader: &Loader| Step::InstallLoader { loader: loader.clone(), disks: vec![] };
    let grub = &machine.boot.loaders[0];
    let empty = target(&[], &["boot/efi/EFI/other/file"]);
    let error = run(&FakeRunner::new(), empty.path(), &machine, &plan, &step(grub)).unwrap_err();
    assert!(error.to_string().contains("/boot/efi of the restored system does not contain it"), "{error}");
    // FAT keeps no case, other filesystems do.
    let shouted = target(&[], &["efi/EFI/SYSTEMD/SYSTEMD-BOOTX64.EFI"]);
    let systemd = Loader::SystemdBoot { esp: Name::from("/efi"), removable: false };
    let notes = run(&FakeRunner::new(), shouted.path(), &machine, &plan, &step(&systemd)).unwrap();
    assert!(notes[0].contains("at the removable path"), "{notes:?}");
    assert!(shouted.path().join("efi/EFI/BOOT/BOOTX64.EFI").exists());
    // What lies at the removable path already is left alone.
    assert_eq!(
        run(&FakeRunner::new(), shouted.path(), &machine, &plan, &step(&systemd)).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn configuration_follows_the_disks() {
    let (machine, mut plan) = efi(TableKind::Gpt);
    let swap = Swap { uuid: Some("u-1".into()), label: Name::default(), page_bytes: 4096 };
    plan.steps.push(Step::MakeSwap { device: "/dev/nvme0n1p1".into(), swap });
    let target =
        target(&[], &["etc/fstab", "boot/grub/grub.cfg", "boot/grub/device.map", "boot/loader/entries/a.conf"]);
    let write = |name: &str, text: &str| std::fs::write(target.path().join(name), text).unwrap();
    write("etc/fstab", "/dev/vda1 none swap sw 0 0\n/dev/disk/by-id/virtio-S1-part1 none swap sw 0 0\n");
    write("boot/grub/grub.cfg", "linux /vmlinuz root=/dev/vda1 quiet\n");
    write("boot/grub/device.map", "(hd0) /dev/disk/by-id/virtio-S1\n");
    write("boot/loader/entries/a.conf", "options root=UUID=1\n");
    let step = adapt(&[
        ("/dev/vda1", "/dev/nvme0n1p1"),
        ("/dev/vda", "/dev/nvme0n1"),
        ("/dev/disk/by-id/virtio-S1-part1", "/dev/nvme0n1p1"),
        ("/dev/disk/by-id/virtio-S1", "/dev/nvme0n1"),
    ]);
    let notes = run(&FakeRunner::new(), target.path(), &machine, &plan, &step).unwrap();
    assert_eq!(notes.len(), 3, "{notes:?}");
    let read = |name: &str| std::fs::read_to_string(target.path().join(name)).unwrap();
    assert_eq!(read("etc/fstab"), "UUID=u-1 none swap sw 0 0\nUUID=u-1 none swap sw 0 0\n");
    assert_eq!(read("boot/grub/grub.cfg"), "linux /vmlinuz root=/dev/nvme0n1p1 quiet\n");
    assert_eq!(read("boot/grub/device.map"), "(hd0) /dev/nvme0n1\n");
    assert_eq!(run(&FakeRunner::new(), target.path(), &machine, &plan, &step).unwrap(), Vec::<String>::new(), "again");
}

#[test]
fn configuration_follows_another_kind_of_filesystem() {
    let target = target(&[], &["etc/fstab", "etc/default/grub", "boot/grub/grub.cfg"]);
    let write = |name: &str, text: &str| std::fs::write(target.path().join(name), text).unwrap();
    write("etc/fstab", "UUID=11-22 / ext4 errors=remount-ro 0 1\nUUID=33 /home ext4 errors=remount-ro 0 2\n");
    write("etc/default/grub", "GRUB_CMDLINE_LINUX=\"rootfstype=ext4 quiet\"\n");
    write("boot/grub/grub.cfg", "linux /vmlinuz root=UUID=11-22 quiet\n");
    let changes = vec![ChangedFilesystem {
        from: "ext4".into(),
        to: "btrfs".into(),
        mount_points: vec![Name::from("/")],
        names: vec!["UUID=11-22".into()],
        name: "UUID=11-22".into(),
        lost_label: None,
    }];
    let step = Step::AdaptFilesystems { changes };
    let notes = run(&FakeRunner::new(), target.path(), &empty_machine(), &empty_plan(), &step).unwrap();
    let expected = [
        "/etc/fstab now names other filesystems",
        "/etc/default/grub now names other filesystems",
        "/etc/fstab: / loses errors=remount-ro, which btrfs does not support",
    ];
    assert_eq!(notes, expected);
    let read = |name: &str| std::fs::read_to_string(target.path().join(name)).unwrap();
    assert_eq!(
        read("etc/fstab"),
        "UUID=11-22 / btrfs defaults 0 0\nUUID=33 /home ext4 errors=remount-ro 0 2\n",
        "and nothing of another filesystem"
    );
    assert_eq!(read("etc/default/grub"), "GRUB_CMDLINE_LINUX=\"rootfstype=btrfs quiet\"\n");
    assert_eq!(
        run(&FakeRunner::new(), target.path(), &empty_machine(), &empty_plan(), &step).unwrap(),
        Vec::<String>::new(),
        "again"
    );
}

#[test]
fn configuration_behind_links_and_in_debconf() {
    let (machine, plan) = efi(TableKind::Gpt);
    let target = target(&[], &["etc/real/fstab", "etc/crypttab", "var/cache/debconf/config.dat"]);
    let outside = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(target.path().join(name), text).unwrap();
    let text = "/dev/vda9 /data ext4\n/dev/disk/by-id/usb-Stick-part1 /backup ext4\n";
    write("etc/real/fstab", text);
    std::fs::write(outside.path().join("fstab"), text).unwrap();
    std::os::unix::fs::symlink("/etc/real/fstab", target.path().join("etc/fstab")).unwrap();
    // A second name for the same file: what changed places must not change back.
    std::fs::create_dir_all(target.path().join("etc/default")).unwrap();
    std::os::unix::fs::symlink("../real/fstab", target.path().join("etc/default/grub")).unwrap();
    // Leads out of the target when followed from here.
    std::os::unix::fs::symlink(outside.path().join("fstab"), target.path().join("etc/dracut.conf")).unwrap();
    write("etc/crypttab", "secret /dev/vda8 none luks\n");
    write("var/cache/debconf/config.dat", "Name: grub-pc/install_devices\nValue: /dev/disk/by-id/virtio-S1\n");
    let links = tempfile::tempdir().unwrap();
    let by_id = links.path().join("by-id");
    std::fs::create_dir(&by_id).unwrap();
    for (name, to) in
        [("nvme-NEW", "../../nvme0n1"), ("nvme-eui.1", "../../nvme0n1"), ("nvme-NEW-part1", "../../nvme0n1p1")]
    {
        std::os::unix::fs::symlink(to, by_id.join(name)).unwrap();
    }
    let step = adapt(&[
        ("/dev/vda9", "/dev/nvme0n1p9"),
        ("/dev/nvme0n1p9", "/dev/vda9"),
        ("/dev/vda8", "/dev/nvme0n1p8"),
        ("/dev/disk/by-id/virtio-S1", "/dev/nvme0n1"),
    ]);
    let runner = FakeRunner::new();
    let mut context = Context::new(&runner, target.path(), &machine, &plan);
    context.by_id = by_id;
    let notes = apply(&step, &context).unwrap();
    let read = |name: &str| std::fs::read_to_string(target.path().join(name)).unwrap();
    assert_eq!(read("etc/real/fstab"), text.replace("/dev/vda9", "/dev/nvme0n1p9"));
    assert_eq!(read("etc/crypttab"), "secret /dev/nvme0n1p8 none luks\n");
    assert!(read("var/cache/debconf/config.dat").contains("Value: /dev/disk/by-id/nvme-NEW\n"));
    assert_eq!(std::fs::read_to_string(outside.path().join("fstab")).unwrap(), text, "outside of the target");
    assert!(target.path().join("etc/fstab").symlink_metadata().unwrap().is_symlink());
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert!(notes[2].starts_with("/etc/fstab, line 2, names /dev/disk/by-id/usb-Stick-part1, which"), "{notes:?}");
}

/// Members are wiped before their array is made, whatever stands on them, and the array afterwards where it is real.
#[test]
fn an_array_is_made_of_wiped_members() {
    let machine = lifeboat_machine::testing::mirrored_machine(false);
    let disks = ["/dev/vda", "/dev/vdb"].map(|path| lifeboat_machine::testing::found(path, 20 << 30, path));
    let hardware = lifeboat_machine::testing::hardware(disks.to_vec());
    let plan = lifeboat_plan::plan(&machine, &hardware, &lifeboat_plan::Policy::default()).unwrap();
    let step = plan.steps.iter().find(|step| matches!(step, Step::MakeArray { .. })).unwrap();
    let runner = FakeRunner::lenient();
    run(&runner, Path::new("/nowhere"), &machine, &plan, step).unwrap();
    let lines = runner.command_lines();
    assert_eq!(lines[..2], ["wipefs --all --force /dev/vda2", "wipefs --all --force /dev/vdb2"]);
    assert!(lines[2].starts_with("mdadm --create /dev/md/root --run --force"), "{lines:?}");
    assert!(lines[2].ends_with("--homehost=box --name=root --data-offset=1024K /dev/vda2 /dev/vdb2"), "{lines:?}");
    assert_eq!(lines.len(), 3);
}

/// LVM finds the group on disks that its devices file does not name.
#[test]
fn the_devices_file_of_lvm_is_set_aside() {
    let (machine, mut plan) = efi(TableKind::Gpt);
    let place = "etc/lvm/devices/system.devices";
    let before = target(&[], &[place]);
    let step = adapt(&[("/dev/vda", "/dev/nvme0n1")]);
    run(&FakeRunner::new(), before.path(), &machine, &plan, &step).unwrap();
    assert!(before.path().join(place).exists(), "a machine without groups keeps it");
    let group = lifeboat_machine::layout::VolumeGroup {
        id: lifeboat_machine::layout::GroupId("group0".into()),
        name: "vg".into(),
        uuid: "u".into(),
        extent_bytes: 4 << 20,
        tags: vec![],
    };
    plan.steps.push(Step::MakeGroup { group, physical: vec![], volumes: vec![] });
    let notes = run(&FakeRunner::new(), before.path(), &machine, &plan, &step).unwrap();
    assert!(notes.iter().any(|note| note.contains("vgimportdevices")), "{notes:?}");
    assert!(!before.path().join(place).exists());
    assert!(before.path().join("etc/lvm/devices/system.devices.before-recovery").exists());
}
