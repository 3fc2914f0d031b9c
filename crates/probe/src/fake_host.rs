//! A machine in a folder, for tests: /sys, /proc and /dev as files, disks as disk images, the programs real.

use crate::prober::Prober;
use crate::sysroot::Sysroot;
use lifeboat_sys::SystemRunner;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(crate) struct FakeHost {
    directory: tempfile::TempDir,
    pub sysroot: Sysroot,
    minor: u32,
    mounts: String,
}

impl FakeHost {
    /// A machine without disks, whose root filesystem is the folder `root`.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        for part in ["sys/block", "sys/devices", "sys/class/net", "proc/self", "proc/sys/kernel", "dev", "root/etc"] {
            std::fs::create_dir_all(path.join(part)).unwrap();
        }
        std::fs::write(path.join("proc/swaps"), "Filename Type Size Used Priority\n").unwrap();
        std::fs::write(path.join("proc/cmdline"), "BOOT_IMAGE=/vmlinuz quiet\n").unwrap();
        std::fs::write(path.join("proc/sys/kernel/osrelease"), "6.1.0-27-amd64\n").unwrap();
        let sysroot = Sysroot::running_below(path.join("root"));
        let host = FakeHost { directory, sysroot, minor: 0, mounts: String::new() };
        host.write("proc/self/mountinfo", "");
        host.write("root/etc/hostname", "alpha\n");
        host
    }

    pub fn prober(&self) -> Prober<'_> {
        let mut prober = Prober::new(&SystemRunner, &self.sysroot);
        prober.host = self.directory.path().to_owned();
        prober
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// A disk of so many MiB at a place below /sys/devices.
    pub fn disk(&mut self, name: &str, mib: u64, place: &str) {
        // A disk below a device of a class, as NVMe's, has no `block` in between (drivers/base/core.c, get_device_parent).
        let between = if name.starts_with("nvme") { "" } else { "block/" };
        let directory = format!("sys/devices/{place}/{between}{name}");
        self.block(&directory, name, mib << 20);
        self.write(&format!("{directory}/queue/logical_block_size"), "512\n");
        symlink(self.path(&directory), self.path(&format!("sys/block/{name}"))).unwrap();
        symlink(self.path(&format!("sys/devices/{place}")), self.path(&format!("{directory}/device"))).unwrap();
    }

    /// A device made from others: `dm-0`.
    pub fn stacked(&mut self, name: &str, slaves: &[&str], dm_name: &str, dm_uuid: &str) {
        let directory = format!("sys/devices/virtual/block/{name}");
        self.block(&directory, name, 1 << 20);
        self.write(&format!("{directory}/dm/name"), dm_name);
        self.write(&format!("{directory}/dm/uuid"), dm_uuid);
        for slave in slaves {
            self.write(&format!("{directory}/slaves/{slave}"), "");
        }
        symlink(self.path(&directory), self.path(&format!("sys/block/{name}"))).unwrap();
    }

    fn block(&mut self, directory: &str, name: &str, bytes: u64) {
        self.write(&format!("{directory}/dev"), format!("8:{}\n", self.minor));
        self.write(&format!("{directory}/size"), format!("{}\n", bytes / 512));
        self.minor += 1;
        let image = std::fs::File::create(self.path(&format!("dev/{name}"))).unwrap();
        image.set_len(bytes).unwrap();
    }

    /// Writes a partition table and shows its partitions as the kernel would, each as an image of its own.
    pub fn partition(&mut self, disk: &str, script: &str) {
        self.run_with("sfdisk", &["-q", &format!("dev/{disk}")], script);
        let json = self.run("sfdisk", &["--json", &format!("dev/{disk}")]);
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        for entry in json["partitiontable"]["partitions"].as_array().unwrap() {
            let name = entry["node"].as_str().unwrap().strip_prefix("dev/").unwrap().to_owned();
            let number = name.strip_prefix(disk).unwrap().trim_start_matches('p').to_owned();
            let directory = self.path(&format!("sys/block/{disk}")).canonicalize().unwrap();
            let directory = directory.strip_prefix(self.path("").canonicalize().unwrap()).unwrap().to_owned();
            let directory = format!("{}/{name}", directory.display());
            self.block(&directory, &name, entry["size"].as_u64().unwrap() * 512);
            self.write(&format!("{directory}/partition"), number);
        }
    }

    /// Puts GRUB's message where it is in the boot sector.
    pub fn grub_boot_code(&self, disk: &str) {
        use std::os::unix::fs::FileExt as _;
        let image = std::fs::OpenOptions::new().write(true).open(self.path(&format!("dev/{disk}"))).unwrap();
        image.write_all_at(b"GRUB \0Geom\0Hard Disk\0Read\0 Error", 0x180).unwrap();
    }

    /// Mounts a device at a path of the system, as far as the mount table goes.
    pub fn mount(&mut self, device: &str, at: &str, kind: &str) {
        let number = match device.strip_prefix("/dev/") {
            Some(name) => self.number(name),
            None => "0:99".to_owned(),
        };
        let target = self.sysroot.root().join(at.trim_start_matches('/'));
        std::fs::create_dir_all(&target).unwrap();
        let target = target.canonicalize().unwrap();
        let id = 100 + self.mounts.lines().count();
        self.mounts += &format!("{id} 1 {number} / {} rw,noatime - {kind} {device} rw\n", target.display());
        // Whatever is below the root is on it.
        let text = self.mounts.replace(" 1 ", " 100 ").replacen(" 100 ", " 1 ", 1);
        self.write("proc/self/mountinfo", text);
    }

    fn number(&self, name: &str) -> String {
        let find = |directory: &Path| std::fs::read_to_string(directory.join("dev")).ok();
        let whole = self.path(&format!("sys/block/{name}"));
        let found = find(&whole).or_else(|| {
            std::fs::read_dir(self.path("sys/block")).unwrap().find_map(|disk| find(&disk.unwrap().path().join(name)))
        });
        found.unwrap().trim().to_owned()
    }

    pub fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        self.run_with(program, arguments, "")
    }

    pub fn run_with(&self, program: &str, arguments: &[&str], stdin: &str) -> Vec<u8> {
        use std::io::Write as _;
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(self.directory.path())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}
