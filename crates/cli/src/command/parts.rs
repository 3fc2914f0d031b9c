//! What several commands take.

use crate::guarded;
use clap::Args;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Reads another root than the running system's.
#[derive(Args, Clone, Debug)]
pub struct SysrootArgs {
    /// Work on the root filesystem in this folder: kernel, modules and programs are taken from there
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub sysroot: PathBuf,
}

/// What a backup leaves out.
#[derive(Args, Clone, Debug)]
pub struct ExcludeArgs {
    /// Leave this path out, with everything below it, or all that fits a pattern, e.g. '**/*.tmp'; may be repeated
    #[arg(long, value_name = "PATH|PATTERN")]
    pub exclude: Vec<PathBuf>,
    /// Leave out what this file names, a path or a pattern on each line; empty lines and those that begin with # count for nothing; may
    /// be repeated
    #[arg(long, value_name = "FILE", value_parser = exclusions)]
    pub exclude_file: Vec<ExcludeFile>,
    /// Keep this directory but leave out what it holds; may be repeated
    #[arg(long, value_name = "DIR")]
    pub exclude_contents: Vec<PathBuf>,
}

/// The lines of a file of exclusions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExcludeFile(pub Vec<PathBuf>);

impl ExcludeArgs {
    /// All paths and patterns that are left out with everything below them.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.exclude.iter().chain(self.exclude_file.iter().flat_map(|file| &file.0))
    }
}

fn exclusions(path: &str) -> Result<ExcludeFile, String> {
    let path = Path::new(path);
    let (bytes, others) = guarded::read(path).map_err(|error| format!("cannot READ it: {error}"))?;
    // Who writes to it decides what is missing from a backup.
    guarded::refuse_writable("the list of exclusions", path, others).map_err(|error| error.text())?;
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let named = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    Ok(ExcludeFile(named.map(|line| PathBuf::from(OsStr::from_bytes(line))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_exclusions() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("list");
        std::fs::write(&file, b"# caches\n/var/cache\r\n\n  **/*.tmp  \n/srv/\xff\n#/no").unwrap();
        let read = exclusions(file.to_str().unwrap()).unwrap();
        let expected =
            [&b"/var/cache"[..], b"**/*.tmp", b"/srv/\xff"].map(|path| PathBuf::from(OsStr::from_bytes(path)));
        assert_eq!(read.0, expected);
        let args = ExcludeArgs { exclude: vec!["/a".into()], exclude_file: vec![read], exclude_contents: vec![] };
        assert_eq!(args.all().count(), 4);
        assert!(exclusions(dir.path().join("none").to_str().unwrap()).unwrap_err().contains("cannot READ"));
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        assert!(exclusions(file.to_str().unwrap()).is_err());
    }
}
