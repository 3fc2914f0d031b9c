//! Library closure: what must travel with a program so that the dynamic linker finds all of it (ld.so(8)).

use crate::elf::{self, Abi, Dynamic};
use crate::error::RescueError;
use crate::sysroot::Sysroot;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A library that a file in an image needs and would not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingLibrary {
    /// The file, as a path inside the image.
    pub file: PathBuf,
    /// What it needs.
    pub library: String,
}

/// How a library was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLibrary {
    /// Its path inside the root, links not followed.
    pub path: PathBuf,
    /// Found only through /etc/ld.so.conf, so that an image without ld.so.cache needs a link in a default directory.
    pub configured: bool,
}

/// Finds libraries in a root filesystem.
pub struct Linker<'a> {
    sysroot: &'a Sysroot,
    configured: Vec<PathBuf>,
    /// What was read before: many programs need the same libraries.
    known: BTreeMap<PathBuf, Dynamic>,
}

impl<'a> Linker<'a> {
    /// A linker with the directories of /etc/ld.so.conf.
    ///
    /// # Errors
    /// When the configuration exists but cannot be read.
    pub fn new(sysroot: &'a Sysroot) -> Result<Self, RescueError> {
        let mut configured = Vec::new();
        read_ld_so_conf(sysroot, Path::new("/etc/ld.so.conf"), &mut configured, 0)?;
        Ok(Linker { sysroot, configured, known: BTreeMap::new() })
    }

    /// A linker that finds what the dynamic linker finds in an image without ld.so.cache.
    pub fn without_configuration(sysroot: &'a Sysroot) -> Self {
        Linker { sysroot, configured: vec![], known: BTreeMap::new() }
    }

    /// Reads the file at `path`; `None` when it is not an ELF file.
    ///
    /// # Errors
    /// When it cannot be read, or is a damaged ELF file.
    pub fn read(&mut self, path: &Path) -> Result<Option<Dynamic>, RescueError> {
        if let Some(known) = self.known.get(path) {
            return Ok(Some(known.clone()));
        }
        let Some((_, outside)) = self.sysroot.file(path)? else { return Ok(None) };
        let Some(dynamic) = read_elf(&outside)? else { return Ok(None) };
        self.known.insert(path.to_owned(), dynamic.clone());
        Ok(Some(dynamic))
    }

    /// Finds `library` as needed by `file` (a path without links, for `$ORIGIN`), which was loaded by programs with
    /// the run paths `inherited`.
    ///
    /// # Errors
    /// When a candidate cannot be read.
    pub fn find(
        &mut self,
        library: &str,
        file: &Path,
        dynamic: &Dynamic,
        inherited: &[PathBuf],
    ) -> Result<Option<FoundLibrary>, RescueError> {
        let fits = |path: &Path| -> Result<bool, RescueError> {
            let Some((_, outside)) = self.sysroot.file(path)? else { return Ok(false) };
            Ok(read_abi(&outside)? == Some(dynamic.abi))
        };
        if library.contains('/') {
            let path = PathBuf::from(library);
            return Ok(fits(&path)?.then_some(FoundLibrary { path, configured: false }));
        }
        let own = if dynamic.runpath.is_empty() { &dynamic.rpath } else { &dynamic.runpath };
        let mut directories: Vec<(PathBuf, bool)> =
            own.iter().flat_map(|entry| expand(entry, file, dynamic.abi)).map(|path| (path, false)).collect();
        if dynamic.runpath.is_empty() {
            directories.extend(inherited.iter().map(|path| (path.clone(), false)));
        }
        // The linker asks its cache, which has the configured directories, first. A library that is in a default
        // directory, too, is taken from there: it is found without the cache.
        let defaults = default_directories(dynamic.abi);
        directories.extend(defaults.iter().map(|path| (PathBuf::from(path), false)));
        directories.extend(self.configured.iter().map(|path| (path.clone(), true)));
        for (directory, configured) in directories {
            let path = directory.join(library);
            if fits(&path)? {
                let configured = configured && !defaults.iter().any(|path| Path::new(path) == directory);
                return Ok(Some(FoundLibrary { path, configured }));
            }
        }
        Ok(None)
    }

    /// Run paths that libraries of this program inherit: `DT_RPATH` applies to the whole tree, `DT_RUNPATH` does not.
    pub fn inherited(file: &Path, dynamic: &Dynamic, inherited: &[PathBuf]) -> Vec<PathBuf> {
        let mut paths = inherited.to_vec();
        if dynamic.runpath.is_empty() {
            paths.extend(dynamic.rpath.iter().flat_map(|entry| expand(entry, file, dynamic.abi)));
        }
        paths
    }
}

fn read_elf(outside: &Path) -> Result<Option<Dynamic>, RescueError> {
    if read_abi(outside)?.is_none() {
        return Ok(None);
    }
    let bytes = std::fs::read(outside).map_err(RescueError::io("READ", outside))?;
    elf::parse(&bytes).map(Some).map_err(|reason| RescueError::Format { path: outside.to_owned(), reason })
}

fn read_abi(outside: &Path) -> Result<Option<Abi>, RescueError> {
    use std::io::Read as _;
    let mut start = Vec::new();
    let file = std::fs::File::open(outside).map_err(RescueError::io("READ", outside))?;
    file.take(64).read_to_end(&mut start).map_err(RescueError::io("READ", outside))?;
    Ok(elf::abi(&start))
}

/// Debian's multiarch tuple and Fedora's directory, for `$LIB` and the default directories.
fn library_directories(abi: Abi) -> [&'static str; 2] {
    use goblin::elf::header::{EM_386, EM_AARCH64, EM_ARM, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64};
    match (abi.machine, abi.wide) {
        (EM_X86_64, true) => ["lib/x86_64-linux-gnu", "lib64"],
        (EM_386, _) => ["lib/i386-linux-gnu", "lib"],
        (EM_AARCH64, _) => ["lib/aarch64-linux-gnu", "lib64"],
        (EM_ARM, _) => ["lib/arm-linux-gnueabihf", "lib"],
        (EM_PPC64, _) => ["lib/powerpc64le-linux-gnu", "lib64"],
        (EM_RISCV, _) => ["lib/riscv64-linux-gnu", "lib64"],
        (EM_S390, _) => ["lib/s390x-linux-gnu", "lib64"],
        _ => ["lib", "lib64"],
    }
}

/// Directories that the linker searches by default.
fn default_directories(abi: Abi) -> Vec<String> {
    let mut directories = Vec::new();
    for directory in library_directories(abi) {
        directories.push(format!("/{directory}"));
        directories.push(format!("/usr/{directory}"));
    }
    directories.push("/lib".to_owned());
    directories.push("/usr/lib".to_owned());
    directories
}

fn expand(entry: &str, file: &Path, abi: Abi) -> Vec<PathBuf> {
    let origin = file.parent().unwrap_or(Path::new("/")).display().to_string();
    library_directories(abi)
        .iter()
        .map(|lib| {
            let text = entry.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
            PathBuf::from(text.replace("${LIB}", lib).replace("$LIB", lib))
        })
        .filter(|path| path.is_absolute())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn read_ld_so_conf(
    sysroot: &Sysroot,
    path: &Path,
    directories: &mut Vec<PathBuf>,
    depth: usize,
) -> Result<(), RescueError> {
    let Some(bytes) = sysroot.read(&path.display().to_string())? else { return Ok(()) };
    for line in String::from_utf8_lossy(&bytes).lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        // A file that includes itself must not trap us.
        match line.strip_prefix("include").filter(|rest| rest.starts_with(char::is_whitespace)) {
            Some(pattern) if depth < 8 => {
                let pattern = path.parent().unwrap_or(Path::new("/")).join(pattern.trim());
                let directory = pattern.parent().unwrap_or(Path::new("/"));
                let names = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                for name in sysroot.list(directory)? {
                    if lifeboat_sys::modules::fnmatch(&names, &name.to_string_lossy()) {
                        read_ld_so_conf(sysroot, &directory.join(name), directories, depth + 1)?;
                    }
                }
            }
            Some(_) => {}
            None if line.starts_with('/') => directories.push(PathBuf::from(line)),
            None => {}
        }
    }
    Ok(())
}

/// Every library that an ELF file below `staging` needs and the dynamic linker would not find there, as it searches in
/// an image without ld.so.cache. Symbol versions are checked, too; a missing one is listed as `LIBRARY (VERSION)`.
///
/// # Errors
/// When a file cannot be read.
pub fn check_closure(staging: &Path) -> Result<Vec<MissingLibrary>, RescueError> {
    let sysroot = Sysroot::new(staging);
    let mut linker = Linker::without_configuration(&sysroot);
    let mut missing = Vec::new();
    let mut pending = vec![PathBuf::from("/")];
    while let Some(path) = pending.pop() {
        let outside = sysroot.outside(&path);
        let metadata = outside.symlink_metadata().map_err(RescueError::io("READ", &outside))?;
        if metadata.is_dir() {
            pending.extend(sysroot.list(&path)?.into_iter().map(|name| path.join(name)));
            continue;
        }
        let module = path.extension().is_some_and(|extension| extension == "ko");
        if !metadata.is_file() || module {
            continue;
        }
        let Some(dynamic) = linker.read(&path)? else { continue };
        if let Some(interpreter) = &dynamic.interpreter
            && sysroot.file(Path::new(interpreter))?.is_none()
        {
            missing.push(MissingLibrary { file: path.clone(), library: interpreter.clone() });
        }
        for library in &dynamic.needed {
            match linker.find(library, &path, &dynamic, &[])? {
                None => missing.push(MissingLibrary { file: path.clone(), library: library.clone() }),
                Some(found) => {
                    if let Some(version) = missing_version(&mut linker, &found.path, library, &dynamic)? {
                        let library = format!("{library} ({version})");
                        missing.push(MissingLibrary { file: path.clone(), library });
                    }
                }
            }
        }
    }
    missing.sort_by(|a, b| (&a.file, &a.library).cmp(&(&b.file, &b.library)));
    Ok(missing)
}

/// The first symbol version that `dynamic` needs from `library` and that the file at `path` lacks.
///
/// # Errors
/// When the library cannot be read.
pub fn missing_version(
    linker: &mut Linker<'_>,
    path: &Path,
    library: &str,
    dynamic: &Dynamic,
) -> Result<Option<String>, RescueError> {
    // A library without any versions satisfies every need; the linker only warns.
    let Some(has) = linker.read(path)?.and_then(|found| found.has) else { return Ok(None) };
    let wanted = dynamic.wants.iter().filter(|(from, _)| from == library);
    Ok(wanted.map(|(_, version)| version).find(|version| !has.contains(*version)).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86_64: Abi = Abi { wide: true, machine: 62 };

    #[test]
    fn tokens_are_expanded() {
        let expand = |entry| expand(entry, Path::new("/opt/app/bin/prog"), X86_64);
        assert_eq!(expand("$ORIGIN/../lib"), [PathBuf::from("/opt/app/bin/../lib")]);
        assert_eq!(expand("/usr/$LIB/x"), [PathBuf::from("/usr/lib/x86_64-linux-gnu/x"), "/usr/lib64/x".into()]);
        assert!(expand("relative").is_empty());
    }

    #[test]
    fn configuration_is_followed_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let conf = dir.path().join("etc/ld.so.conf.d");
        std::fs::create_dir_all(&conf).unwrap();
        std::fs::write(
            dir.path().join("etc/ld.so.conf"),
            "include ld.so.conf.d/*.conf\n/last # comment\ninclude /etc/ld.so.conf\n",
        )
        .unwrap();
        std::fs::write(conf.join("b.conf"), "/b\n").unwrap();
        std::fs::write(conf.join("a.conf"), "# c\n/a\n").unwrap();
        std::fs::write(conf.join("a.disabled"), "/no\n").unwrap();
        let sysroot = Sysroot::new(dir.path());
        let linker = Linker::new(&sysroot).unwrap();
        assert_eq!(linker.configured[..3], [PathBuf::from("/a"), "/b".into(), "/last".into()]);
    }

    #[test]
    fn the_running_system_is_whole_and_an_empty_one_is_not() {
        let sysroot = Sysroot::new("/");
        let mut linker = Linker::new(&sysroot).unwrap();
        let exe = std::env::current_exe().unwrap();
        let dynamic = linker.read(&exe).unwrap().unwrap();
        for library in &dynamic.needed {
            let found = linker.find(library, &exe, &dynamic, &[]).unwrap().unwrap();
            assert_eq!(missing_version(&mut linker, &found.path, library, &dynamic).unwrap(), None);
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(&exe, dir.path().join("prog")).unwrap();
        let missing = check_closure(dir.path()).unwrap();
        assert!(missing.iter().any(|m| m.library == "libc.so.6"), "{missing:?}");
        assert!(missing.iter().any(|m| m.library.contains("ld-linux")), "{missing:?}");
    }
}
