//! Names of devices that changed, in the restored system's configuration. Text in, text out; every other byte stays.

mod debconf;
mod kinds;
mod leftover;
mod lost_line;
mod storage;

use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::in_chroot;
use lifeboat_plan::{ChangedFilesystem, MovedStorage, Step};
use lifeboat_sys::Invocation;
use lifeboat_sys::program::{GRUB_MKCONFIG, GRUB2_MKCONFIG};
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// fstab(5).
const FSTAB: &str = "/etc/fstab";
/// crypttab(5).
const CRYPTTAB: &str = "/etc/crypttab";
/// Files in which a device may stand anywhere.
const FILES: [&str; 12] = [
    "/boot/grub/grub.cfg",
    "/boot/grub/device.map",
    "/boot/grub2/grub.cfg",
    "/boot/grub2/device.map",
    "/boot/grub2/grubenv",
    "/etc/default/grub",
    "/etc/initramfs-tools/conf.d/resume",
    "/etc/kernel/cmdline",
    "/etc/dracut.conf",
    "/etc/mdadm/mdadm.conf",
    "/etc/mdadm.conf",
    "/etc/mkinitcpio.conf",
];
/// Those of them in which a content's UUID is no name of a device.
const DEVICES_ONLY: [&str; 2] = ["mdadm.conf", "device.map"];
/// Where Debian's packages ask which disks to install GRUB to.
const DEBCONF: &str = "/var/cache/debconf/config.dat";
/// Directories of such files.
const DIRECTORIES: [&str; 4] =
    ["/boot/loader/entries", "/etc/default/grub.d", "/etc/dracut.conf.d", "/etc/kernel/install.d"];

/// Rewrites the restored system's configuration; reports each file that changed, each line that names a disk which is nowhere on this
/// hardware, and each line that is no more, because it names a device that is gone.
///
/// # Errors
/// When a file cannot be read or written.
pub fn configuration(
    context: &Context,
    replacements: &[(String, String)],
    gone: &[String],
) -> Result<Vec<String>, RebuildError> {
    let mut editor = Editor::new(context, Change::Names);
    let replaced = |new: &dyn Fn(&str) -> String| -> Vec<(String, String)> {
        replacements.iter().map(|(old, path)| (old.clone(), new(path))).collect()
    };
    let stable = replaced(&|path| stable_name(context, path));
    let (mut gone, mut lost) = (gone.to_vec(), vec![]);
    // Before names are replaced: the new name of a device may be the old one of what is gone.
    editor.edit(Path::new(CRYPTTAB), |text| {
        let (new, lines) = lost_line::commented(text, 1, &gone);
        lost.extend(lines.iter().map(|line| line.note(CRYPTTAB)));
        // What the line made is gone, too.
        let made = lines.into_iter().map(|line| format!("/dev/mapper/{}", line.first));
        gone.extend(made.filter(|name| !replacements.iter().any(|(old, _)| old == name)));
        first_fields(&new, &stable)
    })?;
    editor.edit(Path::new(FSTAB), |text| {
        let (new, lines) = lost_line::commented(text, 0, &gone);
        lost.extend(lines.iter().map(|line| line.note(FSTAB)));
        first_fields(&new, &stable)
    })?;
    editor.notes.append(&mut lost);
    let is_path = |(_, new): &(String, String)| new.starts_with('/');
    let by_id: Vec<(String, String)> =
        replaced(&|path| lasting_name(context, path)).into_iter().filter(is_path).collect();
    editor.edit(Path::new(DEBCONF), |text| debconf::devices(text, |line| words(line, &by_id)))?;
    let paths: Vec<(String, String)> = replacements.iter().filter(|pair| is_path(pair)).cloned().collect();
    for name in files(context) {
        let list = if DEVICES_ONLY.iter().any(|file| name.ends_with(file)) { &paths } else { replacements };
        editor.edit(&name, |text| words(text, list))?;
    }
    let mut notes = editor.notes;
    notes.extend(devices_file(context)?);
    Ok(notes)
}

/// LVM's list of the devices that it looks at (lvmdevices(8)).
const DEVICES_FILE: &str = "/etc/lvm/devices/system.devices";

/// It names disks by what they are, so on other disks LVM would find nothing; without it LVM looks at all of them.
fn devices_file(context: &Context) -> Result<Option<String>, RebuildError> {
    let groups = context.plan.steps.iter().any(|step| matches!(step, Step::MakeGroup { .. }));
    let Some(path) = context.existing(Path::new(DEVICES_FILE)).filter(|_| groups) else { return Ok(None) };
    let aside = path.with_extension("devices.before-recovery");
    std::fs::rename(&path, &aside).map_err(RebuildError::io("RENAME", &path))?;
    Ok(Some(format!(
        "{DEVICES_FILE} named the disks that were, and is set aside as {DEVICES_FILE}.before-recovery; \
         run 'vgimportdevices --all' on the restored machine to have one again"
    )))
}

/// Files of the restored system that may hold kernel command lines or names of devices.
fn files(context: &Context) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
    let mut directories: Vec<PathBuf> = DIRECTORIES.iter().map(PathBuf::from).collect();
    directories.extend(["/boot/efi", "/efi", "/boot"].iter().map(|esp| Path::new(esp).join("loader/entries")));
    for directory in directories {
        let Some(Ok(entries)) = context.existing(&directory).map(std::fs::read_dir) else { continue };
        files.extend(entries.flatten().map(|entry| directory.join(entry.file_name())));
    }
    files.sort();
    files.dedup();
    files
}

/// Adapts fstab and command lines to filesystems that are of another kind now; reports each file that changed, and each option
/// that went.
///
/// # Errors
/// When a file cannot be read or written.
pub fn filesystems(context: &Context, changes: &[ChangedFilesystem]) -> Result<Vec<String>, RebuildError> {
    let mut editor = Editor::new(context, Change::Filesystems);
    let mut lost = vec![];
    editor.edit(Path::new(FSTAB), |text| {
        let (new, notes) = kinds::fstab(text, changes);
        lost = notes;
        new
    })?;
    let at_root = |change: &&ChangedFilesystem| change.mount_points.iter().any(|point| point.0 == b"/");
    if let Some(root) = changes.iter().find(at_root) {
        for name in files(context) {
            editor.edit(&name, |text| kinds::command_lines(text, root))?;
        }
    }
    let mut notes = editor.notes;
    notes.extend(lost);
    Ok(notes)
}

/// Adapts the restored system to storage that it did not have, and has it write GRUB's configuration anew; reports each file that
/// changed.
///
/// # Errors
/// When a file cannot be read or written, or what the system's own program reports.
pub fn moved(context: &Context, moved: &MovedStorage) -> Result<Vec<String>, RebuildError> {
    let mut editor = Editor::new(context, Change::Storage);
    if !moved.opened.is_empty() {
        editor.create(Path::new(CRYPTTAB), "# <target name> <source device> <key file> <options>\n")?;
    }
    editor.edit(Path::new(CRYPTTAB), |text| storage::crypttab(text, moved))?;
    if !moved.assembled.is_empty() && MDADM_CONF.iter().all(|name| context.existing(Path::new(name)).is_none()) {
        let own = MDADM_CONF
            .iter()
            .find(|name| Path::new(name).parent().is_some_and(|parent| context.existing(parent).is_some()));
        editor.create(Path::new(own.unwrap_or(&MDADM_CONF[1])), "HOMEHOST <system>\n")?;
    }
    if let Some(name) = MDADM_CONF.iter().find(|name| context.existing(Path::new(name)).is_some()) {
        editor.edit(Path::new(name), |text| storage::mdadm_conf(text, moved))?;
    }
    for name in files(context) {
        editor.edit(&name, |text| storage::command_lines(text, moved))?;
    }
    let mut notes = editor.notes;
    notes.extend(grub_configuration(context, moved)?);
    Ok(notes)
}

/// Places of mdadm.conf: Debian's, and that of the others.
const MDADM_CONF: [&str; 2] = ["/etc/mdadm/mdadm.conf", "/etc/mdadm.conf"];

/// GRUB finds its kernels, and the kernel its root, by a configuration that the system writes by itself after such changes.
fn grub_configuration(context: &Context, moved: &MovedStorage) -> Result<Option<String>, RebuildError> {
    let Some(directory) = &moved.grub else { return Ok(None) };
    let path = directory.as_path().join("grub.cfg");
    if context.existing(&path).is_none() {
        return Ok(None);
    }
    let programs = [GRUB_MKCONFIG, GRUB2_MKCONFIG];
    let Some(program) = programs.into_iter().find(|program| program.find(&context.target).is_some()) else {
        let path = path.display();
        return Ok(Some(format!("{path} is not written anew, for the restored system has no grub-mkconfig")));
    };
    in_chroot(context, || {
        let call = Invocation::new(program).arg("-o").arg(&path).in_root(&context.target);
        Ok(context.runner.run(&call).map(drop)?)
    })?;
    Ok(Some(format!("{} was written anew", path.display())))
}

/// What fstab shall say: the UUID of the content, which outlives the next change of hardware too.
fn stable_name(context: &Context, path: &str) -> String {
    let made = context.plan.steps.iter().filter_map(Step::made_uuid);
    let uuid = made.into_iter().find(|(device, _)| *device == path).map(|(_, uuid)| uuid);
    uuid.filter(|uuid| !uuid.is_empty()).map_or(path.to_owned(), |uuid| format!("UUID={uuid}"))
}

/// A device's first name below /dev/disk/by-id, which is the one that Debian's grub-pc would choose
/// (grub2, debian/postinst.in, device_to_id), or its kernel path when it has none.
fn lasting_name(context: &Context, path: &str) -> String {
    let mut names: Vec<PathBuf> = match std::fs::read_dir(&context.by_id) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(_) => vec![],
    };
    names.sort();
    let leads_there = |link: &&PathBuf| {
        std::fs::read_link(link)
            .is_ok_and(|to| to.file_name().is_some() && to.file_name() == Path::new(path).file_name())
    };
    let found = names.iter().find(leads_there).and_then(|link| link.file_name());
    found.map_or(path.to_owned(), |name| format!("/dev/disk/by-id/{}", name.to_string_lossy()))
}

/// Changes files, each once: several names may lead to one file, and disks that changed places must not change back.
struct Editor<'a, 'c> {
    context: &'a Context<'c>,
    notes: Vec<String>,
    seen: BTreeSet<PathBuf>,
    change: Change,
}

/// What is changed in files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// Names of devices; those that do not exist are reported.
    Names,
    /// Kinds of filesystems.
    Filesystems,
    /// What the filesystems lie on.
    Storage,
}

impl Change {
    /// For people, of a file: `/etc/fstab now …`.
    fn words(self) -> &'static str {
        match self {
            Change::Names => "names other devices",
            Change::Filesystems => "names other filesystems",
            Change::Storage => "fits the new layout",
        }
    }
}

impl<'a, 'c> Editor<'a, 'c> {
    fn new(context: &'a Context<'c>, change: Change) -> Editor<'a, 'c> {
        Editor { context, notes: vec![], seen: BTreeSet::new(), change }
    }

    /// Makes a file that is not there.
    fn create(&self, name: &Path, text: &str) -> Result<(), RebuildError> {
        if self.context.existing(name).is_some() {
            return Ok(());
        }
        let path = self.context.resolved(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(RebuildError::io("MAKE the directory", parent))?;
        }
        std::fs::write(&path, text).map_err(RebuildError::io("WRITE", &path))
    }

    fn edit(&mut self, name: &Path, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<(), RebuildError> {
        let Some(path) = self.context.existing(name) else { return Ok(()) };
        if !path.is_file() || !self.seen.insert(path.clone()) {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(name.as_os_str().as_bytes()).into_owned();
        let old = std::fs::read(&path).map_err(RebuildError::io("READ", &path))?;
        let new = change(&old);
        if new != old {
            // In place, so that owner, mode, links and attributes stay.
            std::fs::write(&path, &new).map_err(RebuildError::io("WRITE", &path))?;
            self.notes.push(format!("{shown} now {}", self.change.words()));
        }
        // Without udev nobody can know which names there are.
        if self.change == Change::Names && self.context.by_id.is_dir() {
            let directory = self.context.by_id.parent().unwrap_or(&self.context.by_id);
            let exists = |name: &Path| match name.strip_prefix("/dev/disk") {
                Ok(below) => directory.join(below).symlink_metadata().is_ok(),
                Err(_) => true,
            };
            for (line, name) in leftover::names(&new, exists) {
                self.notes.push(format!(
                    "{shown}, line {line}, names {name}, which this hardware does not have: correct it by hand if \
                     this system still needs that disk"
                ));
            }
        }
        Ok(())
    }
}

/// Replaces the first field of each line that is exactly an old name (fstab(5), crypttab's second field is its device).
pub fn first_fields(text: &[u8], replacements: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let comment = line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'#');
        if comment {
            out.extend_from_slice(line);
            continue;
        }
        // A device is a whole field: blanks around it, never part of an option or a mount point.
        let mut field = vec![];
        for byte in line {
            if byte.is_ascii_whitespace() {
                push_field(&mut out, &mut field, replacements);
                out.push(*byte);
            } else {
                field.push(*byte);
            }
        }
        push_field(&mut out, &mut field, replacements);
    }
    out
}

fn push_field(out: &mut Vec<u8>, field: &mut Vec<u8>, replacements: &[(String, String)]) {
    let new =
        |old: &[u8]| replacements.iter().find(|(known, _)| known.as_bytes() == old).map(|(_, new)| new.as_bytes());
    match new(field) {
        Some(new) => out.extend_from_slice(new),
        None => {
            // Options name devices, too: the log of an XFS, the journal of an ext4.
            for (number, option) in field.split(|byte| *byte == b',').enumerate() {
                out.extend_from_slice(if number == 0 { b"" } else { b"," });
                let named = OPTIONS.iter().find_map(|name| Some((name, new(option.strip_prefix(name.as_bytes())?)?)));
                match named {
                    // Only mount's own first field may be a tag.
                    Some((name, new)) => match new.strip_prefix(b"UUID=") {
                        Some(uuid) => out.extend([name.as_bytes(), b"/dev/disk/by-uuid/", uuid].concat()),
                        None => out.extend([name.as_bytes(), new].concat()),
                    },
                    None => out.extend_from_slice(option),
                }
            }
        }
    }
    field.clear();
}

/// Mount options that name a device (xfs(5), ext4(5)).
const OPTIONS: [&str; 3] = ["logdev=", "rtdev=", "journal_path="];

/// Replaces old names wherever they stand as a whole: `root=/dev/vda1` but not `/dev/vda10`, `/mnt/dev/vda1` or
/// `/dev/vda1-backup`. One pass, so that disks that changed places are not replaced twice.
pub fn words(text: &[u8], replacements: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let before = at.checked_sub(1).map(|index| text[index]);
        let bounded = |byte: Option<u8>, also: &[u8]| {
            byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !also.contains(&byte))
        };
        let hit = replacements
            .iter()
            .filter(|(old, _)| !old.is_empty() && text[at..].starts_with(old.as_bytes()))
            .filter(|(old, _)| bounded(before, b"/_-.") && bounded(text.get(at + old.len()).copied(), b"/_-"))
            .max_by_key(|(old, _)| old.len());
        match hit {
            Some((old, new)) => {
                out.extend_from_slice(new.as_bytes());
                at += old.len();
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect()
    }

    #[test]
    fn fstab_keeps_everything_else() {
        let text = b"# /dev/vda1 was root\n/dev/vda1\t/   ext4 errors=remount-ro,x=/dev/vda1 0 1\r\n\
                     UUID=ab /dev/vda12 none\n  /dev/vda5 none swap sw 0 0\nbroken \xff line";
        let new = first_fields(text, &pairs(&[("/dev/vda1", "UUID=11-22"), ("/dev/vda5", "/dev/sda5")]));
        let expected = b"# /dev/vda1 was root\nUUID=11-22\t/   ext4 errors=remount-ro,x=/dev/vda1 0 1\r\n\
                     UUID=ab /dev/vda12 none\n  /dev/sda5 none swap sw 0 0\nbroken \xff line";
        assert_eq!(new, expected);
    }

    #[test]
    fn crypttab_has_its_device_in_the_second_field() {
        let new = first_fields(b"cswap /dev/sda2 /dev/urandom swap\n", &pairs(&[("/dev/sda2", "/dev/vda2")]));
        assert_eq!(new, b"cswap /dev/vda2 /dev/urandom swap\n");
    }

    #[test]
    fn options_name_devices_too() {
        let names = pairs(&[("/dev/sda2", "/dev/vda2"), ("/dev/sda3", "UUID=11-22")]);
        for (old, new) in [
            ("LABEL=x /srv xfs noatime,logdev=/dev/sda2 0 0", "LABEL=x /srv xfs noatime,logdev=/dev/vda2 0 0"),
            (
                "LABEL=x /srv ext4 journal_path=/dev/sda3,ro 0 0",
                "LABEL=x /srv ext4 journal_path=/dev/disk/by-uuid/11-22,ro 0 0",
            ),
            (
                "LABEL=x /srv xfs logdev=/dev/sda22,x=/dev/sda2 0 0",
                "LABEL=x /srv xfs logdev=/dev/sda22,x=/dev/sda2 0 0",
            ),
        ] {
            assert_eq!(String::from_utf8(first_fields(old.as_bytes(), &names)).unwrap(), new);
        }
    }

    #[test]
    fn whole_names_only_and_once() {
        let swap = pairs(&[("/dev/sda1", "/dev/sdb1"), ("/dev/sda", "/dev/sdb"), ("/dev/sdb", "/dev/sda")]);
        for (old, new) in [
            ("linux /vmlinuz root=/dev/sda1 ro", "linux /vmlinuz root=/dev/sdb1 ro"),
            ("(hd0) /dev/sda\n(hd1) /dev/sdb\n", "(hd0) /dev/sdb\n(hd1) /dev/sda\n"),
            ("/dev/sda10 /dev/sdaa /mnt/dev/sda /dev/sda1-x", "/dev/sda10 /dev/sdaa /mnt/dev/sda /dev/sda1-x"),
            ("resume=\"/dev/sda1\"", "resume=\"/dev/sdb1\""),
        ] {
            assert_eq!(String::from_utf8(words(old.as_bytes(), &swap)).unwrap(), new);
        }
    }
}
