//! Programs with all that they need: interpreter, libraries, what they open when they run.

use crate::closure::{FoundLibrary, Linker, missing_version};
use crate::elf::{self, Dynamic};
use crate::error::RescueError;
use crate::modules::Place;
use crate::programs;
use crate::sysroot::Sysroot;
use crate::tree::{FileContent, Node, Tree};
use lifeboat_sys::program::DIRECTORIES;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Script interpreters that travel. Perl and Python would bring hundreds of files for little use.
const INTERPRETERS: [&str; 4] = ["sh", "bash", "dash", "busybox"];

/// Programs that open parts of their own by path, and where distributions have these: whole directories,
/// and files. multipath checks and ranks paths through them, and does nothing without them; sshd of OpenSSH 9.8 and later
/// hands each connection to a program of its own, that of 10.0 and later its log-in, too.
const PARTS: [(&str, &[&str]); 2] = [
    ("multipath", &["/lib/multipath", "/usr/lib/multipath", "/lib64/multipath", "/usr/lib64/multipath"]),
    (
        "sshd",
        &[
            "/usr/lib/openssh/sshd-session",
            "/usr/lib/openssh/sshd-auth",
            "/usr/libexec/openssh/sshd-session",
            "/usr/libexec/openssh/sshd-auth",
            "/usr/lib/ssh/sshd-session",
            "/usr/lib/ssh/sshd-auth",
        ],
    ),
];

/// Libraries that glibc opens by name: name services (nss(5)), unwinding for thread cancellation.
const OPENED_BY_GLIBC: [&str; 4] = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1"];

/// Character sets for FAT labels (mkfs.fat asks iconv for code page 850) and for GPT names.
const CHARACTER_SETS: [&str; 7] =
    ["IBM850.so", "IBM437.so", "UTF-16.so", "UTF-32.so", "UNICODE.so", "ISO8859-1.so", "ISO8859-15.so"];

/// Helpers of udev rules that lead to disks and input devices.
const UDEV_HELPERS: [&str; 6] = ["ata_id", "cdrom_id", "scsi_id", "mtd_probe", "dmi_memory_id", "dasd_id"];

/// Rules that stay out: they activate what is on disks (init does, when the mode allows it), or run services that a
/// rescue system does not have.
const UDEV_WITHOUT: [&str; 14] = [
    "64-md-raid-assembly.rules",
    "65-md-incremental.rules",
    "69-lvm.rules",
    "69-lvm-metad.rules",
    "69-md-clustered-confirm-device.rules",
    "69-bcache.rules",
    "85-hdparm.rules",
    "85-hwclock.rules",
    "96-e2scrub.rules",
    "60-autosuspend.rules",
    "60-persistent-alsa.rules",
    "78-sound-card.rules",
    "70-power-switch.rules",
    "90-alsa-restore.rules",
];

/// Collects programs and what they need into a tree.
pub struct Gatherer<'a> {
    sysroot: &'a Sysroot,
    /// The running system, for libraries of our own programs that the root filesystem does not have.
    host: &'a Sysroot,
    linker: Linker<'a>,
    host_linker: Linker<'a>,
    /// What was gathered.
    pub tree: Tree,
    /// What a person should know: programs left out.
    pub warnings: Vec<String>,
    seen: BTreeSet<PathBuf>,
}

/// Which root a file belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Sysroot,
    Host,
}

impl<'a> Gatherer<'a> {
    /// A gatherer with an empty tree, which has the links of a merged /usr.
    ///
    /// # Errors
    /// When the linker's configuration cannot be read.
    pub fn new(sysroot: &'a Sysroot, host: &'a Sysroot) -> Result<Self, RescueError> {
        let mut tree = Tree::default();
        for path in ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin", "/usr/lib64"] {
            if let Some(resolved) = sysroot.resolve(Path::new(path))?
                && !resolved.links.is_empty()
            {
                tree.links(&resolved, "as on the machine");
                tree.directory(&resolved.path, 0o755, "directory");
            }
        }
        Ok(Gatherer {
            sysroot,
            host,
            linker: Linker::new(sysroot)?,
            host_linker: Linker::new(host)?,
            tree,
            warnings: vec![],
            seen: BTreeSet::new(),
        })
    }

    /// Adds one of our own programs at `target`, with its libraries from the root filesystem, or else from the host.
    ///
    /// # Errors
    /// When it or a library cannot be found, or a library is too old for it.
    pub fn own_program(&mut self, program: &Path, target: &Path, why: &str) -> Result<(), RescueError> {
        let outside = std::path::absolute(program).map_err(RescueError::io("READ", program))?;
        self.tree.file(target, FileContent::File(outside), 0o755, why);
        self.own_libraries(program, target)
    }

    /// Adds the libraries of one of our own programs, which itself is somewhere else at `target`.
    ///
    /// # Errors
    /// As for [`Gatherer::own_program`].
    pub fn own_libraries(&mut self, program: &Path, target: &Path) -> Result<(), RescueError> {
        let bytes = std::fs::read(program).map_err(RescueError::io("READ", program))?;
        let dynamic = elf::parse(&bytes).map_err(|reason| RescueError::Format { path: program.to_owned(), reason })?;
        self.needs_of(target, &dynamic, From::Sysroot, &[])?;
        self.opened_by_glibc(target, &dynamic)
    }

    /// Adds every program of one image that the machine has; returns those that are too heavy for it, with their reason.
    ///
    /// # Errors
    /// [`RescueError::Program`] for a required one that is missing; when files cannot be read.
    pub fn programs(&mut self, place: Place) -> Result<Vec<(PathBuf, String)>, RescueError> {
        let mut heavy = vec![];
        for wanted in programs::wanted(place) {
            match (self.sysroot.find_in(&DIRECTORIES, wanted.name)?, wanted.required) {
                (Some(path), _) if wanted.weighed => {
                    if !self.light_program(&path, &wanted.why)? {
                        heavy.push((path, wanted.why));
                    }
                }
                (Some(path), required) => {
                    self.program(&path, &wanted.why, required.is_some())?;
                    self.parts_of(wanted.name)?;
                }
                (None, None) => {}
                (None, Some(package)) => return Err(self.missing_program(wanted.name, package)),
            }
        }
        // The name that a person types; the usual program, if too heavy, is in tools.img under its own name.
        let (vi, small) = (Path::new("/usr/bin/vi"), Path::new("/usr/bin/vim.tiny"));
        if place == Place::Root && self.tree.contains(small) && !self.tree.contains(vi) {
            self.tree.link(vi, Path::new("vim.tiny"), "expert mode: reading and editing");
        }
        Ok(heavy)
    }

    /// Adds what a program opens by path.
    fn parts_of(&mut self, name: &str) -> Result<(), RescueError> {
        let why = format!("opened by {name}");
        let places = PARTS.iter().filter(|(program, _)| *program == name).flat_map(|(_, places)| *places);
        for place in places.map(Path::new) {
            if self.sysroot.file(place)?.is_some() {
                self.program(place, &why, false)?;
                continue;
            }
            for part in self.sysroot.list(place)? {
                self.program(&place.join(part), &why, false)?;
            }
        }
        Ok(())
    }

    /// Adds a program unless it and its libraries bring more than [`programs::HEAVY_BYTES`]; returns whether it was added.
    fn light_program(&mut self, path: &Path, why: &str) -> Result<bool, RescueError> {
        let (tree, seen, warnings) = (self.tree.clone(), self.seen.clone(), self.warnings.len());
        self.program(path, why, false)?;
        let mut added = 0;
        for (path, node, _) in self.tree.iter().filter(|(path, ..)| !tree.contains(path)) {
            if let Node::File { source: FileContent::File(outside), .. } = node {
                added += std::fs::metadata(outside).map_err(RescueError::io("READ", path))?.len();
            }
        }
        let light = added <= programs::HEAVY_BYTES;
        if !light {
            (self.tree, self.seen) = (tree, seen);
            self.warnings.truncate(warnings);
        }
        Ok(light)
    }

    /// Adds a shell, and the name /bin/sh for it.
    ///
    /// # Errors
    /// [`RescueError::Program`] when the machine has none.
    pub fn shell(&mut self) -> Result<(), RescueError> {
        let mut shell = None;
        for name in programs::SHELLS {
            if shell.is_none() {
                shell = self.sysroot.find_in(&DIRECTORIES, name)?;
            }
        }
        let shell = shell.ok_or_else(|| self.missing_program("sh", "bash"))?;
        self.program(&shell, "shell", true)?;
        if self.sysroot.resolve(Path::new("/bin/sh"))?.is_none()
            && let Some(resolved) = self.sysroot.resolve(&shell)?
        {
            self.tree.link(Path::new("/usr/bin/sh"), &resolved.path, "shell");
        }
        Ok(())
    }

    /// Adds a program by path. Returns whether it was added; a script for an interpreter that does not travel is not,
    /// with a warning, unless it is required.
    ///
    /// # Errors
    /// When it or what it needs cannot be found or read.
    pub fn program(&mut self, path: &Path, why: &str, required: bool) -> Result<bool, RescueError> {
        let Some((resolved, outside)) = self.sysroot.file(path)? else { return Ok(false) };
        if !self.seen.insert(resolved.path.clone()) {
            // Another name for what was added: its links only.
            self.tree.links(&resolved, why);
            return Ok(self.tree.contains(&resolved.path));
        }
        if let Some((interpreter, argument)) = elf::shebang(&read_start(&outside)?) {
            // `env NAME` looks NAME up.
            let interpreter = match (interpreter.ends_with("/env"), argument) {
                (true, Some(name)) => match self.sysroot.find_in(&DIRECTORIES, &name)? {
                    Some(path) => path,
                    None => PathBuf::from(name),
                },
                _ => PathBuf::from(interpreter),
            };
            let name = interpreter.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !required && !INTERPRETERS.contains(&name.as_str()) {
                self.warnings.push(format!("{} is left out: it is a script for {name}", path.display()));
                return Ok(false);
            }
            self.program(&interpreter, &format!("interpreter of {}", path.display()), required)?;
        }
        self.tree.take(self.sysroot, path, why)?;
        if let Some(dynamic) = self.linker.read(&resolved.path)? {
            self.needs_of(&resolved.path, &dynamic, From::Sysroot, &[])?;
        }
        Ok(true)
    }

    /// Adds systemd-udevd with rules and helpers, when the machine has it. Auto-assembly is left out: see [`UDEV_WITHOUT`].
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn udev(&mut self) -> Result<(), RescueError> {
        let candidates =
            ["/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd", "/sbin/udevd", "/usr/sbin/udevd"];
        let mut found = false;
        for path in candidates {
            found = found || self.program(Path::new(path), "device rules", true)?;
        }
        if !found {
            self.warnings
                .push("the machine has no udevd: device rules are not applied in the rescue system".to_owned());
            return Ok(());
        }
        for directory in ["/usr/lib/udev", "/lib/udev"] {
            for name in UDEV_HELPERS {
                self.program(&Path::new(directory).join(name), "helper of device rules", false)?;
            }
        }
        for directory in ["/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"] {
            for name in self.sysroot.list(Path::new(directory))? {
                let rules = name.to_string_lossy().ends_with(".rules");
                if rules && !UDEV_WITHOUT.iter().any(|without| name == *without) {
                    self.tree.take(self.sysroot, &Path::new(directory).join(name), "device rules")?;
                }
            }
        }
        self.tree.take(self.sysroot, Path::new("/etc/udev/udev.conf"), "device rules")?;
        Ok(())
    }

    /// Adds what programs of the C library open by name: character sets.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn character_sets(&mut self) -> Result<(), RescueError> {
        let why = "character sets for mkfs.fat";
        for directory in [
            "/usr/lib/x86_64-linux-gnu/gconv",
            "/usr/lib/aarch64-linux-gnu/gconv",
            "/usr/lib64/gconv",
            "/usr/lib/gconv",
        ] {
            for name in CHARACTER_SETS {
                self.program(&Path::new(directory).join(name), why, false)?;
            }
            for name in ["gconv-modules", "gconv-modules.d/gconv-modules-extra.conf"] {
                self.tree.take(self.sysroot, &Path::new(directory).join(name), why)?;
            }
        }
        Ok(())
    }

    fn missing_program(&self, name: &str, package: &str) -> RescueError {
        RescueError::Program {
            name: name.to_owned(),
            package: package.to_owned(),
            root: self.sysroot.root().to_owned(),
        }
    }

    fn needs_of(
        &mut self,
        file: &Path,
        dynamic: &Dynamic,
        from: From,
        inherited: &[PathBuf],
    ) -> Result<(), RescueError> {
        if let Some(interpreter) = &dynamic.interpreter {
            let path = Path::new(interpreter);
            let why = format!("dynamic linker of {}", file.display());
            let taken = self.tree.take(self.sysroot, path, &why)? || self.tree.take(self.host, path, &why)?;
            if !taken {
                return Err(RescueError::Library { library: interpreter.clone(), file: file.to_owned() });
            }
        }
        let inherited = Linker::inherited(file, dynamic, inherited);
        for library in &dynamic.needed {
            let found = self.library(library, file, dynamic, from, &inherited)?;
            if !found {
                return Err(RescueError::Library { library: library.clone(), file: file.to_owned() });
            }
        }
        for opened in dynamic.opens.iter().filter(|opened| !opened.is_suggestion()) {
            for library in &opened.soname {
                // Alternatives: the first that exists. None is not an error, the program reports that itself.
                if self.library(library, file, dynamic, from, &inherited)? {
                    break;
                }
            }
        }
        Ok(())
    }

    fn library(
        &mut self,
        library: &str,
        file: &Path,
        dynamic: &Dynamic,
        from: From,
        inherited: &[PathBuf],
    ) -> Result<bool, RescueError> {
        if from == From::Sysroot
            && let Some(found) = self.linker.find(library, file, dynamic, inherited)?
        {
            if let Some(version) = missing_version(&mut self.linker, &found.path, library, dynamic)? {
                return Err(RescueError::LibraryVersion { path: found.path, file: file.to_owned(), version });
            }
            self.take_library(&found, file, library, From::Sysroot, inherited)?;
            return Ok(true);
        }
        // What belongs to the machine takes its libraries from the machine; ours may take the host's.
        let own = self.sysroot.file(file)?.is_none();
        if (own || from == From::Host)
            && let Some(found) = self.host_linker.find(library, file, dynamic, inherited)?
        {
            self.take_library(&found, file, library, From::Host, inherited)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn take_library(
        &mut self,
        found: &FoundLibrary,
        file: &Path,
        library: &str,
        from: From,
        inherited: &[PathBuf],
    ) -> Result<(), RescueError> {
        let root = if from == From::Sysroot { self.sysroot } else { self.host };
        let why = format!("library of {}", file.display());
        self.tree.take(root, &found.path, &why)?;
        if found.configured {
            // Only ld.so.cache leads there, and the image has none.
            self.tree.link(&Path::new("/usr/lib").join(library), &found.path, &why);
        }
        let Some(resolved) = root.resolve(&found.path)? else { return Ok(()) };
        if !self.seen.insert(resolved.path.clone()) {
            return Ok(());
        }
        let linker = if from == From::Sysroot { &mut self.linker } else { &mut self.host_linker };
        match linker.read(&resolved.path)? {
            // `$ORIGIN` is the directory of the name that was opened, with its links followed (ld.so(8)).
            Some(dynamic) => self.needs_of(&resolved.path, &dynamic, from, inherited),
            None => Ok(()),
        }
    }

    fn opened_by_glibc(&mut self, file: &Path, dynamic: &Dynamic) -> Result<(), RescueError> {
        for library in OPENED_BY_GLIBC {
            self.library(library, file, dynamic, From::Sysroot, &[])?;
        }
        Ok(())
    }
}

fn read_start(outside: &Path) -> Result<Vec<u8>, RescueError> {
    use std::io::Read as _;
    let mut start = Vec::new();
    let file = std::fs::File::open(outside).map_err(RescueError::io("READ", outside))?;
    file.take(256).read_to_end(&mut start).map_err(RescueError::io("READ", outside))?;
    Ok(start)
}
