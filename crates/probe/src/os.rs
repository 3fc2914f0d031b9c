//! The operating system: os-release(5), hostname(5), machine-id(5), kernels, architecture.

use crate::prober::little_endian;
use crate::sysroot::{Sysroot, attribute};
use lifeboat_machine::machine::Os;
use std::cmp::Ordering;
use std::path::Path;

/// Reads /etc/os-release, or /usr/lib/os-release.
pub(crate) fn os(sysroot: &Sysroot) -> Os {
    let text = sysroot.text("/etc/os-release").or_else(|| sysroot.text("/usr/lib/os-release")).unwrap_or_default();
    parse_os_release(&text)
}

pub(crate) fn parse_os_release(text: &str) -> Os {
    let value = |name: &str| {
        let mut assigned = text.lines().filter_map(|line| line.trim().split_once('=')).filter(|(key, _)| *key == name);
        assigned.next_back().map(|(_, value)| unquote(value)).unwrap_or_default()
    };
    Os { id: value("ID"), version_id: value("VERSION_ID"), pretty_name: value("PRETTY_NAME") }
}

/// Undoes the shell quoting that os-release(5) allows.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value);
    let mut out = String::new();
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        if c == '\\' { out.extend(characters.next()) } else { out.push(c) }
    }
    out
}

/// The id of the system, empty when it has none, and the host name.
pub fn identity(sysroot: &Sysroot) -> (String, String) {
    (machine_id(sysroot), name(sysroot))
}

/// The host name: /etc/hostname, or what the kernel has, or `localhost`.
pub(crate) fn name(sysroot: &Sysroot) -> String {
    let from_file = sysroot.text("/etc/hostname").and_then(|text| {
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
    });
    let from_kernel = || {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        (sysroot.is_running_system() && !name.is_empty() && name != "(none)").then_some(name)
    };
    from_file.or_else(from_kernel).unwrap_or_else(|| "localhost".to_owned())
}

/// /etc/machine-id; empty when there is none, or one that is not yet set.
pub(crate) fn machine_id(sysroot: &Sysroot) -> String {
    let id = sysroot.text("/etc/machine-id").unwrap_or_default().trim().to_ascii_lowercase();
    let valid = id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit());
    if valid { id } else { String::new() }
}

/// The kernel: the running one, or the newest below a sysroot. Empty when there is none.
pub(crate) fn kernel(sysroot: &Sysroot, host: &Path) -> String {
    if sysroot.is_running_system() {
        return attribute(host.join("proc/sys/kernel/osrelease")).unwrap_or_default();
    }
    let mut releases: Vec<String> = ["/usr/lib/modules", "/lib/modules"]
        .iter()
        .flat_map(|directory| sysroot.list(directory))
        .filter_map(|name| name.into_string().ok())
        .collect();
    // A folder without kernel is what a removed kernel left behind.
    releases.retain(|release| {
        sysroot.exists(format!("/boot/vmlinuz-{release}"))
            || sysroot.exists(format!("/usr/lib/modules/{release}/vmlinuz"))
    });
    releases.sort_by(|a, b| compare_releases(a, b));
    releases.pop().unwrap_or_default()
}

/// Compares kernel releases as people do: runs of digits by value.
pub(crate) fn compare_releases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.is_empty(), b.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        let (x, y) = (run(&mut a), run(&mut b));
        let by_value = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            _ => x.cmp(y),
        };
        if by_value != Ordering::Equal {
            return by_value;
        }
    }
}

fn run<'t>(text: &mut &'t str) -> &'t str {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    let (head, tail) = text.split_at(end);
    *text = tail;
    head
}

/// The architecture of the system's programs as `uname -m` prints it; the kernel's when none can be read.
pub(crate) fn architecture(sysroot: &Sysroot) -> String {
    let running = || rustix::system::uname().machine().to_string_lossy().into_owned();
    if sysroot.is_running_system() {
        return running();
    }
    let programs = ["/usr/bin/env", "/bin/sh", "/usr/sbin/init", "/sbin/init"];
    programs.iter().find_map(|path| elf_machine(&sysroot.read(path).ok()?)).map_or_else(running, str::to_owned)
}

/// `e_machine` of an ELF file (elf(5)).
fn elf_machine(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(..4)? != b"\x7fELF" {
        return None;
    }
    match little_endian(bytes, 18, 2)? {
        3 => Some("i686"),
        40 => Some("armv7l"),
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        243 => Some("riscv64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release() {
        let os = parse_os_release("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n# x\nVERSION_ID='12'\nID=debian\n");
        assert_eq!((os.id.as_str(), os.version_id.as_str()), ("debian", "12"));
        assert_eq!(os.pretty_name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(parse_os_release("PRETTY_NAME=\"a \\\"b\\\"\"").pretty_name, "a \"b\"");
        assert_eq!(parse_os_release(""), Os::default());
    }

    #[test]
    fn releases() {
        let mut releases = ["6.1.0-9-amd64", "6.1.0-27-amd64", "5.10.0-30-amd64", "6.1.0-27-amd64-signed"];
        releases.sort_by(|a, b| compare_releases(a, b));
        assert_eq!(releases, ["5.10.0-30-amd64", "6.1.0-9-amd64", "6.1.0-27-amd64", "6.1.0-27-amd64-signed"]);
    }

    #[test]
    fn a_folder() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for path in ["etc", "boot", "usr/bin", "usr/lib/modules/6.1.0-9-amd64", "usr/lib/modules/6.1.0-30-amd64"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        std::fs::write(root.join("boot/vmlinuz-6.1.0-9-amd64"), "").unwrap();
        std::fs::write(root.join("etc/hostname"), "# comment\nalpha\n").unwrap();
        std::fs::write(root.join("etc/machine-id"), "0123456789ABCDEF0123456789abcdef\n").unwrap();
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(18, 0);
        elf.extend([183, 0]);
        std::fs::write(root.join("usr/bin/env"), elf).unwrap();
        let sysroot = Sysroot::new(root);
        assert_eq!(name(&sysroot), "alpha");
        assert_eq!(machine_id(&sysroot), "0123456789abcdef0123456789abcdef");
        assert_eq!(kernel(&sysroot, Path::new("/")), "6.1.0-9-amd64");
        assert_eq!(architecture(&sysroot), "aarch64");
        std::fs::write(root.join("etc/machine-id"), "uninitialized\n").unwrap();
        assert_eq!(machine_id(&sysroot), "");
    }
}
