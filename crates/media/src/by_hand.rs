//! RECOVER-BY-HAND.txt: how to bring the machine back with stock tools, without Lifeboat (design, principle 5).
//!
//! Lines that begin with four spaces are commands for bash, in order; a script can follow them literally. What a person
//! must decide is a variable with the recorded value as its default.

use crate::by_hand_filesystems::{filesystem, swap};
use crate::by_hand_layers::{self, table_lines};
use crate::by_hand_words::{inside, plain, shell, word};
use crate::set_by_hand;
use lifeboat_machine::boot::{Boot, Firmware, InitramfsTool, Loader};
use lifeboat_machine::bytes::{human, printable};
use lifeboat_machine::layout::{Content, Device, DeviceKind, Member, Mount};
use lifeboat_machine::{Layout, Machine, MediumManifest};
use lifeboat_rebuild::make::FurtherDevice;

/// Collects prose and commands.
#[derive(Default)]
struct Page(String);

impl Page {
    fn text(&mut self, text: &str) {
        for line in text.lines() {
            self.0.push_str(line.trim_end());
            self.0.push('\n');
        }
    }

    fn heading(&mut self, text: &str) {
        self.blank();
        self.text(&format!("{text}\n{}\n", "-".repeat(text.chars().count())));
        self.blank();
    }

    /// One empty line, not two.
    fn blank(&mut self) {
        if !self.0.is_empty() && !self.0.ends_with("\n\n") {
            self.0.push('\n');
        }
    }

    fn commands(&mut self, lines: impl IntoIterator<Item = String>) {
        self.blank();
        for line in lines.into_iter().flat_map(|line| line.lines().map(str::to_owned).collect::<Vec<_>>()) {
            self.0.push_str(format!("    {line}").trim_end());
            self.0.push('\n');
        }
        self.blank();
    }
}

/// The text of the page.
pub fn recover_by_hand(machine: &Machine, manifest: &MediumManifest) -> String {
    let mut page = Page::default();
    let name = printable(machine.name.as_bytes());
    let title = format!("How to recover {name} by hand");
    page.text(&format!("{title}\n{}\n", "=".repeat(title.chars().count())));
    let tools = match manifest.set {
        Some(_) => "age, zstd, python3, GNU tar",
        None => "restic (0.14 or later)",
    };
    page.text(&format!(
        "\nThis medium was made by Lifeboat {} at {}.\nIt boots and does all of this by itself. This page is for the \
         day when it does not:\nboot any live Linux with {tools} and the usual disk tools, become \
         root, and\nfollow \
         the commands below in bash. They are the lines that begin with four spaces. They\nERASE the disks that you name \
         in step 1.\n",
        manifest.lifeboat, manifest.created_at
    ));
    choose(&mut page, machine);
    mount_medium(&mut page, manifest);
    tables(&mut page, &machine.layout, manifest);
    filesystems(&mut page, &machine.layout);
    mounts(&mut page, &machine.layout);
    restore(&mut page, manifest);
    swap_files(&mut page, &machine.layout);
    boot(&mut page, &machine.boot, &machine.layout);
    finish(&mut page, &machine.layout);
    page.0
}

fn choose(page: &mut Page, machine: &Machine) {
    page.heading("1. Name the disks");
    page.text("List them with `lsblk -o NAME,SIZE,MODEL,SERIAL,WWN` and write the real names here:");
    let mut lines = Vec::new();
    for (device, disk) in machine.layout.disks() {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        lines.push(format!(
            "# {}: {}, model {}, serial number {}, WWN {}",
            device.id,
            human(device.size_bytes),
            printable(text(&disk.model).as_bytes()),
            printable(text(&disk.serial).as_bytes()),
            printable(text(&disk.wwn).as_bytes())
        ));
        lines.push(format!(": \"${{{}:={}}}\"", device.id, plain(&device.path)));
    }
    for device in &machine.layout.devices {
        if let DeviceKind::Array(array) = &device.kind {
            let level = array.level.name();
            lines.push(format!("# {}: {level}, {}; the node that it gets.", device.id, human(device.size_bytes)));
            lines.push(by_hand_layers::variable(device, array));
        }
    }
    lines.push("# The place where the machine's root filesystem will be mounted.".into());
    lines.push(": \"${target:=/mnt/target}\"".into());
    lines.push("# The device of partition $2 of disk $1.".into());
    lines.push("part() { case \"$1\" in *[0-9]) echo \"$1p$2\" ;; *) echo \"$1$2\" ;; esac; }".into());
    page.commands(lines);
}

fn mount_medium(page: &mut Page, manifest: &MediumManifest) {
    page.heading("2. Mount this medium");
    if manifest.repository.is_some() {
        page.text(
            "It is the last partition of a stick. Of an image of it: losetup --find --show --partscan FILE makes the partitions.",
        );
        page.commands([
            ": \"${medium:=/mnt/medium}\"".to_owned(),
            "mkdir -p \"$medium\"".to_owned(),
            format!(
                "mountpoint -q \"$medium\" || mount -o ro \"/dev/disk/by-label/{}\" \"$medium\"",
                lifeboat_machine::stick::label(manifest)
            ),
        ]);
        return;
    }
    page.text("A disc is /dev/sr0. A USB stick or the image file itself works as well (then: mount -o loop,ro FILE).");
    page.commands([
        ": \"${medium:=/mnt/medium}\"".to_owned(),
        "mkdir -p \"$medium\"".to_owned(),
        format!(
            "mountpoint -q \"$medium\" || mount -o ro \"/dev/disk/by-label/{}\" \"$medium\" || mount -o ro /dev/sr0 \"$medium\"",
            crate::iso::volume_id(manifest)
        ),
    ]);
}

fn tables(page: &mut Page, layout: &Layout, manifest: &MediumManifest) {
    page.heading("3. Partition the disks");
    page.text(
        "The tables as `sfdisk --dump` printed them. On a disk of another size, change `size=` of the last\n\
         partition, or leave it out to take all the space there is.",
    );
    let mut lines = Vec::new();
    for (device, _) in layout.disks() {
        if let Content::Table(table) = &device.content {
            lines.push(format!("wipefs --all \"${}\"", device.id));
            lines.extend(table_lines(layout, device, table));
        }
    }
    lines.push("if command -v udevadm >/dev/null; then udevadm settle; fi".to_owned());
    page.commands(lines);
    let dump = match manifest.set {
        Some(_) => set_by_hand::DUMP.to_owned(),
        None => format!("{RESTIC} dump {}", snapshot(manifest)),
    };
    let layers = by_hand_layers::layers(layout, &dump);
    if layout.devices.iter().any(|device| matches!(device.content, Content::Luks(_))) {
        page.text(
            "Encrypted devices get their headers back, with all key slots; they are in the archive. cryptsetup asks for a passphrase of\n\
             the machine when it opens a device (with a key file: --key-file FILE).",
        );
        page.commands(archive(manifest));
    }
    if !layers.is_empty() {
        page.text(
            "Then what is made of them: md arrays, which synchronise while you go on (cat /proc/mdstat), volume groups and\n\
             encrypted devices.",
        );
        page.commands(layers);
    }
}

fn filesystems(page: &mut Page, layout: &Layout) {
    page.heading("4. Make filesystems and swap");
    page.text(
        "They get their recorded sizes, which also fits larger partitions: resize2fs, xfs_growfs or `btrfs filesystem\n\
         resize max` let them grow afterwards. On a smaller partition leave out -N, `resize=`, -r and the number after the\n\
         device (mke2fs, tune2fs), `size=` and `agsize=` of -d and `size=` of -l (mkfs.xfs), -b (mkfs.btrfs).",
    );
    let mut lines = Vec::new();
    for device in &layout.devices {
        match &device.content {
            Content::Filesystem(content) => {
                let further = further(layout, device);
                lines.extend(filesystem(content, &word(layout, device), device.size_bytes, &further));
            }
            Content::Swap(content) => lines.push(swap(content, &word(layout, device))),
            // Members were used when their array or group was made, and encrypted devices are open.
            Content::Luks(_)
            | Content::Empty
            | Content::Table(_)
            | Content::BootLoader
            | Content::Extended
            | Content::Journal(_)
            | Content::Member(_) => {}
        }
    }
    page.commands(lines);
}

/// Devices of a filesystem beside its own, those of a btrfs in the order of their numbers.
fn further(layout: &Layout, holder: &Device) -> Vec<FurtherDevice> {
    let order = |device: &Device| match device.member() {
        Some(Member::Filesystem { devid, .. }) => *devid,
        _ => 0,
    };
    let mut devices: Vec<&Device> =
        layout.content_devices(&holder.id).into_iter().filter(|device| device.id != holder.id).collect();
    devices.sort_by_key(|device| order(device));
    let further = |device: &&Device| FurtherDevice {
        device: word(layout, device),
        journal: match &device.content {
            Content::Journal(journal) => Some(journal.clone()),
            _ => None,
        },
    };
    devices.iter().map(further).collect()
}

fn mounts(page: &mut Page, layout: &Layout) {
    page.heading("5. Mount them");
    let lines = layout.mounts.iter().filter_map(|mount| mount_line(layout, mount));
    page.commands(lines.collect::<Vec<_>>());
}

fn mount_line(layout: &Layout, mount: &Mount) -> Option<String> {
    let device = layout.device(&mount.device)?;
    let kind = device.filesystem()?.options.mount_type();
    let place = inside(&mount.mount_point.0);
    let options = match &mount.subvolume {
        Some(subvolume) if kind == "btrfs" => format!(" -o {}", shell(&[b"subvol=/", &subvolume.0[..]].concat())),
        _ => String::new(),
    };
    Some(format!("mkdir -p {place} && mount -t {kind}{options} {} {place}", word(layout, device)))
}

/// restic with the archive and its key.
const RESTIC: &str = "restic -r \"$repository\" --no-lock --no-cache --password-file \"$key\"";

/// The lines that name the archive and its key, to be changed by a person.
fn archive(manifest: &MediumManifest) -> Vec<String> {
    if manifest.set.is_some() {
        return set_by_hand::functions(manifest.embedded_key);
    }
    let key = if manifest.embedded_key { "$medium/lifeboat/repository.key" } else { "/root/repository.key" };
    let place = manifest.repository.as_deref().unwrap_or("lifeboat/repo");
    vec![format!(": \"${{repository:=$medium/{}}}\"", plain(place)), format!(": \"${{key:={key}}}\"")]
}

/// The snapshot as a word of the shell.
fn snapshot(manifest: &MediumManifest) -> String {
    shell(manifest.archive.as_ref().map_or("latest", |archive| archive.snapshot.as_str()).as_bytes())
}

fn restore(page: &mut Page, manifest: &MediumManifest) {
    page.heading("6. Restore the files");
    if manifest.set.is_some() {
        page.text(set_by_hand::ABOUT);
        page.text(set_by_hand::KEY);
        page.commands(archive(manifest));
        page.text(set_by_hand::RESTORE);
        page.commands(set_by_hand::restore());
        page.text(set_by_hand::NOT_RESTORED);
        return;
    }
    if !manifest.has_archive() {
        page.text("This medium holds no archive. Set `repository` to the place of the backups, as restic writes it.");
    }
    page.text(
        "The key is the text of /etc/lifeboat/repository.key of the machine, in a file that only root can read.\n\
         Without the file: the 24 recovery words are the same 256 bits in BIP-39; any BIP-39 tool shows them as 64\n\
         hexadecimal digits, and these digits are the text.",
    );
    if manifest.repository.is_some() {
        page.text(
            "The repository is encrypted with a key of this medium alone, which the machine's key opens. It holds each backup that\n\
             was taken to this stick; `restic snapshots` lists them, and `latest` below is the newest.",
        );
    }
    if manifest.archive.is_some() {
        page.text(
            "The repository is encrypted with a key of this medium alone, which the machine's key opens. Should its files config\n\
             or keys/ be damaged: $medium/lifeboat/spare holds both once more; copy the repository to a disk and put them there.",
        );
    }
    if manifest.embedded_key {
        if manifest.has_archive() {
            page.text("This medium holds a key of its own, which opens the archive on it, and no other. Keep it safe.");
        } else {
            page.text("This medium holds the key. Keep it safe.");
        }
    }
    let mut lines = archive(manifest);
    page.text(
        "Files with holes (images of virtual machines, databases, /var/log/lastlog) come back with holes from restic 0.15 or\n\
         later. An older one fills the holes with zeros, and needs the space for them.",
    );
    lines.push(format!("{RESTIC} check --read-data"));
    lines.push("sparse=--sparse; restic restore --help | grep -q -e --sparse || sparse=".to_owned());
    lines.push(format!("{RESTIC} restore {} $sparse --target \"$target\" \\", snapshot(manifest)));
    lines.push("  || echo 'restic could not restore everything: see its output'".to_owned());
    page.commands(lines);
    page.text(
        "restic counts what it could not restore; see its last lines. It makes no sockets (their programs do) and no\n\
         paths of more than 4096 bytes. It keeps neither inode flags (chattr) nor the owner, mode and times of the root\n\
         directory itself; `.lifeboat` in the result holds what it does not keep.",
    );
    page.commands(["chown 0:0 \"$target\" && chmod 755 \"$target\"".to_owned()]);
}

fn swap_files(page: &mut Page, layout: &Layout) {
    if layout.swap_files.is_empty() {
        return;
    }
    page.heading("Swap files");
    let mut lines = Vec::new();
    for file in &layout.swap_files {
        let place = inside(&file.path.0);
        lines.push(format!("rm -f {place} && touch {place} && chmod 600 {place}"));
        // On btrfs a swap file must not be copied on write; elsewhere chattr fails and does not matter.
        lines.push(format!("chattr +C {place} 2>/dev/null || true"));
        lines.push(format!("dd if=/dev/zero of={place} bs=1M count={} status=none", file.size_bytes.div_ceil(1 << 20)));
        lines.push(swap(&file.swap, &place));
    }
    page.commands(lines);
}

fn boot(page: &mut Page, boot: &Boot, layout: &Layout) {
    page.heading("7. Make it boot");
    page.text("/etc/fstab needs no change, because the UUIDs are the same.");
    // rslave: otherwise step 8 would unmount the live system's own /dev.
    let mut lines = vec![
        "for d in dev proc sys; do".to_owned(),
        "  mkdir -p \"$target/$d\" && mount --rbind \"/$d\" \"$target/$d\" && mount --make-rslave \"$target/$d\""
            .to_owned(),
        "done".to_owned(),
    ];
    match boot.initramfs {
        InitramfsTool::InitramfsTools => lines.push("chroot \"$target\" update-initramfs -u -k all".into()),
        InitramfsTool::Dracut => lines.push("chroot \"$target\" dracut --force --regenerate-all".into()),
        InitramfsTool::Mkinitcpio => lines.push("chroot \"$target\" mkinitcpio -P".into()),
        InitramfsTool::None => {}
    }
    for loader in &boot.loaders {
        lines.extend(loader_lines(loader));
    }
    if matches!(boot.firmware, Firmware::Uefi { .. }) {
        let entries = boot.efi_entries.iter().filter_map(|entry| {
            let device = layout.device(&entry.device)?;
            let partition = device.partition()?;
            Some(format!(
                "  efibootmgr --create --disk \"${}\" --part {} --label {} --loader {}",
                partition.parent,
                partition.number,
                shell(entry.label.as_bytes()),
                shell(entry.loader.as_bytes())
            ))
        });
        lines.push("# Boot entries of the firmware, when this live system was started by UEFI, too.".to_owned());
        lines.push("if [ -d /sys/firmware/efi/efivars ]; then".to_owned());
        lines.push(
            "  mountpoint -q /sys/firmware/efi/efivars || mount -t efivarfs efivarfs /sys/firmware/efi/efivars"
                .to_owned(),
        );
        lines.extend(entries);
        lines.push("fi".to_owned());
    }
    page.commands(lines);
}

fn loader_lines(loader: &Loader) -> Vec<String> {
    let grub = |directory: &lifeboat_machine::Name| match directory.0.ends_with(b"grub2") {
        true => ("grub2-install", "grub2-mkconfig", "/boot/grub2/grub.cfg"),
        false => ("grub-install", "grub-mkconfig", "/boot/grub/grub.cfg"),
    };
    match loader {
        Loader::GrubBios { disks, directory } => {
            let (install, mkconfig, configuration) = grub(directory);
            let mut lines: Vec<String> =
                disks.iter().map(|disk| format!("chroot \"$target\" {install} --target=i386-pc \"${disk}\"")).collect();
            lines.push(format!("chroot \"$target\" {mkconfig} -o {configuration}"));
            lines
        }
        Loader::GrubEfi { esp, vendor, removable, directory, .. } => {
            let (install, mkconfig, configuration) = grub(directory);
            let mut line = format!(
                "chroot \"$target\" {install} --target=x86_64-efi --efi-directory={} --bootloader-id={} --no-nvram",
                shell(&esp.0),
                shell(vendor.as_bytes())
            );
            if *removable {
                line.push_str(" --force-extra-removable || true");
            }
            vec![line, format!("chroot \"$target\" {mkconfig} -o {configuration}")]
        }
        Loader::SystemdBoot { esp, .. } => {
            vec![format!("chroot \"$target\" bootctl --esp-path={} --no-variables install", shell(&esp.0))]
        }
    }
}

fn finish(page: &mut Page, layout: &Layout) {
    page.heading("8. Leave");
    let mut lines = vec!["rm -rf \"$target/.lifeboat\"".to_owned()];
    for device in &layout.devices {
        let Some(lifeboat_machine::filesystem::FilesystemOptions::Btrfs(btrfs)) =
            device.filesystem().map(|filesystem| &filesystem.options)
        else {
            continue;
        };
        let read_only: Vec<_> = btrfs.subvolumes.iter().filter(|subvolume| subvolume.read_only).collect();
        if read_only.is_empty() {
            continue;
        }
        lines.push(format!("mount -t btrfs -o subvolid=5 {} /mnt/top", word(layout, device)));
        for subvolume in read_only {
            let path = shell(&[b"/mnt/top/", &subvolume.path.0[..]].concat());
            lines.push(format!("btrfs property set -t subvol {path} ro true"));
        }
        lines.push("umount /mnt/top".to_owned());
    }
    lines.push("sync".to_owned());
    lines.push("umount --recursive \"$target\"".to_owned());
    page.commands(lines);
    page.text("Remove the medium and boot the machine.");
}
