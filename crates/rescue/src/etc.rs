//! Configuration files of the rescue system: some written here, some taken from the machine.

use crate::error::RescueError;
use crate::sysroot::Sysroot;
use crate::tree::{FileContent, Tree};
use std::path::{Path, PathBuf};

/// Files that are copied unchanged if the machine has them.
const TAKEN: &[(&str, &str)] = &[
    ("/etc/hosts", "name look-ups"),
    ("/etc/services", "name look-ups"),
    ("/etc/protocols", "name look-ups"),
    ("/etc/rpc", "NFS"),
    ("/etc/netconfig", "NFS"),
    ("/etc/mke2fs.conf", "mke2fs"),
    ("/etc/localtime", "time zone"),
    ("/etc/os-release", "names the machine's system"),
    ("/etc/inputrc", "shell"),
    ("/etc/nanorc", "editor"),
    ("/etc/vim/vimrc.tiny", "editor"),
    ("/etc/lvm/lvm.conf", "LVM"),
    ("/etc/mdadm/mdadm.conf", "md arrays"),
    ("/etc/mdadm.conf", "md arrays"),
    ("/etc/crypttab", "names encrypted devices"),
    ("/etc/multipath.conf", "multipath"),
    ("/etc/iscsi/initiatorname.iscsi", "iSCSI"),
    ("/etc/ssl/certs/ca-certificates.crt", "TLS"),
    ("/etc/pki/tls/certs/ca-bundle.crt", "TLS"),
    ("/etc/ssl/openssl.cnf", "TLS"),
    ("/etc/console-setup/cached_UTF-8_del.kmap.gz", "keyboard layout"),
    ("/etc/vconsole.conf", "keyboard layout"),
    ("/etc/default/keyboard", "keyboard layout"),
];

/// Directories of `.conf`, `.link` and `.rules` files that are copied unchanged.
const TAKEN_DIRECTORIES: &[(&str, &str, &str)] = &[
    ("/etc/modprobe.d", "conf", "module options and blacklist"),
    ("/usr/local/lib/modprobe.d", "conf", "module options and blacklist"),
    ("/usr/lib/modprobe.d", "conf", "module options and blacklist"),
    ("/lib/modprobe.d", "conf", "module options and blacklist"),
    ("/etc/systemd/network", "link", "names of network interfaces"),
    ("/usr/lib/systemd/network", "link", "names of network interfaces"),
    ("/lib/systemd/network", "link", "names of network interfaces"),
];

/// Terminals that a console, a serial line or an ssh session names.
const TERMINALS: [&str; 16] = [
    "ansi",
    "dumb",
    "linux",
    "screen",
    "screen-256color",
    "screen.xterm-256color",
    "sun",
    "tmux",
    "tmux-256color",
    "vt100",
    "vt102",
    "vt220",
    "vt52",
    "xterm",
    "xterm-256color",
    "xterm-color",
];

/// Directories of terminal descriptions (terminfo(5)), with one subdirectory by first letter or its code.
const TERMINFO: [&str; 3] = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];

const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\n\
                        services: files\nrpc: files\n";

const PROFILE: &str = "# The rescue system of Lifeboat.\n\
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
export HOME=/root LANG=C.UTF-8 LESS=-R\n\
[ -n \"$TERM\" ] && [ \"$TERM\" != dumb ] || export TERM=linux\n\
if [ -n \"$BASH_VERSION\" ]; then\n\
  PS1='\\[\\e[1;33m\\]\\h:\\w\\[\\e[0m\\]\\$ '\n\
  HISTFILE=/root/.history\n\
  HISTSIZE=5000\n\
else\n\
  PS1='rescue $ '\n\
fi\n\
alias ll='ls -l'\n";

/// Adds all configuration files.
///
/// # Errors
/// When a file of the machine cannot be read.
pub fn add(tree: &mut Tree, sysroot: &Sysroot) -> Result<(), RescueError> {
    skeleton(tree);
    accounts(tree, sysroot)?;
    let written = "written for the rescue system";
    tree.text("/etc/nsswitch.conf", NSSWITCH, written);
    tree.text("/etc/profile", PROFILE, written);
    tree.text("/root/.bashrc", ". /etc/profile\n", written);
    tree.text("/etc/shells", "/bin/sh\n/bin/bash\n/usr/bin/bash\n", written);
    tree.text("/etc/hostname", "rescue\n", written);
    // systemd-udevd reads it, and an empty one is the documented state before the first boot (machine-id(5)).
    tree.text("/etc/machine-id", "", written);
    tree.link(Path::new("/etc/mtab"), Path::new("../proc/self/mounts"), written);
    for (path, why) in TAKEN {
        tree.take(sysroot, Path::new(path), &format!("configuration: {why}"))?;
    }
    if let Some(text) = sysroot.read("/etc/iscsi/iscsid.conf")? {
        let text = without_credentials(&String::from_utf8_lossy(&text));
        tree.text("/etc/iscsi/iscsid.conf", text, "configuration: iSCSI, without names and passwords");
    }
    if !tree.contains(Path::new("/etc/hosts")) {
        tree.text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", written);
    }
    for (directory, extension, why) in TAKEN_DIRECTORIES {
        for name in sysroot.list(Path::new(directory))? {
            let path = Path::new(directory).join(&name);
            if path.extension().is_some_and(|found| found == *extension) {
                tree.take(sysroot, &path, &format!("configuration: {why}"))?;
            }
        }
    }
    for directory in TERMINFO {
        for terminal in TERMINALS {
            let Some(first) = terminal.chars().next() else { continue };
            for subdirectory in [first.to_string(), format!("{:x}", u32::from(first))] {
                let path = Path::new(directory).join(subdirectory).join(terminal);
                tree.take(sysroot, &path, "terminal description")?;
            }
        }
    }
    // Since 2.35 glibc has C.UTF-8 built in; before, distributions have it as files.
    for directory in ["/usr/lib/locale/C.UTF-8", "/usr/lib/locale/C.utf8"] {
        tree.take_all(sysroot, Path::new(directory), "locale")?;
    }
    for directory in ["/usr/share/keymaps", "/usr/lib/kbd/keymaps", "/usr/share/kbd/keymaps"] {
        tree.take_all(sysroot, Path::new(directory), "keyboard layout")?;
    }
    Ok(())
}

/// The keys that may log in as root: the machine's own, and those of `more` files. sshd runs only on request.
///
/// # Errors
/// [`RescueError::Extra`] for a file that does not exist.
pub fn authorized_keys(tree: &mut Tree, sysroot: &Sysroot, more: &[PathBuf]) -> Result<(), RescueError> {
    const OWN: &str = "/root/.ssh/authorized_keys";
    let mut keys = sysroot.read(OWN)?.unwrap_or_default();
    for path in more {
        let what = || format!("the file {} with authorized keys", path.display());
        let text = sysroot.read(&path.to_string_lossy())?.ok_or_else(|| RescueError::Extra { what: what() })?;
        if !keys.is_empty() && !keys.ends_with(b"\n") {
            keys.push(b'\n');
        }
        keys.extend(text);
    }
    if !keys.is_empty() {
        tree.directory(Path::new("/root/.ssh"), 0o700, "directory");
        tree.file(Path::new(OWN), FileContent::Bytes(keys), 0o600, "keys that may log in, with lifeboat.ssh");
    }
    Ok(())
}

/// Directories that programs expect. Nothing is mounted here: that is init's work.
fn skeleton(tree: &mut Tree) {
    for (path, mode) in [
        ("/dev", 0o755),
        ("/proc", 0o555),
        ("/sys", 0o555),
        ("/run", 0o755),
        ("/tmp", 0o1777),
        ("/root", 0o700),
        ("/mnt", 0o755),
        ("/media", 0o755),
        ("/etc", 0o755),
        ("/lifeboat", 0o755),
        ("/var/lib", 0o755),
        ("/var/log", 0o755),
        ("/var/tmp", 0o1777),
        ("/var/empty", 0o755),
        ("/usr/lib", 0o755),
        ("/usr/bin", 0o755),
        ("/usr/sbin", 0o755),
    ] {
        tree.directory(Path::new(path), mode, "directory");
    }
    tree.link(Path::new("/var/run"), Path::new("/run"), "directory");
    tree.link(Path::new("/var/lock"), Path::new("/run/lock"), "directory");
}

/// System accounts and groups: udev rules and sshd name them. People's accounts are left out.
fn accounts(tree: &mut Tree, sysroot: &Sysroot) -> Result<(), RescueError> {
    let why = "system accounts";
    let passwd = sysroot.read("/etc/passwd")?.unwrap_or_default();
    tree.text("/etc/passwd", system_accounts(&String::from_utf8_lossy(&passwd), "root:x:0:0:root:/root:/bin/sh"), why);
    let group = sysroot.read("/etc/group")?.unwrap_or_default();
    tree.text("/etc/group", system_accounts(&String::from_utf8_lossy(&group), "root:x:0:"), why);
    Ok(())
}

/// iscsid.conf(5) without what CHAP needs: a medium holds no secret of the machine (design, section 6).
fn without_credentials(text: &str) -> String {
    let secret = |line: &str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        name.contains(".auth.") && (name.contains("username") || name.contains("password"))
    };
    text.lines().filter(|line| !secret(line)).map(|line| format!("{line}\n")).collect()
}

/// Lines of passwd(5) or group(5) with ids below 1000 or of nobody; without passwords, and for groups without members.
fn system_accounts(text: &str, root: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let Some(id) = fields.get(2).and_then(|id| id.parse::<u32>().ok()) else { continue };
        if id >= 1000 && id != 65534 {
            continue;
        }
        let mut fields = fields;
        fields[1] = "x";
        if fields.len() == 4 {
            fields[3] = "";
        }
        out.push_str(&fields.join(":"));
        out.push('\n');
    }
    if !out.starts_with("root:") && !out.contains("\nroot:") {
        out.insert_str(0, &format!("{root}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_several_files_become_one() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("root/.ssh")).unwrap();
        std::fs::write(root.path().join("root/.ssh/authorized_keys"), "ssh-ed25519 A root").unwrap();
        std::fs::write(root.path().join("more"), "ssh-ed25519 B alice\n").unwrap();
        let sysroot = Sysroot::new(root.path());
        let mut tree = Tree::default();
        authorized_keys(&mut tree, &sysroot, &["/more".into()]).unwrap();
        let found: Vec<_> = tree.iter().filter(|(path, ..)| path.ends_with("authorized_keys")).collect();
        let [(_, crate::tree::Node::File { source, mode }, _)] = found[..] else { panic!("{}", found.len()) };
        assert_eq!(*mode, 0o600);
        assert_eq!(crate::tree::read_source(source).unwrap(), b"ssh-ed25519 A root\nssh-ed25519 B alice\n");
        let error = authorized_keys(&mut tree, &sysroot, &["/none".into()]).unwrap_err().to_string();
        assert!(error.contains("/none with authorized keys"), "{error}");
    }

    #[test]
    fn credentials_of_iscsi_stay_at_home() {
        let text = "node.startup = manual\nnode.session.auth.authmethod = CHAP\nnode.session.auth.password = secret\n\
                    node.session.auth.username_in = other\n discovery.sendtargets.auth.password_in=secret\n";
        assert_eq!(without_credentials(text), "node.startup = manual\nnode.session.auth.authmethod = CHAP\n");
    }

    #[test]
    fn people_and_passwords_stay_at_home() {
        let passwd = "root:$6$hash:0:0:root:/root:/bin/bash\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n\
                      anna:x:1000:1000:Anna:/home/anna:/bin/bash\nnobody:x:65534:65534::/:/bin/false\nbroken\n";
        let system = system_accounts(passwd, "unused");
        assert_eq!(
            system,
            "root:x:0:0:root:/root:/bin/bash\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\n\
             nobody:x:65534:65534::/:/bin/false\n"
        );
        assert_eq!(system_accounts("disk:x:6:anna\nanna:x:1000:\n", "root:x:0:"), "root:x:0:\ndisk:x:6:\n");
    }
}
